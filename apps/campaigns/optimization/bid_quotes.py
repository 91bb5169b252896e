"""What to bid, for whoever asks: from the probability to convert, the worth of a conversion, and the goal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import numpy as np
from django.db.models import Sum

from apps.accounts.errors import Invalid
from apps.attribution import conversion_probability, journey_credit
from apps.campaigns.maths import bids, modifiers, pacing
from apps.campaigns.maths.pacing import Pace
from apps.integrations.models import AdCampaign, AdDay, AdSegmentDay

MOST_QUOTES = 10_000
DIMENSIONS = ("device", "hour", "placement")
# Segments are judged by so many days.
HISTORY_DAYS = 90


class Goal(StrEnum):
    TARGET_CPA = "target_cpa"
    TARGET_ROAS = "target_roas"
    PROFIT = "profit"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A bid per click. modifiers: by dimension, what the segment's history makes of it."""

    key: str
    bid: float
    base: float
    conversion_probability: float
    modifiers: dict[str, float]
    multiplier: float


def quotes(asked: Mapping[str, Any], *, campaign: AdCampaign | None, now: datetime) -> list[Quote]:
    """Bids for the items asked about (the bids endpoint). Raises Invalid, NotTrained, NotHere."""
    items: Sequence[Mapping[str, Any]] = asked["items"]
    rates = _rates(items, now=now)
    base = _base(asked, rates, np.array([one["value"] for one in items]))
    known = modifiers_of(campaign, until=now.date()) if campaign else {}
    factors = [[known.get((name, one.get(name)), 1.0) for name in DIMENSIONS] for one in items]
    pace = paced(asked.get("pace"), asked)
    final = bids.final(
        base * pace.multiplier,
        np.array(factors).reshape(-1, len(DIMENSIONS)),
        floor=asked.get("floor", 0.0),
        cap=asked.get("cap", np.finfo(np.float64).max),
    )
    return [
        Quote(
            key=one["key"],
            bid=float(final[place]),
            base=float(base[place]),
            conversion_probability=float(rates[place]),
            modifiers={
                name: factor for name, factor in zip(DIMENSIONS, factors[place], strict=True) if one.get(name)
            },
            multiplier=pace.multiplier,
        )
        for place, one in enumerate(items)
    ]


def modifiers_of(campaign: AdCampaign, *, until: date) -> dict[tuple[str, str | None], float]:
    """By dimension and segment, how much a click there is worth against the campaign's average.

    Shrunk towards 1 as far as a segment has few conversions; nothing where the campaign has none.
    """
    since = until.toordinal() - HISTORY_DAYS
    first = date.fromordinal(since)
    whole = AdDay.objects.filter(campaign=campaign, on__gte=first).aggregate(
        clicks=Sum("clicks"), conversions=Sum("conversions")
    )
    if not whole["clicks"] or not whole["conversions"]:
        return {}
    rows = (
        AdSegmentDay.objects.filter(campaign=campaign, on__gte=first, dimension__in=DIMENSIONS)
        .order_by()
        .values_list("dimension", "value")
        .annotate(Sum("conversions"), Sum("clicks"))
    )
    rate = float(whole["conversions"]) / float(whole["clicks"])
    return {
        (dimension, value): float(modifiers.shrunk(float(conversions or 0), float(clicks or 0), rate=rate))
        for dimension, value, conversions, clicks in rows
    }


def paced(told: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> Pace:
    """The multiplier of the day so far: the lower of what budget and return allow."""
    pace = Pace()
    if not told:
        return pace
    pace = Pace(budget=told["budget_multiplier"], roas=told["roas_multiplier"])
    pace = pacing.after_spend(pace, spent=told["spent"], planned=told["planned"])
    if asked["goal"] != Goal.TARGET_ROAS:
        return pace
    return pacing.after_return(pace, spent=told["spent"], value=told["value"], target_roas=asked["target"])


def _rates(items: Sequence[Mapping[str, Any]], *, now: datetime) -> np.ndarray:
    """Probabilities as they were told, or by the model, of people."""
    people = {
        place: journey_credit.find_person(**one["person"])
        for place, one in enumerate(items)
        if "conversion_probability" not in one
    }
    found = conversion_probability.predict(list(people.values()), now=now) if people else []
    known = {one.person_public_id: one.probability for one in found}
    silent = [items[place]["key"] for place, person in people.items() if person.public_id not in known]
    if silent:
        words = (
            f"{silent[0]!r} has no open journey, so nothing is known of its conversion. Tell a probability."
        )
        raise Invalid({"items": [words]})
    return np.array(
        [
            known[people[place].public_id] if place in people else one["conversion_probability"]
            for place, one in enumerate(items)
        ]
    )


def _base(asked: Mapping[str, Any], rates: np.ndarray, values: np.ndarray) -> np.ndarray:
    if asked["goal"] == Goal.TARGET_CPA:
        return bids.for_target_cpa(rates, asked["target"])
    if asked["goal"] == Goal.TARGET_ROAS:
        return bids.for_target_roas(rates, values, asked["target"])
    return bids.for_profit(rates, values, asked["margin"])
