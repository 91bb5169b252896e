"""What providers tell of messages later, projected onto the deliveries, the list of suppressed addresses and
the sender's reputation.

News comes in any order and more than once: a delivery only moves on along RANK.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Q

from apps.accounts import scoping
from apps.accounts.errors import DomainError, NotHere
from apps.integrations import inbound, mail, reputation, signatures, suppressions
from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import News
from apps.integrations.connectors.email.providers import PROVIDERS, provider
from apps.integrations.http import Response
from apps.integrations.inbound import Checked, Delivery, Received, Receiver
from apps.integrations.models import Connection, EmailDelivery

State = EmailDelivery.State
RANK = [
    State.PENDING,
    State.ASKED,
    State.ACCEPTED,
    State.DELAYED,
    State.FAILED,
    State.DELIVERED,
    State.SUPPRESSED,
    State.BOUNCED,
    State.COMPLAINED,
]
# What Mailgun takes as "never again", and other services as a plain refusal.
NEVER_AGAIN = 406
HARMS = {State.BOUNCED, State.COMPLAINED}
Projector = Callable[[News, datetime], None]
Finder = Callable[[News, Connection], Projector | None]
_finders: list[Finder] = []


class NotConfirmed(DomainError):
    """The provider cannot be asked at the moment whether its news is true; it is asked again later."""

    code = "not_confirmed"
    status = 503


def also_finds(finder: Finder) -> Finder:
    """Have news of messages that have no delivery here told to who sent them.

    finder: says what to do with news of a message, in the transaction that processes it, or None for one that
    it does not know. Nothing is done before the news is confirmed.
    """
    _finders.append(finder)
    return finder


def _verify(name: str, delivery: Delivery, credentials: Mapping[str, Any], now: datetime) -> Checked:
    try:
        event_id = PROVIDERS[name].verified_id(credentials, delivery.headers, delivery.body, now=now)
    except signatures.Forged as error:
        refusal = inbound.Forged(str(error))
        refusal.status = NEVER_AGAIN
        raise refusal from error
    return Checked(event_id=event_id, sent_at=None)


def _process(connection: Connection, received: Received, now: datetime) -> str:
    """Project what an event tells. Raises NotConfirmed while it cannot be confirmed."""
    news = PROVIDERS[connection.service].news(Response(200, {}, received.body).json_object())
    if news is None:
        return "It tells nothing that changes a message."
    if (told := _projector_of(news, connection)) is None:
        return "No message of ours is meant."
    confirmed = provider(Client(connection)).confirmed(news)
    if confirmed is None:
        raise NotConfirmed("The provider cannot be asked whether it is true.")
    for one in confirmed:
        told(one, now)
    return "" if confirmed else "The provider knows nothing of it."


def _projector_of(news: News, connection: Connection) -> Projector | None:
    if (delivery := _delivery_of(news, connection)) is not None:
        delivery_id = delivery.pk
        return lambda one, now: project(delivery_id, one, now=now)
    found = (finder(news, connection) for finder in _finders)
    return next((projector for projector in found if projector is not None), None)


def _delivery_of(news: News, connection: Connection) -> EmailDelivery | None:
    """The message that is meant, if it went by this connection."""
    known = Q(pk__in=[])
    for column, value in (
        ("key", news.key),
        ("provider_id", news.provider_id),
        ("message_id", news.message_id),
    ):
        if value:
            known |= Q(**{column: value})
    found: EmailDelivery | None = EmailDelivery.objects.filter(known, connection=connection).first()
    return found


@transaction.atomic
def project(delivery_id: int, news: News, *, now: datetime) -> None:
    """Move the delivery on, suppress its address, and look at its sender, as far as the news asks for it."""
    delivery: EmailDelivery = EmailDelivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.state in RANK and RANK.index(State(news.state)) > RANK.index(State(delivery.state)):
        delivery.state, delivery.reason = news.state, news.reason[:300]
        delivery.accepted_at = delivery.accepted_at or now
        delivery.save(update_fields=["state", "reason", "accepted_at"])
    if news.suppresses:
        suppressions.add(delivery.address_index, news.suppresses, told_by=delivery.provider, now=now)
    if news.state in HARMS:
        reputation.guard(delivery.sender_id, now=now)


def unsubscribe(token: str, *, now: datetime) -> None:
    """Nothing more to many goes to the address of the message that the token is of. Raises NotHere."""
    try:
        workspace_id, public_id = Signer(salt=mail.SALT).unsign(token).split(".")
        with scoping.workspace(int(workspace_id)):
            delivery = EmailDelivery.objects.filter(public_id=UUID(public_id)).first()
            if delivery is None:
                raise NotHere("This message is not known any more.")
            reason = suppressions.Reason.UNSUBSCRIBED
            suppressions.add(delivery.address_index, reason, told_by="the recipient", now=now)
    except (BadSignature, ValueError) as error:
        raise NotHere("This link is not one of ours.") from error


for _name in ("resend", "mailgun"):
    inbound.receives(_name, Receiver(verify=partial(_verify, _name), process=_process))
