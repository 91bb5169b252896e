"""The people behind tracked records."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from django.db import connection

from apps.accounts import people, scoping
from apps.accounts.identities import Batch
from apps.attribution.records import ConversionIn, Touch
from apps.attribution.touch_columns import Ints, TouchColumns, codes, microseconds, texts

REMEMBERED = 50_000
PUBLIC_IDS = """
    SELECT p.id, p.public_id::text FROM json_array_elements_text(%s::json) AS wanted(id)
    JOIN accounts_person p ON p.workspace_id = (SELECT %s::bigint) AND p.id = wanted.id::bigint
"""
# They never change, and a key is never used again.
_remembered: dict[tuple[int, int], str] = {}


def public_ids(people: Iterable[int]) -> dict[int, str]:
    """The ids by which people are known outside, by their keys. The process remembers those it has met."""
    workspace_id = scoping.current_id()
    found = {person: _remembered.get((workspace_id, person), "") for person in people}
    missing = [person for person, public_id in found.items() if not public_id]
    if missing:
        with connection.cursor() as cursor:
            cursor.execute(PUBLIC_IDS, [msgspec.json.encode(missing).decode(), workspace_id])
            met: dict[int, str] = dict(cursor.fetchall())
        if len(_remembered) + len(met) > REMEMBERED:
            _remembered.clear()
        _remembered.update({(workspace_id, person): public_id for person, public_id in met.items()})
        found |= met
    return found


def resolve(records: Sequence[Touch | ConversionIn]) -> list[int]:
    """Keys of the people behind records, aligned; made where they are missing, and locked.

    Once per transaction (people.resolve_many says why): touches and conversions of a batch go in together.
    Ids count in the order of time, which decides whose a shared device was.
    """
    order = sorted(range(len(records)), key=lambda place: records[place].occurred_at)
    ordered = [records[place] for place in order]
    found = people.resolve_many(
        [(one.user_id, one.anonymous_id) for one in ordered],
        workspace_id=scoping.current_id(),
        seen_at=[one.occurred_at for one in ordered],
    )
    answer = [0] * len(order)
    for place, person in zip(order, found.tolist(), strict=True):
        answer[place] = person
    return answer


def resolve_columns(
    touches: TouchColumns, conversions: Sequence[ConversionIn], *, met: dict[str, int] | None = None
) -> Ints:
    """The same for a large batch: its touches' people, then its conversions'. met: people.resolve_batch."""
    seen = np.concatenate([touches.occurred_at, microseconds([one.occurred_at for one in conversions])])
    users = pa.concat_arrays([touches.users, texts(one.user_id for one in conversions)])
    anons = pa.concat_arrays([touches.anons, texts(one.anonymous_id for one in conversions)])
    order = np.argsort(seen, kind="stable")
    (users, user_codes), (anons, anon_codes) = codes(users), codes(anons)
    found = np.empty(len(seen), dtype=np.int64)
    found[order] = people.resolve_batch(
        Batch(users, anons, user_codes[order], anon_codes[order], seen[order]),
        workspace_id=scoping.current_id(),
        met=met,
    )
    return found
