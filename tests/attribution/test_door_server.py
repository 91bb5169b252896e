"""The fast door on a port: requests that come together share a transaction, and none pays for another."""

import asyncio
import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import uvicorn
from django.db import connection, connections, transaction

from apps.accounts import api_keys, scoping
from apps.accounts.metrics import exposition
from apps.accounts.permissions import system
from apps.attribution.door.app import Door
from apps.attribution.door.commit import Committer
from apps.attribution.models import Conversion, Touchpoint
from config import asgi
from tests.config.checkout import eventually
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory

pytestmark = committed
PATH = "/api/v1/attribution/"
CLICK = {"event_type": "click", "platform": "meta"}


@dataclass
class Site:
    """A web server with the fast door, and the key of a workspace."""

    port: int
    committer: Committer
    keys: dict[int, str] = field(default_factory=dict)

    def post(self, workspace, route, body, **headers):
        """Status, headers and body of the answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        known = {"Authorization": f"Bearer {self.key(workspace)}", "Content-Type": "application/json"}
        client.request("POST", PATH + route, json.dumps(body), known | headers)
        answer = client.getresponse()
        said = answer.status, answer.headers, json.loads(answer.read())
        client.close()
        return said

    def key(self, workspace):
        if workspace.pk not in self.keys:
            with scoping.workspace(workspace):
                issued = api_keys.issue(system(workspace.pk), name="test", scopes=["track"], now=NOW)
            self.keys[workspace.pk] = issued.secret
        return self.keys[workspace.pk]


@contextmanager
def serving(**limits: int) -> Iterator[Site]:
    with ThreadPoolExecutor(8) as pool, socket.create_server(("127.0.0.1", 0)) as listener:
        committer = Committer(aside=pool, **limits)
        door = asgi.BodyLimit(Door(asgi._django, committer, in_thread=asgi._with_connection))
        server = uvicorn.Server(uvicorn.Config(door, log_config=None, lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        eventually(lambda: server.started)
        try:
            yield Site(listener.getsockname()[1], committer)
        finally:
            server.should_exit = True
            thread.join()
            committer.close()
            list(pool.map(lambda _: connections.close_all(), range(8)))


@pytest.fixture
def site():
    with serving() as made:
        yield made


@pytest.fixture
def workspace():
    return WorkspaceFactory()


def at_once(calls):
    """Make the calls in as many threads, starting together."""
    barrier = threading.Barrier(len(calls))

    def call(one):
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def transactions(workspace):
    """How many transactions stored the workspace's touches."""
    with scoping.workspace(workspace), transaction.atomic(), connection.cursor() as cursor:
        Touchpoint.objects.exists()
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM attribution_touchpoint")
        return cursor.fetchone()[0]


@contextmanager
def touchpoints_locked():
    """Nobody can store a touch in the block."""
    with transaction.atomic("owner"), connections["owner"].cursor() as owner:
        owner.execute("LOCK TABLE attribution_touchpoint IN EXCLUSIVE MODE")
        yield


def raw_request(key, body):
    head = (
        f"POST {PATH}track/event HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def refusing(event_id):
    """A database that refuses one event, as only a fault of its own could make it."""
    with connections["owner"].cursor() as owner:
        owner.execute(f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.event_id = '{event_id}' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON attribution_touchpoint
            FOR EACH ROW EXECUTE FUNCTION refuse()
        """)
        try:
            yield
        finally:
            owner.execute("DROP FUNCTION refuse CASCADE")


def test_events_that_come_together_are_stored_together(site, workspace):
    other = WorkspaceFactory()
    site.post(workspace, "track/event", {**CLICK, "user_id": "first", "event_id": "first"})
    site.post(other, "track/event", {**CLICK, "user_id": "first", "event_id": "first"})

    def sender(number):
        whose = other if number % 4 == 0 else workspace
        return lambda: [
            site.post(
                whose, "track/event", {**CLICK, "user_id": f"u{number}", "event_id": f"e{number}-{turn}"}
            )
            for turn in range(5)
        ]

    answers = [answer for part in at_once([sender(number) for number in range(32)]) for answer in part]

    assert Counter(status for status, *_ in answers) == {201: 160}
    assert {body["event_id"] for *_, body in answers} == {
        f"e{number}-{turn}" for number in range(32) for turn in range(5)
    }
    with scoping.workspace(workspace):
        owners = dict(Touchpoint.objects.values_list("event_id", "person__external_id"))
    assert len(owners) == 121
    assert all(owners[f"e{number}-0"] == f"u{number}" for number in range(32) if number % 4)
    with scoping.workspace(other):
        assert Touchpoint.objects.count() == 41
    assert transactions(workspace) < 100


def test_each_kind_of_request_has_its_own_answer(site, workspace):
    visit = {"event_type": "visit", "platform": "organic", "anonymous_id": "tablet"}
    story = [
        ("track/event", {**visit, "event_id": "1"}, 201),
        ("identify", {"anonymous_id": "tablet", "user_id": "anna"}, 200),
        ("track/conversion", {"user_id": "anna", "conversion_type": "purchase", "revenue": 9}, 201),
        ("track/event", {**visit, "event_id": "1"}, 200),
        ("track/event", {**visit, "cost": -1}, 400),
        ("track/batch", {"events": [{"type": "event", **visit, "event_id": "2"}, "rubbish"]}, 207),
        ("track/batch", {"events": []}, 400),
    ]

    answers = [site.post(workspace, route, body) for route, body, _ in story]

    assert [status for status, *_ in answers] == [status for *_, status in story]
    assert (answers[1][2]["merged"], answers[3][2]["duplicate"]) == (True, True)
    assert answers[5][2]["accepted"] == answers[5][2]["refused"] == 1
    with scoping.workspace(workspace):
        assert set(Touchpoint.objects.values_list("person__external_id", flat=True)) == {"anna"}
        assert Conversion.objects.count() == 1


def test_one_event_id_from_many_sides_is_stored_once(site, workspace):
    event = {**CLICK, "user_id": "anna", "event_id": "same"}

    answers = at_once([lambda: site.post(workspace, "track/event", event)] * 24)

    assert Counter(status for status, *_ in answers) == {201: 1, 200: 23}
    assert len({body["person_id"] for *_, body in answers}) == 1
    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == 1


def test_one_that_breaks_the_database_fails_alone(site, workspace):
    other = WorkspaceFactory()
    for whose in (workspace, other):
        site.key(whose)

    def sender(number):
        whose = other if number % 3 == 0 else workspace
        return lambda: site.post(whose, "track/event", {**CLICK, "user_id": "a", "event_id": f"e{number}"})

    with refusing("e7"):
        answers = at_once([sender(number) for number in range(24)])

    assert [status for status, *_ in answers] == [500 if number == 7 else 201 for number in range(24)]
    assert set(answers[7][2]) == {"detail", "code", "errors"}
    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == 15
    with scoping.workspace(other):
        assert Touchpoint.objects.count() == 8


def test_nobody_waits_behind_a_locked_person(site, workspace):
    site.post(workspace, "track/event", {**CLICK, "user_id": "locked", "event_id": "before"})
    with ThreadPoolExecutor(1) as pool:
        with scoping.workspace(workspace), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM accounts_person WHERE external_id = 'locked' FOR UPDATE")
            event = {**CLICK, "user_id": "locked", "event_id": "held up"}
            held_up = pool.submit(site.post, workspace, "track/event", event)

            others = [
                site.post(workspace, "track/event", {**CLICK, "user_id": f"u{number}"}) for number in range(5)
            ]

            assert [status for status, *_ in others] == [201] * 5
            assert not held_up.done()
        assert held_up.result()[0] == 201


def test_of_a_group_that_is_held_up_only_the_one_waits(site, workspace):
    for name in ("locked", "free"):
        site.post(workspace, "track/event", {**CLICK, "user_id": name})
    with ThreadPoolExecutor(12) as pool, scoping.workspace(workspace):
        with touchpoints_locked():
            users = ["locked" if number == 5 else "free" for number in range(12)]
            sent = [
                pool.submit(site.post, workspace, "track/event", {**CLICK, "user_id": user}) for user in users
            ]
            eventually(lambda: site.committer.backlog.under_way == 12)
            locked = transaction.atomic()
            locked.__enter__()
            with connection.cursor() as cursor:
                cursor.execute("SELECT id FROM accounts_person WHERE external_id = 'locked' FOR UPDATE")

        try:
            eventually(lambda: [one.done() for one in sent] == [user == "free" for user in users])
        finally:
            locked.__exit__(None, None, None)
        assert [one.result()[0] for one in sent] == [201] * 12


def test_more_than_may_wait_is_told_to_come_again(workspace):
    event = {**CLICK, "user_id": "a"}
    with serving(most_requests=2) as site, ThreadPoolExecutor(2) as pool:
        site.post(workspace, "track/event", event)
        with touchpoints_locked():
            waiting = [pool.submit(site.post, workspace, "track/event", event) for _ in range(2)]
            eventually(lambda: site.committer.backlog.under_way == 2)

            status, headers, body = site.post(workspace, "track/event", event)

            assert (status, headers["Retry-After"], body["code"]) == (503, "1", "too_busy")
        assert [one.result()[0] for one in waiting] == [201, 201]


def test_who_hangs_up_is_stored_all_the_same(site, workspace):
    event = {**CLICK, "user_id": "a", "event_id": "gone"}
    with touchpoints_locked(), socket.create_connection(("127.0.0.1", site.port)) as caller:
        caller.sendall(raw_request(site.key(workspace), json.dumps(event).encode()))
        eventually(lambda: site.committer.backlog.under_way == 1)

    with scoping.workspace(workspace):
        eventually(Touchpoint.objects.exists)
    assert site.post(workspace, "track/event", event)[0] == 200


def test_requests_and_groups_are_counted(site, workspace):
    site.post(workspace, "track/event", {**CLICK, "user_id": "a"})

    told = exposition().decode()

    route = 'bellwether_requests_total{method="POST",route="api/v1/attribution/track/event",status="201"}'
    assert route in told
    assert "bellwether_tracking_group_requests_count" in told


def test_half_a_request_stores_nothing(site, workspace):
    whole = raw_request(site.key(workspace), json.dumps({**CLICK, "user_id": "a"}).encode())
    with socket.create_connection(("127.0.0.1", site.port)) as caller:
        caller.sendall(whole[:-1])

    assert site.post(workspace, "track/event", {**CLICK, "user_id": "a"})[0] == 201
    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == 1


def test_a_body_may_come_in_chunks(site, workspace):
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    parts = [b'{"user_id": "a", ', b'"event_type": "click", ', b'"platform": "meta"}']
    known = {"X-Api-Key": site.key(workspace), "Content-Type": "application/json"}

    client.request("POST", PATH + "track/event", iter(parts), known, encode_chunked=True)

    assert client.getresponse().status == 201
    client.close()
