"""Metrics: gathered, rolled up without error upon error, pruned; and a gauge that fails leaves the others
alone.
"""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.accounts import scoping
from apps.integrations import metrics
from apps.integrations.models import MetricPoint
from tests import factories
from tests.conftest import committed
from tests.factories import NOW

R = MetricPoint.Resolution


@pytest.fixture(autouse=True)
def _nothing_gathered():
    metrics._buffer.clear()
    yield
    metrics._buffer.clear()


def observe(value, *, minutes=0, name="t.x"):
    metrics.observe(name, value, now=NOW + timedelta(minutes=minutes))


def test_what_was_observed_is_written_by_minute(workspace):
    for value in (1.0, 3.0):
        observe(value)
    observe(10.0, minutes=1)
    metrics.flush()

    rows = MetricPoint.objects.filter(name="t.x").order_by("at")
    assert [(row.count, row.total, row.least, row.most) for row in rows] == [
        (2, 4.0, 1.0, 3.0),
        (1, 10.0, 10.0, 10.0),
    ]


def test_two_processes_of_one_minute_are_one_point(workspace):
    observe(1.0)
    metrics.flush()
    observe(5.0)
    metrics.flush()

    [row] = MetricPoint.objects.filter(name="t.x")
    assert (row.count, row.total) == (2, 6.0)


def test_an_hour_is_the_sum_of_its_minutes_and_so_is_its_p95(workspace):
    start = NOW.replace(minute=0, second=0, microsecond=0)
    for minute in range(60):
        metrics.observe("t.x", float(minute + 1), now=start + timedelta(minutes=minute))
        metrics.flush()
        metrics.roll_up(now=start + timedelta(minutes=minute, seconds=30))

    [hour] = MetricPoint.objects.filter(name="t.x", resolution=R.HOUR)
    [day] = MetricPoint.objects.filter(name="t.x", resolution=R.DAY)
    assert MetricPoint.objects.filter(name="t.x", resolution=R.FIVE_MINUTES).count() == 12
    assert (hour.count, hour.total) == (day.count, day.total) == (60, 1830.0)
    assert metrics.sketch_of(hour).quantile(0.95) == pytest.approx(57, rel=0.02)


def test_rolling_up_twice_changes_nothing(workspace):
    observe(2.0)
    metrics.flush()
    for _ in range(2):
        metrics.roll_up(now=NOW + timedelta(minutes=1))

    [hour] = MetricPoint.objects.filter(name="t.x", resolution=R.HOUR)
    assert hour.count == 1


def test_old_points_are_forgotten_and_minutes_sooner(workspace):
    for days, resolution in ((91, R.DAY), (89, R.DAY), (3, R.MINUTE), (1, R.MINUTE)):
        MetricPoint.objects.create(
            workspace=workspace,
            name="t.x",
            resolution=resolution,
            at=NOW - timedelta(days=days),
            count=1,
            total=1,
            least=1,
            most=1,
            sketch={"z": 0, "p": {}, "n": {}},
        )

    metrics.prune(now=NOW)

    kept = MetricPoint.objects.order_by("at").values_list("at", flat=True)
    assert [(NOW - at).days for at in kept] == [89, 1]


def test_another_workspace_sees_none_of_it(workspace, other_workspace):
    observe(1.0)
    metrics.flush()

    with scoping.workspace(other_workspace):
        assert MetricPoint.objects.count() == 0
        assert metrics.window("t.x", seconds=3_600, now=NOW)[0].count == 0


@pytest.fixture
def gauges():
    before = dict(metrics._gauges)
    yield metrics._gauges
    metrics._gauges.clear()
    metrics._gauges.update(before)


def _raises():
    raise TypeError("nobody thought of that")


@pytest.mark.parametrize(
    "broken",
    [_raises, lambda: [metrics.Reading(1.0), metrics.Reading(float("nan"))], lambda: [metrics.Reading(None)]],
    ids=["raises", "no number", "nothing"],
)
def test_a_gauge_that_fails_leaves_the_others_alone(workspace, gauges, broken):
    metrics.gauge("t.broken")(broken)

    @metrics.gauge("t.fine")
    def _fine():
        yield metrics.Reading(4.0, labels="a=b")

    metrics.collect()

    assert MetricPoint.objects.filter(name="t.broken").count() == 0
    assert MetricPoint.objects.get(name="t.fine", resolution=R.MINUTE).labels == "a=b"


def test_a_window_ends_now(workspace):
    now = timezone.now().replace(second=0, microsecond=0)
    metrics.observe("t.x", 1.0, now=now - timedelta(minutes=10))
    metrics.observe("t.x", 3.0, now=now)
    metrics.flush()

    with time_machine.travel(now):
        whole, last = metrics.window("t.x", seconds=300, now=now)
    assert (whole.count, last) == (1, 3.0)


@committed
def test_figures_of_a_deleted_workspace_are_dropped_and_others_are_written():
    stays = factories.WorkspaceFactory()
    gone = stays.pk + 1_000_000
    for one in (gone, stays):
        with scoping.workspace(one):
            observe(1.0)

    metrics.flush()

    assert metrics._buffer == {}
    with scoping.workspace(stays):
        assert MetricPoint.objects.filter(name="t.x").count() == 1
