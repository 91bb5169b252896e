"""Where the next pound goes: the best plan for the money there is, and the changes that lead to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from apps.accounts.figures import money
from apps.attribution import exchange
from apps.campaigns.maths.allocation.problem import Answer, Group, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate
from apps.campaigns.maths.response.confidence import Payoff, pays
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.models import BudgetTest, Kind, Policy, SpendCap
from apps.campaigns.optimization import ledger
from apps.campaigns.optimization.figures import Figures, Floats
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.rounding import whole
from apps.integrations.models import AdCampaign

DRAWS = 1_000
# A change smaller than this share of a budget is not worth a platform's learning anew.
LEAST_CHANGE = 0.03
# A campaign that spends less of its budget than this is not held back by it.
LEAST_DELIVERY = 0.85
# Below this probability nothing is proposed at all.
LEAST_CONFIDENCE = 0.6


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The best budgets of those campaigns that may move. places: their rows in the figures.

    now, planned: (n,) home money a day. price: what a pound is worth elsewhere, in profit. gains: profit a
    day of the whole plan, one a posterior draw.
    """

    places: Sequence[int]
    now: Floats
    planned: Floats
    answer: Answer
    revenue_now: float
    price: float
    gains: Floats
    payoff: Payoff | None


def budget_at_home(campaign: AdCampaign) -> float | None:
    """A day's budget in the workspace's currency; None where the campaign has no daily budget of its own."""
    if campaign.budget_kind != AdCampaign.BudgetKind.DAILY or not campaign.budget:
        return None
    amount = ledger.home_amount(exchange.purse(), campaign.budget, campaign.currency)
    return None if amount is None else float(amount)


def held_because(figures: Figures, curves: Curves) -> list[str]:
    """Why each campaign's budget stays as it is, in words; empty where it may move."""
    testing = set(BudgetTest.objects.filter(state="running").values_list("campaign_id", flat=True))
    return [_held(one, curves, row, testing) for row, one in enumerate(figures.campaigns)]


def _held(campaign: AdCampaign, curves: Curves, row: int, testing: set[int]) -> str:
    budget = budget_at_home(campaign)
    if campaign.status != AdCampaign.Status.ACTIVE:
        return "It is paused."
    if budget is None:
        return "It has no daily budget of its own."
    if campaign.pk in testing:
        return "Its budget is being tested."
    if not curves.has_level[row]:
        return f"Not enough data: {curves.reasons[row] or 'it has no revenue yet'}."
    if curves.reference[row] < LEAST_DELIVERY * budget:
        share = curves.reference[row] / budget
        return f"It spends {share:.0%} of its budget only, so another budget would change nothing."
    return ""


def plan(policy: Policy, figures: Figures, curves: Curves, held: Sequence[str], *, seed: int) -> Plan | None:
    """The best plan for the total, within largest change and caps; None where fewer than two may move."""
    places = [row for row, why in enumerate(held) if not why]
    if len(places) < 2:
        return None
    campaigns = [figures.campaigns[row] for row in places]
    now = np.array([budget_at_home(one) or 0.0 for one in campaigns])
    fixed = sum(budget_at_home(figures.campaigns[row]) or 0.0 for row, why in enumerate(held) if why)
    a, k = curves.a[places], curves.k[places]
    answer = allocate(
        Problem(
            curves=PowerCurves(a, k),
            names=[one.name for one in campaigns],
            total=_total(policy, now, fixed),
            current=now,
            max_change=policy.largest_change_percent / 100,
            upper=_upper(campaigns, now),
            groups=_groups(campaigns, now),
        )
    )
    planned = now if answer.infeasible else answer.budgets
    price = 1.0 if answer.infeasible else float(policy.margin) * answer.marginal_return
    draws_a, draws_k = (drawn[:, places] for drawn in curves.draws(np.random.default_rng(seed), DRAWS))
    earned = (draws_a * (planned**draws_k - now**draws_k)).sum(axis=1)
    gains = float(policy.margin) * earned - (planned.sum() - now.sum())
    return Plan(
        places=places,
        now=now,
        planned=planned,
        answer=answer,
        revenue_now=float((a * now**k).sum()),
        price=price,
        gains=gains,
        payoff=_payoff(figures, curves, places, now, planned, policy, price),
    )


def _total(policy: Policy, now: Floats, fixed: float) -> float:
    """What those that may move share: what they get now, or what is left of the total that was set."""
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


def _groups(campaigns: Sequence[AdCampaign], now: Floats) -> list[Group]:
    """Caps of accounts."""
    caps = SpendCap.objects.filter(
        measure=SpendCap.Measure.DAILY_BUDGET, connection__isnull=False, campaign__isnull=True
    ).select_related("connection")
    found = []
    for cap in caps:
        members = [place for place, one in enumerate(campaigns) if one.connection_id == cap.connection_id]
        if members and cap.connection is not None:
            most = max(float(cap.amount), float(now[members].sum()))
            found.append(Group(name=str(cap.connection.label), members=members, cap=most))
    return found


def _payoff(
    figures: Figures,
    curves: Curves,
    places: Sequence[int],
    now: Floats,
    planned: Floats,
    policy: Policy,
    price: float,
) -> Payoff | None:
    """Of each move by itself, with money at the price that it has elsewhere in the plan."""
    if not price > 0:
        return None
    factor = np.ones(len(figures.campaigns))
    spend = curves.reference.copy()
    factor[places], spend[places] = planned / now, now
    return pays(curves, factor, margin=float(policy.margin) / price, spend=spend)


def propose(policy: Policy, figures: Figures, curves: Curves, found: Plan) -> list[Proposal]:
    """The changes of the plan that pay with some certainty, surest first."""
    if found.payoff is None or found.answer.infeasible:
        return []
    made = []
    for place, row in enumerate(found.places):
        share = found.planned[place] / found.now[place] - 1
        confidence = float(found.payoff.probability[row])
        if abs(share) >= LEAST_CHANGE and confidence >= LEAST_CONFIDENCE:
            made.append(_proposal(policy, figures, curves, found, place, confidence))
    return sorted(made, key=lambda one: -one.confidence)


def _proposal(
    policy: Policy, figures: Figures, curves: Curves, found: Plan, place: int, confidence: float
) -> Proposal:
    row = found.places[place]
    campaign, payoff = figures.campaigns[row], found.payoff
    if payoff is None or campaign.budget is None:
        raise ValueError("a campaign of a plan has a budget, and the plan a payoff")
    before = campaign.budget.normalize()
    wanted = campaign.budget * Decimal(repr(float(found.planned[place] / found.now[place])))
    after = whole(wanted, towards=campaign.budget, currency=campaign.currency)
    rise = (after - campaign.budget) * Decimal(str(round(found.now[place], 2))) / campaign.budget
    verb = "Raise" if after > campaign.budget else "Lower"
    home = exchange.purse().home
    bound = found.answer.binds[place]
    return Proposal(
        kind=Kind.BUDGET,
        campaign=campaign,
        title=f"{verb} the daily budget of {campaign.name} from {_shown(campaign, campaign.budget)} to "
        f"{_shown(campaign, after)}",
        before=format(before, "f"),
        after=format(after.normalize(), "f"),
        amount=rise.quantize(Decimal("0.01")),
        gain=found.price * float(payoff.gain[row]),
        gain_low=found.price * float(payoff.low[row]),
        gain_high=found.price * float(payoff.high[row]),
        confidence=confidence,
        reasons=_reasons(figures, curves, found, place, home=home, bound=bound),
        doubts=_doubts(curves, row),
        evidence={
            "scale": float(curves.a[row]),
            "exponent": float(curves.k[row]),
            "exponent_error": float(curves.k_error[row]),
            "days": int(curves.days[row]),
            "spend_now": float(curves.reference[row]),
            "budget_now": float(found.now[place]),
            "budget_planned": float(found.planned[place]),
            "marginal_return": float(_marginal(curves, row, found.now[place])),
            "price_of_money": found.price,
            "margin": float(policy.margin),
            "binds": bound,
            "from": figures.first_day.isoformat(),
            "until": figures.last_day.isoformat(),
        },
    )


def _marginal(curves: Curves, row: int, spend: float) -> float:
    """What one more unit of spend brings, in revenue."""
    return float(curves.a[row] * curves.k[row] * spend ** (curves.k[row] - 1))


def _reasons(
    figures: Figures, curves: Curves, found: Plan, place: int, *, home: str, bound: str
) -> list[str]:
    row = found.places[place]
    next_pound = _marginal(curves, row, float(found.now[place]))
    average = float(curves.outcome(curves.reference)[row] / curves.reference[row])
    said = [
        f"The next {money(1, home)} a day brings {money(next_pound, home, exact=True)} of revenue here; "
        f"where the plan puts it, {money(found.answer.marginal_return, home, exact=True)}.",
        f"It earns {money(average, home, exact=True)} for each {money(1, home)} on average, and less with "
        f"each one more: revenue grows with spend to the power {curves.k[row]:.2f} "
        f"(± {1.96 * curves.k_error[row]:.2f}).",
        f"Learnt from {int(curves.days[row])} days of this campaign and {len(figures.campaigns)} campaigns "
        f"together, until {figures.last_day:%-d %B %Y}.",
    ]
    if bound != "nothing":
        said.append(f"What holds it there: {bound}.")
    return said


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


def _shown(campaign: AdCampaign, amount: Decimal) -> str:
    return money(amount, campaign.currency, exact=True)
