"""A message as it goes over the wire: headers by hand, since the library's builder takes a millisecond each.

A line break within a header would let its text write headers of its own: it is refused here, whoever should
have refused it before.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache

from apps.integrations.connectors.bulk_email.letters import Envelope, Letter, message_id_of

# Bytes of UTF-8 in one encoded word: 75 characters with its frame (RFC 2047 section 2).
WORD_BYTES = 45
LONGEST_LINE = 76


class NotAHeader(ValueError):
    """A line break or another control character stands in a header's text."""


def head(envelope: Envelope, *, at: datetime) -> bytes:
    """What stands before the headers of each letter."""
    pairs = [("From", _address(envelope.shown))]
    if envelope.reply_to:
        pairs.append(("Reply-To", envelope.reply_to))
    pairs += [("Date", format_datetime(at)), ("MIME-Version", "1.0")]
    return _lines([*pairs, *envelope.headers, ("Content-Type", envelope.content_type)])


def message(common: bytes, envelope: Envelope, letter: Letter) -> bytes:
    """The whole message, lines ending in CRLF. common: of head()."""
    own = (
        ("To", letter.to),
        ("Subject", letter.body.subject),
        ("Message-ID", message_id_of(envelope, letter)),
        *letter.headers,
    )
    return b"%s%s\r\n%s" % (common, _lines(own), letter.body.mime)


def _lines(pairs: Sequence[tuple[str, str]]) -> bytes:
    text = "".join([f"{name}: {encoded(value)}\r\n" for name, value in pairs])
    return text.encode("ascii")


@lru_cache(maxsize=4_096)
def encoded(text: str) -> str:
    """As it may stand in a header: what is not ASCII, or too long for a line, in encoded words. Raises
    NotAHeader.
    """
    if not text.isprintable():
        raise NotAHeader(f"This cannot stand in a header: {text[:60]!r}")
    if text.isascii() and len(text) < 900:
        return text
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in _words(text))


def _words(text: str) -> list[bytes]:
    """Pieces of UTF-8, each of whole characters."""
    words, word = [], b""
    for character in text:
        one = character.encode()
        if len(word) + len(one) > WORD_BYTES:
            words.append(word)
            word = b""
        word += one
    return [*words, word]


@lru_cache(maxsize=64)
def _address(shown: str) -> str:
    """A name with an address: only the name may be encoded."""
    if shown.isascii():
        return shown
    name, address = parseaddr(shown)
    return f"{encoded(name)} <{address}>"
