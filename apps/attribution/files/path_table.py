"""Aggregated paths: how often each path converted, for how much, and how often it did not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apps.attribution.files.cells import BadCell, amounts, codes_of, refuse, texts
from apps.attribution.files.gathered import Gathered, channels_of
from apps.attribution.files.tables import Table
from apps.attribution.maths.journeys import Ints, Journeys

SEPARATOR = ">"


def path_journeys(table: Table) -> Journeys:
    """One journey for each row, counted as often as it says."""
    paths = Gathered(table)
    paths.fill(_take_paths)
    steps = paths.text("step")
    lengths = paths.number("length").astype(np.int64)
    owner = np.repeat(np.arange(paths.rows), lengths)
    channels, codes = channels_of(paths, steps, rows=np.arange(len(steps.codes)), owner=owner)
    return Journeys(
        channels=channels,
        codes=codes.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        conversions=paths.number("total_conversions"),
        value=paths.number("total_conversion_value"),
        nulls=paths.number("total_null"),
    )


def _take_paths(paths: Gathered, batch: dict[str, pa.Array]) -> None:
    steps, lengths = _split(batch["path"])
    paths.texts["step"].append(steps)
    paths.numbers["length"].append(lengths)
    found = {name: amounts(batch[name], name) for name in batch if name != "path"}
    for name, numbers in found.items():
        paths.numbers[name].append(numbers)
    if "total_conversion_value" in found:
        worth, sold = found["total_conversion_value"], found["total_conversions"]
        refuse(
            (worth > 0) & (sold == 0), "total_conversion_value", "has no conversion: total_conversions is 0"
        )


def _split(paths: pa.Array) -> tuple[pa.DictionaryArray, Ints]:
    """The steps of all paths, end to end, and (rows,) how many each has; an empty path has none."""
    whole = texts(paths, "path")
    split = pc.split_pattern(whole.dictionary.take(whole.indices), SEPARATOR)
    steps = texts(split.flatten(), "path")
    lengths = np.asarray(split.value_lengths()).astype(np.int64)
    place = steps.dictionary.index("").as_py()
    empty = codes_of(steps) == place if place >= 0 else np.zeros(len(steps), dtype=np.bool_)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    untouched = empty & (lengths[owner] == 1)
    if (empty & ~untouched).any():
        raise BadCell(
            "path", int(owner[(empty & ~untouched).argmax()]), f'has an empty step between two "{SEPARATOR}"'
        )
    lengths[owner[untouched]] = 0
    return steps.filter(pa.array(~untouched)), lengths
