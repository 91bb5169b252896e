"""A small HTTP/1.1 server on a port of its own that keeps the raw bytes of each request and misbehaves when
told to.

class Shop(Fake):
    @route("POST", r"/orders")
    def order(self, request): return json_reply({"id": self.next_id()}, status=201)

with Shop() as shop:
    shop.misbehave(ResetAfter())          # the next request is applied, then the connection breaks
    ... call shop.url ...
    assert shop.seen[0].raw == b"POST /orders HTTP/1.1\\r\\n..."
"""

import json
import os
import re
import signal
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

LARGEST = 64 * 1024**2


@dataclass(frozen=True)
class Seen:
    """A request as it came. raw: head and body, byte by byte. headers: names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    raw: bytes
    args: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(self.form_items)

    @property
    def form_items(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode(), keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    body = json.dumps(document, ensure_ascii=False).encode()
    return Reply(status, body, {"Content-Type": "application/json"} | (headers or {}))


# A letter's page has no scripts and no origin.
SANDBOX = {"Content-Security-Policy": "sandbox"}


def text_reply(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"} | (headers or {}))


class Fault:
    """What a service does instead of its duty. Without an override it does it, and then spoils the answer."""

    is_applied = True

    def send(self, connection: socket.socket, reply: Reply) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Answer(Fault):
    """This answer instead of the service's own; is_applied: the deed was done all the same."""

    reply: Reply
    is_applied: bool = False

    def send(self, connection: socket.socket, reply: Reply) -> None:
        send_reply(connection, self.reply)


@dataclass(frozen=True)
class ResetBefore(Fault):
    """The connection breaks once the request was read, and nothing was done."""

    is_applied = False

    def send(self, connection: socket.socket, reply: Reply) -> None:
        _reset(connection)


@dataclass(frozen=True)
class ResetAfter(Fault):
    """It was done, and the connection breaks before the answer."""

    def send(self, connection: socket.socket, reply: Reply) -> None:
        _reset(connection)


@dataclass(frozen=True)
class Killed(Fault):
    """It was done, and whoever asked dies before the answer: KeyboardInterrupt in the main thread, where it
    is made, by a signal that a shell does not switch off in what it starts in the background.
    """

    def __post_init__(self) -> None:
        signal.signal(signal.SIGUSR1, signal.default_int_handler)

    def send(self, connection: socket.socket, reply: Reply) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


@dataclass(frozen=True)
class Truncated(Fault):
    """It was done, and the answer ends in the middle."""

    def send(self, connection: socket.socket, reply: Reply) -> None:
        head, _, body = _bytes(reply).partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n" + body[: len(body) // 2])
        os.close(connection.detach())  # close() would wait for the file that reads from it


@dataclass(frozen=True)
class NotJson(Fault):
    """It was done, and something in front of the service answers with a page."""

    status: int = 200

    def send(self, connection: socket.socket, reply: Reply) -> None:
        send_reply(
            connection,
            Reply(self.status, b"<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"}),
        )


@dataclass(frozen=True)
class Slow(Fault):
    """It is done, and the answer comes late."""

    seconds: float

    def send(self, connection: socket.socket, reply: Reply) -> None:
        time.sleep(self.seconds)
        send_reply(connection, reply)


@dataclass(frozen=True)
class Drip(Fault):
    """It is done, and the answer comes a byte at a time."""

    seconds: float = 0.05

    def send(self, connection: socket.socket, reply: Reply) -> None:
        for byte in _bytes(reply):
            connection.sendall(bytes([byte]))
            time.sleep(self.seconds)


@dataclass(frozen=True)
class Rewritten(Fault):
    """It was done, and the answer is not what it should be."""

    change: Callable[[Reply], Reply]

    def send(self, connection: socket.socket, reply: Reply) -> None:
        send_reply(connection, self.change(reply))


@dataclass(frozen=True)
class Silent(Fault):
    """Nothing is heard any more, until the client has had enough; is_applied: it was done all the same."""

    is_applied: bool = False

    def send(self, connection: socket.socket, reply: Reply) -> None:
        with suppress(OSError):
            while connection.recv(65_536):
                pass
        os.close(connection.detach())


def plain(status: int, headers: dict[str, str] | None = None) -> Fault:
    """A refusal that is not in the service's own words: of whatever stands in front of it."""
    return Answer(json_reply({"error": f"status {status}"}, status=status, headers=headers))


# By the name that somebody types; what a service has of its own stands in its `faults`.
FAULTS: dict[str, Fault] = {
    "timeout": Silent(),
    "timeout_after": Silent(is_applied=True),
    "slow": Slow(5.0),
    "drip": Drip(),
    "401": plain(401),
    "403": plain(403),
    "404": plain(404),
    "429": plain(429, {"Retry-After": "1"}),
    "500": plain(500),
    "503": plain(503, {"Retry-After": "1"}),
    "reset": ResetBefore(),
    "reset_after": ResetAfter(),
    "truncated": Truncated(),
    "not_json": NotJson(),
    "502_after": NotJson(status=502),
}


@dataclass
class Planned:
    """What is going to go wrong, and how often still."""

    fault: Fault
    left: int
    method: str
    path: re.Pattern[str]
    name: str


Handler = Callable[[Any, Seen], Reply]


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Have a method of a Fake answer requests whose whole path matches; named groups come as args."""

    def mark(handler: Handler) -> Handler:
        known = getattr(handler, "routes", [])
        handler.routes = [*known, (method, re.compile(path))]  # type: ignore[attr-defined]
        return handler

    return mark


class Fake:
    """A service. Subclasses keep its state and answer its routes. now: its clock, which tests may move."""

    name = "service"
    # What to type in to connect to it, for people who look around.
    hint = ""
    # What can go wrong with it, by name.
    faults: ClassVar[dict[str, Fault]] = FAULTS

    def __init__(self, *, port: int = 0, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.seen: list[Seen] = []
        self._planned: list[Planned] = []
        self._lock = threading.RLock()
        self._ids = 0
        self._routes = [
            (method, pattern, getattr(self, name))
            for name in dir(type(self))
            for method, pattern in getattr(getattr(type(self), name), "routes", [])
        ]
        self._server = _Server(("127.0.0.1", port), _Connection)
        self._server.fake = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Fake":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def misbehave(
        self, fault: Fault, *, times: int = 1, path: str = "", method: str = "", name: str = ""
    ) -> None:
        """Do this to the next requests (of that method, whose path matches) instead of what they ask for."""
        with self._lock:
            self._planned.append(Planned(fault, times, method, re.compile(path), name or repr(fault)))

    def behave(self) -> None:
        """Forget the misbehaviour that is left."""
        with self._lock:
            self._planned.clear()

    def planned(self) -> list[Planned]:
        """What is still going to go wrong, in its order."""
        with self._lock:
            return list(self._planned)

    def next_id(self) -> int:
        with self._lock:
            self._ids += 1
            return self._ids

    def asked(self, method: str, path: str) -> list[Seen]:
        """The requests seen so far of a method whose whole path matches."""
        return [one for one in self.seen if one.method == method and re.fullmatch(path, one.path)]

    def furnish(self) -> None:
        """Put something there, for people who look around."""

    def unknown(self, request: Seen) -> Reply:
        """What the service says to a path that it does not have."""
        return json_reply({"error": "not found"}, status=404)

    def answer(self, request: Seen, connection: socket.socket) -> None:
        with self._lock:
            self.seen.append(request)
            fault = self._fault_for(request)
            reply = Reply(500) if fault and not fault.is_applied else self._handle(request)
        if fault:
            fault.send(connection, reply)
        else:
            send_reply(connection, reply)

    def _fault_for(self, request: Seen) -> Fault | None:
        for one in self._planned:
            if one.method in {"", request.method} and one.path.search(request.path):
                one.left -= 1
                if one.left < 1:
                    self._planned.remove(one)
                return one.fault
        return None

    def _handle(self, request: Seen) -> Reply:
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return handler(Seen(**{**request.__dict__, "args": match.groupdict()}))
        return self.unknown(request)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    fake: Fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is none of the fake's business."""


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        while (request := self._read()) is not None:
            self.server.fake.answer(request, self.connection)
            if self.connection.fileno() < 0:
                return

    def _read(self) -> Seen | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65_536)
            if not line:
                return None
            head += line
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        body, raw = self._body(headers)
        return Seen(method, target, headers, body, head + raw)

    def _body(self, headers: dict[str, str]) -> tuple[bytes, bytes]:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            body = self.rfile.read(min(int(headers.get("content-length", 0)), LARGEST))
            return body, body
        body = raw = b""
        while True:
            line = self.rfile.readline()
            size = int(line.split(b";")[0], 16)
            part = self.rfile.read(size + 2)
            raw += line + part
            if not size:
                return body, raw
            body += part[:-2]


def _bytes(reply: Reply) -> bytes:
    reason = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content"}.get(reply.status, "Status")
    bodiless = reply.status == 204
    headers = {"Content-Length": "0" if bodiless else str(len(reply.body)), **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} {reason}\r\n{head}\r\n".encode("latin-1") + (
        b"" if bodiless else reply.body
    )


def send_reply(connection: socket.socket, reply: Reply) -> None:
    connection.sendall(_bytes(reply))


def _reset(connection: socket.socket) -> None:
    """Close with RST, as a crashed server or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
