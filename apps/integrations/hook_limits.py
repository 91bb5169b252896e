"""How much is taken at the addresses where services reach us, before anything of it is stored.

What is refused counts against the address that it came from, and a verified delivery against its connection:
so a flood of forgeries is answered 429 without a look at the database, and whoever proved a moment ago to be
the service is let in whatever else comes from their address. A service that is told 429 sends again later.
"""

from datetime import timedelta
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from prometheus_client import Counter

from apps.accounts.errors import DomainError
from apps.accounts.quotas import Count, Quotas
from apps.accounts.redis_link import RedisLost, link

# For so long an address that sent something verified to a connection is let in there.
KNOWN_FOR = timedelta(days=1)
# Somebody with one address of that kind has all that begin like it.
IPV6_PREFIX = 64
TURNED_AWAY = Counter("bellwether_hooks_turned_away", "Deliveries answered 429.", ["why"])


class TooManyDeliveries(DomainError):
    code = "rate_limited"
    status = 429


def admit(address: str, connection: str) -> None:
    """Let it in to be verified. Raises TooManyDeliveries where too many of its address were refused."""
    key, limit = _refused_key(address), settings.HOOK_REFUSALS_PER_MINUTE
    try:
        count = _quotas(settings.REDIS_URL).look(key, limit=limit)
        if count.is_admitted or _is_known(address, connection):
            return
    except RedisLost:
        count = _quotas(settings.REDIS_URL).look_alone(key, limit=limit)
        if count.is_admitted:
            return
    raise _turned_away("address", count)


def refuse(address: str) -> None:
    """Count a delivery that was refused."""
    _take(_refused_key(address), settings.HOOK_REFUSALS_PER_MINUTE)


def accept(address: str, connection: str) -> None:
    """Count a verified delivery. Raises TooManyDeliveries beyond what a connection may send."""
    count = _take(f"hooks:accepted:{connection}", settings.HOOK_DELIVERIES_PER_MINUTE)
    _make_known(address, connection)
    if not count.is_admitted:
        raise _turned_away("connection", count)


def _turned_away(why: str, count: Count) -> TooManyDeliveries:
    TURNED_AWAY.labels(why).inc()
    return TooManyDeliveries(
        f"Too many deliveries. Send it again in {count.reset_seconds} s.",
        retry_after_seconds=count.reset_seconds,
    )


def _take(key: str, limit: int) -> Count:
    quotas = _quotas(settings.REDIS_URL)
    try:
        return quotas.take(key, limit=limit)
    except RedisLost:
        return quotas.take_alone(key, limit=max(1, limit // settings.WEB_PROCESSES))


def _refused_key(address: str) -> str:
    return f"hooks:refused:{network_of(address)}"


def network_of(address: str) -> str:
    """Whose machines an address stands for: itself, or the prefix of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]  # a socket of this machine has none
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, IPV6_PREFIX), strict=False))


def _known_key(address: str, connection: str) -> str:
    return f"hooks:known:{connection}:{network_of(address)}"


def _is_known(address: str, connection: str) -> bool:
    with link().asking() as redis:
        return bool(redis.exists(_known_key(address, connection)))


def _make_known(address: str, connection: str) -> None:
    try:
        with link().asking() as redis:
            redis.set(_known_key(address, connection), 1, ex=KNOWN_FOR)
    except RedisLost:
        return  # nobody is turned away by another's refusals for long: the window is a minute


@cache
def _quotas(url: str) -> Quotas:
    return Quotas(link())
