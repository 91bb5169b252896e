"""What channels caused, measured: hold-outs, geo tests, results from elsewhere. They calibrate attribution.

A model divides conversions among channels; a test says how many there were to divide. The ratio of the two,
with its error, is shown beside the model's figure, never in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require
from apps.attribution import experiment_outcomes, experiment_readings
from apps.attribution.lift_test_comparisons import (
    WIDTH,
    Calibration,
    calibrations,
    calibrations_by_model,
    compare,
    compare_with_models,
    question,
    ratios,
    sweep,
    tell,
)
from apps.attribution.maths.experiments import geo
from apps.attribution.models import Channel, Experiment, LiftTest, RegionDay
from apps.attribution.models.lift_test import LEAST_COVERED

__all__ = [
    "Calibration",
    "NotReadable",
    "RegionRow",
    "calibrations",
    "calibrations_by_model",
    "compare",
    "compare_with_models",
    "enter",
    "enter_experiment",
    "enter_regions",
    "find",
    "question",
    "ratios",
    "retire",
    "sweep",
]

MOST = 1e15
MOST_REGION_DAYS = 200_000
# Placebos are drawn by lot; the same rows give the same reading.
GEO_SEED = 20261120
MEASURES = {"conversions": LiftTest.Measure.CONVERSIONS, "revenue": LiftTest.Measure.REVENUE}


class NotReadable(DomainError):
    """The experiment or the regions do not say what the channel caused."""

    code = "lift_not_readable"
    status = 409


@dataclass(frozen=True, kw_only=True)
class RegionRow:
    """One region on one day. is_treated: whether the region is one of those where the channel was changed."""

    region: str
    day: date
    is_treated: bool
    outcome: float


@transaction.atomic
def enter(
    actor: Actor,
    *,
    channel: str,
    name: str,
    first_day: date,
    last_day: date,
    incremental: float,
    standard_error: float,
    now: datetime,
    kind: str = LiftTest.Kind.EXTERNAL,
    **chosen: Any,
) -> LiftTest:
    """Keep a result. chosen: further columns of LiftTest. Needs attribution:write. Raises Invalid. Audited;
    publishes CalibrationChanged, and has it compared with the models once this is committed.
    """
    require(actor, "attribution:write")
    made = LiftTest(
        workspace_id=actor.workspace_id,
        channel=_channel(channel),
        name=name,
        kind=kind,
        first_day=first_day,
        last_day=last_day,
        incremental=incremental,
        standard_error=standard_error,
        entered_by=actor.label,
        **chosen,
    )
    _check(made, today=timezone.localdate(now))
    made.save()
    after = {"channel": channel, "incremental": incremental, "standard_error": standard_error}
    audit.record(actor, "lift_test.entered", made, now=now, after=after)
    tell(made)
    compare.delay_on_commit(workspace_id=made.workspace_id, lift_test_id=made.pk)
    return made


def enter_experiment(
    actor: Actor, experiment: Experiment, *, channel: str, variant: str = "", now: datetime, notes: str = ""
) -> LiftTest:
    """Keep what an experiment measured in which the control went without the channel.

    variant: the one that had it; may be left out where there are two variants. The metric must be one that
    adds up over people: conversions or revenue. Raises NotReadable, Invalid; else as `enter`.
    """
    require(actor, "attribution:write")
    if experiment.started_at is None or experiment.stopped_at is None:
        raise NotReadable("Stop the experiment first: until then people are still let in.")
    if experiment.metric not in MEASURES:
        raise Invalid(
            {"experiment": ["Its metric must be conversions or revenue, which add up over people."]}
        )
    measured = _effect(experiment, variant, now=now)
    zone = Workspace.objects.get().zone
    ends = experiment.stopped_at + timedelta(days=experiment.outcome_window_days)
    return enter(
        actor,
        channel=channel,
        name=experiment.name,
        kind=LiftTest.Kind.HOLDOUT,
        first_day=experiment.started_at.astimezone(zone).date(),
        last_day=ends.astimezone(zone).date(),
        incremental=measured.difference * measured.people,
        standard_error=measured.standard_error * measured.people,
        covered_share=_covered(experiment, measured),
        measure=MEASURES[experiment.metric],
        goal=experiment.goal,
        experiment=experiment,
        source=f"Experiment {experiment.key}",
        notes=notes,
        now=now,
    )


@transaction.atomic
def enter_regions(
    actor: Actor,
    rows: Sequence[RegionRow],
    *,
    channel: str,
    name: str,
    first_day: date,
    now: datetime,
    **chosen: Any,
) -> LiftTest:
    """Keep a geo test: outcomes of regions by day, from before first_day on.

    Raises Invalid, NotReadable; else as `enter`.
    """
    require(actor, "attribution:write")
    regions, days, outcomes, treated = _table(rows)
    if first_day not in days:
        raise Invalid({"first_day": ["There is no outcome of that day."]})
    reading = _geo(outcomes, treated=treated, first_treated_day=days.index(first_day))
    if reading.incremental_low is None or reading.incremental_high is None:
        raise NotReadable(reading.because)
    made = enter(
        actor,
        channel=channel,
        name=name,
        kind=LiftTest.Kind.GEO,
        first_day=first_day,
        last_day=days[-1],
        incremental=reading.incremental,
        standard_error=(reading.incremental_high - reading.incremental_low) / WIDTH,
        source=chosen.pop("source", "") or f"{len(regions)} regions, {int(treated.sum())} of them treated",
        now=now,
        **chosen,
    )
    kept = (RegionDay(workspace_id=made.workspace_id, lift_test=made, **vars(row)) for row in rows)
    RegionDay.objects.bulk_create(kept, batch_size=5_000)
    return made


@transaction.atomic
def retire(actor: Actor, lift_test: LiftTest, *, now: datetime, reason: str = "") -> LiftTest:
    """Let it count no more; it is kept. Twice changes nothing. Audited; publishes CalibrationChanged."""
    require(actor, "attribution:write")
    held = LiftTest.objects.select_for_update().get(pk=lift_test.pk)
    if held.retired_at is None:
        held.retired_at = now
        held.save(update_fields=["retired_at"])
        audit.record(actor, "lift_test.retired", held, now=now, reason=reason)
        tell(held)
    return held


def find(lift_test_id: int) -> LiftTest:
    """Raises NotHere."""
    found = LiftTest.objects.filter(pk=lift_test_id).select_related("channel", "experiment").first()
    if found is None:
        raise NotHere("There is no such lift test in this workspace.")
    return found


@dataclass(frozen=True, kw_only=True)
class _Effect:
    """difference: to the control, a head. people: who had the channel. shares: of the units, of the control
    and of the variant, as the lot meant them over all phases.
    """

    difference: float
    standard_error: float
    people: int
    shares: tuple[float, float]


def _effect(experiment: Experiment, variant: str, *, now: datetime) -> _Effect:
    seen = experiment_outcomes.exposed(experiment)
    outcomes = experiment_outcomes.of(experiment, seen, now=now)
    if outcomes.waiting:
        raise NotReadable(f"The outcome windows of {outcomes.waiting:,} are not over yet. Enter it then.")
    reading = experiment_readings.live_reading(experiment, experiment_readings.arms_of(experiment, outcomes))
    if reading is None:
        raise NotReadable("Too few have seen it for anything to be measured.")
    if reading.sample_ratio.mismatch:
        raise NotReadable(reading.because)
    arms = {arm.name: arm for arm in reading.arms[1:]}
    chosen = arms.get(variant) if variant else (reading.arms[1] if len(arms) == 1 else None)
    if chosen is None or chosen.effect is None:
        raise Invalid({"variant": [f"Say which had the channel: {', '.join(arms)}."]})
    place = seen.keys.index(chosen.name)
    shares = experiment_readings.intended_shares(experiment, seen)
    return _Effect(
        difference=chosen.effect.difference,
        standard_error=chosen.effect.standard_error,
        people=int((seen.variant == place).sum()),
        shares=(shares[0], shares[place]),
    )


def _covered(experiment: Experiment, measured: _Effect) -> float:
    """The part of those who had the channel that was measured: the one variant, of all but the control. Other
    variants had it too, and so had everybody outside the experiment.
    """
    without, with_it = measured.shares
    inside = experiment.traffic_share * (1 - experiment.holdout_share)
    return with_it * inside / (1 - without * inside)


def _table(rows: Sequence[RegionRow]) -> tuple[list[str], list[date], Any, Any]:
    """Regions by days, with no cell missing. Raises Invalid."""
    if not 1 <= len(rows) <= MOST_REGION_DAYS:
        raise Invalid({"rows": [f"Give 1 to {MOST_REGION_DAYS:,} rows."]})
    regions, days = sorted({row.region for row in rows}), sorted({row.day for row in rows})
    cells = {(row.region, row.day): row for row in rows}
    if len(cells) < len(rows) or len(cells) < len(regions) * len(days):
        raise Invalid({"rows": ["Each region needs exactly one outcome of each day."]})
    treated = {row.region: row.is_treated for row in rows}
    if any(row.is_treated != treated[row.region] for row in rows):
        raise Invalid({"rows": ["A region is treated or not, the same on all of its days."]})
    outcomes = np.array([[cells[region, day].outcome for day in days] for region in regions])
    return regions, days, outcomes, np.array([treated[region] for region in regions])


def _geo(outcomes: Any, *, treated: Any, first_treated_day: int) -> geo.GeoReading:
    rng = np.random.default_rng(GEO_SEED)
    try:
        return geo.read(outcomes, treated=treated, first_treated_day=first_treated_day, rng=rng)
    except ValueError as error:
        raise Invalid({"rows": [str(error)]}) from error


def _channel(key: str) -> Channel:
    found: Channel | None = Channel.objects.filter(key=key).first()
    if found is None:
        raise Invalid({"channel": ["There is no such channel in this workspace."]})
    return found


def _check(made: LiftTest, *, today: date) -> None:
    errors: dict[str, list[str]] = {}
    if made.last_day < made.first_day:
        errors["last_day"] = ["This is before the first day."]
    if made.last_day > today:
        errors["last_day"] = ["This is not over yet."]
    if not LEAST_COVERED <= made.covered_share <= 1:
        errors["covered_share"] = [f"Give a share from {LEAST_COVERED:g} to 1."]
    elif not abs(made.measured) < MOST:
        errors["incremental"] = [
            "Give a number that stands for something real, over the share that it covers."
        ]
    if not 0 < made.standard_error < MOST:
        errors["standard_error"] = [
            "Give the standard error, above 0: a result without one cannot be weighed."
        ]
    if errors:
        raise Invalid(errors)
