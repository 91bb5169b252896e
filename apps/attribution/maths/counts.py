"""What a set of journeys comes to: all that any model, figure or interval needs, and it adds up over days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .exact import Exact
from .journeys import Floats, Ints, Journeys
from .rules import DIRECT_CHANNEL, HALF_LIFE_DAYS
from .tally import (
    COLUMNS,
    FIGURES,
    LEVELS,
    SOURCE_BITS,
    US_PER_DAY,
    VALUE_SQUARES,
    Counted,
    Tally,
    tallies,
    unit_of,
    weighers,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class SourceCredit:
    """What one model of weights gives to each source. (n_sources,) each.

    conversions, value: credit, in conversions and minor units.
    squares, value_squares: by grouping (channel, platform, campaign, creative): the sum over journeys of the
    squared credit of a group, at the place of the group's representative source; the variance of the group's
    credit when journeys come as a Poisson process.
    """

    conversions: Floats
    value: Floats
    squares: Mapping[str, Floats]
    value_squares: Mapping[str, Floats]


@dataclass(frozen=True, eq=False, kw_only=True)
class JourneyCounts:
    """Journeys of a day, or of many, counted.

    paths: distinct paths with conversions, value in minor units and nulls; the empty path holds conversions
    without a touch. value_squares: (n_paths,) sum of the squared values of a path's conversions.
    channels: names of the workspace's channels. channel_of: which of them each code of the paths stands for:
    itself, unless paths are told by how often a channel came ("email(3)").
    credit: by name of each model of weights. touches: (n_sources,) in all journeys.
    gains: (n_sources,) what the linear model gives of the values above nothing.
    days_to_convert: (n_converting,) from first touch to conversion, ascending.
    """

    paths: Journeys
    value_squares: Floats
    channels: tuple[str, ...]
    channel_of: Ints
    credit: Mapping[str, SourceCredit]
    touches: Floats
    gains: Floats
    days_to_convert: Floats

    @property
    def n_journeys(self) -> int:
        return int(self.paths.conversions.sum() + self.paths.nulls.sum())

    @property
    def conversions(self) -> int:
        return int(self.paths.conversions.sum())

    @property
    def minor(self) -> int:
        """Value in whole minor units."""
        return round(float(self.paths.value.sum()))

    @cached_property
    def channel_paths(self) -> Journeys:
        """The paths in the workspace's channels, whatever they are told in; a path may come twice."""
        return Journeys(
            channels=self.channels,
            codes=self.channel_of[self.paths.codes].astype(np.int32),
            offsets=self.paths.offsets,
            conversions=self.paths.conversions,
            value=self.paths.value,
            nulls=self.paths.nulls,
        )


def count(
    journeys: Journeys,
    *,
    told: Journeys | None = None,
    channel_of: Ints | None = None,
    source: Ints,
    groups: Mapping[str, Ints],
    half_life_days: float = HALF_LIFE_DAYS,
    direct_channel: str = DIRECT_CHANNEL,
) -> JourneyCounts:
    """Count journeys with ages and values in whole minor units.

    told, channel_of: the paths in other codes, and the channel behind each; none for the journeys' own.
    source: (n_touches,) 0 to n_sources - 1. groups: by grouping, (n_sources,) the representative of each
    source's group. Every amount is rounded as tally.py says, so that journeys counted day by day come to the
    same.
    """
    part = np.zeros(journeys.n_journeys, dtype=np.int64)
    told = told or journeys
    counted = Counted(journeys=journeys, told=told, source=source, groups=groups, part=part, parts=1)
    size = counted.n_sources
    (found,) = tallies(
        counted, labels=np.arange(size), half_life_days=half_life_days, direct_channel=direct_channel
    )
    return of_tally(
        found,
        told=told.channels,
        channels=journeys.channels,
        channel_of=np.arange(len(journeys.channels)) if channel_of is None else channel_of,
        labels=np.arange(size),
        groups=groups,
    )


def of_tally(
    tally: Tally,
    *,
    told: tuple[str, ...],
    channels: tuple[str, ...],
    channel_of: Ints,
    labels: Ints,
    groups: Mapping[str, Ints],
) -> JourneyCounts:
    """Read a tally. told: names of the codes of its paths. labels: (n_sources,) what its cells call sources.
    groups: as for `count`. Squares of a group may lie at several of its sources, since another represented it
    when they were counted: they are added up, and land at the one that does now.

    Raises ValueError for a cell of a source that has no label here.
    """
    columns = _columns(tally, labels, groups)
    credits = {model: _credit(columns, model) for model in dict.fromkeys(weighers().values())}
    return JourneyCounts(
        paths=Journeys(
            channels=told,
            codes=tally.codes.astype(np.int32),
            offsets=tally.offsets,
            conversions=tally.conversions.astype(np.float64),
            value=tally.minor.astype(np.float64),
            nulls=tally.nulls.astype(np.float64),
        ),
        value_squares=tally.squares.floats(unit=VALUE_SQUARES),
        channels=channels,
        channel_of=channel_of,
        credit={name: credits[first] for name, first in weighers().items()},
        touches=columns["", "touches"],
        gains=columns["", "gains"],
        days_to_convert=tally.durations_us / US_PER_DAY,
    )


def _columns(tally: Tally, labels: Ints, groups: Mapping[str, Ints]) -> dict[tuple[str, str], Floats]:
    """Each column as (n_sources,)."""
    order = np.argsort(labels)
    sources = tally.keys & ((1 << SOURCE_BITS) - 1)
    near = np.searchsorted(labels, sources, sorter=order)
    if (near == len(labels)).any() or (labels[order[near]] != sources).any():
        raise ValueError("a source that was counted is not there any more")
    place = order[near]
    edges = np.searchsorted(tally.keys, np.arange(len(COLUMNS) + 1) << SOURCE_BITS)
    found = {}
    for column, first, last in zip(COLUMNS, edges[:-1], edges[1:], strict=True):
        amounts = Exact(tally.amounts.high[first:last], tally.amounts.low[first:last])
        level = column[1].removesuffix(" value")
        spot = groups[level][place[first:last]] if level in groups else place[first:last]
        found[column] = amounts.sums(spot, len(labels)).floats(unit=unit_of(column[1]))
    return found


def _credit(columns: Mapping[tuple[str, str], Floats], model: str) -> SourceCredit:
    of = {figure: columns[model, figure] for figure in FIGURES}
    return SourceCredit(
        conversions=of["conversions"],
        value=of["value"],
        squares={level: of[level] for level in LEVELS},
        value_squares={level: of[f"{level} value"] for level in LEVELS},
    )
