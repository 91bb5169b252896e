"""The two tokens of one message to one recipient: each names the workspace and the recipient, and says that
we made it.

What goes by the message's token only tells of it: its Message-ID, its links, its picture. Whoever is sent a
link of it on can do no more with that. The way out is a token of its own, under a key of its own: with it the
recipient is taken off the list, and their preferences are seen and changed. Neither is read as the other, and
none can be worked out of the other.

24 bytes, 32 characters of URL-safe base64: workspace (4 bytes), recipient (8), and the first 96 bits of an
HMAC-SHA256 over them. The keys are derived from SECRET_KEY; those of SECRET_KEY_FALLBACKS still read.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from django.conf import settings

from apps.accounts.errors import NotHere

_PLACE = Struct(">IQ")
MAC_BYTES = 12
MESSAGE = b"bellwether.message-token.v1"
WAY_OUT = b"bellwether.way-out-token.v1"
_BLOCK_BYTES = 64


@dataclass(frozen=True)
class Named:
    """Whose message a token is of."""

    workspace_id: int
    recipient_id: int


class Tokens(NamedTuple):
    """message: tells of the message, and acts for nobody. way_out: acts for its recipient."""

    message: str
    way_out: str


class Keyed:
    """HMAC-SHA256 (RFC 2104) under one key, whose two blocks are hashed once: a mac then costs two copies of
    them. Both tokens of a message take 3.1 microseconds, where hmac.digest took 2.7 for one.
    """

    def __init__(self, secret: str, purpose: bytes) -> None:
        key = hmac.digest(secret.encode(), purpose, "sha256").ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def mac(self, text: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()[:MAC_BYTES]


def both(workspace_id: int, recipient_id: int) -> Tokens:
    place, secret = _PLACE.pack(workspace_id, recipient_id), settings.SECRET_KEY
    return Tokens(_made(place, secret, MESSAGE), _made(place, secret, WAY_OUT))


def issue(workspace_id: int, recipient_id: int) -> str:
    """The message's own."""
    return both(workspace_id, recipient_id).message


def read(token: str) -> Named:
    """Of a message's own. Raises NotHere for what we did not make for that."""
    return _read(token, MESSAGE)


def read_way_out(token: str) -> Named:
    """Raises NotHere for what we did not make for that, the token of a link among it."""
    return _read(token, WAY_OUT)


def _made(place: bytes, secret: str, purpose: bytes) -> str:
    return base64.urlsafe_b64encode(place + _keyed(secret, purpose).mac(place)).decode()


def _read(token: str, purpose: bytes) -> Named:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unknown() from error
    place, mac = raw[: _PLACE.size], raw[_PLACE.size :]
    secrets = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    if len(raw) != _PLACE.size + MAC_BYTES or not any(
        hmac.compare_digest(_keyed(one, purpose).mac(place), mac) for one in secrets
    ):
        raise _unknown()
    return Named(*_PLACE.unpack(place))


@lru_cache(maxsize=16)
def _keyed(secret: str, purpose: bytes) -> Keyed:
    return Keyed(secret, purpose)


def _unknown() -> NotHere:
    return NotHere("This link is not one of ours, or it was cut short. Use the whole link of the message.")
