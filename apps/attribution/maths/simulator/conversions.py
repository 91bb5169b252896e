"""Trials, subscriptions, refunds and corrections, as a shop system would report them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .people import PRICES_MINOR, Floats, Ints, People
from .season import DAY_SECONDS

CONVERSION_TYPES = ("trial", "subscription")
RECORD_KINDS = ("purchase", "refund", "replacement")
PURCHASE, REFUND, REPLACEMENT = range(3)
REFUNDED_SHARE = 0.03
REPLACED_SHARE = 0.02
REFUND_AFTER_DAYS = 12.0
REPLACE_AFTER_DAYS = 3.0


@dataclass(frozen=True)
class Conversions:
    """Received records, ordered by time; a trial has value 0 and every order one purchase.

    person: row of People. conversion_type: place in CONVERSION_TYPES. record_kind: place in RECORD_KINDS.
    value_minor: what this record says: a refund is negative, a replacement the new value of the order.
    occurred_at: epoch seconds.
    """

    tag: str
    person: Ints
    person_number: Ints
    conversion_type: Ints
    record_kind: Ints
    value_minor: Ints
    occurred_at: Floats

    def __len__(self) -> int:
        return len(self.person)

    def order_ids(self) -> list[str]:
        rows = zip(self.conversion_type.tolist(), self.person_number.tolist(), strict=True)
        return [f"{CONVERSION_TYPES[kind]}-{self.tag}-{number}" for kind, number in rows]

    def event_ids(self) -> list[str]:
        rows = zip(self.order_ids(), self.record_kind.tolist(), strict=True)
        return [f"{order}-{RECORD_KINDS[kind]}" for order, kind in rows]


def record(people: People, *, subscribed_at: Floats, end: float, rng: np.random.Generator) -> Conversions:
    """Write the records of all orders up to `end`, each followed by its refund or correction, if any.

    subscribed_at: epoch seconds per person, inf for never.
    """
    price = PRICES_MINOR[people.tier]
    fate = rng.random(len(people))
    refunded_at = subscribed_at + rng.exponential(REFUND_AFTER_DAYS * DAY_SECONDS, len(people))
    replaced_at = subscribed_at + rng.exponential(REPLACE_AFTER_DAYS * DAY_SECONDS, len(people))
    other_tier = (people.tier + rng.integers(1, len(PRICES_MINOR), len(people))) % len(PRICES_MINOR)
    is_refunded = fate < REFUNDED_SHARE
    is_replaced = ~is_refunded & (fate < REFUNDED_SHARE + REPLACED_SHARE)
    columns = [
        (0, PURCHASE, np.zeros_like(price), people.signed_up_at),
        (1, PURCHASE, price, subscribed_at),
        (1, REFUND, -price, np.where(is_refunded, refunded_at, np.inf)),
        (1, REPLACEMENT, PRICES_MINOR[other_tier], np.where(is_replaced, replaced_at, np.inf)),
    ]
    return _collect(columns, people=people, end=end)


def _collect(columns: list[tuple[int, int, Ints, Floats]], *, people: People, end: float) -> Conversions:
    persons = [np.flatnonzero(at < end) for *_, at in columns]
    occurred_at = np.concatenate([at[person] for (*_, at), person in zip(columns, persons, strict=True)])
    order = np.argsort(occurred_at, kind="stable")
    sizes = [len(person) for person in persons]
    person = np.concatenate(persons)[order]
    return Conversions(
        tag=people.tag,
        person=person,
        person_number=people.numbers[person],
        conversion_type=np.repeat([kind for kind, *_ in columns], sizes)[order],
        record_kind=np.repeat([kind for _, kind, *_ in columns], sizes)[order],
        value_minor=np.concatenate([c[2][rows] for c, rows in zip(columns, persons, strict=True)])[order],
        occurred_at=np.round(occurred_at[order], 3),
    )
