"""The supervisor, with small programs of the tests' own as its children."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config import embedded
from config.supervisor.plan import plan
from config.supervisor.watchdog import HEARTBEAT, STALE_SECONDS, Watchdog
from tests.config.checkout import REPOSITORY, Checkout, eventually, is_up, living, working_directory

RUN = """
import asyncio, sys
from pathlib import Path
from config.supervisor.plan import Plan
from config.supervisor.program import Program
from config.supervisor.run import Supervisor
root, port, step, grace, *children = sys.argv[1:]
def program(number, code):
    import os
    environ = {**os.environ, "PYTHONPATH": "REPO"}
    return Program(f"p{number}", [sys.executable, "-c", code, port], Path(root), environ)
made = Plan(
    Path(root), "127.0.0.1", int(port), (),
    tuple([program(9, step)] if step else []),
    tuple(program(number, code) for number, code in enumerate(children)),
    worker=None,
)
sys.exit(asyncio.run(Supervisor(made, grace=float(grace)).run()))
""".replace("REPO", str(REPOSITORY))
WEB = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
    def log_message(self, *_): pass
print("serving", flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
FAMILY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
FAILS = "import sys; sys.exit('no such table')"

Run = Callable[..., "Supervised"]


class Supervised:
    """A running supervisor, and what it has printed so far."""

    def __init__(self, root: Path, port: int, step: str, grace: float, children: tuple[str, ...]) -> None:
        self.root = root
        self.process = subprocess.Popen(  # noqa: S603 -- our own script
            [sys.executable, "-c", RUN, str(root), str(port), step, str(grace), *children],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.output += line

    def says(self, text: str, times: int = 1) -> None:
        eventually(lambda: self.output.count(text) >= times or self.process.poll() is not None)
        assert self.output.count(text) >= times, self.output

    def ends(self, *signals: signal.Signals) -> int:
        for number in signals:
            self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.reader.join(timeout=20)
        return code

    def programs(self) -> list[int]:
        """The processes of its children: they work in the root."""
        return [pid for pid in living() if working_directory(pid) == self.root]


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def run(tmp_path: Path, port: int) -> Iterator[Run]:
    made: list[Supervised] = []

    def start(*children: str, step: str = "", grace: float = 1) -> Supervised:
        made.append(Supervised(tmp_path, port, step, grace, children))
        return made[-1]

    yield start
    for supervised in made:
        if supervised.process.poll() is None:
            supervised.process.kill()
        supervised.reader.join(timeout=20)
        assert supervised.programs() == []


def test_says_where_it_is_and_ends_with_0_on_ctrl_c(run: Run, port: int) -> None:
    supervised = run(WEB, FAMILY)
    supervised.says(f"Bellwether is ready: http://127.0.0.1:{port}")
    assert "p0         | serving" in supervised.output

    assert supervised.ends(signal.SIGINT) == 0
    assert supervised.programs() == []
    assert "Stopped" in supervised.output


def test_a_step_runs_before_the_children_and_its_failure_ends_the_start(run: Run) -> None:
    supervised = run(WEB, step=FAILS)

    assert supervised.ends() == 1
    assert "p9         | no such table" in supervised.output
    assert "The step 'p9' ended with code 1" in supervised.output
    assert "serving" not in supervised.output


def test_a_killed_child_is_started_again_with_a_word(run: Run) -> None:
    supervised = run(WEB)
    supervised.says("is ready")

    os.kill(supervised.programs()[0], signal.SIGKILL)

    supervised.says("p0 was killed by SIGKILL; starting it again in 1 s")
    supervised.says("serving", times=2)
    assert supervised.ends(signal.SIGTERM) == 0


def test_a_child_that_does_not_listen_is_killed_after_the_grace(run: Run) -> None:
    supervised = run(WEB, STUBBORN)
    supervised.says("deaf")
    supervised.says("is ready")

    assert supervised.ends(signal.SIGINT) == 0
    assert supervised.programs() == []


STOP = """
import sys
from pathlib import Path
from config.supervisor.stop import main
sys.exit(main(Path(sys.argv[1]), patience=float(sys.argv[2])))
"""


def stop(root: Path, *, patience: float = 60) -> subprocess.CompletedProcess[str]:
    """`make stop`, in another terminal."""
    command = [sys.executable, "-c", STOP, str(root), str(patience)]
    return subprocess.run(  # noqa: S603 -- our own script
        command, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=60
    )


def test_stop_ends_a_live_run_and_says_so(run: Run, port: int) -> None:
    supervised = run(WEB, FAMILY)
    supervised.says("is ready")

    stopped = stop(supervised.root)

    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert (
        f"Stopped Bellwether at http://127.0.0.1:{port}, process {supervised.process.pid}." in stopped.stdout
    )
    assert "Nothing is left running." in stopped.stdout
    assert supervised.ends() == 0
    assert supervised.programs() == []
    assert stop(supervised.root).stdout == "Nothing was running.\n"


def test_stop_ends_the_services_that_a_killed_run_left_behind(checkout: Checkout) -> None:
    user = checkout.user()
    assert is_up(user)
    user.kill()
    user.wait()

    stopped = stop(checkout.root)

    assert stopped.returncode == 0
    assert "postgres and redis, left behind by a run that was killed" in stopped.stdout
    assert checkout.processes() == []


def test_stop_insists_where_the_supervisor_does_not_listen(run: Run) -> None:
    supervised = run(WEB)
    supervised.says("is ready")
    supervised.process.send_signal(signal.SIGSTOP)

    stopped = stop(supervised.root, patience=0.5)

    assert stopped.returncode == 0
    assert supervised.ends() == -signal.SIGKILL
    eventually(lambda: supervised.programs() == [])


def test_a_second_ctrl_c_forces(run: Run) -> None:
    supervised = run(WEB, STUBBORN, grace=19)
    supervised.says("deaf")
    supervised.says("is ready")

    supervised.process.send_signal(signal.SIGINT)
    supervised.says("Stopping")
    began = time.monotonic()

    assert supervised.ends(signal.SIGINT) == 130
    assert time.monotonic() - began < 15
    assert supervised.programs() == []


def test_children_end_with_a_supervisor_that_was_killed(run: Run) -> None:
    supervised = run(WEB, FAMILY)
    supervised.says("is ready")

    supervised.ends(signal.SIGKILL)

    eventually(lambda: len(supervised.programs()) <= 1)  # the child's own child is the child's business
    for pid in supervised.programs():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: supervised.programs() == [])


def test_a_taken_port_is_named_with_a_way_out(run: Run, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()

        supervised = run(WEB)

        assert supervised.ends() == 1
    assert (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Process {os.getpid()} has it"
        in supervised.output
    )
    assert f"PORT={port + 1} make run" in supervised.output


def test_a_second_run_says_where_the_first_is(run: Run, port: int) -> None:
    first = run(WEB)
    first.says("is ready")

    second = run(WEB)

    assert second.ends() == 1
    assert f"already runs here: http://127.0.0.1:{port}, process {first.process.pid}" in second.output
    assert first.ends(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("beat", "waiting", "complains"),
    [(0, 3, True), (0, 0, False), (10_000 - 5, 3, False), (10_000 - STALE_SECONDS - 1, 3, True)],
)
def test_the_watchdog_restarts_a_silent_worker_whose_queue_waits(
    checkout: Checkout, beat: int, waiting: int, complains: bool
) -> None:
    embedded.ensure(checkout.root, services=("redis",))
    url = checkout.urls.redis_url
    with checkout.redis() as redis:
        redis.set(HEARTBEAT, beat)
        redis.rpush("default", *range(waiting)) if waiting else None
    watchdog = Watchdog(url, url.replace("unix://", "redis+socket://"), ["default"], 1800, patience=0.2)

    complaint = watchdog.complaint_at(10_000, started=9_000)

    assert bool(complaint) == complains


def test_a_worker_that_has_just_started_is_given_time(checkout: Checkout) -> None:
    embedded.ensure(checkout.root, services=("redis",))
    url = checkout.urls.redis_url
    with checkout.redis() as redis:
        redis.rpush("default", 1)
    watchdog = Watchdog(url, url.replace("unix://", "redis+socket://"), ["default"], 1800, patience=0.2)

    assert watchdog.complaint_at(10_000, started=9_999) is None


def test_the_plan_follows_the_environment(tmp_path: Path) -> None:
    made = plan(tmp_path, {"PORT": "8123", "BELLWETHER_DEMO": "0", "REDIS_URL": "redis://elsewhere"})

    assert made.address == "http://127.0.0.1:8123"
    assert made.services == ("postgres",)
    assert [step.name for step in made.steps] == ["migrate"]
    assert [child.name for child in made.children] == ["web", "worker", "delivery", "critical", "beat"]


@pytest.mark.parametrize("demo", ["1", "0"])
def test_the_checks_are_made_once_at_a_start_before_anything_is_changed(tmp_path: Path, demo: str) -> None:
    migrate, *rest = plan(tmp_path, {"BELLWETHER_DEMO": demo}).steps

    assert "--skip-checks" not in migrate.command  # its own are those of the database too
    assert [step.name for step in rest if "--skip-checks" not in step.command] == []


@pytest.mark.parametrize(("target", "forbids"), [("run", ""), ("test", ""), ("check", "1")])
def test_what_starts_python_often_keeps_what_it_compiles_and_the_rest_obeys_the_shell(
    tmp_path: Path, target: str, forbids: str
) -> None:
    shows = tmp_path / "shows.mk"
    shows.write_text(f'include Makefile\n{target}:\n\t@echo "[$$PYTHONDONTWRITEBYTECODE]"\n')

    shown = subprocess.run(  # noqa: S603 -- our own target
        ["make", "--no-print-directory", "--file", str(shows), target],  # noqa: S607
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout == f"[{forbids}]\n"
