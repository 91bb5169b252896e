"""One business figure: its value with its interval, its sample and its moment, or why there is none.

Floors above give theirs by `register`: until one does, a figure that they own says that it has no source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

PERCENT, MONEY, NUMBER = "percent", "money", "number"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """value: of money a Decimal, to the currency's smallest coin. low, high: 95 %, None where none can be
    said. n: of how many; what: of what. because: why there is no value. doubt: what would make it wrong.
    """

    unit: str
    value: float | Decimal | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    what: str = ""
    as_of: datetime | None = None
    because: str = ""
    doubt: str = ""


Read = Callable[[datetime], Figure]
_sources: dict[str, Read] = {}
AWAITED = {
    "viral_coefficient": Figure(unit=NUMBER, because="Nothing counts invitations yet."),
    "churn": Figure(unit=PERCENT, because="Nothing follows how customers are doing yet."),
}


def register(name: str) -> Callable[[Read], Read]:
    """Be the source of a figure that this floor only shows."""

    def decorate(read: Read) -> Read:
        _sources[name] = read
        return read

    return decorate


def of(name: str, now: datetime) -> Figure:
    """The figure, or why it has no source."""
    return _sources[name](now) if name in _sources else AWAITED[name]
