"""Requests over HTTP/1.1 on connections that stay open, each sending its next when it is answered."""

import asyncio
from collections.abc import Sequence
from itertools import count
from time import perf_counter
from typing import cast


class _Caller(asyncio.Protocol):
    """One connection: sends whole requests, reads whole answers."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        lowered = head.lower()
        at = lowered.index(b"content-length:") + 15
        if len(rest) >= int(lowered[at:].partition(b"\r\n")[0]):
            self.buffer = b""
            if self.answer is not None:
                self.answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionResetError())

    async def call(self, request: bytes) -> int:
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


def request(path: str, key: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(port: int, requests: Sequence[bytes], *, in_flight: int) -> tuple[set[int], list[float]]:
    """Send them all; answers the statuses met, and the seconds that each took."""
    return asyncio.run(_send(port, requests, in_flight))


async def _send(port: int, requests: Sequence[bytes], in_flight: int) -> tuple[set[int], list[float]]:
    statuses: set[int] = set()
    seconds: list[float] = []
    places = count()

    async def work() -> None:
        _, caller = await asyncio.get_running_loop().create_connection(_Caller, "127.0.0.1", port)
        while (place := next(places)) < len(requests):
            began = perf_counter()
            statuses.add(await caller.call(requests[place]))
            seconds.append(perf_counter() - began)
        caller.transport.close()

    await asyncio.gather(*(work() for _ in range(in_flight)))
    return statuses, seconds
