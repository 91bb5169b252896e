"""Whom the market meets, and when: every touch that could happen, then those that did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .market import Channel, Market
from .people import Floats, Ints, Lives

Flags = NDArray[np.bool_]
SYMPTOM_LAG_DAYS = 0.25


@dataclass(frozen=True)
class Encounters:
    """Every touch that could happen, with its luck; times in busy days, any order.

    is_click: a click, visit or call, which counts as a visit to the site; otherwise only seen.
    threshold: standard exponential; the touch succeeds when this is below its hazard mass. lag: busy
    days from the touch to the sign-up it causes. stay: uniform, decides whether it still happens after
    the sign-up.
    """

    person: Ints
    channel: Ints
    at: Floats
    is_click: Flags
    threshold: Floats
    lag: Floats
    stay: Floats

    def where(self, keep: Flags) -> Encounters:
        return Encounters(*(getattr(self, field.name)[keep] for field in fields(self)))


@dataclass(frozen=True)
class Meetings:
    """Touches that took place; times in busy days, any order."""

    person: Ints
    channel: Ints
    at: Floats
    is_click: Flags

    def in_order(self) -> Meetings:
        order = np.lexsort((self.at, self.person))
        return Meetings(self.person[order], self.channel[order], self.at[order], self.is_click[order])


def draw_encounters(
    lives: Lives, *, market: Market, total_days: float, rng: np.random.Generator
) -> Encounters:
    """Draw every touch that could happen before the end, whatever the channels' effects."""
    parts = [_draw_channel(c, row=i, lives=lives, rng=rng) for i, c in enumerate(market.channels)]
    drawn = Encounters(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return drawn.where(drawn.at < total_days)


def _draw_channel(
    channel: Channel, *, row: int, lives: Lives, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats, Flags, Floats, Floats, Floats]:
    rate = channel.touches * np.exp(channel.intent * lives.intent - channel.intent**2 / 2)
    person = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    count = len(person)
    at = lives.begins[person] + lives.lasts[person] * rng.beta(*channel.moment, count)
    is_click = rng.random(count) < channel.click_share
    lag = rng.exponential(channel.lag_days, count)
    return person, np.full(count, row), at, is_click, rng.exponential(size=count), lag, rng.random(count)


def present(encounters: Encounters, *, market: Market, people: int) -> Flags:
    """Tell which touches happen: the channel is on and, where it needs a visit, one came before."""
    on = np.array([channel.is_on for channel in market.channels])[encounters.channel]
    needs_visit = np.array([channel.needs_visit for channel in market.channels])[encounters.channel]
    visits = on & encounters.is_click & ~needs_visit
    visited_at = np.full(people, np.inf)
    np.minimum.at(visited_at, encounters.person[visits], encounters.at[visits])
    return on & (~needs_visit | (encounters.at > visited_at[encounters.person]))


def happened(encounters: Encounters, *, market: Market, signed_up: Floats) -> Meetings:
    """Keep the touches that took place; after the sign-up only some still do.

    signed_up: busy days per person, inf for never.
    """
    stays = np.array([channel.stays for channel in market.channels])[encounters.channel]
    after = encounters.at > signed_up[encounters.person]
    likely = encounters.where(~after | (encounters.stay < stays))
    kept = likely.where(present(likely, market=market, people=len(signed_up)))
    return Meetings(kept.person, kept.channel, kept.at, kept.is_click)


def symptoms(decided: Floats, *, lives: Lives, market: Market, rng: np.random.Generator) -> Meetings:
    """Draw the touches of people on their way to the form: effects of the decision, not causes.

    decided: busy days per person, inf for never.
    """
    return join(_pass_through(c, i, decided, lives, rng) for i, c in enumerate(market.channels))


def _pass_through(
    channel: Channel, row: int, decided: Floats, lives: Lives, rng: np.random.Generator
) -> Meetings:
    passes = rng.random(len(decided)) < channel.symptom
    at = np.maximum(decided - rng.exponential(SYMPTOM_LAG_DAYS, len(decided)), lives.begins)
    person = np.flatnonzero(passes & channel.is_on & np.isfinite(decided))
    return Meetings(person, np.full(len(person), row), at[person], np.full(len(person), True))


def join(parts: Iterable[Meetings]) -> Meetings:
    columns = zip(*((m.person, m.channel, m.at, m.is_click) for m in parts), strict=True)
    return Meetings(*(np.concatenate(column) for column in columns))
