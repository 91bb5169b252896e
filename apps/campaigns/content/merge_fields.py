"""What a message may say of its recipient: fields with a fallback and an example, registered by name.

Values are data and never templates. Upper floors register what they know of people.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from apps.accounts import one_trip, personal_fields, scoping
from apps.accounts.models import Workspace


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody, and what is written down of them: enough to read the rest by. pk: Person.pk. sealed: what
    opens their own fields, which stay shut until they are wanted.
    """

    pk: int
    traits: dict[str, Any]
    sealed: tuple[Any, ...]


# Given people, the workspace and the time: what is known, by Person.pk. Who has no value is left out.
Read = Callable[[Sequence[Known], Workspace, datetime], Mapping[int, Any]]

TRAITS = "traits"
# Which sealed field each of a person's own comes of.
_SEALED = {"email": "email", "phone": "phone", "name": "name", "first_name": "name", "last_name": "name"}
OWN = frozenset(_SEALED)
_PEOPLE = """
    SELECT p.id, {columns} FROM accounts_person AS p
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = ANY(%s::bigint[])
"""
DATE_TRAITS = ("wedding_date", "wedding_on", "event_on", "event_date")
# Days to go from which a phase begins; the last that fits counts.
PHASES = ((366, "dreaming"), (181, "booking"), (61, "planning"), (8, "finishing"), (0, "week of the wedding"))
AFTER = "married"
SEASONS = ("winter", "spring", "summer", "autumn")
# Zones of the southern half, by how their names begin: there the seasons are half a year away.
SOUTHERN = (
    "Australia/",
    "Antarctica/",
    "Pacific/Auckland",
    "Africa/Johannesburg",
    "America/Argentina/",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Montevideo",
)


@dataclass(frozen=True, kw_only=True)
class MergeField:
    """fallback: what stands where nothing is known and the template says nothing else."""

    name: str
    label: str
    example: Any
    fallback: str = ""
    read: Read


_known: dict[str, MergeField] = {}


def register(field: MergeField) -> None:
    """Raises ValueError for a name that cannot be one, or that is taken."""
    if not field.name.isidentifier() or field.name.startswith("_") or field.name == TRAITS:
        raise ValueError(f"{field.name!r} cannot be the name of a merge field")
    if field.name in _known:
        raise ValueError(f"{field.name} is registered twice")
    _known[field.name] = field


def listed() -> list[MergeField]:
    return [_known[name] for name in sorted(_known)]


def names() -> frozenset[str]:
    """Every name that a template may use."""
    return frozenset(_known) | {TRAITS}


def examples() -> dict[str, Any]:
    """A recipient of whom everything is known."""
    traits = {"plan": "gold", "guests": 120, "wedding_date": "2027-06-12", "interests": ["flowers", "music"]}
    return {one.name: one.example for one in listed()} | {TRAITS: traits}


def values_of(
    person_ids: Sequence[int],
    *,
    now: datetime | None = None,
    fields: Collection[str] | None = None,
    workspace: Workspace | None = None,
) -> dict[int, dict[str, Any]]:
    """What is known of each person, by field; traits are always there. Three queries for any number.

    fields: those that are wanted, of which others need not be read; None for all. workspace: the one in
    scope, where somebody has read it.
    """
    wanted = names() if fields is None else fields
    sql = _PEOPLE.format(columns=", ".join(columns(wanted)))
    params = [scoping.current_id(), one_trip.array(person_ids)]
    [rows] = one_trip.fetch_all([(sql, params)], is_prepared=True, is_binary=True)
    people = [known(pk, told) for pk, *told in rows]
    return values_in(people, now=now or timezone.now(), fields=wanted, workspace=workspace)


def columns(fields: Collection[str]) -> tuple[str, ...]:
    """What is read of the person `p` for these fields, and no more: a person's row is a wide one."""
    sealed = (f"p.{one}_sealed" for one in _sealed_of(fields))
    return ("p.traits::text", "p.public_id::text", "p.data_key", *sealed)


def known(pk: int, told: Sequence[Any]) -> Known:
    """told: the columns above, in their order."""
    traits, *sealed = told
    return Known(pk, json.loads(traits), tuple(sealed))


def values_in(
    people: Sequence[Known], *, now: datetime, fields: Collection[str], workspace: Workspace | None = None
) -> dict[int, dict[str, Any]]:
    """The same of people who were read with the columns of these fields."""
    sealed = _sealed_of(fields)
    found: dict[int, dict[str, Any]] = {}
    for one in people:
        found[one.pk] = {TRAITS: one.traits}
        public_id, data_key, *texts = one.sealed
        if sealed and data_key is not None:
            told = dict(zip(sealed, texts, strict=True))
            found[one.pk] |= _personal(personal_fields.opened(public_id, data_key, told))
    place = workspace or Workspace.objects.get()
    for field in listed():
        if field.name in fields and field.name not in _SEALED:
            for person_id, value in field.read(people, place, now).items():
                found[person_id][field.name] = value
    return found


def _sealed_of(fields: Collection[str]) -> list[str]:
    return sorted({_SEALED[name] for name in fields if name in _SEALED})


def _personal(opened: Mapping[str, str | None]) -> dict[str, str]:
    """Opened once for all fields that come of it."""
    name = opened.get("name") or ""
    parts = {
        "name": name,
        "first_name": opened.get("first_name") or name.partition(" ")[0],
        "last_name": opened.get("last_name") or name.partition(" ")[2],
        "email": opened.get("email") or "",
        "phone": opened.get("phone") or "",
    }
    return {key: value for key, value in parts.items() if value}


def _with_the_person(people: Sequence[Known], workspace: Workspace, now: datetime) -> dict[int, Any]:
    """Filled in by _personal, so that a person's fields are opened once."""
    return {}


def event_on(traits: Mapping[str, Any]) -> date | None:
    """The day of the wedding, where a trait says it as a date."""
    for key in DATE_TRAITS:
        if (found := as_date(traits.get(key))) is not None:
            return found
    return None


def as_date(value: Any) -> date | None:
    """A date, or the day of a moment, as ISO 8601 writes it; None for anything else."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def phase_of(day: date, today: date) -> str:
    to_go = (day - today).days
    return next((name for least, name in PHASES if to_go >= least), AFTER)


def season_of(today: date, zone: str) -> str:
    """By the month: December, January and February are winter in the north."""
    shift = 2 if zone.startswith(SOUTHERN) else 0
    return SEASONS[(today.month % 12 // 3 + shift) % 4]


def _today(workspace: Workspace, now: datetime) -> date:
    return now.astimezone(workspace.zone).date()


def _seasons(people: Sequence[Known], workspace: Workspace, now: datetime) -> dict[int, Any]:
    season = season_of(_today(workspace, now), workspace.time_zone)
    return dict.fromkeys((one.pk for one in people), season)


def _days(people: Sequence[Known]) -> dict[int, date]:
    known = {one.pk: event_on(one.traits) for one in people}
    return {pk: day for pk, day in known.items() if day is not None}


def _phases(people: Sequence[Known], workspace: Workspace, now: datetime) -> dict[int, Any]:
    today = _today(workspace, now)
    return {pk: phase_of(day, today) for pk, day in _days(people).items()}


def _wedding_dates(people: Sequence[Known], workspace: Workspace, now: datetime) -> dict[int, Any]:
    return dict(_days(people))


def _days_to_go(people: Sequence[Known], workspace: Workspace, now: datetime) -> dict[int, Any]:
    today = _today(workspace, now)
    return {pk: (day - today).days for pk, day in _days(people).items() if day >= today}


def _companies(people: Sequence[Known], workspace: Workspace, now: datetime) -> dict[int, Any]:
    return dict.fromkeys((one.pk for one in people), workspace.name)


for _field in (
    MergeField(
        name="first_name",
        label="First name",
        example="Ada",
        fallback="there",
        read=_with_the_person,
    ),
    MergeField(name="last_name", label="Last name", example="Byron", read=_with_the_person),
    MergeField(name="name", label="Whole name", example="Ada Byron", fallback="there", read=_with_the_person),
    MergeField(name="email", label="E-mail address", example="ada@example.com", read=_with_the_person),
    MergeField(name="phone", label="Phone number", example="+44 7700 900123", read=_with_the_person),
    MergeField(name="company", label="Name of the workspace", example="Bell & Co", read=_companies),
    MergeField(name="season", label="Season of the year", example="spring", read=_seasons),
    MergeField(
        name="wedding_date", label="Day of the wedding", example=date(2027, 6, 12), read=_wedding_dates
    ),
    MergeField(name="days_to_wedding", label="Days to the wedding", example=120, read=_days_to_go),
    MergeField(
        name="planning_phase",
        label=f"Planning phase: {', '.join(name for _, name in PHASES)} or {AFTER}",
        example="planning",
        read=_phases,
    ),
):
    register(_field)
