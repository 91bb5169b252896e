"""What is taken out of log lines that others write."""

import logging
from typing import Any

# What PostgreSQL says after its message: the values of the row, which may be personal.
TOLD_BY_DATABASE = ("DETAIL:", "CONTEXT:")


def without_values(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Structlog processor, after format_exc_info: the trace without the values that the database quotes."""
    if "exception" in event:
        lines = event["exception"].splitlines()
        event["exception"] = "\n".join(line for line in lines if not line.startswith(TOLD_BY_DATABASE))
    return event


class RoutesForPaths(logging.Filter):
    """Django logs the path of a refused request; an id in a path may be personal, so its route is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        path = getattr(request, "path", None)
        if path is not None and isinstance(record.args, tuple):
            match = getattr(request, "resolver_match", None)
            route = match.route if match else "(none)"
            record.args = tuple(route if one == path else one for one in record.args)
        return True
