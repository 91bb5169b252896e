"""CSV files; also with semicolons, tabs or bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from apps.attribution.files.forms import Form, Refused, check, form_of
from apps.attribution.files.opening import LONGEST_LINE, UTF8_MARK, is_packed, plain

BLOCK_BYTES = 1 << 20
_REPEATING = ("kind", "channel", "currency")
_TEXT, _CODES = pa.string(), pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """A CSV file. header: its column names, lower-case."""

    path: Path
    form: Form
    header: tuple[str, ...]
    delimiter: str

    @classmethod
    def recognised(cls, path: Path, head: bytes, ignored: Collection[str]) -> CsvTable:
        line = head.removeprefix(UTF8_MARK).splitlines()[0]
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise Refused(f"line 1 is not UTF-8 (byte {error.start + 1}): save the file as UTF-8") from error
        delimiter = max(",;\t|", key=text.count)
        header = tuple(name.strip().lower() for name in next(csv.reader([text], delimiter=delimiter), []))
        if not any(header):
            raise Refused("line 1 is empty: it should name the columns")
        try:
            form = form_of(header)
            check(header, form, ignored=ignored)
        except Refused as error:
            raise Refused(f"line 1: {error}") from error
        return cls(path=path, form=form, header=header, delimiter=delimiter)

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        wanted = [name for name in self.header if name in self.form.used]
        types = {name: _CODES if name in _REPEATING else _TEXT for name in wanted}
        with pa.input_stream(str(self.path), compression="gzip" if is_packed(self.path) else None) as stream:
            try:
                yield from self._arrow_batches(stream, types)
            except pa.ArrowInvalid as error:
                raise Refused(self._why_not() or str(error).splitlines()[0][:300]) from error

    def _arrow_batches(self, stream: Any, types: dict[str, pa.DataType]) -> Iterator[dict[str, pa.Array]]:
        reader = arrow_csv.open_csv(
            stream,
            read_options=arrow_csv.ReadOptions(
                block_size=BLOCK_BYTES, column_names=self.header, skip_rows=1, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[]
            ),
        )
        for batch in reader:
            yield dict(zip(batch.schema.names, batch.columns, strict=True))

    def place(self, row: int) -> str:
        with plain(self.path) as stream:
            for number, (line, _) in enumerate(self._rows(stream)):
                if number == row:
                    return f"line {line}"
        return f"row {row + 1}"

    def _why_not(self) -> str:
        """The first line that breaks the table, found slowly because the fast reader does not say."""
        with plain(self.path) as stream:
            for line, content in enumerate(stream, start=1):
                try:
                    content.decode()
                except UnicodeDecodeError as error:
                    return f"line {line} is not UTF-8 (byte {error.start + 1}): save the file as UTF-8"
        with plain(self.path) as stream:
            for line, cells in self._rows(stream):
                if len(cells) != len(self.header):
                    sizes = f"{len(cells)} cells, the header {len(self.header)}"
                    return f"line {line} has {sizes}: check its commas and quotes"
        return ""

    def _rows(self, stream: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
        """(the line it starts on, cells) of every data row; empty lines are no rows."""
        csv.field_size_limit(LONGEST_LINE)
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        reader = csv.reader(text, delimiter=self.delimiter)
        next(reader, None)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
