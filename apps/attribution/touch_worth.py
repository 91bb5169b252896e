"""What single touches earned: each touch's part of the conversions that it led to."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from apps.attribution import loading
from apps.attribution.lenses import Lens
from apps.attribution.loading import ConversionRows
from apps.attribution.maths.assembly import Conversions, Touches, assemble

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Worth:
    """id: (n,) of touches, ascending. linear: (n,) minor units where every touch of a journey earns the same;
    last: (n,) where the last touch earns all.
    """

    id: Ints
    linear: Floats
    last: Floats

    def of(self, ids: Ints) -> tuple[Floats, Floats]:
        """Linear and last-touch worth of touches; 0 of those that led to nothing."""
        if not len(self.id):
            return np.zeros(len(ids)), np.zeros(len(ids))
        place = np.minimum(np.searchsorted(self.id, ids), len(self.id) - 1)
        known = self.id[place] == ids
        return np.where(known, self.linear[place], 0.0), np.where(known, self.last[place], 0.0)


def of_touches(lens: Lens, *, start: datetime | None, decimals: int, expected: int = 0) -> Worth:
    """Worth of all touches, over the conversions since `start` that the lens counts, in its look-back.

    Paths are taken as they are: which touches a lens would drop from them depends on the channels that are
    about to change.
    """
    touches = loading.touches(start=None, end=None, expected=expected)
    bought = _counted(lens, start, decimals)
    if not len(bought.id) or not len(touches.id):
        return Worth(id=touches.id, linear=np.zeros(len(touches.id)), last=np.zeros(len(touches.id)))
    least = min(touches.person.min(), bought.person.min())
    found = assemble(
        Touches(
            person=touches.person - least,
            at_us=touches.at_us,
            channel=np.zeros(len(touches.id), dtype=np.int64),
        ),
        Conversions(person=bought.person - least, at_us=bought.at_us, value=bought.minor),
        channels=("any",),
        lookback_days=lens.lookback_days,
    )
    offsets = found.journeys.offsets[: len(bought.id) + 1]
    lengths = np.diff(offsets)
    owned = found.touch_index[: offsets[-1]]
    share = np.repeat(bought.minor / np.maximum(lengths, 1), lengths)
    ends = found.touch_index[offsets[1:][lengths > 0] - 1]
    size = len(touches.id)
    return Worth(
        id=touches.id,
        linear=np.bincount(owned, weights=share, minlength=size).astype(np.float64),
        last=np.bincount(ends, weights=bought.minor[lengths > 0], minlength=size).astype(np.float64),
    )


def _counted(lens: Lens, start: datetime | None, decimals: int) -> ConversionRows:
    """The conversions since `start` that count; which of a person's is the first is asked of all time."""
    found = loading.conversions(
        start=None, end=None, conversion_types=lens.conversion_types, decimals=decimals
    )
    wanted = np.ones(len(found.id), dtype=np.bool_)
    if lens.counting == "once":
        order = np.lexsort((found.id, found.at_us, found.person))
        wanted[order[1:]] = np.diff(found.person[order]) != 0
    if start is not None:
        wanted &= found.at_us >= loading.microseconds(start)
    return ConversionRows(
        id=found.id[wanted],
        person=found.person[wanted],
        at_us=found.at_us[wanted],
        minor=found.minor[wanted],
    )
