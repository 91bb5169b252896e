"""Who saw what first, and what came of it: the rows that an experiment is read from."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.attribution import experiment_metrics
from apps.attribution.experiment_metrics import DAY_SECONDS, Asked, Floats, Integers
from apps.attribution.models import Experiment, Variant

# A person who is two in the log, since somebody found out later that they are one, counts once: by what they
# saw first. Leaving out those who saw two variants would bend the reading: converting is what makes people
# known, and known on two devices.
FIRSTS = """
    SELECT (array_agg(variant_id ORDER BY first_exposed_at, id))[1],
           (array_agg(unit ORDER BY first_exposed_at, id))[1],
           coalesce(person_id, 0),
           (array_agg(phase ORDER BY first_exposed_at, id))[1],
           extract(epoch FROM min(first_exposed_at))::float8,
           bool_or(is_mixed) OR min(variant_id) <> max(variant_id)
    FROM attribution_exposure
    WHERE workspace_id = (SELECT %s::bigint) AND experiment_id = %s
    GROUP BY person_id, CASE WHEN person_id IS NULL THEN unit END
    ORDER BY 5
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Exposed:
    """First exposures, in order of time, one row an observed person (or unit where there is no person).

    variant: shape (n,), places in `keys`, the control's first. cluster: shape (n,), which unit, numbered
    from 0. is_mixed: shape (n,), who saw another variant as well; they count for their first.
    """

    keys: tuple[str, ...]
    variant: Integers
    units: NDArray[np.object_]
    cluster: Integers
    people: Integers
    phase: Integers
    since: Floats
    is_mixed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.since)

    def where(self, wanted: NDArray[np.bool_]) -> "Exposed":
        rows = {name: column[wanted] for name, column in vars(self).items() if name != "keys"}
        return Exposed(keys=self.keys, **rows)

    def units_of(self, variant: int, phase: int | None = None) -> int:
        """How many units were assigned the variant (in the phase)."""
        chosen = self.variant == variant
        if phase is not None:
            chosen &= self.phase == phase
        return len(np.unique(self.cluster[chosen]))


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


def exposed(experiment: Experiment) -> Exposed:
    variants = list(Variant.objects.filter(experiment=experiment).order_by("-is_control", "position"))
    place = {variant.pk: number for number, variant in enumerate(variants)}
    with connection.cursor() as cursor:
        cursor.execute(FIRSTS, [scoping.current_id(), experiment.pk])
        rows = cursor.fetchall()
    variant, units, people, phase, since, is_mixed = zip(*rows, strict=True) if rows else ((),) * 6
    names = np.array(units, dtype=object)
    return Exposed(
        keys=tuple(one.key for one in variants),
        variant=np.array([place[one] for one in variant], dtype=np.int64),
        units=names,
        cluster=_numbered(names),
        people=np.array(people, dtype=np.int64),
        phase=np.array(phase, dtype=np.int64),
        since=np.array(since, dtype=np.float64),
        is_mixed=np.array(is_mixed, dtype=np.bool_),
    )


def of(experiment: Experiment, seen: Exposed, *, now: datetime) -> Outcomes:
    """Their outcomes, as known now. Whoever is still inside the outcome window waits: else a variant that got
    its people later would look worse.
    """
    is_over = seen.since <= now.timestamp() - experiment.outcome_window_days * DAY_SECONDS
    counted = seen.where(is_over)
    return Outcomes(
        exposed=counted,
        value=_read(experiment, counted, 0.0, experiment.outcome_window_days),
        covariate=_covariate(experiment, counted),
        waiting=int((~is_over).sum()),
    )


def _covariate(experiment: Experiment, seen: Exposed) -> Floats | None:
    if not experiment.covariate_days or not len(seen):
        return None
    before = _read(experiment, seen, -experiment.covariate_days, 0.0)
    return before if before.std() > 0 else None


def _read(experiment: Experiment, seen: Exposed, from_day: float, to_day: float) -> Floats:
    metric = experiment_metrics.metric(experiment.metric)
    asked = Asked(
        units=seen.units,
        people=seen.people,
        since=seen.since,
        from_day=from_day,
        to_day=to_day,
        goal=experiment.goal,
    )
    answer = np.asarray(metric.read(asked), dtype=np.float64)
    if answer.shape != seen.since.shape or not np.isfinite(answer).all():
        raise ValueError(f"metric {metric.name} must answer {seen.since.shape} finite numbers")
    return answer


def _numbered(names: NDArray[np.object_]) -> Integers:
    if not len(names):
        return np.zeros(0, dtype=np.int64)
    _, codes = np.unique(names.astype(str), return_inverse=True)
    return np.asarray(codes, dtype=np.int64)
