"""What a person or a program sees when there is no page to show. Never a trace, never the input."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.accounts.errors import json_error, wants_json

WORDS = {
    400: ("bad_request", "This request could not be read. Go back and try again."),
    403: ("permission_denied", "You may not open this. Ask an owner or admin of the workspace."),
    404: (
        "not_found",
        "There is nothing here. It may have been deleted, or it belongs to another workspace.",
    ),
    500: ("server_error", "Something went wrong on our side. It is logged; please try again in a minute."),
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, 500)


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    code, detail = WORDS[status]
    if wants_json(request):
        return json_error(status=status, detail=detail, code=code)
    return render(request, "error.html", {"status": status, "detail": detail}, status=status)
