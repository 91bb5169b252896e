"""What attribution does on news: platforms are told of conversions and of what became of them; what ad
accounts cost becomes spend.

Destinations are locked before a conversion is read, so that of two changes the later one is told last.
Touches are many and few workspaces have them told, so the tracking door asks first, and remembers the
answer.
"""

import time
from datetime import date

from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.events import Event, follow, subscribe
from apps.accounts.models import OutboxEvent
from apps.attribution import ad_spend, told_conversions
from apps.attribution.events import ConversionsChanged, ConversionsRecorded, TouchpointsStored
from apps.integrations import forwarding
from apps.integrations.events import AdFiguresRead

REMEMBERED_SECONDS = 10.0
_known: dict[int, tuple[float, bool]] = {}


@subscribe(ConversionsRecorded)
def tell_of_conversions(event: ConversionsRecorded) -> None:
    if forwarding.connected():
        forwarding.forward(told_conversions.events_of(event.conversion_ids), now=timezone.now())


@subscribe(ConversionsChanged)
def tell_of_changes(event: ConversionsChanged) -> None:
    if forwarding.connected():
        forwarding.correct(told_conversions.events_of(event.conversion_ids), now=timezone.now())


@subscribe(AdFiguresRead)
def take_over_spend(event: AdFiguresRead) -> None:
    ad_spend.take_over(event.connection_id, since=date.fromisoformat(event.since), now=timezone.now())


def _are_steps_wanted(event: type[Event]) -> bool:
    if event is not TouchpointsStored:
        return False
    at, is_wanted = _known.get(scoping.current_id(), (float("-inf"), False))
    if time.monotonic() - at >= REMEMBERED_SECONDS:
        is_wanted = forwarding.are_steps_wanted()
        _known[scoping.current_id()] = (time.monotonic(), is_wanted)
    return is_wanted


@follow(_are_steps_wanted)
def tell_of_steps(event: Event, row: OutboxEvent) -> None:
    """Visits and clicks, to the product analytics that hear of them."""
    if not isinstance(event, TouchpointsStored):
        raise TypeError(event)
    steps = told_conversions.steps_of(event.first_id, event.last_id)
    forwarding.forward_steps(steps, now=timezone.now())
