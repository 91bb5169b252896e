"""What an experiment says, by the method that was chosen before it began.

Looking at the page costs nothing. A lift is proved only at planned looks, which the sweep takes and keeps;
between them the page shows the last one, and intervals that hold at any time (always_valid). A winner to
send may be read at any time: there a wrong choice costs what the two differ by, and no more. The data
minimum and the check of the sample ratio come first everywhere.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from apps.attribution import experiment_metrics, experiment_outcomes
from apps.attribution.experiment_metrics import Floats, Integers
from apps.attribution.experiment_outcomes import Exposed, MetricUnreadable, Outcomes
from apps.attribution.maths.experiments import (
    always_valid,
    clusters,
    cuped,
    group_sequential,
    means,
    proportions,
    sample_ratio,
    strata,
    thompson,
)
from apps.attribution.maths.experiments.always_valid import WatchPlan
from apps.attribution.maths.experiments.arms import Arm, Estimate, Flags, Moments
from apps.attribution.maths.experiments.group_sequential import LiftPlan
from apps.attribution.maths.experiments.readings import Reading, SampleRatio, Standing
from apps.attribution.maths.experiments.thompson import WinnerPlan
from apps.attribution.models import Allocation, Experiment, Exposure, Look

FEWEST_UNITS = 2
Method = Experiment.Reading


@dataclass(frozen=True, eq=False, kw_only=True)
class Shown:
    """What there is to see at `read_at`.

    reading: by the experiment's own method, or of its last look where a lift is proved; None before there is
    anything. read_at: of the counts; look: the look that the reading is of. watched: for a lift, intervals
    that hold at any time. sample_ratio: of everybody exposed so far. exposed, counted, waiting: observed
    rows; mixed: those of them who saw more than one variant, counted for their first.
    variance_reduction: what CUPED took off, as a share of the variance; None where it was not used.
    left_out: counted, but of phases in which a variant got fewer than two units. off_lot: exposures to
    another variant than the lot had drawn. fault: why the metric cannot be read; empty when it can.
    """

    reading: dict[str, Any] | None
    watched: dict[str, Any] | None
    look: Look | None
    sample_ratio: SampleRatio | None
    exposed: int
    counted: int
    waiting: int
    mixed: int
    by_variant: dict[str, int]
    variance_reduction: float | None
    left_out: int
    off_lot: int
    fault: str
    read_at: datetime

    @property
    def is_broken(self) -> bool:
        """Whether the lot was not what it should have been: nothing may be concluded then."""
        return self.sample_ratio is not None and self.sample_ratio.mismatch


@dataclass(frozen=True, eq=False, kw_only=True)
class Arms:
    """What a method reads, control first; None of it where a variant has too few units.

    variance_reduction, left_out: see Shown.
    """

    arms: tuple[Arm, ...] = ()
    variance_reduction: float | None = None
    left_out: int = 0


def read(experiment: Experiment, *, now: datetime) -> Shown:
    """All there is to show now. Writes nothing, and takes no look."""
    seen = experiment_outcomes.exposed(experiment)
    counted = int(experiment_outcomes.is_settled(experiment, seen, now=now).sum())
    built, fault = Arms(), ""
    try:
        built = arms_of(experiment, experiment_outcomes.of(experiment, seen, now=now))
    except MetricUnreadable as unreadable:
        fault = unreadable.detail
    look = Look.objects.filter(experiment=experiment).order_by("-number").first()
    is_lift = experiment.reading == Method.PROVE_LIFT
    live = live_reading(experiment, built)
    plain = None if live is None else as_plain(live)
    kept = None if look is None else look.figures
    return Shown(
        reading=kept if is_lift else plain,
        watched=plain if is_lift else None,
        look=look,
        sample_ratio=ratio_of(experiment, seen),
        exposed=len(seen),
        counted=counted,
        waiting=len(seen) - counted,
        mixed=int(seen.is_mixed.sum()),
        by_variant={key: int((seen.variant == place).sum()) for place, key in enumerate(seen.keys)},
        variance_reduction=built.variance_reduction,
        left_out=built.left_out,
        off_lot=Exposure.objects.filter(experiment=experiment, is_off_lot=True).count(),
        fault=fault,
        read_at=now,
    )


def live_reading(experiment: Experiment, built: Arms) -> Reading | None:
    """A reading that may be taken at any time, as often as one likes."""
    if not built.arms:
        return None
    if experiment.reading == Method.SEND_WINNER:
        return thompson.send_the_winner(built.arms, plan=WinnerPlan())
    plan = WatchPlan(minimum_effect=experiment.minimum_effect, alpha=experiment.alpha)
    return always_valid.watch(built.arms, plan=plan)


def look_reading(experiment: Experiment, built: Arms, past: Sequence[Look]) -> Reading | None:
    """The next planned look. Raises LookTooSoon (a ValueError) where too little has come since the last."""
    if not built.arms or experiment.planned_units is None:
        return None
    plan = LiftPlan(
        planned_units=experiment.planned_units,
        minimum_effect=experiment.minimum_effect,
        alpha=experiment.alpha,
        power=experiment.power,
    )
    return group_sequential.prove_lift(
        built.arms, plan=plan, past_units=[look.units for look in past], settled=_proven(past)
    )


def arms_of(experiment: Experiment, outcomes: Outcomes) -> Arms:
    """Sums of each variant, over what was assigned: people, or clusters of them; each phase by itself.

    Within a phase the lot alone tells variants apart; between phases so does the time. A phase in which a
    variant has fewer than two units compares nothing, and is left out.
    """
    phases = _comparable(outcomes.exposed)
    if not phases:
        return Arms(left_out=len(outcomes.value))
    is_used = np.isin(outcomes.exposed.phase, phases)
    used = outcomes.where(is_used)
    estimates, reduction = _estimates(experiment, used, phases)
    shares = intended_shares(experiment, used.exposed)
    arms = (
        Arm(name=key, estimate=estimate, share=share)
        for key, estimate, share in zip(used.exposed.keys, estimates, shares, strict=True)
    )
    return Arms(arms=tuple(arms), variance_reduction=reduction, left_out=int((~is_used).sum()))


def ratio_of(experiment: Experiment, seen: Exposed) -> SampleRatio | None:
    """Whether units went to variants as intended, all phases together; None before anybody came."""
    if not len(seen):
        return None
    units = [seen.units_of(place) for place in range(len(seen.keys))]
    return sample_ratio.check(units, intended_shares(experiment, seen))


def intended_shares(experiment: Experiment, seen: Exposed) -> tuple[float, ...]:
    """The shares that the lot should have given, weighed by how many came in each phase."""
    shares: dict[int, dict[str, float]] = {}
    for row in Allocation.objects.filter(experiment=experiment).select_related("variant"):
        shares.setdefault(row.phase, {})[row.variant.key] = row.share
    came = {phase: int((seen.is_first & (seen.phase == phase)).sum()) for phase in shares}
    used = [phase for phase in sorted(shares) if came[phase]]
    table = [[shares[phase][key] for key in seen.keys] for phase in used]
    return sample_ratio.intended(table, [came[phase] for phase in used])


def as_plain(reading: Reading) -> dict[str, Any]:
    """For JSON, and for templates."""
    plain = asdict(reading)
    plain["verdict"] = str(reading.verdict)
    plain["arms"] = [{**arm, "standing": str(arm["standing"])} for arm in plain["arms"]]
    plain["sample_ratio"] = {
        name: list(one) if isinstance(one, tuple) else one for name, one in plain["sample_ratio"].items()
    }
    return plain


def _proven(past: Sequence[Look]) -> dict[str, Standing]:
    """The side on which each variant was found, by the first look that settled it.

    A later one may tell otherwise without a proof, of a variant that had crossed over: older releases called
    it the opposite, and it is open where it stands on the other side.
    """
    proven: dict[str, Standing] = {}
    for look in (one for one in past if one.settled):
        for arm in look.figures["arms"]:
            if arm["name"] in look.settled:
                proven.setdefault(arm["name"], Standing(arm["standing"]))
    return proven


def _comparable(seen: Exposed) -> list[int]:
    """The phases in which every variant has some units."""
    places = range(len(seen.keys))
    phases: list[int] = np.unique(seen.phase).tolist()
    return [one for one in phases if min(seen.units_of(place, one) for place in places) >= FEWEST_UNITS]


def _estimates(
    experiment: Experiment, outcomes: Outcomes, phases: list[int]
) -> tuple[list[Estimate], float | None]:
    """Of each variant, its phases put together; and the reduction of variance."""
    seen, places = outcomes.exposed, range(len(outcomes.exposed.keys))
    rows = [[(seen.phase == phase) & (seen.variant == place) for place in places] for phase in phases]
    by_phase, plain = _of_phases(experiment, outcomes, rows)
    weights = _weights(experiment, by_phase)
    found = [strata.estimate(arm, weights) for arm in zip(*by_phase, strict=True)]
    if plain is None:
        return found, None
    before: float = sum(strata.estimate(arm, weights).variance for arm in zip(*plain, strict=True))
    return found, 1 - sum(one.variance for one in found) / before if before else 0.0


def _of_phases(
    experiment: Experiment, outcomes: Outcomes, rows: Sequence[Sequence[Flags]]
) -> tuple[list[Sequence[Estimate]], list[Sequence[Estimate]] | None]:
    """Estimates by phase and variant; where CUPED was used, also those without it."""
    seen, value, before = outcomes.exposed, outcomes.value, outcomes.covariate
    if experiment.unit != Experiment.Unit.PERSON and seen.people.any():
        return [[_clustered(value[one], seen.cluster[one]) for one in phase] for phase in rows], None
    if experiment_metrics.metric(experiment.metric).is_rate:
        return [[_rate(value[one]) for one in phase] for phase in rows], None
    if before is None:
        return [[means.estimate(Moments.of(value[one])) for one in phase] for phase in rows], None
    moments = [[Moments.of(value[one], before[one]) for one in phase] for phase in rows]
    theta = cuped.slope(moments)
    adjusted: list[Sequence[Estimate]] = [cuped.adjust(phase, theta=theta).estimates for phase in moments]
    return adjusted, [[means.estimate(one) for one in phase] for phase in moments]


def _weights(experiment: Experiment, by_phase: Sequence[Sequence[Estimate]]) -> Floats:
    """A proof weighs phases by what they tell of differences, so that its chance of error holds. A winner to
    send is for whoever comes, so that all who came weigh alike.
    """
    units = np.array([[one.units for one in phase] for phase in by_phase], dtype=np.float64)
    return units.sum(axis=1) if experiment.reading == Method.SEND_WINNER else strata.balanced(units)


def _rate(values: Floats) -> Estimate:
    return proportions.estimate(int(values.sum()), len(values))


def _clustered(values: Floats, cluster: Integers) -> Estimate:
    """The mean over people, with the error of a lot that was drawn over their units."""
    _, codes = np.unique(cluster, return_inverse=True)
    return clusters.estimate(Moments.of(np.bincount(codes, weights=values), np.bincount(codes)))
