"""A statement that is a transaction of its own, in one trip to the database: scope, statement and COMMIT."""

from typing import Any

from django.db import connection
from psycopg import Cursor, Error

from apps.accounts import scoping


def fetch_one(statement: str, params: Any) -> Any:
    """Run it in the workspace in scope and return its only row, once it is committed.

    In an open transaction it is one statement among the others, and committed with them.
    """
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            return cursor.fetchone()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return _fetch_committed(connection.connection, statement, params)


def _fetch_committed(raw: Any, statement: str, params: Any) -> Any:
    """The transaction is spelt out: an error of a COMMIT that the end of a pipeline implies leaves the
    connection in the middle of it.
    """
    try:
        with raw.pipeline():
            Cursor(raw).execute("BEGIN")
            Cursor(raw).execute(scoping.TELL, (str(scoping.current_id()),))
            cursor = Cursor(raw)
            cursor.execute(statement, params)
            Cursor(raw).execute("COMMIT")
    except BaseException:
        _give_up(raw)
        raise
    return cursor.fetchone()


def _give_up(raw: Any) -> None:
    """End what is left of the transaction; a connection that cannot is not used again."""
    try:
        raw.rollback()
    except Error:
        connection.close()
