"""What the rows of a file mean.

Touches of a table are read column by column: the one parser judges each distinct value once, and each
distinct rest of a row (all but who, when and which) once, as a touch that others are like. Conversions, and
rows with anything odd, are read one by one. Both say the same.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from apps.accounts.errors import Invalid
from apps.attribution import parsing, tracking
from apps.attribution.cleaning import Problem
from apps.attribution.made_up_ids import MadeUpIds, has_only
from apps.attribution.parsing import Errors
from apps.attribution.records import ConversionIn, Touch
from apps.attribution.row_files import Row, Table
from apps.attribution.touch_columns import EPOCH, MICROSECOND, Ints, TouchColumns, texts

CONVERSION_WORDS = {"conversion", "purchase", "order", "refund", "sale"}
TOUCH_WORDS = {"event", "touch", "touchpoint", ""}
OF_CONVERSIONS = {"conversion_type", "revenue", "currency", "order_id", "replaces"}
# What tells touches of one kind apart.
WHO_WHEN_WHICH = {"user_id", "anonymous_id", "occurred_at", "event_id"}
REMEMBERED = 50_000

_BAD = object()
# Kinds of rows that are told apart by one number, with room for another column's.
_MANY = 2**31


@dataclass(frozen=True, slots=True)
class Parsed:
    """A row of the file: what it means, and that as the parser reads it, or why it does not."""

    row: Row
    kind: str
    record: dict[str, Any]
    identity: str
    given: Touch | ConversionIn | None
    errors: Errors = field(default_factory=dict)


@dataclass
class Batch:
    """Rows that were read. touches: the plain ones, in their order; parsed: the others."""

    rows: int = 0
    next_line: int = 0
    touches: TouchColumns = field(default_factory=lambda: TouchColumns.of([]))
    parsed: list[Parsed] = field(default_factory=list)
    tables: list[tuple[Table, pa.StringArray, list[int]]] = field(default_factory=list)

    @property
    def lines(self) -> list[int]:
        """Where the plain touches stand."""
        return [table.lines[place] for table, _, places in self.tables for place in places]


class _Cleaned(dict[str, Any]):
    """Value as given → as the parser takes it; None where it is empty, _BAD where it cannot be used."""

    def __init__(self, clean: Callable[[Any], Any]) -> None:
        super().__init__()
        self.clean = clean

    def __missing__(self, value: str) -> Any:
        try:
            cleaned = (self.clean(value) or None) if value else None
        except Problem:
            cleaned = _BAD
        self[value] = cleaned
        return cleaned


class _Likes(dict[tuple[str, ...], Touch | None]):
    """What all but who, when and which say → a touch that says so; None for what is no good touch."""

    def __init__(self, names: Sequence[str], now: datetime) -> None:
        super().__init__()
        self.names, self.now = names, now

    def __missing__(self, key: tuple[str, ...]) -> Touch | None:
        values: dict[str, Any] = {**dict(zip(self.names, key, strict=True)), "user_id": "x", "event_id": "x"}
        kind, record = meaning(values)
        found = None
        if kind == "event":
            with suppress(Invalid):
                found = parsing.touch(record, received_at=self.now)
        self[key] = found
        return found


class Reader:
    """Reads one file with one mapping. ids: of rows that bring none; met: whom the user ids of its rows were
    found to be.
    """

    def __init__(self, mapping: dict[str, str], now: datetime, ids: MadeUpIds) -> None:
        self.mapping, self.now, self.ids = mapping, now, ids
        self.met: dict[str, int] = {}
        rest = [own for own in mapping if own not in WHO_WHEN_WHICH | (OF_CONVERSIONS - {"conversion_type"})]
        self.likes = _Likes(rest, now)

    def read(self, blocks: Iterable[Table | list[Row]], *, start_line: int = 0) -> Batch:
        """Rows from start_line on; those before it are counted in what the file said."""
        batch = Batch()
        for block in blocks:
            if isinstance(block, Table):
                self._read_table(block, batch, start_line)
            else:
                self._read_rows(block, batch, start_line)
        return batch

    def one_by_one(self, batch: Batch) -> list[Parsed]:
        """The plain rows of a batch, each by itself."""
        return [one for table in batch.tables for one in self._each(*table)]

    def _each(self, table: Table, event_ids: pa.StringArray, places: Sequence[int]) -> list[Parsed]:
        own = event_ids.take(pa.array(places, pa.int64())).to_pylist()
        return list(map(self._parse, table.rows(places), own))

    def _read_rows(self, rows: list[Row], batch: Batch, start_line: int) -> None:
        for row in rows:
            values = {own: row.values.get(column) for own, column in self.mapping.items()}
            told = {**row.values, "fault": row.fault} if row.fault else values
            event_id = (not row.fault and values.get("event_id")) or self.ids.one(told)
            if row.line >= start_line:
                batch.parsed.append(self._parse(row, event_id))
                batch.rows, batch.next_line = batch.rows + 1, row.line + 1

    def _read_table(self, table: Table, batch: Batch, start_line: int) -> None:
        columns = table.columns()
        if columns is None:
            self._read_rows(table.rows(range(len(table))), batch, start_line)
            return
        mapped = {own: columns[column] for own, column in self.mapping.items() if column in columns}
        event_ids = self._event_ids(mapped)
        first = bisect_left(table.lines, start_line)
        if first == len(table):
            return
        touches, is_plain = self._plain(mapped, event_ids, first)
        places = np.flatnonzero(is_plain).tolist()
        batch.parsed += self._each(table, event_ids, (np.flatnonzero(~is_plain[first:]) + first).tolist())
        touches = touches.taken(places) if len(places) < len(table) else touches
        batch.touches = batch.touches.and_also(touches) if len(batch.touches) else touches
        batch.tables.append((table, event_ids, places))
        batch.rows += len(table) - first
        batch.next_line = table.lines[-1] + 1

    def _plain(
        self, mapped: dict[str, pa.StringArray], event_ids: pa.StringArray, first: int
    ) -> tuple[TouchColumns, NDArray[np.bool_]]:
        """All rows as touches, and from place `first` on, which of them are plain."""
        if len(self.likes) > REMEMBERED:
            self.likes.clear()
        nothing = pa.nulls(len(event_ids), pa.string())
        empty = nothing.fill_null("")
        kinds, kind = self._kinds([mapped.get(own, empty) for own in self.likes.names], len(event_ids))
        users, is_user = _ids(mapped.get("user_id", nothing), "user_id")
        anons, is_anon = _ids(mapped.get("anonymous_id", nothing), "anonymous_id")
        ids, is_id = _ids(event_ids, "event_id") if "event_id" in mapped else (event_ids, True)
        moments, has_moment = _moments(mapped.get("occurred_at", empty))
        earliest, latest = parsing.EARLIEST, self.now + parsing.FUTURE_ALLOWED
        is_plain = has_moment & (moments >= _micros(earliest)) & (moments <= _micros(latest))
        is_plain &= is_user & is_anon & is_id & _is_there(ids) & (_is_there(users) | _is_there(anons))
        is_plain &= np.array([one is not None for one in kinds], dtype=bool)[kind]
        is_plain[:first] = False
        return TouchColumns(users, anons, ids, moments, kind, cast(list[Touch], kinds)), is_plain

    def _kinds(self, rest: list[pa.StringArray], count: int) -> tuple[list[Touch | None], Ints]:
        """What rows say beside who, when and which: each once, and which of them each row says."""
        kind, possible = np.zeros(count, dtype=np.int64), 1
        for column in rest:
            encoded = column.dictionary_encode()
            kind = kind * len(encoded.dictionary) + encoded.indices.to_numpy()
            possible *= len(encoded.dictionary)
            if possible > _MANY:
                kind = np.unique(kind, return_inverse=True)[1]
                possible = count
        _, places, kind = np.unique(kind, return_index=True, return_inverse=True)
        told = (
            zip(*(column.take(pa.array(places)).to_pylist() for column in rest), strict=True)
            if rest
            else [()]
        )
        return list(map(self.likes.__getitem__, told)), kind

    def _event_ids(self, mapped: dict[str, pa.StringArray]) -> pa.StringArray:
        """Each row's own, or one worked out from what it says and how often the file said it before."""
        given = mapped.get("event_id")
        others = {own: column for own, column in mapped.items() if own != "event_id"}
        if given is None or (others and pc.max(pc.binary_length(given)).as_py() in (0, None)):
            return self.ids.each(others)
        if pc.min(pc.binary_length(given)).as_py() != 0:
            return given
        cells = zip(*(column.to_pylist() for column in mapped.values()), strict=True)
        rows = (dict(zip(mapped, row, strict=True)) for row in cells)
        return texts(row["event_id"] or self.ids.one(row) for row in rows)

    def _parse(self, row: Row, event_id: Any) -> Parsed:
        if row.fault:
            return Parsed(row, "", {}, event_id, None, {"row": [row.fault]})
        values = {own: row.values.get(column) for own, column in self.mapping.items()}
        kind, record = meaning({**values, "event_id": event_id})
        try:
            given = tracking.PARSERS[kind](record, received_at=self.now)
        except Invalid as refusal:
            return Parsed(row, kind, record, str(event_id), None, refusal.errors)
        assert isinstance(given, Touch | ConversionIn)  # noqa: S101 - what these two parsers answer
        return Parsed(row, kind, record, str(event_id), given)


def meaning(values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Whether the values of a row are an event or a conversion, and the record as the parser takes it."""
    word = str(values.pop("kind", None) or "").strip().lower()
    if word in CONVERSION_WORDS or (word in TOUCH_WORDS and values.get("conversion_type")):
        return "conversion", _as_conversion(values)
    return "event", _as_touch(values, word)


def _as_conversion(values: dict[str, Any]) -> dict[str, Any]:
    """An empty cell in the column of the revenue is a conversion that brought none, as for `attribute`."""
    given = {name: value for name, value in values.items() if name not in {"event_type", "cost"}}
    if "revenue" in given and given["revenue"] in (None, ""):
        given["revenue"] = 0
    return {**given, "conversion_type": values.get("conversion_type") or "purchase"}


def _as_touch(values: dict[str, Any], word: str) -> dict[str, Any]:
    """A log often says what happened in its kind column, and the platform only as a channel."""
    named = word if word not in TOUCH_WORDS else "visit"
    given = {name: value for name, value in values.items() if name not in OF_CONVERSIONS}
    given["event_type"] = values.get("event_type") or named
    given["platform"] = values.get("platform") or values.get("channel")
    return given


_UNBROKEN = (b"!", b"~", b"")


def _ids(column: pa.StringArray, name: str) -> tuple[pa.StringArray, NDArray[np.bool_]]:
    """Ids as the parser takes them, null where there is none; and which of the rows it takes."""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest <= parsing.MAX_ID and has_only(column, *_UNBROKEN):
        return pc.if_else(pc.equal(column, ""), None, column), np.ones(len(column), dtype=bool)
    encoded = column.dictionary_encode()
    cleaned = list(map(_Cleaned(parsing.TOUCH_FIELDS[name]).__getitem__, encoded.dictionary.to_pylist()))
    taken = texts(None if one is _BAD else one for one in cleaned).take(encoded.indices)
    is_good = np.array([one is not _BAD for one in cleaned], dtype=bool)
    return taken, is_good[encoded.indices.to_numpy()]


def _is_there(column: pa.StringArray) -> NDArray[np.bool_]:
    return column.is_valid().to_numpy(zero_copy_only=False)


def _moments(column: pa.StringArray) -> tuple[Ints, NDArray[np.bool_]]:
    """Microseconds since 1970, and which of them there are."""
    for zone in ("UTC", None):
        with suppress(pa.ArrowException):
            read = pc.cast(column, pa.timestamp("us", zone))
            return read.cast(pa.int64()).to_numpy(), np.ones(len(column), dtype=bool)
    encoded = column.dictionary_encode()
    clean = _Cleaned(parsing.TOUCH_FIELDS["occurred_at"])
    cleaned = list(map(clean.__getitem__, encoded.dictionary.to_pylist()))
    has_moment = np.array([isinstance(one, datetime) for one in cleaned], dtype=bool)
    found = np.array([_micros(one) if isinstance(one, datetime) else 0 for one in cleaned], dtype=np.int64)
    places = encoded.indices.to_numpy()
    return found[places], has_moment[places]


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND
