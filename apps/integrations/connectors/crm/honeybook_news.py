"""What a Zap tells us of HoneyBook: JSON or a form, with these fields, all text, all but one optional.

event            new_client, new_inquiry, project_booked, payment_received or project_stage_changed
id               of this message, if the Zap has one; the same one twice is taken once
project_id       of the project, if the Zap knows it
client_name, client_email, phone, project_name, project_type, event_date, total, stage
occurred_at      when it happened there (ISO 8601)

A message needs something that says whom or what it is about: a project, an e-mail address, a telephone or a
name. What is missing is not known, and nothing that is known is lost by it. Which of two messages is the
later one is told by occurred_at, or else by when they came.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apps.integrations import inbound
from apps.integrations.connectors.crm import nudges
from apps.integrations.connectors.crm.honeybook import FIELDS, KEY
from apps.integrations.connectors.crm.system import Entity, Remote
from apps.integrations.inbound import Checked, Delivery, Forged, Received, Receiver
from apps.integrations.models import Connection
from apps.integrations.services import Credentials

HEADER = "x-bellwether-secret"
AMOUNT = re.compile(r"[^\d.,-]*(-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{1,2})?)[^\d.,-]*", re.ASCII)
# What an event means for the stage of a project, where the message says none.
STAGES = {"new_inquiry": "lead", "project_booked": "booked", "payment_received": "booked"}
# HoneyBook's own stages may be renamed; those that are known stand for ours, the rest is kept as it is said.
KNOWN_STAGES = {
    "inquiry": "lead",
    "follow-up": "lead",
    "follow up": "lead",
    "meeting": "lead",
    "proposal sent": "lead",
    "proposal signed": "booked",
    "retainer paid": "booked",
    "booked": "booked",
    "planning": "fulfilment",
    "completed": "completed",
    "archived": "completed",
}


def verify(delivery: Delivery, credentials: Credentials, now: datetime) -> Checked:
    """The address is the secret, and the header where one was agreed on. One message is taken once.

    It is known by the Zap's id, or by what it says. Where it says no time either, the same words an hour
    later are news: a stage may be left and come back to.
    """
    wanted = str(credentials.get("header_secret") or "").encode()
    given = delivery.headers.get(HEADER, "").encode()
    if wanted and not hmac.compare_digest(given, wanted):
        raise Forged(f"The header {HEADER} does not carry the secret.")
    message = read(Received(url=delivery.url, body=delivery.body, headers=delivery.headers))
    if not message:
        raise Forged("It is no message: nothing that we know stands in it.")
    place = urlsplit(delivery.url).path.rstrip("/").rsplit("/", 1)[-1]
    return Checked(event_id=f"{place}:{_name_of(message, now)}", sent_at=None)


def _name_of(message: Mapping[str, str], now: datetime) -> str:
    if given := message.get("id"):
        return f"id:{hashlib.sha256(given.encode()).hexdigest()}"
    canonical = json.dumps(dict(message), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    hour = "" if "occurred_at" in message else now.astimezone(UTC).strftime("%Y-%m-%dT%H")
    return hashlib.sha256(f"{canonical}{hour}".encode()).hexdigest()


def read(received: Received) -> dict[str, str]:
    """The known fields that say something, as text."""
    document: Mapping[str, Any] = received.json_object()
    if not document and "json" not in received.headers.get("content-type", ""):
        document = dict(parse_qsl(received.body.decode("utf-8", errors="replace")))
    told = {name: _text(document.get(name)) for name in FIELDS}
    return {name: text for name, text in told.items() if text}


def _text(value: Any) -> str:
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).replace("\0", "").strip() if is_plain else ""


def process(connection: Connection, received: Received, now: datetime) -> str:
    """Hand the client and the project to whoever keeps them."""
    message = read(received)
    at = _moment(message.get("occurred_at")) or now
    told = [one for one in (_client(message, at), _project(message, at)) if one is not None]
    if not told:
        return "It names neither a client nor a project: nothing could be done."
    said = [nudges.tell(connection, one, now=now) for one in told]
    return " ".join(filter(None, said)) or f"{len(told)} taken."


def _client(message: Mapping[str, str], at: datetime) -> Remote | None:
    known = client_id(message)
    if known is None:
        return None
    first, _, last = message.get("client_name", "").partition(" ")
    fields = {
        "kind": "person",
        "first_name": first,
        "last_name": last.strip(),
        "email": message.get("client_email", "").lower(),
        "phone": message.get("phone"),
    }
    said = {name: text for name, text in fields.items() if text}
    return Remote(entity=Entity.CONTACT, id=known, raw=dict(message), fields=said, modified_at=at)


def client_id(message: Mapping[str, str]) -> str | None:
    """HoneyBook tells no id of a client: it is known by its address, else by its number, project or name."""
    for name in ("client_email", "phone", "project_id", "client_name"):
        text = message.get(name, "").lower()
        if name == "phone":
            text = "".join(one for one in text if one.isdigit())
        if text and not (name == "project_id" and "client_name" not in message):
            return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    return None


def _project(message: Mapping[str, str], at: datetime) -> Remote | None:
    known, client = message.get("project_id"), client_id(message)
    if known is None and (client is None or message.get("event") == "new_client"):
        return None
    fields = {
        "name": message.get("project_name"),
        "stage": _stage(message),
        "job_type": message.get("project_type"),
        "event_date": _day(message.get("event_date")),
        "total": _amount(message.get("total")),
        "contacts": [client] if client else None,
    }
    said = {name: value for name, value in fields.items() if value is not None}
    made = f"{client}|{fields['event_date']}|{str(fields['job_type'] or '').lower()}"
    key = known or f"made-{hashlib.sha256(made.encode()).hexdigest()[:32]}"
    return Remote(entity=Entity.JOB, id=key[:200], raw=dict(message), fields=said, modified_at=at)


def _stage(message: Mapping[str, str]) -> str | None:
    said = message.get("stage")
    if said:
        return KNOWN_STAGES.get(said.lower(), said)
    return STAGES.get(message.get("event", ""))


def _amount(text: str | None) -> str | None:
    """1,234.50 and £1234.5 are amounts; 1.234,50 could be another one, and is not guessed."""
    match = AMOUNT.fullmatch(text or "")
    return None if match is None else f"{Decimal(match[1].replace(',', '')):.2f}"


def _day(text: str | None) -> str | None:
    """An ISO day, or the day of an ISO time; other forms can be read in two ways and are left out."""
    try:
        return date.fromisoformat((text or "")[:10]).isoformat()
    except ValueError:
        return None


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


inbound.receives(KEY, Receiver(verify=verify, process=process))
