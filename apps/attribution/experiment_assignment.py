"""Who gets which variant: by hash, the same answer each time, without a write.

What somebody has seen they keep: an exposure in the log comes before the hash, so that neither new shares nor
a merge of two people changes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.attribution.maths.experiments import assignment
from apps.attribution.maths.experiments.assignment import HoldOut, Split
from apps.attribution.models import Allocation, Experiment, Variant

KEPT_BY_PEOPLE = """
    SELECT DISTINCT ON (e.person_id) e.person_id::text, v.key, e.phase
    FROM attribution_exposure AS e
    JOIN attribution_variant AS v ON v.workspace_id = e.workspace_id AND v.id = e.variant_id
    WHERE e.workspace_id = (SELECT %s::bigint) AND e.experiment_id = %s
      AND e.person_id = ANY(%s::text[]::bigint[])
    ORDER BY e.person_id, e.first_exposed_at, e.id
"""
KEPT_BY_UNITS = """
    SELECT DISTINCT ON (e.unit) e.unit, v.key, e.phase
    FROM attribution_exposure AS e
    JOIN attribution_variant AS v ON v.workspace_id = e.workspace_id AND v.id = e.variant_id
    WHERE e.workspace_id = (SELECT %s::bigint) AND e.experiment_id = %s AND e.unit = ANY(%s::text[])
    ORDER BY e.unit, e.first_exposed_at, e.id
"""
HOLDOUT_SETTING = "experiments_holdout_share"


class Why(StrEnum):
    """assigned: by lot. kept: they have seen it. decided: the winner goes to everybody who is not held out.
    Else no variant: held_out for good, outside the experiment's traffic, or the experiment is not_running.
    """

    ASSIGNED = "assigned"
    KEPT = "kept"
    DECIDED = "decided"
    HELD_OUT = "held_out"
    OUTSIDE = "outside"
    NOT_RUNNING = "not_running"


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """variant: its key; None means: do as if there were no experiment. phase: whose shares decided."""

    unit: str
    variant: str | None
    why: Why
    phase: int = 0

    @property
    def is_in(self) -> bool:
        return self.why in (Why.ASSIGNED, Why.KEPT)


def assign(experiment: Experiment, unit: str, *, now: datetime) -> Assigned:
    """The variant of one unit. For people the unit is the person's key as text."""
    return assign_many(experiment, [unit], now=now)[0]


def assign_many(experiment: Experiment, units: Sequence[str], *, now: datetime) -> list[Assigned]:
    """The variants of many units, aligned; three queries however many they are."""
    if experiment.state == Experiment.State.DECIDED:
        return _after_the_decision(experiment, units)
    if experiment.state != Experiment.State.RUNNING:
        return [Assigned(unit=unit, variant=None, why=Why.NOT_RUNNING) for unit in units]
    return drawn(experiment, units, [now] * len(units))


def drawn(experiment: Experiment, units: Sequence[str], moments: Sequence[datetime]) -> list[Assigned]:
    """What each unit's lot was at its moment, whatever has become of the experiment since.

    Those who had seen something by the phase of that moment keep it. Aligned; three queries.
    """
    phases = _Phases(experiment)
    hold_out, kept = hold_out_of(experiment), _kept(experiment, units)
    found = []
    for unit, moment in zip(units, moments, strict=True):
        phase = phases.at(moment)
        variant, since = kept.get(unit, ("", phase + 1))
        if since <= phase:
            found.append(Assigned(unit=unit, variant=variant, why=Why.KEPT, phase=phase))
        else:
            found.append(_by_lot(unit, phases.split(phase), hold_out, phase))
    return found


def is_held_out(units: Iterable[str], *, workspace: Workspace) -> list[bool]:
    """Whether units belong to the workspace's permanent hold-out, as it is set now."""
    hold_out = permanent_hold_out(workspace)
    return [assignment.is_held_out(unit, hold_out) for unit in units]


def permanent_hold_out(workspace: Workspace) -> HoldOut:
    return HoldOut(salt=_holdout_salt(workspace.pk), share=holdout_share(workspace))


def holdout_share(workspace: Workspace) -> float:
    return float(workspace.settings.get(HOLDOUT_SETTING, 0.0))


def split_at(experiment: Experiment, moment: datetime) -> tuple[int, Split]:
    """The phase in force at the moment, and its shares."""
    phases = _Phases(experiment)
    phase = phases.at(moment)
    return phase, phases.split(phase)


def kept_by(experiment: Experiment, units: Sequence[str]) -> dict[str, str]:
    """The variant that each unit has seen first; those who have seen none are left out."""
    return {unit: variant for unit, (variant, _) in _kept(experiment, units).items()}


class _Phases:
    """An experiment's shares, phase by phase."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.rows: dict[int, list[Allocation]] = {}
        found = Allocation.objects.filter(experiment=experiment).select_related("variant")
        for row in found.order_by("phase", "-variant__is_control", "variant__position"):
            self.rows.setdefault(row.phase, []).append(row)
        self.splits: dict[int, Split] = {}

    def at(self, moment: datetime) -> int:
        """The phase in force; the first one, for a moment before it."""
        begun = [number for number, part in self.rows.items() if part[0].starts_at <= moment]
        return max(begun, default=min(self.rows))

    def split(self, phase: int) -> Split:
        if phase not in self.splits:
            self.splits[phase] = _split(self.experiment, self.rows[phase])
        return self.splits[phase]


def _split(experiment: Experiment, part: Sequence[Allocation]) -> Split:
    return Split(
        salt=_salt(experiment),
        variants=tuple(row.variant.key for row in part),
        weights=tuple(row.share for row in part),
        layer=_layer_salt(experiment),
        slice_start=experiment.slice_start,
        slice_end=min(experiment.slice_start + experiment.traffic_share, 1.0),
    )


def hold_out_of(experiment: Experiment) -> HoldOut | None:
    if not experiment.holdout_share:
        return None
    return HoldOut(salt=_holdout_salt(experiment.workspace_id), share=experiment.holdout_share)


def _by_lot(unit: str, split: Split, hold_out: HoldOut | None, phase: int) -> Assigned:
    drawn = assignment.assign(unit, split, hold_out=hold_out)
    return Assigned(unit=unit, variant=drawn.variant, why=_WHY[drawn.reason], phase=phase)


_WHY = {
    assignment.Reason.ASSIGNED: Why.ASSIGNED,
    assignment.Reason.HELD_OUT: Why.HELD_OUT,
    assignment.Reason.OTHER_SLICE: Why.OUTSIDE,
}


def _kept(experiment: Experiment, units: Sequence[str]) -> dict[str, tuple[str, int]]:
    """What units have seen first, and in which phase. People who were merged have seen what either of them
    saw.
    """
    kept = KEPT_BY_PEOPLE if experiment.unit == Experiment.Unit.PERSON else KEPT_BY_UNITS
    with connection.cursor() as cursor:
        cursor.execute(kept, [scoping.current_id(), experiment.pk, list(units)])
        return {unit: (variant, phase) for unit, variant, phase in cursor.fetchall()}


def _after_the_decision(experiment: Experiment, units: Sequence[str]) -> list[Assigned]:
    """The winner, for everybody but those who are held out for good: they show what it is all worth."""
    won = Variant.objects.filter(pk=experiment.winner_id).values_list("key", flat=True).first()
    hold_out = hold_out_of(experiment)
    return [
        Assigned(unit=unit, variant=None, why=Why.HELD_OUT)
        if hold_out and assignment.is_held_out(unit, hold_out)
        else Assigned(unit=unit, variant=won, why=Why.DECIDED)
        for unit in units
    ]


def _salt(experiment: Experiment) -> str:
    return f"{experiment.workspace_id}/experiment/{experiment.key}"


def _layer_salt(experiment: Experiment) -> str:
    """An experiment in no layer is alone in one of its own."""
    if experiment.layer:
        return f"{experiment.workspace_id}/layer/{experiment.layer}"
    return "" if experiment.traffic_share >= 1 else f"{_salt(experiment)}/traffic"


def _holdout_salt(workspace_id: int) -> str:
    return f"{workspace_id}/hold-out"
