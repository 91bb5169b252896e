"""From ids to people, a whole batch per statement: find, lock, make, note when they were seen.

Everyone who locks or makes people does it in one order, so that no two transactions wait for each other:
people by their key, then user ids by alphabet, then anonymous ids by alphabet. Hence one call a transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from django.db import IntegrityError, connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.errors import Invalid

LONGEST_ID = 200
NEVER = np.iinfo(np.int64).max
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Rows per statement: bounds the parameter that the driver and the server hold at once.
ROWS_PER_STATEMENT = 50_000
# Who is active is seen all the time: written down for each batch, that was half of what one cost.
LATE = 60_000_000

Pair = tuple[str | None, str | None]
Integers = NDArray[np.int64]
# People, and when each was first and last seen.
Spans = tuple[Integers, Integers, Integers]
SeenAt = datetime | Sequence[datetime] | NDArray[np.datetime64]

# By the index for each id, whatever the planner takes the tables to be: with few people, or before the first
# ANALYZE, a join reads all of the workspace for each of them (measured: 10 ms instead of .1).
# The workspace is compared in a subquery for the reason told in scoping.InScope: a batch joined with a
# workspace that the statistics do not know is a nested loop otherwise (measured: 300 s instead of 0.1).
FIND_USERS = """
    SELECT wanted.id, p.id FROM json_array_elements_text(%s::json) AS wanted(id) CROSS JOIN LATERAL (
        SELECT COALESCE(merged_into_id, id) AS id FROM accounts_person
        WHERE workspace_id = (SELECT %s::bigint) AND external_id = wanted.id LIMIT 1
    ) AS p
"""
# Somebody who took one of these user ids at the same moment shows as a broken unique constraint.
ADD_USERS = """
    WITH sequence AS MATERIALIZED (SELECT pg_get_serial_sequence('accounts_person', 'id')::regclass AS name)
    INSERT INTO accounts_person
        (id, workspace_id, public_id, external_id, traits, first_seen_at, last_seen_at)
    SELECT {id}, %(workspace)s, gen_random_uuid(), wanted.name, '{{}}',
        timestamptz 'epoch' + first * interval '1 microsecond',
        timestamptz 'epoch' + last * interval '1 microsecond'
    FROM ROWS FROM (
        json_array_elements_text(%(names)s::json), unnest(%(people)s::bigint[]),
        unnest(%(first)s::bigint[]), unnest(%(last)s::bigint[])
    ) AS wanted(name, person, first, last)
    {exists} RETURNING external_id, id
"""
_NEXT = "nextval((SELECT name FROM sequence))"
ADD_NEW_USERS = ADD_USERS.format(id=_NEXT, exists="")
# With anonymous people who become a user: in the same statement, so that user ids are taken in their order.
ADD_AND_PROMOTE_USERS = ADD_USERS.format(
    id=f"COALESCE(person, {_NEXT})",
    exists="ON CONFLICT (id) DO UPDATE SET external_id = EXCLUDED.external_id",
)
FIND_HOLDERS = """
    SELECT wanted.id, a.person_id FROM json_array_elements_text(%s::json) AS wanted(id) CROSS JOIN LATERAL (
        SELECT person_id FROM accounts_alias
        WHERE workspace_id = (SELECT %s::bigint) AND anonymous_id = wanted.id LIMIT 1
    ) AS a
"""
# The alias comes first and decides: only where it was added is its person made. The foreign key is checked
# at commit.
ADD_ALIASES = """
    WITH wanted AS (
        SELECT v->>0 AS anonymous_id, (v->>1)::bigint AS person_id,
            (v->>2)::bigint AS first, (v->>3)::bigint AS last
        FROM json_array_elements(%(rows)s::json) AS w(v)
    ), sequence AS MATERIALIZED (
        SELECT pg_get_serial_sequence('accounts_person', 'id')::regclass AS name
    ), added AS (
        INSERT INTO accounts_alias (workspace_id, anonymous_id, person_id)
        SELECT %(workspace)s, anonymous_id, COALESCE(person_id, nextval((SELECT name FROM sequence)))
        FROM wanted
        ON CONFLICT (workspace_id, anonymous_id) DO NOTHING RETURNING anonymous_id, person_id
    ), born AS (
        INSERT INTO accounts_person (id, workspace_id, public_id, traits, first_seen_at, last_seen_at)
        SELECT added.person_id, %(workspace)s, gen_random_uuid(), '{}',
            timestamptz 'epoch' + wanted.first * interval '1 microsecond',
            timestamptz 'epoch' + wanted.last * interval '1 microsecond'
        FROM added JOIN wanted USING (anonymous_id) WHERE wanted.person_id IS NULL
    )
    SELECT anonymous_id, person_id FROM added
"""
# The cast matters: a list of small numbers arrives as integer[], which PostgreSQL compares one by one. A
# text for each column: rows cost the driver more than the server. A time that is not known is wider than any.
LOCK = f"""
    WITH locked AS MATERIALIZED (
        SELECT id, (external_id IS NOT NULL)::int AS known, (merged_into_id IS NOT NULL)::int AS merged,
            (erased_at IS NOT NULL)::int AS erased, first_seen_at, last_seen_at
        FROM accounts_person
        WHERE workspace_id = (SELECT %s::bigint) AND id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
    )
    SELECT array_agg(id)::text, array_agg(known + 2 * merged + 4 * erased)::text,
        array_agg(COALESCE((date_part('epoch', first_seen_at) * 1000000)::bigint, {NEVER}))::text,
        array_agg(COALESCE((date_part('epoch', last_seen_at) * 1000000)::bigint, -{NEVER}))::text
    FROM locked
"""  # noqa: S608 - constants
_KNOWN, _MERGED, _ERASED = 1, 2, 4
# Those behind ids who are known, who is whom included, found and locked in one statement, and noted as seen.
# Parts of a WITH: `who` has the person of each place, `settled` one row with all of it; unless is_settled,
# somebody is to be made, stitched or looked for again, and nobody was changed.
FIND_AND_LOCK = f"""
    who AS MATERIALIZED (
        SELECT n, first, last, CASE WHEN u IS NULL THEN holder WHEN a IS NULL OR holder = known THEN known END
            AS person
        FROM (
            SELECT n, u, a, first, last, (
                SELECT COALESCE(merged_into_id, id) FROM accounts_person
                WHERE workspace_id = (SELECT %(workspace)s::bigint) AND external_id = u
            ) AS known, (
                SELECT person_id FROM accounts_alias
                WHERE workspace_id = (SELECT %(workspace)s::bigint) AND anonymous_id = a
            ) AS holder
            FROM json_to_recordset(%(who)s::json)
                AS row(n int, u text, a text, first timestamptz, last timestamptz)
        ) AS found
    ), locked AS MATERIALIZED (
        SELECT seen.id, first, last, public_id,
            first_seen_at > first OR first_seen_at IS NULL
            OR last_seen_at + interval '{LATE} microseconds' <= last OR last_seen_at IS NULL AS is_wider
        FROM (
            SELECT person AS id, min(first) AS first, max(last) AS last FROM who
            WHERE (SELECT bool_and(person IS NOT NULL) FROM who) GROUP BY person ORDER BY person
        ) AS seen CROSS JOIN LATERAL (
            SELECT public_id, first_seen_at, last_seen_at FROM accounts_person
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = seen.id
                AND merged_into_id IS NULL AND erased_at IS NULL FOR NO KEY UPDATE
        ) AS person
    ), settled AS MATERIALIZED (
        SELECT count(*) > 0 AND count(*) = (SELECT count(DISTINCT person) FROM who) AS is_settled,
            (SELECT array_agg(person ORDER BY n) FROM who) AS people,
            array_agg(id) AS ids, array_agg(public_id::text) AS public_ids
        FROM locked
    ), widened AS (
        UPDATE accounts_person AS p
        SET first_seen_at = LEAST(first_seen_at, locked.first),
            last_seen_at = GREATEST(last_seen_at, locked.last)
        FROM locked WHERE locked.is_wider AND (SELECT is_settled FROM settled)
            AND p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = locked.id
    )
"""  # noqa: S608 - constants
MERGED_INTO = """
    SELECT id FROM accounts_person
    WHERE workspace_id = (SELECT %s::bigint) AND merged_into_id = ANY(%s::bigint[])
"""
WIDEN = """
    UPDATE accounts_person AS p
    SET first_seen_at = LEAST(p.first_seen_at, seen.first), last_seen_at = GREATEST(p.last_seen_at, seen.last)
    FROM (
        SELECT id, timestamptz 'epoch' + first * interval '1 microsecond' AS first,
            timestamptz 'epoch' + last * interval '1 microsecond' AS last
        FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS s(id, first, last)
    ) AS seen
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = seen.id AND (
        p.first_seen_at > seen.first OR p.first_seen_at IS NULL
        OR p.last_seen_at < seen.last OR p.last_seen_at IS NULL
    )
"""


@dataclass(frozen=True)
class Locked:
    """People who are locked, in the order of their keys. known: those of them with an external id."""

    known: Integers
    spans: Spans


class PersonMoved(Exception):
    """Somebody was merged or erased between being found and being locked: let the locks go and look again."""


@dataclass(frozen=True)
class Batch:
    """Events' ids as numbers: users[user_codes[i]] and anons[anon_codes[i]] are the ids of event i, -1
    means none.

    seen: microseconds since 1970.
    """

    users: list[str]
    anons: list[str]
    user_codes: Integers
    anon_codes: Integers
    seen: Integers

    def user_spans(self) -> tuple[Integers, Integers]:
        return _spans(self.user_codes, self.seen, len(self.users))

    def anonymous_spans(self) -> tuple[Integers, Integers]:
        alone = np.where(self.user_codes < 0, self.anon_codes, -1)
        return _spans(alone, self.seen, len(self.anons))


def batch_of(pairs: Sequence[Pair], seen_at: SeenAt) -> Batch:
    """Check and number the ids. Raises Invalid; with more than one pair the fields are "0.user_id",
    "1.user_id" …
    """
    user_ids, anonymous_ids = zip(*pairs, strict=True) if pairs else ((), ())
    users, user_codes = _numbered(user_ids)
    anons, anon_codes = _numbered(anonymous_ids)
    if not (_are_usable(users) and _are_usable(anons)) or ((user_codes < 0) & (anon_codes < 0)).any():
        raise Invalid(_faults(pairs))
    return Batch(users, anons, user_codes, anon_codes, _microseconds(seen_at, len(pairs)))


def people_of(batch: Batch, met: dict[str, int]) -> Integers:
    """The person of each user id; for one who is still to be made, a number below 0. met: who need not be
    looked up.
    """
    known = _find(FIND_USERS, [user for user in batch.users if user not in met])
    found = [met.get(user) or known.get(user, -1 - code) for code, user in enumerate(batch.users)]
    return np.array(found, dtype=np.int64)


def holders_of(batch: Batch, known: dict[str, int], user_people: Integers) -> Integers:
    """The person who holds each anonymous id; for one who is still to be made, a number below 0.

    An unknown anonymous id goes to the first user it comes with, or to a new anonymous person.
    """
    owner = _first_owner(batch, user_people)
    to_be_made = -1 - len(batch.users)
    found = [
        known[anon] if anon in known else owner.get(code, to_be_made - code)
        for code, anon in enumerate(batch.anons)
    ]
    return np.array(found, dtype=np.int64)


def add_users(batch: Batch, user_people: Integers, promoted: dict[int, int]) -> dict[int, int]:
    """Make the users who are still to be made, or let the (locked) person in `promoted` become them.

    Answers the keys by the numbers below 0. Raises PersonMoved when somebody else made one meanwhile.
    """
    new = np.flatnonzero(user_people < 0)
    new = np.array(sorted(new.tolist(), key=batch.users.__getitem__), dtype=np.int64)
    statement = ADD_AND_PROMOTE_USERS if promoted else ADD_NEW_USERS
    spans = [column[new] for column in batch.user_spans()]
    added: dict[str, int] = {}
    try:
        for start in range(0, len(new), ROWS_PER_STATEMENT):
            part = slice(start, start + ROWS_PER_STATEMENT)
            codes = new[part].tolist()
            first, last = (_array(column[part].tolist()) for column in spans)
            rows = {
                "workspace": scoping.current_id(),
                "names": msgspec.json.encode([batch.users[code] for code in codes]).decode(),
                "people": _array([promoted.get(-1 - code, "NULL") for code in codes]) if promoted else "{}",
                "first": first,
                "last": last,
            }
            added.update(_run(statement, rows))
    except IntegrityError as error:
        raise PersonMoved from error
    return {-1 - code: added[batch.users[code]] for code in new.tolist()}


def add_aliases(batch: Batch, known: dict[str, int], holders: Integers) -> dict[int, int]:
    """Write down who holds each anonymous id that is not known yet; numbers below 0 are people to be made.

    Answers their keys. Raises PersonMoved when somebody else wrote one down meanwhile.
    """
    codes = [code for code, anon in enumerate(batch.anons) if anon not in known]
    first, last = batch.anonymous_spans()
    rows = [
        [batch.anons[code], _made(int(holders[code])), int(first[code]), int(last[code])]
        for code in sorted(codes, key=batch.anons.__getitem__)
    ]
    added = dict(_in_parts(rows, lambda part: _add(ADD_ALIASES, part)))
    if len(added) != len(rows):
        raise PersonMoved
    return {int(holders[code]): added[batch.anons[code]] for code in codes if holders[code] < 0}


def find_holders(anonymous_ids: list[str]) -> dict[str, int]:
    """Who holds each of these anonymous ids; the unknown ones are left out."""
    return _find(FIND_HOLDERS, anonymous_ids)


def still_hold(holders: dict[str, int]) -> bool:
    """Whether each anonymous id still belongs to that person: certain for as long as these people are
    locked.
    """
    return find_holders(list(holders)) == holders


def lock(person_ids: Iterable[int], *, absorbing: Iterable[int] = (), erased_too: bool = False) -> Locked:
    """Lock these people in the order of their keys; answers what is written of them. Raises PersonMoved.

    absorbing: lock everybody who was merged into these as well, since they will be pointed at somebody else.
    """
    wanted, followers = np.unique(np.array([*person_ids], dtype=np.int64)), _merged_into(absorbing)
    people, state, *times = _locked([*followers.union(wanted.tolist())] if followers else wanted.tolist())
    is_root = np.isin(people, wanted)
    is_current = is_root.sum() == len(wanted) and followers == _merged_into(absorbing)
    gone = _MERGED if erased_too else _MERGED | _ERASED
    if not is_current or (state[is_root] & gone).any():
        raise PersonMoved
    first, last = (column[is_root] for column in times)
    return Locked(people[is_root & (state & _KNOWN > 0)], (people[is_root], first, last))


def _locked(people: list[int]) -> list[Integers]:
    """The columns of LOCK, in the order of people."""
    if not people:
        return [np.empty(0, dtype=np.int64)] * 4
    (row,) = _run(LOCK, [scoping.current_id(), _array(sorted(people))])
    return [np.fromstring((column or "{}")[1:-1], dtype=np.int64, sep=",") for column in row]


def with_new(locked: Spans, batch: Batch, user_people: Integers, born: dict[int, int]) -> Spans:
    """Those who are locked and those whom add_users made of nobody, with the times it wrote down."""
    codes = np.flatnonzero(user_people < 0)
    if not len(codes):
        return locked
    people = np.array([born.get(code, -1) for code in user_people[codes].tolist()], dtype=np.int64)
    first, last = batch.user_spans()
    made = people, first[codes], last[codes]
    people, first, last = (np.concatenate(columns) for columns in zip(locked, made, strict=True))
    order = np.argsort(people)
    return people[order], first[order], last[order]


def widen(person_ids: Integers, seen: Integers, *, known: Spans) -> None:
    """Let first and last seen of each (locked) person enclose the given times.

    known: people, in the order of their keys, and the times that are written of them. Who needs no more is
    left alone, and so is who was last seen within a minute of that: the time may be so much late.
    """
    people, codes = np.unique(person_ids, return_inverse=True)
    first, last = _spans(codes, seen, len(people))
    if len(known[0]):
        place = np.minimum(np.searchsorted(known[0], people), len(known[0]) - 1)
        is_known = known[0][place] == people
        is_wider = ~is_known | (first < known[1][place]) | (last >= known[2][place] + LATE)
        people, first, last = people[is_wider], first[is_wider], last[is_wider]
    for start in range(0, len(people), ROWS_PER_STATEMENT):
        part = slice(start, start + ROWS_PER_STATEMENT)
        columns = [_array(column[part].tolist()) for column in (people, first, last)]
        with connection.cursor() as cursor:
            cursor.execute(WIDEN, [*columns, scoping.current_id()])


def _merged_into(survivors: Iterable[int]) -> set[int]:
    ids = sorted(survivors)
    rows = _run(MERGED_INTO, [scoping.current_id(), _array(ids)]) if ids else []
    return {person_id for (person_id,) in rows}


def _array(numbers: Sequence[int | str]) -> str:
    """An array as PostgreSQL writes it: the driver takes longer over a list than the server over the rows."""
    return f"{{{','.join(map(str, numbers))}}}"


def _numbered(ids: Sequence[str | None]) -> tuple[list[str], Integers]:
    distinct = [one for one in dict.fromkeys(ids) if one is not None]
    numbers: dict[str | None, int] = {one: number for number, one in enumerate(distinct)}
    numbers[None] = -1
    return distinct, np.fromiter(map(numbers.__getitem__, ids), dtype=np.int64, count=len(ids))


def _are_usable(ids: list[str]) -> bool:
    if not all(isinstance(one, str) for one in ids) or max(map(len, ids), default=1) > LONGEST_ID:
        return False
    try:
        text = "".join(ids).encode()
    except UnicodeEncodeError:
        return False
    return b"\0" not in text and all(map(str.strip, ids))


def _faults(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    for position, pair in enumerate(pairs):
        prefix = f"{position}." if len(pairs) > 1 else ""
        if pair == (None, None):
            faults[f"{prefix}user_id"] = ["Give a user_id or an anonymous_id."]
        for name, one in zip(("user_id", "anonymous_id"), pair, strict=True):
            if one is not None and not _are_usable([one]):
                faults[f"{prefix}{name}"] = [
                    f"An id is a text of 1 to {LONGEST_ID} characters, not blank, without NUL."
                ]
    return faults


def _microseconds(seen_at: SeenAt, count: int) -> Integers:
    if isinstance(seen_at, np.ndarray):
        return seen_at.astype("datetime64[us]").astype(np.int64)
    if isinstance(seen_at, datetime):
        return np.full(count, (seen_at - EPOCH) // MICROSECOND, dtype=np.int64)
    return np.array([(one - EPOCH) // MICROSECOND for one in seen_at], dtype=np.int64)


def _spans(codes: Integers, seen: Integers, size: int) -> tuple[Integers, Integers]:
    """First and last moment per code; codes below 0 do not count."""
    first, last = np.full(size, NEVER), np.full(size, -NEVER)
    counted = codes >= 0
    np.minimum.at(first, codes[counted], seen[counted])
    np.maximum.at(last, codes[counted], seen[counted])
    return first, last


def _first_owner(batch: Batch, user_people: Integers) -> dict[int, int]:
    """Anonymous code → the person of the first user whom it comes with."""
    together = np.flatnonzero((batch.user_codes >= 0) & (batch.anon_codes >= 0))
    codes, first = np.unique(batch.anon_codes[together], return_index=True)
    owners = user_people[batch.user_codes[together[first]]]
    return dict(zip(codes.tolist(), owners.tolist(), strict=True))


def _find(statement: str, ids: list[str]) -> dict[str, int]:
    return dict(_in_parts(ids, lambda part: _run(statement, [part, scoping.current_id()])))


def _add(statement: str, rows: str) -> list[Any]:
    return _run(statement, {"rows": rows, "workspace": scoping.current_id()})


def _made(person_id: int) -> int | None:
    return person_id if person_id >= 0 else None


def _in_parts(rows: list[Any], run: Any) -> list[Any]:
    """The answers of a statement run over parts of its rows, each part one JSON parameter."""
    found: list[Any] = []
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        found += run(msgspec.json.encode(rows[start : start + ROWS_PER_STATEMENT]).decode())
    return found


def _run(statement: str, params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()
