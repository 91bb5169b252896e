"""What an order is worth after all that was said about it, in whatever order it was said.

An entry is a purchase (revenue >= 0), a correction (a new total) or a refund (revenue < 0). The total that
happened last is the gross; refunds take from it. The worth depends on the set of entries, not on arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from apps.attribution import money
from apps.attribution.models import ConversionRecord

Kind = ConversionRecord.Kind
ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record of an order. place: order of arrival, which decides between equal times."""

    event_id: str
    kind: str
    revenue: Decimal
    currency: str
    rate: Decimal
    occurred_at: datetime
    place: int = 0

    def says_the_same_as(self, other: "Entry") -> bool:
        return self.revenue == other.revenue and self.currency == other.currency


class Standing(NamedTuple):
    """What an order is worth now, in the home currency, and whether it counts as a conversion."""

    value: Decimal
    is_counted: bool


@dataclass(frozen=True)
class Decision:
    """What becomes of a new entry: `stored`, or nothing because of `duplicate_of` or `errors`."""

    stored: Entry | None = None
    duplicate_of: Entry | None = None
    errors: dict[str, list[str]] | None = None


def gross(entries: Sequence[Entry]) -> Entry | None:
    """The total that counts: the latest; at equal times a correction, then the last to arrive."""
    totals = [entry for entry in entries if entry.revenue >= 0]
    return max(totals, key=_precedence, default=None)


def standing(entries: Sequence[Entry], *, home: str) -> Standing:
    """Worth 0 and not counted: refunded whole, or refunds that wait for their order."""
    total = gross(entries)
    if total is None:
        return Standing(ZERO, False)
    value = max(ZERO, _net(total, entries, home=home))
    return Standing(value, value > 0 or total.revenue == 0)


def decide(
    entries: Sequence[Entry],
    entry: Entry,
    *,
    home: str,
    replaces: bool,
    has_own_id: bool,
    has_own_time: bool,
) -> Decision:
    """What to do with a new entry of an order that holds these."""
    if entry.revenue < 0:
        return _refund(entries, entry, home=home, has_own_id=has_own_id, has_own_time=has_own_time)
    total = gross(entries)
    if replaces:
        if total is not None and not has_own_id and total.says_the_same_as(entry):
            return Decision(duplicate_of=total)
        # A replacement is later than what it replaces, whatever time it was given.
        latest = max(entry.occurred_at, total.occurred_at) if total is not None else entry.occurred_at
        return Decision(stored=replace(entry, kind=Kind.CORRECTION, occurred_at=latest))
    return _total(entries, entry, total)


def _total(entries: Sequence[Entry], entry: Entry, total: Entry | None) -> Decision:
    if total is None:
        return Decision(stored=replace(entry, kind=Kind.CONVERSION))
    is_late = entry.occurred_at < total.occurred_at
    same = [one for one in entries if one.revenue >= 0 and one.says_the_same_as(entry)]
    if same and (is_late or total in same):
        return Decision(duplicate_of=total if total in same else same[0])
    return Decision(stored=replace(entry, kind=Kind.CONVERSION if is_late else Kind.CORRECTION))


def _refund(
    entries: Sequence[Entry], entry: Entry, *, home: str, has_own_id: bool, has_own_time: bool
) -> Decision:
    if not has_own_id:
        for other in entries:
            if other.says_the_same_as(entry) and (not has_own_time or other.occurred_at == entry.occurred_at):
                return Decision(duplicate_of=other)
    entry = replace(entry, kind=Kind.REFUND)
    total = gross(entries)
    if total is not None and _net(total, [*entries, entry], home=home) < 0:
        left = standing(entries, home=home).value
        return Decision(
            errors={"revenue": [f"This refunds more than the order is worth, which is {left} {home} now."]}
        )
    return Decision(stored=entry)


def _net(total: Entry, entries: Sequence[Entry], *, home: str) -> Decimal:
    """Refunds in the order's own currency go at the order's rate, so that a whole refund leaves nothing."""
    refunds = [entry for entry in entries if entry.revenue < 0]
    own = sum((one.revenue for one in refunds if one.currency == total.currency), ZERO)
    others = [one.revenue * one.rate for one in refunds if one.currency != total.currency]
    worth = money.quantise((total.revenue + own) * total.rate, home)
    return worth + sum((money.quantise(other, home) for other in others), ZERO)


def _precedence(entry: Entry) -> tuple[datetime, bool, int]:
    return entry.occurred_at, entry.kind == Kind.CORRECTION, entry.place
