"""One shape for what goes wrong: {"detail", "code", "errors"}."""

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse
from django.http.request import HttpRequest


class DomainError(Exception):
    """What a verb refuses to do. `detail` is for a person: what happened and what to do next.

    errors: field name → messages, where the fault lies in the input.
    """

    code = "refused"
    status = 400

    def __init__(
        self,
        detail: str,
        *,
        errors: dict[str, list[str]] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or {}
        self.retry_after_seconds = retry_after_seconds


class Invalid(DomainError):
    """Input that cannot be used, with the fields named."""

    code = "invalid"
    status = 400

    def __init__(self, errors: dict[str, list[str]], detail: str = "Some fields need attention.") -> None:
        super().__init__(detail, errors=errors)


class NotHere(DomainError):
    """Not in this workspace: never created, deleted, or somebody else's."""

    code = "not_found"
    status = 404


class Unavailable(DomainError):
    """The database does not answer."""

    code = "unavailable"
    status = 503


def headers_of(error: DomainError) -> dict[str, str]:
    """What an answer that refuses says in its headers."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return headers


def database_lost() -> Unavailable:
    return Unavailable("The database does not answer. Send this again.", retry_after_seconds=5)


def body(*, detail: str, code: str, errors: dict[str, list[str]] | None = None) -> dict[str, Any]:
    return {"detail": detail, "code": code, "errors": errors or {}}


def json_error(*, status: int, detail: str, code: str) -> JsonResponse:
    return JsonResponse(body(detail=detail, code=code), status=status)


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/hooks/", "/health/"))
