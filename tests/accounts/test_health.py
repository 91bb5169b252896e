"""What a load balancer is told: alive, ready, degraded, down; and nothing that it need not know."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from redis import Redis

from apps.accounts import health
from tests.accounts.redis_of_our_own import RedisOfOurOwn


@pytest.fixture(autouse=True)
def _schema_unknown():
    health._schema_known.clear()
    yield
    health._schema_known.clear()


@pytest.fixture(autouse=True)
def own_redis(_clean_redis: None, settings: Any) -> Iterator[RedisOfOurOwn]:
    redis = RedisOfOurOwn()
    redis.start()
    settings.REDIS_URL = redis.url
    yield redis
    redis.stop()


def _checks(client: Any) -> tuple[int, str, dict[str, str]]:
    answer = client.get("/health/ready")
    report = answer.json()
    return answer.status_code, report["status"], {n: check["status"] for n, check in report["checks"].items()}


def test_alive_needs_no_database(client):
    """No database is allowed in this test at all."""
    answer = client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


def test_ready_when_all_is_well(client, db):
    health.beat()

    assert _checks(client) == (
        200,
        "ok",
        {"database": "ok", "migrations": "ok", "redis": "ok", "worker": "ok", "rate_limits": "ok"},
    )


def test_without_a_worker_it_serves_and_says_so(client, db):
    status, whole, checks = _checks(client)

    assert (status, whole, checks["worker"]) == (200, "degraded", "degraded")


def test_a_silent_worker_is_seen(client, db, settings):
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.set(health.HEARTBEAT, str(time.time() - 3_600))

    worker = client.get("/health/ready").json()["checks"]["worker"]

    assert worker["status"] == "degraded"
    assert worker["detail"].startswith("No worker was heard of for 36")


def test_without_redis_it_serves_and_says_how(client, db, own_redis):
    health.beat()
    own_redis.kill()

    status, whole, checks = _checks(client)

    assert (status, whole) == (200, "degraded")
    assert checks == {
        "database": "ok",
        "migrations": "ok",
        "redis": "degraded",
        "worker": "degraded",
        "rate_limits": "degraded",
    }


def test_a_schema_that_lags_behind_gets_no_traffic(client, db):
    MigrationRecorder.Migration.objects.all()  # what the next line takes away, in this transaction only
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(current_user, 'django_migrations', 'DELETE')")
        assert cursor.fetchone() == (False,)
        cursor.execute(
            "CREATE TEMPORARY TABLE django_migrations (id int, app text, name text, applied timestamptz)"
        )

    status, whole, checks = _checks(client)

    assert (status, whole, checks["migrations"]) == (503, "down", "down")


def test_a_known_schema_is_not_read_again(client, db, django_assert_num_queries):
    client.get("/health/ready")

    with django_assert_num_queries(4):  # savepoint, timeout, SELECT 1, release
        client.get("/health/ready")


def test_a_lost_database_is_down(client, django_db_blocker, settings):
    """The test database is out of reach here, as a dead one would be; the check must not raise."""
    with django_db_blocker.unblock():
        alias = connection.settings_dict
        kept, alias["HOST"] = alias["HOST"], "/nowhere"
        connection.close()
        try:
            status, whole, checks = _checks(client)
        finally:
            alias["HOST"] = kept
            connection.close()

    assert (status, whole, checks["database"], checks["migrations"]) == (503, "down", "down", "down")


def test_it_tells_states_and_no_secrets(client, db, settings):
    text = json.dumps(client.get("/health/ready").json())

    for secret in (settings.REDIS_URL, settings.SECRET_KEY, connection.settings_dict["NAME"], "/"):
        assert secret not in text


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_they_are_only_read(client, db, path):
    assert client.post(path).status_code == 405


def test_a_session_cookie_costs_it_nothing(page, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert page.get("/health/live").status_code == 200
