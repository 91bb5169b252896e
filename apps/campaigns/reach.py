"""Whether people may be written to: asked for many at once, right before a message leaves.

A reason is a word that pages and the ledger show; no reason means yes.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from apps.accounts import scoping
from apps.campaigns.models import Campaign, Topic

# The latest word of each person on the topic; who can be reached at all; who is on the list.
STANDING = """
    SELECT p.id,
           CASE WHEN p.erased_at IS NOT NULL OR p.merged_into_id IS NOT NULL THEN 'gone'
                WHEN p.email_index IS NULL THEN 'no_address'
                ELSE coalesce(listed.reason, '') END,
           said.is_granted
    FROM unnest(%s::bigint[]) AS asked (id)
    JOIN accounts_person AS p ON p.workspace_id = (SELECT %s::bigint) AND p.id = asked.id
    LEFT JOIN LATERAL (
        SELECT s.reason FROM integrations_suppression AS s
        WHERE s.workspace_id = p.workspace_id AND s.address_index = p.email_index
          AND (%s OR s.reason <> 'unsubscribed')
        ORDER BY s.since LIMIT 1) AS listed ON true
    LEFT JOIN LATERAL (
        SELECT c.is_granted FROM accounts_consentrecord AS c
        WHERE c.workspace_id = p.workspace_id AND c.person_id = p.id AND c.purpose = %s
        ORDER BY c.occurred_at DESC, c.is_granted, c.id DESC LIMIT 1) AS said ON true
"""


def against(campaign: Campaign, person_ids: Sequence[int], *, now: datetime) -> dict[int, str]:
    """Why each of the people may not be written to; those who may are not in it. One query.

    gone, no_address, bounced, complained, invalid, suppressed, unsubscribed, no_consent.
    """
    topic = campaign.topic
    basis = Topic.Basis.CONSENT if topic is None else Topic.Basis(topic.basis)
    is_bulk = basis != Topic.Basis.SERVICE
    purpose = "" if topic is None else topic.key
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [list(person_ids), scoping.current_id(), is_bulk, purpose])
        rows = cursor.fetchall()
    reasons = {person: reason or _of_consent(basis, is_granted) for person, reason, is_granted in rows}
    missing = {person: "gone" for person in person_ids if person not in reasons}
    return missing | {person: reason for person, reason in reasons.items() if reason}


def _of_consent(basis: Topic.Basis, is_granted: bool | None) -> str:
    """Silence is no where consent is asked for, and yes where customers were told; a no is always a no."""
    if basis == Topic.Basis.SERVICE:
        return ""
    if is_granted is False:
        return "unsubscribed"
    return "" if is_granted or basis == Topic.Basis.CUSTOMER else "no_consent"
