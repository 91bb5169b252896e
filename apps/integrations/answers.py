"""When each account last answered as it should: kept in Redis, for pages. What Redis lost is not known."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apps.accounts.redis_link import RedisLost, link

KEPT = timedelta(days=90)


def note(account: str, *, at: datetime) -> None:
    """account: as operations name it, the public id of a connection."""
    with suppress(RedisLost), link().asking() as redis:
        redis.set(_key(account), int(at.timestamp()), ex=KEPT)


def last(accounts: Iterable[str]) -> dict[str, datetime]:
    """Of those of which it is known."""
    asked = list(accounts)
    if not asked:
        return {}
    try:
        with link().asking() as redis:
            found = redis.mget([_key(one) for one in asked])
    except RedisLost:
        return {}
    known = ((one, said) for one, said in zip(asked, found, strict=True) if said is not None)
    return {one: datetime.fromtimestamp(int(said), UTC) for one, said in known}


def _key(account: str) -> str:
    return f"bellwether:answered:{account}"
