"""What is taken out of log lines that others write."""

import logging


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
