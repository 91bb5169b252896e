"""What Twilio sends back: the key that was pressed in a call, and what became of an SMS.

Only HMAC-SHA1 with the account's token is known here; the newer HMAC-SHA256 with a shared key is refused.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from apps.accounts.permissions import system
from apps.integrations import inbound
from apps.integrations.connectors.alerts.twilio import CALL, SMS
from apps.integrations.inbound import Checked, Delivery, Forged, Received, Receiver
from apps.integrations.models import Connection
from apps.integrations.monitoring import alert_channels, incidents
from apps.integrations.services import Credentials

UNDELIVERED = {"undelivered", "failed"}


def verify(delivery: Delivery, credentials: Credentials, now: datetime) -> Checked:
    """HMAC-SHA1 over the public address and the sorted parameters; there is no time in it.

    What is signed are the parameters, not the bytes: a body that says the same in other bytes is refused, so
    that each message has one form. The address is tried with and without its port.
    """
    secret = str(credentials.get("auth_token") or "")
    given = delivery.headers.get("x-twilio-signature", "").encode()
    pairs = _pairs(delivery.body)
    signed = [_signature(secret, url, pairs) for url in _addresses(delivery.url)]
    matches = [hmac.compare_digest(one, given) for one in signed]
    if not secret or not any(matches):
        raise Forged("The signature is not Twilio's.")
    return Checked(event_id=hashlib.sha256(signed[0]).hexdigest(), sent_at=None)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    text = body.decode("ascii", errors="replace")
    if re.search(r"%(?![0-9A-F]{2})|[^!-~]", text):
        raise Forged("The body is not encoded as Twilio does it.")
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError as error:
        raise Forged("The body is no form.") from error


def _signature(secret: str, url: str, pairs: list[tuple[str, str]]) -> bytes:
    base = url + "".join(name + text for name, text in sorted(set(pairs)))
    return base64.b64encode(hmac.new(secret.encode(), base.encode(), hashlib.sha1).digest())


def _addresses(url: str) -> list[str]:
    """As it is, without its port, and with the port of its scheme."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", {"https": 443, "http": 80}.get(parts.scheme, 443)
    others = [urlunsplit(parts._replace(netloc=one)) for one in (host, f"{host}:{port}")]
    return list(dict.fromkeys([url, *others]))


def process(connection: Connection, received: Received, now: datetime) -> str:
    """A pressed 1 takes the incident; an SMS that was not delivered has the next channels told."""
    key = received.query.get("key", "")
    form = dict(parse_qsl(received.body.decode("ascii", errors="replace"), keep_blank_values=True))
    if form.get("MessageStatus") in UNDELIVERED:
        alert_channels.fall_over(connection, key, now=now)
        return f"It was {form['MessageStatus']} ({form.get('ErrorCode', 'no code')}): the next were told."
    if form.get("Digits") == "1":
        who = system(connection.workspace_id, f"Telephone {connection.label}")
        return incidents.take_from_outside(who, key, now=now)
    return "There was nothing to do."


def answer(received: Received) -> tuple[str, str]:
    """What the telephone says to the key that was pressed."""
    form = dict(parse_qsl(received.body.decode("ascii", errors="replace")))
    if "Digits" not in form:
        return "", "text/xml"
    said = "Thank you. It is yours." if form["Digits"] == "1" else "Nobody took it."
    return f"<Response><Say>{said}</Say></Response>", "text/xml"


for _key in (SMS, CALL):
    inbound.receives(_key, Receiver(verify=verify, process=process, answer=answer))
