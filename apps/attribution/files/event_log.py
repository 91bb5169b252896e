"""An event log: touches and conversions of people, in any order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from apps.attribution.files.cells import BadCell, amounts, codes_of, ids, moments, refuse, refuse_empty, texts
from apps.attribution.files.gathered import Gathered, channels_of
from apps.attribution.files.tables import Table
from apps.attribution.maths.assembly import Conversions, Touches, assemble
from apps.attribution.maths.journeys import Flags, Ints, Journeys

TOUCH_WORDS = ("touch", "touchpoint", "event", "click", "impression", "visit")
CONVERSION_WORDS = ("conversion", "purchase", "order", "sale")
_TEXTS = {"user_id": ids, "channel": texts, "event_id": ids, "order_id": ids, "currency": texts}


def log_journeys(table: Table, *, lookback_days: float | None) -> tuple[Journeys, int]:
    """The journeys of everyone in the log, and how many rows repeated an event_id and were left out."""
    log = Gathered(table)
    log.fill(_take_events)
    fresh = _first_of_each(log)
    is_conversion = log.number("is_conversion").astype(np.bool_)
    seen, sold = np.flatnonzero(fresh & ~is_conversion), np.flatnonzero(fresh & is_conversion)
    _refuse_two_currencies(log, sold)
    _refuse_two_of_an_order(log, sold)
    person = log.text("user_id").codes.astype(np.int64)
    at_us = log.number("occurred_at").astype(np.int64, copy=False)
    channels, codes = channels_of(log, log.text("channel"), rows=seen)
    made = assemble(
        Touches(person=person[seen], at_us=at_us[seen], channel=codes),
        Conversions(person=person[sold], at_us=at_us[sold], value=log.number("value")[sold]),
        channels=channels,
        lookback_days=lookback_days,
    )
    return made.journeys, log.rows - len(seen) - len(sold)


def _take_events(log: Gathered, batch: dict[str, pa.Array]) -> None:
    sold = _is_conversion(texts(batch["kind"], "kind"))
    everyone = np.ones(len(sold), dtype=np.bool_)
    for name, read in _TEXTS.items():
        if name in batch:
            log.texts[name].append(read(batch[name], name))
    refuse_empty(log.texts["user_id"][-1], "user_id", everyone, "is empty: every row needs a person")
    refuse_empty(log.texts["channel"][-1], "channel", ~sold, "is empty: a touch needs a channel")
    log.numbers["is_conversion"].append(sold)
    log.numbers["occurred_at"].append(moments(batch["occurred_at"], "occurred_at"))
    if "value" in batch:
        value = amounts(batch["value"], "value")
        refuse(~sold & (value > 0), "value", "belongs to a conversion, and this row is a touch")
        log.numbers["value"].append(value)


def _is_conversion(kinds: pa.DictionaryArray) -> Flags:
    words = [word.lower() for word in kinds.dictionary.to_pylist()]
    known = np.array([word in TOUCH_WORDS or word in CONVERSION_WORDS for word in words], dtype=np.bool_)
    codes = codes_of(kinds)
    if not known.all():
        row = int((~known[codes]).argmax())
        if not known[codes[row]]:
            raise BadCell("kind", row, _no_kind(words[codes[row]]))
    sold: Flags = np.array([word in CONVERSION_WORDS for word in words], dtype=np.bool_)[codes]
    return sold


def _no_kind(word: str) -> str:
    if word == "refund":
        return '"refund" cannot be credited: take refunds off the value of their order'
    touches, conversions = ", ".join(TOUCH_WORDS), ", ".join(CONVERSION_WORDS)
    return f'"{word[:80]}" is neither a touch ({touches}) nor a conversion ({conversions})'


def _first_of_each(log: Gathered) -> Flags:
    """(rows,) is this the first row of its event_id? Rows without one all count."""
    ids = log.text("event_id")
    if not ids.names:
        return np.ones(log.rows, dtype=np.bool_)
    first = np.zeros(log.rows, dtype=np.bool_)
    first[np.unique(ids.codes, return_index=True)[1]] = True
    return first | ~ids.is_given


def _refuse_two_of_an_order(log: Gathered, sold: Ints) -> None:
    orders = log.text("order_id")
    if not orders.names:
        return
    numbered = sold[orders.is_given[sold]]
    again = np.delete(numbered, np.unique(orders.codes[numbered], return_index=True)[1])
    if again.size:
        order = orders.names[orders.codes[again[0]]][:80]
        log.refuse(int(again[0]), f'order_id: "{order}" stands there twice: keep one row with its net value')


def _refuse_two_currencies(log: Gathered, sold: Ints) -> None:
    currency = log.text("currency")
    if not currency.names:
        return
    priced = sold[currency.is_given[sold]]
    other = priced[currency.codes[priced] != currency.codes[priced[:1]]]
    if other.size:
        first, second = (currency.names[currency.codes[row]][:20] for row in (priced[0], other[0]))
        log.refuse(int(other[0]), f"currency: {second} beside {first}: convert to one currency")
