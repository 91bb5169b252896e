"""Whole crowds at once: who gets which variant, and that they have been shown it. For a million people.

What `assign_many` and `expose` do person by person, with the same answers, in arrays and a few statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.attribution import experiment_assignment
from apps.attribution.experiment_exposures import NotRunning
from apps.attribution.maths.experiments import assignment
from apps.attribution.maths.experiments.assignment import HELD_OUT, OUTSIDE
from apps.attribution.models import Experiment, Exposure, Variant

Integers = NDArray[np.int64]
ROWS_PER_STATEMENT = 50_000
# Whoever was merged into somebody since counts as that person; who is in the log already stays as they are.
LOG = """
    INSERT INTO attribution_exposure
        (workspace_id, experiment_id, variant_id, unit, observed, person_id, phase, first_exposed_at,
         is_off_lot, is_mixed)
    SELECT p.workspace_id, %s, n.variant, p.id::text, p.id, p.id, %s, n.at, false, false
    FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS n (person, variant, at)
    JOIN accounts_person AS p
      ON p.workspace_id = (SELECT %s::bigint) AND p.id = n.person AND p.merged_into_id IS NULL
    ORDER BY p.id
    ON CONFLICT (workspace_id, experiment_id, unit, observed) DO NOTHING
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn:
    """keys: of the variants, control first. places: shape (n,), in keys; OUTSIDE or HELD_OUT: none of them.
    phase: whose shares decided."""

    keys: tuple[str, ...]
    places: Integers
    phase: int


def draw_crowd(experiment: Experiment, people: Integers, *, now: datetime) -> Drawn:
    """The variants of many people, as `assign_many` would draw them. Raises NotRunning before the start and
    after a stop.
    """
    if experiment.state == Experiment.State.DECIDED:
        return _after_the_decision(experiment, people)
    if experiment.state != Experiment.State.RUNNING:
        raise NotRunning("This experiment lets nobody in: it is not running.")
    return lot_of_crowd(experiment, people, now=now)


def lot_of_crowd(experiment: Experiment, people: Integers, *, now: datetime) -> Drawn:
    """What the lot says, whatever became of the experiment since it began: for what must not change half-way.

    Who has seen something keeps it.
    """
    phase, split = experiment_assignment.split_at(experiment, now)
    drawn = assignment.places(_units(people), split, hold_out=experiment_assignment.hold_out_of(experiment))
    return Drawn(keys=split.variants, places=_as_seen(experiment, people, split.variants, drawn), phase=phase)


@transaction.atomic
def log_crowd(experiment: Experiment, people: Integers, drawn: Drawn, at: Sequence[datetime]) -> int:
    """Write down that people met the variant drawn for them, each at their moment; answers how many were new.

    Those who are in no variant, erased or merged away are left out.
    """
    keys = dict(Variant.objects.filter(experiment=experiment).values_list("key", "pk"))
    ids = np.array([keys[key] for key in drawn.keys], dtype=np.int64)
    rows = np.flatnonzero(drawn.places >= 0)
    logged = 0
    with connection.cursor() as cursor:
        for first in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[first : first + ROWS_PER_STATEMENT]
            columns = [people[part].tolist(), ids[drawn.places[part]].tolist(), [at[row] for row in part]]
            cursor.execute(LOG, [experiment.pk, drawn.phase, *columns, scoping.current_id()])
            logged += cursor.rowcount
    return logged


def _units(people: Integers) -> list[bytes]:
    return [b"%d" % person for person in people.tolist()]


def _as_seen(experiment: Experiment, people: Integers, keys: tuple[str, ...], drawn: Integers) -> Integers:
    """What somebody has seen they keep."""
    if not Exposure.objects.filter(experiment=experiment).exists():
        return drawn
    kept = experiment_assignment.kept_by(experiment, [str(person) for person in people.tolist()])
    if kept:
        place = {key: number for number, key in enumerate(keys)}
        for row, person in enumerate(people.tolist()):
            if (seen := kept.get(str(person))) is not None:
                drawn[row] = place[seen]
    return drawn


def _after_the_decision(experiment: Experiment, people: Integers) -> Drawn:
    """The winner for everybody who is not held out for good; nothing of its own where there is none."""
    keys = tuple(
        Variant.objects.filter(experiment=experiment)
        .order_by("-is_control", "position")
        .values_list("key", flat=True)
    )
    won = Variant.objects.filter(pk=experiment.winner_id).values_list("key", flat=True).first()
    places = np.full(len(people), OUTSIDE if won is None else keys.index(won), dtype=np.int64)
    hold_out = experiment_assignment.hold_out_of(experiment)
    if hold_out is not None:
        stands = assignment.points(_units(people), f"holdout:{hold_out.salt}")
        places[stands < hold_out.share] = HELD_OUT
    return Drawn(keys=keys, places=places, phase=0)


def held_out_crowd(people: Integers, workspace: Workspace) -> NDArray[np.bool_]:
    """Shape (n,): who belongs to the workspace's permanent hold-out, as it is set now."""
    hold_out = experiment_assignment.permanent_hold_out(workspace)
    if not hold_out.share:
        return np.zeros(len(people), dtype=np.bool_)
    return np.asarray(assignment.points(_units(people), f"holdout:{hold_out.salt}") < hold_out.share)
