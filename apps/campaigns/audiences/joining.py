"""Put many people on a list at once: found, made where that is asked for, and added, in whole statements."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from apps.accounts import personal_fields, scoping
from apps.accounts.models import Person
from apps.campaigns.audiences.list_rows import Wanted
from apps.campaigns.models import Audience

# By index for each row, whatever the planner takes the tables to be (see identities.FIND_USERS). Of several
# people with one address the one who was seen last, and only one, so that nobody gets a message twice.
FIND = """
    SELECT w.n, coalesce(u.id, e.id, f.id)
    FROM unnest(%(n)s::int[], %(users)s::text[], %(emails)s::bytea[], %(phones)s::bytea[])
        AS w(n, user_id, email, phone)
    LEFT JOIN LATERAL (
        SELECT coalesce(merged_into_id, id) AS id FROM accounts_person
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND external_id = w.user_id LIMIT 1
    ) AS u ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(merged_into_id, id) AS id FROM accounts_person
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND u.id IS NULL AND email_index = w.email
            AND email_index IS NOT NULL AND erased_at IS NULL
        ORDER BY merged_into_id IS NOT NULL, last_seen_at DESC NULLS LAST, id LIMIT 1
    ) AS e ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(merged_into_id, id) AS id FROM accounts_person
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND u.id IS NULL AND e.id IS NULL
            AND phone_index = w.phone AND phone_index IS NOT NULL AND erased_at IS NULL
        ORDER BY merged_into_id IS NOT NULL, last_seen_at DESC NULLS LAST, id LIMIT 1
    ) AS f ON true
    WHERE coalesce(u.id, e.id, f.id) IS NOT NULL
"""
ADD = """
    INSERT INTO campaigns_audiencemember (workspace_id, audience_id, person_id)
    SELECT %s::bigint, %s::bigint, id FROM (SELECT DISTINCT unnest(%s::bigint[]) AS id) AS found ORDER BY id
    ON CONFLICT (workspace_id, audience_id, person_id) DO NOTHING
"""
# Lets one file at a time make people in a workspace: an address is no key that the database could hold apart.
LOCK_SPACE = 0x11575


@dataclass
class Joined:
    """What became of rows. unknown: the lines of those who were not found, nor made."""

    added: int = 0
    known: int = 0
    made: int = 0
    unknown: list[int] = field(default_factory=list)


def join(audience: Audience, wanted: Sequence[Wanted], *, makes_people: bool) -> Joined:
    """Add those whom the rows mean, in the transaction of the caller. Doing it again adds nobody."""
    if makes_people:
        _take_turns()
    found = _find(wanted)
    result = Joined()
    if makes_people and len(found) < len(wanted):
        missing = [place for place in range(len(wanted)) if place not in found]
        result.made = _make([wanted[place] for place in missing])
        again = _find([wanted[place] for place in missing])
        found |= {missing[place]: person for place, person in again.items()}
    result.unknown = [one.line for place, one in enumerate(wanted) if place not in found]
    result.added = _add(audience, list(found.values()))
    result.known = len(found) - result.added
    return result


def _find(wanted: Sequence[Wanted]) -> dict[int, int]:
    """Place → person."""
    if not wanted:
        return {}
    columns: dict[str, Any] = {
        "n": list(range(len(wanted))),
        "users": [one.user_id for one in wanted],
        "emails": [one.email_index for one in wanted],
        "phones": [one.phone_index for one in wanted],
        "workspace": scoping.current_id(),
    }
    with connection.cursor() as cursor:
        cursor.execute(FIND, columns)
        return dict(cursor.fetchall())


def _add(audience: Audience, person_ids: list[int]) -> int:
    if not person_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(ADD, [scoping.current_id(), audience.pk, person_ids])
        return int(cursor.rowcount)


def _make(wanted: Sequence[Wanted]) -> int:
    """Make each person once, however many rows mean them; those with a user id in its order, as all who make
    people do (identities.py). Somebody who was made meanwhile stays as they are.
    """
    new: dict[tuple[str, Any], Wanted] = {}
    for one in wanted:
        keys = [
            (name, key)
            for name, key in (("u", one.user_id), ("e", one.email_index), ("p", one.phone_index))
            if key is not None
        ]
        known = new.get(keys[0]) if one.user_id else next((new[key] for key in keys if key in new), None)
        if known is None:
            new |= {key: one for key in keys if key not in new}
    rows = sorted(set(new.values()), key=lambda one: (one.user_id or "", one.line))
    people = [_person(one) for one in rows]
    before = Person.objects.filter(external_id__in=[one.user_id for one in rows if one.user_id]).count()
    Person.objects.bulk_create(people, batch_size=2_000, ignore_conflicts=True)
    return len(people) - before


def _person(wanted: Wanted) -> Person:
    person = Person(workspace_id=scoping.current_id(), external_id=wanted.user_id)
    told = {name: value for name in ("email", "phone") if (value := getattr(wanted, name)) is not None}
    if told:
        personal_fields.set_personal(person, told)
    return person


def _take_turns() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, scoping.current_id() % 2**31])
