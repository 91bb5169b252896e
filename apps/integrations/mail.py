"""Messages to people: one call of the outbox per address, Resend before Mailgun before SMTP.

Who is asked for it, and who next, says mail_route.py.

A sender is a connection of the service "mail": the address that people see, and what is held when it is
paused (reputation.py).
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from typing import Any

from django.conf import settings
from django.core.signing import Signer
from django.db import transaction
from django.urls import reverse

from apps.accounts import audit, personal_fields
from apps.accounts.errors import DomainError, Invalid
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.integrations import modes, outbox, services, suppressions
from apps.integrations.models import Connection, EmailDelivery
from apps.integrations.resilience.lanes import Lane, WeddingDay, lane_of
from apps.integrations.services import Family, Field, Reach, Service

SENDER = "mail"
OPERATION = "messages.send"
BULK = {Lane.MARKETING, Lane.BACKFILL}
LONGEST_SUBJECT = 998
SALT = "mail.unsubscribe"
OURS = {"from", "to", "subject", "message-id", "date", "reply-to", "cc", "bcc", "sender"}
State = EmailDelivery.State


class NoSender(DomainError):
    code = "no_sender"
    status = 409


services.register(
    Service(
        key=SENDER,
        name="E-mail sender",
        family=Family.EMAIL,
        base_url="https://localhost",
        fields=(
            Field(key="account", label="Address", help="What people see and answer to."),
            Field(key="from_name", label="Name", is_required=False),
            Field(key="reply_to", label="Answers go to", is_required=False, help="Empty: the same address."),
            Field(
                key="postal_address",
                label="Postal address",
                is_required=False,
                help="Stands at the end of campaigns, where laws ask for it.",
            ),
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Writes through the first of your providers that takes a message: Resend, Mailgun, then SMTP.",
        check="apps.integrations.mail_providers.check",
        facts="apps.integrations.reputation.facts",
    )
)


@transaction.atomic
def send(
    workspace: Workspace,
    *,
    to: str | Sequence[str],
    subject: str,
    text: str,
    html: str = "",
    headers: Mapping[str, str] | None = None,
    template: str,
    lane: Lane = Lane.TRANSACTIONAL,
    wedding_day: WeddingDay | None = None,
    dedup_key: str,
    now: datetime,
    person_id: int | None = None,
    sender: Connection | None = None,
) -> list[EmailDelivery]:
    """Write a message to each address down; it goes out once the open transaction commits.

    The same dedup_key to the same address is one message. A suppressed address gets a delivery that says so,
    and no call. Raises Invalid, or NoSender.
    """
    addresses = [to] if isinstance(to, str) else list(dict.fromkeys(to))
    chosen = sender or default_sender()
    _check(subject, headers or {}, dedup_key)
    common = {
        "sender": shown(chosen),
        "reply_to": str(chosen.options.get("reply_to") or ""),
        "subject": subject,
        "text": text,
        "html": html,
        "headers": dict(headers or {}),
        "template": template,
        "wedding": None if wedding_day is None else [wedding_day.event_on.isoformat(), wedding_day.zone.key],
    }
    templates = modes.templates_of(workspace)
    quick = lane_of(lane, wedding_day, now=now, allowed_templates=templates)
    made = (_planned(workspace, chosen, one, template, dedup_key, lane, person_id) for one in addresses)
    return [
        _enqueued(delivery, common | {"to": address}, lane=quick, now=now)
        for delivery, address in zip(made, addresses, strict=True)
    ]


def default_sender() -> Connection:
    """The workspace's first sender that works, or one that is paused: what it holds goes out later."""
    known = Connection.objects.filter(service=SENDER).exclude(state=Connection.State.DISCONNECTED)
    found = sorted(known, key=lambda one: (not one.is_usable, one.pk))
    if not found:
        raise NoSender("No address to write from is connected. Connect an e-mail sender first.")
    return found[0]


def _check(subject: str, headers: Mapping[str, str], dedup_key: str) -> None:
    """Nothing may break out of its header; what names people and fate is set here alone."""
    wrong: dict[str, list[str]] = {}
    if not subject.strip() or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        wrong["subject"] = [f"One line of 1 to {LONGEST_SUBJECT} characters."]
    for name, value in headers.items():
        is_name = name.isascii() and name.replace("-", "").isalnum()
        if not is_name or name.lower() in OURS or not value.isprintable():
            wrong["headers"] = [f"{name[:60]!r} cannot be a header of a message."]
    if not 0 < len(dedup_key) <= 120:
        wrong["dedup_key"] = ["1 to 120 characters."]
    if wrong:
        raise Invalid(wrong)


def shown(sender: Connection) -> str:
    """The address with its name, as it stands in the From line."""
    return str(Address(display_name=str(sender.options.get("from_name") or ""), addr_spec=sender.account))


def _planned(
    workspace: Workspace,
    sender: Connection,
    to: str,
    template: str,
    dedup_key: str,
    lane: Lane,
    person_id: int | None,
) -> EmailDelivery:
    try:
        index = personal_fields.index_of(workspace.pk, "email", to)
    except Invalid as error:
        raise Invalid({"to": ["This is not an e-mail address."]}) from error
    whole = f"{workspace.pk}\0{sender.public_id}\0{dedup_key}\0{index.hex()}"
    key = hashlib.sha256(whole.encode()).hexdigest()[:32]
    return EmailDelivery(
        workspace=workspace,
        key=key,
        sender=sender,
        person_id=person_id,
        address_index=index,
        template=template,
        is_bulk=lane in BULK,
        message_id=f"<{key}@{sender.account.rpartition('@')[2]}>",
    )


def _enqueued(
    delivery: EmailDelivery, payload: dict[str, Any], *, lane: Lane, now: datetime
) -> EmailDelivery:
    """Keep it and its call, unless both are there already."""
    if against := suppressions.reason_against(delivery.address_index, is_bulk=delivery.is_bulk):
        delivery.state, delivery.reason = State.SUPPRESSED, against
    made = EmailDelivery.objects.bulk_create([delivery], ignore_conflicts=True)[0]
    kept: EmailDelivery = EmailDelivery.objects.select_for_update().get(key=delivery.key)
    if kept.public_id != made.public_id or kept.state == State.SUPPRESSED:
        return kept
    if kept.is_bulk:
        payload["headers"] |= _unsubscribe_headers(kept)
    kept.call = outbox.enqueue(
        kept.sender,
        OPERATION,
        payload,
        dedup_key=kept.key,
        now=now,
        lane=lane,
        person_id=kept.person_id,
    )
    kept.save(update_fields=["call"])
    if lane == Lane.CRITICAL and payload["wedding"]:
        _note_haste(kept, payload["wedding"], now=now)
    return kept


def _note_haste(delivery: EmailDelivery, wedding: list[str], *, now: datetime) -> None:
    event_on, zone = wedding
    audit.record(
        system(delivery.workspace_id),
        "mail.wedding_day",
        delivery,
        now=now,
        after={"template": delivery.template, "event_on": event_on, "zone": zone},
        reason="Its event is near, and its template is on the list: it goes first.",
    )


def _unsubscribe_headers(delivery: EmailDelivery) -> dict[str, str]:
    """One click, and nobody asks back (RFC 8058)."""
    address = unsubscribe_url(delivery)
    return {"List-Unsubscribe": f"<{address}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def unsubscribe_url(delivery: EmailDelivery) -> str:
    token = Signer(salt=SALT).sign(f"{delivery.workspace_id}.{delivery.public_id}")
    return settings.SITE_URL + reverse("unsubscribe", kwargs={"token": token})
