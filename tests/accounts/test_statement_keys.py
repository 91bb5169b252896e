"""Keys that are checked by statement hold as PostgreSQL's own do: alone, and with two connections at once."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from django.db import IntegrityError, connection, connections, transaction
from psycopg.errors import FeatureNotSupported, ForeignKeyViolation

from apps.accounts import scoping, statement_keys, tenancy
from apps.accounts.models import Person
from apps.accounts.statement_keys import Key
from apps.accounts.tenancy import owned_models
from apps.attribution.models import ConversionRecord, Source, Touchpoint
from tests.conftest import committed
from tests.factories import (
    ConversionFactory,
    PersonFactory,
    SourceFactory,
    TouchpointFactory,
    WorkspaceFactory,
)

KEYS = [
    Key(model._meta.db_table, field.column, field.related_model._meta.db_table)
    for model in owned_models()
    for field in model._meta.local_fields
    if getattr(field, "is_checked_by_statement", False)
]
PEOPLE_OF_TOUCHES = Key("attribution_touchpoint", "person_id", "accounts_person")
ADD = """
    INSERT INTO attribution_touchpoint
        (workspace_id, person_id, source_id, event_id, event_type, occurred_at, url, referrer)
    VALUES (%s, %s, %s, %s, 'click', now(), '', '')
"""
FORGET = "DELETE FROM accounts_person WHERE id = %s"


def test_the_large_tables_are_checked_by_statement():
    children = {(key.child, key.column) for key in KEYS}
    assert children == {
        ("attribution_conversion", "person_id"),
        ("attribution_conversionrecord", "conversion_id"),
        ("attribution_touchpoint", "person_id"),
        ("attribution_touchpoint", "source_id"),
        ("campaigns_audiencemember", "person_id"),
        ("campaigns_engagement", "campaign_id"),
        ("campaigns_engagement", "person_id"),
        ("campaigns_journeymove", "journey_id"),
        ("campaigns_journeymove", "run_id"),
        ("campaigns_journeynews", "run_id"),
        ("campaigns_journeypresence", "person_id"),
        ("campaigns_journeyrun", "journey_id"),
        ("campaigns_journeyrun", "person_id"),
        ("campaigns_journeytask", "journey_id"),
        ("campaigns_journeytask", "person_id"),
        ("campaigns_journeytask", "run_id"),
        ("campaigns_ledgerentry", "campaign_id"),
        ("campaigns_recipient", "campaign_id"),
        ("campaigns_recipient", "content_id"),
        ("campaigns_recipient", "person_id"),
    }


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_triggers_stand_in_for_each_constraint(db, key):
    with connection.cursor() as cursor:
        assert statement_keys.is_set(cursor, key)


# Alone


def _at_once(statement: str, key: int) -> None:
    """Do it, and check what is checked when a transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [key])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_row_without_its_parent_is_refused_at_once(workspace):
    touch = TouchpointFactory(workspace=workspace)
    for broken in ({"person_id": 0}, {"source_id": 0}):
        name = f"attribution_touchpoint_{next(iter(broken))}_in_workspace"
        with pytest.raises(IntegrityError, match=name) as refusal, transaction.atomic():
            Touchpoint.objects.create(
                **{
                    "workspace": workspace,
                    "person": touch.person,
                    "source": touch.source,
                    "event_id": "another",
                    "event_type": "click",
                    "occurred_at": touch.occurred_at,
                    **broken,
                }
            )
        assert isinstance(refusal.value.__cause__, ForeignKeyViolation)
        assert refusal.value.__cause__.diag.constraint_name == name


def test_a_row_cannot_be_turned_to_a_parent_that_is_not_there(workspace):
    touch = TouchpointFactory(workspace=workspace)
    with pytest.raises(IntegrityError, match="person_id_in_workspace"), transaction.atomic():
        Touchpoint.objects.filter(pk=touch.pk).update(person_id=0)


def test_one_orphan_among_many_is_found(workspace):
    touch = TouchpointFactory(workspace=workspace)
    rows = [
        Touchpoint(
            workspace=workspace,
            person_id=touch.person_id if n != 577 else 0,
            source=touch.source,
            event_id=f"many-{n}",
            event_type="click",
            occurred_at=touch.occurred_at,
        )
        for n in range(1_000)
    ]
    with pytest.raises(IntegrityError, match="person_id_in_workspace"), transaction.atomic():
        Touchpoint.objects.bulk_create(rows)
    assert Touchpoint.objects.count() == 1


def test_a_parent_of_another_workspace_is_none(workspace, other_workspace):
    touch = TouchpointFactory(workspace=workspace)
    with scoping.workspace(other_workspace):
        theirs = PersonFactory(workspace=other_workspace)
    with pytest.raises(IntegrityError, match="person_id_in_workspace"), transaction.atomic():
        Touchpoint.objects.filter(pk=touch.pk).update(person_id=theirs.pk)


def test_a_parent_goes_with_its_children_in_any_order(workspace):
    touch = TouchpointFactory(workspace=workspace)
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [touch.person_id])
        Touchpoint.objects.filter(pk=touch.pk).delete()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    "statement", [FORGET, "UPDATE accounts_person SET id = id + 1000000 WHERE id = %s"], ids=["goes", "moves"]
)
def test_a_parent_cannot_leave_its_children(workspace, statement):
    touch = TouchpointFactory(workspace=workspace)
    with pytest.raises(IntegrityError, match="person_id_in_workspace"), transaction.atomic():
        _at_once(statement, touch.person_id)
    assert Touchpoint.objects.get().person_id == touch.person_id


def test_a_parent_of_records_cannot_leave_them(workspace):
    sold = ConversionFactory(workspace=workspace)
    assert ConversionRecord.objects.filter(conversion=sold).exists()
    with pytest.raises(IntegrityError, match="conversion_id_in_workspace"), transaction.atomic():
        _at_once("DELETE FROM attribution_conversion WHERE id = %s", sold.pk)


def test_a_parent_may_change_in_all_but_its_key(workspace):
    touch = TouchpointFactory(workspace=workspace)
    touch.person.external_id = "renamed"
    touch.person.save()
    connection.check_constraints()
    assert Person.objects.get().external_id == "renamed"


@committed
def test_emptying_the_parents_alone_is_refused():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        TouchpointFactory(workspace=workspace)
    with connections["owner"].cursor() as cursor:
        with pytest.raises(IntegrityError, match="person_id_in_workspace"):
            cursor.execute("TRUNCATE accounts_person CASCADE")
        cursor.execute("TRUNCATE accounts_person, attribution_touchpoint CASCADE")


# Two at once


@contextmanager
def _somebody(workspace) -> Iterator[psycopg.Connection]:
    """A connection of their own, as the application's role, in that workspace."""
    parameters = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name in {"host", "port", "dbname", "user", "password"}
    }
    with psycopg.connect(**parameters) as made:
        made.execute("SELECT set_config('app.ws', %s, false)", [str(workspace.pk)])
        made.commit()
        yield made


def _waits_for_a_lock(made: psycopg.Connection) -> bool:
    with connections["owner"].cursor() as cursor:
        for _ in range(200):
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", [made.info.backend_pid]
            )
            if cursor.fetchone()[0]:
                return True
            time.sleep(0.05)
    return False


def _done(made: psycopg.Connection, statement: str, values: list[object]) -> str:
    """What became of it, up to its commit."""
    try:
        made.execute(statement, values)
        made.commit()
    except ForeignKeyViolation as error:
        made.rollback()
        return str(error.diag.constraint_name)
    return "done"


def _rivals(
    first: tuple[str, list[object]], second: tuple[str, list[object]], *, workspace, ends: str
) -> str:
    """The first is done but not committed when the second begins; what becomes of the second once it ends."""
    with _somebody(workspace) as one, _somebody(workspace) as other, ThreadPoolExecutor(1) as pool:
        one.execute(*first)
        later: Future[str] = pool.submit(_done, other, *second)
        assert _waits_for_a_lock(other)
        getattr(one, ends)()
        return later.result(timeout=30)


def _orphans() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM attribution_touchpoint t"
            " WHERE NOT EXISTS (SELECT FROM accounts_person p WHERE p.id = t.person_id)"
        )
        return int(cursor.fetchone()[0])


@committed
@pytest.mark.parametrize(("ends", "answer"), [("commit", PEOPLE_OF_TOUCHES.name), ("rollback", "done")])
@pytest.mark.parametrize("comes_first", ["child", "end of parent"])
def test_a_child_and_the_end_of_its_parent_never_both_happen(comes_first, ends, answer):
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        person, source = PersonFactory(workspace=workspace), SourceFactory(workspace=workspace)
    child = (ADD, [workspace.pk, person.pk, source.pk, "e"])
    end = (FORGET, [person.pk])
    first, second = (child, end) if comes_first == "child" else (end, child)

    assert _rivals(first, second, workspace=workspace, ends=ends) == answer
    assert _orphans() == 0


@committed
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_parent_goes_in_read_committed_only(level):
    """The others would not see a child that was committed meanwhile."""
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        person = PersonFactory(workspace=workspace)
    with _somebody(workspace) as one:
        one.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        one.execute(FORGET, [person.pk])
        with pytest.raises(FeatureNotSupported, match="READ COMMITTED"):
            one.commit()


@committed
def test_a_key_of_an_older_version_is_taken_over():
    """Its constraint goes, its triggers come; all over again changes nothing."""
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        touch = TouchpointFactory(workspace=workspace)
    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {PEOPLE_OF_TOUCHES.named('added')} ON attribution_touchpoint")
        cursor.execute(
            "ALTER TABLE attribution_touchpoint ADD CONSTRAINT attribution_touchpoint_person_id_in_workspace"
            " FOREIGN KEY (workspace_id, person_id) REFERENCES accounts_person (workspace_id, id)"
            " DEFERRABLE INITIALLY DEFERRED"
        )
        assert not statement_keys.is_set(cursor, PEOPLE_OF_TOUCHES)
        for _ in range(2):
            tenancy.install(owner)
            assert statement_keys.is_set(cursor, PEOPLE_OF_TOUCHES)
    with scoping.workspace(workspace), pytest.raises(IntegrityError), transaction.atomic():
        Touchpoint.objects.filter(pk=touch.pk).update(person_id=0)


@committed
def test_rows_that_hang_in_the_air_stop_the_taking_over():
    """As they would stop the constraint, which is set first and looks at all rows."""
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        touch = TouchpointFactory(workspace=workspace)
    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE attribution_touchpoint DISABLE TRIGGER {PEOPLE_OF_TOUCHES.named('changed')}"
        )
        cursor.execute("UPDATE attribution_touchpoint SET person_id = 0 WHERE id = %s", [touch.pk])
        with pytest.raises(IntegrityError):
            tenancy.install(owner)
        cursor.execute("DELETE FROM attribution_touchpoint")
        tenancy.install(owner)
        assert statement_keys.is_set(cursor, PEOPLE_OF_TOUCHES)
    assert Source._base_manager.count() == 0
