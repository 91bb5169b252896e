"""The authorisation code flow with PKCE (RFC 6749, 7636): addresses and token requests, sent through http.py.

authlib knows the parameters; it opens no socket here.
"""

import secrets
from typing import Any

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from django.conf import settings

from apps.accounts.errors import DomainError
from apps.integrations import http
from apps.integrations.services import OAuth, Service

TIMEOUT_SECONDS = 15.0
LONGEST_TOKEN_SECONDS = 10 * 365 * 86_400


class NoToken(Exception):
    """The service gave no token, for now."""


class GrantGone(NoToken):
    """The service will give none for this grant any more: somebody must sign in again."""


class NotSetUp(DomainError):
    """The operator has not registered this product with the service."""

    code = "oauth_not_set_up"
    status = 409


def verifier() -> str:
    """A fresh PKCE code verifier."""
    return secrets.token_urlsafe(48)


def sign_in_url(service: Service, *, redirect_uri: str, state: str, code_verifier: str) -> str:
    """Where the person's browser is sent. Raises NotSetUp."""
    flow, (client_id, _) = _flow(service), client_of(service)
    pkce = (
        {"code_challenge": create_s256_code_challenge(code_verifier), "code_challenge_method": "S256"}
        if flow.uses_pkce
        else {}
    )
    return prepare_grant_uri(
        service.placed(flow.authorize_url),
        client_id=client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=" ".join(service.scopes),
        state=state,
        **pkce,
        **flow.extra,
    )


def exchanged(service: Service, *, code: str, redirect_uri: str, code_verifier: str) -> dict[str, Any]:
    """The token for a code. Raises NoToken, GrantGone, http.Failed or http.Unreadable."""
    pkce = {"code_verifier": code_verifier} if _flow(service).uses_pkce else {}
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, **pkce}
    return _token(service, grant)


def renewed(service: Service, refresh_token: str) -> dict[str, Any]:
    """A new token; its refresh token replaces the old one where the service gives one."""
    return _token(service, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def revoke(service: Service, token: str) -> bool:
    """Tell the service to forget the token (RFC 7009). False where it has no door for that."""
    flow = _flow(service)
    if not flow.revoke_url:
        return False
    client_id, secret = client_of(service)
    form = {"token": token, "client_id": client_id, "client_secret": secret}
    request = http.Request(method="POST", url=service.placed(flow.revoke_url), form=form)
    return http.send(request, timeout_seconds=TIMEOUT_SECONDS).status < 400


def client_of(service: Service) -> tuple[str, str]:
    """This product's id and secret at the service. Raises NotSetUp."""
    known = settings.OAUTH_CLIENTS.get(service.key) or (("fake", "fake") if settings.FAKES_URL else None)
    if not known:
        raise NotSetUp(
            f"{service.name} does not know this installation yet. Register it there and set OAUTH_CLIENTS."
        )
    return known


def _token(service: Service, grant: dict[str, str]) -> dict[str, Any]:
    client_id, secret = client_of(service)
    form = {**grant, "client_id": client_id, "client_secret": secret}
    request = http.Request(method="POST", url=service.placed(_flow(service).token_url), form=form)
    answer = http.send(request, timeout_seconds=TIMEOUT_SECONDS)
    document = answer.json()
    found = document if isinstance(document, dict) else {}
    if answer.status < 400 and isinstance(found.get("access_token"), str) and found["access_token"]:
        told = {name: found[name] for name in ("access_token", "refresh_token", "scope") if found.get(name)}
        seconds = _seconds(found.get("expires_in"))
        return told if seconds is None else {**told, "expires_in": seconds}
    problem = str(found.get("error") or f"HTTP {answer.status}")[:100]
    raise (GrantGone if problem == "invalid_grant" else NoToken)(f"{service.name} gave no token: {problem}.")


def _seconds(told: Any) -> int | None:
    """For how long a token is good; None where nothing that can be true is told."""
    try:
        seconds = int(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= LONGEST_TOKEN_SECONDS else None


def _flow(service: Service) -> OAuth:
    if service.oauth is None:
        raise NotSetUp(f"{service.name} has no sign-in of this kind.")
    return service.oauth
