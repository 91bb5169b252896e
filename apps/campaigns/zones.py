"""On whose clock somebody reads and waits: their own where it is known, else the workspace's."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from apps.accounts.models import Person

TRAITS = ("time_zone", "timezone")
# What the traits of the person `p` say, for `named`; a comma stands in the name of no zone.
SQL = "concat_ws(',', " + ", ".join(f"p.traits ->> '{trait}'" for trait in TRAITS) + ")"


def of(person: Person, house: ZoneInfo) -> ZoneInfo:
    return named(names(person.traits), house)


def names(traits: Mapping[str, Any]) -> str:
    """What the traits say, for `named`."""
    return ",".join([str(traits.get(trait) or "") for trait in TRAITS])


def named(told: str, house: ZoneInfo) -> ZoneInfo:
    """The first zone that there is among names parted by commas; else the house's."""
    return next((ZoneInfo(name) for name in told.split(",") if name in _known()), house)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    """Reading them walks a directory."""
    return frozenset(available_timezones())
