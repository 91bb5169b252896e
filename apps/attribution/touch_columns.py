"""Touches column by column, for storing tens of thousands at a time without an object for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from apps.attribution.records import Touch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TouchColumns:
    """Aligned but for kinds. occurred_at: microseconds since 1970. kind: the place in `kinds` of a touch that
    says all the rest.
    """

    users: pa.StringArray
    anons: pa.StringArray
    events: pa.StringArray
    occurred_at: Ints
    kind: Ints
    kinds: Sequence[Touch]

    def __len__(self) -> int:
        return len(self.events)

    @classmethod
    def of(cls, touches: Sequence[Touch]) -> "TouchColumns":
        return cls(
            texts(one.user_id for one in touches),
            texts(one.anonymous_id for one in touches),
            texts(one.event_id for one in touches),
            microseconds([one.occurred_at for one in touches]),
            np.arange(len(touches)),
            touches,
        )

    def and_also(self, others: "TouchColumns") -> "TouchColumns":
        return TouchColumns(
            pa.concat_arrays([self.users, others.users]),
            pa.concat_arrays([self.anons, others.anons]),
            pa.concat_arrays([self.events, others.events]),
            np.concatenate([self.occurred_at, others.occurred_at]),
            np.concatenate([self.kind, others.kind + len(self.kinds)]),
            [*self.kinds, *others.kinds],
        )

    def taken(self, places: Any) -> "TouchColumns":
        rows = np.asarray(places, dtype=np.int64)
        return TouchColumns(
            self.users.take(rows),
            self.anons.take(rows),
            self.events.take(rows),
            self.occurred_at[rows],
            self.kind[rows],
            self.kinds,
        )


def texts(values: Any) -> pa.StringArray:
    return pa.array(values, pa.string())


def codes(column: pa.StringArray) -> tuple[list[str], Ints]:
    """The distinct texts of a column, and which of them each row has: -1 for none."""
    encoded = column.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy().astype(np.int64)


def microseconds(moments: Sequence[datetime]) -> Ints:
    return np.array([(one - EPOCH) // MICROSECOND for one in moments], dtype=np.int64)
