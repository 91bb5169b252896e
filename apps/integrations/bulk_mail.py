"""Letters to many, built by whoever sends them: through which provider, from whom, and what to do about a
provider that cannot be used.

The rules of mail_route.py hold: nothing taken, and the next provider may be asked; fate unknown, and nobody
else is. Who journals what leaves, and what becomes of it, is the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from apps.integrations import mail, mail_providers
from apps.integrations.client import Client
from apps.integrations.connectors.bulk_email.letters import (
    Body,
    Door,
    Envelope,
    Fate,
    Letter,
    Parting,
    Recalls,
    Verdict,
    deliverable,
    message_id,
)
from apps.integrations.connectors.bulk_email.mailgun import BulkMailgun
from apps.integrations.connectors.bulk_email.resend import ANOTHER_PAYLOAD, BulkResend
from apps.integrations.connectors.bulk_email.smtp import BulkSmtp
from apps.integrations.connectors.email.resend import KEY_KEPT
from apps.integrations.models import Connection
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

__all__ = [
    "ANOTHER_PAYLOAD",
    "KEY_KEPT",
    "SERVICES",
    "Answer",
    "Body",
    "Door",
    "Envelope",
    "Fate",
    "Letter",
    "Outcome",
    "Parting",
    "Recalls",
    "Verdict",
    "deliverable",
    "doors",
    "envelope",
    "message_id",
    "needs_patience",
    "recalling",
    "sender",
]

DOORS: dict[str, type[Door]] = {"resend": BulkResend, "mailgun": BulkMailgun, "smtp": BulkSmtp}
# Whose connections senders and doors are.
SERVICES = (mail.SENDER, *DOORS)


@dataclass(frozen=True)
class Sender:
    """Whom people see, and whether it may write now."""

    connection: Connection

    @property
    def trouble(self) -> str:
        """In words, or empty."""
        if self.connection.is_usable:
            return ""
        return self.connection.state_reason or "The sender is paused."

    @property
    def domain(self) -> str:
        return self.connection.account.rpartition("@")[2]


def sender(connection: Connection | None) -> Sender:
    """The one chosen, or the workspace's first that works. Raises mail.NoSender."""
    return Sender(connection or mail.default_sender())


def envelope(of: Sender, *, content_type: str, headers: Sequence[tuple[str, str]]) -> Envelope:
    return Envelope(
        sender=of.connection.account,
        shown=mail.shown(of.connection),
        reply_to=str(of.connection.options.get("reply_to") or ""),
        content_type=content_type,
        headers=tuple(headers),
    )


def doors(lane: Lane = Lane.MARKETING) -> list[Door]:
    """The providers that may be asked, in order."""
    return [DOORS[client.connection.service](client) for client in mail_providers.providers(lane)]


def door_of(connection_id: int, lane: Lane = Lane.MARKETING) -> Door | None:
    """The provider that had a batch, if it is still connected."""
    known: QuerySet[Connection] = Connection.objects.filter(
        pk=connection_id, service__in=DOORS, state=Connection.State.CONNECTED
    )
    found = known.first()
    return None if found is None else DOORS[found.service](Client(found, lane=lane))


def recalling(door: Door | None) -> Recalls | None:
    """The provider, where it can be asked afterwards what it had."""
    return door if isinstance(door, BulkMailgun) else None


def needs_patience(answer: "Answer[list[Verdict]]") -> bool:
    """Whether the provider works and only asks to wait: no reason to burden the next one."""
    return bool(mail_providers.PATIENCE.intersection({answer.outcome.kind, *answer.kinds}))


def needs_a_person(outcome: Outcome) -> bool:
    return outcome.handling.then in mail_providers.NEEDS_A_PERSON


def note(door: Door, outcome: Outcome, *, now: datetime) -> None:
    """Stop the provider where only a person can mend it."""
    if outcome.kind != Kind.OK:
        mail_providers.stop_if_it_must(door.client.connection, outcome, now=now)
