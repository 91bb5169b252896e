"""Browsers of other sites may use the doors that take what happens there, with a key and nothing else: no
cookie comes along, and what is answered is theirs to read.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

DOORS = re.compile(
    r"/api/(?:v1|marketing)/attribution/"
    r"(?:track/(?:event|conversion|batch)|identify|experiments/[\w-]+/(?:assign|expose))"
    r"|/api/v1/sync/batch|/api/(?:v1/)?marketing/sync/batch"
)
ANY = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"Retry-After")]
ALLOWED = [
    *ANY,
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"Authorization, X-Api-Key, Content-Type, Content-Encoding"),
    (b"access-control-max-age", b"86400"),
]


class AnyOrigin:
    """Says so at these doors (Fetch standard, section 3.2), and answers the question that comes first."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        is_asked = scope["type"] == "http" and b"origin" in headers
        if not is_asked or not DOORS.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await send({"type": "http.response.start", "status": 204, "headers": ALLOWED})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, _saying_so(send))


def _saying_so(send: Send) -> Send:
    async def say(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *ANY]}
        await send(message)

    return say
