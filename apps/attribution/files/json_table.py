"""JSON Lines files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa

from apps.attribution.files.forms import Form, Refused, form_of, unknown
from apps.attribution.files.opening import LONGEST_LINE, UTF8_MARK, plain

BLOCK_BYTES = 1 << 22
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("user_id", "event_id", "order_id"), int | str | None),
    **dict.fromkeys(("occurred_at", "value"), int | float | str | None),
    **dict.fromkeys(("total_conversions", "total_conversion_value", "total_null"), int | float | str | None),
}


@dataclass(frozen=True, kw_only=True)
class JsonTable:
    """JSON Lines: one object per line, empty lines between them allowed."""

    path: Path
    form: Form
    row: type[msgspec.Struct]

    @classmethod
    def recognised(cls, path: Path, head: bytes, ignored: Collection[str]) -> JsonTable:
        form = form_of(_first_keys(head))
        anything = sorted({*form.unused, *ignored} - {*form.used})
        fields = [(f"used_{name}", _TYPES.get(name, str | None), None) for name in form.used]
        fields += [(f"unused_{place}", Any, None) for place in range(len(anything))]
        names = {f"used_{name}": name for name in form.used}
        names |= {f"unused_{place}": name for place, name in enumerate(anything)}
        row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        return cls(path=path, form=form, row=row)

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        decode = msgspec.json.Decoder(self.row).decode_lines
        cells = attrgetter(*(f"used_{name}" for name in self.form.used))
        with plain(self.path) as stream:
            for block in _whole_lines(stream):
                try:
                    rows = decode(block)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise Refused(self._why_not() or str(error)) from error
                columns = zip(*map(cells, rows), strict=True)
                yield dict(zip(self.form.used, map(_json_column, columns), strict=False))

    def place(self, row: int) -> str:
        with plain(self.path) as stream:
            lines = (number for number, line in enumerate(stream, start=1) if line.strip())
            return f"line {next(number for place, number in enumerate(lines) if place == row)}"

    def _why_not(self) -> str:
        decode = msgspec.json.Decoder(self.row).decode
        with plain(self.path) as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    if line.strip():
                        decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    return f"line {number}: {self._in_words(error)}"
        return ""

    def _in_words(self, error: Exception) -> str:
        said = str(error)
        if "unknown field" in said:
            return unknown(said.split("`")[1], self.form)
        if isinstance(error, msgspec.ValidationError):
            return said.replace(" - at `$.", " in `")
        return f"not a JSON object: {said}"


def _first_keys(head: bytes) -> list[str]:
    line = head.removeprefix(UTF8_MARK).lstrip().splitlines()[0]
    try:
        return [str(key) for key in json.loads(line)]
    except (ValueError, RecursionError) as error:
        raise Refused(f"line 1: not a JSON object: {error}") from error


def _whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines."""
    rest = b""
    start = stream.read(3).removeprefix(UTF8_MARK)
    while block := start + stream.read(BLOCK_BYTES):
        start = b""
        whole, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + whole
            rest = tail
        else:
            rest += tail
        if len(rest) > LONGEST_LINE:
            raise Refused(f"a line is longer than {LONGEST_LINE:,} bytes")
    if rest.strip():
        yield rest


def _json_column(values: Sequence[Any]) -> pa.Array:
    """Strings stay strings, numbers numbers; a mixed column becomes text."""
    kinds = {*map(type, values)} - {type(None)}
    if kinds <= {str}:
        return pa.array(values, pa.string())
    if kinds <= {int, float}:
        try:
            return pa.array(values, pa.int64() if kinds == {int} else pa.float64())
        except (OverflowError, pa.ArrowInvalid):
            pass
    return pa.array([None if value is None else str(value) for value in values], pa.string())
