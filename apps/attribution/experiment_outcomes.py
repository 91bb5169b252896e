"""Who saw what first, and what came of it: the rows that an experiment is read from."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import structlog
from django.db import connection, transaction
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.attribution import experiment_metrics
from apps.attribution.experiment_metrics import DAY_SECONDS, Asked, Floats, Integers
from apps.attribution.models import Experiment, Variant

log = structlog.get_logger(__name__)

# A person who is two in the log, since somebody found out later that they are one, counts once: by what they
# saw first. Leaving out those who saw two variants would bend the reading: converting is what makes people
# known, and known on two devices. Where what is drawn stands above the person (a block of days), they count
# in each unit that they came to, from then until they came to the next.
FIRSTS = """
    SELECT (array_agg(variant_id ORDER BY first_exposed_at, id))[1],
           (array_agg(unit ORDER BY first_exposed_at, id))[1],
           coalesce(person_id, 0),
           (array_agg(phase ORDER BY first_exposed_at, id))[1],
           extract(epoch FROM min(first_exposed_at))::float8,
           coalesce(
             extract(epoch FROM lead(min(first_exposed_at)) OVER (
               PARTITION BY coalesce(person_id::text, 'unit ' || min(unit)) ORDER BY min(first_exposed_at)
             ))::float8,
             'infinity'),
           bool_or(is_mixed) OR min(variant_id) <> max(variant_id)
    FROM attribution_exposure
    WHERE workspace_id = (SELECT %s::bigint) AND experiment_id = %s
    GROUP BY person_id, CASE WHEN person_id IS NULL OR %s THEN unit END
    ORDER BY 5, 2
"""


class MetricUnreadable(DomainError):
    """The metric is not there any more, or did not answer."""

    code = "metric_unreadable"
    status = 409


@dataclass(frozen=True, eq=False, kw_only=True)
class Exposed:
    """First exposures, in order of time, one row an observed person (or unit where there is no person); above
    the person, one a person in each unit.

    variant: shape (n,), places in `keys`, the control's first. phase: shape (n,), in which the unit was
    drawn. Both are those of the unit's first row. is_first: shape (n,), whether it is that. cluster: shape
    (n,), which unit, numbered from 0. next_at: shape (n,), when the same person came to another unit, else
    infinite. is_mixed: shape (n,), who saw another variant as well; they count for their first.
    """

    keys: tuple[str, ...]
    variant: Integers
    units: NDArray[np.object_]
    cluster: Integers
    is_first: NDArray[np.bool_]
    people: Integers
    phase: Integers
    since: Floats
    next_at: Floats
    is_mixed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.since)

    def where(self, wanted: NDArray[np.bool_]) -> "Exposed":
        rows = {name: column[wanted] for name, column in vars(self).items() if name != "keys"}
        return Exposed(keys=self.keys, **rows)

    def units_of(self, variant: int, phase: int | None = None) -> int:
        """How many units were assigned the variant (in the phase)."""
        chosen = self.is_first & (self.variant == variant)
        if phase is not None:
            chosen &= self.phase == phase
        return int(chosen.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """What came of those whose window has passed.

    value: shape (n,). covariate: shape (n,), the same metric from before the exposure; None where nobody has
    any. waiting: how many are still inside their window and not counted yet.
    """

    exposed: Exposed
    value: Floats
    covariate: Floats | None
    waiting: int

    def where(self, wanted: NDArray[np.bool_]) -> "Outcomes":
        before = None if self.covariate is None else self.covariate[wanted]
        return replace(self, exposed=self.exposed.where(wanted), value=self.value[wanted], covariate=before)


def exposed(experiment: Experiment) -> Exposed:
    variants = list(Variant.objects.filter(experiment=experiment).order_by("-is_control", "position"))
    place = {variant.pk: number for number, variant in enumerate(variants)}
    is_above = experiment.unit != Experiment.Unit.PERSON
    with connection.cursor() as cursor:
        cursor.execute(FIRSTS, [scoping.current_id(), experiment.pk, is_above])
        rows = cursor.fetchall()
    shown, units, people, phases, since, next_at, is_mixed = zip(*rows, strict=True) if rows else ((),) * 7
    names = np.array(units, dtype=object)
    first, cluster = _numbered(names)
    variant = np.array([place[one] for one in shown], dtype=np.int64)
    return Exposed(
        keys=tuple(one.key for one in variants),
        variant=variant[first[cluster]],
        units=names,
        cluster=cluster,
        is_first=first[cluster] == np.arange(len(rows)),
        people=np.array(people, dtype=np.int64),
        phase=np.array(phases, dtype=np.int64)[first[cluster]],
        since=np.array(since, dtype=np.float64),
        next_at=np.array(next_at, dtype=np.float64),
        is_mixed=np.array(is_mixed, dtype=np.bool_) | (variant != variant[first[cluster]]),
    )


def of(experiment: Experiment, seen: Exposed, *, now: datetime) -> Outcomes:
    """Their outcomes, as known now. Whoever is still inside the outcome window waits: else a variant that got
    its people later would look worse. Raises MetricUnreadable.
    """
    is_over = is_settled(experiment, seen, now=now)
    counted = seen.where(is_over)
    return Outcomes(
        exposed=counted,
        value=_read(experiment, counted, 0.0, experiment.outcome_window_days),
        covariate=_covariate(experiment, counted),
        waiting=int((~is_over).sum()),
    )


def is_settled(experiment: Experiment, seen: Exposed, *, now: datetime) -> NDArray[np.bool_]:
    """Shape (n,): whose outcome window is over."""
    over: NDArray[np.bool_] = seen.since <= now.timestamp() - experiment.outcome_window_days * DAY_SECONDS
    return over


def _covariate(experiment: Experiment, seen: Exposed) -> Floats | None:
    """Used for people only: above them, the time before one row is the time of another."""
    if experiment.unit != Experiment.Unit.PERSON or not experiment.covariate_days or not len(seen):
        return None
    before = _read(experiment, seen, -experiment.covariate_days, 0.0)
    return before if before.std() > 0 else None


def _read(experiment: Experiment, seen: Exposed, from_day: float, to_day: float) -> Floats:
    """Whatever a metric of somebody else's does wrong ends here, with what was written undone."""
    asked = Asked(
        units=seen.units,
        people=seen.people,
        since=seen.since,
        until=np.minimum(seen.since + to_day * DAY_SECONDS, seen.next_at),
        from_day=from_day,
        to_day=to_day,
        goal=experiment.goal,
    )
    metric = experiment_metrics.known(experiment.metric)
    if metric is None:
        raise MetricUnreadable(f"nobody provides {experiment.metric} any more")
    try:
        with transaction.atomic():
            answer = np.asarray(metric.read(asked), dtype=np.float64)
    except Exception as fault:
        log.exception("experiment.metric_failed", experiment_id=experiment.pk, metric=metric.name)
        raise MetricUnreadable(f"{metric.label} failed with {type(fault).__name__}") from fault
    if answer.shape != seen.since.shape or not np.isfinite(answer).all():
        raise MetricUnreadable(f"{metric.label} did not answer one finite number for each")
    return answer


def _numbered(names: NDArray[np.object_]) -> tuple[Integers, Integers]:
    """The first row of each unit, and for each row the number of its unit."""
    if not len(names):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    _, first, codes = np.unique(names.astype(str), return_index=True, return_inverse=True)
    return np.asarray(first, dtype=np.int64), np.asarray(codes, dtype=np.int64)
