"""Keep what was heard, each once, and count it in the same transaction.

What is told again has the same event id and changes nothing. Of one message only one transaction at a time
decides what came first: they take a lock of one of LOCKS by the number of the recipient, in order.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from apps.accounts import scoping
from apps.campaigns.models import Engagement

Kind = Engagement.Kind
LOCKS = 256
# Two clicks on the same link, or two loads of the picture, so close together are one.
DOUBLE_SECONDS = 10.0
LOCK = "SELECT count(pg_advisory_xact_lock(one)) FROM unnest(%s::bigint[]) AS one"
# Who was merged is heard of as their survivor; of the erased nothing more is kept.
RECORD = """
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest(%(recipients)s::bigint[], %(kinds)s::text[], %(ids)s::text[],
            %(links)s::int[], %(machines)s::text[], %(moments)s::timestamptz[])
            AS row (recipient_id, kind, event_id, link, machine, at)
    ), known AS MATERIALIZED (
        SELECT given.*, r.campaign_id, r.content_id, COALESCE(p.merged_into_id, p.id) AS person_id,
            COALESCE(before.has_first, false) AS has_first
        FROM given
        JOIN campaigns_recipient AS r
            ON r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = given.recipient_id
        JOIN accounts_person AS p
            ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = r.person_id AND p.erased_at IS NULL
        LEFT JOIN LATERAL (
            SELECT bool_or(e.is_first) AS has_first,
                bool_or(e.link IS NOT DISTINCT FROM given.link AND e.is_machine = (given.machine <> '')
                    AND abs(date_part('epoch', e.occurred_at - given.at)) < %(double)s) AS is_double
            FROM campaigns_engagement AS e
            WHERE e.workspace_id = (SELECT %(workspace)s::bigint)
                AND e.recipient_id = given.recipient_id AND e.kind = given.kind
        ) AS before ON true
        WHERE given.kind NOT IN ('opened', 'clicked') OR before.is_double IS NOT TRUE
    ), placed AS (
        SELECT known.*, machine = '' AND NOT has_first AND row_number() OVER (
            PARTITION BY recipient_id, kind, machine = '' ORDER BY at, event_id) = 1 AS is_first
        FROM known
    ), new AS (
        INSERT INTO campaigns_engagement (workspace_id, campaign_id, recipient_id, person_id, content_id,
            kind, event_id, link, is_machine, reason, is_first, occurred_at, received_at)
        SELECT %(workspace)s::bigint, campaign_id, recipient_id, person_id, content_id, kind, event_id, link,
            machine <> '', machine, is_first, at, %(now)s::timestamptz
        FROM placed ORDER BY event_id COLLATE "C", NOT is_first
        ON CONFLICT (workspace_id, event_id) DO NOTHING
        RETURNING campaign_id, content_id, kind, occurred_at, is_machine, is_first
    ), counted AS (
        INSERT INTO campaigns_engagementcount AS count
            (workspace_id, campaign_id, content_id, kind, hour, events, people, machine)
        SELECT %(workspace)s::bigint, campaign_id, COALESCE(content_id, 0), kind,
            date_trunc('hour', occurred_at, 'UTC'), count(*) FILTER (WHERE NOT is_machine),
            count(*) FILTER (WHERE is_first), count(*) FILTER (WHERE is_machine)
        FROM new GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
        ON CONFLICT (workspace_id, campaign_id, content_id, kind, hour) DO UPDATE SET
            events = count.events + excluded.events, people = count.people + excluded.people,
            machine = count.machine + excluded.machine
    )
    SELECT count(*), count(*) FILTER (WHERE is_first) FROM new
"""


class Heard(NamedTuple):
    """Something heard of a message. recipient_id: whose (Recipient.pk). event_id: the same however often it
    is told. machine: why it is taken for a machine's, or empty.
    """

    recipient_id: int
    kind: str
    event_id: str
    occurred_at: datetime
    link: int | None = None
    machine: str = ""


@dataclass(frozen=True)
class Recorded:
    """stored: those that were not known. firsts: of these, the first that a person did of a message."""

    stored: int
    firsts: int


@transaction.atomic
def record(events: Sequence[Heard], *, now: datetime) -> Recorded:
    """Keep what was heard and count it. Once per transaction: it takes locks in order.

    Left out: what is known already, of recipients who are not there, of people who were erased, and an open
    or a click within DOUBLE_SECONDS of a stored one that is the same.
    """
    if not events:
        return Recorded(0, 0)
    lock_messages([one.recipient_id for one in events])
    recipients, kinds, ids, moments, links, machines = zip(*events, strict=True)
    params: dict[str, Any] = {
        "workspace": scoping.current_id(),
        "recipients": list(recipients),
        "kinds": list(map(str, kinds)),
        "ids": list(ids),
        "links": list(links),
        "machines": list(machines),
        "moments": list(moments),
        "double": DOUBLE_SECONDS,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, params)
        return Recorded(*cursor.fetchone())


def lock_messages(recipient_ids: Sequence[int]) -> None:
    """Let nobody else decide what came first of these messages until the transaction ends."""
    space = zlib.crc32(b"engagement") << 31
    workspace = scoping.current_id() * LOCKS
    locks = sorted({space ^ (workspace + one % LOCKS) for one in recipient_ids})
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [locks])
