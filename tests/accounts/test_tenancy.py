"""The second wall is set after each migrate: only where it differs, and nobody meets a table without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection, connections

from apps.accounts import scoping, tenancy
from apps.accounts.models import Person
from tests.conftest import committed
from tests.factories import PersonFactory, WorkspaceFactory

CATALOGUE = (
    "SELECT 'policy', oid::bigint, xmin::text FROM pg_policy"
    " UNION ALL SELECT 'table', oid::bigint, xmin::text FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace"
)
# What somebody did to the table by hand.
DEEDS = {
    "a policy is gone": "DROP POLICY across_reads ON accounts_person",
    "a policy lets all rows through": "ALTER POLICY workspace_rows ON accounts_person USING (true)",
    "a policy lets all rows in": "ALTER POLICY workspace_rows ON accounts_person WITH CHECK (true)",
    "a policy is for everybody": "ALTER POLICY owner_rows ON accounts_person TO PUBLIC",
    "security is off": "ALTER TABLE accounts_person DISABLE ROW LEVEL SECURITY",
    "security is not for the owner": "ALTER TABLE accounts_person NO FORCE ROW LEVEL SECURITY",
    "a right is gone": "REVOKE INSERT ON accounts_person FROM {app}",
    "all rights are gone": "REVOKE ALL ON accounts_person FROM {app}, {across}",
    "a right is too much": "GRANT TRUNCATE ON accounts_person TO {app}",
    "a log can be changed": "GRANT UPDATE ON accounts_auditentry TO {app}",
    "a column of a log can be changed": "GRANT UPDATE (reason) ON accounts_auditentry TO {app}",
    "the across role writes": "GRANT DELETE ON accounts_person TO {across}",
    "a sequence is shut": "REVOKE USAGE ON SEQUENCE accounts_person_id_seq FROM {app}",
}


@committed
def test_where_nothing_differs_nothing_is_touched():
    with connections["owner"].cursor() as cursor:
        before = _rows(cursor, CATALOGUE)

        tenancy.install(connections["owner"])

        assert _rows(cursor, CATALOGUE) == before


@committed
def test_where_nothing_differs_nobody_is_waited_for():
    with _somebody_reads(*_owned_tables()):
        call_command("migrate", verbosity=0, skip_checks=True)


@committed
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_what_differs_is_set_as_it_was(deed):
    words = {"app": settings.DATABASES["default"]["USER"], "across": settings.ACROSS_ROLE}
    with connections["owner"].cursor() as cursor:
        before = _wall(cursor)
        cursor.execute(deed.format(**words))
        assert _wall(cursor) != before

        tenancy.install(connections["owner"])

        assert _wall(cursor) == before


@committed
def test_a_table_that_cannot_be_had_keeps_its_wall():
    with scoping.workspace(made := WorkspaceFactory()):
        PersonFactory(workspace=made)
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER POLICY across_reads ON accounts_person TO PUBLIC")
            with _somebody_reads("accounts_person"), _soon(), pytest.raises(OperationalError, match="lock"):
                tenancy.install(connections["owner"])

            assert Person.objects.count() == 1
            PersonFactory(workspace=made)
            assert len(_rows(cursor, "SELECT FROM pg_policies WHERE tablename = 'accounts_person'")) == 3
            tenancy.install(connections["owner"])


@committed
def test_a_new_table_is_open_to_nobody_before_its_policies_are_there():
    """Its rights come in the transaction that brings its policies."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP POLICY workspace_rows ON accounts_person")
        cursor.execute(f"REVOKE ALL ON accounts_person FROM {settings.DATABASES['default']['USER']}")
        with _somebody_reads("accounts_person", as_owner=True), _soon(), pytest.raises(OperationalError):
            tenancy.install(connections["owner"])
        cursor.execute("SELECT has_table_privilege(%s, 'accounts_person', 'SELECT')", [_app()])
        assert cursor.fetchone() == (False,)
        tenancy.install(connections["owner"])


def _app() -> str:
    return str(settings.DATABASES["default"]["USER"])


def _owned_tables() -> list[str]:
    return [model._meta.db_table for model in tenancy.owned_models()]


@contextmanager
def _somebody_reads(*tables: str, as_owner: bool = False) -> Iterator[None]:
    """A transaction that has read them and goes on."""
    known = connections["owner"] if as_owner else connection
    parameters = known.get_connection_params()
    parameters = {
        key: parameters[key] for key in ("host", "port", "dbname", "user", "password") if key in parameters
    }
    with psycopg.connect(**parameters) as reader:
        for table in tables:
            reader.execute(f'LOCK TABLE "{table}" IN ACCESS SHARE MODE')
        yield


@contextmanager
def _soon() -> Iterator[None]:
    """The owner does not wait long for a lock."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
        try:
            yield
        finally:
            cursor.execute("SET lock_timeout = DEFAULT")


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return sorted(cursor.fetchall())


def _wall(cursor: Any) -> list[list[tuple[Any, ...]]]:
    """All that says who may do what with which rows, in words."""
    return [
        _rows(cursor, "SELECT p::text FROM pg_policies AS p WHERE schemaname = 'public'"),
        _rows(
            cursor,
            "SELECT relname, relrowsecurity, relforcerowsecurity, a::text FROM pg_class"
            " LEFT JOIN LATERAL aclexplode(relacl) AS a ON true WHERE relnamespace = 'public'::regnamespace",
        ),
        _rows(
            cursor,
            "SELECT attrelid::regclass::text, attname, a::text FROM pg_attribute, aclexplode(attacl) AS a"
            " WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)",
        ),
    ]
