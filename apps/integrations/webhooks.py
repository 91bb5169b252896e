"""Webhooks out: a customer's systems are told of what happens here, signed as Standard Webhooks has it.

Each endpoint is a connection of the service "webhook", so its messages wait in the outbox, by its schedule,
and are held while it is off. The address was typed in by somebody: only the public internet is reached, at
the address that was checked, and no redirect is followed. A message is thin: what happened, to which id; who
wants more reads it from the API.
"""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, events, scoping
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.events import Event
from apps.accounts.models import OutboxEvent
from apps.accounts.permissions import Actor
from apps.integrations import (
    call_deeds,
    connection_states,
    errors,
    outbox,
    sealed_json,
    services,
    settling,
    signatures,
    tokens,
)
from apps.integrations.client import Client
from apps.integrations.events import CallSettled
from apps.integrations.http import Request, Response
from apps.integrations.models import Call, Connection, WebhookEndpoint
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.resilience.retry_after import seconds_of
from apps.integrations.services import Family, Reach, Service

SERVICE = "webhook"
OPERATION = "messages.send"
ALL = "*"
TEST = "webhook.test"
TIMEOUT_SECONDS = 15.0
LARGEST_MESSAGE = 20_000
FAILS_FOR = timedelta(days=5)
# Both secrets sign for as long, so that a receiver can change over in its own time.
OLD_SECRET_KEPT = timedelta(hours=24)
MOST_ENDPOINTS = 20
LOG_SHOWN = 50
REMEMBERED_SECONDS = 5.0


class NotRedeliverable(DomainError):
    code = "not_redeliverable"
    status = 409


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """2xx is taken, 410 is never again, and all else, redirects too, is worth another try by the schedule."""
    status = response.status
    if 200 <= status < 300:
        return OK
    reason = f"The endpoint answered HTTP {status}."
    if status == 410:
        return Outcome(kind=Kind.PERMANENT_CONFIG, status=status, reason=f"{reason} It is gone.")
    wait = seconds_of(response.headers, now=now)
    if status == 429:
        return Outcome(
            kind=Kind.THROTTLED, status=status, reason=reason, retry_after_seconds=wait, scope=Scope.ACCOUNT
        )
    return Outcome(kind=Kind.RETRYABLE, status=status, reason=reason, retry_after_seconds=wait)


services.register(
    Service(
        key=SERVICE,
        name="Webhook",
        family=Family.ALERTS,
        base_url="https://localhost",
        reach=Reach.ONE_WAY_OUT,
        honest="Tells an address of yours what happens here.",
        limits=Limits(at_once=4),
        classify=classify,
        check="apps.integrations.webhooks.check",
        is_offered=False,
    )
)


@transaction.atomic
def create(
    actor: Actor, *, url: str, event_names: Sequence[str], now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Keep an endpoint. Returns it with its secret, which is not shown again. Raises Invalid."""
    cleaned = _cleaned_url(url)
    names = _cleaned_names(event_names)
    if endpoints().count() >= MOST_ENDPOINTS:
        raise Invalid({"url": [f"There are {MOST_ENDPOINTS} endpoints already."]})
    secret = signatures.new_secret()
    connection = Connection(
        workspace_id=actor.workspace_id,
        service=SERVICE,
        label=f"Webhook to {urlsplit(cleaned).hostname}"[:120],
        state_changed_at=now,
    )
    connection.account = str(connection.public_id)
    tokens.keep(connection, {"secrets": [[secret, None]]}, now=now)
    endpoint = WebhookEndpoint.objects.create(
        workspace_id=actor.workspace_id, connection=connection, url=cleaned, event_names=names
    )
    audit.record(actor, "webhook.made", endpoint, now=now, after={"events": names})
    transaction.on_commit(_forget)
    _forget()
    return endpoint, secret


def _cleaned_url(url: str) -> str:
    text = url.strip()
    try:
        parts = urlsplit(text)
        is_good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username or len(text) > 2_000 or not text.isascii() or not text.isprintable():
        raise Invalid({"url": ["Give an address that begins with https://, without a name and password."]})
    return text


def _cleaned_names(names: Sequence[str]) -> list[str]:
    known = set(events.REGISTRY)
    chosen = list(dict.fromkeys(names))
    if not chosen or (ALL not in chosen and not known.issuperset(chosen)):
        raise Invalid({"event_names": ["Choose at least one of the events, or all of them."]})
    return [ALL] if ALL in chosen else chosen


def endpoints() -> Any:
    """The endpoints that were not deleted, newest first."""
    kept = WebhookEndpoint.objects.exclude(connection__state=Connection.State.DISCONNECTED)
    return kept.select_related("connection").order_by("-pk")


def get(public_id: UUID | str) -> WebhookEndpoint:
    """Raises NotHere."""
    found: WebhookEndpoint | None = endpoints().filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such endpoint.")
    return found


@transaction.atomic
def rotate(actor: Actor, endpoint: WebhookEndpoint, *, now: datetime) -> str:
    """A new secret. Messages are signed with the old one as well for a day. Returns the new one."""
    connection: Connection = Connection.objects.select_for_update().get(pk=endpoint.connection_id)
    secret = signatures.new_secret()
    until = (now + OLD_SECRET_KEPT).timestamp()
    newest = _secrets(connection, now=now)[0]
    tokens.keep(connection, {"secrets": [[secret, None], [newest, until]]}, now=now)
    audit.record(actor, "webhook.secret_rotated", endpoint, now=now)
    return secret


@transaction.atomic
def turn_on(actor: Actor, endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Tell it again; what was held goes out."""
    connection: Connection = Connection.objects.select_for_update().get(pk=endpoint.connection_id)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=None)
    if not connection.is_usable:
        connection_states.restore(connection, actor, now=now)
    _forget()


@transaction.atomic
def delete(actor: Actor, endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Tell it nothing more. Its log stays until it is old."""
    connection: Connection = Connection.objects.select_for_update().get(pk=endpoint.connection_id)
    connection.state, connection.state_changed_at = Connection.State.DISCONNECTED, now
    connection.data_key = connection.credentials_sealed = None
    connection.save()
    cancelled = call_deeds.cancel_all(connection, now=now)
    audit.record(actor, "webhook.deleted", endpoint, now=now, after={"cancelled": cancelled})
    _forget()


@transaction.atomic
def send_test(actor: Actor, endpoint: WebhookEndpoint, *, now: datetime) -> Call:
    """Have a message go out that tells of nothing."""
    message_id = f"test_{endpoint.public_id.hex}_{int(now.timestamp() * 1000)}"
    return _enqueue(endpoint, message_id, message_id, _body(TEST, now, {}), now=now)


def log_of(endpoint: WebhookEndpoint) -> list[Call]:
    """Its latest messages, newest first."""
    return list(
        Call.objects.filter(connection=endpoint.connection_id)
        .select_related("connection")
        .order_by("-pk")[:LOG_SHOWN]
    )


@transaction.atomic
def redeliver(actor: Actor, endpoint: WebhookEndpoint, call_id: UUID | str, *, now: datetime) -> Call:
    """Send a message of the log once more, with the same id. Audited. Raises NotHere or NotRedeliverable."""
    call = Call.objects.filter(connection=endpoint.connection_id, public_id=call_id).first()
    if call is None:
        raise NotHere("There is no such message.")
    if call.state == Call.State.DEAD:
        return call_deeds.replay(actor, call.public_id, now=now)
    if call.state != Call.State.DONE:
        raise NotRedeliverable("It waits to be sent, or was cancelled.")
    message_id = call.dedup_key.split(":")[0]
    row = (
        OutboxEvent.objects.filter(pk=message_id.removeprefix("evt_")).first()
        if _is_event(message_id)
        else None
    )
    if row is None:
        raise NotRedeliverable("What it told is not kept any more.")
    audit.record(actor, "webhook.redelivered", call, now=now)
    again = f"{message_id}:{int(now.timestamp() * 1_000_000)}"
    return _enqueue(endpoint, message_id, again, _body_of(row), now=now)


def _is_event(message_id: str) -> bool:
    return message_id.startswith("evt_") and message_id[4:].isdigit()


def _wants(event: type[Event]) -> bool:
    """Whether any endpoint of the workspace asked for it. Asked with each event, so known for a moment."""
    names = _asked_for(scoping.current_id())
    return ALL in names or event.name in names


_known: dict[int, tuple[float, frozenset[str]]] = {}


def _asked_for(workspace_id: int) -> frozenset[str]:
    at, names = _known.get(workspace_id, (float("-inf"), frozenset()))
    if time.monotonic() - at < REMEMBERED_SECONDS:
        return names
    rows = endpoints().values_list("event_names", flat=True)
    names = frozenset(name for row in rows for name in row)
    _known[workspace_id] = (time.monotonic(), names)
    return names


def _forget() -> None:
    _known.clear()


@events.follow(_wants)
def tell(event: Event, row: OutboxEvent) -> None:
    """A message to each endpoint that asked for the event, once each."""
    if isinstance(event, CallSettled) and event.service == SERVICE:
        return  # a message that tells of its own delivery would never end
    now = timezone.now()
    for endpoint in endpoints():
        if ALL in endpoint.event_names or event.name in endpoint.event_names:
            key = f"evt_{row.pk}"
            _enqueue(endpoint, key, key, _body_of(row), now=now)


def _enqueue(endpoint: WebhookEndpoint, message_id: str, key: str, body: str, *, now: datetime) -> Call:
    payload = {"id": message_id, "body": body}
    return outbox.enqueue(
        endpoint.connection, OPERATION, payload, dedup_key=key, now=now, lane=Lane.TRANSACTIONAL
    )


def _body_of(row: OutboxEvent) -> str:
    return _body(row.name, row.created_at, row.payload)


def _body(name: str, at: datetime, data: dict[str, Any]) -> str:
    whole = _written(name, at, data)
    return whole if len(whole.encode()) < LARGEST_MESSAGE else _written(name, at, {"is_left_out": True})


def _written(name: str, at: datetime, data: dict[str, Any]) -> str:
    return json.dumps({"type": name, "timestamp": at.isoformat(), "data": data}, separators=(",", ":"))


def perform(client: Client, dues: Sequence[Due]) -> "Answer[None]":
    """One message to its endpoint, signed now."""
    [due] = dues
    endpoint = WebhookEndpoint.objects.get(connection=client.connection)
    answer = _posted(client, endpoint, due.payload)
    _note(endpoint, client.connection, answer.outcome, now=client.clock())
    return answer


outbox.handles(SERVICE, OPERATION, Handler(perform=perform, repeats_for=timedelta(days=30)))


def _posted(client: Client, endpoint: WebhookEndpoint, message: dict[str, Any]) -> "Answer[None]":
    now, body = client.clock(), message["body"].encode()
    keys = _secrets(client.connection, now=now) if client.connection.is_usable else []
    headers = signatures.headers_of(keys, message_id=message["id"], at=now, body=body)
    url = services.get(SERVICE).placed(endpoint.url)
    request = Request(
        method="POST",
        url=url,
        headers={"Content-Type": "application/json", **headers},
        content=body,
        is_elsewhere=url == endpoint.url,  # what the operator put in its place is trusted
    )
    return client.ask(
        OPERATION,
        request,
        kind="events",
        is_idempotent=False,  # one request a time: the schedule of the outbox tries again
        read=lambda response: None,
        timeout_seconds=TIMEOUT_SECONDS,
    )


def _secrets(connection: Connection, *, now: datetime) -> list[str]:
    """Those that sign, the newest first."""
    kept = (sealed_json.get(connection, "credentials_sealed") or {}).get("secrets", [])
    return [secret for secret, until in kept if until is None or until > now.timestamp()]


@transaction.atomic
def _note(endpoint: WebhookEndpoint, connection: Connection, outcome: Outcome, *, now: datetime) -> None:
    """Remember since when it fails; after five days of it the endpoint is switched off."""
    if outcome.is_good or (not outcome.was_sent and outcome.kind in settling.NOT_MADE):
        since = None if outcome.is_good else endpoint.failing_since
    else:
        since = endpoint.failing_since or now
    if since != endpoint.failing_since:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=since)
    if since is not None and now - since > FAILS_FOR:
        fresh: Connection = Connection.objects.select_for_update().get(pk=connection.pk)
        connection_states.switch_off(fresh, reason="Nothing was accepted for five days.", now=now)


def check(client: Client) -> str:
    """Sends a message that tells of nothing, now. Raises ServiceError."""
    endpoint = WebhookEndpoint.objects.get(connection=client.connection)
    now = client.clock()
    message = {"id": f"test_{endpoint.public_id.hex}", "body": _body(TEST, now, {})}
    answer = _posted(client, endpoint, message)
    if not answer.outcome.is_good:
        raise errors.of("The endpoint", answer.outcome)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=None)
    return "The endpoint accepted a test message."
