"""An ad account that lives: what campaigns did on a day follows from what was set that day.

Revenue is scale · spend^exponent, seasoned by weekday and chance; conversions are counted from it, and the
day is split among ads and segments. All of it is drawn from a seed, so the same account has the same past;
what is changed today shows in the figures from today on, and there are figures up to yesterday.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random

PAST_DAYS = 90
VALUE = 30.0
COST_OF_THOUSAND = 9.0
AD_SHARES = (0.45, 0.35, 0.20)
WEEK = (1.05, 1.0, 0.95, 0.95, 1.0, 1.0, 1.05)
STEPS = (0.7, 0.85, 1.0, 1.15, 1.3)
HOURS = tuple(1.0 + 0.9 * math.sin((hour - 8) * math.pi / 12) for hour in range(24))
Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A campaign. weak: segment (dimension, value) → how well it does beside the others, of 1.

    is_tired: people have seen its first ad too often. fair_bid: the bid above which money is only lost.
    """

    name: str
    scale: float
    exponent: float
    budget: float
    weak: Mapping[tuple[str, str], float] = field(default_factory=dict)
    is_tired: bool = False
    bid: float | None = None
    fair_bid: float | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What somebody has set: from the day on that it stands under."""

    budget: float
    is_active: bool = True
    bid: float | None = None
    excluded: frozenset[tuple[str, str]] = frozenset()
    paused_ads: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Sums:
    spend: float
    impressions: int
    clicks: int
    conversions: int
    revenue: float
    frequency: float = 1.0

    @property
    def reach(self) -> int:
        return round(self.impressions / self.frequency)


class Line:
    """A campaign through time."""

    def __init__(self, plan: Plan, opened_on: date) -> None:
        self.plan, self.opened_on = plan, opened_on
        self.settings = [(date.min, Setting(budget=plan.budget, bid=plan.bid))]

    def set(self, on: date, setting: Setting) -> None:
        if setting != self.settings[-1][1]:
            self.settings.append((on, setting))

    def at(self, on: date) -> Setting:
        return [setting for since, setting in self.settings if since <= on][-1]


class World:
    """The account of these plans. shares: of the spend, by dimension and value."""

    def __init__(self, seed: str, plans: tuple[Plan, ...], shares: Shares, now: Callable[[], float]) -> None:
        self.seed, self.now = seed, now
        self.shares = {**shares, "hour": {str(hour): share for hour, share in enumerate(HOURS)}}
        self.lines = [Line(plan, self.today) for plan in plans]
        self._kept: dict[tuple[int, date, Setting], list[Sums]] = {}

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now(), UTC).date()

    def curve(self, place: int) -> tuple[float, float]:
        """What scale and exponent a campaign has as it is set today, on an average day."""
        line = self.lines[place]
        return line.plan.scale * self._ability(line, self.today), line.plan.exponent

    def days(self, since: date, until: date) -> Iterator[tuple[int, date, Sums]]:
        for place, on, ads in self._all(since, until):
            yield place, on, _together(ads)

    def ads(self, since: date, until: date) -> Iterator[tuple[int, int, date, Sums]]:
        for place, on, ads in self._all(since, until):
            yield from ((place, number, on, one) for number, one in enumerate(ads) if one.impressions)

    def segments(self, since: date, until: date, dimension: str) -> Iterator[tuple[int, str, date, Sums]]:
        for place, on, ads in self._all(since, until):
            for value, one in self._split(self.lines[place], on, dimension, _together(ads)):
                yield place, value, on, one

    def _all(self, since: date, until: date) -> Iterator[tuple[int, date, list[Sums]]]:
        for place, line in enumerate(self.lines):
            on = max(since, line.opened_on - timedelta(days=PAST_DAYS))
            while on <= min(until, self.today - timedelta(days=1)):
                key = (place, on, line.at(on))
                if key not in self._kept:
                    self._kept[key] = self._ads_of(line, on)
                if self._kept[key]:
                    yield place, on, self._kept[key]
                on += timedelta(days=1)

    def _random(self, line: Line, on: date, what: str) -> Random:
        return Random(f"{self.seed}:{line.plan.name}:{on}:{what}")

    def _ads_of(self, line: Line, on: date) -> list[Sums]:
        """The campaign's day, ad by ad; nothing where it did not run."""
        setting, chance = line.at(on), self._random(line, on, "day")
        shares = [0.0 if ad in setting.paused_ads else share for ad, share in enumerate(AD_SHARES)]
        if not setting.is_active or not sum(shares):
            return []
        spend = setting.budget * self._step(line, on) * (0.94 + 0.06 * chance.random())
        demand = WEEK[on.weekday()] * (0.92 + 0.16 * Random(f"{self.seed}:{on}").random())
        mean = line.plan.scale * self._ability(line, on) * spend**line.plan.exponent * demand
        conversions = _poisson(mean / VALUE, chance)
        fresh = [self._freshness(line, on, ad) for ad in range(len(AD_SHARES))]
        won = _dealt(conversions, [share * one for share, one in zip(shares, fresh, strict=True)], chance)
        value = VALUE * (0.95 + 0.1 * chance.random())
        parts = []
        for ad, share in enumerate(shares):
            seen = round(spend * share / sum(shares) / COST_OF_THOUSAND * 1_000)
            parts.append(
                Sums(
                    spend=round(spend * share / sum(shares), 2),
                    impressions=seen,
                    clicks=_poisson(seen * 0.014 * fresh[ad], chance),
                    conversions=won[ad],
                    revenue=round(won[ad] * value, 2),
                    frequency=round(self._frequency(line, on, ad), 4),
                )
            )
        return parts

    def _step(self, line: Line, on: date) -> float:
        """Before we looked, somebody changed the budget now and then."""
        if on >= line.opened_on:
            return 1.0
        block = (line.opened_on - on).days // 6
        return Random(f"{self.seed}:{line.plan.name}:{block}").choice(STEPS)

    def _frequency(self, line: Line, on: date, ad: int) -> float:
        age = (on - line.opened_on).days + PAST_DAYS
        return 1.3 + (0.03 * age if line.plan.is_tired and ad == 0 else 0.05 * math.sin(age / 9 + ad))

    def _freshness(self, line: Line, on: date, ad: int) -> float:
        """Of the rate at which people click on an ad that is new to them."""
        return math.exp(-0.35 * max(0.0, self._frequency(line, on, ad) - 1.35))

    def _ability(self, line: Line, on: date) -> float:
        """What the weak segments, the tired ad and too high a bid leave of the scale."""
        setting, plan = line.at(on), line.plan
        ads = {ad: share for ad, share in enumerate(AD_SHARES) if ad not in setting.paused_ads}
        fresh = sum(share * self._freshness(line, on, ad) for ad, share in ads.items()) / (
            sum(ads.values()) or 1
        )
        reached = math.prod(self._reached(line, on, dimension) for dimension in {of for of, _ in plan.weak})
        is_high = setting.bid and plan.fair_bid and setting.bid > plan.fair_bid
        return fresh * reached * (math.sqrt(plan.fair_bid / setting.bid) if is_high else 1.0)

    def _reached(self, line: Line, on: date, dimension: str) -> float:
        shares, weak = self._open(line, on, dimension), line.plan.weak
        able = sum(share * weak.get((dimension, value), 1.0) for value, share in shares.items())
        return able / sum(shares.values()) if shares else 0.0

    def _open(self, line: Line, on: date, dimension: str) -> dict[str, float]:
        excluded = line.at(on).excluded
        return {
            value: share
            for value, share in self.shares[dimension].items()
            if (dimension, value) not in excluded
        }

    def _split(self, line: Line, on: date, dimension: str, day: Sums) -> Iterator[tuple[str, Sums]]:
        """Spend by the share, conversions by the share and how well the segment does."""
        shares, chance = self._open(line, on, dimension), self._random(line, on, dimension)
        able = [share * line.plan.weak.get((dimension, value), 1.0) for value, share in shares.items()]
        won = _dealt(day.conversions, able, chance)
        worth = day.revenue / day.conversions if day.conversions else 0.0
        for (value, share), count in zip(shares.items(), won, strict=True):
            part = share / sum(shares.values())
            yield (
                value,
                replace(
                    day,
                    spend=round(day.spend * part, 2),
                    impressions=round(day.impressions * part),
                    clicks=round(day.clicks * part),
                    conversions=count,
                    revenue=round(count * worth, 2),
                ),
            )


def _together(ads: list[Sums]) -> Sums:
    seen = sum(one.impressions for one in ads)
    return Sums(
        spend=round(sum(one.spend for one in ads), 2),
        impressions=seen,
        clicks=sum(one.clicks for one in ads),
        conversions=sum(one.conversions for one in ads),
        revenue=round(sum(one.revenue for one in ads), 2),
        frequency=seen / max(1, sum(one.reach for one in ads)),
    )


def _dealt(count: int, weights: list[float], chance: Random) -> list[int]:
    dealt = [0] * len(weights)
    for place in chance.choices(range(len(weights)), weights, k=count) if sum(weights) else ():
        dealt[place] += 1
    return dealt


def _poisson(mean: float, chance: Random) -> int:
    if mean > 60:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    left, count = math.exp(-mean), 0
    product = chance.random()
    while product > left:
        product *= chance.random()
        count += 1
    return count
