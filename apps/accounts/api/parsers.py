import zlib
from typing import Any

import msgspec
from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from apps.accounts.errors import DomainError

MAX_DEPTH = 32


class BodyTooLarge(DomainError):
    code = "too_large"
    status = 413


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 says it.

    UTF-8, no NaN, no NUL in texts, bounded depth. gzip is accepted and bounded too.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = stream.read(settings.API_BODY_MAX_BYTES + 1)
        if len(raw) > settings.API_BODY_MAX_BYTES:
            raise BodyTooLarge(
                f"The body is larger than {settings.API_BODY_MAX_BYTES:,} bytes. Send it in parts."
            )
        request = (parser_context or {}).get("request")
        if request is not None and request.headers.get("Content-Encoding", "").lower() == "gzip":
            raw = _gunzip(raw)
        return self.decode(raw)

    def decode(self, raw: bytes) -> Any:
        return strict_json(raw)


def strict_json(raw: bytes) -> Any:
    """Decode JSON bytes. Raises ParseError saying what is wrong and where."""
    if b"\\u0000" in raw or b"\x00" in raw:
        raise ParseError("A text holds a NUL character. Remove it.")
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ParseError(f"This is not JSON: {error}") from None
    if _depth(value) > MAX_DEPTH:
        raise ParseError(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
    return value


def _gunzip(raw: bytes) -> bytes:
    limit = settings.API_BODY_MAX_BYTES
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(raw, limit + 1)
    except zlib.error as error:
        raise ParseError(f"The body is not gzip as its header says: {error}") from None
    if len(plain) > limit or not unpacker.eof:
        raise ParseError(f"The unpacked body is cut short or larger than {limit:,} bytes.")
    return plain


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
