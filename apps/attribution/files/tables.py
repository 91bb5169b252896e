"""A file as a table, told by its content and not by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from apps.attribution.files.csv_table import CsvTable
from apps.attribution.files.forms import Form, Refused
from apps.attribution.files.json_table import JsonTable
from apps.attribution.files.opening import UTF8_MARK, plain
from apps.attribution.files.parquet_table import MAGIC, ParquetTable

LONGEST_HEADER = 1 << 20


class Table(Protocol):
    """A file of one form. Batches may be read once; place(row) says where data row 0, 1, ... stands."""

    @property
    def form(self) -> Form: ...

    def batches(self) -> Iterator[dict[str, pa.Array]]: ...

    def place(self, row: int) -> str: ...


def open_table(path: Path, *, ignored: Collection[str] = ()) -> Table:
    """Recognise a file. ignored: column names to pass over. Raises Refused for what cannot be read at all."""
    if path.exists() and not path.is_file():
        raise Refused("it is a directory: name one file" if path.is_dir() else "it is not a file")
    with plain(path) as stream:
        head = stream.read(LONGEST_HEADER)
    if not head.strip():
        raise Refused("it is empty: there should be a header and rows")
    ignored = {*ignored, *(name.strip().lower() for name in ignored)}
    if head.startswith(MAGIC):
        return ParquetTable.recognised(path, ignored)
    start = head.removeprefix(UTF8_MARK).lstrip()[:1]
    if start == b"[":
        raise Refused("it is one JSON array: write one object per line (JSON Lines)")
    if start == b"{":
        return JsonTable.recognised(path, head, ignored)
    return CsvTable.recognised(path, head, ignored)
