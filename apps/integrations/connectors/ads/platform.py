"""What every ad platform can be asked, in one vocabulary; each module beside this one speaks its platform's
own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from apps.integrations.http import Response
from apps.integrations.money import Money
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

# What a connection of any of them can do.
HONEST = "Reads campaigns and daily figures; pauses, resumes and changes budgets and bids."


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class BudgetKind(StrEnum):
    DAILY = "daily"
    LIFETIME = "lifetime"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign as the platform has it. budget: None where its parts have their own."""

    id: str
    name: str
    status: Status
    budget: Money | None = None
    budget_kind: BudgetKind | None = None
    native_status: str = ""
    objective: str = ""


@dataclass(frozen=True, kw_only=True)
class NewCampaign:
    """What is wanted. tag: ours, in the name, by which a campaign of unknown fate is found again."""

    name: str
    objective: str
    budget: Money
    budget_kind: BudgetKind
    tag: str
    status: Status = Status.PAUSED
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    native: dict[str, object] = field(default_factory=dict)

    @property
    def tagged_name(self) -> str:
        return f"{self.name} {_mark(self.tag)}"


def _mark(tag: str) -> str:
    return f"[mg:{tag}]"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to be different; None leaves a thing as it is."""

    status: Status | None = None
    budget: Money | None = None
    budget_kind: BudgetKind | None = None
    bid: Money | None = None


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """What one campaign did on one day of the account's zone. A figure that the platform did not give is
    None.
    """

    campaign_id: str
    on: date
    spend: Money
    impressions: int | None = None
    clicks: int | None = None
    conversions: Decimal | None = None
    conversion_value: Decimal | None = None


class AdPlatform(Protocol):
    """A platform at a connection. Reads raise errors.ServiceError; writes answer, for the outbox to settle.

    reread_days: how far back figures still change, so that a pull starts there.
    can_validate: whether the platform checks a change without making it (`only_validate`).
    """

    reread_days: int
    can_validate: bool

    def account(self) -> str: ...
    def campaigns(self) -> Iterator[Campaign]: ...
    def find(self, tag: str) -> Campaign | None: ...
    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]": ...
    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]": ...
    def set_bid(self, group_id: str, bid: Money) -> "Answer[None]": ...
    def figures(self, since: date, until: date) -> Iterator[DayFigures]: ...


def tagged(campaigns: Iterable[Campaign], tag: str) -> Campaign | None:
    """The one that was made under a tag of ours."""
    return next((one for one in campaigns if one.name.endswith(_mark(tag))), None)


def spans(since: date, until: date, *, days: int) -> Iterator[tuple[date, date]]:
    """First and last days, of so many days at most, that together are the whole."""
    first = since
    while first <= until:
        last = min(until, first + timedelta(days=days - 1))
        yield first, last
        first = last + timedelta(days=1)


def unchecked(platform: str) -> "Answer[Any]":
    """The answer to a check alone, of a platform that has none."""
    return refused(f"{platform} checks nothing without doing it.")


def refused(reason: str) -> "Answer[Any]":
    """The answer to what this platform cannot do: it was not asked."""
    return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))


def nothing(response: Response) -> None:
    """What is read of an answer that says no more than that it was done."""
