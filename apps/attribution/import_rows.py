"""What the rows of a file mean.

Touches of a table are read column by column: the one parser judges each distinct value once, and each
distinct rest of a row (all but who, when and which) once, as a touch that others are like. Conversions, and
rows with anything odd, are read one by one. Both say the same.
"""

import hashlib
import json
from bisect import bisect_left
from collections import Counter
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
from apps.attribution.parsing import Errors
from apps.attribution.records import ConversionIn, Touch
from apps.attribution.row_files import Row, Table
from apps.attribution.touch_columns import EPOCH, MICROSECOND, TouchColumns

CONVERSION_WORDS = {"conversion", "purchase", "order", "refund", "sale"}
TOUCH_WORDS = {"event", "touch", "touchpoint", ""}
OF_CONVERSIONS = {"conversion_type", "revenue", "currency", "order_id", "replaces"}
# What tells touches of one kind apart.
WHO_WHEN_WHICH = {"user_id", "anonymous_id", "occurred_at", "event_id"}
REMEMBERED = 50_000

_in_order = json.JSONEncoder(sort_keys=True).encode
_BAD = object()


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
    tables: list[tuple[Table, list[str], list[int]]] = field(default_factory=list)

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
    """Reads one file with one mapping. seen: how often the file said the same, by digest."""

    def __init__(self, mapping: dict[str, str], now: datetime) -> None:
        self.mapping, self.now, self.seen = mapping, now, Counter[int]()
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
        return [
            self._parse(table.row(place), event_ids[place])
            for table, event_ids, places in batch.tables
            for place in places
        ]

    def _read_rows(self, rows: list[Row], batch: Batch, start_line: int) -> None:
        for row in rows:
            values = {own: row.values.get(column) for own, column in self.mapping.items()}
            told = {**row.values, "fault": row.fault} if row.fault else values
            event_id = (not row.fault and values.get("event_id")) or self._made_up_id(told)
            if row.line >= start_line:
                batch.parsed.append(self._parse(row, event_id))
                batch.rows, batch.next_line = batch.rows + 1, row.line + 1

    def _read_table(self, table: Table, batch: Batch, start_line: int) -> None:
        columns = dict(zip(table.names, zip(*table.cells, strict=True), strict=True))
        mapped = {own: columns[column] for own, column in self.mapping.items() if column in columns}
        event_ids = self._event_ids(mapped)
        first = bisect_left(table.lines, start_line)
        if first == len(table):
            return
        touches, places = self._plain(mapped, event_ids, first)
        odd = set(range(first, len(table))).difference(places)
        batch.parsed += [self._parse(table.row(place), event_ids[place]) for place in sorted(odd)]
        batch.touches = batch.touches.and_also(touches) if len(batch.touches) else touches
        batch.tables.append((table, event_ids, places))
        batch.rows += len(table) - first
        batch.next_line = table.lines[-1] + 1

    def _plain(
        self, mapped: dict[str, tuple[str, ...]], event_ids: list[str], first: int
    ) -> tuple[TouchColumns, list[int]]:
        """The touches from place `first` on in which all is plain, and their places."""
        if len(self.likes) > REMEMBERED:
            self.likes.clear()
        count = len(event_ids)
        rest = [mapped.get(own, ("",) * count) for own in self.likes.names]
        likes = (
            list(map(self.likes.__getitem__, zip(*rest, strict=True))) if rest else [self.likes[()]] * count
        )
        users = _cleaned(mapped.get("user_id"), "user_id", count)
        anons = _cleaned(mapped.get("anonymous_id"), "anonymous_id", count)
        ids = _cleaned(event_ids, "event_id", count) if "event_id" in mapped else event_ids
        moments, has_moment = _moments(mapped.get("occurred_at", ("",) * count))
        earliest, latest = parsing.EARLIEST, self.now + parsing.FUTURE_ALLOWED
        is_plain = has_moment & (moments >= _micros(earliest)) & (moments <= _micros(latest))
        is_plain[:first] = False
        is_plain &= np.array(
            [
                like is not None
                and user is not _BAD
                and anon is not _BAD
                and (user is not None or anon is not None)
                and event_id is not _BAD
                and event_id is not None
                for like, user, anon, event_id in zip(likes, users, anons, ids, strict=True)
            ]
        )
        touches = TouchColumns(users, anons, ids, moments, cast(list[Touch], likes))
        places = np.flatnonzero(is_plain).tolist()
        return (touches if len(places) == count else touches.taken(places)), places

    def _event_ids(self, mapped: dict[str, tuple[str, ...]]) -> list[str]:
        """Each row's own, or one worked out from what it says and how often the file said it before."""
        given = mapped.get("event_id", ())
        others = {own: column for own, column in mapped.items() if own != "event_id"}
        if others and not any(given):
            return self._made_up_ids(others)
        return [
            event_id or self._made_up_id({own: column[place] for own, column in mapped.items()})
            for place, event_id in enumerate(given)
        ]

    def _made_up_id(self, values: dict[str, Any]) -> str:
        told = {name: str(value) for name, value in values.items() if value not in (None, "")}
        return self._numbered(_in_order(told))

    def _made_up_ids(self, mapped: dict[str, tuple[str, ...]]) -> list[str]:
        """The same for a table, its JSON put together from columns."""
        parts = [_members(own, mapped[own]) for own in sorted(mapped)]
        return [self._numbered(f"{{{''.join(row)[:-2]}}}") for row in zip(*parts, strict=True)]

    def _numbered(self, text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()
        # A number of half the digest takes half the memory; two rows that shared it would still differ in it.
        place = int.from_bytes(digest[:8])
        self.seen[place] = times = self.seen.get(place, 0) + 1
        return f"row-{digest[:16].hex()}-{times}"

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


def _members(name: str, column: Sequence[str]) -> list[str]:
    """`"name": "value", ` for each cell that says something, as JSON writes it."""
    text = "".join(column)
    if '"' in text or "\\" in text or not (text.isascii() and text.isprintable()):
        return [f'"{name}": {_in_order(cell)}, ' if cell else "" for cell in column]
    return [f'"{name}": "{cell}", ' if cell else "" for cell in column]


def _cleaned(column: Sequence[str] | None, name: str, count: int) -> list[Any]:
    if column is None:
        return [None] * count
    return list(map(_Cleaned(parsing.TOUCH_FIELDS[name]).__getitem__, column))


def _moments(column: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970, and which of them there are."""
    for zone in ("UTC", None):
        try:
            read = pc.cast(pa.array(column, pa.string()), pa.timestamp("us", zone))
        except (pa.ArrowException, UnicodeEncodeError):
            continue
        return read.cast(pa.int64()).to_numpy(), np.ones(len(column), dtype=bool)
    cleaned = _cleaned(column, "occurred_at", len(column))
    has_moment = np.array([isinstance(one, datetime) for one in cleaned])
    found = [_micros(one) if isinstance(one, datetime) else 0 for one in cleaned]
    return np.array(found, dtype=np.int64), has_moment


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND
