"""Issue, revoke and authenticate API keys. The secret is shown once; its SHA-256 is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import ApiKey, AuditEntry
from apps.accounts.permissions import Actor

PREFIX = "bw_"
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class KeyRefused(DomainError):
    code = "key_refused"
    status = 401


@dataclass(frozen=True)
class IssuedKey:
    """A new key and its secret, which is not kept and cannot be shown again."""

    key: ApiKey
    secret: str


@transaction.atomic
def issue(
    actor: Actor, *, name: str, scopes: list[str], now: datetime, expires_at: datetime | None = None
) -> IssuedKey:
    """Make a key in the actor's workspace. Raises Invalid for unknown scopes or an expiry in the past."""
    unknown = sorted(set(scopes) - set(ApiKey.Scope.values))
    if unknown or not scopes:
        raise Invalid({"scopes": [f"Choose from {', '.join(ApiKey.Scope.values)}; got {unknown or 'none'}."]})
    if expires_at is not None and expires_at <= now:
        raise Invalid({"expires_at": ["This is in the past. Choose a later moment, or none."]})
    expires_at = _no_later_than_its_maker(actor, expires_at)
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        workspace_id=actor.workspace_id,
        name=name,
        prefix=secret[:10],
        digest=digest(secret),
        scopes=sorted(set(scopes)),
        created_by_id=actor.id if actor.kind == "user" else None,
        expires_at=expires_at,
    )
    audit.record(
        actor,
        "api_key.issued",
        key,
        now=now,
        after={"name": name, "scopes": key.scopes, "prefix": key.prefix},
    )
    return IssuedKey(key, secret)


@transaction.atomic
def revoke(actor: Actor, *, key_id: int, now: datetime) -> ApiKey:
    """Stop a key at once. Revoking it again changes nothing."""
    key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise NotHere("There is no such key in this workspace.")
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        audit.record(actor, "api_key.revoked", key, now=now, before={"name": key.name, "prefix": key.prefix})
    return key


def authenticate(secret: str, *, now: datetime) -> Actor:
    """The actor behind a secret. Raises KeyRefused for an unknown, revoked or expired one."""
    with scoping.across_workspaces("actor.identify"):
        key = ApiKey.objects.filter(digest=digest(secret)).first()
    if key is None:
        raise KeyRefused("This API key is not known. Check that it was copied whole.")
    if key.revoked_at is not None:
        raise KeyRefused("This API key was revoked. Make a new one under API keys.")
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyRefused("This API key has expired. Make a new one under API keys.")
    _note_use(key, now)
    return Actor(
        kind="api_key",
        id=key.pk,
        label=f"key {key.prefix}…",
        workspace_id=key.workspace_id,
        scopes=frozenset(key.scopes),
    )


def _no_later_than_its_maker(actor: Actor, expires_at: datetime | None) -> datetime | None:
    """A key that makes another one cannot outlive itself by it."""
    if actor.kind != AuditEntry.ActorKind.API_KEY:
        return expires_at
    own: datetime | None = ApiKey.objects.values_list("expires_at", flat=True).get(pk=actor.id)
    return min((moment for moment in (own, expires_at) if moment is not None), default=None)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _note_use(key: ApiKey, now: datetime) -> None:
    """Once a minute is enough to see whether a key is in use, and spares a write per request."""
    if key.last_used_at is None or now - key.last_used_at >= USE_IS_NOTED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_IS_NOTED_EVERY)
        with scoping.workspace(key.workspace_id):
            ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
