"""Event ids for rows that bring none: worked out from what a row says and how often the file said it before.

They begin with the row's time, so that rows stored in their order are in that of time as well, and the index
by time is written as quietly as that of event ids: at random it takes three microseconds a row. A workspace
from before that goes on with ids of the first kind, row- and half of a digest: a file that it knows stays
known, and so does a letter that waits. Which those are was written down once (row_ids_have_time).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from apps.accounts.models import Workspace
from apps.attribution.said_before import SaidBefore
from apps.attribution.touch_columns import texts

# Year to second, where a time is written as ISO 8601 has it; other spellings only sort less well.
_DIGITS = 14
_NO_DIGITS = re.compile("[^0-9]")
# Bytes of the digest: with the time before it, fewer tell as many rows apart.
_OF_DIGEST, _OF_FIRST_DIGEST = 12, 16
_PRINTABLE = (b" ", b"~", b'"\\')

Letters = NDArray[np.uint8]

_in_order = json.JSONEncoder(sort_keys=True).encode


def of(workspace: Workspace) -> "MadeUpIds":
    """Ids of the kind that the workspace uses."""
    return MadeUpIds(is_timeless=not workspace.row_ids_have_time)


class MadeUpIds:
    """The ids of one file's rows, in their order. is_timeless: of the first kind."""

    def __init__(self, *, is_timeless: bool = False) -> None:
        self.seen = SaidBefore()
        self.is_timeless = is_timeless
        self.kept = _OF_FIRST_DIGEST if is_timeless else _OF_DIGEST

    def one(self, values: Mapping[str, Any]) -> str:
        told = {name: str(value) for name, value in values.items() if value not in (None, "")}
        digest = hashlib.sha256(_in_order(told).encode()).digest()
        digits = _NO_DIGITS.sub("", told.get("occurred_at", ""))[:_DIGITS].ljust(_DIGITS, "0")
        begun = "row-" if self.is_timeless else f"at-{digits}-"
        return f"{begun}{digest[: self.kept].hex()}-{self.seen.one(int.from_bytes(digest[:8]))}"

    def each(self, mapped: Mapping[str, pa.StringArray]) -> pa.StringArray:
        """The same for a table, its JSON put together from columns."""
        told = _json([(name, mapped[name]) for name in sorted(mapped)]).to_pylist()
        digests = b"".join([hashlib.sha256(one).digest() for one in told])
        rows = np.frombuffer(digests, np.uint8).reshape(-1, 32)
        begun = [_letters("row-")] if self.is_timeless else [_letters("at-"), _times(mapped), _letters("-")]
        names = _side_by_side([*begun, _hexadecimal(rows[:, : self.kept])], len(rows))
        # A number of half the digest takes half the memory; two rows that shared it would still differ in it.
        times = self.seen.each(np.ascontiguousarray(rows[:, :8]).view(">u8").ravel().astype(np.uint64))
        if (times == 1).all():
            return _as_texts(_side_by_side([names, _letters("-1")], len(rows)))
        named = _as_texts(names).to_pylist()
        return texts(f"{name}-{time}" for name, time in zip(named, times.tolist(), strict=True))


def has_only(column: pa.StringArray, first: bytes, last: bytes, but: bytes) -> bool:
    """Whether each character is one of those from first to last, and none of `but`."""
    data = _laid_out(column)[1]
    found = np.bincount(data, minlength=256)
    return int(found[first[0] : last[0] + 1].sum()) == len(data) and not found[list(but)].any()


def _laid_out(column: pa.StringArray) -> tuple[NDArray[np.int32], Letters]:
    """Where each text begins, and the last ends, among the bytes of all."""
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return np.zeros(len(column) + 1, np.int32), np.zeros(0, np.uint8)
    starts = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return starts - starts[0], np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]


def _times(mapped: Mapping[str, pa.StringArray]) -> Letters:
    """(n, 14): the first digits of each time, 0 where there are no more."""
    if "occurred_at" not in mapped:
        return _letters("0" * _DIGITS)
    starts, data = _laid_out(mapped["occurred_at"])
    is_digit = (data >= ord("0")) & (data <= ord("9"))
    digits = np.append(data[is_digit], ord("0")).astype(np.uint8)
    ends = np.append(0, np.cumsum(is_digit, dtype=np.int32))[starts]
    places = ends[:-1, None] + np.arange(_DIGITS, dtype=np.int32)
    return digits[np.where(places < ends[1:, None], places, len(digits) - 1)]


def _letters(text: str) -> Letters:
    """(1, length)"""
    return np.frombuffer(text.encode(), np.uint8).reshape(1, -1)


def _hexadecimal(rows: Letters) -> Letters:
    told = np.ascontiguousarray(rows).tobytes().hex().encode()
    return np.frombuffer(told, np.uint8).reshape(len(rows), -1)


def _side_by_side(parts: Sequence[Letters], count: int) -> Letters:
    return np.hstack([np.broadcast_to(part, (count, part.shape[1])) for part in parts])


def _as_texts(letters: Letters) -> pa.StringArray:
    ends = np.arange(len(letters) + 1, dtype=np.int32) * letters.shape[1]
    return pa.StringArray.from_buffers(len(letters), pa.py_buffer(ends), pa.py_buffer(letters.tobytes()))


def _json(columns: list[tuple[str, pa.StringArray]]) -> pa.BinaryArray:
    """An object for each row, of the cells that say something, as JSON writes it."""
    whole = [place for place, (_, column) in enumerate(columns) if pc.min(pc.binary_length(column)).as_py()]
    # Commas before or after each member: a column in which all cells say something needs none.
    pivot = whole[0] if whole else len(columns)
    parts: list[Any] = ["{"]
    for place, (name, column) in enumerate(columns):
        parts += _member(name, column, ", " * (place > pivot), ", " * (place < pivot), place in whole)
    told = pc.binary_join_element_wise(*parts, "}" if whole else "", "").cast(pa.binary())
    return told if whole else _without_last_comma(told)


def _without_last_comma(told: pa.BinaryArray) -> pa.BinaryArray:
    cut = [one.removesuffix(b", ") + b"}" for one in told.to_pylist()]
    return pa.array(cut, pa.binary())


def _member(name: str, column: pa.StringArray, before: str, after: str, is_whole: bool) -> list[Any]:
    """`"name": "value"` for each cell that says something, in parts to be joined."""
    begun = f'{before}"{name}": '
    if not has_only(column, *_PRINTABLE):
        encoded = column.dictionary_encode()
        written = [_in_order(one) for one in encoded.dictionary.to_pylist()]
        told = texts(f"{begun}{one}{after}" if len(one) > 2 else "" for one in written)
        return [told.take(encoded.indices)]
    parts = [f'{begun}"', column, f'"{after}']
    return (
        parts if is_whole else [pc.if_else(pc.equal(column, ""), "", pc.binary_join_element_wise(*parts, ""))]
    )
