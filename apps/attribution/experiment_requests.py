"""Assignment and exposure for callers from outside, who know people by ids of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts import people, scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import Person
from apps.accounts.permissions import Actor, require
from apps.attribution import experiment_assignment, experiment_exposures
from apps.attribution.experiment_assignment import Assigned
from apps.attribution.experiment_exposures import Logged, Sighting
from apps.attribution.models import Experiment


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who or what is meant: a person by one of their ids, a unit by its name, or both.

    unit: for experiments over people it is left out. variant, at: of an exposure.
    """

    user_id: str | None = None
    anonymous_id: str | None = None
    person_id: UUID | None = None
    unit: str | None = None
    variant: str | None = None
    at: datetime | None = None

    @property
    def has_ids(self) -> bool:
        return self.user_id is not None or self.anonymous_id is not None


@transaction.atomic
def assign(
    actor: Actor, experiment: Experiment, callers: Sequence[Caller], *, now: datetime
) -> list[Assigned]:
    """Variants, aligned with the callers. An id that is new makes a person, as tracking does. Needs
    tracking:write. Raises Invalid.
    """
    require(actor, "tracking:write")
    units = _units(experiment, callers, _people(callers, now))
    return experiment_assignment.assign_many(experiment, units, now=now)


@transaction.atomic
def expose(actor: Actor, experiment: Experiment, callers: Sequence[Caller], *, now: datetime) -> Logged:
    """Log exposures; without a variant, of what each is assigned. Needs tracking:write. Raises Invalid."""
    require(actor, "tracking:write")
    found = _people(callers, now)
    units = _units(experiment, callers, found)
    sightings = [
        Sighting(unit=unit, person=person or None, variant=one.variant, at=one.at or now)
        for unit, person, one in zip(units, found, callers, strict=True)
    ]
    return experiment_exposures.expose(experiment, sightings, now=now)


def _people(callers: Sequence[Caller], now: datetime) -> list[int]:
    """Keys of people, 0 where the caller named nobody."""
    by_ids = [place for place, one in enumerate(callers) if one.has_ids and one.person_id is None]
    pairs = [(callers[place].user_id, callers[place].anonymous_id) for place in by_ids]
    found = _by_public_id([one.person_id for one in callers if one.person_id is not None])
    answer = [0 if one.person_id is None else found[one.person_id] for one in callers]
    if pairs:
        workspace_id = scoping.current_id()
        resolved = people.resolve_many(pairs, workspace_id=workspace_id, seen_at=now)
        for place, person in zip(by_ids, resolved.tolist(), strict=True):
            answer[place] = person
    return answer


def _by_public_id(public_ids: Sequence[UUID]) -> dict[UUID, int]:
    known = Person.objects.filter(public_id__in=public_ids).values_list("public_id", "pk", "merged_into_id")
    found = {public_id: root or pk for public_id, pk, root in known}
    if missing := set(public_ids) - set(found):
        raise Invalid({"person_id": [f"There is no person {min(missing)} in this workspace."]})
    return found


def _units(experiment: Experiment, callers: Sequence[Caller], found: Sequence[int]) -> list[str]:
    if experiment.unit == Experiment.Unit.PERSON:
        if not all(found):
            raise Invalid({"units": ["Name each person by user_id, anonymous_id or person_id."]})
        return [str(person) for person in found]
    if not all(one.unit for one in callers):
        raise Invalid({"units": [f"Name each {experiment.get_unit_display().lower()} by unit."]})
    return [one.unit or "" for one in callers]
