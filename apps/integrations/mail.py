"""Messages to people: one call of the outbox per address, Resend before Mailgun before SMTP.

Who is asked next depends on what became of the message, never on hope. Definitely not accepted: the next
provider, at once. Fate unknown: the same provider again, with the same key where it drops duplicates, or a
look-up there, and nobody else; only a message of a wedding day may then go elsewhere, marked as a possible
duplicate and audited. An address that nobody can write to goes on the list that holds for all of them.

A sender is a connection of the service "mail": the address that people see, and what is held when it is
paused (reputation.py).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from email.headerregistry import Address
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.signing import Signer
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.accounts import audit, personal_fields
from apps.accounts.errors import DomainError, Invalid
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.integrations import connection_states, errors, leases, modes, outbox, services, suppressions
from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import RECIPIENT, Fate, Message, fate_of, unknown
from apps.integrations.connectors.email.providers import PROVIDERS, provider
from apps.integrations.models import Call, Connection, EmailDelivery
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.breaker import State as Circuit
from apps.integrations.resilience.lanes import Lane, WeddingDay, is_wedding_day, lane_of
from apps.integrations.resilience.outcomes import Kind, Outcome, Then
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family, Field, Reach, Service

SENDER = "mail"
OPERATION = "messages.send"
BULK = {Lane.MARKETING, Lane.BACKFILL}
LONGEST_SUBJECT = 998
SALT = "mail.unsubscribe"
# The provider works and asks for patience: no reason to burden the next one, but on a wedding day.
PATIENCE = {Kind.THROTTLED, Kind.RATE_LIMITED, Kind.BULKHEAD_FULL}
NEEDS_A_PERSON = {Then.ASK_FOR_SIGN_IN, Then.SWITCH_OFF}
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
        check="apps.integrations.mail.check",
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


def perform(client: Client, dues: Sequence[Due]) -> "Answer[None]":
    """Ask the providers in turn until one takes it, or until nobody else may be asked."""
    [due] = dues
    if not client.connection.is_usable:
        return Answer(outcome=Outcome(kind=Kind.PERMANENT_CONFIG, reason=_pause_of(client), was_sent=False))
    delivery = EmailDelivery.objects.get(call=due.call)
    if against := suppressions.reason_against(delivery.address_index, is_bulk=delivery.is_bulk):
        _change(delivery, state=State.SUPPRESSED, reason=against)
        return Answer(outcome=_ours(f"The address is on the list: {against}."))
    doors = providers(client.lane)
    return Answer(outcome=_Route(due, delivery, client.lane).outcome(doors))


def _pause_of(client: Client) -> str:
    return client.connection.state_reason or "This sender is paused."


def _ours(reason: str) -> Outcome:
    return Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False)


class _Route:
    """The way of one message along the providers."""

    def __init__(self, due: Due, delivery: EmailDelivery, lane: Lane) -> None:
        self.due, self.delivery, self.lane = due, delivery, lane
        self.message = _message(due, delivery)
        self.open_at: Connection | None = None
        self.open_since: datetime | None = None
        self.refusals: list[Outcome] = []

    def outcome(self, doors: list[Client]) -> Outcome:
        for client in doors:
            if self.open_at is not None and not self._may_go_on(client):
                break
            answer = self._ask(client)
            if (outcome := self._judge(client, answer)) is not None:
                return outcome
        if self.open_at is not None:
            door, since = self.open_at, self.open_since
            _change(self.delivery, provider=door.service, connection=door, state=State.ASKED, asked_at=since)
            return unknown(f"{self.open_at.label} may have taken it.")
        return _least_bad(self.refusals)

    def _ask(self, client: Client) -> "Answer[str]":
        """Write down who is asked before it is, so that whoever finds a dead worker's call knows where to
        look; and nothing over the head of a worker that has taken over.
        """
        leases.outlast(outbox.LONGEST_CALL.total_seconds())
        now, door = timezone.now(), client.connection
        is_open = self.delivery.connection_id == door.pk and self.delivery.state == State.ASKED
        asked_at = self.delivery.asked_at if is_open else now
        _change(self.delivery, provider=door.service, connection=door, state=State.ASKED, asked_at=asked_at)
        return provider(client).send(self.message)

    def _judge(self, client: Client, answer: "Answer[str]") -> Outcome | None:
        """What becomes of the call, or None when the next provider is to be asked."""
        outcome, fate, now = answer.outcome, fate_of(answer), timezone.now()
        if fate == Fate.ACCEPTED:
            return _accept(self.delivery, client.connection, answer.value or "", now=now)
        if fate == Fate.UNKNOWN:
            if self.open_at is None:
                self.open_at, self.open_since = client.connection, self.delivery.asked_at
            return None
        _change(self.delivery, state=State.PENDING)
        if fate == Fate.REFUSED:
            _refuse(self.delivery, outcome, told_by=client.connection.service, now=now)
            return outcome if self.open_at is None else None
        if PATIENCE.issuperset([outcome.kind, *answer.kinds]) and self.lane != Lane.CRITICAL:
            return outcome
        self.refusals.append(outcome)
        stop_if_it_must(client.connection, outcome, now=now)
        return None

    def _may_go_on(self, client: Client) -> bool:
        """Whether a message that somebody may have may go to somebody else: on a wedding day. Audited."""
        payload, now = self.due.payload, timezone.now()
        if not payload["wedding"]:
            return False
        event_on, zone = payload["wedding"]
        day = WeddingDay(
            event_on=date.fromisoformat(event_on), zone=ZoneInfo(zone), template=payload["template"]
        )
        templates = modes.templates_of(Workspace.objects.get())
        if not is_wedding_day(day, now=now, allowed_templates=templates):
            return False
        with transaction.atomic():
            _change(self.delivery, is_possible_duplicate=True)
            Call.objects.filter(pk=self.due.call.pk).update(is_possible_duplicate=True)
            audit.record(
                system(self.delivery.workspace_id),
                "mail.possible_duplicate",
                self.delivery,
                now=now,
                after={"unknown_at": str(self.open_at), "asked_next": client.connection.service},
                reason="A wedding-day message does not wait until its fate is known.",
            )
        return True


def look_up(client: Client, due: Due) -> Outcome:
    """What became of a message whose sender died, or was not answered. Asks nobody but who had it."""
    delivery = EmailDelivery.objects.select_related("connection").get(call=due.call)
    if delivery.state == State.PENDING or delivery.asked_at is None:
        return Outcome(kind=Kind.PERMANENT_DATA, reason="Nobody was asked.")
    if delivery.state != State.ASKED:
        return Outcome(kind=Kind.OK, reference=delivery.provider_id or delivery.message_id)
    door = delivery.connection
    if door is None or door.service not in PROVIDERS:
        return unknown("The provider that was asked is connected no more.")
    now = timezone.now()
    asked = provider(Client(door, lane=client.lane))
    outcome = asked.look_up(_message(due, delivery), asked_at=delivery.asked_at, now=now)
    if outcome.is_good:
        return _accept(delivery, door, outcome.reference, now=now)
    if outcome.kind == Kind.PERMANENT_DATA:
        _change(delivery, state=State.PENDING)
    return outcome


outbox.handles(SENDER, OPERATION, Handler(perform=perform, look_up=look_up))


def providers(lane: Lane) -> list[Client]:
    """The doors that may be used, in order. What must arrive today goes to those that are well first, and
    leaves the trying out of the others to the rest.
    """
    usable = Connection.objects.filter(service__in=PROVIDERS, state=Connection.State.CONNECTED)
    order = list(PROVIDERS)
    doors = [
        Client(one, lane=lane) for one in sorted(usable, key=lambda one: (order.index(one.service), one.pk))
    ]
    return sorted(doors, key=_is_ill) if lane == Lane.CRITICAL else doors


def _is_ill(client: Client) -> bool:
    key = f"{client.connection.service}:{client.connection.public_id}:write"
    return bool(client.policy.ask(lambda store: store.look(key)).state != Circuit.CLOSED)


def check(client: Client) -> str:
    """Which providers would be asked, in order. Raises Refused when there is none."""
    names = [one.connection.label for one in providers(Lane.TRANSACTIONAL)]
    if not names:
        raise errors.of("E-mail", Outcome(kind=Kind.PERMANENT_CONFIG, reason="No provider is connected."))
    return f"Through {', then '.join(names)}."


def _least_bad(refusals: list[Outcome]) -> Outcome:
    """Of what all providers said the one that passes soonest; where a person is needed everywhere, so says
    the sender.
    """
    passing = [one for one in refusals if one.handling.then not in NEEDS_A_PERSON]
    if not passing:
        words = "No e-mail provider can be used. Connect one, then test this sender."
        return Outcome(kind=Kind.PERMANENT_CONFIG, reason=words, was_sent=False)
    return replace(min(passing, key=lambda one: one.retry_after_seconds or 0.0), was_sent=False)


def stop_if_it_must(door: Connection, outcome: Outcome, *, now: datetime) -> None:
    then = outcome.handling.then
    if then not in NEEDS_A_PERSON:
        return
    with transaction.atomic():
        fresh: Connection = Connection.objects.select_for_update().get(pk=door.pk)
        is_signed_out = then == Then.ASK_FOR_SIGN_IN
        stop = connection_states.ask_for_sign_in if is_signed_out else connection_states.switch_off
        stop(fresh, reason=outcome.reason, now=now)


def _accept(delivery: EmailDelivery, door: Connection, provider_id: str, *, now: datetime) -> Outcome:
    """Taken. News may have come before this answer did: only a fate that was open is changed."""
    _change(delivery, provider=door.service, connection=door, provider_id=provider_id[:200], accepted_at=now)
    still = EmailDelivery.objects.filter(pk=delivery.pk, state__in=[State.ASKED, State.PENDING])
    still.update(state=State.ACCEPTED)
    return Outcome(kind=Kind.OK, reference=provider_id)


def _refuse(delivery: EmailDelivery, outcome: Outcome, *, told_by: str, now: datetime) -> None:
    _change(delivery, state=State.REFUSED, reason=outcome.reason[:300])
    if outcome.code == RECIPIENT:
        suppressions.add(delivery.address_index, suppressions.Reason.INVALID, told_by=told_by, now=now)


def _change(delivery: EmailDelivery, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(delivery, name, value)
    EmailDelivery.objects.filter(pk=delivery.pk).update(**fields)


def _message(due: Due, delivery: EmailDelivery) -> Message:
    names = ("sender", "to", "subject", "text", "html", "reply_to", "headers")
    return Message(
        key=delivery.key, message_id=delivery.message_id, **{name: due.payload[name] for name in names}
    )
