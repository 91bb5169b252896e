"""On whose clock somebody waits: their own where it is known, else the workspace's."""

from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from apps.accounts.models import Person

TRAITS = ("time_zone", "timezone")


def of(person: Person, house: ZoneInfo) -> ZoneInfo:
    for trait in TRAITS:
        if found := _zone(str(person.traits.get(trait) or "")):
            return found
    return house


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in _names() else None


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """Reading them walks a directory."""
    return frozenset(available_timezones())
