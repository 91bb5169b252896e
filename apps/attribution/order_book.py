"""What an order is worth after all that was said about it, in whatever order it was said.

An entry is a purchase (revenue >= 0), a correction (a new total) or a refund (revenue < 0). The total that
happened last is the gross; refunds take from it, down to nothing. Worth, person and time depend on the set of
entries, not on arrival, but for two: of totals of one moment the last to arrive counts, and a replacement
replaces what had arrived before it.
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
    """What becomes of a new entry. One that says nothing new is a duplicate; it is stored all the same where
    its time may yet matter.
    """

    stored: Entry | None = None
    duplicate_of: Entry | None = None


def gross(entries: Sequence[Entry]) -> Entry | None:
    """The total that counts: the latest; at equal times a correction, then the last to arrive."""
    totals = [entry for entry in entries if entry.revenue >= 0]
    return max(totals, key=_precedence, default=None)


def standing(entries: Sequence[Entry], *, home: str) -> Standing:
    """Worth 0 and not counted: refunded whole or more, or refunds that wait for their order."""
    total = gross(entries)
    if total is None:
        return Standing(ZERO, False)
    value = max(ZERO, _net(total, entries, home=home))
    return Standing(value, value > 0 or total.revenue == 0)


def decide(
    entries: Sequence[Entry],
    entry: Entry,
    *,
    replaces: bool,
    has_own_id: bool,
    has_own_time: bool,
) -> Decision:
    """What to do with a new entry of an order that holds these."""
    if entry.revenue < 0:
        return _refund(entries, entry, has_own_id=has_own_id, has_own_time=has_own_time)
    total = gross(entries)
    if replaces:
        if total is not None and not has_own_id and total.says_the_same_as(entry):
            return Decision(duplicate_of=total)
        # A replacement is later than what it replaces, whatever time it was given.
        latest = max(entry.occurred_at, total.occurred_at) if total is not None else entry.occurred_at
        return Decision(stored=replace(entry, kind=Kind.CORRECTION, occurred_at=latest))
    return _total(entries, entry, total, has_own_time=has_own_time)


def _total(entries: Sequence[Entry], entry: Entry, total: Entry | None, *, has_own_time: bool) -> Decision:
    """The same total at another time may decide whose the order is, or which of two others came last."""
    if total is None:
        return Decision(stored=replace(entry, kind=Kind.CONVERSION))
    is_late = entry.occurred_at < total.occurred_at
    same = [one for one in entries if one.revenue >= 0 and one.says_the_same_as(entry)]
    if same and (is_late or total in same):
        is_new = has_own_time and all(one.occurred_at != entry.occurred_at for one in same)
        copy = replace(entry, kind=Kind.COPY) if is_new else None
        return Decision(stored=copy, duplicate_of=total if total in same else same[0])
    return Decision(stored=replace(entry, kind=Kind.CONVERSION if is_late else Kind.CORRECTION))


def _refund(entries: Sequence[Entry], entry: Entry, *, has_own_id: bool, has_own_time: bool) -> Decision:
    if not has_own_id:
        for other in entries:
            if other.says_the_same_as(entry) and (not has_own_time or other.occurred_at == entry.occurred_at):
                return Decision(duplicate_of=other)
    return Decision(stored=replace(entry, kind=Kind.REFUND))


def _net(total: Entry, entries: Sequence[Entry], *, home: str) -> Decimal:
    """Refunds in the order's own currency go at the order's rate, so that a whole refund leaves nothing."""
    refunds = [entry for entry in entries if entry.revenue < 0]
    own = sum((one.revenue for one in refunds if one.currency == total.currency), ZERO)
    others = [one.revenue * one.rate for one in refunds if one.currency != total.currency]
    worth = money.quantise((total.revenue + own) * total.rate, home)
    return worth + sum((money.quantise(other, home) for other in others), ZERO)


def _precedence(entry: Entry) -> tuple[datetime, bool, int]:
    return entry.occurred_at, entry.kind == Kind.CORRECTION, entry.place
