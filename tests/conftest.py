"""Real PostgreSQL as the application's role, real Redis, one workspace in scope."""

import gc
import os
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis
from rest_framework.test import APIClient

from apps.accounts import api_keys, scoping
from apps.accounts.management.commands import flush
from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Actor, system
from config import embedded
from tests import factories

ROOT = Path(__file__).parent.parent
MUCH_BYTES = 100_000_000
# A test whose transactions really commit, as workers and isolation need them; the owner empties the tables
# after it.
committed = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

if find_spec("hypothesis") is not None:  # the tests in a warehouse's environment do without
    import hypothesis

    # How fast examples come says how busy the machine is, and nothing of the product.
    hypothesis.settings.register_profile(
        "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("shared machine")


def pytest_configure(config: pytest.Config) -> None:
    # Most of what is made here stays to the end: looking through it for garbage took a fifth of the time.
    gc.set_threshold(50_000, 20, 20)
    embedded.ensure(ROOT, services=embedded.missing(os.environ))


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The owner creates and migrates the test database; the tests then use it as the application's role."""
    owner, application = connections["owner"], connections["default"]
    keep = request.config.getvalue("reuse_db") and not request.config.getvalue("create_db")
    worker = getattr(request.config, "workerinput", {"workerid": "main"})["workerid"]
    suffix = os.environ.get("BELLWETHER_TEST_DB", "")
    owner.settings_dict["TEST"]["NAME"] = f"test_bellwether_{worker}{suffix}"
    with django_db_blocker.unblock():
        owner.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=keep, serialize=False)
        leave_statistics_alone(owner)
        application.creation.set_as_test_mirror(owner.settings_dict)
        yield
        connections.close_all()
        if not keep:
            owner.creation.destroy_test_db(settings.DATABASES["owner"]["NAME"], verbosity=0)


def leave_statistics_alone(owner: BaseDatabaseWrapper) -> None:
    """No table is vacuumed between tests; where earlier runs left much to vacuum, all are truncated now.

    It would be found empty, since tests take their rows back, and the queries of the next test would be
    planned for an empty table: the same test took 3 seconds or 50.
    """
    with owner.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reloptions @> '{autovacuum_enabled=false}', pg_relation_size(oid) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        tables = cursor.fetchall()
        for table in [name for name, is_left_alone, _ in tables if not is_left_alone]:
            cursor.execute(f"ALTER TABLE {owner.ops.quote_name(table)} SET (autovacuum_enabled = false)")
    if sum(size for _, _, size in tables) > MUCH_BYTES:
        flush.Command().handle(verbosity=0, interactive=False)


@pytest.fixture(scope="session")
def _own_redis(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """A Redis database of this worker's own, and a client of it."""
    worker = getattr(request.config, "workerinput", {"workerid": "gw2"})["workerid"]
    run = zlib.crc32(os.environ.get("BELLWETHER_TEST_DB", "").encode()) % 5
    number = 1 + run * 3 + int(worker.removeprefix("gw")) % 3
    base = settings.REDIS_URL.split("?")[0]
    url = f"{base}?db={number}" if base.startswith("unix://") else f"{base.rstrip('/0')}/{number}"
    default = {**settings.CACHES["default"], "LOCATION": url}
    with (
        override_settings(REDIS_URL=url, CACHES=settings.CACHES | {"default": default}),
        Redis.from_url(url) as redis,
    ):
        yield redis


@pytest.fixture(autouse=True)
def _clean_redis(_own_redis: Redis) -> None:
    """It is empty at each start."""
    _own_redis.flushdb()


@pytest.fixture
def workspace(db: None) -> Iterator[Workspace]:
    """A workspace, in scope for the whole test."""
    made = factories.WorkspaceFactory()
    with scoping.workspace(made):
        yield made


@pytest.fixture
def other_workspace(db: None) -> Workspace:
    """Somebody else's workspace, not in scope."""
    return factories.WorkspaceFactory()


@pytest.fixture
def actor(workspace: Workspace) -> Actor:
    return system(workspace.pk)


@pytest.fixture
def owner(workspace: Workspace) -> User:
    """A user who owns the workspace."""
    return factories.member(workspace, "owner")


@pytest.fixture
def page(client: Any, owner: User) -> Any:
    """A browser signed in as the workspace's owner."""
    client.force_login(owner)
    return client


@pytest.fixture
def api(workspace: Workspace, now: Any) -> APIClient:
    """An API client with a key of scope admin."""
    return api_client(workspace, ["admin"], now)


@pytest.fixture
def now() -> Any:
    return factories.NOW


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261120)


def api_client(workspace: Workspace, scopes: list[str], now: Any) -> APIClient:
    """A client whose key has the given scopes in the workspace."""
    with scoping.workspace(workspace):
        issued = api_keys.issue(system(workspace.pk), name="test", scopes=scopes, now=now)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.secret}")
    return client
