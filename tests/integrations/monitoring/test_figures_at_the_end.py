"""What a process has counted is written when it ends, and soon where it has nothing more to do."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from apps.accounts import scoping
from apps.integrations import metrics
from apps.integrations.models import MetricPoint
from config.celery import app
from tests import factories
from tests.config.checkout import REPOSITORY, eventually
from tests.conftest import committed

pytestmark = committed

PROCESS = """
import os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
import django
django.setup()
from pathlib import Path
from django.db import connections
database, workspace_id, place, role = sys.argv[1:]
connections["default"].settings_dict["NAME"] = database
from apps.accounts import scoping
from apps.integrations import metrics
from config.celery import app

def count():
    metrics._flushed_at[0] = time.monotonic()  # so that it is not due at once
    with scoping.workspace(int(workspace_id)):
        metrics.observe("t.end", 1.0)
    (Path(place) / "counted").touch()

app.task(name="tests.count")(count)
for name in ("queue", "control", "processed"):
    (Path(place) / name).mkdir(exist_ok=True)
folders = {"data_folder_in": f"{place}/queue", "data_folder_out": f"{place}/queue"}
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={**folders, "control_folder": f"{place}/control"},
    task_always_eager=False,
)
if role == "worker":
    app.send_task("tests.count", queue="default")
    app.worker_main(["worker", "-c", "1", "-Q", "default", "-l", "critical", "--without-gossip",
                     "--without-mingle", "--without-heartbeat"])
else:
    import threading
    import uvicorn
    from config import asgi
    server = uvicorn.Server(uvicorn.Config(asgi.application, port=0, log_config=None))

    def count_once_it_serves():
        while not server.started:
            time.sleep(0.05)
        count()

    threading.Thread(target=count_once_it_serves).start()
    server.run()
"""


@pytest.fixture
def workspace():
    made = factories.WorkspaceFactory()
    with scoping.workspace(made):
        yield made


@contextmanager
def process(role, workspace, place):
    command = [sys.executable, "-c", PROCESS, connection.settings_dict["NAME"], str(workspace.pk), str(place)]
    made = subprocess.Popen(  # noqa: S603 - our own script
        [*command, role], cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )
    try:
        yield made
    finally:
        made.kill()
        made.wait()


@pytest.mark.parametrize("role", ["worker", "web"])
def test_what_was_counted_is_written_when_the_process_is_stopped(role, workspace, tmp_path):
    with process(role, workspace, tmp_path) as one:
        eventually((tmp_path / "counted").exists, seconds=60)
        assert not MetricPoint.objects.filter(name="t.end").exists()

        one.send_signal(signal.SIGTERM)
        one.wait(timeout=60)

    assert [row.count for row in MetricPoint.objects.filter(name="t.end")] == [1]


def test_what_was_counted_in_a_transaction_is_written_when_the_task_is_over(workspace):
    metrics.forget()
    metrics._flushed_at[0] = float("-inf")
    seen = []

    @app.task(name="tests.count_inside")
    def count():
        with transaction.atomic():
            metrics.observe("t.end", 1.0)
        seen.append(MetricPoint.objects.filter(name="t.end").count())

    try:
        count.apply()
    finally:
        app.tasks.unregister("tests.count_inside")  # others look at every task there is

    assert (seen, MetricPoint.objects.filter(name="t.end").count()) == ([0], 1)
