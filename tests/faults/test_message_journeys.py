"""Workers that move people along journeys, killed in the middle of it."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from apps.accounts import scoping
from apps.accounts.permissions import system
from apps.campaigns.journeys import drafts, entering, graph, moving
from apps.campaigns.journeys.sources import Happening
from apps.campaigns.models import (
    Campaign,
    Content,
    JourneyCount,
    JourneyMove,
    JourneyRun,
    JourneyTask,
    Recipient,
    SendRun,
    Topic,
)
from tests import factories
from tests.conftest import ROOT, committed
from tests.factories import NOW

pytestmark = [pytest.mark.faults, committed]
PEOPLE = 3_000
WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
import django
django.setup()
from datetime import timedelta
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from apps.accounts import scoping
from apps.campaigns.journeys import moving
from tests.factories import NOW

moving.AT_ONCE = 50
with scoping.workspace(int(sys.argv[2])):
    print("ready", flush=True)
    while True:
        moving.move_due(int(sys.argv[3]), now=NOW + timedelta(days=int(sys.argv[4]), minutes=1))
"""


def _killed_after(seconds, workspace, journey, day):
    worker = subprocess.Popen(  # noqa: S603 - our own interpreter
        [
            sys.executable,
            "-c",
            WORKER,
            connection.settings_dict["NAME"],
            *map(str, (workspace.pk, journey.pk, day)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    try:
        worker.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()


def _journey(workspace):
    topic = Topic.objects.create(workspace=workspace, key="news", name="News", basis="customer")
    campaign = Campaign.objects.create(
        workspace=workspace, name="Hello", kind="triggered", state="running", topic=topic, changed_at=NOW
    )
    words = {"key": "a", "position": 1, "subject": "Hello", "body": "Hello"}
    Content.objects.create(workspace=workspace, campaign=campaign, changed_at=NOW, **words)
    SendRun.objects.create(workspace=workspace, campaign=campaign)
    hello = {"kind": "message", "campaign": str(campaign.public_id), "next": "call"}
    steps = {
        "hello": hello,
        "call": {"kind": "task", "title": "Call", "next": "wait"},
        "wait": {"kind": "wait", "days": 1, "next": "again"},
        "again": {**hello, "next": ""},
    }
    draft = graph.EMPTY | {"entries": [{"kind": "api"}], "first": "hello", "steps": steps}
    actor = system(workspace.pk)
    made = drafts.create(actor, name="Road", draft=draft, entries_a_day=PEOPLE, now=NOW)
    drafts.publish(actor, made, now=NOW)
    return made


def test_killed_workers_leave_nobody_out_and_do_nothing_twice(rounds):
    rng = np.random.default_rng(7)
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        journey = _journey(workspace)
        people = [factories.PersonFactory(workspace=workspace, email_index=b"1") for _ in range(PEOPLE)]
        happenings = [Happening(person_id=one.pk, cause="api:1", occurred_at=NOW) for one in people]
        assert len(entering.enter(journey.pk, happenings, now=NOW, is_asked=True).in_) == PEOPLE

        for day in (0, 1):
            for _ in range(rounds):
                _killed_after(float(rng.uniform(0.1, 0.8)), workspace, journey, day)
            moving.move_due(journey.pk, now=NOW + timedelta(days=day, minutes=1))

        assert JourneyRun.objects.filter(outcome="finished").count() == PEOPLE
        assert Recipient.objects.count() == 2 * PEOPLE
        assert JourneyTask.objects.count() == PEOPLE
        assert JourneyMove.objects.count() == 6 * PEOPLE
        told = sum(JourneyCount.objects.values_list("moves", flat=True))
        assert told == 6 * PEOPLE
