"""Many rows in one statement: as the ORM would have written them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import DataError, IntegrityError, ProgrammingError, transaction

from apps.accounts import scoping
from apps.integrations import many_rows
from apps.integrations.models import Connection, SyncExternal, SyncRecord, TrailEntry
from tests.conftest import committed
from tests.factories import NOW

STRANGE = ["", "a,b", 'say "no"', "back\\slash", "{}", "NULL", "Zoë ☃", "two\nlines"]


def record(workspace, **values):
    return SyncRecord(workspace=workspace, entity="job", changed_at=NOW, **values)


def test_values_of_every_kind_come_back_as_they_were(workspace):
    rows = [
        record(
            workspace,
            fields_sealed=b"\x00\xff",
            stage="gebucht ☃",
            event_on=date(2027, 6, 12),
            total=Decimal("1234.5678"),
            currency="GBP",
            is_opted_in=True,
            gone_at=datetime(2026, 1, 2, 3, 4, 5, 6789, tzinfo=UTC),
        ),
        record(workspace),
    ]

    many_rows.insert(rows)

    for row in rows:
        kept = SyncRecord.objects.get(pk=row.pk)
        assert kept.created_at is not None
        for column in SyncRecord._meta.local_concrete_fields:
            if column.name != "created_at":
                told, found = getattr(row, column.attname), getattr(kept, column.attname)
                assert (bytes(found) if isinstance(found, memoryview) else found) == told, column.name
    rows[0].stage = "lead"
    rows[0].save()
    assert SyncRecord.objects.filter(stage="lead").count() == 1


def test_lists_of_any_length_and_strange_words(workspace):
    connection = Connection.objects.create(workspace=workspace, service="x", label="x", state_changed_at=NOW)
    kept = record(workspace)
    many_rows.insert([kept])
    lists = [[], STRANGE, ["one"]]

    many_rows.insert(
        [
            SyncExternal(
                workspace=workspace,
                connection=connection,
                entity="job",
                external_id=str(number),
                record=kept,
                contact_ids=found,
            )
            for number, found in enumerate(lists)
        ]
    )

    assert list(SyncExternal.objects.order_by("pk").values_list("contact_ids", flat=True)) == lists


def test_documents(workspace):
    told = {"a": [1, None, {"b": "ü"}], "c": "'; --"}
    many_rows.insert(
        [
            TrailEntry(
                workspace=workspace, stream="s", position=n, kind="k", data=told, at=NOW, digest=b"\x01" * 32
            )
            for n in (1, 2)
        ]
    )

    assert list(TrailEntry.objects.values_list("data", flat=True)) == [told, told]


def test_none_are_none(workspace):
    many_rows.insert([])


def test_what_is_too_long_is_refused_and_not_cut_off(workspace):
    with transaction.atomic(), pytest.raises(DataError), transaction.atomic():
        many_rows.insert([record(workspace, stage="x" * 41)])


def test_constraints_hold(workspace):
    one = record(workspace)
    with pytest.raises(IntegrityError, match="sync_record_public_id_once"), transaction.atomic():
        many_rows.insert([one, record(workspace, public_id=one.public_id)])


@committed
def test_the_wall_between_workspaces_holds(workspace, other_workspace):
    with scoping.workspace(other_workspace), pytest.raises(ProgrammingError, match="row-level security"):
        many_rows.insert([record(workspace)])
