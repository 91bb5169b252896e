"""A test of budgets by lot, as its page shows it: who gets what in which block, and what it showed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from apps.accounts.figures import SPACE, interval, number, percent
from apps.campaigns.models import BudgetTest, BudgetTestArm, Recommendation

Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Block:
    """Days of a test, from the first to the last."""

    first_day: date
    last_day: date
    is_now: bool


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A campaign in a test. steps: what is added to its budget in each block; showed: of it alone."""

    campaign: str
    base: str
    currency: str
    steps: Sequence[str]
    showed: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    test: BudgetTest
    blocks: Sequence[Block]
    arms: Sequence[Arm]

    @property
    def last_day(self) -> date:
        return self.blocks[-1].last_day

    @property
    def showed(self) -> str:
        """How revenue follows spend, of all campaigns together; empty before the end."""
        if self.test.exponent is None:
            return ""
        ends = interval(self.test.exponent_low, self.test.exponent_high, 2)
        return f"{number(self.test.exponent, 2)} ({ends})"

    @property
    def can_be_stopped(self) -> bool:
        return bool(self.test.state == BudgetTest.State.RUNNING)


def of(found: Recommendation, *, today: date) -> Shown | None:
    """The test of a recommendation; None while it has not begun."""
    test = BudgetTest.objects.filter(recommendation=found).first()
    if test is None:
        return None
    arms = BudgetTestArm.objects.filter(test=test).select_related("campaign").order_by("campaign__name", "pk")
    return Shown(test=test, blocks=_blocks(test, today), arms=[_arm(one) for one in arms])


def _blocks(test: BudgetTest, today: date) -> list[Block]:
    found = []
    for place in range(test.blocks):
        first = test.starts_on + timedelta(days=place * test.block_days)
        last = first + timedelta(days=test.block_days - 1)
        is_now = test.state == BudgetTest.State.RUNNING and first <= today <= last
        found.append(Block(first_day=first, last_day=last, is_now=is_now))
    return found


def _arm(one: BudgetTestArm) -> Arm:
    showed = ""
    if one.slope is not None and one.slope_error is not None:
        half = Z95 * one.slope_error
        showed = f"{number(one.slope, 2)} ({interval(one.slope - half, one.slope + half, 2)})"
    return Arm(
        campaign=one.campaign.name,
        base=f"{one.base:,.2f}{SPACE}{one.campaign.currency}",
        currency=one.campaign.currency,
        steps=[_step(factor - 1) for factor in one.factors],
        showed=showed,
    )


def _step(share: float) -> str:
    text = percent(share, 0)
    return f"+{text}" if share > 0 else text
