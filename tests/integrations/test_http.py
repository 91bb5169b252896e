"""http.py against a server on a real port: what is told apart, and what it does not do."""

import gzip
import socket
import time

import pytest

from apps.integrations import http
from apps.integrations.http import Failed, NotSent, Refused, Request, TooLate, Unreadable
from tests.fakes.server import (
    Answer,
    Drip,
    Fake,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Slow,
    Truncated,
    json_reply,
    route,
)


class Shop(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.orders: list[object] = []

    @route("POST", r"/orders")
    def order(self, request):
        self.orders.append(request.json)
        return json_reply({"id": self.next_id(), "note": "café"}, status=201)

    @route("GET", r"/moved")
    def moved(self, request):
        return Reply(302, b"", {"Location": "/orders"})

    @route("GET", r"/large")
    def large(self, request):
        return Reply(200, b"x" * (http.LARGEST_ANSWER + 1))

    @route("GET", r"/packed/(?P<encoding>[^/]+)/(?P<size>[0-9]+)")
    def packed(self, request):
        body = gzip.compress(b"0" * int(request.args["size"]))
        return Reply(200, body, {"Content-Encoding": request.args["encoding"]})

    @route("GET", r"/half")
    def half(self, request):
        body = gzip.compress(b"0" * 10_000)
        return Reply(200, body[:-8], {"Content-Encoding": "gzip"})


@pytest.fixture
def shop():
    with Shop() as one:
        yield one


def order(shop, *, seconds=2.0, **extra):
    return http.send(
        Request(method="POST", url=f"{shop.url}/orders", json={"a": 1}, **extra), timeout_seconds=seconds
    )


def test_an_answer_is_read_whole(shop):
    answer = order(shop, headers={"X-Trace": "t1"})

    assert (answer.status, answer.json()) == (201, {"id": 1, "note": "café"})
    assert answer.headers["content-type"] == "application/json"
    assert shop.seen[0].headers["x-trace"] == "t1"
    assert shop.seen[0].raw.endswith(b'\r\n\r\n{"a":1}')


def test_nobody_listens_is_not_sent():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with pytest.raises(NotSent):
        http.send(Request(method="POST", url=f"http://127.0.0.1:{port}/"), timeout_seconds=1)


@pytest.mark.parametrize(
    "fault", [ResetBefore(), ResetAfter(), Truncated()], ids=lambda one: type(one).__name__
)
def test_a_broken_connection_leaves_the_fate_open(shop, fault):
    shop.misbehave(fault)

    with pytest.raises(Failed) as caught:
        order(shop)

    assert type(caught.value) is Failed
    assert len(shop.orders) == (0 if isinstance(fault, ResetBefore) else 1)


@pytest.mark.parametrize("fault", [Slow(3.0), Drip(0.05)], ids=lambda one: type(one).__name__)
def test_the_deadline_holds_however_the_service_dawdles(shop, fault):
    shop.misbehave(fault)

    began = time.monotonic()
    with pytest.raises(TooLate):
        order(shop, seconds=0.4)

    assert time.monotonic() - began < 2.9  # sooner than either answer


def test_a_redirect_is_an_answer_and_is_not_followed(shop):
    answer = http.send(Request(method="GET", url=f"{shop.url}/moved"), timeout_seconds=2)

    assert answer.status == 302
    assert len(shop.seen) == 1


def test_nothing_is_tried_again_by_itself(shop):
    shop.misbehave(Answer(Reply(503)))

    assert order(shop).status == 503
    assert len(shop.seen) == 1


def test_a_page_instead_of_json_is_unreadable(shop):
    shop.misbehave(NotJson())

    with pytest.raises(Unreadable, match="not JSON"):
        order(shop).json()


def test_an_endless_answer_is_cut(shop):
    with pytest.raises(Failed, match="larger"):
        http.send(Request(method="GET", url=f"{shop.url}/large"), timeout_seconds=10)


def test_an_answer_that_is_packed_is_unpacked(shop):
    for encoding in ("gzip", "x-gzip", "GZIP"):
        answer = http.send(Request(method="GET", url=f"{shop.url}/packed/{encoding}/20"), timeout_seconds=10)
        assert answer.body == b"0" * 20


@pytest.mark.parametrize("path", ["packed/gzip/40000000", "packed/br/10", "packed/gzip,gzip/10", "half"])
def test_a_small_answer_that_unpacks_to_a_large_one_or_to_none_is_refused(shop, path):
    with pytest.raises(Failed):
        http.send(Request(method="GET", url=f"{shop.url}/{path}"), timeout_seconds=20)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "http://", "nonsense", "http://[::1"]
)
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(Refused):
        http.send(Request(method="GET", url=url), timeout_seconds=1)


@pytest.mark.parametrize("key", ["sk-secret\nX-Other: 1", "sk-secret\r\n\r\nGET / HTTP/1.1", "sk-secret\0"])
def test_a_header_that_would_break_out_is_not_sent_and_its_content_not_told(shop, key):
    with pytest.raises(Refused) as refused:
        order(shop, headers={"Authorization": f"Bearer {key}"})

    assert "secret" not in str(refused.value)
    assert shop.seen == []


def test_an_address_from_elsewhere_does_not_reach_this_machine(shop):
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1", "127.1"):
        with pytest.raises((Refused, NotSent)):
            http.send(
                Request(method="GET", url=f"http://{host}:{shop.port}/moved", is_elsewhere=True),
                timeout_seconds=1,
            )

    assert shop.seen == []
