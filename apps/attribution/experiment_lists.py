"""All experiments at a glance: which is broken, which waits for a decision, and what the others wait for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db import connection

from apps.accounts import scoping
from apps.attribution.maths.experiments import sample_ratio
from apps.attribution.maths.experiments.readings import SampleRatio
from apps.attribution.models import Allocation, Experiment, Look

State = Experiment.State
MOST_SHOWN = 200
# A unit counts once, in the phase in which it was drawn, though people may come to it in later ones.
CAME = """
    SELECT experiment_id, phase, variant_id, count(*)
    FROM (
        SELECT DISTINCT ON (experiment_id, unit) experiment_id, phase, variant_id
        FROM attribution_exposure
        WHERE workspace_id = (SELECT %s::bigint) AND experiment_id = ANY(%s::bigint[])
        ORDER BY experiment_id, unit, first_exposed_at, id
    ) AS first
    GROUP BY experiment_id, phase, variant_id
"""
Came = dict[tuple[int, int], int]
Shares = dict[tuple[int, int], float]


class Needs(StrEnum):
    """What an experiment wants of a person, the most pressing first."""

    MENDING = "mending"
    DECISION = "decision"
    TIME = "time"
    START = "start"
    NOTHING = "nothing"


@dataclass(frozen=True, eq=False, kw_only=True)
class Listed:
    """units: exposed so far, of those that are open. look: the latest. is_overdue: its turn is next."""

    experiment: Experiment
    needs: Needs
    units: int
    sample_ratio: SampleRatio | None
    look: Look | None
    is_overdue: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Overview:
    rows: list[Listed] = field(default_factory=list)

    def needing(self, what: str) -> list[Listed]:
        return [row for row in self.rows if row.needs == what]

    @property
    def running(self) -> list[Listed]:
        return [row for row in self.rows if row.experiment.state == State.RUNNING]


def overview(*, now: datetime) -> Overview:
    """The newest MOST_SHOWN experiments, those that want something of somebody first."""
    found = list(Experiment.objects.select_related("winner").order_by("-pk")[:MOST_SHOWN])
    open_ids = [one.pk for one in found if one.state in (State.RUNNING, State.STOPPED)]
    came, shares, looks = _came(open_ids), _shares(open_ids), _last_looks(open_ids)
    rows = [
        _listed(one, came.get(one.pk, {}), shares.get(one.pk, {}), looks.get(one.pk), now) for one in found
    ]
    order = list(Needs)
    return Overview(rows=sorted(rows, key=lambda row: (order.index(row.needs), -row.experiment.pk)))


def decisions_due() -> int:
    """How many running experiments have their answer. Whether units went astray is not looked at."""
    asked = Look.objects.filter(
        experiment__state=State.RUNNING, experiment__reading=Experiment.Reading.PROVE_LIFT
    )
    newest = asked.order_by("experiment_id", "-number").distinct("experiment_id")
    return sum(newest.values_list("is_conclusive", flat=True))


def _listed(one: Experiment, came: Came, shares: Shares, look: Look | None, now: datetime) -> Listed:
    ratio = _ratio(came, shares) if came else None
    return Listed(
        experiment=one,
        needs=_needs(one, ratio, look, now),
        units=sum(came.values()),
        sample_ratio=ratio,
        look=look,
        is_overdue=one.due_at is not None and one.due_at <= now,
    )


def _needs(one: Experiment, ratio: SampleRatio | None, look: Look | None, now: datetime) -> Needs:
    if one.state == State.DRAFT:
        return Needs.START
    if one.state == State.DECIDED:
        return Needs.NOTHING
    if ratio is not None and ratio.mismatch:
        return Needs.MENDING
    if one.reading == Experiment.Reading.PROVE_LIFT and look is not None and look.is_conclusive:
        return Needs.DECISION
    is_over = one.state == State.STOPPED and one.due_at is None
    return Needs.DECISION if is_over else Needs.TIME


def _ratio(came: Came, shares: Shares) -> SampleRatio:
    """came, shares: (phase, variant) → units, and the share that was intended."""
    variants = sorted({variant for _, variant in shares})
    phases = sorted({phase for phase, _ in came})
    by_phase = [sum(came.get((phase, one), 0) for one in variants) for phase in phases]
    intended = sample_ratio.intended([[shares[phase, one] for one in variants] for phase in phases], by_phase)
    units = [sum(came.get((phase, one), 0) for phase in phases) for one in variants]
    return sample_ratio.check(units, intended)


def _came(experiment_ids: list[int]) -> dict[int, Came]:
    found: dict[int, Came] = {}
    with connection.cursor() as cursor:
        cursor.execute(CAME, [scoping.current_id(), experiment_ids])
        for experiment_id, phase, variant_id, units in cursor.fetchall():
            found.setdefault(experiment_id, {})[phase, variant_id] = units
    return found


def _shares(experiment_ids: Iterable[int]) -> dict[int, Shares]:
    found: dict[int, Shares] = {}
    for row in Allocation.objects.filter(experiment__in=experiment_ids):
        found.setdefault(row.experiment_id, {})[row.phase, row.variant_id] = row.share
    return found


def _last_looks(experiment_ids: Iterable[int]) -> dict[int, Look]:
    looks = Look.objects.filter(experiment__in=experiment_ids).order_by("experiment_id", "-number")
    return {look.experiment_id: look for look in looks.distinct("experiment_id").defer("figures")}
