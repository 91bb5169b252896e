"""Conversions: orders, leads and sign-ups, and what refunds and corrections make of them.

Without an order id every event id is a conversion of its own. With one, all that names the order is about it:
the same total again is a duplicate, another total corrects it, a negative one refunds. A refund that comes
before its order waits for it. order_book.py says what the order is worth then.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.db import transaction

from apps.accounts import events, scoping
from apps.accounts.errors import DomainError
from apps.accounts.permissions import Actor
from apps.attribution import exchange, money, order_rows, stale_people, visitors
from apps.attribution.events import ConversionsChanged, ConversionsRecorded
from apps.attribution.exchange import Purse
from apps.attribution.models import Reason
from apps.attribution.order_book import Entry, Kind
from apps.attribution.order_items import Account, ConversionVerdict, Item
from apps.attribution.parsing import Errors, new_event_id
from apps.attribution.records import ConversionIn

# Ids that one event names.
IDS_PER_EVENT = 1_000
ATTEMPTS = 5
# What the column of a conversion's value can hold.
MAX_VALUE = Decimal(10) ** 12

Result = TypeVar("Result")


class Contested(DomainError):
    code = "contested"
    status = 503


@dataclass(frozen=True)
class StoredConversions:
    """What became of many. refused: (position, reason, errors)."""

    stored: int
    duplicates: int
    refused: list[tuple[int, Reason, Errors]]


def track_conversion(actor: Actor, conversion: ConversionIn, *, now: datetime) -> ConversionVerdict:
    return track_conversions(actor, [conversion], now=now)[0]


def track_conversions(
    actor: Actor, conversions: Sequence[ConversionIn], *, now: datetime
) -> list[ConversionVerdict]:
    """Store a batch; verdicts are aligned with it. Publishes ConversionsRecorded, ConversionsChanged."""
    return settled(lambda: write(conversions, visitors.resolve(conversions), now=now)) if conversions else []


def store_conversions(
    actor: Actor, conversions: Sequence[ConversionIn], *, now: datetime
) -> StoredConversions:
    """The same for tens of thousands at a time."""
    return summed(track_conversions(actor, conversions, now=now))


def summed(verdicts: Sequence[ConversionVerdict]) -> StoredConversions:
    kinds = Counter("refused" if one.errors else "duplicate" if one.is_duplicate else "" for one in verdicts)
    refused = [
        (place, one.reason or Reason.UNUSABLE_FIELDS, one.errors)
        for place, one in enumerate(verdicts)
        if one.errors
    ]
    return StoredConversions(kinds[""], kinds["duplicate"], refused)


def write(
    conversions: Sequence[ConversionIn], people: Sequence[int], *, now: datetime
) -> list[ConversionVerdict]:
    """Store conversions of resolved people, inside `settled`. Locks the orders named, by name."""
    return _Batch(exchange.purse(), now).store(conversions, people) if conversions else []


class _Raced(Exception):
    """Somebody else stored one of our event ids meanwhile: look again."""


def settled(deed: Callable[[], Result]) -> Result:
    """Do it in a transaction, again from the start when somebody else was quicker."""
    for _ in range(ATTEMPTS):
        with suppress(_Raced), transaction.atomic():
            return deed()
    raise Contested("Other requests keep sending the same event ids. Try again.", retry_after_seconds=1)


@dataclass
class _Batch:
    """One attempt to store a batch."""

    purse: Purse
    now: datetime
    verdicts: dict[int, ConversionVerdict] = field(default_factory=dict)
    recorded: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)

    def store(self, conversions: Sequence[ConversionIn], people: Sequence[int]) -> list[ConversionVerdict]:
        items = [
            item
            for place, (given, person) in enumerate(zip(conversions, people, strict=True))
            if (item := self._priced(place, given, person))
        ]
        first: dict[str, Item] = {}
        repeats = [item for item in items if first.setdefault(item.entry.event_id, item) is not item]
        self._store_ordered(self._store_new(self._without_known(list(first.values()))))
        for item in repeats:
            original = self.verdicts[first[item.entry.event_id].place]
            self.verdicts[item.place] = replace(original, is_duplicate=not original.errors)
        self._publish()
        for verdict in self.verdicts.values():
            verdict.currency = self.purse.home
        return [self.verdicts[place] for place in range(len(conversions))]

    def _priced(self, place: int, given: ConversionIn, person: int) -> Item | None:
        """The record with its rate and an event id; refused without a rate, or when it is too much."""
        currency = given.currency or self.purse.home
        rate = self.purse.rate(currency)
        if rate is None:
            errors = {"currency": [self.purse.what_is_missing(currency)]}
            self._refuse(place, given, Reason.NO_EXCHANGE_RATE, errors)
            return None
        if abs(given.revenue * rate) >= MAX_VALUE:
            errors = {"revenue": [f"In {self.purse.home} this comes to {MAX_VALUE:,} or more."]}
            self._refuse(place, given, Reason.AMOUNT_TOO_LARGE, errors)
            return None
        entry = Entry(
            event_id=given.event_id or new_event_id(given.received_at),
            kind=Kind.CONVERSION,
            revenue=money.quantise(given.revenue, currency),
            currency=currency,
            rate=rate,
            occurred_at=given.occurred_at,
        )
        return Item(place, given, person, entry)

    def _refuse(self, place: int, given: ConversionIn, reason: Reason, errors: Errors) -> None:
        self.verdicts[place] = ConversionVerdict(
            order_id=given.order_id or None, reason=reason, errors=errors
        )

    def _without_known(self, items: list[Item]) -> list[Item]:
        """Answer those whose event id is stored already; the others go on."""
        known = order_rows.known(item.given.event_id for item in items if item.given.event_id)
        for item in items:
            if found := known.get(item.entry.event_id):
                self.verdicts[item.place] = ConversionVerdict(
                    event_id=item.entry.event_id,
                    order_id=found.order_id,
                    person_id=found.person_id,
                    value=found.value,
                    kind=found.kind,
                    is_duplicate=True,
                )
        return [item for item in items if item.place not in self.verdicts]

    def _store_new(self, items: list[Item]) -> list[Item]:
        """Store what is no order, or the first heard of one; the rest are about orders that may be known."""
        named = Counter(item.given.order_id for item in items)
        hopeful = [
            item
            for item in items
            if not item.given.order_id or (named[item.given.order_id] == 1 and item.entry.revenue >= 0)
        ]
        hopeful.sort(key=lambda item: (item.given.order_id, item.entry.event_id))
        added = order_rows.add_new([item.as_new(self.purse.home) for item in hopeful], now=self.now)
        for item in hopeful:
            if new := added.get(item.entry.event_id):
                if not new.has_record:
                    raise _Raced
                self.recorded.append(new.id)
                self.verdicts[item.place] = self._verdict_on_new(item, new.person_id)
        return [item for item in items if item.place not in self.verdicts]

    def _verdict_on_new(self, item: Item, person_id: str) -> ConversionVerdict:
        new = item.as_new(self.purse.home)
        return ConversionVerdict(
            event_id=new["event"],
            order_id=new["order"],
            person_id=person_id,
            value=new["value"],
            kind=new["kind"],
        )

    def _store_ordered(self, items: list[Item]) -> None:
        if not items:
            return
        places = {item.given.order_id: item.as_place() for item in reversed(items)}
        orders = order_rows.lock([places[name] for name in sorted(places)], now=self.now)
        entries = order_rows.entries(orders.values())
        accounts = {name: Account(order, entries.get(order.id, [])) for name, order in orders.items()}
        for item in items:
            verdict = accounts[item.given.order_id].enter(item, home=self.purse.home)
            self.verdicts[item.place] = verdict
        self._keep(list(accounts.values()))
        public = order_rows.public_ids({account.order.person for account in accounts.values()})
        for item in items:
            if not self.verdicts[item.place].errors:
                person = accounts[item.given.order_id].order.person
                self.verdicts[item.place].person_id = public[person]

    def _keep(self, accounts: list[Account]) -> None:
        records = [record for account in accounts for record in account.records]
        if not records:
            return
        if order_rows.add_records(records, now=self.now) < len(records):
            raise _Raced
        changed = [account for account in accounts if account.order != account.was]
        order_rows.change([account.as_change() for account in changed], now=self.now)
        stale_people.mark({one.person for account in changed for one in (account.was, account.order)})
        for account in changed:
            if account.had_total:
                self.changed.append(account.order.id)
            elif account.has_total:
                self.recorded.append(account.order.id)

    def _publish(self) -> None:
        workspace_id = scoping.current_id()
        for kind, ids in ((ConversionsRecorded, self.recorded), (ConversionsChanged, self.changed)):
            for start in range(0, len(ids), IDS_PER_EVENT):
                part = ids[start : start + IDS_PER_EVENT]
                events.publish(kind(workspace_id=workspace_id, conversion_ids=part))
