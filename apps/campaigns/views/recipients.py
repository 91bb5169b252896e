"""The door of the pages that recipients see: no session, no sign-in, and the name of who writes to them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.accounts.errors import DomainError, headers_of
from apps.accounts.models import Workspace

View = Callable[..., HttpResponse]


def letter_page(view: View) -> View:
    """Show what a verb refuses as a page; let nobody keep or find what is behind a token.

    Without a CSRF token: a mail program has none to send, and nobody acts here but by a secret in the address
    or for an address that has to confirm.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except DomainError as error:
            response = _refused(request, error)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return csrf_exempt(require_http_methods(["GET", "HEAD", "POST"])(never_cache(guarded)))


def shown(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A page of the workspace in scope."""
    named = {"sender": Workspace.objects.get(), **context}
    return render(request, f"letters/{template}", named, status=status)


def address_of(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR") or "")


def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    context = {"status": error.status, "detail": error.detail}
    response = render(request, "letters/refused.html", context, status=error.status)
    for name, value in headers_of(error).items():
        response.headers[name] = value
    return response
