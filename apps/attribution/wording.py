"""The overview's answer in words: its first line, its one callout, its facts."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.accounts.figures import count, interval, money, number, percent, times
from apps.attribution.maths.assembly import MOST_CONVERSIONS, MOST_TOUCHES
from apps.attribution.maths.intervals import LEAST_CONVERSIONS
from apps.attribution.maths.models import AUTO, RATES
from apps.attribution.reports import ChannelRow, Overview
from apps.attribution.results import Totals

# From which share of the revenue without a known touchpoint the gap is worth a word.
MUCH_UNKNOWN = 0.25
# Below this, amounts are told to the penny.
SMALL = 100
# Fewer conversions than this say little about any channel.
FEW = 30
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
    """What to do about it. about: the channel that it speaks of; what: few, loss, unknown or unsettled."""

    what: str
    text: str
    about: str = ""


def first_line(found: Overview, *, period: str, goal: str = "") -> Line:
    """Who earned most, how much of it, and between which shares the models put it. The overview is ready."""
    most, leader, whole = found.rows[0], found.leader, _whole(found, goal)
    if most.is_none or leader is None:
        rest = f" Of the rest, {leader.label} earned most ({percent(leader.share, 0)})." if leader else ""
        return Line("No touchpoint is known for", percent(most.share, 0), f"of {whole} in {period}.{rest}")
    return Line(f"{leader.label} earned", percent(leader.share, 0), f"of {whole}, {_range(leader)}.")


def comparison(found: Overview) -> Line:
    """Which channel leads under how many models. The overview is ready."""
    leads = Counter(max(found.rows, key=lambda row: row.by_model[model.name]).label for model in found.models)
    (label, times_first), *others = leads.most_common()
    if not others:
        return Line(f"{label} leads under", f"every one of {len(found.models)} models", "there are.")
    rest = ", ".join(f"{other} under {n}" for other, n in others)
    return Line(f"{label} leads under", f"{times_first} of {len(found.models)} models", f"and {rest}.")


def size(found: Overview) -> str:
    """From how much the answer comes. The overview is ready."""
    totals = _totals(found)
    return f"{count(totals.journeys, 'journey')} and {count(totals.conversions, 'conversion')}"


def agreement(found: Overview) -> str:
    """Whether the models agree on the order, and where they differ most."""
    order = (
        "The models agree on the order" if found.models_agree_on_order else "The models disagree on the order"
    )
    row = found.disagreement
    if row is None or _width(row) < 0.005:
        return f"{order} and on the shares."
    link = "; they disagree most" if found.models_agree_on_order else ", most"
    return f"{order}{link} about {row.label} ({interval(row.low * 100, row.high * 100, 0)} %)."


def sureness(found: Overview, *, day: str) -> str:
    """What chance alone leaves open about the leader, from how much, as of when. The overview is ready."""
    conversions, leader = _totals(found).conversions, found.leader
    basis = f"{count(conversions, 'conversion')} as of {day}"
    if leader is None or leader.surely is None:
        return f"Not enough data yet to say how sure that is: {basis}, and it takes {LEAST_CONVERSIONS}."
    low, high = leader.surely.share
    return (
        f"Under {found.model.label}, chance alone leaves {leader.label} between {number(low * 100)} and "
        f"{percent(high, 0)} (95 %, {basis})."
    )


def beyond_chance(found: Overview) -> str:
    """Whether the largest disagreement is more than chance could make."""
    row = found.disagreement
    if row is None or not row.surely_by_model or _width(row) < 0.005:
        return ""
    least = min(row.surely_by_model, key=lambda name: row.by_model[name])
    most = max(row.surely_by_model, key=lambda name: row.by_model[name])
    names = {model.name: model.label for model in found.models}
    told = (
        f"{row.label} gets {percent(row.by_model[least], 0)} under {names[least]} and "
        f"{percent(row.by_model[most], 0)} under {names[most]}"
    )
    if _apart(row, least, most):
        return f"{told}: that is more than chance, the models see different things in the same journeys."
    return f"{told}: with this little data that may be chance."


def chosen_by_itself(found: Overview) -> list[str]:
    """What models decided by themselves, and what was cut, said openly."""
    decided = [*_order_chosen(found.notes.get(AUTO, {})), *_floored(found), *_sampled(found)]
    return [*decided, *([crowd(found.crowded)] if found.crowded else [])]


def crowd(ids: int) -> str:
    """Who does more than a person; see maths.assembly."""
    return (
        f"{count(ids, 'id')} did more within 30 days than a person does (a robot, a till, an id that many "
        f"share): such a journey is cut at its last {MOST_TOUCHES} touches, and conversions beyond "
        f"{MOST_CONVERSIONS} have no known touchpoint. No revenue is left out."
    )


def callout(found: Overview) -> Callout | None:
    """The one thing that most wants attention: too little data, a loss, an unknown, a doubt; or None."""
    return _few(found) or _loss(found) or _unknown(found) or _unsettled(found)


def facts(found: Overview) -> list[dict[str, Any]]:
    """Label, value and note of each of the four facts. The overview is ready."""
    totals, currency = _totals(found), found.currency
    spent = f"on {money(totals.cost, currency, exact=totals.cost < SMALL)} of spend"
    mean, median = (found.touches.mean, found.days.median) if found.touches and found.days else (None, None)
    return [
        _fact("Attributed revenue", money(totals.revenue, currency), _change(found)),
        _fact("Conversions", number(totals.conversions), f"from {count(totals.journeys, 'journey')}"),
        _fact("Return on spend", times(found.roas), spent if totals.cost else "no spend is known"),
        _fact("Touches to convert", number(mean, 1), f"median {_days(median)}"),
    ]


def _totals(found: Overview) -> Totals:
    if found.totals is None:
        raise ValueError("an overview that is still being computed has no totals")
    return found.totals


def _whole(found: Overview, goal: str) -> str:
    totals = _totals(found)
    if found.measure != "revenue":
        return count(totals.conversions, goal or "conversion")
    return money(totals.revenue, found.currency) + (f" from {goal}s" if goal else "")


def _range(row: ChannelRow) -> str:
    low, high = percent(row.low, 0), percent(row.high, 0)
    if low == high:
        return "under every model"
    return f"somewhere between {number(row.low * 100)} and {high} depending on the model"


def _few(found: Overview) -> Callout | None:
    conversions = _totals(found).conversions
    if conversions >= FEW:
        return None
    text = (
        f"{count(conversions, 'conversion')} {'is' if conversions == 1 else 'are'} too few to tell channels "
        "apart. The shares say what happened, not what will happen again."
    )
    return Callout(what="few", text=text)


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
    row = next((one for one in found.rows if one.is_none), None)
    if row is None or row.share < MUCH_UNKNOWN:
        return None
    text = (
        f"No touchpoint is known for {percent(row.share, 0)} of the {found.measure}. Those who bought were "
        "not seen before: track visits as well, and tie them to people when they sign in."
    )
    return Callout(what="unknown", text=text, about=row.key)


def _unsettled(found: Overview) -> Callout | None:
    row = found.disagreement
    if row is None or _width(row) < MUCH_DISAGREEMENT:
        return None
    text = (
        f"The models do not settle what {row.label} is worth: "
        f"{interval(row.low * 100, row.high * 100, 0)} %. Do not move its budget on one of them."
    )
    return Callout(what="unsettled", text=text, about=row.key)


def _apart(row: ChannelRow, least: str, most: str) -> bool:
    """Both models are estimated from the same journeys, so their difference is at most this uncertain."""
    below, above = row.surely_by_model[least], row.surely_by_model[most]
    reach = ((below[1] - row.by_model[least]) ** 2 + (row.by_model[most] - above[0]) ** 2) ** 0.5
    return row.by_model[most] - row.by_model[least] > reach


def _order_chosen(notes: dict[str, Any]) -> list[str]:
    if not notes:
        return []
    order, best = notes["order"], notes["best"]
    told = f"The Markov chain chose order {order}"
    if order == best:
        return [f"{told}: it predicts journeys that it has not seen better than the others."]
    behind, error = notes["behind"][order - 1], notes["behind_errors"][order - 1]
    return [
        f"{told}: order {best} predicts unseen journeys better by only {number(behind, 4)} nats a journey, "
        f"within one standard error ({number(error, 4)})."
    ]


def _floored(found: Overview) -> list[str]:
    keys = found.notes.get(RATES, {}).get("floored", [])
    labels = [row.label for row in found.rows if row.key in keys]
    if not labels:
        return []
    named = " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)
    verb = "lowers" if len(labels) == 1 else "lower"
    return [
        f"In the game of rates {named} {verb} the conversion rate or the value of a journey: counted "
        "as nothing there, and the others are scaled to the whole."
    ]


def _sampled(found: Overview) -> list[str]:
    notes = found.notes.get(RATES, {})
    if not notes.get("permutations"):
        return []
    return [
        f"The game of rates has too many channels to be exact: {number(notes['permutations'])} random "
        f"orders, standard error up to {percent(notes['sampling_error'], 2)} of all credit."
    ]


def _change(found: Overview) -> str:
    change = None if found.previous is None else found.previous.revenue_change
    if change is None:
        return "nothing before to compare with"
    return f"{'+' if change >= 0 else ''}{percent(change, 0)} on the period before"


def _days(days: float | None) -> str:
    if days is None:
        return "not known"
    return "under a day" if days < 1 else count(round(days), "day")


def _width(row: ChannelRow) -> float:
    return row.high - row.low


def _fact(label: str, value: str, note: str) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note}
