"""The fast door under load, with what it stands on killed or frozen: nothing acknowledged is lost."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from config import embedded
from tests.config.checkout import REPOSITORY, Checkout, eventually, working_directory

pytestmark = pytest.mark.faults

SENDERS = 12
PATH = "/api/v1/attribution/track/"
MAKE_KEY = """
import django; django.setup()
from django.utils import timezone
from apps.accounts import api_keys, scoping, workspaces
from apps.accounts.permissions import system
made = workspaces.create(now=timezone.now(), slug="load", name="Load", currency="GBP")
with scoping.workspace(made):
    print(api_keys.issue(system(made.pk), name="t", scopes=["track"], now=timezone.now()).secret)
"""


@dataclass(frozen=True)
class Stage:
    """A migrated installation of its own, with a key of a workspace."""

    checkout: Checkout
    key: str

    @property
    def surroundings(self) -> dict[str, str]:
        return surroundings_of(self.checkout)

    def stored(self) -> Counter[str]:
        """The event ids in the tables, and how often each is there."""
        with self.checkout.database(owner=True) as database:
            rows = database.execute(
                "SELECT event_id FROM attribution_touchpoint UNION ALL"
                " SELECT event_id FROM attribution_conversionrecord"
            ).fetchall()
        return Counter(event_id for (event_id,) in rows)

    def postgres(self) -> list[int]:
        home = str(self.checkout.home / "postgres")
        return [pid for pid in self.checkout.processes() if str(working_directory(pid)).startswith(home)]


def surroundings_of(checkout: Checkout) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": checkout.urls.database_url,
        "OWNER_DATABASE_URL": checkout.urls.owner_database_url,
        "REDIS_URL": checkout.urls.redis_url,
        "DATABASE_POOL_SIZE": "8",
        "RATE_LIMIT_TRACKING": "100000000",
        "LOG_LEVEL": "CRITICAL",
    }


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    checkout = Checkout(tmp_path_factory.mktemp("door"))
    embedded.ensure(checkout.root)
    try:
        run = {"cwd": REPOSITORY, "env": surroundings_of(checkout), "check": True}
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], **run)
        made = subprocess.run([sys.executable, "-c", MAKE_KEY], **run, capture_output=True, text=True)  # noqa: S603
        yield Stage(checkout, made.stdout.split()[-1])
    finally:
        for pid in checkout.processes():
            os.kill(pid, signal.SIGCONT)
        embedded.release(checkout.root)
        embedded.stop(checkout.root)


@dataclass
class Server:
    """The web server, on a port that it keeps when it is started again."""

    stage: Stage
    port: int
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        listen = ("--host", "127.0.0.1", "--port", str(self.port), "--timeout-graceful-shutdown", "5")
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", *listen, "--no-access-log"]
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            [*command, "--log-level", "critical"], cwd=REPOSITORY, env=self.stage.surroundings
        )
        eventually(self.listens, seconds=60)

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=30)


@pytest.fixture
def server(stage: Stage) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Server(stage, probe.getsockname()[1])
    made.start()
    yield made
    if made.process.poll() is None:
        made.stop(signal.SIGKILL)


class Load:
    """Senders of events, conversions and batches. What is not acknowledged is sent again until it is."""

    numbers = count()

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_over = threading.Event()
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()

    def send(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        known = {"X-Api-Key": self.server.stage.key, "Content-Type": "application/json"}
        route, body, ids = self.next()
        while not self.is_over.is_set():
            try:
                client.request("POST", PATH + route, json.dumps(body), known)
                answer = client.getresponse()
                said = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                client.close()
                self.is_over.wait(0.05)
                continue
            if self.is_acknowledged(answer.status, said):
                self.acknowledged |= ids
                route, body, ids = self.next()
            else:
                self.is_over.wait(0.05)
        client.close()

    def next(self) -> tuple[str, dict[str, object], set[str]]:
        number = next(self.numbers)
        ids = [f"{number}.{part}" for part in range(3 if number % 5 == 0 else 1)]
        records = [
            {"user_id": f"u{number % 40}", "conversion_type": "purchase", "revenue": 1, "event_id": one}
            if number % 7 == 0
            else {"user_id": f"u{number % 40}", "event_type": "click", "platform": "meta", "event_id": one}
            for one in ids
        ]
        self.sent |= set(ids)
        kind = "conversion" if number % 7 == 0 else "event"
        if len(records) == 1:
            return kind, records[0], set(ids)
        return "batch", {"events": [{"type": kind, **record} for record in records]}, set(ids)

    def is_acknowledged(self, status: int, said: dict[str, Any]) -> bool:
        self.statuses[status] += 1
        return all(result["status"] in (200, 201) for result in said.get("results", [{"status": status}]))

    def goes_on(self, more: int = 60) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + more
        eventually(lambda: len(self.acknowledged) >= wanted, seconds=60)


@contextmanager
def load(server: Server) -> Iterator[Load]:
    made = Load(server)
    senders = [threading.Thread(target=made.send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        made.goes_on()
        yield made
    finally:
        made.is_over.set()
        for sender in senders:
            sender.join()


def nothing_is_lost(stage: Stage, load: Load, before: Counter[str]) -> None:
    stored = stage.stored() - before
    assert load.acknowledged - set(stored) == set()
    assert set(stored) - load.sent == set()
    assert set(stored.values()) == {1}
    assert set(load.statuses) <= {200, 201, 207, 503}


def test_kill_9_of_the_web_server(stage: Stage, server: Server, rounds: int) -> None:
    for _ in range(rounds):
        before = stage.stored()
        with load(server) as sent:
            server.stop(signal.SIGKILL)
            server.start()
            sent.goes_on()
        nothing_is_lost(stage, sent, before)


def test_kill_9_of_postgres(stage: Stage, server: Server, rounds: int) -> None:
    for _ in range(rounds):
        before = stage.stored()
        with load(server) as sent:
            for pid in stage.postgres():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            eventually(lambda load=sent: load.statuses[503] > 0)
            eventually(lambda: "postgres" in embedded.ensure(stage.checkout.root))
            sent.goes_on()
        nothing_is_lost(stage, sent, before)


def test_a_frozen_postgres(stage: Stage, server: Server, rounds: int) -> None:
    for _ in range(min(rounds, 5)):
        before = stage.stored()
        with load(server) as sent:
            frozen = stage.postgres()
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            threading.Event().wait(0.3)  # what was committed before is answered
            then = len(sent.acknowledged)
            threading.Event().wait(2)
            assert len(sent.acknowledged) == then
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
            sent.goes_on()
        nothing_is_lost(stage, sent, before)


def test_a_web_server_that_is_asked_to_stop_answers_what_it_took(
    stage: Stage, server: Server, rounds: int
) -> None:
    for _ in range(min(rounds, 5)):
        before = stage.stored()
        with load(server) as sent:
            server.stop()
            assert server.process.returncode in (0, -signal.SIGTERM)
        assert set(stage.stored() - before) == sent.acknowledged
        server.start()
