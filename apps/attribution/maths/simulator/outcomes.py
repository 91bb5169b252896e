"""Who signs up, when, and because of what: hazards that add, so that the first cause wins.

With additive hazards the sign-up is a race of independent causes: touch j succeeds with probability
1 - exp(-effect_j * exp(g z - g^2 / 2)), z the person's latent intent, and then takes an exponential lag;
the baseline races along. Every draw belongs to one cause, so a channel can be switched off while all
else keeps its luck (common random numbers), and what disappears is what it caused.
Source: competing risks, Cox and Oakes, Analysis of Survival Data (1984), chapter 9.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from .encounters import Encounters, present
from .market import Market
from .people import Floats, Ints, Lives
from .season import Clock

SUBSCRIBES_SHARE = 0.62
TRIAL_DAYS_AT_LEAST = 7.0
TRIAL_DAYS_MORE = 7.0


@dataclass(frozen=True)
class Fates:
    """Per person: the luck that is no channel's doing. Times in busy days, inf for never."""

    baseline_at: Floats
    trial_lasts: Floats
    price_minor: Ints


@dataclass(frozen=True)
class Truth:
    """What each channel really did; period 0 is before the drift, 1 after.

    effects: (channels, 2) hazard mass per touch as built. sign_ups, subscriptions, revenue_minor: (2,)
    what happened, at list price before refunds. untouched_subscriptions: (2,) with every channel off.
    incremental_*: (channels, 2) what is lost when that channel alone is switched off, its knock-on
    effects (retargeting and newsletters need a visit) included. Truths of chunks add up by `+`.
    """

    channels: tuple[str, ...]
    drifts_at: float
    effects: Floats
    people: int
    sign_ups: Ints
    subscriptions: Ints
    revenue_minor: Ints
    untouched_subscriptions: Ints
    incremental_sign_ups: Ints
    incremental_subscriptions: Ints
    incremental_revenue_minor: Ints

    def __add__(self, other: Truth) -> Truth:
        fixed = {"channels", "drifts_at", "effects"}
        names = [field.name for field in fields(self) if field.name not in fixed]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})

    def shares(self, period: int | None = None) -> Floats:
        """Each channel's share of all incremental sign-ups, shape (channels,), summing to 1.

        period: 0 before the drift, 1 after, None for both. Raises ValueError where no channel caused any.
        """
        lost = self.incremental_sign_ups
        counts = lost.sum(axis=1) if period is None else lost[:, period]
        if counts.sum() <= 0:
            raise ValueError("no channel caused a sign-up: there is nothing to share")
        shares: Floats = counts / counts.sum()
        return shares


def draw_fates(lives: Lives, *, market: Market, price_minor: Ints, rng: np.random.Generator) -> Fates:
    """Draw the baseline sign-up, and the trial that ends in a subscription (inf where it does not)."""
    count = len(lives.intent)
    succeeds = rng.exponential(size=count) < market.baseline * keenness(lives.intent, market=market)
    at = lives.begins + lives.lasts * rng.beta(2, 1, count)
    trial = TRIAL_DAYS_AT_LEAST + rng.exponential(TRIAL_DAYS_MORE, count)
    return Fates(
        baseline_at=np.where(succeeds, at, np.inf),
        trial_lasts=np.where(rng.random(count) < SUBSCRIBES_SHARE, trial, np.inf),
        price_minor=price_minor,
    )


def keenness(intent: Floats, *, market: Market) -> Floats:
    """Multiplier of every hazard, mean 1 over standard normal intent."""
    multiplier: Floats = np.exp(market.intent * intent - market.intent**2 / 2)
    return multiplier


def effects(market: Market) -> Floats:
    """Hazard mass per touch, shape (channels, 2): before and after the drift."""
    before = np.array([channel.effect for channel in market.channels])
    return np.stack([before, before * [channel.drift for channel in market.channels]], axis=1)


def successes(encounters: Encounters, *, lives: Lives, market: Market, drifts_at: float) -> Encounters:
    """Keep the encounters that would cause a sign-up if they happened, and all that open the door."""
    period = (encounters.at >= drifts_at).astype(np.int64)
    mass = effects(market)[encounters.channel, period]
    wins = encounters.threshold < mass * keenness(lives.intent, market=market)[encounters.person]
    at_win = replace(encounters, lag=np.where(wins, encounters.lag, np.inf))
    return at_win.where(wins | encounters.is_click)


def sign_ups(causes: Encounters, *, fates: Fates, market: Market, total_days: float) -> Floats:
    """First cause to arrive, per person, busy days; inf when none does before the end.

    causes: as returned by `successes`.
    """
    first = fates.baseline_at.copy()
    racing = present(causes, market=market, people=len(first))
    np.minimum.at(first, causes.person[racing], causes.at[racing] + causes.lag[racing])
    return np.where(first < total_days, first, np.inf)


def subscriptions(signed_up: Floats, *, fates: Fates, total_days: float) -> Floats:
    """Busy days at which the trial turns into a subscription, inf for never."""
    at = signed_up + fates.trial_lasts
    return np.where(at < total_days, at, np.inf)


def _totals(signed_up: Floats, *, fates: Fates, drifts_at: float, total_days: float) -> Ints:
    """Sign-ups, subscriptions and revenue by period, shape (3, 2)."""
    subscribed = subscriptions(signed_up, fates=fates, total_days=total_days)
    one = np.ones_like(fates.price_minor)
    counted = [(signed_up, one), (subscribed, one), (subscribed, fates.price_minor)]
    rows = []
    for at, amount in counted:
        before = ((at < drifts_at) * amount).sum()
        rows.append((before, (np.isfinite(at) * amount).sum() - before))
    return np.array(rows, dtype=np.int64)


def measure(causes: Encounters, *, fates: Fates, market: Market, clock: Clock, drifts_at: float) -> Truth:
    """Run the company once as it is, once without each channel, and once without any.

    drifts_at: busy days.
    """

    def totals(world: Market) -> Ints:
        signed_up = sign_ups(causes, fates=fates, market=world, total_days=clock.total)
        return _totals(signed_up, fates=fates, drifts_at=drifts_at, total_days=clock.total)

    factual = totals(market)
    lost = np.array([factual - totals(market.without(key)) for key in market.keys])
    nobody = replace(market, channels=tuple(replace(c, is_on=False) for c in market.channels))
    return Truth(
        channels=market.keys,
        drifts_at=float(clock.calendar(np.array([drifts_at]))[0]),
        effects=effects(market),
        people=len(fates.baseline_at),
        sign_ups=factual[0],
        subscriptions=factual[1],
        revenue_minor=factual[2],
        untouched_subscriptions=totals(nobody)[1],
        incremental_sign_ups=lost[:, 0],
        incremental_subscriptions=lost[:, 1],
        incremental_revenue_minor=lost[:, 2],
    )
