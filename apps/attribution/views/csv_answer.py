"""A table as a download, line by line as it is sent."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.text import slugify

from apps.attribution import reports


def csv_answer(name: str, rows: Iterable[Any], *, day: date) -> StreamingHttpResponse:
    """rows: read from the database already, since they are sent when the workspace's scope has ended."""
    file_name = f"{slugify(name)}-{day.isoformat()}.csv"
    return StreamingHttpResponse(
        reports.csv_lines(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"},
    )
