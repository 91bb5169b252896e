import numpy as np
import pytest

from apps.campaigns.maths.simulator.account import Account, history, live
from apps.campaigns.maths.simulator.truth import Truth, draw
from apps.campaigns.maths.simulator.worlds import CAMPAIGN_DEMAND, CARRY_OVER, EXOGENOUS, WORLDS


def s_shaped(rng, campaigns=4):
    return Truth(
        a=np.full(campaigns, 2000.0),
        k=np.full(campaigns, 2.0),
        half=np.full(campaigns, 150.0),
        budgets=rng.uniform(50, 300, campaigns),
        order_value=np.full(campaigns, 40.0),
    )


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("kind", ["power", "s-shaped"])
def test_the_truth_is_what_happens_in_the_long_run(world, kind):
    rng = np.random.default_rng(1)
    truth = draw(4, rng) if kind == "power" else s_shaped(rng)
    lived = live(Account(truth, world, rng), truth.budgets, 7 * 800)
    told = truth.mean_revenue(truth.budgets, world)
    assert lived.revenue.mean(axis=1) == pytest.approx(told, rel=0.06)
    assert lived.spend.mean(axis=1) == pytest.approx(truth.mean_spend(truth.budgets, world), rel=0.03)


def test_the_same_seed_is_the_same_account():
    days = [
        live(Account(draw(3, np.random.default_rng(1)), EXOGENOUS, np.random.default_rng(2)), [1, 2, 3], 5)
        for _ in "ab"
    ]
    assert all((getattr(days[0], name) == getattr(days[1], name)).all() for name in vars(days[0]))


def test_demand_does_not_depend_on_budgets():
    truth = draw(3, np.random.default_rng(1))
    low, high = (
        live(Account(truth, CAMPAIGN_DEMAND, np.random.default_rng(2)), truth.budgets * f, 30) for f in (1, 2)
    )
    assert high.spend == pytest.approx(2 * low.spend)


def test_spend_follows_demand_where_the_world_says_so():
    rng = np.random.default_rng(3)
    truth = draw(20, rng)

    def slope(world):
        lived = live(Account(truth, world, np.random.default_rng(4)), truth.budgets, 400)
        x, y = np.log(lived.spend), lived.revenue / lived.revenue.mean(axis=1, keepdims=True)
        x = x - x.mean(axis=1, keepdims=True)
        return ((x * y).sum(axis=1) / (x * x).sum(axis=1) - truth.k).mean()

    assert slope(CAMPAIGN_DEMAND) > 0.25
    assert abs(slope(EXOGENOUS)) < 0.05
    assert slope(CARRY_OVER) > 0.1


def test_what_is_carried_over_comes_after_the_spend():
    truth = draw(2, np.random.default_rng(1))
    account = Account(truth, CARRY_OVER, np.random.default_rng(2))
    live(account, truth.budgets, 20)
    assert account.step([0, 0]).revenue.sum() > 0
    assert account.step([0, 0]).spend.sum() == 0


def test_a_paused_campaign_costs_and_earns_nothing():
    truth = draw(2, np.random.default_rng(1))
    day = Account(truth, EXOGENOUS, np.random.default_rng(2)).step([0, 10])
    assert day.spend[0] == day.revenue[0] == day.conversions[0] == day.impressions[0] == 0
    assert day.spend[1] > 0


def test_clicks_are_no_fewer_than_conversions():
    truth = draw(5, np.random.default_rng(1))
    lived = live(Account(truth, EXOGENOUS, np.random.default_rng(2)), truth.budgets, 100)
    assert (lived.clicks >= lived.conversions).all()
    assert (lived.impressions >= lived.clicks).all()
    assert ((lived.revenue > 0) == (lived.conversions > 0)).all()


@pytest.mark.parametrize("budgets", [[1.0], [-1.0, 1.0], [float("nan"), 1.0]])
def test_budgets_that_cannot_be_are_refused(budgets):
    account = Account(draw(2, np.random.default_rng(1)), EXOGENOUS, np.random.default_rng(2))
    with pytest.raises(ValueError, match="one budget >= 0"):
        account.step(budgets)


def test_an_account_needs_campaigns_and_a_history_days():
    with pytest.raises(ValueError, match="campaigns must be"):
        draw(0, np.random.default_rng(1))
    with pytest.raises(ValueError, match="a day at least"):
        history([])
