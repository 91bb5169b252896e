"""A statement that is a transaction of its own, in one trip to the database: scope, statement and COMMIT."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from psycopg import Cursor, Error

from apps.accounts import scoping

# What is run, and its parameters; each returns rows.
Statement = tuple[str, Any]


def fetch_one(statement: str, params: Any) -> Any:
    """Run it in the workspace in scope and return its only row, once it is committed.

    In an open transaction it is one statement among the others, and committed with them.
    """
    [rows] = fetch_all([(statement, params)])
    return rows[0] if rows else None


def fetch_all(statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    """Run them all in one transaction, and return the rows of each, once it is committed."""
    connection.ensure_connection()
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")  # through Django, so that the transaction knows its workspace
        with connection.wrap_database_errors:
            return [_run(connection.connection, *one).fetchall() for one in statements]
    with connection.wrap_database_errors:
        return _fetch_committed(connection.connection, statements)


def _run(raw: Any, statement: str, params: Any) -> Any:
    cursor = Cursor(raw)
    cursor.execute(statement, params)
    return cursor


def _fetch_committed(raw: Any, statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    """The transaction is spelt out: an error of a COMMIT that the end of a pipeline implies leaves the
    connection in the middle of it.
    """
    try:
        with raw.pipeline():
            Cursor(raw).execute("BEGIN")
            Cursor(raw).execute(scoping.TELL, (str(scoping.current_id()),))
            cursors = [_run(raw, *one) for one in statements]
            Cursor(raw).execute("COMMIT")
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
