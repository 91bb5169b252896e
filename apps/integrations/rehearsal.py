"""A client that asks what may be asked, and notes what it would change instead of changing it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.integrations import http
from apps.integrations.client import Client, T, as_json
from apps.integrations.http import Request, Response
from apps.integrations.resilience.outcomes import OK
from apps.integrations.resilience.policy import Answer


@dataclass(frozen=True)
class Planned:
    """A request that was not sent, without its signature: no secrets are in it."""

    method: str
    path: str
    body: str


class Rehearsal(Client):
    """planned: what would have been sent, in order."""

    planned: tuple[Planned, ...] = ()

    def ask(
        self,
        name: str,
        request: Request,
        *,
        read: Callable[[Response], T] = as_json,
        kind: str = "read",
        **options: Any,
    ) -> "Answer[T]":
        if kind != "write":
            return super().ask(name, request, read=read, kind=kind, **options)
        method, path, body = http.written(self.whole(request))
        self.planned = (*self.planned, Planned(method, path, body.decode("utf-8", errors="replace")))
        return Answer(outcome=OK)
