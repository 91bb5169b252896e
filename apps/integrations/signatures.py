"""Standard Webhooks signatures (standardwebhooks.com): HMAC-SHA256 over id, time and the raw body.

The library makes them. They are held against what came as texts: its own check decodes base64 leniently, so
that two signatures that differ in an unused bit pass as one, and it reads the machine's clock.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from standardwebhooks.webhooks import Webhook

TOLERANCE = timedelta(minutes=5)
SECRET_BYTES = 32


class Forged(Exception):
    """Not signed by whom it should be, or not now."""


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers_of(keys: Sequence[str], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message, with a signature by each of the secrets."""
    signed = [Webhook(key).sign(message_id, at.astimezone(UTC), body.decode()) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def verified_id(
    keys: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: datetime, prefix: str = "webhook"
) -> str:
    """The id of a message that one of the secrets signed within five minutes of now. Raises Forged.

    headers: names in lower case. prefix: what the three headers begin with ("svix" at some services).
    """
    message_id, stamp, given = (
        headers.get(f"{prefix}-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not message_id or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Forged("The headers of the signature are missing.")
    at = datetime.fromtimestamp(int(stamp), UTC)
    if abs(now - at) > TOLERANCE:
        raise Forged("It was signed too long ago, or by a clock that is wrong.")
    try:
        wanted = [Webhook(key).sign(message_id, at, body.decode()).encode() for key in keys]
    except ValueError as error:
        raise Forged("The body is no text.") from error
    passed = [one.encode("latin-1", errors="replace") for one in given.split(" ")]
    if not any(hmac.compare_digest(one, mine) for one in passed for mine in wanted):
        raise Forged("The signature is none of ours.")
    return message_id
