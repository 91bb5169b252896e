"""Quoted-printable (RFC 2045, 6.7) in pieces: each begins a line of its own, so that static ones are encoded
once and values in between them as they come.
"""

WIDEST = 76
# Stand for the two tokens of the message until they are known: one character here, as wide as a token on the
# line.
TOKEN_MARK, WAY_OUT_MARK = "\x00", "\x01"
MARKS = {TOKEN_MARK, WAY_OUT_MARK}
TOKEN_WIDTH = 32
SOFT = b"=\r\n"
HARD = b"\r\n"
_PLAIN = {*range(33, 127), 32} - {ord("=")}
_TABLE = [chr(one) if one in _PLAIN else f"={one:02X}" for one in range(256)]
# A value of so many plain characters fits on its line as it is.
_SHORT = WIDEST - 3


def value(text: str) -> bytes:
    """A printable text on one line, followed by a soft break."""
    if not text.isascii() or "=" in text:
        row = "".join([_TABLE[byte] for byte in text.encode()])
        if len(row) < WIDEST and row[0] != "." and row[-1] != " ":
            return row.encode() + SOFT
        return _joined([_units(text)], HARD) + SOFT
    if len(text) <= _SHORT and text[:1] != ".":
        return text.encode() + SOFT
    rows = (text[place : place + _SHORT] for place in range(0, len(text), _SHORT))
    return b"".join((f"=2E{row[1:]}" if row[0] == "." else row).encode() + SOFT for row in rows)


def static(text: str) -> bytes:
    """A text of lines; ends in a soft break unless it ends a line. The tokens' marks are kept as they are."""
    if not text:
        return b""
    encoded = _joined([_units(line) for line in text.split("\n")], HARD)
    return encoded if encoded.endswith(HARD) else encoded + SOFT


def _units(line: str) -> list[str]:
    """What may not be broken: a character's bytes, or a token."""
    units = []
    for character in line:
        if character in MARKS:
            units.append(character)
        else:
            units.append("".join(_TABLE[byte] for byte in character.encode()))
    if units and units[-1] in {" ", "\t"}:
        units[-1] = f"={ord(units[-1]):02X}"
    return units


def _joined(lines: list[list[str]], between: bytes) -> bytes:
    return between.join("=\r\n".join(_wrapped(units)).encode("ascii") for units in lines)


def _wrapped(units: list[str]) -> list[str]:
    """Rows of at most 76 characters, the soft break's = among them; none begins with a full stop, which a
    transport would have to double.
    """
    rows: list[str] = []
    row: list[str] = []
    width = 0
    for unit in units:
        size = TOKEN_WIDTH if unit in MARKS else len(unit)
        if width + size > WIDEST - 1:
            rows.append("".join(row))
            row, width = [], 0
        if not row and unit == ".":
            unit, size = "=2E", 3
        row.append(unit)
        width += size
    return [*rows, "".join(row)]
