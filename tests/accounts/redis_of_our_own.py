"""A Redis that a test may kill: a real one, on a private socket, of this process alone."""

import signal
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis, RedisError

from config.embedded import redis_server

PATIENCE_SECONDS = 20


class RedisOfOurOwn:
    def __init__(self) -> None:
        self.place = tempfile.TemporaryDirectory(prefix="bw")
        self.socket = Path(self.place.name) / "r.sock"
        self.url = f"unix://{self.socket}?db=0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        program = str(redis_server._program())
        self._process = subprocess.Popen(  # noqa: S603
            [program, *arguments, "--dir", self.place.name], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(PATIENCE_SECONDS)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self.place.cleanup()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False
