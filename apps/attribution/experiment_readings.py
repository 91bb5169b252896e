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
from apps.attribution.experiment_outcomes import Exposed, Outcomes
from apps.attribution.maths.experiments import (
    always_valid,
    clusters,
    cuped,
    group_sequential,
    means,
    proportions,
    sample_ratio,
    thompson,
)
from apps.attribution.maths.experiments.always_valid import WatchPlan
from apps.attribution.maths.experiments.arms import Arm, Estimate, Moments
from apps.attribution.maths.experiments.group_sequential import LiftPlan
from apps.attribution.maths.experiments.readings import Reading, SampleRatio
from apps.attribution.maths.experiments.thompson import WinnerPlan
from apps.attribution.models import Allocation, Experiment, Look

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
    read_at: datetime

    @property
    def is_broken(self) -> bool:
        """Whether the lot was not what it should have been: nothing may be concluded then."""
        return self.sample_ratio is not None and self.sample_ratio.mismatch


@dataclass(frozen=True, eq=False, kw_only=True)
class Arms:
    """What a method reads, control first; None of it where a variant has too few units.

    variance_reduction: see Shown.
    """

    arms: tuple[Arm, ...] = ()
    variance_reduction: float | None = None


def read(experiment: Experiment, *, now: datetime) -> Shown:
    """All there is to show now. Writes nothing, and takes no look."""
    seen = experiment_outcomes.exposed(experiment)
    outcomes = experiment_outcomes.of(experiment, seen, now=now)
    built = arms_of(experiment, outcomes)
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
        counted=len(outcomes.value),
        waiting=outcomes.waiting,
        mixed=int(seen.is_mixed.sum()),
        by_variant={key: int((seen.variant == place).sum()) for place, key in enumerate(seen.keys)},
        variance_reduction=built.variance_reduction,
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
    settled = past[-1].settled if past else []
    return group_sequential.prove_lift(
        built.arms, plan=plan, past_units=[look.units for look in past], settled=settled
    )


def arms_of(experiment: Experiment, outcomes: Outcomes) -> Arms:
    """Sums of each variant, over what was assigned: people, or clusters of them."""
    counted = outcomes.exposed
    sizes = [counted.units_of(place) for place in range(len(counted.keys))]
    if min(sizes, default=0) < FEWEST_UNITS:
        return Arms()
    shares = intended_shares(experiment, counted)
    estimates, reduction = _estimates(experiment, outcomes)
    arms = (
        Arm(name=key, estimate=estimate, share=share)
        for key, estimate, share in zip(counted.keys, estimates, shares, strict=True)
    )
    return Arms(arms=tuple(arms), variance_reduction=reduction)


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
    came = {phase: len(np.unique(seen.cluster[seen.phase == phase])) for phase in shares}
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


def _estimates(experiment: Experiment, outcomes: Outcomes) -> tuple[list[Estimate], float | None]:
    metric = experiment_metrics.metric(experiment.metric)
    counted = outcomes.exposed
    groups = [counted.variant == place for place in range(len(counted.keys))]
    if experiment.unit != Experiment.Unit.PERSON and counted.people.any():
        return [_clustered(outcomes.value[rows], counted.cluster[rows]) for rows in groups], None
    if metric.is_rate:
        return [_rate(outcomes.value[rows]) for rows in groups], None
    if outcomes.covariate is not None:
        moments = [Moments.of(outcomes.value[rows], outcomes.covariate[rows]) for rows in groups]
        adjusted = cuped.adjust(moments)
        return list(adjusted.estimates), adjusted.variance_reduction
    return [means.estimate(Moments.of(outcomes.value[rows])) for rows in groups], None


def _rate(values: Floats) -> Estimate:
    return proportions.estimate(int(values.sum()), len(values))


def _clustered(values: Floats, cluster: Integers) -> Estimate:
    """The mean over people, with the error of a lot that was drawn over their units."""
    _, codes = np.unique(cluster, return_inverse=True)
    return clusters.estimate(Moments.of(np.bincount(codes, weights=values), np.bincount(codes)))
