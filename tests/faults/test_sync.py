"""A worker that reads a customer system, killed in the middle of it: the next one goes on, and nothing is
lost or there twice.
"""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from django.db import connection as database
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Person
from apps.accounts.permissions import system
from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import Call, SyncExternal, SyncRecord, SyncStream, TrailEntry
from apps.integrations.sync import integrity, pull, streams
from tests import factories
from tests.config.checkout import eventually
from tests.conftest import ROOT, committed
from tests.fakes.lightblue import KEY as LIGHT_BLUE_KEY
from tests.fakes.vsco import KEY, Vsco
from tests.integrations.connected import connection_to

pytestmark = [pytest.mark.faults, committed]

WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from apps.accounts import scoping
from apps.integrations.sync import pull

with scoping.workspace(int(sys.argv[2])):
    print("ready", flush=True)
    pull.pull(connection_id=int(sys.argv[3]))
    print("done", flush=True)
"""
GUESTS = 250


@pytest.fixture
def vsco(settings):
    with Vsco() as fake:
        settings.INTEGRATION_URLS = {"vsco": fake.url}
        fake.furnish()
        fake.posts_hooks = False
        for number in range(GUESTS):
            fake.add("contact", kind="person", firstName=f"Guest {number}", email=f"g{number}@example.com")
        yield fake


def killed_while_it_reads(workspace, connection, vsco, *, requests, seconds):
    """Have a worker read in a process of its own, and kill it so long after so many requests. Whether it was
    done before.
    """
    worker = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", WORKER, database.settings_dict["NAME"], str(workspace.pk), str(connection.pk)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "INTEGRATION_URLS": json.dumps({"vsco": vsco.url})},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    wanted = len(vsco.seen) + requests
    eventually(lambda: len(vsco.seen) >= wanted or worker.poll() is not None, seconds=60)
    try:
        worker.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        worker.send_signal(signal.SIGKILL)
    worker.wait()
    is_done = worker.stdout.read() == b"done\n"
    worker.stdout.close()
    assert is_done or worker.returncode == -signal.SIGKILL
    return is_done


def everything_is_there_once(vsco, contacts_elsewhere):
    there = {key for kind in ("contact", "job") for key in vsco.rows[kind]}
    here = SyncExternal.objects.filter(connection__service="vsco")
    assert sorted(here.values_list("external_id", flat=True)) == sorted(there)
    assert here.values("record").distinct().count() == SyncRecord.objects.count() == len(there)
    people = [row for row in vsco.rows["contact"].values() if row["kind"] == "person"]
    assert Person.objects.filter(merged_into=None).count() == len(people)
    for record in SyncRecord.objects.all():
        steps = trail.steps_of(record.stream)
        assert [one.kind for one in steps].count("made") == 1
        assert not list(trail.faults(record.stream))
    made = SyncExternal.objects.filter(connection=contacts_elsewhere)
    assert made.count() == Call.objects.count() == len(vsco.rows["contact"])


def test_a_worker_killed_while_it_reads_loses_nothing_and_doubles_nothing(vsco, rounds):
    rng = np.random.default_rng(17)
    for _ in range(rounds):
        workspace = factories.WorkspaceFactory()
        with scoping.workspace(workspace):
            elsewhere = connection_to(
                workspace, "light_blue", account="", secrets={"api_key": LIGHT_BLUE_KEY}
            )
            streams.change(
                system(workspace.pk), streams.of(elsewhere, "contact"), now=timezone.now(), makes_new=True
            )
            connection = connection_to(workspace, "vsco", account="", secrets={"api_key": KEY})

            for requests in (1, 2, 4):
                seconds = float(rng.uniform(0, 0.3))
                is_done = killed_while_it_reads(
                    workspace, connection, vsco, requests=requests, seconds=seconds
                )
                assert requests > 2 or not is_done
            pull.pull(connection_id=connection.pk)

            everything_is_there_once(vsco, elsewhere)
            assert not SyncStream.objects.filter(connection=connection, watermark=None).exists()
            before = TrailEntry.objects.count()
            assert pull.pull(connection_id=connection.pk) == 0
            assert TrailEntry.objects.count() == before
            for entity in Entity:
                stream = streams.of(connection, entity)
                assert integrity.compare(stream, streams.system_of(connection), now=timezone.now()).is_well
