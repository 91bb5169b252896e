"""Clicks that have had time to show whose they are: those of people become touches of attribution, and those
that look like a machine's are called that, and no longer counted as people's.

A click waits SETTLE, since a scanner shows itself by what it follows next. Told twice, by two workers or
after a crash, it is one touch: its event id is the click's.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.permissions import system
from apps.accounts.tasks_base import workspace_task
from apps.attribution import ingest
from apps.attribution.records import Touch
from apps.campaigns.engagement.corrections import call_machines
from apps.campaigns.events import ClicksSettled
from apps.campaigns.maths import machines
from apps.campaigns.maths.machines import HONEYPOT, Click
from apps.campaigns.models import Engagement, Link

SETTLE = timedelta(seconds=60)
AT_ONCE = 2_000
CHANNEL = PLATFORM = "email"
LOCK = "SELECT pg_try_advisory_xact_lock(%s, %s)"
LOCK_SPACE = 0xE7617
# The clicks that wait, with what their touch says, and when a provider first took the message.
WAITING = """
    SELECT e.id, e.event_id, e.recipient_id, e.campaign_id, e.person_id, e.link, e.occurred_at,
        c.public_id::text, COALESCE(v.key, ''), COALESCE(l.url, ''), taken.at
    FROM campaigns_engagement AS e
    JOIN campaigns_campaign AS c ON c.workspace_id = e.workspace_id AND c.id = e.campaign_id
    LEFT JOIN campaigns_content AS v ON v.workspace_id = e.workspace_id AND v.id = e.content_id
    LEFT JOIN campaigns_link AS l ON l.workspace_id = e.workspace_id AND l.campaign_id = e.campaign_id
        AND l.number = e.link
    LEFT JOIN LATERAL (
        SELECT min(entry.at) AS at FROM campaigns_ledgerentry AS entry
        WHERE entry.workspace_id = e.workspace_id AND entry.campaign_id = e.campaign_id
            AND entry.recipient_id = e.recipient_id AND entry.fate = 'accepted') AS taken ON true
    WHERE e.workspace_id = (SELECT %s::bigint) AND e.kind = 'clicked' AND NOT e.is_machine
        AND e.told_at IS NULL AND e.occurred_at <= %s
    ORDER BY e.occurred_at, e.id LIMIT %s
"""


@dataclass(frozen=True)
class Waiting:
    id: int
    event_id: str
    recipient_id: int
    campaign_id: int
    person_id: int
    link: int
    occurred_at: datetime
    campaign: str
    variant: str
    url: str
    taken_at: datetime | None

    def touch(self, now: datetime) -> Touch:
        return Touch(
            event_id=f"campaign-{self.event_id}",
            event_type="click",
            platform=PLATFORM,
            channel=CHANNEL,
            campaign_id=self.campaign,
            creative_id=self.variant,
            url=self.url,
            occurred_at=self.occurred_at,
            received_at=now,
        )


@shared_task(name="campaigns.engagement.sweep")
def sweep() -> None:
    """Start settling in each workspace where clicks have waited long enough."""
    with scoping.across_workspaces("engagement.sweep"):
        waiting = Engagement.objects.filter(
            kind="clicked", is_machine=False, told_at=None, occurred_at__lte=timezone.now() - SETTLE
        )
        found = list(waiting.values_list("workspace_id", flat=True).distinct())
    for workspace_id in found:
        settle.delay(workspace_id=workspace_id)


@workspace_task(name="campaigns.engagement.settle")
def settle() -> int:
    """Settle what waits, batch by batch. Answers how many clicks were told to attribution."""
    total = 0
    while (told := settle_some(now=timezone.now())) is not None:
        total += told
    return total


@transaction.atomic
def settle_some(*, now: datetime) -> int | None:
    """One batch; None when nothing waits, or another worker is at it.

    Locks the people before their clicks, as whoever merges them does. Publishes ClicksSettled and
    TouchpointsStored.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [LOCK_SPACE, scoping.current_id() % 2**31])
        if cursor.fetchone() != (True,):
            return None
        cursor.execute(WAITING, [scoping.current_id(), now - SETTLE, AT_ONCE])
        waiting = [Waiting(*row) for row in cursor.fetchall()]
    if not waiting:
        return None
    verdicts = _verdicts(waiting)
    people = [one for one in waiting if not verdicts.get(one.id)]
    actor, touches = system(scoping.current_id()), [one.touch(now) for one in people]
    ingest.track_known(actor, touches, [one.person_id for one in people], now=now)
    call_machines({click_id: reason for click_id, reason in verdicts.items() if reason})
    ids = [one.id for one in people]
    Engagement.objects.filter(pk__in=ids).update(told_at=now)
    if ids:
        events.publish(ClicksSettled(workspace_id=scoping.current_id(), engagement_ids=ids))
    return len(ids)


def _verdicts(waiting: Sequence[Waiting]) -> dict[int, str]:
    """Engagement id → why it is taken for a machine's, judged among all clicks of its message."""
    rows = Engagement.objects.filter(
        recipient_id__in={one.recipient_id for one in waiting}, kind="clicked"
    ).values_list("recipient_id", "pk", "link", "occurred_at")
    by_message: dict[int, list[Any]] = defaultdict(list)
    for recipient_id, *click in rows:
        by_message[recipient_id].append(click)
    links = _links({one.campaign_id for one in waiting})
    found: dict[int, str] = {}
    for one in {one.recipient_id: one for one in waiting}.values():
        clicks = by_message[one.recipient_id]
        reasons = machines.by_behaviour(
            [Click(link or HONEYPOT, at.timestamp()) for _, link, at in clicks],
            links=links[one.campaign_id],
            delivered_seconds=None if one.taken_at is None else one.taken_at.timestamp(),
        )
        found |= {pk: reason for (pk, *_), reason in zip(clicks, reasons, strict=True)}
    return found


def _links(campaign_ids: set[int]) -> dict[int, set[int]]:
    links: dict[int, set[int]] = defaultdict(set)
    for campaign_id, number in Link.objects.filter(campaign__in=campaign_ids).values_list(
        "campaign_id", "number"
    ):
        links[campaign_id].add(number)
    return links
