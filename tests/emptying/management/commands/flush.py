"""Rows that a test left are deleted where they lie.

Truncating every table, and making the types of content and the permissions anew, took a second after each
such test; most leave a dozen rows. Where there are many, all tables are truncated, as ever.
"""

from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from apps.accounts.management.commands import flush

KEPT = {"django_content_type", "auth_permission"}  # made by migrate, changed by no test
MANY = 1_000


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        owner = connections["owner"]
        rows = _rows(owner)
        if max(rows.values(), default=0) > MANY:
            super().handle(**options)
        elif rows:
            _delete(owner, rows)


def _rows(owner: BaseDatabaseWrapper) -> dict[str, int]:
    """How many rows the tables hold that hold any, counted up to one more than MANY."""
    with owner.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND pg_relation_size(oid) > 0"
        )
        used = {name for (name,) in cursor.fetchall()} & set(owner.introspection.django_table_names())
        counts = [
            sql.SQL("SELECT {}, count(*) FROM (SELECT FROM {} LIMIT {}) AS first").format(
                sql.Literal(table), sql.Identifier(table), sql.Literal(MANY + 1)
            )
            for table in sorted(used - KEPT)
        ]
        if not counts:
            return {}
        cursor.execute(sql.SQL(" UNION ALL ").join(counts))
        return {table: rows for table, rows in cursor.fetchall() if rows}


def _delete(owner: BaseDatabaseWrapper, tables: dict[str, int]) -> None:
    """In any order: what points at them is looked at when the transaction ends."""
    with transaction.atomic(using=owner.alias), owner.cursor() as cursor:
        for table in tables:
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
