"""Mailgun: a form for a message, no key against duplicates, but events that can be asked for by Message-ID.

Its webhook's signature covers a time and a token and not what is told: what would harm an address or a sender
is read again from its events before it counts.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import (
    RECIPIENT,
    Message,
    News,
    State,
    by_status,
    never_done,
    unknown,
)
from apps.integrations.http import Request, Response
from apps.integrations.models import Suppression
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Credentials, Family, Field, Service
from apps.integrations.settling import not_told
from apps.integrations.signatures import TOLERANCE, Forged

BASES = {"us": "https://api.mailgun.net/v3", "eu": "https://api.eu.mailgun.net/v3"}
# What a wrong path is answered with, and status 200.
GREETING = "Mailgun Magnificent API"
HARMFUL = {State.BOUNCED, State.COMPLAINED, State.FAILED, State.SUPPRESSED}
# How long after the request an event may still be missing from the list, and from when on it may be gone.
SETTLES, KEPT = timedelta(minutes=10), timedelta(days=1)
Reason = Suppression.Reason


def sign(request: Request, credentials: Credentials) -> Request:
    return replace(request, auth=("api", str(credentials.get("api_key", ""))))


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """By status, with its word on the address, and without being taken in by its greeting."""
    found = by_status(response, now)
    said = str(response.json_object().get("message") or "")
    if found.is_good and not response.json_object():
        is_greeting = GREETING in response.text
        kind = Kind.PERMANENT_CONFIG if is_greeting else Kind.UNKNOWN
        return Outcome(kind=kind, status=response.status, reason="Mailgun answered without an answer.")
    is_of_address = response.status == 400 and said.startswith("to parameter")
    return replace(found, code=RECIPIENT) if is_of_address else found


def check(client: Client) -> str:
    """The domain's state at Mailgun, where the key may ask for it."""
    door = Mailgun(client)
    request = Request(method="GET", url=door.url(f"/domains/{door.domain}"))
    answer: Answer[Any] = client.ask("domain.read", request)
    if answer.outcome.status in {401, 403}:
        return "The key may not read the domain; a key for sending alone may not."
    if not answer.outcome.is_good:
        client.require("domain.read", request)
    domain = answer.value.get("domain", {}) if isinstance(answer.value, dict) else {}
    return f"{door.domain}: {domain.get('state', 'unknown')}"


MAILGUN = services.register(
    Service(
        key="mailgun",
        name="Mailgun",
        family=Family.EMAIL,
        base_url=BASES["us"],
        fields=(
            Field(key="account", label="Domain", help="The sending domain, such as mg.example.com."),
            Field(key="region", label="Region", choices=(("us", "United States"), ("eu", "Europe"))),
            Field(key="api_key", label="Sending key of the domain", is_secret=True),
            Field(
                key="webhook_signing_key",
                label="Webhook signing key",
                help="Without it nothing is known of deliveries and bounces.",
                is_secret=True,
                is_required=False,
            ),
        ),
        honest="Sends messages and tells of deliveries, bounces and complaints.",
        limits=Limits(),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.email.mailgun.check",
    )
)


class Mailgun:
    """Provider at Mailgun."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.domain = str(client.credentials["account"])

    def url(self, path: str) -> str:
        return MAILGUN.placed(BASES[str(self.client.credentials.get("region") or "us")] + path)

    def send(self, message: Message) -> "Answer[str]":
        fields = {
            "from": message.sender,
            "to": message.to,
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "h:Reply-To": message.reply_to,
            "h:Message-Id": message.message_id,
            **{f"h:{name}": value for name, value in message.headers.items()},
            "v:delivery": message.key,
            "o:tracking": "no",
        }
        request = Request(
            method="POST",
            url=self.url(f"/{self.domain}/messages"),
            headers={"Content-Type": f"multipart/form-data; boundary={message.key}"},
            files=[(name, (None, value)) for name, value in fields.items() if value],
        )
        return self.client.ask("messages.send", request, kind="write", is_idempotent=False, read=_id)

    def look_up(self, message: Message, *, asked_at: datetime, now: datetime) -> Outcome:
        answer = self.events(message.message_id)
        if not answer.outcome.is_good:
            return not_told(answer.outcome)
        if answer.value:
            return Outcome(kind=Kind.OK, reference=message.message_id)
        return without_events(asked_at, now)

    def confirmed(self, news: News) -> list[News] | None:
        """What its own events say of the message, or None while they cannot be read."""
        if news.state not in HARMFUL and not news.suppresses:
            return [news]
        answer = self.events(news.message_id)
        if not answer.outcome.is_good or answer.value is None:
            return None
        told = (Mailgun.news({"event-data": one}) for one in answer.value)
        return [one for one in told if one is not None]

    def events(self, message_id: str) -> "Answer[list[dict[str, Any]]]":
        """Of that message and of no other, whatever the filter lets through."""
        params = {"message-id": message_id.strip("<>"), "limit": 100}
        request = Request(method="GET", url=self.url(f"/{self.domain}/events"), params=params)
        return self.client.ask("events.list", request, read=lambda response: _items(response, message_id))

    @staticmethod
    def verified_id(
        credentials: Mapping[str, Any], headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """The token, which is never used twice. Raises Forged."""
        key = str(credentials.get("webhook_signing_key") or "")
        given = Response(200, {}, body).json_object().get("signature")
        if not key or not isinstance(given, dict):
            raise Forged("There is no signature, or no key to check it by.")
        stamp, token, signature = (str(given.get(name) or "") for name in ("timestamp", "token", "signature"))
        wanted = hmac.new(
            key.encode(), f"{stamp}{token}".encode(errors="replace"), hashlib.sha256
        ).hexdigest()
        if not token or not hmac.compare_digest(wanted.encode(), signature.encode(errors="replace")):
            raise Forged("The signature is none of ours.")
        if not stamp.isdigit() or abs(now - datetime.fromtimestamp(int(stamp), UTC)) > TOLERANCE:
            raise Forged("It was signed too long ago, or by a clock that is wrong.")
        return token[:200]

    @staticmethod
    def news(document: Mapping[str, Any]) -> News | None:
        data = document.get("event-data")
        if not isinstance(data, dict) or (told := _told(data)) is None:
            return None
        known = _message_id(data)
        variables = data.get("user-variables") or {}
        return replace(
            told, key=str(variables.get("delivery") or ""), message_id=f"<{known}>" if known else ""
        )


def without_events(asked_at: datetime, now: datetime) -> Outcome:
    """What it says of a message that the list has nothing of it."""
    if now - asked_at < SETTLES:
        return unknown("Too early to say.")
    if now - asked_at > KEPT:
        return unknown("Mailgun may have had it and know it no more.")
    return never_done("Mailgun has no event of it.")


def _told(data: Mapping[str, Any]) -> News | None:
    kind, is_permanent = data.get("event"), data.get("severity") == "permanent"
    reason = str(data.get("reason") or "")[:200]
    if kind == "failed" and is_permanent and reason.startswith("suppress"):
        return News(state=State.SUPPRESSED, suppresses=Reason.SUPPRESSED, reason=reason)
    if kind == "failed" and is_permanent:
        return News(state=State.BOUNCED, suppresses=Reason.BOUNCED, reason=reason)
    return {
        "accepted": News(state=State.ACCEPTED),
        "delivered": News(state=State.DELIVERED),
        "failed": News(state=State.DELAYED, reason=reason),
        "rejected": News(state=State.FAILED, reason=reason),
        "complained": News(state=State.COMPLAINED, suppresses=Reason.COMPLAINED),
        "unsubscribed": News(state=State.DELIVERED, suppresses=Reason.UNSUBSCRIBED),
    }.get(str(kind))


def _id(response: Response) -> str:
    return str(response.json()["id"])


def _items(response: Response, message_id: str) -> list[dict[str, Any]]:
    return [one for one in response.json()["items"] if _message_id(one) == message_id.strip("<>")]


def _message_id(event: Mapping[str, Any]) -> str:
    inner = (event.get("message") or {}).get("headers") or {}
    return str(inner.get("message-id") or "").strip("<>")
