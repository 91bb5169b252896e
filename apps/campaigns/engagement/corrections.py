"""What was counted as a person's and turned out to be a machine's: corrected with its counts, in one
transaction.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from apps.accounts import scoping
from apps.campaigns.engagement.recording import lock_messages
from apps.campaigns.models import Engagement

CALL = """
    WITH given AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS row (id, reason)
    ), before AS MATERIALIZED (
        SELECT e.id, e.is_first FROM campaigns_engagement AS e JOIN given USING (id)
        WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND NOT e.is_machine
    ), changed AS (
        UPDATE campaigns_engagement AS e
        SET is_machine = true, is_first = false, reason = given.reason
        FROM given JOIN before USING (id)
        WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.id = given.id
        RETURNING e.id, e.campaign_id, e.content_id, e.kind, e.occurred_at
    )
    INSERT INTO campaigns_engagementcount AS count
        (workspace_id, campaign_id, content_id, kind, hour, events, people, machine)
    SELECT %(workspace)s::bigint, campaign_id, COALESCE(content_id, 0), kind,
        date_trunc('hour', occurred_at, 'UTC'), -count(*), -count(*) FILTER (WHERE is_first), count(*)
    FROM changed JOIN before USING (id) GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
    ON CONFLICT (workspace_id, campaign_id, content_id, kind, hour) DO UPDATE SET
        events = count.events + excluded.events, people = count.people + excluded.people,
        machine = count.machine + excluded.machine
"""
# Of a message whose first was a machine's, what a person did next is the first.
PROMOTE = """
    WITH next AS MATERIALIZED (
        SELECT DISTINCT ON (e.recipient_id, e.kind) e.id
        FROM campaigns_engagement AS e
        WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.recipient_id = ANY(%(recipients)s)
            AND NOT e.is_machine AND NOT EXISTS (
                SELECT FROM campaigns_engagement AS f
                WHERE f.workspace_id = (SELECT %(workspace)s::bigint) AND f.recipient_id = e.recipient_id
                    AND f.kind = e.kind AND f.is_first)
        ORDER BY e.recipient_id, e.kind, e.occurred_at, e.id
    ), changed AS (
        UPDATE campaigns_engagement AS e SET is_first = true FROM next
        WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.id = next.id
        RETURNING e.campaign_id, e.content_id, e.kind, e.occurred_at
    )
    INSERT INTO campaigns_engagementcount AS count
        (workspace_id, campaign_id, content_id, kind, hour, events, people, machine)
    SELECT %(workspace)s::bigint, campaign_id, COALESCE(content_id, 0), kind,
        date_trunc('hour', occurred_at, 'UTC'), 0, count(*), 0
    FROM changed GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
    ON CONFLICT (workspace_id, campaign_id, content_id, kind, hour) DO UPDATE SET
        people = count.people + excluded.people
"""


def call_machines(reasons: Mapping[int, str]) -> None:
    """Call these (Engagement.pk → why) a machine's, in the open transaction."""
    if not reasons:
        return
    recipients = sorted(
        set(Engagement.objects.filter(pk__in=list(reasons)).values_list("recipient_id", flat=True))
    )
    lock_messages(recipients)
    params: dict[str, Any] = {
        "workspace": scoping.current_id(),
        "ids": list(reasons),
        "reasons": list(reasons.values()),
        "recipients": recipients,
    }
    with connection.cursor() as cursor:
        cursor.execute(CALL, params)
        cursor.execute(PROMOTE, params)
