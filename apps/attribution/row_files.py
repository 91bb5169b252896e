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
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from apps.accounts.errors import DomainError

PARQUET_MAGIC, GZIP_MAGIC = b"PAR1", b"\x1f\x8b"
MAX_ROW_CHARACTERS = 1_000_000
MAX_COLUMNS = 1_000
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


def rows(path: Path) -> Iterator[Row]:
    """Read the file from its start.

    The format is told by its content. Raises UnreadableFile for the file as a whole.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
            raw.seek(0)
            if head == PARQUET_MAGIC:
                yield from _parquet(raw)
            else:
                packed = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
                yield from _texts(packed if head.startswith(GZIP_MAGIC) else raw)
    except (OSError, EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowException) as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error}.") from error


def columns(path: Path) -> list[str]:
    """The names that the first row has."""
    first = next(rows(path), None)
    if first is None:
        raise UnreadableFile(f"{path.name} holds no rows.")
    return list(first.values)


def _texts(plain: IO[bytes]) -> Iterator[Row]:
    text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
    start = text.read(HEAD_CHARACTERS).lstrip()[:1]
    text.seek(0)
    yield from _json_lines(_Lines(text)) if start == "{" else _csv(_Lines(text))


class _Lines:
    """The lines of a file: a small packed file may hold one that fills the memory.

    left: how many characters may still come before the row ends. Who reads a row says `row_over`.
    """

    def __init__(self, text: IO[str]) -> None:
        self.text, self.left = text, MAX_ROW_CHARACTERS

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.text.readline(self.left + 1)
        self.left -= len(line)
        if not line:
            raise StopIteration
        if self.left < 0:
            raise UnreadableFile(f"The file holds a row of more than {MAX_ROW_CHARACTERS:,} characters.")
        return line

    def row_over(self) -> None:
        self.left = MAX_ROW_CHARACTERS


def _json_lines(text: _Lines) -> Iterator[Row]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line, content in enumerate(text, start=1):
        text.row_over()
        if not content.strip():
            continue
        try:
            yield Row(line, decode(content.encode("utf-8", "surrogateescape")))
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            yield Row(line, {"line": content[:500].rstrip("\n")}, f"This line is not a JSON object: {error}")


def _csv(text: _Lines) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        line = reader.line_num + 1
        text.row_over()
        for cells in reader:
            text.row_over()
            if cells:
                yield _csv_row(line, header, cells)
            line = reader.line_num + 1
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
