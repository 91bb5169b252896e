"""The only place that opens a socket to a service.

One request, one answer: no redirects, no retries, no proxies from the environment, an answer of bounded size,
and one deadline over all of it, so that a service that drips cannot hold a worker. What went wrong is told
apart by whether the service may have seen the request.
"""

import atexit
import json
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import httpcore2
import httpx2

from apps.integrations import addresses

LARGEST_ANSWER = 32 * 1024**2
CONNECTIONS = 40
# Shorter than any server keeps an idle connection: a stale one loses a request whose fate is then unknown.
KEEP_ALIVE_SECONDS = 4.0
CONNECT_SECONDS = 5.0
USER_AGENT = "Bellwether/1.0 (+integrations)"
UNSENDABLE = "A header of the request cannot be sent; a key with a line break in it, mostly."

_deadline: ContextVar[float] = ContextVar("deadline")


class Failed(Exception):
    """The answer was lost, cut short or too large: what the service did is unknown."""


class NotSent(Failed):
    """Nothing reached the service."""


class TooLate(Failed):
    """No whole answer before the deadline; the service may have done what was asked."""


class Refused(Failed):
    """The address is none that may be called."""


class Unreadable(Exception):
    """The service answered something else than it documents."""


@dataclass(frozen=True)
class Response:
    """A whole answer. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises Unreadable."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Unreadable(f"The answer (HTTP {self.status}) is not JSON.") from error

    def json_object(self) -> dict[str, Any]:
        """The body, or nothing where it is no JSON object: an error page in front of the service, mostly."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent. At most one of json, form, files with form, and content; all are encoded as httpx does
    it.

    is_elsewhere: the address was typed in by somebody, so only the public internet will do.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] | list[tuple[str, Any]] | None = None
    json: Any = None
    form: Mapping[str, Any] | None = None
    files: Any = None
    content: bytes | None = None
    auth: tuple[str, str] | None = None
    is_elsewhere: bool = False


def send(request: Request, *, timeout_seconds: float) -> Response:
    """Send it and read the whole answer. Raises NotSent, TooLate, Failed or Refused."""
    built = _build(request)
    began = time.monotonic()
    token = _deadline.set(began + timeout_seconds)
    wire = _guarded() if request.is_elsewhere else _open()
    sent = _Sent()
    try:
        return _exchange(wire, built, began)
    except addresses.NotPublic as error:
        raise Refused(str(error)) from error
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout) as error:
        raise NotSent(_words(error)) from error
    except httpcore2.TimeoutException as error:
        raise (TooLate if sent.any else NotSent)(_words(error)) from error
    except httpcore2.LocalProtocolError as error:  # its words show the header, which may be a credential
        raise (Failed if sent.any else Refused)(UNSENDABLE) from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise (Failed if sent.any else NotSent)(_words(error)) from error
    finally:
        _deadline.reset(token)
        sent.stop()


def written(request: Request) -> tuple[str, str, bytes]:
    """Method, path with query, and body of a request, byte by byte as `send` would send them."""
    built = _build(request)
    return built.method, built.url.raw_path.decode("ascii"), built.read()


def _exchange(pool: httpcore2.ConnectionPool, request: httpx2.Request, began: float) -> Response:
    left = _left()
    asked = httpcore2.Request(
        method=request.method.encode(),
        url=httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.read(),
        extensions={
            "timeout": {"connect": min(CONNECT_SECONDS, left), "read": left, "write": left, "pool": left}
        },
    )
    answer = pool.handle_request(asked)
    try:
        body = _read(cast(Iterable[bytes], answer.stream))
    finally:
        answer.close()
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    body = _unpacked(body, headers.get("content-encoding", ""))
    return Response(answer.status, headers, body, time.monotonic() - began)


def _read(stream: Iterable[bytes]) -> bytes:
    parts, size = [], 0
    for part in stream:
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise Failed(f"The answer is larger than {LARGEST_ANSWER:,} bytes.")
        _left()
    return b"".join(parts)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its encoding, no larger than any other: a few kilobytes may unpack to gigabytes."""
    if encoding.strip().lower() in {"", "identity"} or not body:
        return body
    if encoding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        raise Failed(f"The answer is encoded as {encoding[:40]!r}, which was not asked for.")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: of gzip and zlib whichever it is
    try:
        whole = unpacking.decompress(body, LARGEST_ANSWER)
    except zlib.error as error:
        raise Failed("The answer cannot be unpacked.") from error
    if unpacking.unconsumed_tail:
        raise Failed(f"The answer is larger than {LARGEST_ANSWER:,} bytes.")
    if not unpacking.eof:
        raise Failed("The answer was cut short.")
    return whole


def _build(request: Request) -> httpx2.Request:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **request.headers}
    try:
        built = httpx2.Request(
            request.method,
            request.url,
            headers=headers,
            params=request.params,
            json=request.json,
            data=request.form,
            files=request.files,
            content=request.content,
        )
    except (httpx2.InvalidURL, ValueError) as error:
        raise Refused(f"This is not an address: {error}") from error
    if built.url.scheme not in {"https", "http"} or not built.url.host:
        raise Refused("Only http and https addresses can be called.")
    if request.auth:
        built = next(httpx2.BasicAuth(*request.auth).sync_auth_flow(built))
    built.read()
    return built


def _left() -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("The deadline has passed.")
    return left


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


@cache
def _open() -> httpcore2.ConnectionPool:
    return _pool(_Wire())


@cache
def _guarded() -> httpcore2.ConnectionPool:
    """Keeps no connection: each request looks its address up anew, and is checked."""
    return _pool(_GuardedWire(), keep=0)


def _pool(wire: "_Wire", *, keep: int = CONNECTIONS) -> httpcore2.ConnectionPool:
    pool = httpcore2.ConnectionPool(
        ssl_context=ssl.create_default_context(),
        max_connections=CONNECTIONS,
        max_keepalive_connections=keep,
        keepalive_expiry=KEEP_ALIVE_SECONDS,
        network_backend=wire,
    )
    atexit.register(pool.close)
    return pool


class _Sent:
    """Whether a byte of the current request has left this process."""

    _current: ContextVar["_Sent"] = ContextVar("sent")

    def __init__(self) -> None:
        self.any = False
        self._token = self._current.set(self)

    def stop(self) -> None:
        self._current.reset(self._token)

    @classmethod
    def note(cls) -> None:
        if (one := cls._current.get(None)) is not None:
            one.any = True


class _Stream(httpcore2.NetworkStream):
    """Every step ends with the deadline of the whole; a library's time-outs begin anew with each byte."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = _left()
        _Sent.note()
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(
            self._inner.start_tls(ssl_context, server_hostname, min(timeout or CONNECT_SECONDS, _left()))
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Wire(httpcore2.NetworkBackend):
    """Connects by name."""

    def __init__(self) -> None:
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        left = min(timeout or CONNECT_SECONDS, _left())
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))


class _GuardedWire(_Wire):
    """Connects to the address that was checked, whatever the name gives a moment later."""

    def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        try:
            address = addresses.pinned(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} cannot be found.") from error
        return super().connect_tcp(address, port, *arguments, **options)
