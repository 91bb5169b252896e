"""Starting the programs of the embedded services."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config.embedded.errors import EmbeddedError, with_tail

LOG_BYTES = 5_000_000
_servers: dict[Path, int] = {}  # log -> process id of the server that this process started


@dataclass(frozen=True)
class Job:
    """What to run, and where. `lock` is inherited and so stays held as long as any of it lives."""

    command: Sequence[str | Path]
    log: Path
    lock: int
    cwd: Path
    uid: int | None = None  # root may run it as another account

    def run(self, purpose: str) -> None:
        """Run to the end; EmbeddedError that names the purpose if it fails."""
        with self.log.open("ab") as output:
            code = self._spawn(output).wait()
        if code:
            raise with_tail(f"{purpose} failed with code {code}.", self.log)

    def detach(self) -> None:
        """Leave it running in the background."""
        with self.log.open("ab") as output:
            server = self._spawn(output)
        _servers[self.log] = server.pid
        server.returncode = 0  # it may outlive us, which Popen would warn of; `reap` waits for it

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 -- our own commands
            [str(word) for word in self.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self.cwd,
            env=clean_environment(),
            pass_fds=[self.lock],
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )


def reap(log: Path) -> None:
    """Wait for the server with that log, known to have ended, if this process started it: leave no zombie."""
    with contextlib.suppress(KeyError, ChildProcessError):
        os.waitpid(_servers.pop(log), 0)


def clean_environment() -> dict[str, str]:
    """No PG* or LD_* variable of the caller reaches a server, and its messages are in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def rotate(log: Path) -> None:
    """Keep one old log once the current one has grown."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def first_executable(paths: Sequence[Path | None], otherwise: str) -> Path:
    """The first of the paths that can be run; EmbeddedError with `otherwise` if there is none."""
    for path in paths:
        if path is not None and os.access(path, os.X_OK):
            return path
    raise EmbeddedError(otherwise)


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)
