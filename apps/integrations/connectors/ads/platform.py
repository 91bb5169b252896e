"""What every ad platform can be asked, in one vocabulary; each module beside this one speaks its platform's
own.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
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
# And of those whose ads and segments are read.
HONEST_WITH_PARTS = (
    "Reads campaigns, ads and daily figures, also by device, region, hour, age and placement; pauses,"
    " resumes, changes budgets and bids, and leaves out some segments."
)


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class BudgetKind(StrEnum):
    DAILY = "daily"
    LIFETIME = "lifetime"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign as the platform has it. budget: None where its parts have their own. bid: only where it is
    the campaign's.
    """

    id: str
    name: str
    status: Status
    budget: Money | None = None
    budget_kind: BudgetKind | None = None
    bid: Money | None = None
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


class Level(StrEnum):
    """At what a change is aimed. GROUP: an ad set, an ad group, a line item. CREATIVE: an ad."""

    CAMPAIGN = "campaign"
    GROUP = "group"
    CREATIVE = "creative"


@dataclass(frozen=True)
class Target:
    """What is to be changed, by the platform's own id."""

    level: Level
    id: str


class Dimension(StrEnum):
    DEVICE = "device"
    REGION = "region"
    HOUR = "hour"
    AGE = "age"
    PLACEMENT = "placement"


@dataclass(frozen=True)
class Segment:
    """Some of the people that a campaign reaches. value: as SegmentDay has it."""

    dimension: Dimension
    value: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to be different; None leaves a thing as it is. exclude, include: a segment of a campaign's
    people, left out or reached again; at most one of them.
    """

    status: Status | None = None
    budget: Money | None = None
    budget_kind: BudgetKind | None = None
    bid: Money | None = None
    exclude: Segment | None = None
    include: Segment | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """An ad set or ad group as the platform has it. bid: None where it bids by itself."""

    id: str
    campaign_id: str
    name: str
    status: Status
    bid: Money | None = None
    bid_strategy: str = ""
    budget: Money | None = None
    budget_kind: BudgetKind | None = None


@dataclass(frozen=True, kw_only=True)
class Creative:
    """An ad as the platform has it."""

    id: str
    campaign_id: str
    name: str
    status: Status
    group_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What something did on one day of the account's zone. A figure that the platform did not give is
    None.
    """

    on: date
    spend: Money
    impressions: int | None = None
    clicks: int | None = None
    conversions: Decimal | None = None
    conversion_value: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class DayFigures(Figures):
    campaign_id: str


@dataclass(frozen=True, kw_only=True)
class CreativeDay(Figures):
    """frequency: how often one person saw the ad that day, on average."""

    creative_id: str
    reach: int | None = None
    frequency: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class SegmentDay(Figures):
    """label: of the segment for people, where the platform's own value is a number."""

    campaign_id: str
    segment: Segment
    label: str = ""


class AdPlatform(Protocol):
    """A platform at a connection. Reads raise errors.ServiceError; writes answer, for the outbox to settle.

    reread_days: how far back figures still change, so that a pull starts there.
    can_validate: whether the platform checks a change without making it (`only_validate`).
    dimensions: by which it tells a campaign's figures apart.
    excludes: of which of these a segment can be left out from here; others are refused with the reason.

    A change of unknown fate is never repeated here: what became of it is read back (writes.py).
    """

    reread_days: int
    can_validate: bool
    dimensions: frozenset[Dimension]
    excludes: frozenset[Dimension]

    def account(self) -> str: ...
    def campaigns(self) -> Iterator[Campaign]: ...
    def groups(self) -> Iterator[Group]: ...
    def creatives(self) -> Iterator[Creative]: ...
    def find(self, tag: str) -> Campaign | None: ...
    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]": ...
    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]": ...
    def change_group(
        self, group_id: str, change: Change, *, only_validate: bool = False
    ) -> "Answer[None]": ...
    def change_creative(
        self, creative_id: str, status: Status, *, only_validate: bool = False
    ) -> "Answer[None]": ...
    def read(self, campaign_id: str) -> Campaign | None: ...
    def read_group(self, group_id: str) -> Group | None: ...
    def read_creative(self, creative_id: str) -> Creative | None: ...
    def is_excluded(self, campaign_id: str, segment: Segment) -> bool:
        """Whether none of the campaign's ads reach the segment. Raises CannotSay where it cannot be read."""
        ...

    def figures(self, since: date, until: date) -> Iterator[DayFigures]: ...
    def creative_figures(self, since: date, until: date) -> Iterator[CreativeDay]: ...
    def segment_figures(self, since: date, until: date, dimension: Dimension) -> Iterator[SegmentDay]: ...


class CannotSay(Exception):
    """The platform does not tell this, now or ever."""


class WithoutParts(ABC):
    """The part of AdPlatform that a platform lacks whose ads and segments cannot be read from here."""

    name: str
    dimensions: frozenset[Dimension] = frozenset()
    excludes: frozenset[Dimension] = frozenset()

    @abstractmethod
    def campaigns(self) -> Iterator[Campaign]: ...

    def read(self, campaign_id: str) -> Campaign | None:
        return next((one for one in self.campaigns() if one.id == campaign_id), None)

    def groups(self) -> Iterator[Group]:
        return iter(())

    def creatives(self) -> Iterator[Creative]:
        return iter(())

    def creative_figures(self, since: date, until: date) -> Iterator[CreativeDay]:
        return iter(())

    def segment_figures(self, since: date, until: date, dimension: Dimension) -> Iterator[SegmentDay]:
        return iter(())

    def change_creative(
        self, creative_id: str, status: Status, *, only_validate: bool = False
    ) -> "Answer[None]":
        return refused(f"Ads at {self.name} are paused at {self.name}; from here only campaigns are.")

    def read_group(self, group_id: str) -> Group | None:
        raise CannotSay(f"The groups of {self.name} are not read.")

    def read_creative(self, creative_id: str) -> Creative | None:
        raise CannotSay(f"The ads of {self.name} are not read.")

    def is_excluded(self, campaign_id: str, segment: Segment) -> bool:
        raise CannotSay(f"The targeting of {self.name} is not read.")


def tagged(campaigns: Iterable[Campaign], tag: str) -> Campaign | None:
    """The one that was made under a tag of ours."""
    return next((one for one in campaigns if one.name.endswith(_mark(tag))), None)


def merged(days: Iterable[SegmentDay]) -> list[SegmentDay]:
    """Each segment's days once: platforms tell some of them in parts."""
    kept: dict[tuple[str, str, date], SegmentDay] = {}
    for one in days:
        key = (one.campaign_id, one.segment.value, one.on)
        kept[key] = _added(kept[key], one) if key in kept else one
    return list(kept.values())


def _added(one: SegmentDay, other: SegmentDay) -> SegmentDay:
    spend = Money(one.spend.amount + other.spend.amount, one.spend.currency)
    names = ("impressions", "clicks", "conversions", "conversion_value")
    pairs = {name: [getattr(one, name), getattr(other, name)] for name in names}
    sums = {name: sum(known) for name, both in pairs.items() if (known := [x for x in both if x is not None])}
    return replace(one, spend=spend, **sums)


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


def not_here(platform: str, change: Change) -> "Answer[Any] | None":
    """The answer where a change is one that this platform's connector does not make."""
    if segment := change.exclude or change.include:
        return refused(f"Whom a campaign reaches is set at {platform}: {segment.dimension} {segment.value}.")
    return None


def refused(reason: str) -> "Answer[Any]":
    """The answer to what this platform cannot do: it was not asked."""
    return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))


def after(done: str, answer: "Answer[Any]") -> "Answer[Any]":
    """The answer of a later step that went wrong, with what was done before it."""
    reason = f"{done}, then: {answer.outcome.reason}"[:300]
    return replace(answer, outcome=replace(answer.outcome, reason=reason))


def nothing(response: Response) -> None:
    """What is read of an answer that says no more than that it was done."""
