"""Seal every data key under the first master key, so that the others can be removed.

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
    SELECT id, public_id, data_key FROM {table}
    WHERE workspace_id = (SELECT %s::bigint) AND id > %s AND substring(data_key FROM 1 FOR %s) <> %s
    ORDER BY id LIMIT %s FOR NO KEY UPDATE
"""
REWRAP = """
    UPDATE {table} AS p SET data_key = decode(r.value->>1, 'base64')
    FROM json_array_elements(%s::json) AS r
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = (r.value->>0)::bigint
"""


SEALED_BY = """
    SELECT substring(data_key FROM 3 FOR get_byte(data_key, 1)), count(*) FROM {table}
    WHERE workspace_id = (SELECT %s::bigint) AND octet_length(data_key) > 2 GROUP BY 1
"""
# Tables whose rows have a data key, by their public id. Upper apps add theirs.
TABLES = [personal_fields.TABLE]


def workspace_ids() -> list[int]:
    """Every workspace, for rotating or counting one after another."""
    with scoping.across_workspaces("workspace.list"):
        return list(Workspace.objects.order_by("pk").values_list("pk", flat=True))


def rotate() -> Iterator[int]:
    """Wrap anew what an older master key sealed in the current workspace; yields the count of each
    committed batch.

    Safe to stop and to repeat: what is done is told by its prefix. Locks the batch's rows in the order of
    their ids. Raises KeyMissing where the key that sealed one is gone.
    """
    for table in TABLES:
        yield from _rotate(table)


def sealed_by() -> Counter[str]:
    """How many data keys of the current workspace each master key seals, by its id."""
    found = Counter[str]()
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(SEALED_BY.format(table=table), [scoping.current_id()])
            found.update(
                {bytes(key_id).decode(errors="replace"): count for key_id, count in cursor.fetchall()}
            )
    return found


def _rotate(table: str) -> Iterator[int]:
    after = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            batch = _next_batch(cursor, table, after)
            if not batch:
                return
            rewrapped = [(pk, _wrapped_anew(table, public_id, wrapped)) for pk, public_id, wrapped in batch]
            cursor.execute(REWRAP.format(table=table), [json.dumps(rewrapped), scoping.current_id()])
        after = batch[-1][0]
        yield len(batch)


def _next_batch(cursor: Any, table: str, after: int) -> list[tuple[int, UUID, bytes]]:
    prefix = sealing.wrapped_prefix(sealing.ring()[0].id)
    cursor.execute(NEXT_BATCH.format(table=table), [scoping.current_id(), after, len(prefix), prefix, BATCH])
    return cursor.fetchall()


def _wrapped_anew(table: str, public_id: UUID, wrapped: bytes) -> str:
    place = sealing.Place(table, "data_key", public_id)
    return base64.b64encode(sealing.DataKey.unwrap(wrapped, place).wrap(place)).decode()
