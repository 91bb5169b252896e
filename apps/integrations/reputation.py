"""A sender is paused before the providers do it: when too many of its latest messages bounced or drew
complaints.

Counted from when a person last let it go on, so that an old score does not stop it at once again. What it
holds goes out when it is released (connections.test).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.integrations import connection_states
from apps.integrations.mail import SENDER
from apps.integrations.metrics import Reading, gauge
from apps.integrations.models import Connection, EmailDelivery, Incident
from apps.integrations.monitoring.actions import action

LEAST_SENDS = 200
LATEST_SENDS = 1_000
WORST_BOUNCES = 0.02
WORST_COMPLAINTS = 0.001
# One person who is cross says nothing of a list, however short it is.
LEAST_COMPLAINTS = 2
State = EmailDelivery.State


@dataclass(frozen=True)
class Counted:
    """Messages that a sender's providers took, and how many of them bounced or drew complaints."""

    sends: int
    bounces: int
    complaints: int


Counter = Callable[[Connection, datetime], Counted]
_counters: list[Counter] = []


def also_counts(counter: Counter) -> Counter:
    """Have messages counted that have no delivery here, such as those to many. Asked for the sender, now."""
    _counters.append(counter)
    return counter


@dataclass(frozen=True)
class Standing:
    """Of the latest messages that were taken: how many, the shares that bounced or drew complaints, and how
    many complaints these are.
    """

    sends: int
    bounces: float
    complaints: float
    complainers: int = 0

    @property
    def complaints_that_count(self) -> float:
        """None while there are fewer than LEAST_COMPLAINTS."""
        return self.complaints if self.complainers >= LEAST_COMPLAINTS else 0.0

    @property
    def trouble(self) -> str:
        """In words, or empty."""
        if self.sends < LEAST_SENDS:
            return ""
        if self.bounces > WORST_BOUNCES:
            return f"{self.bounces:.1%} of the latest {self.sends} messages bounced."
        if self.complaints_that_count > WORST_COMPLAINTS:
            return f"{self.complaints:.2%} of the latest {self.sends} messages drew complaints."
        return ""


def standing(sender: Connection, *, now: datetime) -> Standing:
    """Of its latest deliveries, and of what was sent to many lately."""
    counted = [_of_deliveries(sender), *(counter(sender, now) for counter in _counters)]
    sends = sum(one.sends for one in counted)
    complaints = sum(one.complaints for one in counted)
    return Standing(
        sends,
        sum(one.bounces for one in counted) / sends if sends else 0.0,
        complaints / sends if sends else 0.0,
        complaints,
    )


def facts(sender: Connection, *, now: datetime) -> list[tuple[str, str]]:
    """What the page of a sender says of its name with those who take its mail."""
    found = standing(sender, now=now)
    if found.sends < LEAST_SENDS:
        words = f"{found.sends:,} messages since it was last let go on, too few to say"
    else:
        shares = f"{found.bounces:.2%} bounced and {found.complaints:.2%} complained"
        words = f"{shares} of the latest {found.sends:,} messages"
    return [
        ("Deliverability", f"{words}; it is paused above {WORST_BOUNCES:.0%} and {WORST_COMPLAINTS:.1%}.")
    ]


def _of_deliveries(sender: Connection) -> Counted:
    accepted = EmailDelivery.objects.filter(sender=sender, accepted_at__gte=sender.state_changed_at)
    latest = list(accepted.order_by("-accepted_at").values_list("state", flat=True)[:LATEST_SENDS])
    return Counted(len(latest), latest.count(State.BOUNCED), latest.count(State.COMPLAINED))


@transaction.atomic
def guard(sender_id: int, *, now: datetime) -> str:
    """Pause the sender if its standing is bad. Says why, or nothing."""
    sender: Connection = Connection.objects.select_for_update().get(pk=sender_id)
    trouble = standing(sender, now=now).trouble if sender.is_usable else ""
    if trouble:
        words = f"{trouble} Clean the list, then test this sender to let it go on."
        connection_states.switch_off(sender, reason=words, now=now)
    return trouble


def _senders() -> Iterator[Connection]:
    yield from Connection.objects.filter(service=SENDER, state=Connection.State.CONNECTED).order_by("pk")


@action("mail.pause_sender")
def pause_senders(incident: Incident) -> str:
    """Pause whichever sender is over a bound."""
    now = timezone.now()
    paused = [one.label for one in _senders() if guard(one.pk, now=now)]
    return f"Paused {', '.join(paused)}." if paused else "No sender is over a bound any more."


@gauge("mail.bounce_share")
def _bounces() -> Iterator[Reading]:
    """Of the worst sender, with enough messages to say."""
    if found := [one.bounces for one in _standings()]:
        yield Reading(max(found))


@gauge("mail.complaint_share")
def _complaints() -> Iterator[Reading]:
    if found := [one.complaints_that_count for one in _standings()]:
        yield Reading(max(found))


def _standings() -> Iterator[Standing]:
    """Of senders with enough messages to say."""
    now = timezone.now()
    for sender in _senders():
        if (found := standing(sender, now=now)).sends >= LEAST_SENDS:
            yield found
