"""A campaign that is sent while workers, PostgreSQL and Redis are killed: nobody is left out, and whoever
gets it twice is in the ledger as uncertain.

The bound: a worker that dies leaves at most the fifty messages that it had journalled. Celery ends the
worker's child when it loses Redis, so that a killed Redis counts as a killed worker. At a provider that drops
what it has had under the same key nobody gets anything twice.
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
from threading import Event
from typing import Any

import psycopg
import pytest

from config import embedded
from tests.config.checkout import REPOSITORY, Checkout, eventually
from tests.fakes import resend as resend_fake
from tests.fakes.mail_sink import Gate, Sink
from tests.fakes.server import Seen, send_reply
from tests.faults.test_door import surroundings_of
from tests.faults.test_outbox import kill, process

pytestmark = pytest.mark.faults

IS_FULL = os.environ.get("BELLWETHER_FAULTS") == "full"
BATCH = 50
SET_UP = """
import sys, django; django.setup()
from django.utils import timezone
from apps.accounts import personal_fields, scoping, workspaces
from apps.accounts.models import Person
from apps.campaigns import delivery
from apps.campaigns.delivery import snapshotting
from apps.campaigns.models import Audience, Campaign, Content, Topic
from tests.integrations.connected import connection_to
now, provider, number = timezone.now(), sys.argv[1], int(sys.argv[2])
made = workspaces.create(now=now, slug=f"by-{provider}", name="Sent", currency="GBP")
everybody = {"field": "person.has_email", "value": True}
words = "Hello {{ first_name }}, the season opens. [See the venues](https://venues.example/spring)"
with scoping.workspace(made):
    made.settings |= {"postal_address": "1 Barn Lane, Bath"}
    made.save(update_fields=["settings"])
    rows = []
    for n in range(number):
        one = Person(workspace=made, external_id=f"p{n}")
        personal_fields.set_personal(one, {"email": f"p{n}@example.com"})
        rows.append(one)
    Person.objects.bulk_create(rows, batch_size=2_000)
    sender = connection_to(made, "mail", account="hello@studio.example", secrets={})
    connection_to(made, provider, account="studio.example", secrets={"api_key": "re_123456789"})
    campaign = Campaign.objects.create(
        workspace=made, name="News", state="running", changed_at=now, sender=sender, send_from_hour=0,
        send_until_hour=24,
        audience=Audience.objects.create(workspace=made, name="All", rules=everybody, changed_at=now),
        topic=Topic.objects.create(workspace=made, key="news", name="News", basis="customer"),
    )
    Content.objects.create(
        workspace=made, campaign=campaign, key="a", position=0, subject="News", body=words, changed_at=now
    )
    run = delivery.start(campaign, now=now)
    snapshotting.take(run_id=run.pk)
print(made.pk, campaign.pk)
"""
# What beat does in the product, every half second instead of every five.
SWEEP = """
import time, django; django.setup()
from django.db import close_old_connections
import config.celery
from apps.campaigns.delivery import sweeping
while True:
    try:
        sweeping.sweep()
    except Exception:
        close_old_connections()
    time.sleep(0.5)
"""
VERIFY = """
import sys, django; django.setup()
from apps.accounts import scoping
from apps.campaigns import delivery
from apps.campaigns.models import Campaign
with scoping.workspace(int(sys.argv[1])):
    campaign = Campaign.objects.get(pk=int(sys.argv[2]))
    assert list(delivery.faults(campaign)) == [], list(delivery.faults(campaign))
    print(delivery.progress(campaign))
"""
EXPIRE = """
UPDATE campaigns_chunk SET lease_until = now() WHERE state = 'leased';
UPDATE campaigns_sendbatch SET lease_until = now() WHERE settled_at IS NULL;
"""
UNCERTAIN = """
SELECT p.external_id FROM campaigns_ledgerentry e JOIN campaigns_recipient r ON r.id = e.recipient_id
JOIN accounts_person p ON p.id = r.person_id WHERE e.fate = 'uncertain' AND e.campaign_id = {}
"""
UNDER_WAY = """
SELECT 1 FROM campaigns_sendbatch WHERE settled_at IS NULL AND begun_at > now() - interval '5 seconds'
"""
WORKER = [sys.executable, "-m", "celery", "-A", "config.celery", "-q", "worker", "-c", "1", "-l", "critical"]
WORKER += ["-Q", "delivery,calls,default,events"]
WORKER += ["--without-gossip", "--without-mingle"]


class HeldResend(resend_fake.Resend):
    """Takes a batch, and may hold its answer back."""

    def __init__(self) -> None:
        super().__init__(per_second=1_000)
        self.gate = Gate()

    @property
    def got(self) -> Counter[str]:
        return Counter(one["to"][0] for one in self.sent.values())

    def answer(self, request: Seen, connection: Any) -> None:
        with self._lock:
            reply = self._handle(request)
        self.gate.passes(BATCH)
        with suppress(OSError):  # the worker that asked was killed
            send_reply(connection, reply)


@dataclass
class Stage:
    """A campaign of so many messages that is being sent. gate: at its provider."""

    checkout: Checkout
    environ: dict[str, str]
    gate: Gate
    number: int
    workspace: int = 0
    campaign: int = 0
    killed: int = 0

    def script(self, text: str, *arguments: Any) -> str:
        command = [sys.executable, "-c", text, *map(str, arguments)]
        run = {"cwd": REPOSITORY, "env": self.environ, "check": True, "capture_output": True, "text": True}
        return str(subprocess.run(command, **run).stdout)  # noqa: S603 - our own script

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.checkout.database(owner=True) as database:
            return database.execute(query).fetchall()

    def expire(self) -> None:
        """Have time pass for what the killed one had in hand; nobody else is at work."""
        with self.checkout.database(owner=True) as database:
            database.execute(EXPIRE)

    @contextmanager
    def in_the_middle(self, more: int) -> Iterator[None]:
        """After so many more messages, in the middle of a batch."""
        self.gate.close_after(more)
        assert self.gate.held.wait(120), "nothing is sent any more"
        try:
            yield
        finally:
            self.gate.open()

    def is_over(self) -> bool:
        try:
            return self.ask("SELECT 1 FROM campaigns_sendrun WHERE finished_at IS NULL") == []
        except psycopg.Error:
            return False

    def comes_to_an_end(self) -> None:
        for _ in range(60):
            with suppress(AssertionError):
                eventually(self.is_over, seconds=10)
                return
            if not self.ask(UNDER_WAY):
                self.expire()
        raise AssertionError(self.ask("SELECT state, count(*) FROM campaigns_recipient GROUP BY 1"))


def kills_workers(stage: Stage, kills: int, each: int) -> None:
    for _ in range(kills):
        with process(WORKER, stage.environ) as worker, stage.in_the_middle(each):
            kill(worker)
        stage.killed += 1
        stage.expire()


def kills_postgres(stage: Stage, each: int) -> None:
    with stage.in_the_middle(each):
        os.kill(stage.checkout.postmaster, signal.SIGKILL)
        eventually(lambda: "postgres" in embedded.ensure(stage.checkout.root))


def kills_redis(stage: Stage, each: int) -> None:
    with stage.in_the_middle(each):
        os.kill(stage.checkout.redis_pid, signal.SIGKILL)
        eventually(lambda: "redis" in embedded.ensure(stage.checkout.root))
    stage.killed += 1


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator["House"]:
    """An installation, with a sweep and both providers, for all tests here."""
    checkout = Checkout(tmp_path_factory.mktemp("delivery"))
    embedded.ensure(checkout.root)
    try:
        with Sink(keeps=False) as sink, HeldResend() as resend:
            environ = {
                **surroundings_of(checkout),
                "INTEGRATION_URLS": json.dumps({"smtp": sink.url, "resend": resend.url}),
                "PYTHONPATH": str(REPOSITORY),
            }
            migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(migrate, cwd=REPOSITORY, env=environ, check=True)  # noqa: S603 - our own command line
            with process([sys.executable, "-c", SWEEP], environ):
                yield House(checkout, environ, sink, resend)
    finally:
        embedded.release(checkout.root)
        embedded.stop(checkout.root)


@dataclass
class House:
    checkout: Checkout
    environ: dict[str, str]
    sink: Sink
    resend: HeldResend

    def stage(self, provider: str, gate: Gate, number: int) -> Stage:
        made = Stage(self.checkout, self.environ, gate, number)
        made.workspace, made.campaign = map(int, made.script(SET_UP, provider, number).split()[-2:])
        return made


def suffers(stage: Stage, *, kills: int, others: int) -> None:
    each = max(stage.number // (kills + 3 * others + 2), 30)
    kills_workers(stage, kills, each)
    with process(WORKER, stage.environ):
        for _ in range(others):
            kills_postgres(stage, each)
            kills_redis(stage, each)
            Event().wait(3)  # Celery finds Redis gone, and ends its child
            stage.expire()
        stage.comes_to_an_end()


def is_explained(stage: Stage, got: Counter[str]) -> int:
    """Nobody is left out; whoever got it again was uncertain before. How many got it again."""
    wanted = {f"p{number}@example.com" for number in range(stage.number)}
    assert set(got) == wanted, f"{len(wanted - set(got))} got nothing"
    again = {address.partition("@")[0] for address, times in got.items() if times > 1}
    uncertain = {name for (name,) in stage.ask(UNCERTAIN.format(int(stage.campaign)))}
    assert again <= uncertain
    return sum(got.values()) - stage.number


def test_nobody_is_left_out_and_what_comes_twice_is_explained(house: House) -> None:
    number, kills, others = (100_000, 50, 5) if IS_FULL else (600, 3, 1)
    stage = house.stage("smtp", house.sink.gate, number)
    suffers(stage, kills=kills, others=others)

    duplicates = is_explained(stage, Counter(address for address, _ in house.sink.stored))
    assert duplicates <= BATCH * stage.killed
    say(stage, duplicates)


def test_nobody_gets_anything_twice_from_a_provider_that_knows_keys(house: House) -> None:
    number, kills, others = (10_000, 50, 5) if IS_FULL else (600, 3, 1)
    stage = house.stage("resend", house.resend.gate, number)
    suffers(stage, kills=kills, others=others)

    duplicates = is_explained(stage, house.resend.got)
    assert duplicates == 0
    say(stage, duplicates)


def say(stage: Stage, duplicates: int) -> None:
    found = stage.script(VERIFY, stage.workspace, stage.campaign).strip()
    lost = f"{stage.number} messages, {stage.killed} workers killed: 0 lost, {duplicates} twice"
    print(f"{lost}; {found}")  # noqa: T201 - the figures of the test
