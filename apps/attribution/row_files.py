"""Rows of a file of events, one dict each, with the line it stands on.

CSV, JSON Lines or Parquet, also gzipped.
"""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from apps.accounts.errors import DomainError

PARQUET_MAGIC, GZIP_MAGIC = b"PAR1", b"\x1f\x8b"
MAX_ROW_CHARACTERS = 1_000_000
MAX_COLUMNS = 1_000
READ_CHARACTERS = 1 << 18
# Where a file that begins with blanks must have begun.
HEAD_CHARACTERS = 4_096


class UnreadableFile(DomainError):
    code = "unreadable_file"
    status = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    The line it starts on (1 is the first; a CSV header counts) and its values, or why it cannot be read.
    """

    line: int
    values: dict[str, Any]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts that have every column, side by side: cells[place] is of the row on lines[place]."""

    names: list[str]
    lines: list[int]
    cells: list[list[str]]

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, place: int) -> Row:
        return Row(self.lines[place], dict(zip(self.names, self.cells[place], strict=True)))


def rows(path: Path) -> Iterator[Row]:
    """Read the file from its start.

    The format is told by its content. Raises UnreadableFile for the file as a whole.
    """
    for block in blocks(path, size=1_000):
        if isinstance(block, Table):
            yield from map(block.row, range(len(block)))
        else:
            yield from block


def blocks(path: Path, *, size: int) -> Iterator[Table | list[Row]]:
    """The same, up to `size` rows at a time: as a table where the format and the rows allow it."""
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
            raw.seek(0)
            if head == PARQUET_MAGIC:
                yield from _in_blocks(_parquet(raw), size)
            else:
                packed = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
                yield from _texts(packed if head.startswith(GZIP_MAGIC) else raw, size)
    except (OSError, EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowException) as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error}.") from error


def columns(path: Path) -> list[str]:
    """The names that the first row has."""
    first = next(rows(path), None)
    if first is None:
        raise UnreadableFile(f"{path.name} holds no rows.")
    return list(first.values)


def _in_blocks(source: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while block := list(islice(source, size)):
        yield block


def _texts(plain: IO[bytes], size: int) -> Iterator[Table | list[Row]]:
    text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
    start = text.read(HEAD_CHARACTERS).lstrip()[:1]
    text.seek(0)
    if start == "{":
        yield from _in_blocks(_json_lines(_Lines(text)), size)
    else:
        yield from _csv(_Lines(text), size)


class _Lines:
    """The lines of a file: a small packed file may hold one that fills the memory.

    left: how many characters may still come before the row ends, to within a part that is read at once. Who
    reads a row sets it anew.
    """

    def __init__(self, text: IO[str]) -> None:
        self.text, self.left = text, MAX_ROW_CHARACTERS

    def __iter__(self) -> Iterator[str]:
        begun = ""
        while part := self.text.read(READ_CHARACTERS):
            *whole, begun = io.StringIO(begun + part, newline="").readlines()
            if self.left > READ_CHARACTERS:
                self.left -= len(part)
                yield from whole
            else:
                yield from map(self._taken, whole)
            if len(begun) > MAX_ROW_CHARACTERS:
                self._taken(begun)
        yield from map(self._taken, io.StringIO(begun, newline="").readlines())

    def _taken(self, line: str) -> str:
        self.left -= len(line)
        if self.left < 0:
            raise UnreadableFile(f"The file holds a row of more than {MAX_ROW_CHARACTERS:,} characters.")
        return line


def _json_lines(text: _Lines) -> Iterator[Row]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line, content in enumerate(text, start=1):
        text.left = MAX_ROW_CHARACTERS
        if not content.strip():
            continue
        try:
            yield Row(line, decode(content.encode("utf-8", "surrogateescape")))
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            yield Row(line, {"line": content[:500].rstrip("\n")}, f"This line is not a JSON object: {error}")


def _csv(text: _Lines, size: int) -> Iterator[Table | list[Row]]:
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        line, width = reader.line_num + 1, len(header)
        text.left = MAX_ROW_CHARACTERS
        table = Table(header, [], [])
        for cells in reader:
            text.left = MAX_ROW_CHARACTERS
            if len(cells) == width:
                table.lines.append(line)
                table.cells.append(cells)
                if len(table) == size:
                    yield table
                    table = Table(header, [], [])
            elif cells:
                if len(table):
                    yield table
                    table = Table(header, [], [])
                yield [_csv_row(line, header, cells)]
            line = reader.line_num + 1
        if len(table):
            yield table
    except csv.Error as error:
        raise UnreadableFile(
            f"Line {reader.line_num}: {error}. Check the quotes of this CSV file."
        ) from error


def _check_header(header: list[str]) -> None:
    if not any(header):
        raise UnreadableFile("The file is empty. Its first line should name the columns.")
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(f"Line 1 names {len(header):,} columns; a file may have {MAX_COLUMNS:,}.")
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    if twice:
        raise UnreadableFile(f"Line 1 names {', '.join(map(repr, twice))} twice. Rename one of the columns.")


def _csv_row(line: int, header: list[str], cells: list[str]) -> Row:
    values = dict(zip(header, cells, strict=False))
    if len(cells) > len(header):
        return Row(line, values, f"This row has {len(cells)} cells, the header {len(header)}.")
    return Row(line, values)


def _parquet(raw: IO[bytes]) -> Iterator[Row]:
    line = 0
    for batch in pq.ParquetFile(raw).iter_batches(batch_size=20_000):
        for values in batch.to_pylist():
            line += 1
            yield Row(line, values)
