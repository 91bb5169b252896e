"""The cache is in Redis, and its loss keeps nobody from signing in."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from apps.accounts.redis_link import link
from tests import factories
from tests.accounts.redis_of_our_own import RedisOfOurOwn

PASSWORD = "a stone in the shoe"


@pytest.fixture(autouse=True)
def own_redis(_clean_redis: None, settings: Any) -> Iterator[RedisOfOurOwn]:
    redis = RedisOfOurOwn()
    redis.start()
    settings.REDIS_URL = redis.url
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": redis.url}}
    yield redis
    cache._memory.clear()
    redis.stop()


def _sign_in(client: Any, password: str = PASSWORD) -> Any:
    return client.post("/account/login/", {"login": "ada@example.com", "password": password})


def test_what_is_kept_is_in_redis(own_redis):
    cache.set("name", ["value"], 60)
    kept = cache.get("name")
    cache._memory.clear()

    assert kept == cache.get("name") == ["value"]
    assert cache.add("name", "other") is False
    assert cache.add("count", 1)
    assert cache.incr("count") == 2


@pytest.mark.parametrize("harm", ["kill", "freeze"])
def test_people_sign_in_while_redis_is_lost(workspace, client, own_redis, harm):
    factories.member(workspace, "owner", email="ada@example.com", password=PASSWORD)
    getattr(own_redis, harm)()

    assert _sign_in(client).status_code == 302
    assert client.get("/").status_code == 200


def test_guesses_are_still_counted_while_redis_is_lost(workspace, client, own_redis):
    factories.member(workspace, "owner", email="ada@example.com", password=PASSWORD)
    own_redis.kill()

    for _ in range(6):
        _sign_in(client, "a wrong guess")

    assert _sign_in(client).status_code != 302


def test_the_loss_is_logged_once(own_redis, caplog):
    own_redis.kill()

    with caplog.at_level("ERROR"):
        for _ in range(20):
            cache.get("name")

    assert sum("redis.lost" in record.getMessage() for record in caplog.records) == 1


def test_a_redis_that_came_back_is_used_again(own_redis, monkeypatch):
    own_redis.kill()
    cache.set("name", "alone", 60)
    own_redis.start()
    monkeypatch.setattr(link(), "_ask_again_at", 0.0)

    assert cache.get("name") is None
