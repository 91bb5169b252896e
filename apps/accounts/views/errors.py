"""What a person or a program sees when there is no page to show. Never a trace, never the input."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from kombu.exceptions import OperationalError as BrokerLost

from apps.accounts.errors import json_error, wants_json

WORDS = {
    400: ("bad_request", "This request could not be read. Go back and try again."),
    403: ("permission_denied", "You may not open this. Ask an owner or admin of the workspace."),
    404: (
        "not_found",
        "There is nothing here. It may have been deleted, or it belongs to another workspace.",
    ),
    500: ("server_error", "Something went wrong on our side. It is logged; please try again in a minute."),
    503: ("unavailable", "We cannot reach our data at the moment. Please try again in a minute."),
}
CSRF = (
    "csrf_failed",
    "This form was open for too long or came from elsewhere. Load the page again and resend it.",
)
NO_SLASH = "There is nothing here. Addresses of the API have no slash at the end."


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith("/api/") and request.path.endswith("/"):
        return json_error(status=404, detail=NO_SLASH, code="not_found")
    return _answer(request, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, 403, CSRF)


def server_error(request: HttpRequest) -> HttpResponse:
    is_unreachable = isinstance(sys.exc_info()[1], OperationalError | InterfaceError | BrokerLost)
    return _answer(request, 503 if is_unreachable else 500)


def _answer(request: HttpRequest, status: int, words: tuple[str, str] | None = None) -> HttpResponse:
    code, detail = words or WORDS[status]
    if wants_json(request):
        return json_error(status=status, detail=detail, code=code)
    return render(request, "error.html", {"status": status, "detail": detail}, status=status)
