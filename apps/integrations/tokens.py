"""Access tokens, renewed by one process at a time.

Whoever finds a token expired takes the row's lock and looks again: another may have renewed it meanwhile. A
refusal counts only if the refresh token that was refused is still the one that is stored. Nothing is deleted
when a renewal fails; after days of failing a person is asked to sign in again.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from apps.integrations import connection_states, http, oauth, sealed_json, services
from apps.integrations.models import Connection

log = structlog.get_logger(__name__)

# Renewed when less than this is left, so that no call starts with a token that dies on the way.
MARGIN = timedelta(minutes=15)
COOL_DOWN = timedelta(seconds=30)
GIVEN_UP_AFTER = timedelta(days=4)


@transaction.atomic
def refresh(connection_id: int, *, used: str | None, now: datetime) -> Connection:
    """Renew the access token unless it is no longer the one that was used. Takes the row's lock while it
    asks.
    """
    connection: Connection = Connection.objects.select_for_update().get(pk=connection_id)
    credentials = sealed_json.get(connection, "credentials_sealed") or {}
    is_renewed = used is not None and credentials.get("access_token") != used
    is_cooling = connection.refresh_failed_at is not None and now < connection.refresh_failed_at + COOL_DOWN
    if is_renewed or is_cooling or not connection.is_usable:
        return connection
    if not credentials.get("refresh_token"):
        connection_states.ask_for_sign_in(connection, reason="The sign-in has expired.", now=now)
        return connection
    return _renew(connection, credentials, now=now)


def is_due(connection: Connection, *, now: datetime) -> bool:
    return connection.credentials_expire_at is not None and connection.credentials_expire_at < now + MARGIN


def _renew(connection: Connection, credentials: dict[str, Any], *, now: datetime) -> Connection:
    service = services.get(connection.service)
    try:
        token = oauth.renewed(service, credentials["refresh_token"])
    except oauth.GrantGone as error:
        connection_states.ask_for_sign_in(connection, reason=str(error), now=now)
    except (oauth.NoToken, http.Failed, http.Unreadable) as error:
        _note_failure(connection, str(error), now=now)
    else:
        keep(connection, {**credentials, **token}, now=now)
    return connection


def keep(connection: Connection, credentials: dict[str, Any], *, now: datetime) -> None:
    """Seal the credentials into the connection and save it."""
    seconds = credentials.pop("expires_in", None)
    sealed_json.put(connection, "credentials_sealed", credentials)
    connection.credentials_expire_at = None if seconds is None else now + timedelta(seconds=int(seconds))
    connection.refresh_failed_at = connection.refresh_failing_since = None
    connection.save()


def _note_failure(connection: Connection, reason: str, *, now: datetime) -> None:
    log.warning("token.not_renewed", connection_id=connection.pk, service=connection.service, reason=reason)
    connection.refresh_failed_at = now
    connection.refresh_failing_since = connection.refresh_failing_since or now
    connection.save(update_fields=["refresh_failed_at", "refresh_failing_since"])
    if now - connection.refresh_failing_since > GIVEN_UP_AFTER:
        connection_states.ask_for_sign_in(
            connection, reason="The sign-in could not be renewed for days.", now=now
        )
