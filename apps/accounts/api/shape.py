"""The one error shape for what goes wrong under /api/ outside REST framework."""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest, HttpResponse

from apps.accounts.errors import json_error

KEPT = ("Allow", "Retry-After", "WWW-Authenticate", "Connection")


class ApiShapeMiddleware:
    """Refuse NUL characters and bad UTF-8 in an address; answer every other error as JSON too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        if fault := _fault(request):
            return json_error(status=400, detail=fault, code="bad_request")
        response = self.get_response(request)
        is_shaped = response.status_code < 400 or response.get("Content-Type", "").startswith(
            "application/json"
        )
        return response if is_shaped else _shaped(response)


def _fault(request: HttpRequest) -> str:
    query = unquote_to_bytes(request.META.get("QUERY_STRING", "").encode("utf-8", "surrogateescape"))
    if "\x00" in request.path or b"\x00" in query:
        return "The address holds a NUL character. Remove it."
    try:
        query.decode()
    except UnicodeDecodeError:
        return "The query string is not UTF-8."
    return ""


def _shaped(response: HttpResponse) -> HttpResponse:
    status = HTTPStatus(response.status_code)
    answer = json_error(
        status=status, detail=f"{status.description or status.phrase}.", code=status.name.lower()
    )
    for name in KEPT:
        if name in response.headers:
            answer.headers[name] = response.headers[name]
    return answer
