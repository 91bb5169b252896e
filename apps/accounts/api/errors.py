"""DRF's exception handler: domain errors and DRF's own, in the one shape."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from apps.accounts.errors import DomainError, body, database_lost, headers_of

log = structlog.get_logger(__name__)


def answer(exc: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(exc, OperationalError | InterfaceError):
        log.error("database.unavailable", error=type(exc).__name__)
        exc = database_lost()
    if isinstance(exc, DomainError):
        shown = body(detail=exc.detail, code=exc.code, errors=exc.errors)
        return Response(shown, status=exc.status, headers=headers_of(exc))
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied(str(exc) or None)
    response = exception_handler(exc, context)
    if response is not None and isinstance(exc, exceptions.APIException):
        response.data = _drf_body(exc)
    return response


def _drf_body(exc: exceptions.APIException) -> dict[str, Any]:
    if isinstance(exc, exceptions.ValidationError):
        return body(detail="Some fields need attention.", code="invalid", errors=_flatten(exc.detail))
    code = exc.get_codes()
    return body(detail=str(exc.detail), code=code if isinstance(code, str) else "refused")


def _flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Nested serializer errors as dotted field names: {"items.3.price": [...]}."""
    if isinstance(detail, dict):
        pairs = [(f"{prefix}{key}", value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        pairs = [(f"{prefix}{index}", value) for index, value in enumerate(detail) if value]
    else:
        items = detail if isinstance(detail, list) else [detail]
        return {prefix.rstrip(".") or "non_field_errors": [str(item) for item in items]}
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.update(_flatten(value, f"{key}."))
    return found
