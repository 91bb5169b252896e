"""The token of one message to one recipient: it names both the workspace and the recipient, and says that we
made it.

24 bytes, 32 characters of URL-safe base64: workspace (4 bytes), recipient (8), and the first 96 bits of an
HMAC-SHA256 over them. The key is derived from SECRET_KEY; those of SECRET_KEY_FALLBACKS still read.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

from django.conf import settings

from apps.accounts.errors import NotHere

_PLACE = Struct(">IQ")
MAC_BYTES = 12
PURPOSE = b"bellwether.message-token.v1"


@dataclass(frozen=True)
class Named:
    """Whose message a token is of."""

    workspace_id: int
    recipient_id: int


def issue(workspace_id: int, recipient_id: int) -> str:
    place = _PLACE.pack(workspace_id, recipient_id)
    return base64.urlsafe_b64encode(place + _mac(settings.SECRET_KEY, place)).decode()


def read(token: str) -> Named:
    """Raises NotHere for what we did not make."""
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unknown() from error
    place, mac = raw[: _PLACE.size], raw[_PLACE.size :]
    keys = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    if len(raw) != _PLACE.size + MAC_BYTES or not any(hmac.compare_digest(_mac(k, place), mac) for k in keys):
        raise _unknown()
    return Named(*_PLACE.unpack(place))


def _mac(secret: str, place: bytes) -> bytes:
    return hmac.digest(_key(secret), place, "sha256")[:MAC_BYTES]


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), PURPOSE, "sha256")


def _unknown() -> NotHere:
    return NotHere("This link is not one of ours, or it was cut short. Use the whole link of the message.")
