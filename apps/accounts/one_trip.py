"""A statement that is a transaction of its own, in one trip to the database: scope, statement and COMMIT."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from psycopg import Cursor, Error

from apps.accounts import scoping

# What is run, and its parameters; each returns rows.
Statement = tuple[str, Any]


def fetch_one(statement: str, params: Any, *, is_prepared: bool = False) -> Any:
    """Run it in the workspace in scope and return its only row, once it is committed.

    In an open transaction it is one statement among the others, and committed with them.
    """
    [rows] = fetch_all([(statement, params)], is_prepared=is_prepared)
    return rows[0] if rows else None


def nothing() -> None:
    """There is nothing else to do."""


def fetch_all(
    statements: Sequence[Statement],
    *,
    is_prepared: bool = False,
    is_binary: bool = False,
    meanwhile: Callable[[], Any] = nothing,
) -> list[list[tuple[Any, ...]]]:
    """Run them all in one transaction, and return the rows of each, once it is committed.

    is_prepared: the connection keeps their plans; for what it runs a hundred times a second. is_binary: rows
    come as PostgreSQL has them, which is cheaper for many numbers and bytes; JSON is then asked for as text.
    meanwhile: done here while the database works, where the transaction is this call's own; it must not use
    the connection. What it raises then comes after the transaction, which is committed all the same.
    """
    connection.ensure_connection()
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")  # through Django, so that the transaction knows its workspace
        with connection.wrap_database_errors:
            ran = [_run(connection.connection, one, is_prepared, is_binary) for one in statements]
            rows = [cursor.fetchall() for cursor in ran]
        meanwhile()
        return rows
    with connection.wrap_database_errors:
        return _fetch_committed(connection.connection, statements, is_prepared, is_binary, meanwhile)


def array(values: Sequence[Any]) -> str:
    """As PostgreSQL reads it; psycopg's own way with lists costs a worker 5 µs a message."""
    known: dict[Any, str] = {}  # most columns say the same of everybody
    for one in values:
        if one not in known:
            known[one] = "NULL" if one is None else f'"{_escaped(str(one))}"'
    return f"{{{','.join([known[one] for one in values])}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")


def _run(raw: Any, statement: Statement, is_prepared: bool, is_binary: bool = False) -> Any:
    """Django's connections keep no plans unless they are told to."""
    cursor, kept = Cursor(raw), raw.prepare_threshold
    raw.prepare_threshold = 0 if is_prepared else kept
    try:
        cursor.execute(*statement, prepare=is_prepared or None, binary=is_binary or None)
    finally:
        raw.prepare_threshold = kept
    return cursor


def _fetch_committed(
    raw: Any,
    statements: Sequence[Statement],
    is_prepared: bool,
    is_binary: bool,
    meanwhile: Callable[[], Any],
) -> list[list[tuple[Any, ...]]]:
    """The transaction is spelt out: an error of a COMMIT that the end of a pipeline implies leaves the
    connection in the middle of it.
    """
    try:
        with raw.pipeline():
            Cursor(raw).execute("BEGIN")
            _run(raw, (scoping.TELL, (str(scoping.current_id()),)), is_prepared)
            cursors = [_run(raw, one, is_prepared, is_binary) for one in statements]
            Cursor(raw).execute("COMMIT")
            meanwhile()
    except BaseException:
        _give_up(raw)
        raise
    return [cursor.fetchall() for cursor in cursors]


def _give_up(raw: Any) -> None:
    """End what is left of the transaction; a connection that cannot is not used again."""
    try:
        raw.rollback()
    except Error:
        connection.close()
