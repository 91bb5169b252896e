"""What a tracker sees of the meetings: campaign, creative, device, price; and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from .encounters import Flags, Meetings
from .market import Campaign, Market
from .people import Devices, Floats, Ints
from .season import DAY_SECONDS, Clock

EVENT_TYPES = ("impression", "click", "visit", "email_open", "email_click", "call")
MAIN_DEVICE_SHARE = 0.7
# Half of the paid visitors refuse tracking: they cost money and leave no touch.
SPEND_PER_TRACKED = 2.0
NO_DEVICE = -1
OFFLINE_PLATFORMS = ("offline", "partner")


@dataclass(frozen=True)
class Touches:
    """Touches as they were, ordered by person, then time.

    numbers: unique over all chunks. person, device: rows of People and Devices; device -1 where the event
    carries the external id (a badge scanned at a fair). channel: row of Truth.channels: the truth, not what
    rules derive. campaign: row of Market.campaigns; creative: place in that campaign's creatives.
    event_type: place in EVENT_TYPES. occurred_at: epoch seconds. cost_minor: 0 where unpriced.
    """

    tag: str
    numbers: Ints
    person: Ints
    device: Ints
    channel: Ints
    campaign: Ints
    creative: Ints
    event_type: Ints
    occurred_at: Floats
    cost_minor: Ints

    def __len__(self) -> int:
        return len(self.numbers)

    def event_ids(self) -> list[str]:
        return [f"{self.tag}-t{number:x}" for number in self.numbers.tolist()]


def observe(
    meetings: Meetings, *, market: Market, clock: Clock, devices: Devices, rng: np.random.Generator
) -> Touches:
    """Order the meetings by person and time and dress them as tracked events."""
    ordered = meetings.in_order()
    person, channel, is_click = ordered.person, ordered.channel, ordered.is_click
    campaign = _campaigns(channel, market=market, uniform=rng.random(len(person)))
    offline = np.array([c.platform in OFFLINE_PLATFORMS for c in market.campaigns])[campaign]
    device = _devices(person, devices=devices, uniform=rng.random(len(person)))
    return Touches(
        tag=devices.tag,
        numbers=_numbers(person, devices=devices),
        person=person,
        device=np.where(offline, NO_DEVICE, device),
        channel=channel,
        campaign=campaign,
        creative=_creatives(campaign, market=market, uniform=rng.random(len(person))),
        event_type=_event_types(channel, market=market, is_click=is_click),
        occurred_at=clock.calendar(ordered.at),
        cost_minor=_click_costs(campaign, market=market, is_click=is_click, rng=rng),
    )


def _first_of_person(person: Ints) -> Ints:
    """Row of each row's person's first row; persons are sorted."""
    rows: Ints = np.searchsorted(person, person, side="left")
    return rows


def _numbers(person: Ints, *, devices: Devices) -> Ints:
    """Number touches within their person, in 4,096 places per person, so that chunks never meet."""
    main = np.flatnonzero(devices.position == 0)
    place = np.arange(len(person)) - _first_of_person(person)
    return devices.person_number[main][person] * 4096 + place


def _devices(person: Ints, *, devices: Devices, uniform: Floats) -> Ints:
    main = np.flatnonzero(devices.position == 0)
    others = np.diff(main, append=len(devices))[person] - 1
    beyond = (uniform - MAIN_DEVICE_SHARE) / (1 - MAIN_DEVICE_SHARE)
    other = 1 + (beyond * others).astype(np.int64)
    return main[person] + np.where((uniform < MAIN_DEVICE_SHARE) | (others == 0), 0, other)


def _campaigns(channel: Ints, *, market: Market, uniform: Floats) -> Ints:
    """Pick among each channel's campaigns by share: channel row plus uniform, on one scale of bounds."""
    bounds = []
    for row, one in enumerate(market.channels):
        total = sum(campaign.share for campaign in one.campaigns)
        bounds += [row + part / total for part in accumulate(campaign.share for campaign in one.campaigns)]
    picked: Ints = np.searchsorted(bounds, channel + uniform * (1 - 1e-9), side="right")
    return picked


def _creatives(campaign: Ints, *, market: Market, uniform: Floats) -> Ints:
    counts = np.array([len(one.creatives) for one in market.campaigns])
    picked: Ints = (uniform * counts[campaign]).astype(np.int64)
    return picked


def _event_types(channel: Ints, *, market: Market, is_click: Flags) -> Ints:
    seen = np.array([EVENT_TYPES.index(one.view_type) for one in market.channels])
    clicked = np.array([EVENT_TYPES.index(one.click_type) for one in market.channels])
    return np.where(is_click, clicked[channel], seen[channel])


def _click_costs(campaign: Ints, *, market: Market, is_click: Flags, rng: np.random.Generator) -> Ints:
    price = np.array([one.click_price_minor for one in market.campaigns], dtype=float)[campaign]
    auction = np.exp(rng.normal(0, 0.25, len(campaign)))
    return np.where(is_click, np.rint(price * auction), 0).astype(np.int64)


def spend_minor(touches: Touches, *, market: Market, clock: Clock, people: int) -> Ints:
    """Add up what each campaign cost on each UTC day, shape (campaigns, days), minor units."""
    first_day = clock.seconds[0] // DAY_SECONDS
    days = int(-(-clock.seconds[-1] // DAY_SECONDS) - first_day)
    day = (touches.occurred_at // DAY_SECONDS - first_day).astype(np.int64)
    cell = touches.campaign * days + day
    cost = touches.cost_minor + _impression_costs(touches, market=market)
    shape = (len(market.campaigns), days)
    tracked = np.bincount(cell, weights=cost, minlength=shape[0] * shape[1]).reshape(shape)
    return np.rint(tracked * SPEND_PER_TRACKED + _fees(market.campaigns, people=people)).astype(np.int64)


def _impression_costs(touches: Touches, *, market: Market) -> Floats:
    price = np.array([one.thousand_price_minor / 1000 for one in market.campaigns])
    costs: Floats = price[touches.campaign] * (touches.event_type == EVENT_TYPES.index("impression"))
    return costs


def _fees(campaigns: tuple[Campaign, ...], *, people: int) -> Floats:
    return np.array([[one.fee_minor * people / 1000] for one in campaigns])
