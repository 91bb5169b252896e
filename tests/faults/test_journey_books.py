"""Workers that count journeys, killed in the middle of it."""

import os
import signal
import subprocess
import sys
from datetime import date

import numpy as np
import pytest
from django.db import connection

from apps.accounts import scoping
from apps.accounts.permissions import system
from apps.attribution import journey_books
from apps.attribution.models import JourneyBook, StalePerson
from tests import factories
from tests.attribution.histories import LENSES, History, built, is_what_raw_gives, is_what_scratch_gives
from tests.conftest import ROOT, committed

pytestmark = [pytest.mark.faults, committed]

WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from apps.accounts import scoping
from apps.attribution import book_building, journey_books
from apps.attribution.models import JourneyBook
from tests.factories import NOW

with scoping.workspace(int(sys.argv[2])):
    book = JourneyBook.objects.order_by("pk").last()
    print("ready", flush=True)
    while True:
        if sys.argv[3] == "build":
            JourneyBook.objects.filter(pk=book.pk).update(state="due")
            book_building.build(book, now=NOW, stretch=1)
        else:
            journey_books.catch_up(most=2)
"""


def killed_after(seconds, workspace, deed):
    """Have a worker do it in a process of its own, and kill it."""
    name = connection.settings_dict["NAME"]
    worker = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", WORKER, name, str(workspace.pk), deed],
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
    assert worker.returncode == -signal.SIGKILL


@pytest.mark.parametrize("deed", ["catch up", "build"])
def test_a_worker_killed_while_it_counts_leaves_nothing_wrong(deed, rounds):
    rng = np.random.default_rng(11)
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        history = History(system(workspace.pk), rng)
        for lens in LENSES[:2]:
            built(lens)
        for _ in range(rounds):
            for _ in range(40):
                history.touch()
                history.buy()

            killed_after(float(rng.uniform(0.05, 0.4)), workspace, deed)

            for lens in LENSES[:2]:
                built(lens)
            while journey_books.catch_up():
                pass
            assert not StalePerson.objects.exists()
            assert set(JourneyBook.objects.values_list("state", flat=True)) == {"ready"}
            for lens in LENSES[:2]:
                is_what_raw_gives(lens, date(2026, 10, 20), date(2026, 11, 20))
                is_what_scratch_gives(lens)
