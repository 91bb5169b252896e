"""The columns of a whole table, gathered from its batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from apps.attribution.files.cells import BadCell
from apps.attribution.files.forms import Refused
from apps.attribution.files.tables import Table
from apps.attribution.maths.journeys import Codes, Flags, Ints
from apps.attribution.maths.models import NONE

LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Text:
    """codes: (rows,) int; names: the text of each code, "" for an empty cell. Both empty for no column."""

    codes: Codes
    names: list[str]

    @property
    def is_given(self) -> Flags:
        """(rows,) is there any text?"""
        return np.array([name != "" for name in self.names], dtype=np.bool_)[self.codes]


@dataclass
class Gathered:
    """What the batches of a table held, column by column."""

    table: Table
    texts: dict[str, list[pa.Array]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0

    def fill(self, take: Callable[[Gathered, dict[str, pa.Array]], None]) -> None:
        """Take every batch; a bad cell becomes a refusal that says where it stands."""
        for batch in self.table.batches():
            try:
                take(self, batch)
            except BadCell as error:
                raise Refused(f"{self.table.place(self.rows + error.row)}: {error}") from error
            self.rows += len(next(iter(batch.values())))

    def text(self, name: str) -> Text:
        """Once: the cells are let go."""
        if not self.texts[name]:
            return Text(np.zeros(0, dtype=np.int32), [])
        whole = pa.chunked_array(self.texts.pop(name))
        whole = (
            whole.unify_dictionaries() if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
        )
        codes = np.concatenate([np.asarray(chunk.indices) for chunk in whole.chunks])
        return Text(codes, whole.chunk(0).dictionary.to_pylist())

    def number(self, name: str) -> NDArray[Any]:
        return np.concatenate(self.numbers[name]) if self.numbers[name] else np.zeros(self.rows)

    def refuse(self, row: int, why: str) -> NoReturn:
        raise Refused(f"{self.table.place(row)}: {why}")


def channels_of(
    columns: Gathered, text: Text, *, rows: Ints | None = None, offsets: Ints | None = None
) -> tuple[tuple[str, ...], Codes]:
    """The channels that these cells of the text name, sorted, and (n,) their codes.

    rows: which cells, all without. offsets: where a row of the file may hold several cells, those of row j
    run from offsets[j] up to offsets[j + 1].
    Raises Refused for a name that cannot be a channel.
    """
    code = text.codes if rows is None else text.codes[rows]
    used = np.flatnonzero(np.bincount(code, minlength=len(text.names))).tolist()
    for place in used:
        if why := _no_channel(text.names[place]):
            cell = int((code == place).argmax())
            cell = cell if rows is None else int(rows[cell])
            row = cell if offsets is None else int(np.searchsorted(offsets, cell, side="right")) - 1
            columns.refuse(row, f"channel: {why}")
    used.sort(key=text.names.__getitem__)
    rank = np.zeros(len(text.names), dtype=np.int32)
    rank[used] = np.arange(len(used))
    return tuple(text.names[place] for place in used), rank[code]


def _no_channel(name: str) -> str:
    if name == NONE:
        return f'"{NONE}" stands for conversions without a known touchpoint: call it something else'
    if not name.isprintable():
        return f"{ascii(name)[:80]} holds a character that cannot be shown"
    return f'"{name[:40]}…" is longer than {LONGEST_NAME} characters' if len(name) > LONGEST_NAME else ""
