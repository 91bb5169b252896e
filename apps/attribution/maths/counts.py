"""What a set of journeys comes to: all that any model, figure or interval needs, and it adds up over days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .journeys import Floats, Journeys


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
    credit: by name of each model of weights. touches: (n_sources,) in all journeys.
    days_to_convert: (n_converting,) from first touch to conversion, ascending.
    """

    paths: Journeys
    value_squares: Floats
    credit: Mapping[str, SourceCredit]
    touches: Floats
    days_to_convert: Floats
