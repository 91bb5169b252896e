"""Whether people may be written to: asked for many at once, right before a message leaves.

A reason is a word that pages and the ledger show; no reason means yes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apps.accounts import one_trip, scoping
from apps.campaigns.models import Campaign, Topic
from apps.campaigns.subscriptions import everywhere

# Who can be reached at all; who is on the workspace's list or the operator's; the latest word of each person
# on the topic, and on how often. A no of anybody else with the same address is a no of theirs too, until they
# confirm by e-mail that they want it: whoever owns the mailbox said it. Only who wishes for fewer messages is
# looked up among what was sent: by the campaigns of that time, each by its own index.
STANDING = """
    SELECT p.id,
        CASE WHEN p.erased_at IS NOT NULL OR p.merged_into_id IS NOT NULL THEN 'gone'
            WHEN p.email_index IS NULL THEN 'no_address'
            WHEN listed.reason IS NOT NULL THEN listed.reason
            WHEN house.address_index IS NOT NULL THEN 'everywhere'
            ELSE '' END,
        CASE WHEN refused.is_refused THEN false ELSE said.is_granted END,
        CASE WHEN NOT %(is_bulk)s THEN ''
            WHEN wish.paused_until > %(now)s THEN 'paused'
            WHEN lately.is_sent THEN 'less_often'
            ELSE '' END,
        p.email_index IS NOT NULL AND mark.address_index IS NULL
            AND EXISTS (SELECT FROM campaigns_everywheresuppression)
    FROM unnest(%(people)s::bigint[]) AS asked (id)
    JOIN accounts_person AS p ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = asked.id
    LEFT JOIN campaigns_addressmark AS mark
        ON mark.workspace_id = p.workspace_id AND mark.address_index = p.email_index
    LEFT JOIN campaigns_everywheresuppression AS house ON house.address_index = mark.everywhere_index
    LEFT JOIN LATERAL (
        SELECT s.reason FROM integrations_suppression AS s
        WHERE s.workspace_id = p.workspace_id AND s.address_index = p.email_index
            AND (%(is_bulk)s OR s.reason <> 'unsubscribed')
        ORDER BY s.since LIMIT 1) AS listed ON true
    LEFT JOIN LATERAL (
        SELECT c.is_granted FROM accounts_consentrecord AS c
        WHERE c.workspace_id = p.workspace_id AND c.person_id = p.id AND c.purpose = %(purpose)s
        ORDER BY c.occurred_at DESC, c.is_granted, c.id DESC LIMIT 1) AS said ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_refused
        FROM accounts_person AS other
        CROSS JOIN LATERAL (
            SELECT c.is_granted, c.occurred_at FROM accounts_consentrecord AS c
            WHERE c.workspace_id = other.workspace_id AND c.person_id = other.id AND c.purpose = %(purpose)s
            ORDER BY c.occurred_at DESC, c.is_granted, c.id DESC LIMIT 1) AS word
        WHERE %(is_bulk)s AND other.workspace_id = p.workspace_id AND other.email_index = p.email_index
            AND other.id <> p.id AND NOT word.is_granted
            AND NOT EXISTS (
                SELECT FROM accounts_consentrecord AS c
                WHERE c.workspace_id = p.workspace_id AND c.person_id = p.id AND c.purpose = %(purpose)s
                    AND c.is_granted AND c.is_confirmed AND c.occurred_at > word.occurred_at)
        LIMIT 1) AS refused ON true
    LEFT JOIN LATERAL (
        SELECT w.paused_until, %(now)s::timestamptz - CASE w.frequency
            WHEN 'weekly' THEN interval '7 days' WHEN 'monthly' THEN interval '30 days' END AS since
        FROM campaigns_frequencywish AS w
        WHERE %(is_bulk)s AND w.workspace_id = p.workspace_id AND w.person_id = p.id
        ORDER BY w.occurred_at DESC, w.id DESC LIMIT 1) AS wish ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_sent
        FROM campaigns_campaign AS c
        LEFT JOIN campaigns_topic AS t ON t.workspace_id = c.workspace_id AND t.id = c.topic_id
        JOIN campaigns_recipient AS r
            ON r.workspace_id = c.workspace_id AND r.campaign_id = c.id AND r.person_id = p.id
        WHERE wish.since IS NOT NULL AND c.workspace_id = p.workspace_id AND c.launched_at IS NOT NULL
            AND (c.finished_at IS NULL OR c.finished_at > wish.since) AND t.basis IS DISTINCT FROM 'service'
            AND r.state IN ('sent', 'uncertain') AND r.settled_at > wish.since
        LIMIT 1) AS lately ON true
"""


def against(campaign: Campaign, person_ids: Sequence[int], *, now: datetime) -> dict[int, str]:
    """Why each of the people may not be written to; those who may are not in it. One query, and for addresses
    that are met for the first time one more.

    gone, no_address, bounced, complained, invalid, suppressed, everywhere (the operator's own list),
    unsubscribed, no_consent, paused, less_often.
    """
    topic = campaign.topic
    basis = Topic.Basis.CONSENT if topic is None else Topic.Basis(topic.basis)
    params = {
        "people": one_trip.array(person_ids),
        "workspace": scoping.current_id(),
        "is_bulk": basis != Topic.Basis.SERVICE,
        "purpose": "" if topic is None else topic.key,
        "now": now,
    }
    rows = _standing(params)
    if any(is_unmarked for *_, is_unmarked in rows) and everywhere.mark(person_ids):
        rows = _standing(params)
    reasons = {
        person: reason or _of_consent(basis, is_granted) or wish
        for person, reason, is_granted, wish, _ in rows
    }
    missing = {person: "gone" for person in person_ids if person not in reasons}
    return missing | {person: reason for person, reason in reasons.items() if reason}


def _standing(params: dict[str, Any]) -> list[tuple[int, str, bool | None, str, bool]]:
    [rows] = one_trip.fetch_all([(STANDING, params)], is_prepared=True)
    return rows


def _of_consent(basis: Topic.Basis, is_granted: bool | None) -> str:
    """Silence is no where consent is asked for, and yes where customers were told; a no is always a no."""
    if basis == Topic.Basis.SERVICE:
        return ""
    if is_granted is False:
        return "unsubscribed"
    return "" if is_granted or basis == Topic.Basis.CUSTOMER else "no_consent"
