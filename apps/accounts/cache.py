"""Django's cache: in Redis, and while that is lost in this process's own memory.

What stands in it may be gone at any moment (allauth counts failed sign-ins here), so people can sign in
without it, and each process counts for itself. RedisLink notes the loss, once a minute.
"""

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import Redis

from apps.accounts.redis_link import RedisLost, link

MEMORY = "while Redis is lost"
# All that talks to Redis; BaseCache builds the rest on these.
CALLS = (
    "add",
    "get",
    "set",
    "touch",
    "delete",
    "get_many",
    "has_key",
    "incr",
    "set_many",
    "delete_many",
    "clear",
)


class _LinkedClient(RedisCacheClient):
    """Through the link of web requests, with its short timeouts."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Redis:
        return link().client


class RedisOrMemory(RedisCache):
    """A cache that does not fail: a call that Redis does not answer is made to the memory instead."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _LinkedClient
        self._memory = LocMemCache(MEMORY, params)


def _or_memory(name: str) -> Callable[..., Any]:
    in_redis = getattr(RedisCache, name)

    def call(self: RedisOrMemory, *args: Any, **kwargs: Any) -> Any:
        try:
            with link().asking():
                return in_redis(self, *args, **kwargs)
        except RedisLost:
            return getattr(self._memory, name)(*args, **kwargs)

    return call


for _name in CALLS:
    setattr(RedisOrMemory, _name, _or_memory(_name))
