"""What providers tell of messages to many: delivered, bounced, complained of.

A message is found by the token in its Message-ID, or by the id that its provider gave it. What bounced for
good or drew a complaint is not written to again, and counts in the standing of its sender.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction

from apps.accounts import people, personal_fields, scoping
from apps.accounts.errors import NotHere
from apps.accounts.models import Person
from apps.campaigns import message_tokens
from apps.campaigns.engagement import Heard, record
from apps.campaigns.models import Engagement, LedgerEntry, Recipient
from apps.campaigns.subscriptions import everywhere, unsubscribing
from apps.integrations import mail_news, reputation, suppressions
from apps.integrations.connectors.email.provider import News
from apps.integrations.mail_news import Projector
from apps.integrations.models import Connection, EmailDelivery, Suppression
from apps.integrations.reputation import Counted

State = EmailDelivery.State
KINDS = {
    State.DELIVERED: Engagement.Kind.DELIVERED,
    State.BOUNCED: Engagement.Kind.BOUNCED,
    State.SUPPRESSED: Engagement.Kind.BOUNCED,
    State.COMPLAINED: Engagement.Kind.COMPLAINED,
}
HARMS = {Engagement.Kind.BOUNCED, Engagement.Kind.COMPLAINED}
# A sender's standing is that of the last day; how much it sent is counted anew after so long.
LATELY = timedelta(days=1)
COUNTED_FOR_SECONDS = 60
SENT = """
    SELECT count(*) FROM campaigns_ledgerentry AS l
    JOIN campaigns_campaign AS c ON c.workspace_id = l.workspace_id AND c.id = l.campaign_id
    WHERE l.workspace_id = (SELECT %(workspace)s::bigint) AND c.sender_id = %(sender)s
        AND (c.finished_at IS NULL OR c.finished_at >= %(since)s)
        AND l.fate = 'accepted' AND l.at >= %(since)s AND l.at <= %(until)s
"""
# Of the messages that are counted as sent and of no others: else what came of a large campaign of the day
# before, or of the minute since the sends were counted, is held against a few.
HARMED = """
    SELECT count(*) FILTER (WHERE e.kind = 'bounced'), count(*) FILTER (WHERE e.kind = 'complained')
    FROM campaigns_campaign AS c
    JOIN campaigns_engagement AS e ON e.workspace_id = c.workspace_id AND e.campaign_id = c.id
        AND e.kind IN ('bounced', 'complained') AND e.occurred_at >= %(since)s
    JOIN campaigns_recipient AS r ON r.workspace_id = e.workspace_id AND r.id = e.recipient_id
        AND r.settled_at >= %(since)s AND r.settled_at <= %(until)s
    WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.sender_id = %(sender)s
"""


@mail_news.also_finds
def find(news: News, connection_: Connection) -> Projector | None:
    recipient_id = _by_token(news.message_id) or _by_provider_id(news.provider_id)
    if recipient_id is None or not Recipient.objects.filter(pk=recipient_id).exists():
        return None
    return partial(project, recipient_id, told_by=connection_.service)


def _by_token(message_id: str) -> int | None:
    try:
        named = message_tokens.read(message_id.strip("<>").partition("@")[0])
    except NotHere:
        return None
    return named.recipient_id if named.workspace_id == scoping.current_id() else None


def _by_provider_id(provider_id: str) -> int | None:
    if not provider_id:
        return None
    found = LedgerEntry.objects.filter(provider_id=provider_id).values_list("recipient_id", flat=True)
    return found.first()


@transaction.atomic
def project(recipient_id: int, news: News, now: datetime, *, told_by: str) -> None:
    """Keep what became of a message, suppress its address and look at its sender as the news asks for it."""
    recipient = Recipient.objects.select_related("campaign").get(pk=recipient_id)
    person = Person.objects.filter(pk=people.root_of(recipient.person_id), erased_at=None).first()
    if person is not None and news.suppresses:
        _suppress(person, news.suppresses, told_by=told_by, now=now)
    kinds = _kinds(news)
    record([Heard(recipient_id, kind, f"{kind}:{recipient_id}", now) for kind in kinds], now=now)
    if HARMS.intersection(kinds) and recipient.campaign.sender_id is not None:
        reputation.guard(recipient.campaign.sender_id, now=now)


def _kinds(news: News) -> list[str]:
    told = KINDS.get(State(news.state))
    left = [Engagement.Kind.UNSUBSCRIBED] if news.suppresses == Suppression.Reason.UNSUBSCRIBED else []
    return [*left, *([] if told is None else [told])]


def _suppress(person: Person, reason: str, *, told_by: str, now: datetime) -> None:
    if reason == Suppression.Reason.UNSUBSCRIBED:
        actor = unsubscribing.recipient_actor()
        unsubscribing.leave_all(actor, person, source=f"unsubscribed at {told_by}", now=now)
        return
    suppressions.add(person.email_index, reason, told_by=told_by, now=now)
    email = personal_fields.personal(person)["email"]
    if reason == Suppression.Reason.COMPLAINED and email:
        everywhere.complained(email, told_by=told_by, now=now)


@reputation.also_counts
def count(sender: Connection, now: datetime) -> Counted:
    """Of what was sent to many within the last day, or since a person last let the sender go on: taken by
    providers, and what of it bounced or was complained of.
    """
    key = f"campaigns:sent:{scoping.current_id()}:{sender.pk}:{sender.state_changed_at.timestamp()}"
    params = {"workspace": scoping.current_id(), "sender": sender.pk}
    counted = cache.get(key)
    if counted is None:
        since = max(sender.state_changed_at, now - LATELY)
        (sends,) = _row(SENT, {**params, "since": since, "until": now})
        counted = (since, now, sends)
        cache.set(key, counted, COUNTED_FOR_SECONDS)
    since, until, sends = counted
    return Counted(sends, *_row(HARMED, {**params, "since": since, "until": until}))


def _row(statement: str, params: dict[str, Any]) -> Sequence[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchone()
