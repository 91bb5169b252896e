"""The types of conversions that a workspace has seen."""

from django.db import connection

from apps.accounts import scoping

# Types are few and conversions many: each type is found by one step in the index, and counted no further than
# it takes to tell a frequent one from a rare one.
_SEEN = """
    WITH RECURSIVE seen (name) AS (
        (SELECT conversion_type FROM attribution_conversion
            WHERE workspace_id = (SELECT %(workspace)s::bigint) ORDER BY conversion_type LIMIT 1)
        UNION ALL
        SELECT (SELECT conversion_type FROM attribution_conversion
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND conversion_type > seen.name
            ORDER BY conversion_type LIMIT 1)
        FROM seen WHERE seen.name IS NOT NULL
    )
    SELECT name FROM seen, LATERAL (
        SELECT count(*) AS orders FROM (
            SELECT 1 FROM attribution_conversion
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND conversion_type = seen.name LIMIT 1000
        ) AS few
    ) AS counted WHERE name IS NOT NULL ORDER BY orders DESC, name
"""


def seen() -> list[str]:
    """The most frequent first; those of a thousand and more by name."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, {"workspace": scoping.current_id()})
        return [name for (name,) in cursor.fetchall()]
