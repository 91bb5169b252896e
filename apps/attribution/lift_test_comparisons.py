"""Lift tests held against what models said of the same channel and days: the ratio that calibrates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import structlog
from celery import shared_task
from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.accounts.tasks_base import workspace_task
from apps.attribution import analysis
from apps.attribution.events import CalibrationChanged
from apps.attribution.maths.experiments import calibration
from apps.attribution.maths.models import MODELS
from apps.attribution.models import LiftTest, LiftTestCredit
from apps.attribution.questions import Query, lookback_of
from apps.attribution.results import Result, Row

log = structlog.get_logger(__name__)

# What models say of the same days changes while late data comes in: they are asked again after this long.
COMPARED_FOR = timedelta(hours=20)
SWEEP_BATCH = 1_000
# Of a 95 % interval, in standard errors.
WIDTH = 3.92


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a channel's credit is to be multiplied by. low, high: 95 % interval of the ratio.

    tests: how many it pools; measure: what they measured. as_of: when models were asked about the same days.
    """

    ratio: float
    low: float
    high: float
    tests: int
    as_of: datetime
    measure: str


def calibrations(query: Query, *, model: str) -> dict[str, Calibration]:
    """By channel key, what its credit under the model is to be multiplied by. Channels without a live test of
    the same goal are left out. Reads what was kept; computes no credit.
    """
    return _calibrations(query, (model,)).get(model, {})


def calibrations_by_model(query: Query) -> dict[str, dict[str, Calibration]]:
    """The same under each of the question's models; a model without any is left out."""
    return _calibrations(query, query.models)


def _calibrations(query: Query, models: Sequence[str]) -> dict[str, dict[str, Calibration]]:
    if len(query.conversion_types) > 1 or not LiftTestCredit.objects.exists():
        return {}
    by_channel: dict[tuple[str, str], list[LiftTestCredit]] = {}
    for credit in _live_credits(query.conversion_types[0] if query.conversion_types else "", models):
        if credit.lift_test.is_beyond:
            continue
        by_channel.setdefault((credit.model, credit.lift_test.channel.key), []).append(credit)
    found: dict[str, dict[str, Calibration]] = {}
    for (model, key), credits_ in by_channel.items():
        one = _pooled(credits_)
        if one is not None:
            found.setdefault(model, {})[key] = one
    return found


def ratios(lift_test: LiftTest) -> list[dict[str, Any]]:
    """What each model gave the channel over the test's days, and the ratio of the measured to it."""
    rows = {one.model: one for one in LiftTestCredit.objects.filter(lift_test=lift_test)}
    found = [(name, rows[name], _multiplier([rows[name]], [lift_test])) for name in MODELS if name in rows]
    return [
        {
            "model": name,
            "attributed": credit.attributed,
            "computed_at": credit.computed_at,
            "multiplier": ratio,
        }
        for name, credit, ratio in found
    ]


@shared_task(name="attribution.lift_tests.sweep")
def sweep() -> int:
    """Have tests compared with the models that were not for a while."""
    with scoping.across_workspaces("experiments.sweep"):
        last = LiftTestCredit.objects.values("lift_test_id").annotate(oldest=Min("computed_at"))
        fresh = last.filter(oldest__gte=timezone.now() - COMPARED_FOR).values("lift_test_id")
        stale = LiftTest.objects.filter(retired_at=None).exclude(pk__in=fresh).order_by("pk")
        found = list(stale.values_list("workspace_id", "pk")[:SWEEP_BATCH])
    for workspace_id, lift_test_id in found:
        compare.delay(workspace_id=workspace_id, lift_test_id=lift_test_id)
    return len(found)


@workspace_task(name="attribution.lift_tests.compare")
def compare(*, lift_test_id: int) -> None:
    lift_test = LiftTest.objects.filter(pk=lift_test_id, retired_at=None).select_related("channel").first()
    if lift_test is not None:
        compare_with_models(lift_test, now=timezone.now())


def compare_with_models(lift_test: LiftTest, *, now: datetime) -> bool:
    """Ask every model about the test's days and keep what it gave the channel. False while a job computes it:
    the sweep asks again.
    """
    answer = analysis.ask(system(lift_test.workspace_id), question(lift_test), now=now)
    if answer.result is None or not answer.is_current:
        return False
    rows = {
        row.model: row for row in answer.result.grouped("channel") if row.channel == lift_test.channel.key
    }
    with transaction.atomic():
        held = LiftTest.objects.select_for_update().get(pk=lift_test.pk)
        held.there_were = _there_were(held, answer.result)
        held.save(update_fields=["there_were"])
        LiftTestCredit.objects.filter(lift_test=lift_test).delete()
        LiftTestCredit.objects.bulk_create(_credits(lift_test, answer.result, rows, now))
        tell(lift_test)
    return True


def _there_were(lift_test: LiftTest, result: Result) -> float:
    """All that any channel could have caused in the test's days."""
    is_money = lift_test.measure == LiftTest.Measure.REVENUE
    return float(result.totals.revenue if is_money else result.totals.conversions)


def question(lift_test: LiftTest) -> Query:
    """What models are asked: the test's days and goal, in the workspace's look-back."""
    workspace = Workspace.objects.get()
    start = datetime.combine(lift_test.first_day, time(), tzinfo=workspace.zone)
    end = datetime.combine(lift_test.last_day + timedelta(days=1), time(), tzinfo=workspace.zone)
    return Query(
        start=start,
        end=end,
        conversion_types=(lift_test.goal,) if lift_test.goal else (),
        lookback_days=lookback_of(workspace),
    )


def _credits(
    lift_test: LiftTest, result: Result, rows: dict[str, Row], now: datetime
) -> list[LiftTestCredit]:
    """A model that gave nothing has no ratio, and is left out."""
    found = []
    for model in result.query.models:
        row = rows.get(model)
        amount, error = _credited(row, lift_test.measure) if row is not None else (0.0, 0.0)
        if amount > 0 and error > 0:
            found.append(
                LiftTestCredit(
                    workspace_id=lift_test.workspace_id,
                    lift_test=lift_test,
                    model=model,
                    attributed=amount,
                    standard_error=error,
                    computed_at=now,
                )
            )
    return found


def _credited(row: Row, measure: str) -> tuple[float, float]:
    """What a model gave the channel, and its standard error by the model's own interval. Where there is too
    little for one: conversions come by chance, and a count's own error, as a share, is that of the amount.
    """
    ends: tuple[float | Decimal | None, ...] = (row.conversions, row.conversions_low, row.conversions_high)
    if measure == LiftTest.Measure.REVENUE:
        ends = row.revenue, row.revenue_low, row.revenue_high
    amount, low, high = (None if end is None else float(end) for end in ends)
    if amount is None or low is None or high is None:
        return amount or 0.0, (amount or 0.0) / float(np.sqrt(max(row.conversions, 1.0)))
    return amount, (high - low) / WIDTH


def _live_credits(goal: str, models: Sequence[str]) -> list[LiftTestCredit]:
    live = LiftTestCredit.objects.filter(model__in=models, lift_test__retired_at=None, lift_test__goal=goal)
    return list(live.select_related("lift_test__channel").order_by("lift_test_id"))


def _pooled(credits_: list[LiftTestCredit]) -> Calibration | None:
    """Over the tests of the measure that has most of them; conversions where both have as many."""
    by_measure: dict[str, list[LiftTestCredit]] = {}
    for one in credits_:
        by_measure.setdefault(one.lift_test.measure, []).append(one)
    measure = max(sorted(by_measure), key=lambda name: len(by_measure[name]))
    chosen = by_measure[measure]
    found = _multiplier(chosen, [one.lift_test for one in chosen])
    if found is None:
        return None
    return Calibration(
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        tests=len(chosen),
        as_of=min(one.computed_at for one in chosen),
        measure=measure,
    )


def _multiplier(
    credits_: Sequence[LiftTestCredit], tests: Sequence[LiftTest]
) -> calibration.Multiplier | None:
    """None where a test says more than there was, or nothing can be said."""
    if any(test.is_beyond for test in tests):
        return None
    try:
        return calibration.multiplier(
            [
                calibration.LiftTest(
                    measured=test.measured,
                    measured_error=test.standard_error / test.covered_share,
                    attributed=credit.attributed,
                    attributed_error=credit.standard_error,
                )
                for credit, test in zip(credits_, tests, strict=True)
            ]
        )
    except (ValueError, ArithmeticError) as error:
        log.warning("lift_test.no_ratio", lift_tests=[test.pk for test in tests], error=str(error))
        return None


def tell(lift_test: LiftTest) -> None:
    events.publish(
        CalibrationChanged(
            workspace_id=lift_test.workspace_id,
            channel_key=lift_test.channel.key,
            lift_test_id=lift_test.pk,
        )
    )
