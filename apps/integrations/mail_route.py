"""The way of one message along the providers.

Who is asked next depends on what became of the message, never on hope. Definitely not accepted: the next
provider, at once. Fate unknown: the same provider again, with the same key where it drops duplicates, or a
look-up there, and nobody else; only a message of a wedding day may then go elsewhere, marked as a possible
duplicate and audited. An address that nobody can write to goes on the list that holds for all of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.integrations import leases, modes, outbox, suppressions
from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import RECIPIENT, Fate, Message, fate_of, unknown
from apps.integrations.connectors.email.providers import PROVIDERS, provider
from apps.integrations.mail import OPERATION, SENDER
from apps.integrations.mail_providers import NEEDS_A_PERSON, PATIENCE, providers, stop_if_it_must
from apps.integrations.models import Call, Connection, EmailDelivery
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.lanes import Lane, WeddingDay, is_wedding_day
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

State = EmailDelivery.State


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


def _least_bad(refusals: list[Outcome]) -> Outcome:
    """Of what all providers said the one that passes soonest; where a person is needed everywhere, so says
    the sender.
    """
    passing = [one for one in refusals if one.handling.then not in NEEDS_A_PERSON]
    if not passing:
        words = "No e-mail provider can be used. Connect one, then test this sender."
        return Outcome(kind=Kind.PERMANENT_CONFIG, reason=words, was_sent=False)
    return replace(min(passing, key=lambda one: one.retry_after_seconds or 0.0), was_sent=False)


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


outbox.handles(SENDER, OPERATION, Handler(perform=perform, look_up=look_up))
