"""The overview's answer in words: its first line, its one callout, its facts. The same on Today and on the page."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.accounts.figures import count, interval, money, number, percent, times
from apps.attribution.maths.models import NONE
from apps.attribution.reports import ChannelRow, Overview

# From which share of the revenue without a known touchpoint the gap is worth a word.
MUCH_UNKNOWN = 0.25
# From how many points between the lowest and the highest model a channel counts as unsettled.
MUCH_DISAGREEMENT = 0.15


@dataclass(frozen=True)
class Line:
    """A sentence with the figure that it is about set apart."""

    before: str
    figure: str
    after: str

    @property
    def text(self) -> str:
        return f"{self.before} {self.figure} {self.after}"


@dataclass(frozen=True, kw_only=True)
class Callout:
    """What to do about it. about: the channel that it speaks of; what: loss, unknown or unsettled."""

    what: str
    text: str
    about: str = ""


def first_line(found: Overview, *, period: str, goal: str = "") -> Line:
    """Who earned most, how much of it, and between which shares the models put it. Needs a leader."""
    leader = found.leader
    if leader is None:
        raise ValueError("an overview without rows has no first line")
    whole = _whole(found, goal)
    if leader.key == NONE:
        return Line("No touchpoint is known for", percent(leader.share, 0), f"of {whole} in {period}.")
    return Line(f"{leader.label} earned", percent(leader.share, 0), f"of {whole}, {_range(leader)}.")


def agreement(found: Overview) -> str:
    """Whether the models agree on the order, and where they differ most."""
    order = "The models agree on the order" if found.models_agree_on_order else "The models disagree on the order"
    row = found.disagreement
    if row is None or _width(row) < 0.005:
        return f"{order} and on the shares."
    link = "; they disagree most" if found.models_agree_on_order else ", most"
    return f"{order}{link} about {row.label} ({interval(row.low * 100, row.high * 100, 0)} %)."


def callout(found: Overview) -> Callout | None:
    """The one thing that most wants attention: a loss, an unknown, or a doubt. None where all is well."""
    return _loss(found) or _unknown(found) or _unsettled(found)


def facts(found: Overview) -> list[dict[str, Any]]:
    """Label, value and note of each of the four facts."""
    totals, currency = found.totals, found.currency
    roas = float(totals.revenue / totals.cost) if totals.cost else None
    spent = f"on {money(totals.cost, currency)} of spend" if totals.cost else "no spend is known"
    return [
        _fact("Attributed revenue", money(totals.revenue, currency), _change(found, "revenue")),
        _fact(
            "Conversions",
            number(totals.conversions),
            f"from {count(totals.journeys, 'journey')}",
        ),
        _fact("Return on spend", times(roas), spent),
        _fact(
            "Touches to convert",
            number(found.touches.mean, 1),
            f"median {_days(found.days.median)}",
        ),
    ]


def _whole(found: Overview, goal: str) -> str:
    if not found.totals.revenue:
        return count(found.totals.conversions, goal or "conversion")
    return money(found.totals.revenue, found.currency) + (f" from {goal}s" if goal else "")


def _range(row: ChannelRow) -> str:
    low, high = percent(row.low, 0), percent(row.high, 0)
    if low == high:
        return "under every model"
    return f"somewhere between {number(row.low * 100)} and {high} depending on the model"


def _loss(found: Overview) -> Callout | None:
    """The channel whose return is furthest below its spend."""
    losing = [row for row in found.rows if row.cost and row.revenue < row.cost]
    if not losing:
        return None
    row = max(losing, key=lambda one: (one.cost or Decimal(0)) - one.revenue)
    cost = row.cost or Decimal(1)
    pound = money(1, found.currency)
    returned = money(row.revenue / cost, found.currency, exact=True)
    best = money(max(row.revenue_by_model.values()) / cost, found.currency, exact=True)
    is_sure = max(row.revenue_by_model.values()) < cost
    doubt = f"no model says more than {best}" if is_sure else f"the kindest model says {best}"
    text = f"{row.label} returns {returned} for each {pound} spent; {doubt}."
    return Callout(what="loss", text=text, about=row.key)


def _unknown(found: Overview) -> Callout | None:
    row = next((one for one in found.rows if one.key == NONE), None)
    if row is None or row.share < MUCH_UNKNOWN:
        return None
    text = (
        f"No touchpoint is known for {percent(row.share, 0)} of the revenue. Those who bought were not seen before: "
        "track visits as well, and tie them to people when they sign in."
    )
    return Callout(what="unknown", text=text, about=row.key)


def _unsettled(found: Overview) -> Callout | None:
    row = found.disagreement
    if row is None or _width(row) < MUCH_DISAGREEMENT:
        return None
    text = (
        f"The models do not settle what {row.label} is worth: {interval(row.low * 100, row.high * 100, 0)} %. "
        "Do not move its budget on one of them."
    )
    return Callout(what="unsettled", text=text, about=row.key)


def _change(found: Overview, name: str) -> str:
    before = found.previous
    change = None if before is None else getattr(before, f"{name}_change")
    if change is None:
        return "nothing to compare with"
    return f"{'+' if change >= 0 else ''}{percent(change, 0)} on the period before"


def _days(days: float | None) -> str:
    if days is None:
        return "not known"
    return "under a day" if days < 1 else count(round(days), "day")


def _width(row: ChannelRow) -> float:
    return row.high - row.low


def _fact(label: str, value: str, note: str) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note}
