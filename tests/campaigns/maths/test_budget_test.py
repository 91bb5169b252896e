import numpy as np
import pytest

from apps.campaigns.maths import budget_test
from apps.campaigns.maths.budget_test import Left
from apps.campaigns.maths.simulator.account import Account, history, live
from apps.campaigns.maths.simulator.truth import draw
from apps.campaigns.maths.simulator.worlds import CAMPAIGN_DEMAND
from tests.campaigns.maths.reliability import after_a_test, engine, judge


def run(seed, world=CAMPAIGN_DEMAND, campaigns=15):
    rng = np.random.default_rng(seed)
    truth = draw(campaigns, rng)
    account = Account(truth, world, rng)
    live(account, truth.budgets, 5)
    test = budget_test.design(truth.budgets, rng=rng)
    days = history([account.step(test.budgets[:, day]) for day in range(test.days)])
    return truth, test, days


def test_the_same_seed_draws_the_same_test():
    budgets = [100.0, 50.0, 80.0]
    first, second = (budget_test.design(budgets, rng=np.random.default_rng(1)) for _ in "ab")
    assert (first.budgets == second.budgets).all()
    other = budget_test.design(budgets, rng=np.random.default_rng(2))
    assert (first.budgets != other.budgets).any()


def test_each_campaign_gets_its_budget_over_the_test():
    budgets = np.array([100.0, 50.0, 80.0, 20.0, 10.0])
    test = budget_test.design(budgets, rng=np.random.default_rng(1))
    assert test.days == 32
    assert test.budgets.mean(axis=1) == pytest.approx(budgets)
    assert set(np.round(test.factors, 9).ravel()) == {0.85, 1.15}
    assert (test.budgets.reshape(5, 8, 4) == test.budgets.reshape(5, 8, 4)[:, :, :1]).all()


def test_the_accounts_spend_hardly_moves():
    budgets = np.random.default_rng(1).lognormal(4, 0.7, 40)
    test = budget_test.design(budgets, rng=np.random.default_rng(2))
    assert np.abs(test.budgets.sum(axis=0) / budgets.sum() - 1).max() < 0.02


def test_steps_fit_between_the_limits():
    test = budget_test.design(
        [100.0, 100.0, 100.0, 0.0],
        rng=np.random.default_rng(1),
        lower=[50, 92, 99, 0],
        upper=[200, 200, 200, 10],
    )
    assert test.sizes == pytest.approx([0.15, 0.08, 0, 0])
    assert test.left == (None, None, Left.NO_ROOM, Left.NO_BUDGET)
    assert test.budgets[1].min() == pytest.approx(92)
    assert (test.budgets[2] == 100).all()


def test_slopes_are_free_of_bias_where_history_is_not():
    """Spend follows each campaign's demand: history is off by a third, the draw is not."""
    off, held = [], []
    for seed in range(25):
        truth, test, days = run(seed)
        found = budget_test.read(test, days.spend, days.revenue)
        assert found.enough
        off.append(found.k - truth.k.mean())
        held.append(found.low <= truth.k.mean() <= found.high)
    assert np.mean(off) == pytest.approx(0, abs=0.08)
    assert np.mean(held) >= 0.9


def test_a_test_unlocks_full_confidence():
    """More of the decisions can be claimed with 90 %, and the claims come true."""
    ways = {"before": engine(), "after": after_a_test}
    records = judge(CAMPAIGN_DEMAND, ways, accounts=20, campaigns=25, seed=5)
    assert records["after"].sure.mean() > 1.1 * records["before"].sure.mean()
    assert records["after"].hit_rate >= 0.9
    assert records["after"].calibration_error() <= 0.05


def test_the_draw_is_used_not_what_was_spent():
    _, test, days = run(1)
    found = budget_test.read(test, days.spend, days.revenue)
    assert found.reach == pytest.approx(1, abs=0.2)


def test_a_platform_that_ignores_budgets_is_found_out():
    _, test, days = run(1)
    spend = days.spend / np.repeat(test.factors, 4, axis=1)
    found = budget_test.read(test, spend, days.revenue)
    assert not found.enough
    assert "followed the budgets only" in found.because
    assert np.isinf(found.slopes.error).all()


def test_a_test_cut_short_tells_less():
    _, test, days = run(2)
    whole = budget_test.read(test, days.spend, days.revenue)
    spend, revenue = days.spend.copy(), days.revenue.copy()
    spend[:, 20:] = revenue[:, 20:] = np.nan
    cut = budget_test.read(test, spend, revenue)
    assert cut.enough
    assert cut.high - cut.low > whole.high - whole.low


def test_a_test_of_two_campaigns_says_nothing():
    _, test, days = run(3, campaigns=2)
    found = budget_test.read(test, days.spend, days.revenue)
    assert not found.enough
    assert "it takes 3" in found.because


def test_a_campaign_paused_in_the_test_is_left_out():
    _, test, days = run(4)
    days.spend[2, 3:] = 0
    found = budget_test.read(test, days.spend, days.revenue)
    assert np.isinf(found.slopes.error[2])
    assert np.isfinite(np.delete(found.slopes.error, 2)).all()


@pytest.mark.parametrize(
    ("budgets", "given"),
    [
        ([-1.0], {}),
        ([float("nan")], {}),
        ([1.0], {"size": 0}),
        ([1.0], {"blocks": 5}),
        ([1.0], {"blocks": 2}),
    ],
)
def test_a_test_that_cannot_be_is_refused(budgets, given):
    with pytest.raises(ValueError, match="need"):
        budget_test.design(budgets, rng=np.random.default_rng(1), **given)


def test_figures_of_other_days_are_refused():
    _, test, days = run(5)
    with pytest.raises(ValueError, match="days"):
        budget_test.read(test, days.spend[:, 1:], days.revenue[:, 1:])
    days.spend[0, 0] = -1
    with pytest.raises(ValueError, match=">= 0"):
        budget_test.read(test, days.spend, days.revenue)
