"""Every route, read from the URLconf: one that somebody adds is tested without being listed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import get_resolver

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Route:
    """path: as in the URLconf, without the first slash. view: what answers."""

    name: str
    path: str
    parameters: tuple[str, ...]
    view: Any

    @property
    def is_api(self) -> bool:
        return self.path.startswith(("api/v1/", "api/marketing/", "health/marketing"))

    @property
    def known_as(self) -> str:
        """An address without a version is one more of a view that has one."""
        return self.name.replace("-unversioned:", "-api:")

    @property
    def is_admin(self) -> bool:
        return self.path.startswith("staff/")

    @property
    def view_class(self) -> Any:
        return getattr(self.view, "cls", getattr(self.view, "view_class", None))

    @property
    def methods(self) -> list[str]:
        """What an API view answers; a page is asked by GET and POST."""
        if not self.is_api:
            return ["get", "post"]
        return [method for method in METHODS if hasattr(self.view_class, method)]

    def address(self, **values: Any) -> str:
        """The path with its parameters filled in."""
        parts = [part.partition(">") for part in self.path.split("<")]
        rest = "".join(str(values[one.rpartition(":")[2]]) + tail for one, _, tail in parts[1:])
        return f"/{parts[0][0]}{rest}"


@cache
def routes() -> list[Route]:
    return sorted(_walk(get_resolver().url_patterns, "", ""), key=lambda route: route.path)


@cache
def api_routes() -> list[Route]:
    """Of the API's first version; the addresses without one are the same views."""
    return [route for route in routes() if route.path.startswith("api/v1/")]


def _walk(patterns: list[Any], prefix: str, space: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(
                pattern.url_patterns, path, f"{space}{pattern.namespace}:" if pattern.namespace else space
            )
        else:
            parameters = tuple(pattern.pattern.regex.groupindex)
            yield Route(f"{space}{pattern.name}", path, parameters, pattern.callback)
