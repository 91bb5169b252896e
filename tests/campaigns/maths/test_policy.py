import numpy as np
import pytest

from apps.campaigns.maths.policy import Policy, decide
from apps.campaigns.maths.simulator.account import Account, live
from apps.campaigns.maths.simulator.truth import draw
from apps.campaigns.maths.simulator.worlds import ACCOUNT_DEMAND, CAMPAIGN_DEMAND
from benchmarks.closed_loop import compare, engine, equal, fixed, interval

LONG_AGO = 1000


@pytest.fixture(scope="module")
def account():
    rng = np.random.default_rng(1)
    truth = draw(20, rng)
    return truth, live(Account(truth, ACCOUNT_DEMAND, rng), truth.budgets, 90)


def decided(account, since=LONG_AGO, **settings):
    truth, history = account
    policy = Policy(margin=0.4, **settings)
    return decide(history.spend, history.revenue, truth.budgets, policy=policy, days_since_change=since)


@pytest.mark.parametrize("keeps_total", [True, False])
def test_nothing_moves_further_than_allowed(account, keeps_total):
    truth, _ = account
    found = decided(account, keeps_total=keeps_total)
    change = found.budgets / truth.budgets - 1
    assert found.moved.any()
    assert np.abs(change).max() <= 0.2 + 1e-9
    assert (found.probability[found.moved] >= 0.9).all()
    if keeps_total:
        assert found.budgets.sum() == pytest.approx(truth.budgets.sum())


def test_a_higher_threshold_moves_less(account):
    assert decided(account, threshold=0.99).moved.sum() < decided(account, threshold=0.7).moved.sum()


def test_nothing_moves_while_it_cools_down(account):
    assert not decided(account, since=3).moved.any()
    since = np.full(20, LONG_AGO)
    since[decided(account).moved] = 6
    assert not decided(account, since=since).moved.any()


def test_a_campaign_without_enough_data_stays(account):
    truth, history = account
    revenue = history.revenue.copy()
    revenue[5] = 0
    found = decide(
        history.spend, revenue, truth.budgets, policy=Policy(margin=0.4), days_since_change=LONG_AGO
    )
    assert found.budgets[5] == truth.budgets[5]


def test_the_engine_earns_more_than_fixed_budgets_and_an_equal_split():
    """The full dose is benchmarks/closed_loop.py."""
    policies = {"fixed": fixed, "equal": equal, "engine": engine(Policy(margin=0.4))}
    found = compare(CAMPAIGN_DEMAND, policies, seeds=6, days=90, campaigns=20)
    for other in ("fixed", "equal"):
        mean, low, _ = interval(found["engine"] - found[other])
        assert mean > 0
        assert low > -0.02 * found["fixed"].mean()


def test_a_policy_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="need a margin"):
        Policy(margin=0)
    with pytest.raises(ValueError, match="threshold in"):
        Policy(margin=0.4, threshold=1)
