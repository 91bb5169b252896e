"""Every deed is written down, and no change to what was written goes unseen."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.db.utils import ProgrammingError

from apps.accounts import audit, scoping
from apps.accounts.models import AuditEntry, AuditSeal
from apps.accounts.permissions import system
from tests.conftest import committed
from tests.factories import NOW, PersonFactory, WorkspaceFactory


@pytest.fixture
def sealed():
    """A workspace whose chain holds five entries, really committed."""
    made = WorkspaceFactory(slug="sealed")
    with scoping.workspace(made):
        for number in range(4):
            audit.record(system(made.pk), "test.done", now=NOW, after={"number": number, "text": "ü"})
        audit.seal()
        yield made


def _as_owner(statement: str, *parameters: Any) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, parameters)


def _faults() -> list[tuple[int, str]]:
    return [(fault.position, fault.what) for fault in audit.verify()]


def test_a_deed_says_who_what_and_why(workspace, actor):
    person = PersonFactory(workspace=workspace)

    entry = audit.record(
        actor, "person.frozen", person, now=NOW, before={"is": 1}, after={"is": 2}, reason="asked"
    )

    entry.refresh_from_db()
    assert (entry.actor_kind, entry.deed, entry.target_kind, entry.target_id) == (
        "system",
        "person.frozen",
        "person",
        str(person.pk),
    )
    assert (entry.before, entry.after, entry.reason, entry.occurred_at) == (
        {"is": 1},
        {"is": 2},
        "asked",
        NOW,
    )


def test_entries_are_sealed_in_order_and_once(workspace, actor):
    ids = [audit.record(actor, "test.done", now=NOW).pk for _ in range(3)]

    assert audit.seal() == 4  # with the opening of the workspace
    assert audit.seal() == 0

    seals = AuditSeal.objects.order_by("position")
    assert [one.position for one in seals] == [1, 2, 3, 4]
    assert [one.entry_id for one in seals][1:] == ids


def test_the_chain_goes_on_where_it_ended(workspace, actor):
    audit.seal()
    audit.record(actor, "test.done", now=NOW)
    audit.seal()

    assert _faults() == []
    assert audit.unsealed().count() == 0


def test_sealing_reaches_every_workspace_that_needs_it(workspace, other_workspace):
    audit.seal_all()

    assert AuditSeal.objects.count() == 1
    with scoping.workspace(other_workspace):
        assert AuditSeal.objects.count() == 1


@committed
def test_a_chain_that_nobody_touched_holds(sealed):
    assert _faults() == []
    assert list(audit.verify(after=2)) == []


@committed
def test_a_changed_entry_is_found(sealed):
    second = AuditSeal.objects.get(position=2).entry_id
    _as_owner("UPDATE accounts_auditentry SET reason = 'forged' WHERE id = %s", second)

    assert _faults() == [(2, "the entry or its seal was changed")]


@committed
def test_a_changed_moment_is_found(sealed):
    second = AuditSeal.objects.get(position=2).entry_id
    _as_owner(
        "UPDATE accounts_auditentry SET occurred_at = occurred_at + interval '1s' WHERE id = %s", second
    )

    assert _faults() == [(2, "the entry or its seal was changed")]


@committed
def test_a_deleted_entry_is_found(sealed):
    third = AuditSeal.objects.get(position=3).entry_id
    with transaction.atomic(using="owner"):
        _as_owner("DELETE FROM accounts_auditseal WHERE entry_id = %s", third)
        _as_owner("DELETE FROM accounts_auditentry WHERE id = %s", third)

    assert _faults() == [
        (3, "positions 3 to 3 are missing"),
        (4, "the entry or its seal was changed"),
    ]


@committed
def test_reordered_entries_are_found(sealed):
    second, third = (AuditSeal.objects.get(position=one).entry_id for one in (2, 3))
    with transaction.atomic(using="owner"):
        _as_owner("UPDATE accounts_auditseal SET position = 99 WHERE position = 2")
        _as_owner("UPDATE accounts_auditseal SET position = 2 WHERE position = 3")
        _as_owner("UPDATE accounts_auditseal SET position = 3 WHERE position = 99")
    assert (second, third) != (AuditSeal.objects.get(position=2).entry_id, 0)

    assert [position for position, _ in _faults()] == [2, 3, 4]


@committed
def test_the_application_may_add_and_change_nothing(sealed):
    for statement in (
        "UPDATE accounts_auditentry SET reason = 'x'",
        "DELETE FROM accounts_auditentry",
        "UPDATE accounts_auditseal SET position = position + 100",
        "DELETE FROM accounts_auditseal",
        "TRUNCATE accounts_auditseal",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            connections["default"].cursor() as cursor,
        ):
            cursor.execute(statement)

    assert _faults() == []


@committed
def test_the_command_ends_well_and_names_the_head(sealed):
    out = StringIO()
    call_command("audit", "verify", stdout=out)

    head = bytes(AuditSeal.objects.latest("position").digest).hex()
    assert f"sealed: 5 sealed, 0 waiting, 0 faults, head {head}" in out.getvalue()


@committed
def test_the_command_names_a_fault_and_fails(sealed):
    entry = AuditEntry.objects.latest("pk")
    _as_owner("UPDATE accounts_auditentry SET deed = 'forged' WHERE id = %s", entry.pk)

    err = StringIO()
    with pytest.raises(CommandError, match="1 faults"):
        call_command("audit", "verify", "--workspace", "sealed", stdout=StringIO(), stderr=err)

    assert f"sealed at position 5 (entry {entry.pk}): the entry or its seal was changed" in err.getvalue()


def test_the_command_knows_no_such_workspace(db):
    with pytest.raises(CommandError, match="no workspace"):
        call_command("audit", "verify", "--workspace", "nowhere")


def test_the_log_is_read_in_pages_and_filtered(api, workspace, actor):
    for number in range(5):
        audit.record(actor, "test.done" if number % 2 else "test.begun", now=NOW)

    page = api.get("/api/v1/audit", {"deed": "test.begun", "page_size": 2}).json()
    rest = api.get(page["next"]).json()

    assert [row["deed"] for row in page["results"] + rest["results"]] == ["test.begun"] * 3
    assert rest["next"] is None


def test_the_log_is_found_by_target_and_time(api, workspace, actor):
    one, two = PersonFactory(workspace=workspace), PersonFactory(workspace=workspace)
    audit.record(actor, "person.frozen", one, now=NOW)
    audit.record(actor, "person.frozen", two, now=NOW)

    def found(**query: str) -> int:
        return len(api.get("/api/v1/audit", query).json()["results"])

    assert found(target=f"person:{one.pk}") == 1
    assert found(target="person") == 2
    assert found(target="person", since="2026-11-20T12:00:01Z") == 0
    assert found(target="person", since="2026-11-20T11:00:00Z", until="2026-11-20T12:00:01Z") == 2
    assert api.get("/api/v1/audit", {"since": "yesterday"}).json()["errors"] == {
        "since": ["Enter a valid date/time."]
    }


def test_the_api_verifies_the_chain(api, workspace):
    audit.seal()
    audit.record(system(workspace.pk), "test.done", now=NOW)

    answer = api.get("/api/v1/audit/verify").json()

    assert answer["is_intact"]
    assert answer["faults"] == []
    assert answer["unsealed"] == 1
    assert answer["sealed"] >= 1
