"""How a change reaches its platform: by the connectors' own way of changing, with the kill switch before it.

What is there is compared first, the change is made once, and read back where its answer was lost
(connectors/ads/writes.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.campaigns.models import Change as Intent
from apps.campaigns.models import Kind, Recommendation
from apps.campaigns.optimization import ledger, policies
from apps.integrations import outbox, services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import writes
from apps.integrations.connectors.ads.platform import (
    BudgetKind,
    Change,
    Dimension,
    Level,
    Segment,
    Status,
    Target,
)
from apps.integrations.models import AdCampaign
from apps.integrations.money import Money
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.outcomes import Kind as OutcomeKind
from apps.integrations.resilience.outcomes import Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family

EXCLUDED, REACHED = "excluded", "reached"


@dataclass(frozen=True, kw_only=True)
class Move:
    """A change in the words of the connectors: of what, to what, and what it must be like before."""

    target: Target
    wanted: Change
    before: Change


def move_of(found: Recommendation, campaign: AdCampaign, *, before: str, after: str) -> Move:
    """What a recommendation changes of a campaign, from one state to the other."""
    return Move(
        target=_target(found, campaign),
        wanted=_change(found, campaign, after),
        before=_change(found, campaign, before),
    )


def payload_of(move: Move) -> dict[str, Any]:
    """What the call carries."""
    return writes.payload_of_change(move.target, move.wanted, before=move.before)


def segment_of(target: str) -> Segment:
    """The segment that a recommendation names: dimension and value with a colon between."""
    dimension, _, value = target.partition(":")
    return Segment(Dimension(dimension), value)


def perform(client: Client, dues: Sequence[Due]) -> Answer[Any]:
    """Make the change, unless everything was stopped since it was ordered, a cap has no room for it any more,
    or it was settled: a dead letter that is sent again has given its room under the caps back.
    """
    if policies.get().stopped_at is not None:
        return _kept_here("Everything was stopped before it left.")
    mine = Intent.objects.filter(call=dues[0].call, state__in=Intent.OPEN).select_related("campaign")
    if (change := mine.first()) is None:
        return _kept_here("It was settled before. The next run looks at it anew.")
    if broken := ledger.what_is_broken(change):
        return _kept_here(broken)
    return writes.perform_change(client, dues)


def _kept_here(words: str) -> Answer[Any]:
    return Answer(outcome=Outcome(kind=OutcomeKind.REFUSED_HERE, reason=words, was_sent=False))


def _target(found: Recommendation, campaign: AdCampaign) -> Target:
    levels = {Kind.BID: Level.GROUP, Kind.CREATIVE: Level.CREATIVE}
    level = levels.get(Kind(found.kind), Level.CAMPAIGN)
    return Target(level, campaign.external_id if level == Level.CAMPAIGN else found.target)


def _change(found: Recommendation, campaign: AdCampaign, state: str) -> Change:
    if found.kind == Kind.CREATIVE:
        return Change(status=Status(state))
    if found.kind == Kind.TARGETING:
        segment = segment_of(found.target)
        return Change(exclude=segment) if state == EXCLUDED else Change(include=segment)
    amount = Money(Decimal(state), campaign.currency)
    if found.kind == Kind.BID:
        return Change(bid=amount)
    return Change(budget=amount, budget_kind=BudgetKind.DAILY)


for _service in services.of_family(Family.ADS):
    _handler = Handler(perform=perform, look_up=writes.look_up_change, news=writes.news_of_change)
    outbox.handles(_service.key, policies.OPERATION, _handler)
