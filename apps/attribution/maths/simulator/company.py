"""The whole company, in one piece or chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import numpy as np

from . import conversions as orders
from . import deliveries as post
from . import outcomes
from .conversions import Conversions
from .deliveries import Deliveries
from .encounters import Encounters, Meetings, draw_encounters, happened, join, symptoms
from .market import Market
from .outcomes import Fates, Truth
from .people import PRICES_MINOR, Devices, Floats, Ints, Lives, People, draw_devices, draw_lives, draw_people
from .season import DAY_SECONDS, Clock, clock
from .touches import EVENT_TYPES, NO_DEVICE, Touches, observe, spend_minor
from .wedding import WEDDING_SUPPLIERS

OFFLINE_LATE_SHARE = 0.8
LOGS_IN_ELSEWHERE_SHARE = 0.8
LOGS_IN_AFTER_DAYS = 8.0
CHUNK_PEOPLE = 50_000


@dataclass(frozen=True)
class Company:
    """Everything that happened to these people from `start` to `end` (epoch seconds), and the truth.

    first_day: UTC day of the first column of spend_minor, shape (campaigns, days); chunks add up.
    """

    tag: str
    start: float
    end: float
    first_day: date
    market: Market
    people: People
    devices: Devices
    touches: Touches
    touch_deliveries: Deliveries
    conversions: Conversions
    conversion_deliveries: Deliveries
    spend_minor: Ints
    truth: Truth


def simulate(
    people: int,
    *,
    days: int,
    end: datetime,
    rng: np.random.Generator,
    market: Market = WEDDING_SUPPLIERS,
) -> Company:
    """Simulate all people at once; the same arguments and seed give the same company.

    Raises ValueError for people or days below 1 or an `end` without a time zone.
    """
    tag = _tag(rng)
    return _simulate_numbers(
        np.arange(people), tag=tag, time=clock(end=end, days=days), market=market, rng=rng
    )


def simulate_in_chunks(
    people: int,
    *,
    days: int,
    end: datetime,
    rng: np.random.Generator,
    market: Market = WEDDING_SUPPLIERS,
    chunk_people: int = CHUNK_PEOPLE,
) -> Iterator[Company]:
    """Yield the company in parts that share a tag and no person, memory bounded by chunk_people.

    Sum spend_minor and truth over the chunks. Another chunk_people is another company.
    """
    tag, time = _tag(rng), clock(end=end, days=days)
    starts = range(0, people, chunk_people)
    for first, own in zip(starts, rng.spawn(len(starts)), strict=True):
        numbers = np.arange(first, min(first + chunk_people, people))
        yield _simulate_numbers(numbers, tag=tag, time=time, market=market, rng=own)


def _tag(rng: np.random.Generator) -> str:
    return f"{rng.integers(2**24):06x}"


def _simulate_numbers(
    numbers: Ints, *, tag: str, time: Clock, market: Market, rng: np.random.Generator
) -> Company:
    if not len(numbers):
        raise ValueError("people must be >= 1")
    nobody_yet = np.full(len(numbers), np.inf)
    people = draw_people(numbers, tag=tag, signed_up_at=nobody_yet, rng=rng)
    lives = draw_lives(len(numbers), total_days=time.total, rng=rng)
    fates = outcomes.draw_fates(lives, market=market, price_minor=PRICES_MINOR[people.tier], rng=rng)
    encounters = draw_encounters(lives, market=market, total_days=time.total, rng=rng)
    drifts_at = time.busy_at(time.seconds[0] + market.drifts_at * (time.seconds[-1] - time.seconds[0]))
    causes = outcomes.successes(encounters, lives=lives, market=market, drifts_at=drifts_at)
    signed_up = outcomes.sign_ups(causes, fates=fates, market=market, total_days=time.total)
    return _publish(
        replace(people, signed_up_at=time.calendar(signed_up)),
        meetings=_meetings(
            encounters, signed_up=signed_up, lives=lives, fates=fates, market=market, time=time, rng=rng
        ),
        subscribed_at=time.calendar(outcomes.subscriptions(signed_up, fates=fates, total_days=time.total)),
        truth=outcomes.measure(causes, fates=fates, market=market, clock=time, drifts_at=drifts_at),
        market=market,
        time=time,
        rng=rng,
    )


def _meetings(
    encounters: Encounters,
    *,
    signed_up: Floats,
    lives: Lives,
    fates: Fates,
    market: Market,
    time: Clock,
    rng: np.random.Generator,
) -> Meetings:
    subscribed = outcomes.subscriptions(signed_up, fates=fates, total_days=time.total)
    return join(
        (
            happened(encounters, market=market, signed_up=signed_up),
            symptoms(signed_up, lives=lives, market=market, rng=rng),
            symptoms(subscribed, lives=lives, market=market, rng=rng),
        )
    )


def _publish(
    people: People,
    *,
    meetings: Meetings,
    subscribed_at: Floats,
    truth: Truth,
    market: Market,
    time: Clock,
    rng: np.random.Generator,
) -> Company:
    end = float(time.seconds[-1])
    unknown = draw_devices(people.numbers, tag=people.tag, rng=rng)
    touches = observe(meetings, market=market, clock=time, devices=unknown, rng=rng)
    devices = _identify(unknown, people=people, touches=touches, end=end, rng=rng)
    conversions = orders.record(people, subscribed_at=subscribed_at, end=end, rng=rng)
    return Company(
        tag=people.tag,
        start=float(time.seconds[0]),
        end=end,
        first_day=datetime.fromtimestamp(time.seconds[0], UTC).date(),
        market=market,
        people=people,
        devices=devices,
        touches=touches,
        touch_deliveries=_deliver_touches(touches, devices=devices, end=end, rng=rng),
        conversions=conversions,
        conversion_deliveries=_deliver_conversions(conversions, end=end, rng=rng),
        spend_minor=spend_minor(touches, market=market, clock=time, people=len(people)),
        truth=truth,
    )


def _identify(
    devices: Devices, *, people: People, touches: Touches, end: float, rng: np.random.Generator
) -> Devices:
    """A device gives its person away by signing up on it, by a later log-in, or by a newsletter link."""
    signed_up_at = people.signed_up_at[devices.person]
    logs_in = rng.random(len(devices)) < LOGS_IN_ELSEWHERE_SHARE
    later = np.where(logs_in, rng.exponential(LOGS_IN_AFTER_DAYS * DAY_SECONDS, len(devices)), np.inf)
    identified_at = signed_up_at + np.where(devices.position == 0, 0.0, later)
    letters = touches.event_type == EVENT_TYPES.index("email_click")
    np.minimum.at(identified_at, touches.device[letters], touches.occurred_at[letters])
    known = np.where(identified_at < end, np.round(identified_at, 3), np.inf)
    return replace(devices, identified_at=known)


def _deliver_touches(
    touches: Touches, *, devices: Devices, end: float, rng: np.random.Generator
) -> Deliveries:
    offline = touches.device == NO_DEVICE
    return post.deliver(
        touches.occurred_at,
        skew_seconds=np.where(offline, 0.0, devices.skew_seconds[touches.device]),
        late_share=np.where(offline, OFFLINE_LATE_SHARE, post.LATE_SHARE),
        end=end,
        rng=rng,
    )


def _deliver_conversions(conversions: Conversions, *, end: float, rng: np.random.Generator) -> Deliveries:
    count = len(conversions)
    share = np.full(count, post.LATE_SHARE / 4)
    return post.deliver(
        conversions.occurred_at, skew_seconds=np.zeros(count), late_share=share, end=end, rng=rng
    )
