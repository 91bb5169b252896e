"""A server of our own: started once, found again by whoever comes later, stopped without leaving anything.

Whether it runs is told by a lock that the server itself inherits and its forks keep, not by a process id:
ids are reused, a zombie still has one, and a pid file survives kill -9.
"""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from config.embedded import locks
from config.embedded.errors import with_tail
from config.embedded.place import Place
from config.embedded.processes import pause, reap, rotate

START_SECONDS = 60  # recovery after kill -9 takes several
STOP_SECONDS = 30
LAUNCHES = 5


class Service:
    """One embedded server."""

    name: str
    stop_signal: signal.Signals

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.home / f"{self.name}.log"
        self.lock = place.home / f"{self.name}.lock"

    @property
    def socket(self) -> Path:
        raise NotImplementedError

    @property
    def pid_file(self) -> Path:
        raise NotImplementedError

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """What a killed server leaves, and what would keep the next one from starting."""
        return (self.pid_file, self.socket)

    def answers(self) -> bool:
        """Accepts our credentials. Raises EmbeddedError if it never will."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Answers and holds all that the application expects to find."""
        return self.answers()

    def launch(self, lock: int) -> None:
        """Start the server with `lock` inherited; nothing of ours runs at this point."""
        raise NotImplementedError

    def settle(self) -> None:
        """Make what the application expects to find. Called while it answers, under the start lock."""

    def start(self) -> bool:
        """Bring the server up under the start lock, or find it up; true if this call launched it."""
        deadline, launches = time.monotonic() + START_SECONDS, 0
        while not self.is_ready():
            if self.answers():
                self.settle()
                continue
            launches += self._launch_if_down()
            if launches > LAUNCHES:
                raise with_tail(f"The embedded {self.name} does not start.", self.log)
            if time.monotonic() > deadline:
                raise with_tail(f"The embedded {self.name} was not ready in {START_SECONDS} s.", self.log)
            pause(0.05 * max(launches, 1))
        return launches > 0

    def stop(self) -> None:
        """Ask the server to end, wait until it has, and insist if it does not."""
        for number in (self.stop_signal, signal.SIGKILL):
            self._signal(number)
            if self._is_gone_within(STOP_SECONDS):
                break
        else:
            raise with_tail(f"The embedded {self.name} does not stop.", self.log)
        reap(self.log)
        with contextlib.suppress(OSError):  # gone already, or something of another's in it
            self.socket.parent.rmdir()

    def is_listening(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            return client.connect_ex(str(self.socket)) == 0

    def _launch_if_down(self) -> bool:
        lock = locks.claim(self.lock)
        if lock is None:
            return False
        try:
            reap(self.log)
            for path in self.leftovers:
                path.unlink(missing_ok=True)
            rotate(self.log)
            self.launch(lock)
            return True
        finally:
            os.close(lock)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the server of the pid file, if its socket is served: a stale id may be another's."""
        if self.is_listening() and self.pid_file.exists():
            os.kill(int(self.pid_file.read_text().split()[0]), number)

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not locks.is_free(self.lock):
            if time.monotonic() > deadline:
                return False
            pause(0.02)
        return True
