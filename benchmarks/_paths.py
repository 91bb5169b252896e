"""Journeys as aggregated paths: 10 channels, 4 touches on average, a fifth converts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from benchmarks._logs import CHANNELS, WEIGHTS

COLUMNS = {"total_conversions": "converted", "total_conversion_value": "value", "total_null": "lost"}


def write_paths(path: Path, *, journeys: int, seed: int = 1) -> int:
    """The columns that `attribute` and ChannelAttribution both document. Answers how many paths differ."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(0.25, journeys)
    converted = rng.random(journeys) < 0.1 + 0.1 * np.minimum(lengths, 8) / 4
    value = np.where(converted, np.round(np.exp(rng.normal(4, 0.8, journeys)), 2), 0.0)
    table = pa.table(
        {
            "path": list(_texts(rng, lengths)),
            "converted": converted.astype(np.int64),
            "value": value,
            "lost": (~converted).astype(np.int64),
        }
    )
    merged = table.group_by("path").aggregate([(name, "sum") for name in COLUMNS.values()])
    named = {column: merged[f"{name}_sum"] for column, name in COLUMNS.items()}
    arrow_csv.write_csv(pa.table({"path": merged["path"], **named}), path)
    return merged.num_rows


def _texts(rng: np.random.Generator, lengths: np.ndarray) -> Iterator[str]:
    names = CHANNELS[rng.choice(len(CHANNELS), int(lengths.sum()), p=WEIGHTS)].tolist()
    ends = np.cumsum(lengths).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        yield " > ".join(names[start:end])
