"""Requests that mean harm: both doors give the same clear answer, and whoever stands beside is stored."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.accounts import scoping
from apps.attribution.models import Touchpoint
from tests.attribution import doors
from tests.attribution.test_door_server import CLICK, PATH, at_once, raw_request, refusing, serving
from tests.conftest import committed
from tests.factories import WorkspaceFactory

EVENT, BATCH = f"{PATH}track/event", f"{PATH}track/batch"
DEEP = '{"properties":' * 20_000 + "1" + "}" * 20_000
NUMBERS = ["NaN", "Infinity", "-Infinity", "1" + "0" * 400, "1e400", "1" * 5_000]
# What cannot be read at all, and what is read and refused: status and code.
UNREADABLE, REFUSED = (400, "parse_error"), (400, "invalid")
BODIES = {
    "not UTF-8": (b'{"user_id":"\xff\xfe","event_type":"click","platform":"meta"}', None),
    "half a character": (b'{"user_id":"\\ud800","event_type":"click","platform":"meta"}', None),
    "cut short": (b'{"user_id":"a"', UNREADABLE),
    "nothing but blanks": (b"   ", UNREADABLE),
    "two values": (b"{}{}", UNREADABLE),
    "a deep tree": (DEEP.encode(), None),
    "a list": (b"[]", None),
    "null": (b"null", None),
    "a NUL in an id": (b'{"user_id":"a\\u0000b","event_type":"click","platform":"meta"}', None),
    "a NUL in a type": (b'{"user_id":"a","event_type":"cl\\u0000","platform":"meta"}', None),
    "an id of a megabyte": (
        json.dumps({**CLICK, "user_id": "a", "event_id": "x" * 1_000_000}).encode(),
        None,
    ),
    **{
        f"a cost of {number[:12]}": (
            f'{{"user_id":"a","event_type":"click","platform":"meta","cost":{number}}}'.encode(),
            None,
        )
        for number in NUMBERS
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_both_doors_refuse_it_in_the_same_words(workspace, now, name):
    body, expected = BODIES[name]

    django, door = (
        doors.client_of(one, workspace, ["track"], now).post(EVENT, body, content_type="application/json")
        for one in doors.NAMES
    )

    assert (door.status_code, door.json()) == (django.status_code, django.json())
    assert door.status_code == 400
    assert expected is None or (door.status_code, door.json()["code"]) == expected
    assert set(door.json()) == {"detail", "code", "errors"}
    assert Touchpoint.objects.count() == 0


def test_in_a_batch_a_bad_record_spoils_no_other(workspace, now):
    bad = [
        {"event_id": "x" * 1_000_000},
        {"cost": 10**400},
        {"user_id": "a\x00"},
        {"properties": {"a": [[[[[[[[[[1]]]]]]]]]]}},
        {"event_type": 7.5},
        {"user_id": "\ud800"},
        {"event_type": "\ude00click"},
        {"campaign_id": "a\ud83dz"},
        {"properties": {"a": "\ud800"}},
        {"properties": {"\ud800": 1}},
        {"type": "\ud800"},
        {"url": "https://studio.example/\ud800"},
    ]
    odd = {"\ud800": "a field that nobody reads"}
    records = [{"type": "event", **CLICK, "user_id": "good", **spoilt} for spoilt in ({}, *bad, {}, odd)]
    said = []

    for name in doors.NAMES:
        answer = doors.client_of(name, workspace, ["track"], now).post(
            BATCH, json.dumps({"events": records}), content_type="application/json"
        )
        assert answer.status_code == 207
        said.append([(one["status"], one.get("errors")) for one in answer.json()["results"]])

    assert said[0] == said[1]
    assert [status for status, _ in said[0]] == [201, *[400] * len(bad), 201, 201]


@committed
class TestOnAPort:
    @pytest.fixture
    def site(self):
        with serving() as made:
            yield made

    @pytest.fixture
    def workspace(self):
        return WorkspaceFactory()

    def test_slow_callers_hold_up_nobody(self, site, workspace):
        event = {**CLICK, "user_id": "a"}
        whole = raw_request(site.key(workspace), json.dumps(event).encode())
        slow = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(60)]
        for number, caller in enumerate(slow):
            caller.sendall(whole[: 40 if number % 2 else len(whole) - 5])

        answers = [site.post(workspace, "track/event", event)[0] for _ in range(5)]

        assert answers == [201] * 5
        assert site.committer.backlog.under_way == 0
        slow[0].sendall(whole[-5:])
        assert slow[0].recv(12) == b"HTTP/1.1 201"
        for caller in slow:
            caller.close()

    def test_requests_that_are_sent_ahead_are_answered_in_their_order(self, site, workspace):
        events = [{**CLICK, "user_id": "a", "event_id": f"e{number}"} for number in range(5)]
        ahead = b"".join(raw_request(site.key(workspace), json.dumps(one).encode()) for one in events)
        with socket.create_connection(("127.0.0.1", site.port)) as caller:
            caller.settimeout(30)
            caller.sendall(ahead)
            said = [self._answer(caller) for _ in events]

        assert [one["event_id"] for one in said] == [one["event_id"] for one in events]

    def _answer(self, caller):
        answer = http.client.HTTPResponse(caller)
        answer.fp = caller.makefile("rb", buffering=0)
        answer.begin()
        return json.loads(answer.read())

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_a_body_that_is_too_large_is_refused(self, site, workspace, settings, is_chunked):
        settings.API_BODY_MAX_BYTES = 10_000
        client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        known = {"X-Api-Key": site.key(workspace), "Content-Type": "application/json"}
        body = b'{"user_id":"' + b"x" * 20_000 + b'"}'

        sent = iter([body[:9_000], body[9_000:]]) if is_chunked else body
        client.request("POST", EVENT, sent, known, encode_chunked=is_chunked)

        answer = client.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
        assert site.post(workspace, "track/event", {**CLICK, "user_id": "a"})[0] == 201
        client.close()

    def test_a_workspace_whose_event_breaks_takes_no_other_down(self, site, workspace):
        other = WorkspaceFactory()
        batch = {"events": [{"type": "event", **CLICK, "user_id": f"u{one}"} for one in range(20)]}
        for whose in (workspace, other):
            site.post(whose, "track/batch", batch)

        def sender(number):
            if number == 3:
                return lambda: site.post(
                    other, "track/event", {**CLICK, "user_id": "u1", "event_id": "poison"}
                )
            whose = other if number % 2 else workspace
            return lambda: site.post(whose, "track/batch", batch)

        with refusing("poison"):
            answers = at_once([sender(number) for number in range(8)])

        assert [status for status, *_ in answers] == [500 if number == 3 else 207 for number in range(8)]
        for whose, stored in ((workspace, 100), (other, 80)):
            with scoping.workspace(whose):
                assert Touchpoint.objects.count() == stored

    def test_many_kinds_of_harm_at_once_leave_the_good_alone(self, site, workspace):
        site.key(workspace)

        def harm(number):
            body = list(BODIES.values())[number % len(BODIES)][0]
            with socket.create_connection(("127.0.0.1", site.port)) as caller:
                caller.settimeout(30)
                caller.sendall(raw_request(site.key(workspace), body))
                return caller.recv(12)

        with ThreadPoolExecutor(16) as pool:
            harmful = [pool.submit(harm, number) for number in range(len(BODIES))]
            good = [
                pool.submit(site.post, workspace, "track/event", {**CLICK, "user_id": f"u{number}"})
                for number in range(20)
            ]
            assert [one.result()[0] for one in good] == [201] * 20
            assert {one.result() for one in harmful} == {b"HTTP/1.1 400"}
