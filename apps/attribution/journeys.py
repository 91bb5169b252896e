"""The journeys of a period: who touched what before which conversion, and who touched without one."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.attribution import loading
from apps.attribution.lenses import Lens
from apps.attribution.loading import ConversionRows, SourceTable, TouchRows
from apps.attribution.maths import transforms
from apps.attribution.maths.assembly import Assembly, Conversions, Touches, assemble
from apps.attribution.maths.counts import JourneyCounts, count
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import NONE
from apps.attribution.maths.repeats import repeats
from apps.attribution.maths.rules import DIRECT_CHANNEL, HALF_LIFE_DAYS
from apps.attribution.questions import Query

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# How often a channel came is told up to here: more is a robot.
MOST_TIMES = 999


@dataclass(frozen=True, eq=False, kw_only=True)
class JourneySet:
    """Journeys with value in whole minor units, and where their touches came from.

    source: (n_touches,) position of each touch's source in the table. at_us: (n_touches,). times:
    (n_touches,) how often the touch's channel came, where the lens tells paths by that, else 0.
    minor: (n_journeys,) the values as whole numbers, 0 without a conversion. ends_us: (n_journeys,) when each
    converted, or was last heard of. person: (n_journeys,) whose it is.
    touches_read: how many rows it took.
    """

    journeys: Journeys
    table: SourceTable
    source: Ints
    at_us: Ints
    times: Ints
    minor: Ints
    ends_us: Ints
    person: Ints
    touches_read: int

    def counts(self, *, half_life_days: float = HALF_LIFE_DAYS) -> JourneyCounts:
        """All that models and figures need."""
        told, channel_of = told_by(self.journeys, self.times)
        return count(
            self.journeys,
            told=told,
            channel_of=channel_of,
            source=self.source,
            groups=self.table.groups(),
            half_life_days=half_life_days,
        )

    def select(self, wanted: Flags) -> "JourneySet":
        """Keep some journeys."""
        touches = np.repeat(wanted, self.journeys.lengths)
        return replace(
            self,
            journeys=self.journeys.select(wanted),
            source=self.source[touches],
            at_us=self.at_us[touches],
            times=self.times[touches],
            minor=self.minor[wanted],
            ends_us=self.ends_us[wanted],
            person=self.person[wanted],
        )


def of(query: Query, *, decimals: int, expected: int = 0) -> JourneySet:
    """Load and order the journeys that the question is about: those that ended in its period, as known now.

    All of history is read: what a person did before decides where a journey starts, and a conversion after
    the period owns touches that would else seem to have led nowhere.
    """
    touches = loading.touches(start=None, end=None, expected=expected)
    table = loading.sources()  # after the touches, so that it knows the source of each
    lens = query.lens
    conversions = loading.conversions(
        start=None, end=None, conversion_types=lens.conversion_types, decimals=decimals
    )
    gathered = through(lens, touches, conversions, table)
    if query.start is None and query.end is None:
        return gathered
    wanted: Flags = np.ones(len(gathered.ends_us), dtype=np.bool_)
    if query.start is not None:
        wanted &= gathered.ends_us >= loading.microseconds(query.start)
    if query.end is not None:
        wanted &= gathered.ends_us < loading.microseconds(query.end)
    return gathered.select(wanted)


def through(lens: Lens, touches: TouchRows, conversions: ConversionRows, table: SourceTable) -> JourneySet:
    """Look at whole people through a lens. touches, conversions: all of these people's; conversions only of
    the lens's types.
    """
    if lens.counting == "once":
        conversions = _first_of_each(conversions)
    place = table.places(touches.source)
    found = _assemble(touches, conversions, table, place, lens.lookback_days)
    kept, times = _simplified(lens, found.journeys)
    idle = found.journeys.n_journeys - len(conversions.id)
    last_touch = found.touch_index[found.journeys.offsets[len(conversions.id) + 1 :] - 1]
    return JourneySet(
        journeys=found.journeys.keep(kept),
        table=table,
        source=place[found.touch_index][kept],
        at_us=touches.at_us[found.touch_index][kept],
        times=times,
        minor=np.concatenate([conversions.minor, np.zeros(idle, dtype=np.int64)]),
        ends_us=np.concatenate([conversions.at_us, touches.at_us[last_touch]]),
        person=np.concatenate([conversions.person, touches.person[last_touch]]),
        touches_read=len(touches.id),
    )


def told_by(journeys: Journeys, times: Ints) -> tuple[Journeys, Ints]:
    """The journeys in the codes in which their paths are told, "email(3)" where times says so; and the
    channel of each of those codes.
    """
    if not times.any():
        return journeys, np.arange(len(journeys.channels))
    pairs, codes = np.unique(journeys.codes * np.int64(MOST_TIMES + 1) + times, return_inverse=True)
    channel_of, often = pairs // (MOST_TIMES + 1), pairs % (MOST_TIMES + 1)
    names = (
        step_name(journeys.channels[channel], number)
        for channel, number in zip(channel_of.tolist(), often.tolist(), strict=True)
    )
    return replace(journeys, channels=tuple(names), codes=codes.astype(np.int64)), channel_of


def step_name(channel: str, times: int) -> str:
    return f"{channel}({times})" if times else channel


def channel_names(table: SourceTable) -> tuple[str, ...]:
    """Names for the maths, in which "none" is taken: a channel of that name is told apart from no touchpoint
    at all.
    """
    return tuple(f"{key} (channel)" if key == NONE else key for key in table.channels)


def _first_of_each(conversions: ConversionRows) -> ConversionRows:
    """Each person's first conversion; of one moment, the one that arrived first."""
    order = np.lexsort((conversions.id, conversions.at_us, conversions.person))
    person = conversions.person[order]
    opens = np.ones(len(order), dtype=np.bool_)
    opens[1:] = person[1:] != person[:-1]
    first = np.sort(order[opens])
    return ConversionRows(
        id=conversions.id[first],
        person=conversions.person[first],
        at_us=conversions.at_us[first],
        minor=conversions.minor[first],
    )


_KEPT: dict[str, Callable[[Lens, Journeys], Flags]] = {
    "unique": lambda lens, journeys: np.ones(journeys.n_touches, dtype=np.bool_),
    "exposure": lambda lens, journeys: transforms.changes(journeys),
    "first": lambda lens, journeys: repeats(journeys).is_first,
    "frequency": lambda lens, journeys: repeats(journeys).is_first,
    "trim": lambda lens, journeys: transforms.among_last(journeys, touches=lens.trim_touches),
}


def _simplified(lens: Lens, journeys: Journeys) -> tuple[Flags, Ints]:
    """Which touches the lens keeps, and how often each kept one's channel came where it tells that.

    Direct visits go first, so that what stood before and after one are neighbours.
    """
    wanted: Flags = np.ones(journeys.n_touches, dtype=np.bool_)
    if lens.direct == "dropped_beside_others":
        wanted = transforms.not_beside_others(journeys, channel=DIRECT_CHANNEL)
        journeys = journeys.keep(wanted)
    inner = _KEPT[lens.transform](lens, journeys)
    times = np.zeros(int(inner.sum()), dtype=np.int64)
    if lens.transform == "frequency":
        times = np.minimum(repeats(journeys).times[inner], MOST_TIMES)
    kept = wanted.copy()
    kept[wanted] = inner
    return kept, times


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
