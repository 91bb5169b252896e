"""How often the doors without a sign-in are used: the form of a sign-up, and what stands in messages.

A form that anybody may send is one that programs send, so sign-ups are few a minute from one network. Links
and pictures are many: whole companies, and the scanners in front of them, come from one network. The way out
is counted by the message alone, never by where it is asked from: mail programs post it for many people from
few machines. Looks at it and deeds are counted apart, so whoever is refused a deed was taken off by the ones
before. While Redis is lost, sign-ups are counted by each process alone; all in messages goes on uncounted.
"""

from functools import cache

from django.conf import settings

from apps.accounts.errors import DomainError
from apps.accounts.quotas import Quotas
from apps.accounts.redis_link import RedisLost, link
from apps.integrations import hook_limits

# A minute, from one network, and in one workspace.
MOST_OF_ONE, MOST_OF_ALL = 5, 120
# A minute: of one message's way out, and of made-up ones from one network.
MOST_OF_A_WAY_OUT, MOST_MADE_UP = 60, 60


class TooManySignUps(DomainError):
    code = "rate_limited"
    status = 429


class TooManyRequests(DomainError):
    code = "rate_limited"
    status = 429


def admit(address: str, *, workspace_id: int) -> None:
    """Count a sign-up. Raises TooManySignUps."""
    counted = (
        (f"sign_ups:{workspace_id}:{hook_limits.network_of(address)}", MOST_OF_ONE),
        (f"sign_ups:{workspace_id}", MOST_OF_ALL),
    )
    for key, limit in counted:
        if not _is_admitted(key, limit):
            raise TooManySignUps("Too many sign-ups at once. Try again in a minute.", retry_after_seconds=60)


def is_admitted(kind: str, address: str) -> bool:
    """Count a request for a link or a picture (kind) of a message, whosever it is."""
    return _is_open(f"letters:{kind}:{hook_limits.network_of(address)}", settings.LETTER_REQUESTS_PER_MINUTE)


def admit_way_out(workspace_id: int, recipient_id: int, *, is_deed: bool) -> None:
    """Count a look at the way out of a message, or a deed. Raises TooManyRequests."""
    kind = "done" if is_deed else "looked_at"
    if not _is_open(f"letters:{kind}:{workspace_id}:{recipient_id}", MOST_OF_A_WAY_OUT):
        raise too_many()


def admit_made_up(address: str) -> None:
    """Count a way out that is none of ours. Raises TooManyRequests."""
    if not _is_open(f"letters:made_up:{hook_limits.network_of(address)}", MOST_MADE_UP):
        raise too_many()


def too_many() -> TooManyRequests:
    return TooManyRequests("Too many requests at once. Try again in a minute.", retry_after_seconds=60)


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
