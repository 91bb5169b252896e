"""The embedded services, killed."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count

import psycopg
import pytest

from config import embedded
from tests.config.checkout import Checkout, eventually, is_up, leave

pytestmark = pytest.mark.faults


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_what_was_committed_survives_kill_9_of_postgres(checkout: Checkout, rounds: int) -> None:
    embedded.ensure(checkout.root)
    with checkout.database(owner=True) as database:
        database.execute("CREATE TABLE kept (id int PRIMARY KEY)")
    acknowledged = -1
    for _ in range(rounds):
        acknowledged = write_until_killed(checkout, acknowledged)

        assert embedded.ensure(checkout.root) == ("postgres",)

        with checkout.database(owner=True) as database:
            stored = {row[0] for row in database.execute("SELECT id FROM kept")}
        assert set(range(acknowledged + 1)) <= stored
        acknowledged = max(stored)


def write_until_killed(checkout: Checkout, after: int) -> int:
    """Insert row after row until the server, killed in between, is gone. Returns the last id answered."""
    acknowledged = after
    with suppress(psycopg.OperationalError), checkout.database(owner=True) as database:
        for number in count(after + 1):
            database.execute("INSERT INTO kept VALUES (%s)", [number])
            acknowledged = number
            if number == after + 50:
                kill(checkout.postmaster)
                kill(database.info.backend_pid)
    return acknowledged


def test_what_was_answered_survives_kill_9_of_redis(checkout: Checkout, rounds: int) -> None:
    embedded.ensure(checkout.root)
    for number in range(rounds):
        client = checkout.redis()
        for key in range(200):
            client.rpush("queue", f"{number}:{key}")
        kill(checkout.redis_pid)
        eventually(lambda: embedded.ensure(checkout.root) == ("redis",))

        assert checkout.redis().llen("queue") == 200 * (number + 1)


def test_a_torn_append_only_file_loses_only_its_last_entry(checkout: Checkout) -> None:
    embedded.ensure(checkout.root, services=("redis",))
    checkout.redis().mset({"first": "1"})
    checkout.redis().set("torn", "2")
    kill(checkout.redis_pid)
    file = checkout.home / "redis" / "appendonly.aof"
    file.write_bytes(file.read_bytes()[:-3])

    eventually(lambda: embedded.ensure(checkout.root, services=("redis",)) == ("redis",))

    assert checkout.redis().mget("first", "torn") == [b"1", None]


def test_a_pid_file_that_names_a_stranger(checkout: Checkout) -> None:
    embedded.ensure(checkout.root)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pid_file = checkout.home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill(checkout.postmaster)
    kill(checkout.redis_pid)
    eventually(lambda: checkout.processes() == [])
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    (checkout.home / "redis.pid").write_text(str(stranger.pid))

    embedded.stop(checkout.root)
    assert embedded.ensure(checkout.root) == ("postgres", "redis")

    assert stranger.poll() is None
    stranger.communicate(b"\n")


def test_services_of_a_killed_run_are_adopted(checkout: Checkout) -> None:
    killed = checkout.user()
    assert is_up(killed)
    postmaster = checkout.postmaster
    kill(killed.pid)
    killed.communicate()

    heir = checkout.user()
    assert is_up(heir)

    assert checkout.postmaster == postmaster
    assert leave(heir) == 0
    assert checkout.processes() == []


@pytest.mark.parametrize("moment", ["postgres.making", "postgres.making/base", "postgres/postmaster.pid"])
def test_a_first_start_killed_half_way(checkout: Checkout, moment: str) -> None:
    killed = checkout.user()
    eventually((checkout.home / moment).exists)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()

    embedded.ensure(checkout.root)

    with checkout.database() as database:
        assert database.execute("SELECT current_user").fetchone() == ("bellwether",)


def test_everything_killed_at_once(checkout: Checkout, rounds: int) -> None:
    for _ in range(rounds):
        user = checkout.user()
        assert is_up(user)
        for pid in (user.pid, *checkout.processes()):
            kill(pid)
        user.communicate()

        assert embedded.ensure(checkout.root) == ("postgres", "redis")
        embedded.release(checkout.root)
