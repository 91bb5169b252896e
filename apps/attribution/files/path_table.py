"""Aggregated paths: how often each path converted, for how much, and how often it did not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apps.attribution.files.cells import BadCell, amounts, codes_of, plain_text, refuse, texts
from apps.attribution.files.gathered import Gathered, channels_of
from apps.attribution.files.tables import Table
from apps.attribution.maths.journeys import Flags, Ints, Journeys

SEPARATOR = ">"


def path_journeys(table: Table) -> Journeys:
    """One journey for each row, counted as often as it says."""
    paths = Gathered(table)
    paths.fill(_take_paths)
    steps = paths.text("step")
    offsets = np.concatenate([[0], np.cumsum(paths.number("length"), dtype=np.int64)])
    channels, codes = channels_of(paths, steps, offsets=offsets)
    return Journeys(
        channels=channels,
        codes=codes,
        offsets=offsets,
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
    split = pc.split_pattern(plain_text(paths, "path"), SEPARATOR)
    steps = texts(split.flatten(), "path")
    lengths = np.asarray(split.value_lengths()).astype(np.int64)
    place = steps.dictionary.index("").as_py()
    return (
        _without_untouched(steps, lengths, empty=codes_of(steps) == place) if place >= 0 else (steps, lengths)
    )


def _without_untouched(
    steps: pa.DictionaryArray, lengths: Ints, *, empty: Flags
) -> tuple[pa.DictionaryArray, Ints]:
    """An empty path was split into one empty step. Raises BadCell for an empty step among others."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    untouched = empty & (lengths[owner] == 1)
    if (empty & ~untouched).any():
        raise BadCell(
            "path", int(owner[(empty & ~untouched).argmax()]), f'has an empty step between two "{SEPARATOR}"'
        )
    lengths[owner[untouched]] = 0
    return steps.filter(pa.array(~untouched)), lengths
