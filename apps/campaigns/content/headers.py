"""Headers of a message by hand: encoded words (RFC 2047), folded, and never a line that somebody slips in."""

import base64
from collections.abc import Iterable

LONGEST_LINE = 76
# Of an encoded word: =?utf-8?b? and ?=.
AROUND = 12
LONGEST_WORD = 75


class UnsafeHeader(ValueError):
    """A header that would begin another, or whose name is none."""


def block(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The lines of all headers, without the empty line after them. Raises UnsafeHeader."""
    return b"".join(line(name, value) for name, value in pairs)


def line(name: str, value: str) -> bytes:
    """One header. Raises UnsafeHeader for a value of several lines."""
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise UnsafeHeader(f"{name[:60]!r} cannot be the name of a header")
    if "\r" in value or "\n" in value or "\0" in value:
        raise UnsafeHeader(f"The header {name} holds a line break")
    if value.isascii() and value.isprintable() and "=?" not in value:
        if len(name) + 2 + len(value) <= LONGEST_LINE:
            return f"{name}: {value}\r\n".encode()
        if _is_foldable(value):
            return _folded(name, value)
    return f"{name}: {encoded(value, first=len(name) + 2)}\r\n".encode()


def encoded(value: str, *, first: int = 0) -> str:
    """The value as encoded words, none of which splits a character. first: columns that are taken already."""
    words, rest = [], value.encode("utf-8", "replace")
    room = _room(LONGEST_WORD - first)
    while rest:
        size = _whole(rest, room)
        words.append(f"=?utf-8?b?{base64.b64encode(rest[:size]).decode()}?=")
        rest, room = rest[size:], _room(LONGEST_WORD)
    return "\r\n ".join(words)


def _room(columns: int) -> int:
    """Bytes that fit into an encoded word of so many columns."""
    return max(6, (columns - AROUND) // 4 * 3)


def _whole(raw: bytes, room: int) -> int:
    """The most bytes up to the room that end with a character."""
    size = min(room, len(raw))
    while size < len(raw) and raw[size] & 0xC0 == 0x80:
        size -= 1
    return size


def _is_foldable(value: str) -> bool:
    """Whether folding at single spaces gives back the same text."""
    return "  " not in value and value == value.strip() and max(map(len, value.split(" "))) < LONGEST_LINE - 2


def _folded(name: str, value: str) -> bytes:
    rows, row = [], f"{name}:"
    for word in value.split(" "):
        if len(row) + 1 + len(word) > LONGEST_LINE and row != f"{name}:":
            rows.append(row)
            row = ""
        row = f"{row} {word}"
    return ("\r\n".join([*rows, row]) + "\r\n").encode()
