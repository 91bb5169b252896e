"""How a change reaches its platform: looked at first, made once, looked at again where the answer was lost.

The kill switch is asked in the last moment before the call. A platform that no longer has what was to be
changed is left alone. Nothing is ever sent twice: a change of unknown fate is read back (`look_up`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from apps.campaigns.models import Change, Kind
from apps.campaigns.optimization import policies
from apps.integrations import errors, outbox, services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platform as ads
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import AdPlatform, Dimension, Segment, Status
from apps.integrations.money import Money
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.outcomes import Kind as OutcomeKind
from apps.integrations.resilience.outcomes import Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family

OF_MONEY = {Kind.BUDGET, Kind.BUDGET_TEST, Kind.BID}
REACHED, EXCLUDED = "reached", "excluded"
GONE = "gone"


def perform(client: Client, dues: Sequence[Due]) -> Answer[Any]:
    """Make the change that the call speaks of, if it still is to be made and what is there is what it was."""
    [due] = dues
    change = _change_of(due)
    if change is None:
        return _not_sent("There is no such change any more.")
    if policies.get().stopped_at is not None:
        return _not_sent("Everything was stopped before it left.")
    platform = platforms.of(client)
    try:
        there = state_of(platform, change)
    except errors.ServiceError as error:
        return Answer(outcome=error.outcome)
    except ads.CannotSay as reason:
        return _not_sent(str(reason))
    if _is(change, there, change.after):
        return Answer(outcome=Outcome(kind=OutcomeKind.OK, was_sent=False, reason="It was so already."))
    if not _is(change, there, change.before):
        return _not_sent(f"Somebody changed it meanwhile: the platform has {there}, not {change.before}.")
    return _made(send(platform, change))


def look_up(client: Client, due: Due) -> Outcome:
    """What became of it, by what the platform has now."""
    change = _change_of(due)
    if change is None:
        return Outcome(kind=OutcomeKind.REFUSED_HERE, reason="There is no such change any more.")
    try:
        there = state_of(platforms.of(client), change)
    except errors.ServiceError as error:
        return error.outcome
    except ads.CannotSay as reason:
        return Outcome(kind=OutcomeKind.UNKNOWN, reason=str(reason))
    if _is(change, there, change.after):
        return Outcome(kind=OutcomeKind.OK)
    if _is(change, there, change.before):
        return Outcome(kind=OutcomeKind.PERMANENT_DATA, reason="The platform did not do it.")
    words = f"The platform has {there}: neither what was there before nor what was wanted."
    return Outcome(kind=OutcomeKind.REFUSED_HERE, reason=words)


def state_of(platform: AdPlatform, change: Change) -> str:
    """What the platform has now of what is to be changed. Raises ServiceError, CannotSay."""
    found = change.recommendation
    if found.kind == Kind.BID:
        group = platform.read_group(found.target)
        return GONE if group is None or group.bid is None else str(group.bid.amount)
    if found.kind == Kind.CREATIVE:
        creative = platform.read_creative(found.target)
        return GONE if creative is None else creative.status.value
    if found.kind == Kind.TARGETING:
        is_excluded = platform.is_excluded(change.campaign.external_id, segment_of(found.target))
        return EXCLUDED if is_excluded else REACHED
    campaign = platform.read(change.campaign.external_id)
    return GONE if campaign is None or campaign.budget is None else str(campaign.budget.amount)


def send(platform: AdPlatform, change: Change, *, only_validate: bool = False) -> "Answer[None]":
    """Make the change, or have the platform check it alone."""
    found, after = change.recommendation, change.after
    if found.kind == Kind.CREATIVE:
        return platform.change_creative(found.target, Status(after), only_validate=only_validate)
    if found.kind == Kind.BID:
        wanted = ads.Change(bid=Money(Decimal(after), found.currency))
        return platform.change_group(found.target, wanted, only_validate=only_validate)
    return platform.change(change.campaign.external_id, wanted_of(change), only_validate=only_validate)


def wanted_of(change: Change) -> ads.Change:
    """A change of a campaign, in the words of the connectors."""
    found = change.recommendation
    if found.kind == Kind.TARGETING:
        segment = segment_of(found.target)
        return ads.Change(exclude=segment) if change.after == EXCLUDED else ads.Change(include=segment)
    return ads.Change(
        budget=Money(Decimal(change.after), change.campaign.currency), budget_kind=ads.BudgetKind.DAILY
    )


def segment_of(target: str) -> Segment:
    """The segment that a recommendation names: dimension and value with a colon between."""
    dimension, _, value = target.partition(":")
    return Segment(Dimension(dimension), value)


def _is(change: Change, there: str, wanted: str) -> bool:
    if there == GONE or change.recommendation.kind not in OF_MONEY:
        return there == wanted
    return Decimal(there) == Decimal(wanted)


def _made(answer: "Answer[None]") -> Answer[Any]:
    """A write whose answer came half is of unknown fate, and read back."""
    if answer.outcome.kind == OutcomeKind.PARTIAL:
        return Answer(outcome=Outcome(kind=OutcomeKind.UNKNOWN, reason=answer.outcome.reason))
    return answer


def _not_sent(reason: str) -> Answer[Any]:
    return Answer(outcome=Outcome(kind=OutcomeKind.REFUSED_HERE, reason=reason, was_sent=False))


def _change_of(due: Due) -> Change | None:
    rows = Change.objects.select_related("campaign__connection", "recommendation")
    found: Change | None = rows.filter(public_id=(due.payload or {}).get("change")).first()
    return found


for _service in services.of_family(Family.ADS):
    outbox.handles(_service.key, policies.OPERATION, Handler(perform=perform, look_up=look_up))
