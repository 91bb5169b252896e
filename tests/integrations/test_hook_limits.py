"""A flood at the addresses where services reach us: it stores nothing, and starves nobody who is verified."""

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlencode

import pytest
import uvicorn
from django.db import connection, connections

from apps.accounts import scoping
from apps.integrations import inbound, sealed_json
from apps.integrations.models import Connection, InboundRecord
from config import asgi
from tests.config.checkout import eventually
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory
from tests.integrations.test_hooks import SECRET, SITE, slack


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.SITE_URL = SITE
    settings.HOOK_REFUSALS_PER_MINUTE, settings.HOOK_DELIVERIES_PER_MINUTE = 5, 8


def connected(workspace, account="A1"):
    made = Connection(
        workspace=workspace, service="slack", account=account, label="Slack", state_changed_at=NOW
    )
    sealed_json.put(made, "credentials_sealed", {"signing_secret": SECRET})
    made.save()
    return made


@pytest.fixture
def hook(workspace):
    return connected(workspace)


@pytest.fixture
def send(client):
    def post(hook, key="x", *, address="198.51.100.7", secret=SECRET, path=""):
        there, body, headers, _ = slack(hook, key, secret=secret)
        return client.post(
            path or there,
            body,
            content_type="application/x-www-form-urlencoded",
            headers=headers,
            REMOTE_ADDR=address,
        )

    return post


def flood(send, hook, times, **given):
    return [send(hook, str(n), secret="forged", **given).status_code for n in range(times)]


def test_an_address_that_forges_is_turned_away_without_a_look(send, hook, django_assert_num_queries):
    assert flood(send, hook, 5) == [401] * 5

    with django_assert_num_queries(0):
        answer = send(hook, secret="forged")

    assert answer.status_code == 429
    assert answer.json()["code"] == "rate_limited"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert not InboundRecord.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/slack/01930000-0000-7000-8000-000000000000/",
        "/hooks/nobody/01930000-0000-7000-8000-000000000000/",
    ],
)
def test_knocking_at_doors_that_are_not_there_counts_too(send, hook, path):
    codes = [send(hook, path=path).status_code for _ in range(6)]

    assert codes == [404] * 5 + [429]


def test_another_address_is_not_turned_away_with_it(send, hook):
    flood(send, hook, 6)

    assert send(hook, address="198.51.100.8").status_code == 200


def test_who_was_verified_is_let_in_from_an_address_that_others_forge_from(send, hook):
    assert send(hook, "first").status_code == 200
    flood(send, hook, 20)

    assert send(hook, "second").status_code == 200
    assert InboundRecord.objects.count() == 2


def test_being_known_at_one_connection_opens_no_other(send, hook, workspace):
    send(hook, "first")
    flood(send, hook, 6)

    assert send(connected(workspace, "A2")).status_code == 429


def test_the_addresses_of_one_network_count_together(send, hook):
    codes = [flood(send, hook, 1, address=f"2001:db8:1:2::{n:x}")[0] for n in range(1, 8)]

    assert codes == [401] * 5 + [429] * 2
    assert flood(send, hook, 1, address="2001:db8:1:3::1") == [401]


def test_a_verified_flood_stops_at_the_connections_limit_and_stores_no_more(send, hook, workspace):
    answers = [send(hook, str(n), address=f"198.51.100.{n}") for n in range(20)]

    assert [one.status_code for one in answers] == [200] * 8 + [429] * 12
    assert "Retry-After" in answers[-1].headers
    assert InboundRecord.objects.count() == 8
    assert send(connected(workspace, "A2"), address="198.51.100.99").status_code == 200


def test_without_redis_this_process_counts_alone(send, hook, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert flood(send, hook, 7) == [401] * 5 + [429] * 2
    assert send(hook, address="198.51.100.8").status_code == 200


# On a port


@pytest.fixture
def port():
    server = uvicorn.Server(uvicorn.Config(asgi.application, port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
    connections.close_all()


def knock(port, path, body, headers):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", path, body, headers | {"Content-Type": "application/x-www-form-urlencoded"})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.status


@committed
def test_a_real_flood_of_forgeries_stores_nothing_and_the_service_comes_through(port, settings):
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        hook = connected(workspace)
    path, body, headers, _ = slack(hook, "mine")
    assert knock(port, path, body, headers) == 200
    codes: list[int] = []

    def forge():
        for number in range(25):
            forged = urlencode({"payload": f"forged-{number}"}).encode()
            codes.append(knock(port, path, forged, headers))

    threads = [threading.Thread(target=forge) for _ in range(4)]
    for thread in threads:
        thread.start()
    good = [knock(port, *slack(hook, f"good-{number}")[:3]) for number in range(5)]
    for thread in threads:
        thread.join()

    assert good == [200] * 5
    assert set(codes) <= {401, 429}
    assert len(codes) == 100
    with scoping.workspace(workspace):
        assert InboundRecord.objects.count() == 6


@committed
def test_a_large_body_is_refused_by_its_length_before_it_is_sent(port, settings):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.putrequest("POST", "/hooks/slack/01930000-0000-7000-8000-000000000000/")
    client.putheader("Content-Length", str(inbound.LARGEST_BODY + 1))
    client.endheaders()

    assert client.getresponse().status == 413
    client.close()


@committed
@pytest.mark.parametrize("path", ["/hooks/slack/01930000-0000-7000-8000-000000000000/", "/login/"])
def test_a_body_that_drips_is_cut_off(port, settings, path):
    settings.BODY_SECONDS = 0.5
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
        client.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() - began < 20:
            client.sendall(b"x")
            with suppress(TimeoutError):
                answer = client.recv(1_000)

    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 15  # to its end it would take 90


def of_the_database() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@committed
def test_the_threads_that_answer_give_their_database_connections_back(port, settings):
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        hook = connected(workspace)
    path, body, headers, _ = slack(hook, "mine")
    before = of_the_database()
    with ThreadPoolExecutor(8) as senders:
        codes = list(senders.map(lambda _: knock(port, path, body, headers), range(24)))

    assert set(codes) <= {200, 429}
    eventually(lambda: of_the_database() <= before)
