"""What attribution does on news: platforms are told of conversions and of what became of them; what ad
accounts cost becomes spend.

Destinations are locked before a conversion is read, so that of two changes the later one is told last.
"""

from datetime import date

from django.utils import timezone

from apps.accounts.events import subscribe
from apps.attribution import ad_spend, told_conversions
from apps.attribution.events import ConversionsChanged, ConversionsRecorded
from apps.integrations import forwarding
from apps.integrations.events import AdFiguresRead


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
