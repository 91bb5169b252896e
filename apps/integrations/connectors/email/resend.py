"""Resend: one JSON request for a message, an Idempotency-Key that it keeps for 24 hours, webhooks signed as
Svix does it.

One address per message: its events do not say which of several they are about.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from apps.integrations import services, signatures
from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import (
    RECIPIENT,
    Fate,
    Message,
    News,
    State,
    by_status,
    fate_of,
    never_done,
    unknown,
)
from apps.integrations.http import Request, Response
from apps.integrations.models import Suppression
from apps.integrations.resilience.outcomes import Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, Service
from apps.integrations.settling import not_told

# Within this a repeated key is answered with the first answer; an hour is kept clear of the end.
KEY_KEPT = timedelta(hours=23)
QUOTA = {"daily_quota_exceeded", "monthly_quota_exceeded"}
KEYS = {"missing_api_key", "restricted_api_key", "invalid_api_key"}
# The key is in use, or was used with other words: in both cases a message with this key may be on its way.
SEEN_BEFORE = {"concurrent_idempotent_requests", "invalid_idempotent_request"}
OF_A_FIELD = {"validation_error", "invalid_parameter", "missing_required_field", "missing_required_fields"}
PERMANENT = "Permanent"
Reason = Suppression.Reason


def sign(request: Request, credentials: Credentials) -> Request:
    token = str(credentials.get("api_key", ""))
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The name in the error body says more than the status. A fate that is open stays so, key or not: the
    policy may try again with the key, another provider may not."""
    found = by_status(response, now)
    if found.is_good:
        return found if response.json_object() else unknown("Resend answered with something else than JSON.")
    error = response.json_object()
    name, words = str(error.get("name") or ""), str(error.get("message") or "")
    return replace(
        found,
        kind=_kind(name, response.status, found.kind),
        code=RECIPIENT if name in OF_A_FIELD and "`to`" in words and response.status == 422 else name,
        reason=f"Resend {response.status} {name}".strip(),
        scope=Scope.ACCOUNT if response.status == 429 else Scope.CALL,
    )


def _kind(name: str, status: int, by_status: Kind) -> Kind:
    if name in QUOTA:
        return Kind.QUOTA_EXHAUSTED
    if name in SEEN_BEFORE:
        return Kind.UNKNOWN
    return Kind.AUTH_EXPIRED if name in KEYS else by_status


def check(client: Client) -> str:
    """Which domains may be written from. A key for sending alone may not ask that, and says so."""
    answer: Answer[Any] = client.ask("domains.list", Request(method="GET", url="/domains"))
    if answer.outcome.code == "restricted_api_key":
        return "The key may send, and nothing else."
    if not answer.outcome.is_good:
        client.require("domains.list", Request(method="GET", url="/domains"))
    domains = answer.value.get("data", []) if isinstance(answer.value, dict) else []
    return ", ".join(f"{one.get('name')}: {one.get('status')}" for one in domains) or "No domain yet."


RESEND = services.register(
    Service(
        key="resend",
        name="Resend",
        family=Family.EMAIL,
        base_url="https://api.resend.com",
        fields=(
            Field(key="account", label="Domain", help="The verified domain that you write from."),
            Field(key="api_key", label="API key", help="Sending access is enough.", is_secret=True),
            Field(
                key="webhook_secret",
                label="Signing secret of the webhook",
                help="Begins with whsec_. Without it nothing is known of deliveries and bounces.",
                is_secret=True,
                is_required=False,
            ),
        ),
        honest="Sends messages and tells of deliveries, bounces and complaints.",
        limits=Limits(rates=(Rate(limit=2, window_seconds=1.0),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.email.resend.check",
    )
)


class Resend:
    """Provider at Resend."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(self, message: Message) -> "Answer[str]":
        document: dict[str, Any] = {
            "from": message.sender,
            "to": [message.to],
            "subject": message.subject,
            "text": message.text,
        }
        if message.html:
            document["html"] = message.html
        if message.reply_to:
            document["reply_to"] = message.reply_to
        document["headers"] = {"Message-ID": message.message_id, **message.headers}
        document["tags"] = [{"name": "delivery", "value": message.key}]
        request = Request(
            method="POST", url="/emails", headers={"Idempotency-Key": message.key}, json=document
        )
        return self.client.ask("emails.send", request, kind="write", is_idempotent=True, read=_id)

    def look_up(self, message: Message, *, asked_at: datetime, now: datetime) -> Outcome:
        """The same key again: what was sent is not sent twice, and is answered as it was."""
        if now - asked_at > KEY_KEPT:
            return unknown("Resend has forgotten the key by now.")
        answer = self.send(message)
        fate = fate_of(answer)
        if fate == Fate.ACCEPTED:
            return Outcome(kind=Kind.OK, reference=answer.value or "")
        return never_done(answer.outcome.reason) if fate == Fate.REFUSED else not_told(answer.outcome)

    def confirmed(self, news: News) -> list[News] | None:
        """Its signature covers the body."""
        return [news]

    @staticmethod
    def verified_id(
        credentials: Mapping[str, Any], headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        secret = str(credentials.get("webhook_secret") or "")
        if not secret:
            raise signatures.Forged("There is no secret to check it by.")
        return signatures.verified_id([secret], headers, body, now=now, prefix="svix")

    @staticmethod
    def news(document: Mapping[str, Any]) -> News | None:
        told = _told(str(document.get("type", "")), data := dict(document.get("data") or {}))
        if told is None:
            return None
        return replace(
            told,
            key=_tag(data.get("tags"), "delivery"),
            provider_id=str(data.get("email_id") or ""),
            # Of a message to many the tag says which, and no earlier than the ledger could.
            message_id=str(data.get("message_id") or _tag(data.get("tags"), "message")),
        )


def _told(kind: str, data: Mapping[str, Any]) -> News | None:
    if kind == "email.bounced":
        bounce = dict(data.get("bounce") or {})
        reason = " ".join(str(bounce.get(key) or "") for key in ("type", "subType")).strip()
        if bounce.get("type") == PERMANENT:
            return News(state=State.BOUNCED, suppresses=Reason.BOUNCED, reason=reason)
        return News(state=State.FAILED, reason=reason)
    return {
        "email.sent": News(state=State.ACCEPTED),
        "email.delivered": News(state=State.DELIVERED),
        "email.delivery_delayed": News(state=State.DELAYED),
        "email.complained": News(state=State.COMPLAINED, suppresses=Reason.COMPLAINED),
        "email.failed": News(state=State.FAILED, reason=_reason(data, "failed")),
        "email.suppressed": News(
            state=State.SUPPRESSED, suppresses=Reason.SUPPRESSED, reason=_reason(data, "suppressed")
        ),
    }.get(kind)


def _reason(data: Mapping[str, Any], key: str) -> str:
    inner = data.get(key)
    return str(inner.get("reason") or "")[:200] if isinstance(inner, dict) else ""


def _tag(tags: Any, name: str) -> str:
    """Tags come as an object, or as a list of names and values."""
    if isinstance(tags, dict):
        return str(tags.get(name) or "")
    listed = tags if isinstance(tags, list) else []
    return next(
        (str(one.get("value")) for one in listed if isinstance(one, dict) and one.get("name") == name), ""
    )


def _id(response: Response) -> str:
    return str(response.json()["id"])
