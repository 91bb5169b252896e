"""The journeys of a period: who touched what before which conversion, and who touched without one."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from apps.attribution import loading
from apps.attribution.loading import ConversionRows, SourceTable, TouchRows
from apps.attribution.maths.assembly import Assembly, Conversions, Touches, assemble
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import NONE
from apps.attribution.questions import Query

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class JourneySet:
    """Journeys with value in whole minor units, and where their touches came from.

    source: (n_touches,) position of each touch's source in the table.
    minor: (n_journeys,) the values as whole numbers, 0 without a conversion.
    touches_read: how many rows it took.
    """

    journeys: Journeys
    table: SourceTable
    source: Ints
    minor: Ints
    touches_read: int


def of(query: Query, *, decimals: int, expected: int = 0) -> JourneySet:
    """Load and order the journeys that the question is about: those that ended in its period, as known now.

    All of history is read: what a person did before decides where a journey starts, and a conversion after
    the period owns touches that would else seem to have led nowhere.
    """
    touches = loading.touches(start=None, end=None, expected=expected)
    table = loading.sources()  # after the touches, so that it knows the source of each
    conversions = loading.conversions(
        start=None, end=None, conversion_type=query.conversion_type, decimals=decimals
    )
    place = table.places(touches.source)
    found = _assemble(touches, conversions, table, place, query.lookback_days)
    minor = np.concatenate(
        [conversions.minor, np.zeros(found.journeys.n_journeys - len(conversions.id), dtype=np.int64)]
    )
    gathered = JourneySet(
        journeys=found.journeys,
        table=table,
        source=place[found.touch_index],
        minor=minor,
        touches_read=len(touches.id),
    )
    if query.start is None and query.end is None:
        return gathered
    return _select(gathered, _ended_within(query.start, query.end, found, touches, conversions))


def channel_names(table: SourceTable) -> tuple[str, ...]:
    """Names for the maths, in which "none" is taken: a channel of that name is told apart from no touchpoint
    at all.
    """
    return tuple(f"{key} (channel)" if key == NONE else key for key in table.channels)


def _assemble(
    touches: TouchRows, conversions: ConversionRows, table: SourceTable, place: Ints, lookback_days: float
) -> Assembly:
    """Ids of people are dense enough for a counting sort once the smallest is taken off."""
    people = [ids.min() for ids in (touches.person, conversions.person) if len(ids)]
    least = min(people, default=0)
    return assemble(
        Touches(person=touches.person - least, at_us=touches.at_us, channel=table.channel_codes[place]),
        Conversions(person=conversions.person - least, at_us=conversions.at_us, value=conversions.minor),
        channels=channel_names(table),
        lookback_days=lookback_days,
    )


def _ended_within(
    start: datetime | None,
    end: datetime | None,
    found: Assembly,
    touches: TouchRows,
    conversions: ConversionRows,
) -> Flags:
    """Which journeys ended in the period: by their conversion, or by their last touch."""
    last_touch = found.touch_index[found.journeys.offsets[len(conversions.id) + 1 :] - 1]
    ends = np.concatenate([conversions.at_us, touches.at_us[last_touch]])
    wanted: Flags = np.ones(len(ends), dtype=np.bool_)
    if start is not None:
        wanted &= ends >= loading.microseconds(start)
    if end is not None:
        wanted &= ends < loading.microseconds(end)
    return wanted


def _select(gathered: JourneySet, wanted: Flags) -> JourneySet:
    return replace(
        gathered,
        journeys=gathered.journeys.select(wanted),
        source=gathered.source[np.repeat(wanted, gathered.journeys.lengths)],
        minor=gathered.minor[wanted],
    )
