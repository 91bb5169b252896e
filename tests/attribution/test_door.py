"""What the fast door takes from Django, and that nobody can tell by the answer."""

import asyncio
import gzip
import json
from pathlib import Path
from threading import Thread

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.accounts import api_keys, scoping, workspaces
from apps.accounts.models import ApiKey
from apps.accounts.permissions import system
from apps.attribution.door import commit
from apps.attribution.door.app import DEEDS
from apps.attribution.door.backlog import GROUP_EVENTS, GROUP_REQUESTS, Backlog, Waiting
from apps.attribution.door.keys import KNOWN_SECONDS, REFUSED_SECONDS, KeyRing
from apps.attribution.door.requests import TrackingRequest
from apps.attribution.door.speech import standing_headers
from apps.attribution.models import Touchpoint
from tests.attribution import doors
from tests.attribution.doors import DoorClient
from tests.conftest import committed
from tests.factories import NOW

EVENT = "/api/v1/attribution/track/event"
BATCH = "/api/v1/attribution/track/batch"
SPEND = "/api/v1/attribution/track/spend"
CLICK = {"user_id": "user_123", "event_type": "click", "platform": "meta"}
# A request has its own number; event ids are as long as each other.
CHANGING = {"x-request-id"}
ROOT = Path(__file__).parents[2]


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def api(workspace, now):
    return doors.client_of("door", workspace, ["admin"], now)


def was_taken(client, url, body=b"{}", *, method="post", **named):
    """Whether the fast door took the request, or left it to Django."""
    before = client.handler.declined
    getattr(client, method)(url, body, **{"content_type": "application/json", **named})
    return client.handler.declined == before


def secret_of(workspace, *scopes):
    with scoping.workspace(workspace):
        return api_keys.issue(system(workspace.pk), name="test", scopes=list(scopes), now=NOW).secret


@pytest.mark.parametrize("url", DEEDS)
def test_each_tracking_route_is_taken(api, url):
    assert was_taken(api, url)
    assert was_taken(api, url, content_type="Application/JSON; charset=utf-8")
    assert was_taken(api, url, headers={"Accept": "application/json, text/plain, */*"})


@pytest.mark.parametrize(
    "differently",
    [
        {"method": "put"},
        {"method": "options"},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"headers": {"Accept": "text/html"}},
        {"headers": {"Host": "elsewhere.example"}},
        {"query_params": {"a": "b"}},
    ],
    ids=str,
)
def test_what_the_door_does_not_speak_is_djangos(api, differently):
    assert not was_taken(api, EVENT, **differently)
    assert Touchpoint.objects.count() == 0


def test_other_routes_are_djangos(api):
    assert not was_taken(api, "/api/v1/attribution/track/spend")
    assert not was_taken(api, "/api/v1/attribution/track/event/")


def test_who_has_no_key_is_djangos(workspace, page):
    browser = DoorClient()
    browser.cookies = page.cookies

    assert not was_taken(browser, EVENT)


def test_a_redirect_to_https_is_djangos(api, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert not was_taken(api, EVENT)
    assert was_taken(api, EVENT, secure=True)


@pytest.fixture
def strict_transport(settings):
    settings.SECURE_HSTS_SECONDS = 60
    standing_headers.cache_clear()
    yield
    standing_headers.cache_clear()


@pytest.mark.usefixtures("strict_transport")
@pytest.mark.parametrize(
    ("body", "status"),
    [(CLICK, 201), ({**CLICK, "cost": -1}, 400), ([], 400)],
    ids=["stored", "refused", "no object"],
)
@pytest.mark.parametrize("secure", [False, True])
def test_both_doors_say_the_same_headers(workspace, now, body, status, secure):
    answers = [
        doors.client_of(name, workspace, ["track"], now).post(EVENT, body, format="json", secure=secure)
        for name in doors.NAMES
    ]

    django, door = ({name.lower(): value for name, value in answer.items()} for answer in answers)
    assert [answer.status_code for answer in answers] == [status, status]
    assert set(django) == set(door)
    assert ("strict-transport-security" in door) is secure
    same = set(django) - CHANGING
    assert {name: django[name] for name in same} == {name: door[name] for name in same}


def test_the_limit_of_a_key_holds_across_the_doors(workspace, now):
    workspaces.change(system(workspace.pk), now=now, settings={"rate_limits": {"tracking": 2}})
    secret = secret_of(workspace, "track")
    django, door = doors.APIClient(), DoorClient()
    for client in (django, door):
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")

    answers = [client.post(EVENT, CLICK, format="json") for client in (django, door, django, door)]

    assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
    assert answers[3].json()["code"] == "rate_limited"
    assert int(answers[3].headers["Retry-After"]) > 0
    assert answers[3].headers["RateLimit"].startswith('"tracking";r=0;')
    assert Touchpoint.objects.count() == 2


def test_a_batch_counts_as_many_times_as_it_has_records_at_either_door(workspace, now):
    workspaces.change(system(workspace.pk), now=now, settings={"rate_limits": {"tracking": 7}})
    of = {number: {"events": [{"type": "event", **CLICK}] * number} for number in (3, 5, 8)}
    for name in doors.NAMES:
        client = doors.client_of(name, workspace, ["track"], now)

        answers = [client.post(BATCH, of[number], format="json") for number in (3, 8, 5)]

        assert [answer.status_code for answer in answers] == [207, 413, 429]
        assert answers[0].headers["RateLimit"].startswith('"tracking";r=4;')
        assert "in parts" in answers[1].json()["detail"]
    assert Touchpoint.objects.count() == 6


def test_a_list_that_is_refused_as_no_batch_counts_once_at_either_door(workspace, now):
    workspaces.change(system(workspace.pk), now=now, settings={"rate_limits": {"tracking": 7}})
    for name in doors.NAMES:
        client = doors.client_of(name, workspace, ["track"], now)

        answer = client.post(BATCH, [{"type": "event", **CLICK}] * 3, format="json")

        assert answer.status_code == 400
        assert answer.headers["RateLimit"].startswith('"tracking";r=6;')


def test_a_list_of_spend_counts_as_many_times_as_it_has_rows(workspace, now):
    workspaces.change(system(workspace.pk), now=now, settings={"rate_limits": {"tracking": 7}})
    client = doors.client_of(doors.NAMES[0], workspace, ["admin"], now)

    answer = client.post(SPEND, [{"platform": "meta", "day": "2026-01-05", "amount": "1"}] * 3, format="json")

    assert answer.status_code == 207
    assert answer.headers["RateLimit"].startswith('"tracking";r=4;')


def test_without_redis_tracking_goes_on(api, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert api.post(EVENT, CLICK, format="json").status_code == 201


def test_a_key_may_come_in_either_header(workspace, now):
    secret = secret_of(workspace, "track")

    for headers in ({"X-Api-Key": secret}, {"Authorization": f"bearer {secret}"}):
        assert DoorClient().post(EVENT, CLICK, format="json", headers=headers).status_code == 201


def test_a_known_key_is_not_looked_up_again(workspace):
    keys, secret = KeyRing(clock=Clock()), secret_of(workspace, "track")
    assert keys.recall(secret) is None
    actor = keys.look_up(secret)

    with CaptureQueriesContext(connection) as asked:
        assert keys.recall(secret) == actor

    assert (len(asked), actor.workspace_id, actor.scopes) == (0, workspace.pk, {"track"})


def test_the_use_of_a_key_is_noted(workspace, now):
    client = doors.client_of("door", workspace, ["track"], now)

    client.post(EVENT, CLICK, format="json")

    assert ApiKey.objects.get().last_used_at is not None


def test_a_revoked_key_stops_after_seconds(workspace, now):
    clock = Clock()
    client = doors.client_of("door", workspace, ["track"], now, keys=KeyRing(clock=clock))
    assert client.post(EVENT, CLICK, format="json").status_code == 201

    api_keys.revoke(system(workspace.pk), key_id=ApiKey.objects.get().pk, now=now)
    clock.now += KNOWN_SECONDS

    refused = client.post(EVENT, CLICK, format="json")
    assert (refused.status_code, refused.json()["code"]) == (401, "key_refused")
    assert Touchpoint.objects.count() == 1


def test_before_a_key_is_forgotten_one_request_asks_and_the_others_go_on(workspace):
    clock = Clock()
    keys, secret = KeyRing(clock=clock), secret_of(workspace, "track")
    actor = keys.look_up(secret)

    clock.now += KNOWN_SECONDS - 0.5

    assert [keys.recall(secret), keys.recall(secret)] == [None, actor]


def test_a_new_key_that_was_tried_too_early_works_soon(workspace):
    clock = Clock()
    keys = KeyRing(clock=clock)
    assert keys.look_up("bw_not_yet") is None
    assert keys.is_refused("bw_not_yet")

    clock.now += REFUSED_SECONDS

    assert not keys.is_refused("bw_not_yet")


def test_an_empty_body_is_an_empty_object_as_for_django(api):
    answer = api.post(EVENT, b"", content_type="application/json")

    assert set(answer.json()["errors"]) == {"user_id", "event_type", "platform"}


def test_a_bomb_is_not_unpacked(api, settings):
    settings.API_BODY_MAX_BYTES = 10_000
    bomb = gzip.compress(json.dumps({"events": ["x" * 1_000_000]}).encode())

    answer = api.post(EVENT, bomb, content_type="application/json", headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_nothing_of_ours_trades_commits_for_speed():
    """COMMIT returns once the change is on disk: every session asks for it, and the embedded PostgreSQL says
    it is its default. A claim of the delivery alone does not wait: what a crash forgets of it is a lease.
    """
    files = [path for name in ("apps", "config") for path in (ROOT / name).rglob("*.py")]
    naming = [
        path
        for path in files
        if "synchronous_commit" in path.read_text() or "SYNCHRONOUS" in path.read_text()
    ]

    assert sorted(path.name for path in naming) == ["postgres.py", "queueing.py", "settings.py"]
    said = [line for path in naming for line in path.read_text().splitlines() if "synchronous_commit" in line]
    [unhurried] = [line for line in said if line.startswith("UNHURRIED = ")]
    said.remove(unhurried)
    assert len(said) == 2
    assert all("synchronous_commit=on" in line or '"synchronous_commit": "on"' in line for line in said)


@pytest.mark.django_db
def test_a_transaction_of_ours_waits_for_the_disk():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync')")
        assert dict(cursor.fetchall()) == {"synchronous_commit": "on", "fsync": "on"}


@committed
def test_it_waits_for_the_disk_also_where_the_servers_default_is_not_to():
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    try:
        said = Thread(target=_says_on)
        said.start()
        said.join()
        assert _SAID == ["on", "on"]
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} RESET synchronous_commit")


_SAID: list[str] = []


def _says_on():
    """A new session of the product's, and the door's own, in a thread whose connections are its own."""
    for opened in (lambda: None, commit._open_own_connection):
        opened()
        with connections["default"].cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            _SAID.append(cursor.fetchone()[0])
        connections["default"].close()


def _waiting(events, *, is_gzip=False):
    body = json.dumps({"events": [CLICK] * events} if events != 1 else CLICK).encode()
    deed = "event" if events == 1 else "batch"
    request = TrackingRequest(deed=deed, actor=system(1), body=body, is_gzip=is_gzip, received_at=NOW)
    return Waiting(request, asyncio.new_event_loop(), asyncio.Future(loop=asyncio.new_event_loop()))


def test_a_group_is_bounded_by_its_requests_and_events_unless_one_request_alone_is_more():
    backlog = Backlog()
    for events in (1, 1, 600, 500, GROUP_EVENTS, *[1] * (GROUP_REQUESTS + 5)):
        backlog.enter(_waiting(events))

    sizes = [len(backlog.next_group()) for _ in range(5)]

    assert sizes == [3, 1, 1, GROUP_REQUESTS, 5]
