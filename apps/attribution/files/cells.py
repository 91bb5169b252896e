"""Columns of text and numbers into codes, moments and amounts, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apps.attribution.maths.journeys import Flags, Floats, Ints

LARGEST = 1e15  # beyond it pennies are lost in the sums
EARLIEST_US = 0
LATEST_US = 7_258_118_400_000_000  # the year 2200
_EARLIEST_EPOCH = 1e8  # seconds, March 1973: smaller is a date written as a number, 20260131
_CODES = pa.dictionary(pa.int32(), pa.string())
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_EPOCH_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (np.inf, 1e-3))  # below this size: to microseconds


class BadCell(ValueError):
    """A cell that cannot be used. row: of the batch."""

    def __init__(self, column: str, row: int, why: str) -> None:
        super().__init__(f"{column}: {why}")
        self.row = row


def texts(column: pa.Array, name: str) -> pa.DictionaryArray:
    """Trimmed text that repeats, encoded; an absent cell is "". Raises BadCell for what is no text."""
    if pa.types.is_string(column.type) and not column.null_count:
        column = column.dictionary_encode()
    if column.type != _CODES or column.null_count:
        return ids(column, name).dictionary_encode()
    names = pc.utf8_trim_whitespace(column.dictionary)
    if names.equals(column.dictionary):
        return column
    merged = names.dictionary_encode()
    return pa.DictionaryArray.from_arrays(merged.indices.take(column.indices), merged.dictionary)


def ids(column: pa.Array, name: str) -> pa.Array:
    """Trimmed text that rarely repeats, as strings. Absent cells and errors as for texts."""
    return pc.utf8_trim_whitespace(plain_text(column, name))


def plain_text(column: pa.Array, name: str) -> pa.Array:
    """Text as it was written, as strings. Absent cells and errors as for texts."""
    column = _decoded(column)
    if not (_is_text(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise BadCell(name, 0, f"holds {column.type}, not text")
    return pc.fill_null(column.cast(pa.string()), "")


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def refuse_empty(column: pa.Array, name: str, rows: Flags, why: str) -> None:
    """Raise BadCell for the first of these rows whose text is empty."""
    if pa.types.is_dictionary(column.type):
        place = column.dictionary.index("").as_py()
        refuse(rows & (codes_of(column) == place), name, why)
    else:
        refuse(rows & np.asarray(pc.equal(column, "")), name, why)


def codes_of(column: pa.DictionaryArray) -> Ints:
    return np.asarray(column.indices).astype(np.int64, copy=False)


def amounts(column: pa.Array, name: str) -> Floats:
    """Numbers >= 0; an empty cell is 0. Raises BadCell for text, nan, infinity, a negative or huge number."""
    numbers = _numbers(_decoded(column), name)
    _refuse(~np.isfinite(numbers), name, lambda row: f"{_shown(column, row)} is not a finite number")
    _refuse(
        numbers < 0,
        name,
        lambda row: f"{_shown(column, row)} is negative: take refunds off their order before attributing",
    )
    _refuse(numbers > LARGEST, name, lambda row: f"{_shown(column, row)} is too large (limit {LARGEST:g})")
    return numbers


def _numbers(column: pa.Array, name: str) -> Floats:
    if _is_text(column.type):
        trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
        column = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowException as error:
        row = _first_wrong(column, float)
        raise BadCell(name, row, f"{_shown(column, row)} is not a number (write 1234.50)") from error
    return np.asarray(pc.fill_null(numbers, 0.0), dtype=np.float64)


def moments(column: pa.Array, name: str) -> Ints:
    """Microseconds since 1970. Raises BadCell for what is no time between 1970 and 2200.

    ISO 8601, with a zone or in UTC; or an epoch in seconds, milli-, micro- or nanoseconds, told by its size.
    """
    at_us = _moments(_decoded(column), name)
    _refuse(
        (at_us < EARLIEST_US) | (at_us >= LATEST_US),
        name,
        lambda row: f"{_shown(column, row)} is not a time between 1970 and 2200",
    )
    return at_us


def _moments(column: pa.Array, name: str) -> Ints:
    if column.null_count:
        raise BadCell(name, int(np.asarray(column.is_null()).argmax()), "is empty: every row needs a time")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _int64(column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _epochs(np.asarray(column.cast(pa.float64(), safe=False)), column, name)
    if not _is_text(column.type):
        raise BadCell(name, 0, f"holds {column.type}, not times")
    return _written_moments(pc.utf8_trim_whitespace(column.cast(pa.string())), name)


def _written_moments(column: pa.Array, name: str) -> Ints:
    """Whole batches of one way of writing are cast at once; a mixed one is read cell by cell."""
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            return _int64(column.cast(kind))
        except pa.ArrowInvalid:
            continue
    try:
        return _epochs(np.asarray(column.cast(pa.float64())), column, name)
    except pa.ArrowInvalid:
        return np.array(
            [_moment(cell, name, row) for row, cell in enumerate(column.to_pylist())], dtype=np.int64
        )


def _moment(cell: str, name: str, row: int) -> int:
    """One time, of any of the ways of writing it."""
    try:
        return int(_epochs(np.array([float(cell)]), pa.array([cell]), name)[0])
    except BadCell as error:
        raise BadCell(name, row, _no_moment(repr(cell))) from error
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(cell)
    except ValueError as error:
        raise BadCell(name, row, _no_moment(f'"{cell[:80]}"')) from error
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def _epochs(numbers: Floats, column: pa.Array, name: str) -> Ints:
    plausible = np.isfinite(numbers) & (numbers >= _EARLIEST_EPOCH)
    _refuse(~plausible, name, lambda row: _no_moment(_shown(column, row)))
    sizes = np.array([size for size, _ in _EPOCH_UNITS[:-1]])
    to_us = np.array([factor for _, factor in _EPOCH_UNITS])
    at_us = np.minimum(numbers * to_us[np.searchsorted(sizes, numbers, "right")], LATEST_US)
    return np.round(at_us).astype(np.int64)


def _int64(moments: pa.Array) -> Ints:
    return np.asarray(moments.cast(pa.int64()))


def _no_moment(shown: str) -> str:
    if shown == '""':
        return "is empty: every row needs a time"
    return f"{shown} is no time (write 2026-01-31T18:30:00Z, or seconds since 1970)"


def _shown(column: pa.Array, row: int) -> str:
    value = column[row].as_py()
    return f'"{value[:80]}"' if isinstance(value, str) else str(value)


def refuse(wrong: Flags, name: str, why: str) -> None:
    """Raise BadCell for the first wrong row."""
    _refuse(wrong, name, lambda _: why)


def _refuse(wrong: Flags, name: str, why: Callable[[int], str]) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise BadCell(name, row, why(row))


def _first_wrong(column: pa.Array, read: Callable[[Any], object]) -> int:
    for row, cell in enumerate(column.to_pylist()):
        try:
            read(cell or 0)
        except (TypeError, ValueError):
            return row
    return 0
