"""A table as a download, line by line as it is sent."""

from collections.abc import AsyncIterator, Iterable
from datetime import date
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.text import slugify

from apps.attribution import reports


def csv_answer(request: HttpRequest, name: str, rows: Iterable[Any], *, day: date) -> StreamingHttpResponse:
    """rows: all that the answer needs, read already, since it is sent when the workspace's scope has ended."""
    lines = reports.csv_lines(rows)
    body = _one_by_one(lines) if isinstance(request, ASGIRequest) else lines
    file_name = f"{slugify(name)}-{day.isoformat()}.csv"
    return StreamingHttpResponse(
        body,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"},
    )


async def _one_by_one(lines: Iterable[str]) -> AsyncIterator[str]:
    for line in lines:
        yield line
