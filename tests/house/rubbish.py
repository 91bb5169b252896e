"""What nobody should send and somebody will."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

DEEP = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
JSON = {"content_type": "application/json"}
GZIP = {**JSON, "HTTP_CONTENT_ENCODING": "gzip"}

# name → body, how it is sent. Each of them must be refused by a route that reads a body.
UNREADABLE: dict[str, tuple[bytes, dict[str, str]]] = {
    "cut short": (b'{"name": "a', JSON),
    "bad UTF-8": (b'{"name": "\xff\xfe"}', JSON),
    "bare bytes": (b"\x00\x01\xff", JSON),
    "NaN": (b'{"revenue": NaN}', JSON),
    "deep": (DEEP, JSON),
    "deep list": (b"[" * 50_000 + b"]" * 50_000, JSON),
    "a list": (b"[1, 2, 3]", JSON),
    "a text": (b'"text"', JSON),
    "a number": (b"7", JSON),
    "null": (b"null", JSON),
    "another type": (b"a=1&b=2", {"content_type": "application/x-www-form-urlencoded"}),
    "a form": (b"--x\r\n\r\n--x--", {"content_type": "multipart/form-data; boundary=x"}),
    "xml": (b"<a/>", {"content_type": "application/xml"}),
    "not gzip": (b"{}", GZIP),
    "a gzip bomb": (gzip.compress(b" " * 8_000_000 + b"{}"), GZIP),
    "too large": (b'{"a": "' + b"x" * 6_000_000 + b'"}', JSON),
}
QUERIES = (
    "x=%00",
    "x=%ff%fe",
    "%00=1",
    "cursor=%00",
    "cursor=cD1hYmM=",
    "page_size=-1",
    "page_size=9e99",
    "format=xml",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    "",
    " ",
    "x" * 100_000,
    "a\x00b",
    "\ud800",
    "\u202e\U0001f4a5",
    -1,
    2**31,
    2**63,
    10**400,
    1e308,
    -0.0,
    "1e999",
    "NaN",
    "99999999999999999999999999",
    "0000-00-00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "00000000-0000-0000-0000-000000000000",
    [],
    {},
    [[]],
    [None],
    {"a": {"b": []}},
    {"": None, "\x00": 1},
    ["x"] * 5_000,
)


def spoilt(body: Any) -> Iterator[tuple[str, bytes]]:
    """The body with each of its values, however deep, replaced by each of the above."""
    for path in _paths(body):
        for position, value in enumerate(VALUES):
            yield f"{'.'.join(map(str, path))} = VALUES[{position}]", _encoded(_with(body, path, value))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _with(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = body.copy()
    copy[path[0]] = _with(body[path[0]], path[1:], value)
    return copy


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()
