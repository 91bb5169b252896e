from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request


class RequestActorAuthentication(BaseAuthentication):
    """Adopt whom WorkspaceMiddleware found. A session must also pass the CSRF check; a key carries none."""

    def authenticate(self, request: Request):
        plain: HttpRequest = request._request
        if plain.key_refused:
            raise plain.key_refused
        if plain.actor is None:
            return None
        if plain.actor.kind == "user":
            SessionAuthentication().enforce_csrf(request)
        return plain.user, plain.actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
