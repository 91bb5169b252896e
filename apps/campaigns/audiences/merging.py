"""Lists when two people turn out to be one: the survivor is on every list that either was on, once."""

from django.db import connection

from apps.accounts import scoping

ADD = """
    INSERT INTO campaigns_audiencemember (workspace_id, audience_id, person_id, added_at)
    SELECT m.workspace_id, m.audience_id, moved.survivor, min(m.added_at)
    FROM unnest(%s::bigint[], %s::bigint[]) AS moved (absorbed, survivor)
    JOIN campaigns_audiencemember AS m
        ON m.workspace_id = (SELECT %s::bigint) AND m.person_id = moved.absorbed
    GROUP BY m.workspace_id, m.audience_id, moved.survivor
    ON CONFLICT (workspace_id, audience_id, person_id) DO NOTHING
"""
REMOVE = """
    DELETE FROM campaigns_audiencemember
    WHERE workspace_id = (SELECT %s::bigint) AND person_id = ANY(%s::bigint[])
"""


def move(moves: dict[int, int]) -> None:
    """moves: absorbed → survivor."""
    workspace_id, absorbed = scoping.current_id(), list(moves)
    with connection.cursor() as cursor:
        cursor.execute(ADD, [absorbed, list(moves.values()), workspace_id])
        cursor.execute(REMOVE, [workspace_id, absorbed])
