"""The log of who saw what: the first time counts, in whatever order and however often the news arrives."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models.functions import Coalesce

from apps.accounts import identities, scoping
from apps.accounts.errors import DomainError
from apps.accounts.identities import PersonMoved
from apps.accounts.models import Person
from apps.accounts.people import TooBusy
from apps.attribution import experiment_assignment, experiment_metrics
from apps.attribution.experiment_assignment import Assigned, Why
from apps.attribution.maths.experiments import assignment
from apps.attribution.models import Experiment, Variant

ATTEMPTS = 20
# Clocks that run ahead by more than this are wrong.
AHEAD = timedelta(minutes=5)
# The row that is there keeps the earlier moment with its variant, and remembers that there was another one.
KEEP_FIRST = """
    INSERT INTO attribution_exposure AS e
        (workspace_id, experiment_id, variant_id, unit, observed, person_id, phase, first_exposed_at,
         is_off_lot, is_mixed)
    SELECT (SELECT %s::bigint), %s, n.variant, n.unit, n.person, nullif(n.person, 0), n.phase, n.at,
           n.is_off_lot, n.is_mixed
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::timestamptz[], %s::bool[],
                %s::bool[])
      AS n(variant, unit, person, phase, at, is_off_lot, is_mixed)
    ON CONFLICT (workspace_id, experiment_id, unit, observed) DO UPDATE SET
        variant_id = CASE WHEN excluded.first_exposed_at < e.first_exposed_at
                          THEN excluded.variant_id ELSE e.variant_id END,
        phase = CASE WHEN excluded.first_exposed_at < e.first_exposed_at
                     THEN excluded.phase ELSE e.phase END,
        is_off_lot = CASE WHEN excluded.first_exposed_at < e.first_exposed_at
                          THEN excluded.is_off_lot ELSE e.is_off_lot END,
        first_exposed_at = LEAST(e.first_exposed_at, excluded.first_exposed_at),
        is_mixed = e.is_mixed OR excluded.is_mixed OR e.variant_id <> excluded.variant_id
    WHERE excluded.first_exposed_at < e.first_exposed_at OR excluded.is_mixed
       OR e.variant_id <> excluded.variant_id
    RETURNING (xmax = 0)
"""


class NotRunning(DomainError):
    code = "experiment_not_running"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A unit met a variant.

    person: the key of the person whose outcome counts; for units of people the unit itself, else None where
    the metric is measured on the unit. variant: what was shown, or None for what `assign` answered then.
    """

    unit: str
    at: datetime
    person: int | None = None
    variant: str | None = None


@dataclass(frozen=True, kw_only=True)
class Logged:
    """What became of a batch, in numbers that add up to it.

    stored: units not seen before. known: they had been. Refused, by reason: not_in_experiment (held out or
    outside the traffic, whatever they were shown), unknown_variant, no_person, outside_period (before the
    start, after the stop, or from a clock that runs ahead).
    """

    stored: int
    known: int
    refused: dict[str, int]


def of_person(person_id: int, *, at: datetime, variant: str | None = None) -> Sighting:
    return Sighting(unit=str(person_id), person=person_id, at=at, variant=variant)


@transaction.atomic
def expose(experiment: Experiment, sightings: Sequence[Sighting], *, now: datetime) -> Logged:
    """Log exposures, each unit's first. Arriving twice or late changes nothing that it should not.

    Locks the people. Raises NotRunning for an experiment that has not been started.
    """
    if experiment.started_at is None:
        raise NotRunning("Start the experiment first: nobody can have seen it yet.")
    roots = _lock_people([one.person for one in sightings if one.person is not None])
    usable, refused = _usable(experiment, [_of_root(experiment, one, roots) for one in sightings], now)
    rows = _first_of_each(usable)
    stored = _insert(experiment, list(rows.values())) if rows else 0
    return Logged(stored=stored, known=len(usable) - stored, refused=refused)


@dataclass(frozen=True, slots=True)
class _Row:
    variant: int
    unit: str
    person: int
    phase: int
    at: datetime
    is_off_lot: bool = False
    is_mixed: bool = False


def _of_root(experiment: Experiment, one: Sighting, roots: dict[int, int]) -> Sighting:
    """The sighting of whoever the person is by now; nobody where they are not there."""
    person = roots.get(one.person or 0)
    is_unit = person is not None and experiment.unit == Experiment.Unit.PERSON
    return replace(one, person=person, unit=str(person) if is_unit else one.unit)


def _usable(
    experiment: Experiment, sightings: Sequence[Sighting], now: datetime
) -> tuple[list[_Row], dict[str, int]]:
    variants = dict(Variant.objects.filter(experiment=experiment).values_list("key", "pk"))
    rows, refused = [], dict[str, int]()
    for one, lot in zip(sightings, _lots(experiment, sightings), strict=True):
        fault = _fault(experiment, one, lot, variants, now=now)
        if fault or lot is None:
            refused[fault] = refused.get(fault, 0) + 1
        else:
            rows.append(_row(one, lot, variants))
    return rows, refused


def _row(one: Sighting, lot: Assigned, variants: dict[str, int]) -> _Row:
    shown = one.variant or lot.variant or ""
    is_off_lot = lot.why == Why.ASSIGNED and shown != lot.variant
    return _Row(variants[shown], one.unit, one.person or 0, lot.phase, one.at, is_off_lot)


def _needs_people(experiment: Experiment) -> bool:
    metric = experiment_metrics.known(experiment.metric)
    return experiment.unit == Experiment.Unit.PERSON or (metric is not None and metric.of_people)


def _fault(
    experiment: Experiment, one: Sighting, lot: Assigned | None, variants: dict[str, int], *, now: datetime
) -> str:
    """Why it cannot be logged; empty when it can."""
    assert experiment.started_at is not None  # noqa: S101 - expose refuses it before
    last = min(experiment.stopped_at or now + AHEAD, now + AHEAD)
    if lot is None:
        return "no_person"
    if not experiment.started_at <= one.at <= last:
        return "outside_period"
    if one.variant is not None and one.variant not in variants:
        return "unknown_variant"
    return "" if lot.is_in else "not_in_experiment"


def _lots(experiment: Experiment, sightings: Sequence[Sighting]) -> list[Assigned | None]:
    """What each was assigned at its moment; None where the person is not there.

    In units above the person those who are held out by themselves are not in it either.
    """
    needs_people = _needs_people(experiment)
    there = [one for one in sightings if one.person is not None or not needs_people]
    lots = iter(
        experiment_assignment.drawn(experiment, [one.unit for one in there], [one.at for one in there])
    )
    found = [next(lots) if one.person is not None or not needs_people else None for one in sightings]
    hold_out = experiment_assignment.hold_out_of(experiment)
    if hold_out is None or experiment.unit == Experiment.Unit.PERSON:
        return found
    return [
        replace(lot, variant=None, why=Why.HELD_OUT)
        if lot and one.person is not None and assignment.is_held_out(str(one.person), hold_out)
        else lot
        for one, lot in zip(sightings, found, strict=True)
    ]


def _first_of_each(rows: list[_Row]) -> dict[tuple[str, int], _Row]:
    """One statement may touch a row once: the first of each unit, and whether it met another variant."""
    first: dict[tuple[str, int], _Row] = {}
    mixed: set[tuple[str, int]] = set()
    for row in sorted(rows, key=lambda one: one.at):
        key = (row.unit, row.person)
        if first.setdefault(key, row).variant != row.variant:
            mixed.add(key)
    return {key: replace(row, is_mixed=key in mixed) for key, row in first.items()}


def _insert(experiment: Experiment, rows: list[_Row]) -> int:
    """How many were new. In the order of the key, so that two batches do not wait for each other."""
    rows.sort(key=lambda row: (row.unit, row.person))
    columns = [[getattr(row, name) for row in rows] for name in _Row.__slots__]
    with connection.cursor() as cursor:
        cursor.execute(KEEP_FIRST, [scoping.current_id(), experiment.pk, *columns])
        return sum(is_new for (is_new,) in cursor.fetchall())


def _lock_people(people: Sequence[int]) -> dict[int, int]:
    """Whoever these people are by now, locked so that a merge waits. Those who are not there are left out."""
    wanted = sorted(set(people))
    for _ in range(ATTEMPTS if wanted else 0):
        with suppress(PersonMoved), transaction.atomic():
            known = Person.objects.filter(pk__in=wanted)
            roots = dict(known.values_list("pk", Coalesce("merged_into_id", "pk")))
            identities.lock(roots.values(), erased_too=True)
            return roots
    if wanted:
        raise TooBusy("These people are being merged at this moment. Try again.", retry_after_seconds=1)
    return {}
