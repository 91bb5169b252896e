"""A checkout in a temporary directory with real services, for the tests that stop and kill them."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded

REPOSITORY = Path(__file__).resolve().parents[2]
# Says when it has them, and keeps them until its input ends.
USER = "import sys; from pathlib import Path; from config import embedded; "
USER += "embedded.ensure(Path(sys.argv[1])); print('up', flush=True); sys.stdin.read()"


@dataclass(frozen=True)
class Checkout:
    root: Path

    @property
    def home(self) -> Path:
        return self.root / ".bellwether"

    @property
    def urls(self) -> embedded.Urls:
        return embedded.urls(self.root)

    @property
    def postmaster(self) -> int:
        return int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])

    @property
    def redis_pid(self) -> int:
        return int((self.home / "redis.pid").read_text())

    def database(self, *, owner: bool = False) -> psycopg.Connection:
        url = self.urls.owner_database_url if owner else self.urls.database_url
        return psycopg.connect(url, autocommit=True)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.urls.redis_url)

    def user(self, **environ: str) -> subprocess.Popen[str]:
        """A process that uses the services until its stdin is closed."""
        return subprocess.Popen(  # noqa: S603 -- our own script
            [sys.executable, "-c", USER, str(self.root)],
            cwd=REPOSITORY,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        """The living processes that work in this checkout's directories."""
        return [pid for pid in living() if str(working_directory(pid)).startswith(str(self.root))]


def is_up(user: subprocess.Popen[str]) -> bool:
    """Wait until it has the services."""
    return user.stdout is not None and user.stdout.readline() == "up\n"


def leave(user: subprocess.Popen[str]) -> int:
    """Let a user of the services end as a program does."""
    user.communicate(timeout=60)
    return user.returncode


def living() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def working_directory(pid: int) -> Path | None:
    try:
        return (Path("/proc") / str(pid) / "cwd").readlink()
    except OSError:
        return None


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Stopped at the end, whatever the test did to it."""
    made = Checkout(tmp_path)
    yield made
    embedded.release(made.root)
    embedded.stop(made.root)
    assert made.processes() == []
