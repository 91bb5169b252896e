"""Calls under load to services that fail one time in ten, with a worker, Redis and PostgreSQL killed: each
comes to an end, none is lost, none is done twice.

The bound on duplicates: a killed sender may leave at most the one request that it had under way, and the
unanswered ones, to be sent again. Where the service drops duplicates they are dropped; where it can be asked
it is asked first. So what is counted here, at the services, is exactly one for each call.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from redis import Redis

from apps.integrations.resilience.redis_store import PREFIX
from config import embedded
from tests.config.checkout import REPOSITORY, Checkout, eventually
from tests.faults.soak import ASKS, DROPS
from tests.faults.test_door import surroundings_of
from tests.faults.world import World

pytestmark = pytest.mark.faults

SET_UP = """
import django; django.setup()
from django.utils import timezone
from apps.accounts import scoping, workspaces
from apps.integrations.models import Connection
import tests.faults.soak as soak
now = timezone.now()
made = workspaces.create(now=now, slug="soak", name="Soak", currency="GBP")
with scoping.workspace(made):
    for name in (soak.DROPS, soak.ASKS):
        Connection.objects.create(workspace=made, service=name, account="a", label=name, state_changed_at=now)
print(made.pk)
"""
# Wants calls until it is told to stop; one that a dying database refused is wanted again, as the same deed.
FEED = """
import sys, time, django; django.setup()
from pathlib import Path
from django.db import close_old_connections
from django.utils import timezone
from apps.accounts import scoping
from apps.integrations import outbox
from apps.integrations.models import Connection
import tests.faults.soak
workspace, place = int(sys.argv[1]), Path(sys.argv[2])
number = 0
while not (place / "stop").exists():
    try:
        with scoping.workspace(workspace):
            for one in Connection.objects.order_by("pk"):
                key, now = f"{one.service}-{number}", timezone.now()
                outbox.enqueue(one, "parcels.send", {"n": number}, dedup_key=key, now=now)
        number += 1
    except Exception:
        close_old_connections()
    time.sleep(0.1)
(place / "fed").write_text(str(number))
"""
# What beat does in the product, every half second instead of every five.
SWEEP = """
import time, django; django.setup()
from django.db import close_old_connections
import config.celery
from apps.integrations import outbox
while True:
    try:
        outbox.sweep()
    except Exception:
        close_old_connections()
    time.sleep(0.5)
"""
VERIFY = """
import sys, django; django.setup()
from apps.accounts import scoping
from apps.integrations import outbox, trail
from apps.integrations.models import Call
with scoping.workspace(int(sys.argv[1])):
    for call in Call.objects.all():
        steps = trail.steps_of(call.stream)
        assert not list(trail.faults(call.stream)), call.stream
        assert trail.replay(steps, outbox.state_after, "") == call.state, call.stream
"""
TROUBLED = """
SELECT service, dedup_key, state, attempts, last_kind, last_reason, sent_at, now() FROM integrations_call
WHERE state <> 'done'
"""
BUSY = """
SELECT count(*) FROM integrations_call WHERE due_at <= now() + interval '3 seconds' OR lease_until > now()
"""
LATER = """
UPDATE integrations_call
SET due_at = due_at - %(by)s::interval,
    lease_until = lease_until - %(by)s::interval,
    sent_at = sent_at - %(by)s::interval
WHERE due_at IS NOT NULL
"""


@dataclass
class Soak:
    """An installation with calls, workers and the two services."""

    checkout: Checkout
    environ: dict[str, str]
    drops: World
    asks: World
    workspace: int = 0
    enqueued: int = 0

    def script(self, text: str, *arguments: Any) -> str:
        command = [sys.executable, "-c", text, *map(str, arguments)]
        run = {"cwd": REPOSITORY, "env": self.environ, "check": True, "capture_output": True, "text": True}
        return str(subprocess.run(command, **run).stdout)  # noqa: S603 - our own script

    def states(self) -> Counter[str]:
        with self.checkout.database(owner=True) as database:
            return Counter(
                dict(database.execute("SELECT state, count(*) FROM integrations_call GROUP BY 1").fetchall())
            )

    def done(self) -> int:
        try:
            return self.states()["done"]
        except psycopg.Error:
            return 0

    def goes_on(self, more: int) -> None:
        wanted = self.done() + more
        eventually(lambda: self.done() >= wanted, seconds=120)

    def is_still(self) -> bool:
        """Whether nothing is due soon, or under way."""
        with self.checkout.database(owner=True) as database:
            return database.execute(BUSY).fetchone() == (0,)

    def comes_to_an_end(self) -> None:
        """Have time pass until every call is over: waits and look-ups take hours by their schedule."""
        for _ in range(30):
            self.let_pass("1 hour")  # the first time for the leases of the killed as well
            eventually(self.is_still, seconds=120)
            if set(self.states()) <= {"done", "dead", "cancelled"}:
                return
        raise AssertionError(self.troubled())

    def let_pass(self, hours: str) -> None:
        """In the database, and for the breakers, which go by Redis's own clock: by then they have closed."""
        with self.checkout.database(owner=True) as database:
            database.execute(LATER, {"by": hours})
        with Redis.from_url(embedded.urls(self.checkout.root).redis_url) as redis:
            for key in redis.scan_iter(f"{PREFIX}*"):
                redis.delete(key)

    def troubled(self) -> list[tuple[Any, ...]]:
        with self.checkout.database(owner=True) as database:
            return database.execute(TROUBLED).fetchall()


@contextmanager
def process(command: list[str], environ: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    made = subprocess.Popen(  # noqa: S603 - our own command line
        command,
        cwd=REPOSITORY,
        env=environ,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield made
    finally:
        kill(made)


def kill(one: "subprocess.Popen[bytes]") -> None:
    """With all its children, at once."""
    with suppress(ProcessLookupError):
        os.killpg(one.pid, signal.SIGKILL)
    one.wait(timeout=30)


WORKER = [
    sys.executable,
    "-m",
    "celery",
    "-A",
    "config.celery",
    "-q",
    "worker",
    "-Q",
    "calls,critical,default,events",
]
WORKER += ["-c", "1", "-l", "critical", "-I", "tests.faults.soak", "--without-gossip", "--without-mingle"]


@pytest.fixture
def soak(checkout: Checkout) -> Iterator[Soak]:
    embedded.ensure(checkout.root)
    with World(drops=True) as drops, World(drops=False) as asks:
        urls = {DROPS: drops.url, ASKS: asks.url}
        environ = {
            **surroundings_of(checkout),
            "INTEGRATION_URLS": json.dumps(urls),
            "PYTHONPATH": str(REPOSITORY),
        }
        made = Soak(checkout, environ, drops, asks)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=REPOSITORY, env=environ, check=True)  # noqa: S603 - our own command line
        made.workspace = int(made.script(SET_UP).split()[-1])
        with process([sys.executable, "-c", SWEEP], environ):
            yield made


def test_calls_under_kill_9_are_neither_lost_nor_done_twice(
    soak: Soak, rounds: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("feed")
    feed = [sys.executable, "-c", FEED, str(soak.workspace), str(place)]
    with process(WORKER, soak.environ) as steady, process(feed, soak.environ) as feeder:
        for _ in range(rounds):
            with process(WORKER, soak.environ):
                soak.goes_on(20)  # and leaving the block kills it
            soak.goes_on(20)
            os.kill(soak.checkout.redis_pid, signal.SIGKILL)
            eventually(lambda: "redis" in embedded.ensure(soak.checkout.root))
            soak.goes_on(20)
            os.kill(soak.checkout.postmaster, signal.SIGKILL)
            eventually(lambda: "postgres" in embedded.ensure(soak.checkout.root))
            soak.goes_on(20)
        (place / "stop").touch()
        feeder.wait(timeout=60)
        soak.enqueued = int((place / "fed").read_text())
        assert steady.poll() is None
        soak.comes_to_an_end()

    assert soak.troubled() == []
    assert soak.states() == {"done": 2 * soak.enqueued}
    for world, name in ((soak.drops, DROPS), (soak.asks, ASKS)):
        assert world.effects == Counter({f"{name}-{number}": 1 for number in range(soak.enqueued)})
        assert world.faults > 0
    soak.script(VERIFY, soak.workspace)
    told = {name: (world.requests, world.faults) for name, world in ((DROPS, soak.drops), (ASKS, soak.asks))}
    print(f"{2 * soak.enqueued} calls, requests and faults: {told}")  # noqa: T201 - the figures of the soak
