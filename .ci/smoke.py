"""`make run` in a copy of the tree, from nothing: an event becomes credit, also after all was killed."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
READY_SECONDS = 120
SECOND_START_SECONDS = 30
STOP_SECONDS = 30
REVENUE = Decimal("99.99")


class Site:
    """One `make run` in the copy."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        self.log = root.parent / "run.log"
        self.began = time.monotonic()
        with self.log.open("a") as log:
            self.make = subprocess.Popen(  # noqa: S603 -- our own command
                ["make", "run", f"PORT={port}"],  # noqa: S607
                cwd=root,
                env={name: value for name, value in os.environ.items() if not name.endswith("_URL")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float) -> float:
        while self.status() != http.HTTPStatus.OK:
            check(self.make.poll() is None, f"make run ended with code {self.make.returncode}")
            check(time.monotonic() - self.began < seconds, f"not ready after {seconds} s")
            time.sleep(0.2)
        return time.monotonic() - self.began

    def status(self) -> int:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/health/ready")[0]
        return 0

    def post(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = self.request("POST", f"/api/v1/attribution/{path}", key, body)
        check(status in {200, 201}, f"POST {path} answered {status}: {answer[:500]!r}")
        return dict(json.loads(answer))

    def request(self, method: str, path: str, key: str = "", body: object = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def supervisor(self) -> int:
        return int((self.root / ".bellwether" / "supervisor.lock").read_text().rsplit(maxsplit=1)[1])

    def kill_everything_else(self) -> None:
        for pid in set(processes_in(self.root)) - {self.make.pid, self.supervisor()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self, pid: int) -> int:
        """Ctrl-C for one process, or for a whole group as a terminal does it (a negative number)."""
        os.kill(pid, signal.SIGINT)
        code = self.make.wait(timeout=STOP_SECONDS)
        left = processes_in(self.root)
        check(not left, f"left running: {[command_of(pid) for pid in left]}")
        return code


def credited(site: Site, key: str) -> None:
    """The original system's example: two touchpoints, a purchase, and every penny of it is credited."""
    for platform in ("meta", "google"):
        event = {"user_id": "user_123", "event_type": "click", "platform": platform, "campaign_id": "spring"}
        site.post("track/event", key, {**event, "event_id": f"smoke-{platform}"})
    purchase = {
        "user_id": "user_123",
        "conversion_type": "purchase",
        "revenue": str(REVENUE),
        "order_id": "smoke-1",
    }
    site.post("track/conversion", key, purchase)
    answer = site.post("analyze/journey", key, {"user_id": "user_123", "model_type": "shapley"})
    channels = answer["channels"]
    rows = list(channels.values() if isinstance(channels, dict) else channels)
    check(len(rows) == 2, f"two channels expected: {answer}")
    check(
        sum(Decimal(str(row["revenue"])) for row in rows) == REVENUE, f"the revenue does not add up: {answer}"
    )
    check(abs(sum(float(row["share"]) for row in rows) - 1) < 1e-9, f"the shares do not add up: {answer}")


def smoke(root: Path) -> None:
    port = free_port()
    subprocess.run(["bin/bootstrap", "base"], cwd=root, check=True)  # noqa: S607
    first = Site(root, port)
    say(f"first start: ready after {first.wait_until_ready(READY_SECONDS):.1f} s")
    demo = json.loads((root / ".bellwether" / "demo.json").read_text())
    credited(first, demo["api_key"])
    say("an event became credit that adds up")

    first.kill_everything_else()
    first.began = time.monotonic()
    say(f"kill -9 of everything: ready again after {first.wait_until_ready(READY_SECONDS):.1f} s")
    credited(first, demo["api_key"])
    code = first.stop(first.supervisor())
    check(code == 0, f"make run ended with code {code} on Ctrl-C")

    second = Site(root, port)
    say(f"second start: ready after {second.wait_until_ready(SECOND_START_SECONDS):.1f} s")
    second.stop(-second.make.pid)
    say("stopped, nothing left running")


def processes_in(root: Path) -> list[int]:
    """Those whose working directory or command lies in the tree. Zombies have neither."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_in(pid, str(root))]


def is_in(pid: int, root: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd").startswith(root) or root in command_of(pid)
    except OSError:
        return False


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def copy_tree(target: Path) -> None:
    """What a clone would hold, with the changes that are not committed yet."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    found = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True)  # noqa: S603
    for name in filter(None, found.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(f"smoke: {otherwise}")


def say(text: str) -> None:
    print(f"smoke: {text}", flush=True)  # noqa: T201 -- a command


def main() -> None:
    private = Path(tempfile.mkdtemp(prefix="bellwether-smoke-"))  # mode 0700, as a home directory may be
    root = private / "bellwether"
    root.mkdir()
    copy_tree(root)
    try:
        smoke(root)
    except BaseException:
        log = private / "run.log"
        sys.stderr.write("\n".join(log.read_text().splitlines()[-60:]) + "\n" if log.exists() else "")
        raise
    finally:
        for pid in processes_in(root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(private, ignore_errors=True)


if __name__ == "__main__":
    main()
