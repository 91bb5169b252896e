"""Whether this process can serve: the database, Redis, the worker and the schema.

Names states, never addresses or data.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from celery import shared_task
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from redis import Redis

from apps.accounts.redis_link import RedisLost, link

HEARTBEAT = "bellwether:heartbeat:worker"
HEARTBEAT_SECONDS = 60
DATABASE_TIMEOUT_MS = 2_000
# An applied schema is looked at again after a while only: reading the migrations takes a tenth of a second.
SCHEMA_KNOWN_SECONDS = 300.0
SCHEMA_BEHIND_SECONDS = 5.0

State = Literal["ok", "degraded", "down"]


@dataclass(frozen=True)
class Check:
    """degraded: this process still serves, with something missing. down: it should get no traffic."""

    status: State
    detail: str


@shared_task(name="accounts.health.beat", soft_time_limit=20, time_limit=30)
def beat() -> None:
    """Say that a worker is alive: beat sends this every 15 s."""
    with Redis.from_url(settings.REDIS_URL, socket_timeout=5) as redis:
        redis.set(HEARTBEAT, f"{time.time():.0f}")


def report() -> dict[str, Any]:
    """{"status", "checks": {name: {"status", "detail"}}}; the whole is as bad as its worst part."""
    database = _database()
    checks = {
        "database": database,
        "migrations": _migrations() if database.status == "ok" else Check("down", "The database is needed."),
        **_of_redis(),
    }
    states = {check.status for check in checks.values()}
    worst = next((state for state in ("down", "degraded") if state in states), "ok")
    return {"status": worst, "checks": {name: asdict(check) for name, check in checks.items()}}


def _database() -> Check:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(DATABASE_TIMEOUT_MS)])
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Check("down", "The database does not answer.")
    return Check("ok", "The database answers.")


_schema_known: list[tuple[float, Check]] = []


def _migrations() -> Check:
    if _schema_known and time.monotonic() < _schema_known[0][0]:
        return _schema_known[0][1]
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        check = Check("down", f"{missing} migrations are not applied. Run manage.py migrate.")
    else:
        check = Check("ok", "All migrations are applied.")
    known_for = SCHEMA_BEHIND_SECONDS if missing else SCHEMA_KNOWN_SECONDS
    _schema_known[:] = [(time.monotonic() + known_for, check)]
    return check


def _of_redis() -> dict[str, Check]:
    shared = link()
    try:
        with shared.asking() as redis:
            heard = float(redis.get(HEARTBEAT) or 0)
    except RedisLost:
        seconds = round(time.monotonic() - (shared.lost_since or time.monotonic()))
        return {
            "redis": Check("degraded", f"Redis does not answer, for {seconds} s."),
            "worker": Check("degraded", "Unknown while Redis is lost."),
            "rate_limits": Check(
                "degraded",
                "Tracking goes on uncounted; what costs money is refused; all else is counted per process.",
            ),
        }
    return {
        "redis": Check("ok", "Redis answers."),
        "worker": _worker(heard),
        "rate_limits": Check("ok", "Requests are counted."),
    }


def _worker(heard: float) -> Check:
    silent = time.time() - heard
    if not heard:
        return Check("degraded", "No worker has been heard of.")
    if silent > HEARTBEAT_SECONDS:
        return Check("degraded", f"No worker was heard of for {silent:.0f} s: jobs and events wait.")
    return Check("ok", f"A worker was heard of {max(silent, 0):.0f} s ago.")
