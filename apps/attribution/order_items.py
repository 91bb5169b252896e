"""Records of conversions on their way into their orders."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from apps.attribution import money, order_book
from apps.attribution.models import Reason
from apps.attribution.order_book import Entry, Kind
from apps.attribution.order_rows import Order
from apps.attribution.parsing import Errors
from apps.attribution.records import ConversionIn


@dataclass(kw_only=True)
class ConversionVerdict:
    """What became of one record. value: what its order is worth now, in the workspace's `currency`.

    A duplicate answers with the record that was stored first. errors: not empty when it was refused, for
    `reason`.
    """

    event_id: str = ""
    order_id: str | None = None
    person_id: str = ""
    value: Decimal = Decimal(0)
    currency: str = ""
    kind: str = Kind.CONVERSION
    is_duplicate: bool = False
    reason: Reason | None = None
    errors: Errors = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The handle under which the record is known outside: its event id."""
        return self.event_id


@dataclass
class Item:
    """A record on its way: where it stood in the batch, whose it is, what it says in money."""

    place: int
    given: ConversionIn
    person: int
    entry: Entry
    new: dict[str, Any] = field(default_factory=dict)

    def as_new(self, home: str) -> dict[str, Any]:
        """The row of a conversion that is not known yet, with its first record."""
        if not self.new:
            kind = Kind.CORRECTION if self.given.replaces else Kind.CONVERSION
            value = money.quantise(self.entry.revenue * self.entry.rate, home)
            self.new = {**self.as_place(), "value": value, **self.as_record(self.entry), "kind": kind}
        return self.new

    def as_place(self) -> dict[str, Any]:
        return {
            "person": self.person,
            "type": self.given.conversion_type,
            "order": self.given.order_id or None,
            "occurred_at": self.given.occurred_at,
        }

    def as_record(self, entry: Entry) -> dict[str, Any]:
        return {
            "kind": entry.kind,
            "event": entry.event_id,
            "revenue": entry.revenue,
            "currency": entry.currency,
            "rate": entry.rate,
            "occurred_at": entry.occurred_at,
            "received_at": self.given.received_at,
            "properties": self.given.properties,
        }


@dataclass
class Account:
    """An order while a batch is entered into it."""

    order: Order
    entries: list[Entry]
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.had_total = order_book.gross(self.entries) is not None
        self.was = self.order

    def enter(self, item: Item, *, home: str) -> ConversionVerdict:
        given = item.given
        decision = order_book.decide(
            self.entries,
            replace(item.entry, place=len(self.entries) and self.entries[-1].place + 1),
            replaces=given.replaces,
            has_own_id=bool(given.event_id),
            has_own_time=given.has_own_time,
        )
        if decision.stored is not None:
            self._store(item, decision.stored, home=home)
        known = decision.duplicate_of or decision.stored
        if known is None:
            raise ValueError("a decision stores or points to a duplicate")
        return ConversionVerdict(
            event_id=known.event_id,
            order_id=given.order_id,
            value=self.order.value,
            kind=known.kind,
            is_duplicate=decision.duplicate_of is not None,
        )

    def _store(self, item: Item, entry: Entry, *, home: str) -> None:
        """An order belongs to its first purchase: its person, its time, its type."""
        is_first = entry.revenue >= 0 and (
            order_book.gross(self.entries) is None or entry.occurred_at < self.order.occurred_at
        )
        self.entries.append(entry)
        self.records.append({"conversion": self.order.id, **item.as_record(entry)})
        value, is_counted = order_book.standing(self.entries, home=home)
        self.order = self.order._replace(value=value, is_counted=is_counted)
        if is_first:
            self.order = self.order._replace(
                person=item.person, conversion_type=item.given.conversion_type, occurred_at=entry.occurred_at
            )

    @property
    def has_total(self) -> bool:
        return order_book.gross(self.entries) is not None

    def as_change(self) -> dict[str, Any]:
        return {
            "id": self.order.id,
            "person": self.order.person,
            "type": self.order.conversion_type,
            "occurred_at": self.order.occurred_at,
            "value": self.order.value,
            "counted": self.order.is_counted,
        }
