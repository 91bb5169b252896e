"""Seal every person's data key under the first master key, so that the others can be removed.

The fields themselves are not touched: they are sealed by the data key, which stays the same inside its new
wrapping.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.accounts import personal_fields, scoping, sealing
from apps.accounts.models import Workspace

BATCH = 5_000

NEXT_BATCH = """
    SELECT id, public_id, data_key FROM accounts_person
    WHERE workspace_id = (SELECT %s::bigint) AND id > %s AND substring(data_key FROM 1 FOR %s) <> %s
    ORDER BY id LIMIT %s FOR NO KEY UPDATE
"""
REWRAP = """
    UPDATE accounts_person AS p SET data_key = decode(r.value->>1, 'base64')
    FROM json_array_elements(%s::json) AS r
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = (r.value->>0)::bigint
"""


def workspace_ids() -> list[int]:
    """Every workspace, for rotating or counting one after another."""
    with scoping.across_workspaces("workspace.list"):
        return list(Workspace.objects.order_by("pk").values_list("pk", flat=True))


def rotate() -> Iterator[int]:
    """Wrap anew what an older master key sealed in the current workspace; yields the count of each
    committed batch.

    Safe to stop and to repeat: what is done is told by its prefix. Locks the batch's people in the order of
    their ids. Raises KeyMissing where the key that sealed a person is gone.
    """
    after = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            batch = _next_batch(cursor, after)
            if not batch:
                return
            rewrapped = [(pk, _wrapped_anew(public_id, wrapped)) for pk, public_id, wrapped in batch]
            cursor.execute(REWRAP, [json.dumps(rewrapped), scoping.current_id()])
        after = batch[-1][0]
        yield len(batch)


def sealed_by() -> Counter[str]:
    """How many data keys of the current workspace each master key seals, by its id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT substring(data_key FROM 3 FOR get_byte(data_key, 1)), count(*) FROM accounts_person"
            " WHERE workspace_id = (SELECT %s::bigint) AND octet_length(data_key) > 2 GROUP BY 1",
            [scoping.current_id()],
        )
        return Counter({bytes(key_id).decode(errors="replace"): count for key_id, count in cursor.fetchall()})


def _next_batch(cursor: Any, after: int) -> list[tuple[int, UUID, bytes]]:
    prefix = sealing.wrapped_prefix(sealing.ring()[0].id)
    cursor.execute(NEXT_BATCH, [scoping.current_id(), after, len(prefix), prefix, BATCH])
    return cursor.fetchall()


def _wrapped_anew(public_id: UUID, wrapped: bytes) -> str:
    place = personal_fields.key_place(public_id)
    return base64.b64encode(sealing.DataKey.unwrap(wrapped, place).wrap(place)).decode()
