"""Rows of the workspace, and of no other, as arrays."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from apps.accounts import scoping
from apps.attribution import loading
from tests.conftest import committed
from tests.factories import ConversionFactory, PersonFactory, TouchpointFactory, WorkspaceFactory


def test_touches_come_with_their_exact_time_person_and_source(workspace, now):
    touch = TouchpointFactory(workspace=workspace, occurred_at=now + timedelta(microseconds=7))

    rows = loading.touches(start=None, end=None)

    assert rows.id.tolist() == [touch.pk]
    assert rows.person.tolist() == [touch.person_id]
    assert rows.source.tolist() == [touch.source_id]
    assert rows.at_us.tolist() == [loading.microseconds(now) + 7]


def test_the_start_is_inside_the_period_and_the_end_is_not(workspace, now):
    first = TouchpointFactory(workspace=workspace, age_days=2)
    TouchpointFactory(workspace=workspace, age_days=1)

    rows = loading.touches(start=now - timedelta(days=2), end=now - timedelta(days=1))

    assert rows.id.tolist() == [first.pk]


def test_rows_come_in_the_order_of_their_ids_also_after_an_update(workspace, now):
    touches = [TouchpointFactory(workspace=workspace, age_days=1) for _ in range(3)]
    touches[0].event_type = "visit"
    touches[0].save()

    assert loading.touches(start=None, end=None).id.tolist() == [touch.pk for touch in touches]


def test_slices_of_time_lose_and_repeat_nothing(workspace, now):
    touches = [TouchpointFactory(workspace=workspace, age_days=age) for age in (9, 8, 5, 5, 1, 0)]

    rows = loading.touches(start=now - timedelta(days=30), end=None, expected=6, slice_rows=2)

    assert rows.id.tolist() == [touch.pk for touch in touches]


@pytest.mark.parametrize(("decimals", "minor"), [(2, 9_999), (0, 100), (3, 99_990)])
def test_money_comes_in_whole_minor_units(workspace, decimals, minor):
    ConversionFactory(workspace=workspace, value=Decimal("99.99"))

    rows = loading.conversions(start=None, end=None, decimals=decimals)

    assert rows.minor.tolist() == [minor]


def test_half_a_penny_rounds_away_from_zero(workspace):
    ConversionFactory(workspace=workspace, value=Decimal("0.005"))
    ConversionFactory(workspace=workspace, value=Decimal("-0.005"))

    rows = loading.conversions(start=None, end=None, decimals=2)

    assert rows.minor.tolist() == [1, -1]


def test_conversions_that_do_not_count_and_those_of_another_type_are_left_out(workspace):
    wanted = ConversionFactory(workspace=workspace, conversion_type="subscription")
    ConversionFactory(workspace=workspace, conversion_type="trial")
    ConversionFactory(workspace=workspace, conversion_type="subscription", is_counted=False)

    rows = loading.conversions(start=None, end=None, conversion_types=["subscription"], decimals=2)

    assert rows.id.tolist() == [wanted.pk]


def test_an_empty_workspace_gives_empty_arrays(workspace):
    assert loading.touches(start=None, end=None).id.tolist() == []
    assert loading.sources().rows == ()


def test_another_workspace_is_not_seen(workspace, other_workspace):
    TouchpointFactory(workspace=other_workspace)
    ConversionFactory(workspace=other_workspace)

    assert len(loading.touches(start=None, end=None).id) == 0
    assert len(loading.conversions(start=None, end=None, decimals=2).id) == 0
    assert loading.sources().rows == ()


def test_without_a_scope_nothing_is_read(db):
    with pytest.raises(scoping.WorkspaceMissing):
        loading.touches(start=None, end=None)


@committed
def test_the_database_knows_the_workspace_before_the_first_byte():
    """Outside any transaction, on the raw connection, with row-level security as the only filter left."""
    mine, theirs = WorkspaceFactory(), WorkspaceFactory()
    TouchpointFactory(workspace=mine, person=PersonFactory(workspace=mine))
    TouchpointFactory(workspace=theirs, person=PersonFactory(workspace=theirs))

    with scoping.workspace(mine):
        seen = loading._columns("SELECT {} FROM attribution_touchpoint WHERE {}", ["id"], "true", [])
        with transaction.atomic():
            again = loading._columns("SELECT {} FROM attribution_touchpoint WHERE {}", ["id"], "true", [])

    assert len(seen[0]) == len(again[0]) == 1
