"""Touches and conversions as Parquet files, and as the journeys that maths.assembly makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from apps.attribution.lenses import Lens
from apps.attribution.maths import transforms
from apps.attribution.maths.assembly import US_PER_DAY, Conversions, Touches, assemble
from apps.attribution.maths.journeys import Journeys

CHANNELS = ("direct", "display", "email", "organic search", "paid search's")
KINDS = np.array(["purchase", "sign_up"])
START_US = 1_767_225_600_000_000


@dataclass(frozen=True, kw_only=True)
class Events:
    """Columns of touches and conversions, in the order they arrived."""

    touches: dict[str, np.ndarray]
    conversions: dict[str, np.ndarray]

    def written(self, folder: Path, *, parts: int = 2) -> tuple[str, str]:
        """As Parquet files in two folders; the patterns that name them."""
        for name, columns in (("touchpoints", self.touches), ("conversions", self.conversions)):
            write(folder / name, columns, parts=parts)
        return f"{folder}/touchpoints/*.parquet", f"{folder}/conversions/*.parquet"


def write(folder: Path, columns: dict[str, np.ndarray], *, parts: int) -> None:
    folder.mkdir(parents=True)
    rows = len(columns["user_id"])
    shuffled = np.random.default_rng(1).permutation(rows)
    for part, chosen in enumerate(np.array_split(shuffled, parts)):
        table = pa.table({name: _column(name, column[chosen]) for name, column in columns.items()})
        parquet.write_table(table, folder / f"{part}.parquet")


def _column(name: str, values: np.ndarray) -> pa.Array:
    return pa.array(values, type=pa.timestamp("us", tz="UTC")) if name == "occurred_at" else pa.array(values)


def some(rng: np.random.Generator, *, people: int, touches: int, conversions: int, days: int = 200) -> Events:
    """Few moments and few people, so that much happens at once; the files' order is not the order of time."""

    def at(count: int) -> np.ndarray:
        return START_US + rng.integers(0, days * 4, count) * (US_PER_DAY // 4)

    return Events(
        touches={
            "user_id": rng.integers(0, people, touches),
            "occurred_at": at(touches),
            "channel": rng.choice(CHANNELS, touches),
            "position": np.arange(touches),
        },
        conversions={
            "user_id": rng.integers(0, people, conversions),
            "occurred_at": at(conversions),
            "conversion_type": rng.choice(KINDS, conversions),
            "value": rng.integers(0, 50_000, conversions) / 100,
            "position": np.arange(conversions),
        },
    )


def in_process(events: Events, lens: Lens, *, channels: Sequence[str] = CHANNELS) -> Journeys:
    """What maths.assembly makes of the events, with the lens's transform."""
    sold = _counted(events.conversions, lens)
    code = {name: number for number, name in enumerate(channels)}
    journeys = assemble(
        Touches(
            person=events.touches["user_id"],
            at_us=events.touches["occurred_at"],
            channel=np.array([code[name] for name in events.touches["channel"]], dtype=np.int64),
        ),
        Conversions(person=sold["user_id"], at_us=sold["occurred_at"], value=sold["value"]),
        channels=channels,
        lookback_days=lens.lookback_days,
    ).journeys
    if lens.direct == "dropped_beside_others":
        journeys = transforms.remove_if_not_all(journeys, channel="direct")
    if lens.transform == "trim":
        return transforms.trim(journeys, touches=lens.trim_touches)
    return getattr(transforms, lens.transform)(journeys)


def _counted(conversions: dict[str, np.ndarray], lens: Lens) -> dict[str, np.ndarray]:
    wanted = np.ones(len(conversions["user_id"]), dtype=np.bool_)
    if lens.conversion_types:
        wanted &= np.isin(conversions["conversion_type"], lens.conversion_types)
    found = {name: column[wanted] for name, column in conversions.items()}
    if lens.counting == "every":
        return found
    in_time = np.lexsort([found["position"], found["occurred_at"]])
    first = in_time[np.unique(found["user_id"][in_time], return_index=True)[1]]
    return {name: column[first] for name, column in found.items()}
