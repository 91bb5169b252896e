"""Where the next pound goes: the best plan for the money there is, and the changes that lead to it."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from apps.accounts.figures import money, percent
from apps.attribution.exchange import Purse
from apps.campaigns.maths import plan as plans
from apps.campaigns.maths.allocation.problem import Group
from apps.campaigns.maths.plan import BudgetPlan
from apps.campaigns.maths.policy import LEAST_CHANGE
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.maths.response.panel import Reason
from apps.campaigns.models import Change, Kind, Policy, SpendCap
from apps.campaigns.optimization import budget_tests, ledger
from apps.campaigns.optimization.figures import Figures, Floats
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.rounding import whole
from apps.campaigns.wording import binds, short
from apps.integrations.models import AdCampaign

MOST_NAMED = 3
# A campaign that spends less of its budget than this is not held back by it.
LEAST_DELIVERY = 0.85
# Below this probability nothing is proposed at all.
LEAST_CONFIDENCE = 0.6
# Less than this of a side's money is not worth a word.
LEAST_PART = 0.02
WHY_SILENT = {
    Reason.NO_SPEND: "it has not spent anything",
    Reason.NO_OUTCOME: "it has no revenue",
    Reason.FEW_DAYS: "too few days of it are known",
    Reason.PAUSED: "it has been paused lately",
    Reason.CONSTANT_SPEND: "it has always spent the same, so nobody can say what more would bring",
    Reason.NOTHING_TO_LEARN_FROM: "its spend and its revenue say nothing of each other",
}


def budget_at_home(campaign: AdCampaign, purse: Purse) -> float | None:
    """A day's budget in the workspace's currency; None where the campaign has no daily budget of its own."""
    if campaign.budget_kind != AdCampaign.BudgetKind.DAILY or not campaign.budget:
        return None
    amount = ledger.home_amount(purse, campaign.budget, campaign.currency)
    return None if amount is None else float(amount)


def held_because(policy: Policy, figures: Figures, curves: Curves, *, today: date) -> list[str]:
    """Why each campaign's budget stays as it is, in words; empty where it may move."""
    testing, resting = budget_tests.in_test(), _resting(policy, today)
    return [
        _held(one, figures.purse, curves, row, testing) or resting.get(one.pk, "")
        for row, one in enumerate(figures.campaigns)
    ]


def _resting(policy: Policy, today: date) -> dict[int, str]:
    """Campaigns that may not be changed yet since they were, by key, in words."""
    pause = timedelta(days=math.ceil(policy.cooldown_hours / 24))
    rows = Change.objects.filter(day__gt=today - pause).exclude(
        state__in=[Change.State.FAILED, Change.State.CANCELLED]
    )
    return {
        one.campaign_id: f"It was changed on {one.day:%-d %B} and rests until {one.day + pause:%-d %B}."
        for one in rows.order_by("day", "pk")
    }


def _held(campaign: AdCampaign, purse: Purse, curves: Curves, row: int, testing: set[int]) -> str:
    budget = budget_at_home(campaign, purse)
    if campaign.status != AdCampaign.Status.ACTIVE:
        return "It is paused."
    if budget is None:
        return "It has no daily budget of its own."
    if campaign.pk in testing:
        return "Its budget is being tested."
    if (reason := curves.reasons[row]) is not None or not curves.has_level[row]:
        return f"Not enough data yet: {WHY_SILENT[reason] if reason else 'it has no revenue'}."
    if curves.reference[row] < LEAST_DELIVERY * budget:
        share = curves.reference[row] / budget
        return f"It spends {share:.0%} of its budget only, so another budget would change nothing."
    return ""


def testable(figures: Figures, curves: Curves, held: Sequence[str]) -> list[int]:
    """Rows of the campaigns whose budgets a test may move: also those of which history tells nothing."""
    silent = {Reason.CONSTANT_SPEND, Reason.NOTHING_TO_LEARN_FROM}
    return [
        row
        for row, one in enumerate(figures.campaigns)
        if one.status == AdCampaign.Status.ACTIVE
        and budget_at_home(one, figures.purse)
        and curves.has_level[row]
        and (not held[row] or curves.reasons[row] in silent)
    ]


def plan(
    policy: Policy, figures: Figures, curves: Curves, held: Sequence[str], *, seed: int
) -> BudgetPlan | None:
    """The best plan within total, largest change and caps; None where fewer than two campaigns may move."""
    places = [row for row, why in enumerate(held) if not why]
    if len(places) < 2:
        return None
    campaigns = [figures.campaigns[row] for row in places]
    now = np.array([budget_at_home(one, figures.purse) or 0.0 for one in campaigns])
    return plans.plan(
        curves,
        places,
        now,
        margin=float(policy.margin),
        max_change=policy.largest_change_percent / 100,
        total=_total(policy, now, fixed_of(figures, held)),
        ceiling=_ceiling(figures, held, now),
        upper=_upper(campaigns, now),
        groups=_groups(figures, held, campaigns, now),
        names=[one.name for one in campaigns],
        rng=np.random.default_rng(seed),
    )


def fixed_of(figures: Figures, held: Sequence[str], *, connection_id: int | None = None) -> float:
    """What campaigns (of an account) that stay as they are may spend a day; a paused one spends nothing."""
    return sum(
        budget_at_home(one, figures.purse) or 0.0
        for one, why in zip(figures.campaigns, held, strict=True)
        if why and one.status == AdCampaign.Status.ACTIVE and connection_id in {None, one.connection_id}
    )


def _ceiling(figures: Figures, held: Sequence[str], now: Floats) -> float:
    """What the cap of all campaigns leaves to those that may move; what is above it already may stay."""
    cap = SpendCap.objects.filter(
        measure=SpendCap.Measure.DAILY_BUDGET, connection__isnull=True, campaign__isnull=True
    ).first()
    return math.inf if cap is None else max(float(cap.amount) - fixed_of(figures, held), float(now.sum()))


def _total(policy: Policy, now: Floats, fixed: float) -> float | None:
    """What those that may move share: what they get now, or what is left of the total that was set; None for
    as much as pays.
    """
    if policy.spends_what_pays:
        return None
    if policy.total_daily_budget is None:
        return float(now.sum())
    return max(0.0, float(policy.total_daily_budget) - fixed)


def _upper(campaigns: Sequence[AdCampaign], now: Floats) -> Floats:
    """A campaign's own cap, where there is one; what is above it already may stay."""
    caps = dict(
        SpendCap.objects.filter(measure=SpendCap.Measure.DAILY_BUDGET, campaign__isnull=False).values_list(
            "campaign_id", "amount"
        )
    )
    bounds = np.array([float(caps.get(one.pk, Decimal("Infinity"))) for one in campaigns])
    return np.maximum(bounds, now)


def _groups(
    figures: Figures, held: Sequence[str], campaigns: Sequence[AdCampaign], now: Floats
) -> list[Group]:
    """Caps of accounts, less what their other campaigns may spend."""
    caps = SpendCap.objects.filter(
        measure=SpendCap.Measure.DAILY_BUDGET, connection__isnull=False, campaign__isnull=True
    ).select_related("connection")
    found = []
    for cap in caps:
        members = [place for place, one in enumerate(campaigns) if one.connection_id == cap.connection_id]
        if members and cap.connection is not None:
            others = fixed_of(figures, held, connection_id=cap.connection_id)
            most = max(float(cap.amount) - others, float(now[members].sum()))
            found.append(Group(name=str(cap.connection.label), members=members, cap=most))
    return found


def propose(
    policy: Policy, figures: Figures, curves: Curves, found: BudgetPlan, factors: Floats
) -> list[Proposal]:
    """The changes of the plan that pay with some certainty, surest first."""
    if found.answer.infeasible:
        return []
    shares = np.abs(found.planned / found.now - 1)
    sure = found.moves.probability
    made = [
        _proposal(policy, figures, curves, found, place, float(factors[found.places[place]]))
        for place in np.flatnonzero((shares >= LEAST_CHANGE) & (sure >= LEAST_CONFIDENCE)).tolist()
    ]
    return sorted(made, key=lambda one: -one.confidence)


def _proposal(
    policy: Policy, figures: Figures, curves: Curves, found: BudgetPlan, place: int, factor: float
) -> Proposal:
    row = found.places[place]
    campaign = figures.campaigns[row]
    if campaign.budget is None:
        raise ValueError("a campaign of a plan has a budget")
    wanted = campaign.budget * Decimal(repr(float(found.planned[place] / found.now[place])))
    after = whole(wanted, towards=campaign.budget, currency=campaign.currency)
    rise = (after - campaign.budget) * Decimal(str(round(found.now[place], 2))) / campaign.budget
    verb = "Raise" if after > campaign.budget else "Lower"
    shown = [money(one, campaign.currency, exact=True) for one in (campaign.budget, after)]
    return Proposal(
        kind=Kind.BUDGET,
        campaign=campaign,
        title=f"{verb} the daily budget of {short(campaign.name)} from {shown[0]} to {shown[1]}",
        before=f"{campaign.budget.normalize():f}",
        after=f"{after.normalize():f}",
        amount=rise.quantize(Decimal("0.01")),
        gain=float(found.moves.gain[place]),
        gain_low=float(found.moves.low[place]),
        gain_high=float(found.moves.high[place]),
        confidence=float(found.moves.probability[place]),
        reasons=_reasons(figures, curves, found, place),
        doubts=_doubts(curves, row),
        evidence={
            "scale": float(curves.a[row]),
            "exponent": float(curves.k[row]),
            "exponent_error": float(curves.k_error[row]),
            "days": int(curves.days[row]),
            "spend_now": float(curves.reference[row]),
            "budget_now": float(found.now[place]),
            "budget_planned": float(found.planned[place]),
            "marginal_return": _marginal(curves, row, float(found.now[place])),
            "price_of_money": float(found.moves.price[place]),
            "margin": float(policy.margin),
            # Of what the platform claims, the part that counts as revenue.
            "revenue_factor": factor,
            "binds": found.answer.binds[place],
            "from": figures.known_from.isoformat(),
            "until": figures.known_until.isoformat(),
        },
    )


def _marginal(curves: Curves, row: int, spend: float) -> float:
    """What one more unit of spend brings, in revenue."""
    return float(curves.a[row] * curves.k[row] * spend ** (curves.k[row] - 1))


def _reasons(figures: Figures, curves: Curves, found: BudgetPlan, place: int) -> list[str]:
    row, home = found.places[place], figures.purse.home
    pound = money(1, home)
    next_pound = _marginal(curves, row, float(found.now[place]))
    average = float(curves.outcome(curves.reference)[row] / curves.reference[row])
    said = [
        f"The next {pound} a day brings {money(next_pound, home, exact=True)} of revenue here. "
        + _other_side(figures, found, place, home),
        f"It earns {money(average, home, exact=True)} for each {pound} on average, and less with each one "
        f"more: revenue grows with spend to the power {curves.k[row]:.2f} "
        f"(± {1.96 * curves.k_error[row]:.2f}).",
        f"Learnt from {int(curves.days[row])} days of this campaign and {len(figures.campaigns)} campaigns "
        f"together, until {figures.known_until:%-d %B %Y}.",
    ]
    if bound := binds(found.answer.binds[place]):
        said.append(bound)
    return said


def _other_side(figures: Figures, found: BudgetPlan, place: int, home: str) -> str:
    """Where the money of a move comes from, or goes to; and what of it is new, or saved."""
    steps = found.planned - found.now
    rises = bool(steps[place] > 0)
    others = np.flatnonzero(steps < 0 if rises else steps > 0)
    mine, theirs = abs(steps[(steps > 0) == rises].sum()), abs(steps[others].sum())
    price = money(found.moves.price[place], home, exact=True)
    way, new = ("comes from", "new") if rises else ("goes to", "saved")
    if theirs < LEAST_PART * mine:
        return f"Its money is {new}, and counts as itself."
    named, pound = _named(figures, found, others), money(1, home)
    if theirs > (1 - LEAST_PART) * mine:
        return f"It {way} {named}, where {pound} brings {price} of profit."
    return (
        f"{percent(theirs / mine, 0)} of the money {way} {named}; the rest is {new}, and counts as itself. "
        f"{pound} of both together brings {price} of profit."
    )


def _named(figures: Figures, found: BudgetPlan, places: np.ndarray) -> str:
    """Those that move most, and how many others."""
    steps = np.abs(found.planned - found.now)
    largest = places[np.argsort(-steps[places])][:MOST_NAMED].tolist()
    names = ", ".join(short(figures.campaigns[found.places[one]].name) for one in largest)
    return f"{names} and {places.size - MOST_NAMED} more" if places.size > MOST_NAMED else names


def _doubts(curves: Curves, row: int) -> list[str]:
    said = [
        "Days with more demand may also be days with more spend; history alone cannot tell the two apart. "
        "The confidence allows for that; a budget test would settle it.",
    ]
    if curves.raw_k_error[row] > curves.k_error[row]:
        said.append(
            "Its own history says little, so it borrows from the other campaigns of the account. It is wrong "
            "where this campaign is unlike them."
        )
    if curves.is_fallback:
        said.append("There was nothing to learn from: the power of 0.8 is a rule of thumb.")
    return said
