"""Parquet files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from apps.attribution.files.forms import Form, check, form_of
from apps.attribution.files.opening import is_packed, plain

MAGIC = b"PAR1"
BATCH_ROWS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class ParquetTable:
    """A Parquet file. names: the file's own column name for each column used."""

    path: Path
    form: Form
    names: dict[str, str]

    @classmethod
    def recognised(cls, path: Path, ignored: Collection[str]) -> ParquetTable:
        with _seekable(path) as stream:
            found = parquet.ParquetFile(stream).schema_arrow.names
        header = [name.strip().lower() for name in found]
        form = form_of(header)
        check(header, form, ignored=ignored)
        names = {name.strip().lower(): name for name in found}
        return cls(path=path, form=form, names={own: names[own] for own in form.used if own in names})

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        with _seekable(self.path) as stream:
            table = parquet.ParquetFile(stream)
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=list(self.names.values())):
                yield {own: batch.column(name) for own, name in self.names.items()}

    def place(self, row: int) -> str:
        return f"row {row + 1}"


@contextmanager
def _seekable(path: Path) -> Iterator[Any]:
    """Parquet is read from its end, so that a gzipped one is unpacked into memory."""
    with plain(path) as stream:
        yield pa.BufferReader(stream.read()) if is_packed(path) else stream
