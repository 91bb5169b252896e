"""Touches column by column, for storing tens of thousands at a time without an object for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from apps.attribution.records import Touch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class TouchColumns:
    """Aligned. occurred_at: microseconds since 1970. likes: a touch that says all the rest."""

    user_ids: Sequence[str | None]
    anonymous_ids: Sequence[str | None]
    event_ids: Sequence[str]
    occurred_at: NDArray[np.int64]
    likes: Sequence[Touch]

    def __len__(self) -> int:
        return len(self.event_ids)

    @property
    def pairs(self) -> list[tuple[str | None, str | None]]:
        return list(zip(self.user_ids, self.anonymous_ids, strict=True))

    @classmethod
    def of(cls, touches: Sequence[Touch]) -> "TouchColumns":
        return cls(
            [one.user_id for one in touches],
            [one.anonymous_id for one in touches],
            [one.event_id for one in touches],
            microseconds([one.occurred_at for one in touches]),
            touches,
        )

    def and_also(self, others: "TouchColumns") -> "TouchColumns":
        return TouchColumns(
            [*self.user_ids, *others.user_ids],
            [*self.anonymous_ids, *others.anonymous_ids],
            [*self.event_ids, *others.event_ids],
            np.concatenate([self.occurred_at, others.occurred_at]),
            [*self.likes, *others.likes],
        )

    def taken(self, places: Sequence[int]) -> "TouchColumns":
        return TouchColumns(
            [self.user_ids[place] for place in places],
            [self.anonymous_ids[place] for place in places],
            [self.event_ids[place] for place in places],
            self.occurred_at[np.asarray(places, dtype=np.int64)],
            [self.likes[place] for place in places],
        )


def microseconds(moments: Sequence[datetime]) -> NDArray[np.int64]:
    return np.array([(one - EPOCH) // MICROSECOND for one in moments], dtype=np.int64)
