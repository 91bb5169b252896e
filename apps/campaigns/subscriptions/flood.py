"""How often sign-ups are taken from one place: a form that anybody may send is one that programs send."""

from functools import cache

from django.conf import settings

from apps.accounts.errors import DomainError
from apps.accounts.quotas import Quotas
from apps.accounts.redis_link import RedisLost, link
from apps.integrations import hook_limits

# A minute, from one network, and in one workspace.
MOST_OF_ONE, MOST_OF_ALL = 5, 120


class TooManySignUps(DomainError):
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


def _is_admitted(key: str, limit: int) -> bool:
    quotas = _quotas(settings.REDIS_URL)
    try:
        return quotas.take(key, limit=limit).is_admitted
    except RedisLost:
        return quotas.take_alone(key, limit=max(1, limit // settings.WEB_PROCESSES)).is_admitted


@cache
def _quotas(url: str) -> Quotas:
    return Quotas(link())
