"""Whatever happens to the data, the revenue of every model and grouping adds up to the cent."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import people, scoping
from apps.accounts.permissions import system
from apps.attribution import analysis, journey_credit, orders, parsing
from apps.attribution.ingest import track_events
from apps.attribution.maths.ledger import round_by_levels
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Conversion
from apps.attribution.questions import GROUPS, Query
from tests.factories import NOW, WorkspaceFactory

VISITORS, ORDERS = ["v1", "v2", "v3"], ["o1", "o2", "o3"]
AGES = st.integers(0, 40 * 24 * 60)
AMOUNTS = st.integers(1, 50_000).map(lambda pence: Decimal(pence) / 100)
CHANNELS = st.sampled_from(["email", "video", "direct", "none"])

TOUCH = st.tuples(
    st.just("touch"), st.sampled_from(VISITORS), CHANNELS, st.sampled_from(["", "x", "y"]), AGES
)
ORDER = st.tuples(st.just("order"), st.sampled_from(VISITORS), st.sampled_from(ORDERS), AMOUNTS, AGES)
REFUND = st.tuples(st.just("refund"), st.sampled_from(VISITORS), st.sampled_from(ORDERS), AMOUNTS, AGES)
MERGE = st.tuples(st.just("merge"), st.sampled_from(VISITORS), st.sampled_from(["ada", "ben"]))
HISTORIES = st.lists(st.one_of(TOUCH, TOUCH, ORDER, ORDER, REFUND, MERGE), min_size=6, max_size=20)


def _happen(actor, deed, number):
    match deed:
        case "touch", visitor, channel, campaign, age:
            record = {
                "anonymous_id": visitor, "event_type": "click", "platform": "meta", "channel": channel,
                "campaign_id": campaign, "event_id": f"e{number}",
                "occurred_at": NOW - timedelta(minutes=age),
            }  # fmt: skip
            track_events(actor, [parsing.touch(record, received_at=NOW)], now=NOW)
        case "merge", visitor, user:
            people.identify(actor, user_id=user, anonymous_id=visitor, now=NOW)
        case kind, visitor, order, amount, age:
            record = {
                "anonymous_id": visitor, "conversion_type": "purchase", "order_id": order,
                "event_id": f"e{number}",
                "revenue": amount if kind == "order" else -amount,
                "occurred_at": NOW - timedelta(minutes=age),
            }  # fmt: skip
            orders.track_conversions(actor, [parsing.conversion(record, received_at=NOW)], now=NOW)


def _assert_adds_up(actor):
    counted = Conversion.objects.filter(is_counted=True)
    total = counted.aggregate(sum=Sum("value", default=Decimal(0)))["sum"]
    result = analysis.ask(actor, Query(), now=NOW).result
    assert result.totals.revenue == total
    assert result.totals.conversions == counted.count()
    if result.is_empty:
        return
    for group_by in GROUPS:
        rows = result.grouped(group_by)
        for model in MODELS:
            assert sum(row.revenue for row in rows if row.model == model) == total, (model, group_by)
            assert sum(row.share for row in rows if row.model == model) == pytest.approx(1)
    for channel in result.rows:
        inside = result.within(channel=channel.channel, group_by="creative")
        mine = [row for row in inside if row.model == channel.model and row.is_none == channel.is_none]
        assert sum(row.revenue for row in mine) == channel.revenue


def _assert_each_journey_adds_up(actor):
    for conversion in Conversion.objects.filter(is_counted=True).select_related("person"):
        for model in ("linear", "shapley", "markov", "time_decay"):
            found = journey_credit.explain(
                actor, conversion.person, model_type=model, conversion_id=conversion.pk, now=NOW
            )
            assert sum(row.revenue for row in found.channels) == conversion.value
            assert sum(row.share for row in found.channels) == pytest.approx(1, abs=1e-12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES, HISTORIES)
def test_after_refunds_corrections_merges_and_late_events(db, early, late):
    workspace = WorkspaceFactory()
    actor = system(workspace.pk)
    with scoping.workspace(workspace):
        for number, deed in enumerate(early):
            _happen(actor, deed, number)
        _assert_adds_up(actor)
        for number, deed in enumerate(late, start=len(early)):
            _happen(actor, deed, number)
        _assert_adds_up(actor)
        _assert_each_journey_adds_up(actor)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(-1e6, 1e6)), min_size=1, max_size=30)
)
def test_rounding_by_levels_adds_up_at_each_level(leaves):
    leaves = sorted(leaves)
    amounts = np.array([amount for *_, amount in leaves])
    total = round(float(amounts.sum()))
    amounts[-1] += total - amounts.sum()
    top = np.unique([channel for channel, *_ in leaves], return_inverse=True)[1]

    rounded = round_by_levels(amounts, total=total, levels=[top, np.arange(len(leaves))])

    assert rounded.sum() == total
    for channel in np.unique(top):
        inside = top == channel
        assert abs(rounded[inside].sum() - amounts[inside].sum()) < 1 + 1e-6
    assert (rounded[amounts == 0] == 0).all() or not amounts.any()
