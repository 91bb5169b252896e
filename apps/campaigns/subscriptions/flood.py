"""How often the doors without a sign-in are used: the form of a sign-up, and what stands in messages.

A form that anybody may send is one that programs send, so sign-ups are few a minute from one network. What
stands in a message is counted by the message alone, never by where it is asked from: whole companies, the
scanners in front of them and the picture proxies of mail programs come from few machines. Only what is none
of ours is counted by its network. Leaving has a count of its own, so whoever is refused it was taken off by
the requests before. While Redis is lost, sign-ups are counted by each process alone; all in messages goes on
uncounted.
"""

from functools import cache

from django.conf import settings

from apps.accounts.errors import DomainError
from apps.accounts.quotas import Quotas
from apps.accounts.redis_link import RedisLost, link
from apps.campaigns.message_tokens import Named
from apps.integrations import hook_limits

# A minute, from one network, and in one workspace.
MOST_OF_ONE, MOST_OF_ALL = 5, 120
# A minute, of made-up tokens from one network.
MOST_MADE_UP = 60
TOO_MANY = "Too many requests at once. Try again in a minute."


class TooManySignUps(DomainError):
    code = "rate_limited"
    status = 429


class TooManyRequests(DomainError):
    code = "rate_limited"
    status = 429


def admit_sign_up(address: str, *, workspace_id: int) -> None:
    """Count a sign-up. Raises TooManySignUps."""
    counted = (
        (f"sign_ups:{workspace_id}:{hook_limits.network_of(address)}", MOST_OF_ONE),
        (f"sign_ups:{workspace_id}", MOST_OF_ALL),
    )
    for key, limit in counted:
        if not _is_admitted(key, limit):
            raise TooManySignUps("Too many sign-ups at once. Try again in a minute.", retry_after_seconds=60)


def is_admitted(kind: str, named: Named) -> bool:
    """Count what is done with one message: kind says what."""
    limit = settings.LETTER_REQUESTS_PER_MINUTE
    return _is_open(f"letters:{kind}:{named.workspace_id}:{named.recipient_id}", limit)


def admit(kind: str, named: Named) -> None:
    """Count it. Raises TooManyRequests."""
    if not is_admitted(kind, named):
        raise TooManyRequests(TOO_MANY, retry_after_seconds=60)


def admit_made_up(address: str) -> None:
    """Count a token that is none of ours. Raises TooManyRequests."""
    if not _is_open(f"letters:made_up:{hook_limits.network_of(address)}", MOST_MADE_UP):
        raise TooManyRequests(TOO_MANY, retry_after_seconds=60)


def _is_open(key: str, limit: int) -> bool:
    try:
        return _quotas(settings.REDIS_URL).take(key, limit=limit).is_admitted
    except RedisLost:
        return True


def _is_admitted(key: str, limit: int) -> bool:
    quotas = _quotas(settings.REDIS_URL)
    try:
        return quotas.take(key, limit=limit).is_admitted
    except RedisLost:
        return quotas.take_alone(key, limit=max(1, limit // settings.WEB_PROCESSES)).is_admitted


@cache
def _quotas(url: str) -> Quotas:
    return Quotas(link())
