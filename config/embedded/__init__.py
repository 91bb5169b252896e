"""PostgreSQL and Redis from their wheels, for every process that was given no URL.

`urls` says where they are or will be and starts nothing; `ensure` starts what does not run and counts the
caller as a user; the last user to leave stops them. What a killed run left behind is adopted or healed.
No Django in here.
"""

import atexit
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.embedded import locks
from config.embedded.errors import EmbeddedError
from config.embedded.place import Place
from config.embedded.postgres import Postgres
from config.embedded.redis_server import RedisServer
from config.embedded.service import Service

__all__ = ["SERVICES", "EmbeddedError", "Urls", "ensure", "missing", "release", "secret", "stop", "urls"]

SERVICES = ("postgres", "redis")
_URL_OF = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}
_users: dict[Path, tuple[int, int]] = {}  # root -> (process id, descriptor of the shared lock)


@dataclass(frozen=True)
class Urls:
    """Where the embedded services listen. Paths stay unencoded: django-environ does not decode %2F."""

    database_url: str
    owner_database_url: str
    redis_url: str


def urls(root: Path) -> Urls:
    """The URLs of the services of this checkout, running or not. Makes their secrets on first use."""
    place = Place.of(root)
    database, redis = Postgres(place), RedisServer(place)
    return Urls(database.url("bellwether"), database.url("bellwether_owner"), redis.url)


def secret(root: Path, name: str) -> str:
    """A random secret, made once under .bellwether/secrets and the same in every process."""
    return Place.of(root).secret(name)


def missing(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The services that have no URL in the environment, so the embedded ones are meant."""
    return tuple(name for name in SERVICES if not environ.get(_URL_OF[name]))


def ensure(root: Path, *, services: Iterable[str] = SERVICES) -> tuple[str, ...]:
    """Start what does not run yet, and count this process as a user until it exits. Names what it started.

    Cheap when all is well, so call it again whenever a service may have died. Raises EmbeddedError.
    """
    place = Place.of(root)
    wanted = [service for service in _services(place) if service.name in set(services)]
    if not wanted:
        return ()
    place.make()
    _join(place)
    if all(service.is_ready() for service in wanted):
        return ()
    with locks.exclusive(place.home / "start.lock"):
        return tuple(service.name for service in wanted if service.start())


def release(root: Path) -> bool:
    """Stop counting this process as a user. The last one out stops the services: then True."""
    place = Place.of(root)
    owner, lock = _users.pop(place.root, (0, -1))
    if owner != os.getpid():
        return False  # never joined, or a fork of the process that did
    try:
        if not locks.upgrade(lock):
            return False
        _stop(place)
        return True
    finally:
        os.close(lock)


def stop(root: Path) -> tuple[str, ...]:
    """Stop the services now, whoever uses them. Names those that ran."""
    place = Place.of(root)
    place.make()
    with locks.exclusive(place.home / "start.lock"):
        running = tuple(service.name for service in _services(place) if not locks.is_free(service.lock))
        _stop(place)
    return running


def _services(place: Place) -> tuple[Service, ...]:
    return (Postgres(place), RedisServer(place))


def _stop(place: Place) -> None:
    for service in _services(place):
        service.stop()


def _join(place: Place) -> None:
    """Hold the shared lock of the users. The kernel drops it when this process dies, however it dies."""
    if _users.get(place.root, (0, -1))[0] == os.getpid():
        return
    _users[place.root] = (os.getpid(), locks.shared(place.home / "users.lock"))
    atexit.register(release, place.root)
