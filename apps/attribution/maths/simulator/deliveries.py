"""How events arrive: late, twice, out of order, and stamped by clocks that are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .people import Floats, Ints
from .season import DAY_SECONDS

LATE_SHARE = 0.02
LATE_DAYS = 3.0
TWICE_SHARE = 0.012
TWICE_AFTER_SECONDS = 3600.0
LATENCY_SECONDS = 0.4


@dataclass(frozen=True)
class Deliveries:
    """One row per arrival, ordered by received_at; an event that came twice has two rows.

    event: row of Touches or Conversions. reported_at, sent_at: epoch seconds by the sender's clock, so that
    reported_at + (received_at - sent_at) is the true time up to the latency. received_at: our clock.
    """

    event: Ints
    reported_at: Floats
    sent_at: Floats
    received_at: Floats

    def __len__(self) -> int:
        return len(self.event)

    def first_received_at(self) -> Floats:
        """Epoch seconds of the first arrival of each event, in the order of the events."""
        first = np.full(int(self.event.max(initial=-1)) + 1, np.inf)
        np.minimum.at(first, self.event, self.received_at)
        return first


def deliver(
    occurred_at: Floats, *, skew_seconds: Floats, late_share: Floats, end: float, rng: np.random.Generator
) -> Deliveries:
    """Send each event, some late (probability late_share each, exponential days), some twice.

    All arrive by `end`: what would come later comes then.
    """
    count = len(occurred_at)
    latency = rng.exponential(LATENCY_SECONDS, count)
    waits = np.where(rng.random(count) < late_share, rng.exponential(LATE_DAYS * DAY_SECONDS, count), 0.0)
    twice = np.flatnonzero(rng.random(count) < TWICE_SHARE)
    again = rng.exponential(TWICE_AFTER_SECONDS, len(twice))
    event = np.concatenate([np.arange(count), twice])
    received_at = occurred_at[event] + latency[event] + np.concatenate([waits, waits[twice] + again])
    received_at = np.round(np.minimum(received_at, end), 3)
    order = np.argsort(received_at, kind="stable")
    event, received_at = event[order], received_at[order]
    sent_at = np.maximum(received_at - latency[event], occurred_at[event])
    return Deliveries(
        event=event,
        reported_at=occurred_at[event] + skew_seconds[event],
        sent_at=np.round(sent_at + skew_seconds[event], 3),
        received_at=received_at,
    )
