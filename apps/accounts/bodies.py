"""Bodies of API requests, whichever door they come through: bounded, unpacked, decoded."""

import json
import re
import zlib
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from django.conf import settings

from apps.accounts.errors import DomainError

MAX_DEPTH = 32
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Unreadable(DomainError):
    code = "parse_error"
    status = 400


class TooLarge(DomainError):
    code = "too_large"
    status = 413


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read(stream: Stream, *, encoding: str, most_bytes: int | None = None) -> bytes:
    """The body as it was meant, gzip unpacked. most_bytes: for who takes less than the API does elsewhere.

    No more is read, or unpacked, than it may hold. Raises TooLarge and Unreadable.
    """
    limit = most_bytes or settings.API_BODY_MAX_BYTES
    raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise _too_large(limit)
    return gunzip(raw, most_bytes=limit) if encoding.lower() == "gzip" else raw


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit:,} bytes. Send it in parts.")


def gunzip(raw: bytes, *, most_bytes: int | None = None) -> bytes:
    """Unpack, but never more than a body may hold. Raises TooLarge and Unreadable."""
    limit = most_bytes or settings.API_BODY_MAX_BYTES
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(raw, limit + 1)
    except zlib.error as error:
        raise Unreadable(f"The body is not gzip as its header says: {error}") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not unpacker.eof:
        raise Unreadable("The packed body is cut short. Send all of it.")
    if unpacker.unused_data:
        raise Unreadable("There is more after the end of the packed body. Send one gzip member.")
    return plain


def json_value(raw: bytes) -> Any:
    """Decode JSON as RFC 8259 says it: UTF-8, no NaN. Raises Unreadable saying what is wrong and where."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"This is not JSON: {error}") from None


def json_of_records(raw: bytes) -> Any:
    """The same where records are judged one by one: half a character (a lone surrogate) stays in its text,
    and is the fault of its record alone.
    """
    try:
        return json_value(raw)
    except Unreadable:
        if not _SURROGATE.search(raw):
            raise
        with suppress(ValueError, RecursionError):
            return json.loads(raw.decode(), parse_constant=_refuse)
        raise


def _refuse(name: str) -> None:
    raise ValueError(name)


def strict_json(raw: bytes) -> Any:
    """The same without NUL in any text and without a depth that nobody needs."""
    if b"\\u0000" in raw or b"\x00" in raw:
        raise Unreadable("A text holds a NUL character. Remove it.")
    value = json_value(raw)
    if _depth(value) > MAX_DEPTH:
        raise Unreadable(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
    return value


def _depth(value: Any) -> int:
    """Levels of nesting, counted without recursion."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        inner = [
            list(one.values()) if isinstance(one, dict) else one
            for one in level
            if isinstance(one, dict | list)
        ]
        level = [item for items in inner for item in items]
        depth += bool(inner)
        if not inner:
            break
    return depth
