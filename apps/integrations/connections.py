"""Connect an account at a service, test it, and disconnect it: by keys typed in, or by signing in there."""

import secrets
import unicodedata
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor
from apps.integrations import connection_states, http, oauth, sealed_json, services, tokens
from apps.integrations.client import Client
from apps.integrations.models import Connection
from apps.integrations.services import Field, Service

SESSION_KEY = "integrations.sign_in"
SIGN_IN_MINUTES = 15
LONGEST_VALUE = 4_000

sealed_json.seals("integrations_connection")


class AlreadyConnected(DomainError):
    code = "already_connected"
    status = 409


class SignInLost(DomainError):
    code = "sign_in_lost"
    status = 400


class NotRevoked(DomainError):
    code = "not_revoked"
    status = 503


def get(public_id: UUID | str) -> Connection:
    """A connection of this workspace. Raises NotHere."""
    found: Connection | None = Connection.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such connection.")
    return found


class ServiceGone(DomainError):
    code = "service_gone"
    status = 409


def service_of(key: str) -> Service:
    """Raises NotHere for a service that this version does not know."""
    try:
        return services.get(key)
    except KeyError as error:
        raise NotHere(f"There is no service called {key!r}.") from error


@transaction.atomic
def connect(
    actor: Actor, service: Service, *, values: Mapping[str, str], label: str = "", now: datetime
) -> Connection:
    """Keep an account's keys and options, sealed. Raises Invalid (fields named) or AlreadyConnected."""
    cleaned = _cleaned(service, values)
    secret = {one.key for one in service.secret_fields}
    connection = Connection(
        workspace_id=actor.workspace_id,
        service=service.key,
        account=cleaned.pop("account", "") or "",
        label=label.strip()[:120] or service.name,
        state_changed_at=now,
        options={key: value for key, value in cleaned.items() if key not in secret},
        scopes=list(service.scopes),
        connected_by_id=actor.id if actor.kind == "user" else None,
    )
    sealed = {key: value for key, value in cleaned.items() if key in secret}
    _keep(connection, sealed, now=now)
    audit.record(actor, "connection.made", connection, now=now, after={"service": service.key})
    service.run_welcome(connection, now=now)
    return connection


def begin_sign_in(
    actor: Actor,
    service: Service,
    session: MutableMapping[str, Any],
    *,
    values: Mapping[str, str],
    now: datetime,
) -> str:
    """Where to send the person's browser. What comes back is held against what the session keeps."""
    cleaned = _cleaned(service, values)
    state, verifier = secrets.token_urlsafe(24), oauth.verifier()
    session[SESSION_KEY] = {
        "state": state,
        "verifier": verifier,
        "service": service.key,
        "workspace": actor.workspace_id,
        "values": cleaned,
        "began": now.timestamp(),
    }
    return oauth.sign_in_url(service, redirect_uri=redirect_uri(), state=state, code_verifier=verifier)


def finish_sign_in(
    actor: Actor, session: MutableMapping[str, Any], *, state: str, code: str, now: datetime
) -> Connection:
    """Exchange the code for a token and keep it. Raises SignInLost, ServiceError or AlreadyConnected.

    An account that was connected before, and needs to be again, gets the new token and goes on.
    """
    begun = session.pop(SESSION_KEY, None)
    is_ours = begun is not None and secrets.compare_digest(begun["state"].encode(), state.encode())
    is_late = begun is not None and now.timestamp() - begun["began"] > SIGN_IN_MINUTES * 60
    if begun is None or not is_ours or is_late or begun["workspace"] != actor.workspace_id:
        raise SignInLost("This sign-in was not begun here, or too long ago. Begin it again.")
    service = service_of(begun["service"])
    try:
        token = oauth.exchanged(
            service, code=code, redirect_uri=redirect_uri(), code_verifier=begun["verifier"]
        )
    except (oauth.NoToken, http.Failed, http.Unreadable) as error:
        raise SignInLost(f"{service.name} did not let us in: {error} Begin it again.") from error
    return _signed_in(actor, service, begun["values"], token, now=now)


def redirect_uri() -> str:
    return settings.SITE_URL + reverse("integrations:signed-in")


def test(actor: Actor, connection: Connection, *, now: datetime) -> str:
    """Ask the service something harmless. Returns what it said, for the page. Raises ServiceError, and
    ServiceGone where this version does not know it.

    A connection that had been stopped and works again goes on.
    """
    if not services.is_known(connection.service):
        raise ServiceGone(services.GONE)
    service = services.get(connection.service)
    trial = connection if connection.is_usable else _as_if_connected(connection)
    said = service.run_check(Client(trial))
    with transaction.atomic():
        fresh: Connection = Connection.objects.select_for_update().get(pk=connection.pk)
        fresh.checked_at = now
        fresh.save(update_fields=["checked_at"])
        is_stopped = fresh.state in {Connection.State.NEEDS_SIGN_IN, Connection.State.SWITCHED_OFF}
        if is_stopped:
            connection_states.restore(fresh, actor, now=now)
    return said


@transaction.atomic
def disconnect(actor: Actor, connection: Connection, *, now: datetime) -> bool:
    """Revoke at the service where it has a door for that, and forget the credentials. True when it was
    revoked.

    The credentials go even if the service does not answer; the page then says to revoke there.
    """
    fresh: Connection = Connection.objects.select_for_update().get(pk=connection.pk)
    service = services.known(fresh.service)
    if services.is_known(fresh.service):
        service.run_farewell(Client(fresh))
    was_revoked = _revoked(service, sealed_json.get(fresh, "credentials_sealed") or {})
    fresh.state, fresh.state_reason, fresh.state_changed_at = Connection.State.DISCONNECTED, "", now
    fresh.data_key = fresh.credentials_sealed = fresh.credentials_expire_at = None
    fresh.save()
    audit.record(actor, "connection.disconnected", fresh, now=now, after={"was_revoked": was_revoked})
    return was_revoked


def _revoked(service: Service, credentials: Mapping[str, Any]) -> bool:
    token = credentials.get("refresh_token") or credentials.get("access_token")
    if service.oauth is None or not token:
        return False
    try:
        return oauth.revoke(service, token)
    except (http.Failed, oauth.NotSetUp):
        return False


@transaction.atomic
def _signed_in(
    actor: Actor, service: Service, values: Mapping[str, str], token: dict[str, Any], *, now: datetime
) -> Connection:
    account = values.get("account", "")
    same = Connection.objects.select_for_update().filter(service=service.key, account=account)
    known = same.exclude(state=Connection.State.DISCONNECTED).first()
    if known is None:
        known = Connection(
            workspace_id=actor.workspace_id,
            service=service.key,
            account=account,
            label=service.name,
            state_changed_at=now,
            connected_by_id=actor.id if actor.kind == "user" else None,
        )
    known.options = {key: value for key, value in values.items() if key != "account"}
    granted = str(token.pop("scope", "")).replace(",", " ").split()
    known.scopes = granted or list(service.scopes)
    _keep(known, token, now=now)
    audit.record(
        actor, "connection.made", known, now=now, after={"service": service.key, "scopes": known.scopes}
    )
    if not known.is_usable:
        connection_states.restore(known, actor, now=now)
    service.run_welcome(known, now=now)
    return known


def _keep(connection: Connection, credentials: dict[str, Any], *, now: datetime) -> None:
    try:
        with transaction.atomic():
            tokens.keep(connection, credentials, now=now)
    except IntegrityError as error:
        raise AlreadyConnected(
            "This account is connected already. Disconnect it first, or test it."
        ) from error


def _cleaned(service: Service, values: Mapping[str, str]) -> dict[str, str]:
    errors: dict[str, list[str]] = {}
    cleaned = {}
    for one in service.fields:
        text = str(values.get(one.key) or "").strip()
        if fault := _fault(one, text):
            errors[one.key] = [fault]
        elif text:
            cleaned[one.key] = text
    if errors:
        raise Invalid(errors)
    return cleaned


def _fault(field: Field, text: str) -> str:
    """What stands against a text that was typed in; empty when nothing does."""
    if not text:
        return f"{field.label} is needed." if field.is_required else ""
    if len(text) > LONGEST_VALUE:
        return f"At most {LONGEST_VALUE:,} characters."
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        return "One line without control characters. Was more copied than was meant?"
    if field.choices and text not in dict(field.choices):
        return f"Choose one of: {', '.join(dict(field.choices).values())}."
    return "" if text.startswith(field.begins_with) else f"It begins with {field.begins_with}"


def _as_if_connected(connection: Connection) -> Connection:
    """A copy that may be asked: the test decides whether it works again."""
    copy = Connection.objects.get(pk=connection.pk)
    copy.state = Connection.State.CONNECTED
    return copy
