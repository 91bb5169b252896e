"""Rows of a file of events, one dict each, with the line it stands on.

CSV, JSON Lines or Parquet, also gzipped.
"""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from apps.accounts.errors import DomainError

PARQUET_MAGIC, GZIP_MAGIC = b"PAR1", b"\x1f\x8b"
MAX_ROW_CHARACTERS = 1_000_000
MAX_COLUMNS = 1_000
READ_CHARACTERS = 1 << 18
READ_BYTES = 1 << 23
# Where a file that begins with blanks must have begun.
HEAD_BYTES = 4_096
BOM = b"\xef\xbb\xbf"
# What no name of a column holds: control characters, and bytes that are not UTF-8.
NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff]")
_NEWLINE, _QUOTE = b'\n"'
_MAY_OPEN_AFTER = np.isin(np.arange(256), list(b'\n,"'))
_MAY_CLOSE_BEFORE = np.isin(np.arange(256), list(b'\r\n,"'))


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


@dataclass(frozen=True)
class Table:
    """Rows of texts that have every column, side by side: cells[place] is of the row on lines[place]."""

    names: list[str]
    lines: Sequence[int]
    cells: "Sequence[Sequence[str]] | Columns"

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, place: int) -> Row:
        return self.rows([place])[0]

    def rows(self, places: Sequence[int]) -> list[Row]:
        """The rows on these places."""
        cells = self.cells
        some = cells.rows(places) if isinstance(cells, Columns) else [cells[place] for place in places]
        return [
            Row(self.lines[place], dict(zip(self.names, row, strict=True)))
            for place, row in zip(places, some, strict=True)
        ]

    def columns(self) -> dict[str, pa.StringArray] | None:
        """By their names; None where there is a text that UTF-8 cannot write."""
        if isinstance(self.cells, Columns):
            return dict(zip(self.names, self.cells.arrays, strict=True))
        try:
            columns = [pa.array(column, pa.string()) for column in zip(*self.cells, strict=True)]
        except UnicodeEncodeError:
            return None
        return dict(zip(self.names, columns, strict=True))


@dataclass(frozen=True)
class Columns:
    """Cells that were read column by column."""

    arrays: list[pa.StringArray]

    def rows(self, places: Sequence[int]) -> list[Sequence[str]]:
        some = pa.array(places, pa.int64())
        return list(zip(*(column.take(some).to_pylist() for column in self.arrays), strict=True))


def rows(path: Path) -> Iterator[Row]:
    """Read the file from its start.

    The format is told by its content. Raises UnreadableFile for the file as a whole.
    """
    for block in blocks(path, size=1_000):
        if isinstance(block, Table):
            yield from block.rows(range(len(block)))
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
        raise UnreadableFile(f"The file cannot be read: {error}.") from error


def columns(path: Path) -> list[str]:
    """The names that the first row has, of those that can be read."""
    some = list(islice(rows(path), 1_000))
    first = next((row for row in some if not row.fault), None)
    if first is None:
        why = (
            f"Line {some[0].line}: {some[0].fault}"
            if some
            else "Its first line names columns, no row follows."
        )
        raise UnreadableFile(f"The file holds no rows that can be read. {why}")
    _check_texts(first.values)
    return list(first.values)


def _in_blocks(source: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while block := list(islice(source, size)):
        yield block


def _texts(plain: IO[bytes], size: int) -> Iterator[Table | list[Row]]:
    head = plain.read(HEAD_BYTES).removeprefix(BOM).lstrip()
    plain.seek(0)
    if head.startswith(b"{"):
        yield from _in_blocks(_json_lines(_Lines(_as_text(plain))), size)
        return
    header, line, place = yield from _plain_csv(plain, size)
    if place is not None:
        plain.seek(place)
        yield from _csv(_Lines(_as_text(plain)), size, header, line)


def _as_text(plain: IO[bytes]) -> IO[str]:
    encoding = "utf-8" if plain.tell() else "utf-8-sig"
    return io.TextIOWrapper(plain, encoding=encoding, errors="surrogateescape", newline="")


def _plain_csv(plain: IO[bytes], size: int) -> Generator[Table, None, tuple[list[str], int, int | None]]:
    """A CSV file column by column, as far as each line is a row.

    Answers the header, and the line and byte at which the reader of all that CSV may be has to go on; no byte
    when the file is over.
    """
    header: list[str] = []
    line, place = 1, 0
    for block in _whole_lines(plain):
        body = block if header else block.removeprefix(BOM)
        if not _is_plain(body):
            break
        if not header:
            first, _, body = body.partition(b"\n")
            if first.count(b'"') % 2:
                break
            header = _header(next(csv.reader([first.decode(errors="surrogateescape")], strict=True), []))
            line, place = 2, len(block) - len(body)
        try:
            columns = _columns(body, len(header))
        except pa.ArrowInvalid:
            break
        count = len(columns[0])
        for start in range(0, count, size):
            lines = range(line + start, line + min(start + size, count))
            yield Table(header, lines, Columns([column.slice(start, size) for column in columns]))
        line, place = line + count, place + len(body)
    else:
        return header, line, None if header else 0
    return header, line, place


def _whole_lines(plain: IO[bytes]) -> Iterator[bytes]:
    """Few at first: who only looks at the head of a file need not wait for more."""
    begun, size = b"", READ_BYTES >> 7
    while part := plain.read(max(size, 1)):
        begun += part
        is_too_long = len(begun) > MAX_ROW_CHARACTERS
        if end := begun.rfind(b"\n") + 1 or is_too_long * len(begun):
            yield begun[:end]
        begun, size = begun[end:], min(4 * size, READ_BYTES)
    if begun:
        yield begun


def _is_plain(block: bytes) -> bool:
    """Whether all lines may be rows, as short as a row may be, and quotes stand around whole cells."""
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(text == _NEWLINE)
    is_short = np.diff(ends, prepend=-1, append=len(block)).max() <= MAX_ROW_CHARACTERS
    return (
        bool(is_short)
        and not any(odd in block for odd in (b"\0", b"\n\n", b"\n\r"))
        and not block.startswith((b"\n", b"\r", BOM))
        and block.count(b"\r") == block.count(b"\r\n")
        and _are_plain(text, np.flatnonzero(text == _QUOTE))
    )


def _are_plain(text: NDArray[np.uint8], quotes: NDArray[np.int64]) -> bool:
    """Whether each second quote opens a cell and the next one closes it, or both are a quote in a cell."""
    before, after = text[quotes[::2] - 1], text[(quotes[1::2] + 1) % len(text)]
    is_at_start = quotes[:1] == 0
    before[: is_at_start.sum()] = _NEWLINE
    after[len(after) - (quotes[-1:] == len(text) - 1).sum() :] = _NEWLINE
    return (
        len(quotes) % 2 == 0 and bool(_MAY_OPEN_AFTER[before].all()) and bool(_MAY_CLOSE_BEFORE[after].all())
    )


def _columns(body: bytes, width: int) -> list[pa.StringArray]:
    """Raises ArrowInvalid where a row has more cells or fewer, or several lines, or where it is no UTF-8."""
    names = [str(place) for place in range(width)]
    if not body:
        return [pa.array([], pa.string())] * width
    table = arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=len(body) + 1),
        parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    if len(table) != body.count(b"\n") + (not body.endswith(b"\n")):
        raise pa.ArrowInvalid
    return [column.combine_chunks() for column in table.columns]


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


def _csv(text: _Lines, size: int, header: list[str], first: int) -> Iterator[Table | list[Row]]:
    """From line `first` on. header: empty where that line names the columns."""
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    reader, before = csv.reader(text, strict=True), first - 1
    try:
        header = header or _header(next(reader, []))
        line, width = before + reader.line_num + 1, len(header)
        text.left = MAX_ROW_CHARACTERS
        lines: list[int] = []
        rows: list[list[str]] = []
        for cells in reader:
            text.left = MAX_ROW_CHARACTERS
            if len(cells) == width:
                lines.append(line)
                rows.append(cells)
            if rows and (len(rows) == size or len(cells) not in (0, width)):
                yield Table(header, lines, rows)
                lines, rows = [], []
            if len(cells) not in (0, width):
                yield [_csv_row(line, header, cells)]
            line = before + reader.line_num + 1
        if rows:
            yield Table(header, lines, rows)
    except csv.Error as error:
        raise UnreadableFile(
            f"Line {before + reader.line_num}: {error}. Check the quotes of this CSV file."
        ) from error


def _header(cells: list[str]) -> list[str]:
    names = [name.strip() for name in cells]
    _check_header(names)
    return names


def _check_header(header: list[str]) -> None:
    if not any(header):
        raise UnreadableFile("The file is empty. Its first line should name the columns.")
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(f"Line 1 names {len(header):,} columns; a file may have {MAX_COLUMNS:,}.")
    _check_texts(header)
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    if twice:
        raise UnreadableFile(f"Line 1 names {', '.join(map(repr, twice))} twice. Rename one of the columns.")


def _check_texts(names: Iterable[str]) -> None:
    if any(NO_TEXT.search(name) for name in names):
        raise UnreadableFile("Line 1 is not text in UTF-8. Bring CSV in UTF-8, JSON Lines or Parquet.")


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
