"""Rows of a file of events, one dict each, with the line it stands on.

CSV, JSON Lines or Parquet, also gzipped.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from apps.accounts.errors import DomainError

PARQUET_MAGIC, GZIP_MAGIC = b"PAR1", b"\x1f\x8b"
MAX_LINE_CHARACTERS = 1_000_000


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
    except (OSError, EOFError, gzip.BadGzipFile, pa.ArrowException) as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error}.") from error


def columns(path: Path) -> list[str]:
    """The names that the first row has."""
    first = next(rows(path), None)
    if first is None:
        raise UnreadableFile(f"{path.name} holds no rows.")
    return list(first.values)


def _texts(plain: IO[bytes]) -> Iterator[Row]:
    text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
    start = text.read(1)
    while start and start.isspace():
        start = text.read(1)
    text.seek(0)
    yield from _json_lines(text) if start == "{" else _csv(text)


def _json_lines(text: IO[str]) -> Iterator[Row]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line, content in enumerate(text, start=1):
        if not content.strip():
            continue
        try:
            yield Row(line, decode(content.encode("utf-8", "surrogateescape")))
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            yield Row(line, {"line": content[:500].rstrip("\n")}, f"This line is not a JSON object: {error}")


def _csv(text: IO[str]) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE_CHARACTERS)
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        line = reader.line_num + 1
        for cells in reader:
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
    twice = sorted({name for name in header if header.count(name) > 1})
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
