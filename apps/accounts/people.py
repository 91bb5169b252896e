"""One person behind many ids: find, make, stitch, merge, and open what is sealed.

A user id is the customer's own and names one person for good; an anonymous id is a device and belongs to
whoever was last identified on it. A merged person stays as a row that points to the survivor, always in one
step.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models.functions import Coalesce

from apps.accounts import audit, identities, personal_fields, scoping, stitching
from apps.accounts import traits as trait_rules
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.identities import Batch, Integers, Pair, PersonMoved, SeenAt, Spans
from apps.accounts.models import Person, PersonMerge
from apps.accounts.permissions import Actor, require

# How often to look again when people are merged or erased under our hands: each time somebody else's work
# was done.
ATTEMPTS = 20
# User ids whose people are remembered from batch to batch: some 40 MB.
REMEMBERED = 300_000
# Locked in the order of their keys, as everywhere.
DESCRIBE = """
    WITH chosen AS (
        SELECT id FROM accounts_person
        WHERE id = ANY(%s) AND workspace_id = (SELECT %s::bigint) AND erased_at IS NULL
          AND merged_into_id IS NULL
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE accounts_person AS p SET traits = (p.traits || new.given) - new.taken
    FROM chosen, (SELECT %s::jsonb AS given, %s::text[] AS taken) AS new
    WHERE p.id = chosen.id AND length(((p.traits || new.given) - new.taken)::text) <= %s
    RETURNING p.id
"""


class TooBusy(DomainError):
    code = "too_busy"
    status = 503


class MergeRefused(DomainError):
    code = "merge_refused"
    status = 409


def resolve(
    *, workspace_id: int, user_id: str | None = None, anonymous_id: str | None = None, seen_at: datetime
) -> Person:
    """Find or make the person behind an id; two ids are stitched. Locks the person: see resolve_many."""
    found = resolve_many([(user_id, anonymous_id)], workspace_id=workspace_id, seen_at=seen_at)
    return Person.objects.get(pk=found[0])


def resolve_many(pairs: Sequence[Pair], *, workspace_id: int, seen_at: SeenAt) -> Integers:
    """Find or make the people behind (user_id, anonymous_id) pairs; answers their keys, aligned with the
    pairs.

    Two ids in a pair are stitched. Pairs count in their order, which should be that of time: on a shared
    device an anonymous event belongs to the user last seen on it. seen_at: one moment, or one per pair
    (datetime64 is UTC).

    Call it once per transaction, in the transaction that stores what points at these people: it locks them,
    in order, so that a merge or an erasure waits, and nothing is left behind on somebody who was absorbed.
    Raises Invalid before any of that.
    """
    return resolve_batch(identities.batch_of(pairs, seen_at), workspace_id=workspace_id)


def resolve_batch(batch: Batch, *, workspace_id: int, met: dict[str, int] | None = None) -> Integers:
    """The same for ids that were checked and numbered already.

    met: the people of user ids, from one batch of a caller to its next. It is filled here, forgotten when
    somebody moved, and may name people whose transaction came to nothing.
    """
    if workspace_id != scoping.current_id():
        raise ValueError("workspace_id is not the workspace in scope")
    with transaction.atomic(savepoint=False):
        return _settled(batch, {} if met is None else met)


@transaction.atomic
def identify(
    actor: Actor,
    *,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    traits: dict[str, Any] | None = None,
    now: datetime,
) -> Person:
    """Stitch an anonymous id to a user, also after the fact, and keep what is said about them.

    Doing it again changes nothing. Locks the people concerned. Raises Invalid. Publishes PeopleIdentified,
    PeopleMerged.
    """
    personal, others = trait_rules.split(traits or {})
    found = _settled(identities.batch_of([(user_id, anonymous_id)], now), {})
    person = Person.objects.get(pk=found[0])
    if traits:
        _keep(person, personal, others)
    return person


@transaction.atomic
def describe(person_id: int, traits: dict[str, Any]) -> Person:
    """Keep what is said about somebody; null takes a trait away. Locks them. Raises Invalid, NotHere."""
    personal, others = trait_rules.split(traits)
    person = lock_survivor(person_id)
    _keep(person, personal, others)
    return person


def _keep(person: Person, personal: dict[str, Any], others: dict[str, Any]) -> None:
    person.traits = trait_rules.updated(person.traits, others)
    personal_fields.set_personal(person, personal)
    person.save(update_fields=["traits", *personal_fields.COLUMNS])


@transaction.atomic
def describe_many(person_ids: Sequence[int], traits: dict[str, Any]) -> set[int]:
    """Write the same traits down of many people; null takes one away. Answers whose were.

    Those who were erased or merged, or have no room for more, are left as they are. Doing it again changes
    nothing. Raises Invalid, for what is personal too: that is a person's own (identify).
    """
    personal, others = trait_rules.split(traits)
    if personal:
        raise Invalid(
            {name: ["This says who somebody is, and is not the same for many."] for name in personal}
        )
    given = {key: value for key, value in others.items() if value is not None}
    taken = [key for key in others if key not in given]
    with connection.cursor() as cursor:
        asked: list[Any] = [sorted(person_ids), scoping.current_id()]
        cursor.execute(DESCRIBE, [*asked, json.dumps(given), taken, trait_rules.MOST_BYTES])
        return {pk for (pk,) in cursor.fetchall()}


@transaction.atomic
def merge(actor: Actor, survivor: Person, absorbed: Person, *, reason: str, now: datetime) -> Person:
    """Make two people one. Already one: nothing changes. Locks both. Publishes PeopleMerged; audited.

    Needs people:write. Raises MergeRefused when one of them was erased.
    """
    require(actor, "people:write")
    for _ in range(ATTEMPTS):
        kept, gone = root_of(survivor.pk), root_of(absorbed.pk)
        if kept == gone:
            return Person.objects.get(pk=kept)
        with suppress(PersonMoved), transaction.atomic():
            locked = identities.lock([kept, gone], absorbing=[gone])
            _absorb(kept, gone, set(locked.known.tolist()))
            audit.record(actor, "person.merged", survivor, now=now, before={"absorbed": gone}, reason=reason)
            return Person.objects.get(pk=kept)
    raise MergeRefused("One of the two was erased, or is being changed at this moment. Look again.")


def find(*, user_id: str | None = None, anonymous_id: str | None = None) -> Person:
    """The person behind an id, by user id where both are given. Makes nobody. Raises NotHere."""
    if user_id is not None:
        found = Person.objects.filter(external_id=user_id)
    else:
        aliases = identities.find_holders([anonymous_id or ""])
        found = Person.objects.filter(pk__in=list(aliases.values()))
    person = found.select_related("merged_into").first()
    if person is None:
        raise NotHere("Nobody in this workspace is known by that id.")
    return person.merged_into or person


def find_public(public_id: object) -> Person:
    """The person of that public id, or who they were merged into. Raises NotHere."""
    person = Person.objects.filter(public_id=public_id).select_related("merged_into").first()
    if person is None:
        raise NotHere("There is no such person in this workspace.")
    return person.merged_into or person


def find_by_email(email: str) -> list[Person]:
    """Everyone with that e-mail address, in any spelling. Raises Invalid for what is none."""
    return _found_by("email", email)


def find_by_phone(phone: str) -> list[Person]:
    """Everyone with that phone number; written with and without its country it is two numbers. Raises
    Invalid.
    """
    return _found_by("phone", phone)


@transaction.atomic
def reveal(actor: Actor, person: Person, *, now: datetime, reason: str = "") -> dict[str, str | None]:
    """Open a person's email, phone and name. Needs people:read, or to be them. Audited."""
    if actor.person_id is None or root_of(actor.person_id) != person.pk:
        require(actor, "people:read")
    audit.record(actor, "person.revealed", person, now=now, reason=reason)
    return personal_fields.personal(person)


@transaction.atomic
def reveal_many(
    actor: Actor, people: Iterable[Person], *, now: datetime, reason: str = ""
) -> dict[int, dict[str, str | None]]:
    """The same for a list, by key of the person, with one entry in the audit log that names them all."""
    require(actor, "people:read")
    opened = {person.pk: personal_fields.personal(person) for person in people}
    if opened:
        told = {"count": len(opened), "people": sorted(opened)}
        audit.record(actor, "people.revealed", now=now, after=told, reason=reason)
    return opened


def root_of(person_id: int) -> int:
    """The survivor of a person who may have been merged. Raises NotHere."""
    rows = Person.objects.filter(pk=person_id).values_list(Coalesce("merged_into_id", "id"))
    for (root,) in rows:
        return int(root)
    raise NotHere("There is no such person in this workspace.")


def lock_survivor(person_id: int) -> Person:
    """Lock the person, or who they were merged into, for something new to be held on them.

    Raises NotHere once they are erased.
    """
    person = lock_whole(person_id)
    if person.erased_at is not None:
        raise NotHere("This person was erased.")
    return person


def meet(person_ids: Sequence[int], seen_at: Sequence[datetime]) -> dict[int, int]:
    """Lock many people who are known by their keys, for something new to be held on them, and note when they
    were seen. Answers the survivors by the keys asked for, without those who were erased.

    Once per transaction, as resolve_many.
    """
    for _ in range(ATTEMPTS):
        rows = Person.objects.filter(pk__in=set(person_ids), erased_at=None)
        roots = dict(rows.values_list("pk", Coalesce("merged_into_id", "id")))
        with suppress(PersonMoved), transaction.atomic():
            locked = identities.lock(roots.values())
            known = [place for place, person_id in enumerate(person_ids) if person_id in roots]
            people = np.array([roots[person_ids[place]] for place in known], dtype=np.int64)
            seen = np.array([_microseconds(seen_at[place]) for place in known], dtype=np.int64)
            identities.widen(people, seen, known=locked.spans)
            return roots
    raise _busy()


def lock_whole(person_id: int) -> Person:
    """Lock the survivor and everybody who was merged into them, erased or not."""
    for _ in range(ATTEMPTS):
        root = root_of(person_id)
        with suppress(PersonMoved), transaction.atomic():
            identities.lock([root], absorbing=[root], erased_too=True)
            return Person.objects.get(pk=root)
    raise _busy()


def _settled(batch: Batch, met: dict[str, int]) -> Integers:
    for _ in range(ATTEMPTS):
        with suppress(PersonMoved), transaction.atomic():
            return _settle(batch, met)
        met.clear()
    raise _busy()


def _microseconds(moment: datetime) -> int:
    return (moment - identities.EPOCH) // identities.MICROSECOND


def _busy() -> TooBusy:
    return TooBusy("These people are being merged at this moment. Try again.", retry_after_seconds=1)


def _settle(batch: Batch, met: dict[str, int]) -> Integers:
    """One attempt. Its savepoint lets go of its locks when somebody moved meanwhile: they are taken in
    order.
    """
    users = identities.people_of(batch, met)
    aliases = identities.find_holders(batch.anons)
    holders = identities.holders_of(batch, aliases, users)
    meetings = _meetings(batch, users, holders)
    made, locked = _planned(users, holders, meetings)
    made.born |= identities.add_users(batch, users, made.promoted)
    made.born |= identities.add_aliases(batch, aliases, _roots(holders, made))
    stitching.carry_out(made)
    people = _attributed(batch, users, holders, made)
    known = identities.with_new(locked, batch, users, _unpromoted(made))
    identities.widen(people, batch.seen, known=known)
    _remember(met, batch.users, _roots(users, made))
    return people


def _remember(met: dict[str, int], users: list[str], user_people: Integers) -> None:
    met.update(zip(users, user_people.tolist(), strict=True))
    if len(met) > REMEMBERED:
        met.clear()


def _unpromoted(made: stitching.Plan) -> dict[int, int]:
    """Who was made of nobody; whoever an anonymous person became keeps the times of that person."""
    return {number: person for number, person in made.born.items() if number not in made.promoted}


def _planned(
    users: Integers, holders: Integers, met: list[stitching.Meeting]
) -> tuple[stitching.Plan, Spans]:
    """Lock everybody concerned who exists, and decide; answers their times too. Raises PersonMoved."""
    concerned = np.unique(np.concatenate([users, holders]))
    known_holders = {one.anonymous_id: one.holder for one in met if one.holder >= 0}
    locked = identities.lock(concerned[concerned >= 0], absorbing=set(known_holders.values()))
    if not identities.still_hold(known_holders):
        raise PersonMoved
    if not met:
        return stitching.Plan(), locked.spans
    new = set(users[users < 0].tolist())
    return stitching.plan(met, known=new.union(locked.known.tolist()), new=new), locked.spans


def _meetings(batch: Batch, user_people: Integers, holders: Integers) -> list[stitching.Meeting]:
    """All appearances, in order, of anonymous ids that somebody other than a user seen with them holds."""
    rows = np.flatnonzero((batch.user_codes >= 0) & (batch.anon_codes >= 0))
    users, anons = batch.user_codes[rows], batch.anon_codes[rows]
    is_contested = np.isin(anons, anons[holders[anons] != user_people[users]])
    return [
        stitching.Meeting(int(user_people[user]), batch.anons[anon], int(holders[anon]))
        for user, anon in zip(users[is_contested].tolist(), anons[is_contested].tolist(), strict=True)
    ]


def _attributed(batch: Batch, user_people: Integers, holders: Integers, made: stitching.Plan) -> Integers:
    """The person of each pair once the plan is carried out."""
    by_user = batch.user_codes >= 0
    people = np.empty(len(by_user), dtype=np.int64)
    people[by_user] = user_people[batch.user_codes[by_user]]
    people[~by_user] = holders[batch.anon_codes[~by_user]]
    people = _roots(people, made)
    return people if not made.handed_over else _with_shared_devices(batch, people, holders, made)


def _roots(people: Integers, made: stitching.Plan) -> Integers:
    """Who these people are once the plan is carried out, as far as they are made."""
    is_more = bool(made.promoted or made.absorbed)
    moved = {one: made.root(one) for one in made.moved} if is_more else made.born
    if not moved:
        return people
    pairs = np.fromiter(moved.items(), dtype=np.dtype((np.int64, 2)), count=len(moved))
    before, after = pairs[np.argsort(pairs[:, 0])].T
    place = np.minimum(np.searchsorted(before, people), len(moved) - 1)
    return np.where(before[place] == people, after[place], people)


def _with_shared_devices(batch: Batch, people: Integers, holders: Integers, made: stitching.Plan) -> Integers:
    """Anonymous events on a device that changed hands belong to its holder of that moment."""
    shared = {alias for alias, _, _ in made.handed_over}
    holder = {
        code: made.root(int(holders[code])) for code, alias in enumerate(batch.anons) if alias in shared
    }
    for row in np.flatnonzero(np.isin(batch.anon_codes, list(holder))).tolist():
        code = int(batch.anon_codes[row])
        if batch.user_codes[row] >= 0:
            holder[code] = int(people[row])
        else:
            people[row] = holder[code]
    return people


def _absorb(survivor: int, absorbed: int, known: set[int]) -> None:
    """An anonymous survivor takes the absorbed one's user id as well: the result of a merge with a known
    person is known.
    """
    if absorbed in known and survivor not in known:
        external_id = Person.objects.get(pk=absorbed).external_id
        Person.objects.filter(pk=absorbed).update(external_id=None)
        Person.objects.filter(pk=survivor).update(external_id=external_id)
    stitching.absorb({absorbed: survivor}, kind=PersonMerge.Kind.MERGED)


def _found_by(field: str, value: str) -> list[Person]:
    index = personal_fields.index_of(scoping.current_id(), field, value)
    rows = Person.objects.filter(**{f"{field}_index": index}).values_list(Coalesce("merged_into_id", "id"))
    return list(Person.objects.filter(pk__in={root for (root,) in rows}).order_by("pk"))
