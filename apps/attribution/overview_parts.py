"""The rows of an overview's pictures, read from the figures that a run keeps."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from apps.accounts.models import Workspace
from apps.attribution.channel_colours import CONVERTED, MISSED, ChannelName, Names
from apps.attribution.money import from_minor
from apps.attribution.questions import Query


@dataclass(frozen=True, kw_only=True)
class Bin:
    """high: None for the open last bin."""

    label: str
    low: float
    high: float | None
    conversions: int


@dataclass(frozen=True, kw_only=True)
class Spread:
    median: float | None
    mean: float | None
    bins: list[Bin]


@dataclass(frozen=True, kw_only=True)
class Link:
    """journeys that went from one place to the next. stage: 0 first to middle, 1 middle to last, 2 last to
    outcome.
    """

    stage: int
    source: ChannelName
    target: ChannelName
    journeys: int


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The part of the conversions that the chain loses without it, with its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """From one channel straight to another."""

    source: ChannelName
    target: ChannelName
    lost: Lost

    @property
    def channels(self) -> list[ChannelName]:
        return [self.source, self.target]


@dataclass(frozen=True, kw_only=True)
class PathRow:
    """lost: without journeys that begin this way; None where it was not worked out."""

    channels: list[ChannelName]
    journeys: int
    conversions: int
    revenue: Decimal
    lost: "Lost | None" = None

    @property
    def keys(self) -> list[str]:
        return [channel.key for channel in self.channels]

    @property
    def rate(self) -> float:
        return self.conversions / self.journeys


@dataclass(frozen=True, kw_only=True)
class Day:
    day: date
    conversions: int
    revenue: Decimal


def spread_of(figure: dict[str, Any], *, whole: bool) -> Spread:
    """whole: numbers are counts, so that a bin after 5 starts at 6."""
    highs: list[int | None] = [*figure["bins"], None]
    lows = [0 if not whole else 1, *(high + whole for high in figure["bins"])]
    bins = [
        Bin(label=_bin_label(low, high, whole=whole), low=low, high=high, conversions=count)
        for low, high, count in zip(lows, highs, figure["counts"], strict=True)
    ]
    return Spread(median=figure["median"], mean=figure["mean"], bins=bins)


def links_of(flow: list[list[Any]], names: Names) -> list[Link]:
    counts: dict[tuple[int, str, str], int] = {}
    for first, middle, last, converted, missed in flow:
        for step in (
            (0, first, middle, converted + missed),
            (1, middle, last, converted + missed),
            (2, last, CONVERTED, converted),
            (2, last, MISSED, missed),
        ):
            counts[step[:3]] = counts.get(step[:3], 0) + step[3]
    return [
        Link(stage=stage, source=names[source], target=names[target], journeys=journeys)
        for (stage, source, target), journeys in sorted(counts.items(), key=_stage_then_size)
        if journeys
    ]


def steps_of(rows: list[list[Any]], names: Names) -> list[StepRow]:
    return [
        StepRow(source=names[source], target=names[target], lost=Lost(share=share, low=low, high=high))
        for (source, target), share, low, high in rows
    ]


def path_of(row: list[Any], names: Names, currency: str, *, lost: list[float] | None = None) -> PathRow:
    keys, journeys, conversions, minor = row
    return PathRow(
        channels=[names[key] for key in keys],
        journeys=journeys,
        conversions=conversions,
        revenue=from_minor(minor, currency),
        lost=Lost(share=lost[0], low=lost[1], high=lost[2]) if lost else None,
    )


def days_of(rows: list[list[Any]], query: Query, workspace: Workspace) -> list[Day]:
    """Every day from the start of the period (or the first conversion) to its last conversion."""
    found = {date.fromisoformat(day): (count, minor) for day, count, minor in rows}
    if not found:
        return []
    start = query.start.astimezone(workspace.zone).date() if query.start else min(found)
    count = (max(found) - start).days + 1
    return [
        Day(day=day, conversions=orders, revenue=from_minor(minor, workspace.currency))
        for day in (start + timedelta(days=place) for place in range(count))
        for orders, minor in [found.get(day, (0, 0))]
    ]


def _bin_label(low: int, high: int | None, *, whole: bool) -> str:
    if high is None:
        return f"{low}+"
    if low == 0:
        return f"up to {high}"
    return str(low) if low == high else f"{low}\N{EN DASH}{high}"


def _stage_then_size(counted: tuple[tuple[int, str, str], int]) -> tuple[int, int]:
    (stage, _, _), journeys = counted
    return stage, -journeys
