"""Slack: an incoming webhook, or a bot that edits its own message when an incident is over.

Errors of a webhook are plain words with a status; a bot is answered 200 with {"ok": false}. A webhook gives
no id of a message, so what it sent cannot be edited or found again: a duplicate is taken instead of silence.
"""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apps.accounts.permissions import system
from apps.integrations import inbound, services
from apps.integrations.client import Client
from apps.integrations.connectors.alerts.alert import THRESHOLDS, TIMEOUT_SECONDS, Alert, told_by, trial
from apps.integrations.http import Request, Response
from apps.integrations.inbound import Checked, Delivery, Forged, Received, Receiver
from apps.integrations.models import Call, Connection
from apps.integrations.monitoring import alert_channels, incidents
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, Reach, Service

KEY = "slack"
API = "https://slack.com/api/"
HOSTS = {"hooks.slack.com", "hooks.slack-gov.com"}
SIGNED_OUT = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
CONFIGURED_WRONG = {
    "action_prohibited", "invalid_token", "channel_not_found", "no_service", "no_service_id", "no_team",
    "team_disabled", "channel_is_archived", "is_archived", "not_in_channel", "missing_scope",
    "restricted_action",
}  # fmt: skip
UNUSABLE = {"invalid_payload", "no_text", "invalid_blocks", "too_many_attachments", "user_not_found"}
ACKNOWLEDGE = "bellwether_acknowledge"


def sign(request: Request, credentials: Credentials) -> Request:
    """A webhook's address is its secret; a bot shows its token."""
    token = credentials.get("bot_token")
    headers = {**request.headers, "Authorization": f"Bearer {token}"} if token else request.headers
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = response.json_object()
    if by_status.is_good and document.get("ok") is True:
        reference = f"{document.get('channel', '')}:{document.get('ts', '')}".strip(":")
        return Outcome(kind=Kind.OK, status=response.status, reference=reference)
    word = str(document.get("error") or response.text.strip())[:80]
    if by_status.is_good and not document:
        reason = "Slack answered with something else than its word."
        return by_status if word == "ok" else replace(by_status, kind=Kind.UNKNOWN, reason=reason)
    return replace(
        by_status, kind=_kind(word, by_status), code=word, reason=f"Slack: {word}", scope=_scope(word)
    )


def _kind(word: str, by_status: Outcome) -> Kind:
    if word == "ratelimited":
        return Kind.THROTTLED
    if word in SIGNED_OUT:
        return Kind.AUTH_EXPIRED
    if word in CONFIGURED_WRONG:
        return Kind.PERMANENT_CONFIG
    return Kind.PERMANENT_DATA if by_status.is_good or word in UNUSABLE else by_status.kind


def _scope(word: str) -> Scope:
    return Scope.ACCOUNT if word == "ratelimited" else Scope.CALL


def tell(client: Client, alert: Alert, call: Call | None) -> Answer:
    """A new message, or the one of before with its new state."""
    if not client.credentials.get("bot_token"):
        return _by_webhook(client, alert)
    place = {"channel": client.credentials.get("channel", "")}
    before = alert_channels.reference_of(client.connection, alert.key) if alert.deed != "trigger" else ""
    if before:
        channel, _, moment = before.partition(":")
        return _post(
            client, f"{API}chat.update", {"channel": channel, "ts": moment, **message(client, alert)}
        )
    return _post(client, f"{API}chat.postMessage", {**place, **message(client, alert)})


def _by_webhook(client: Client, alert: Alert) -> Answer:
    parts = urlsplit(str(client.credentials.get("webhook_url", "")))
    if parts.scheme != "https" or parts.hostname not in HOSTS:
        reason = "A webhook of Slack begins with https://hooks.slack.com/."
        return Answer(outcome=Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason, was_sent=False))
    return _post(client, f"https://{parts.hostname}{parts.path}", message(client, alert))


def _post(client: Client, url: str, body: dict[str, Any]) -> Answer:
    request = Request(method="POST", url=client.service.placed(url), json=body)
    return client.ask(
        "messages.send",
        request,
        kind="write",
        is_idempotent=False,
        read=lambda response: None,
        timeout_seconds=TIMEOUT_SECONDS,
    )


def message(client: Client, alert: Alert) -> dict[str, Any]:
    """text is what a notification shows; blocks are the message itself."""
    blocks: list[dict[str, Any]] = [_section(f"*{_escaped(alert.line)}*\n{_escaped(alert.detail)}".strip())]
    if alert.deed == "trigger":
        buttons = [{"type": "button", "text": _plain("Open it"), "url": alert.url}]
        if client.credentials.get("signing_secret"):
            take = {"type": "button", "style": "primary", "action_id": ACKNOWLEDGE, "value": alert.key}
            buttons.insert(0, {**take, "text": _plain("Acknowledge")})
        blocks.append({"type": "actions", "elements": buttons})
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": alert.key}]})
    return {"text": _escaped(alert.words), "blocks": blocks, "unfurl_links": False}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def verify(delivery: Delivery, credentials: Credentials, now: datetime) -> Checked:
    """Version 0: HMAC-SHA256 over "v0:<seconds>:<body>", five minutes old at most."""
    secret = str(credentials.get("signing_secret") or "")
    stamp = delivery.headers.get("x-slack-request-timestamp", "")
    base = b":".join((b"v0", stamp.encode(), delivery.body))
    expected = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    given = delivery.headers.get("x-slack-signature", "")
    if not secret or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forged("The signature is not Slack's.")
    return Checked(event_id=_event_id(delivery.body) or expected, sent_at=_moment(stamp))


def _event_id(body: bytes) -> str:
    """An event that is delivered again has its id still, and another signature."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    return str(document.get("event_id") or "") if isinstance(document, dict) else ""


def _moment(stamp: str) -> datetime:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        raise Forged("There is no time on it.")
    return datetime.fromtimestamp(int(stamp), UTC)


def answer(received: Received) -> tuple[str, str]:
    """The handshake of Slack's events, answered with its own word; everything else with nothing."""
    try:
        document = json.loads(received.body)
    except ValueError:
        return "", "text/plain"
    challenge = document.get("challenge", "") if isinstance(document, dict) else ""
    return str(challenge)[:200], "text/plain"


def process(connection: Connection, received: Received, now: datetime) -> str:
    """A pressed button takes the incident."""
    form = parse_qs(received.body.decode("utf-8", errors="replace"))
    pressed = json.loads((form.get("payload") or ["{}"])[0])
    keys = [one.get("value") for one in pressed.get("actions", []) if one.get("action_id") == ACKNOWLEDGE]
    user = pressed.get("user", {})
    who = system(connection.workspace_id, f"Slack user {user.get('id', 'unknown')}")
    return incidents.take_from_outside(who, keys[0], now=now) if keys else "There was nothing to do."


SLACK = services.register(
    Service(
        key=KEY,
        name="Slack",
        family=Family.ALERTS,
        base_url="https://hooks.slack.com",
        fields=(
            Field(
                key="webhook_url",
                label="Incoming webhook",
                help="https://hooks.slack.com/services/… Needed unless there is a bot.",
                is_secret=True,
                is_required=False,
            ),
            Field(
                key="bot_token",
                label="Bot token",
                help="xoxb-… With it a message is edited when its incident is over.",
                is_secret=True,
                is_required=False,
            ),
            Field(key="channel", label="Channel of the bot", help="C0123456789", is_required=False),
            Field(
                key="signing_secret",
                label="Signing secret",
                help="With it a message has a button that takes the incident.",
                is_secret=True,
                is_required=False,
            ),
            *THRESHOLDS,
        ),
        scopes=(),
        reach=Reach.TWO_WAY,
        honest="Writes alerts into a channel; with a bot they are edited, with a signing secret taken there.",
        limits=Limits(at_once=2, rates=(Rate(limit=60, window_seconds=60),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.alerts.slack.check",
    )
)
check = partial(trial, tell)
told_by(KEY, tell, repeats_for=timedelta(hours=1))
inbound.receives(KEY, Receiver(verify=verify, process=process, answer=answer, tolerance=timedelta(minutes=5)))
