"""The plan as a page shows it: the answer, each campaign before and after, and the frontier."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.accounts.figures import minor_digits
from apps.attribution import exchange
from apps.attribution.exchange import Purse
from apps.attribution.maths.apportion import MOST_MINOR, round_to_total
from apps.campaigns import wording
from apps.campaigns.maths.plan_doubt import Extra, extra
from apps.campaigns.models import PlanLine, Policy, Run
from apps.campaigns.optimization import budgets, runs, what_if
from apps.campaigns.optimization.what_if import Curved, Point
from apps.campaigns.wording import Line
from apps.integrations import services
from apps.integrations.models import AdCampaign, AdDay, Connection
from apps.integrations.services import Family

# More campaigns than a person reads; those that move most are shown.
MOST_ROWS = 50
# Below this share of the money nothing worth telling moves.
LEAST_MOVED = 0.005
# What the ends of an open question are called.
FARTHEST = {"minimum": "least of a question", "maximum": "most of a question"}
# By so much exchange rates may change an amount between a run and now.
RATES_MOVE = 0.02


@dataclass(frozen=True, kw_only=True)
class Row:
    """A campaign in a plan. Money is the workspace's, a day. extra: revenue beyond today's, with its 95 %
    interval. now_width, planned_width: of bars, in percent of the widest. is_same: but for less than a coin.
    """

    line: PlanLine
    now: float
    planned: float
    extra: float
    extra_low: float
    extra_high: float
    marginal_return: float
    binds: str
    now_width: float
    planned_width: float
    is_same: bool

    @property
    def change(self) -> float:
        return self.planned - self.now

    @property
    def is_more(self) -> bool:
        return self.change > 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Budgets of the campaigns that may move. gain: of profit a day, with its 95 % interval. moved: money
    that rises or falls, whichever is more.
    """

    rows: Sequence[Row]
    more: int
    total_now: float
    total: float
    revenue_now: float
    revenue: float
    extra: Extra
    gain: float
    gain_low: float
    gain_high: float
    marginal_return: float
    gap: float
    moved: float
    risers: Sequence[str]
    fallers: Sequence[str]

    @property
    def moves_nothing(self) -> bool:
        return self.moved < LEAST_MOVED * max(self.total_now, 0.01) and self.keeps_the_total

    @property
    def keeps_the_total(self) -> bool:
        return abs(self.total - self.total_now) < LEAST_MOVED * max(self.total_now, 0.01)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Why there is no plan yet: which of the things that it needs are there."""

    has_account: bool
    days: int
    days_needed: int


def of_run(run: Run, found: Curved) -> Plan | None:
    """The plan that the run wrote down; None where it made none."""
    lines = [one for one in found.lines if one.budget_planned is not None]
    if run.gain is None or not lines:
        return None
    return _plan(
        lines,
        np.array([one.budget_planned for one in lines]),
        currency=run.currency,
        marginal_returns=[one.marginal_return or 0.0 for one in lines],
        binds=[one.binds for one in lines],
        revenue=run.revenue_planned or 0.0,
        gain=(run.gain, run.gain_low or 0.0, run.gain_high or 0.0),
        marginal_return=run.marginal_return or 0.0,
        gap=run.gap or 0.0,
    )


def for_total(policy: Policy, found: Curved, total: float, *, currency: str) -> Plan:
    """The best plan for another total, whatever it takes to get there. Raises ValueError."""
    answer = what_if.plan_for(found, total)
    brings = _extra(found.lines, answer.budgets)
    margin, cost = float(policy.margin), total - found.total
    return _plan(
        found.lines,
        answer.budgets,
        currency=currency,
        marginal_returns=[float(one) for one in answer.marginal_returns],
        binds=[FARTHEST.get(one, one) for one in answer.binds],
        revenue=answer.revenue,
        gain=tuple(margin * one - cost for one in (brings.total, brings.low, brings.high)),
        marginal_return=answer.marginal_return,
        gap=answer.gap,
    )


def line_of(plan: Plan, currency: str) -> Line:
    """The answer in a sentence."""
    if not plan.keeps_the_total:
        return _line_of_another_total(plan, currency)
    if plan.moves_nothing or plan.gain <= 0:
        return Line("The money already lies", "where it earns most", "as far as the figures can tell.")
    doubt = "" if plan.gain_low > 0 else "Perhaps"
    figure = f"{wording.amount(plan.gain, currency)} a day"
    return Line(doubt, figure, f"more from the same money: {_move(plan, currency)}.")


def _line_of_another_total(plan: Plan, currency: str) -> Line:
    then, now = wording.amounts((plan.total, plan.total_now), currency)
    figure = f"{wording.amount(abs(plan.gain), currency)} a day"
    if plan.gain > 0:
        doubt = "" if plan.gain_low > 0 else "Perhaps"
        return Line(doubt, figure, f"more profit from spending {then} a day instead of {now}.")
    costs = "costs" if plan.gain_high < 0 else "perhaps costs"
    return Line(
        f"Spending {then} a day instead of {now} {costs}",
        figure,
        "of profit. The total was set under Limits.",
    )


def stale_words(found: Curved) -> str:
    """Whose budgets are not those any more that the plan began with; empty where all are."""
    purse = exchange.purse()
    moved = [one.campaign.name for one in found.lines if _is_moved(one, purse)]
    if not moved:
        return ""
    has = "has" if len(moved) == 1 else "have"
    return (
        f"{wording.names(moved)} {has} been changed or paused since this plan was made. It is of before that."
    )


def _is_moved(line: PlanLine, purse: Purse) -> bool:
    """Rates of currencies move too; what they move alone is no change."""
    is_active = line.campaign.status == AdCampaign.Status.ACTIVE
    now = budgets.budget_at_home(line.campaign, purse)
    return not is_active or now is None or abs(now / (line.budget_now or now) - 1) > RATES_MOVE


def trial_line(plan: Plan, currency: str) -> Line:
    """What another total would come to, in a sentence."""
    brought = plan.revenue - plan.revenue_now
    verb = "more" if brought >= 0 else "less"
    doubt = "perhaps " if plan.extra.low <= 0 <= plan.extra.high else ""
    return Line(
        f"{wording.amount(plan.total, currency)} a day at its best would {doubt}bring",
        f"{wording.amount(abs(brought), currency)} a day {verb}",
        "of revenue than today.",
    )


def profit_words(plan: Plan, currency: str) -> str:
    """What it comes to once the money is taken off."""
    verb = "adds" if plan.gain >= 0 else "costs"
    return f"It {verb} {wording.amount(abs(plan.gain), currency)} of profit a day"


def left_out(run: Run) -> list[PlanLine]:
    """Campaigns that the plan leaves as they are, with why."""
    rows = PlanLine.objects.filter(run=run).exclude(silent_because="").select_related("campaign__connection")
    return list(rows.order_by("campaign__name", "pk")[:MOST_ROWS])


def unusual(run: Run) -> list[PlanLine]:
    """Campaigns whose last days are not like their others."""
    rows = PlanLine.objects.filter(run=run).exclude(anomaly="").select_related("campaign__connection")
    return list(rows.order_by("campaign__name", "pk")[:MOST_ROWS])


def missing() -> Missing:
    keys = [one.key for one in services.of_family(Family.ADS)]
    return Missing(
        has_account=Connection.objects.filter(service__in=keys, state=Connection.State.CONNECTED).exists(),
        days=len(AdDay.objects.order_by().values_list("on", flat=True).distinct()[: runs.LEAST_DAYS]),
        days_needed=runs.LEAST_DAYS,
    )


def frontier(found: Curved) -> list[Point]:
    return what_if.frontier_of(found)


def _plan(
    lines: Sequence[PlanLine],
    exact: np.ndarray,
    *,
    currency: str,
    marginal_returns: Sequence[float],
    binds: Sequence[str],
    revenue: float,
    gain: tuple[float, ...],
    marginal_return: float,
    gap: float,
) -> Plan:
    now = np.array([one.budget_now for one in lines], dtype=np.float64)
    brings, planned = _extra(lines, exact), _in_coins(exact, currency)
    most = max(float(now.max(initial=0)), float(planned.max(initial=0)), 0.01)
    steps = planned - now
    rows = [
        Row(
            line=line,
            now=float(now[place]),
            planned=float(planned[place]),
            extra=float(brings.each[place]),
            extra_low=float(brings.lows[place]),
            extra_high=float(brings.highs[place]),
            marginal_return=marginal_returns[place],
            binds=wording.binds(binds[place]),
            now_width=round(100 * float(now[place]) / most, 2),
            planned_width=round(100 * float(planned[place]) / most, 2),
            is_same=bool(abs(steps[place]) < 0.5 / 10 ** minor_digits(currency)),
        )
        for place, line in enumerate(lines)
    ]
    rows.sort(key=lambda row: (-abs(row.change), row.line.pk))
    return Plan(
        rows=rows[:MOST_ROWS],
        more=max(0, len(rows) - MOST_ROWS),
        total_now=float(now.sum()),
        total=float(planned.sum()),
        revenue_now=_revenue_now(lines),
        revenue=revenue,
        extra=brings,
        gain=gain[0],
        gain_low=gain[1],
        gain_high=gain[2],
        marginal_return=marginal_return,
        gap=gap,
        moved=float(max(steps[steps > 0].sum(), -steps[steps < 0].sum())),
        risers=[row.line.campaign.name for row in rows if row.is_more and not row.is_same],
        fallers=[row.line.campaign.name for row in rows if not row.is_more and not row.is_same],
    )


def _in_coins(amounts: np.ndarray, currency: str) -> np.ndarray:
    """Each in whole coins, and so that they add up to their sum in whole coins."""
    scale = 10 ** minor_digits(currency)
    total = round(float(amounts.sum()) * scale)
    if total > MOST_MINOR:
        return amounts
    whole = round_to_total(amounts * scale, np.array([total]), np.array([0, len(amounts)]))
    return np.asarray(whole / scale, dtype=np.float64)


def _revenue_now(lines: Sequence[PlanLine]) -> float:
    return sum(_revenue_of(one) for one in lines)


def _revenue_of(line: PlanLine) -> float:
    if line.revenue_now is not None:
        return line.revenue_now
    return (line.scale or 0.0) * (line.budget_now or 0.0) ** (line.exponent or 1.0)


def _extra(lines: Sequence[PlanLine], budgets: np.ndarray) -> Extra:
    now = np.array([one.budget_now for one in lines], dtype=np.float64)
    return extra(
        [_revenue_of(one) for one in lines],
        budgets / now,
        [one.exponent or 1.0 for one in lines],
        [one.exponent_error or 0.0 for one in lines],
    )


def _move(plan: Plan, currency: str) -> str:
    what = f"move {wording.amount(plan.moved, currency)}"
    if not (plan.fallers and plan.risers):
        return what
    return f"{what} from {wording.names(plan.fallers)} to {wording.names(plan.risers)}"
