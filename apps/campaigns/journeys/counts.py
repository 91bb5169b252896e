"""How often each way was taken, added up in the transaction of the moves."""

from collections.abc import Mapping

from django.db import connection

from apps.accounts import scoping
from apps.campaigns.models import JourneyCount

# In the order of the key, so that two batches never wait for each other crosswise.
ADD = """
    INSERT INTO campaigns_journeycount AS c (workspace_id, journey_id, version, step, way, moves)
    SELECT %s, %s, new.version, new.step, new.way, new.moves
    FROM unnest(%s::int[], %s::text[], %s::text[], %s::bigint[]) AS new(version, step, way, moves)
    ORDER BY new.version, new.step, new.way
    ON CONFLICT (workspace_id, journey_id, version, step, way) DO UPDATE SET moves = c.moves + EXCLUDED.moves
"""
Edge = tuple[int, str, str]


def add(journey_id: int, moves: Mapping[Edge, int]) -> None:
    """(version, step, way) → how many more."""
    if not moves:
        return
    versions, keys, ways = zip(*moves, strict=True)
    with connection.cursor() as cursor:
        given = [list(versions), list(keys), list(ways), list(moves.values())]
        cursor.execute(ADD, [scoping.current_id(), journey_id, *given])


def of(journey_id: int, *, version: int | None = None) -> dict[Edge, int]:
    rows = JourneyCount.objects.filter(journey=journey_id)
    if version is not None:
        rows = rows.filter(version=version)
    return {
        (number, step, way): moves
        for number, step, way, moves in rows.values_list("version", "step", "way", "moves")
    }
