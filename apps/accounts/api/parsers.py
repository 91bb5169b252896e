from typing import Any

from rest_framework.parsers import BaseParser

from apps.accounts import bodies


class StrictJSONParser(BaseParser):
    """JSON without NUL and of bounded depth (bodies.py). gzip is accepted and bounded too."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        request = (parser_context or {})["request"]
        return bodies.strict_json(bodies.read(stream, encoding=request.headers.get("Content-Encoding", "")))
