import numpy as np
import pytest

from apps.campaigns.maths.forecast import Lack, Method, NoForecast, forecast
from apps.campaigns.maths.response.fit import fit_curves
from apps.campaigns.maths.roi import forecast_roi
from apps.campaigns.maths.simulator.account import Account, live
from apps.campaigns.maths.simulator.truth import draw
from apps.campaigns.maths.simulator.worlds import ACCOUNT_DEMAND, CAMPAIGN_DEMAND, WORLDS


def lives(world, days, *, accounts, campaigns=4, seed=3):
    for rng in np.random.default_rng(seed).spawn(accounts):
        truth = draw(campaigns, rng)
        history = live(Account(truth, world, rng), truth.budgets, days + 28)
        for series in (*history.revenue, history.revenue.sum(axis=0), *history.spend):
            yield series[:days], series[days:]


def test_a_steady_week_is_repeated():
    week = np.array([10.0, 12, 14, 12, 10, 4, 3])
    found = forecast(np.tile(week, 12))
    assert found.expected == pytest.approx(np.tile(week, 4), rel=1e-6)
    assert found.total == pytest.approx(4 * week.sum())
    assert (found.high / found.low).max() < 1.5


def test_the_first_day_to_come_has_its_own_weekday():
    week = np.array([10.0, 20, 30, 40, 50, 60, 70])
    series = np.tile(week, 12)[:-3]
    assert forecast(series, horizon=3).expected == pytest.approx([50, 60, 70], rel=0.02)


@pytest.mark.parametrize("days", [21, 45, 90])
def test_intervals_hold_what_came(days):
    """95 % are meant. Totals of few days rest on what was seen before of how long waves last."""
    of_total, of_day = [], []
    for world in (ACCOUNT_DEMAND, CAMPAIGN_DEMAND):
        for past, came in lives(world, days, accounts=25):
            found = forecast(past)
            of_total.append(found.total_low <= came.sum() <= found.total_high)
            of_day.append(((found.low <= came) & (came <= found.high)).mean())
    assert np.mean(of_total) >= 0.90
    assert np.mean(of_day) >= 0.90


def test_it_errs_less_than_last_week_repeated():
    """Published for series of this kind: 1.50 against 1.60 steps after 90 days."""
    ours, naive = [], []
    for past, came in lives(CAMPAIGN_DEMAND, 90, accounts=15):
        step = np.abs(past[7:] - past[:-7]).mean()
        ours.append(np.abs(forecast(past).expected - came).mean() / step)
        naive.append(np.abs(np.tile(past[-7:], 4) - came).mean() / step)
    assert np.mean(ours) < 0.9 * np.mean(naive)


def test_it_yields_to_last_week_where_that_was_better():
    """A series that jumps and stays: what was long ago says nothing of it."""
    rng = np.random.default_rng(4)
    levels = np.repeat(np.exp(np.cumsum(rng.normal(0, 0.8, 20))), 7)
    found = forecast(levels * np.tile([1.0, 1.1, 1.2, 1.1, 1, 0.5, 0.4], 20))
    smooth = forecast(np.tile([1.0, 2, 3, 2, 1, 1, 1], 20) * rng.lognormal(0, 0.3, 140))
    assert smooth.method == Method.WEEKDAY_SMOOTHING
    assert smooth.error < smooth.naive_error
    if found.method == Method.SEASONAL_NAIVE:
        assert found.error == found.naive_error
        assert found.expected == pytest.approx(np.tile(found.expected[:7], 4))


def test_seasonal_naive_is_chosen_for_a_walk():
    chosen = []
    for rng in np.random.default_rng(5).spawn(20):
        walk = np.exp(np.repeat(np.cumsum(rng.normal(0, 0.6, 14)), 7))
        chosen.append(forecast(walk, horizon=7).method)
    assert chosen.count(Method.SEASONAL_NAIVE) >= 5


def test_a_short_history_is_its_mean_by_weekday():
    found = forecast(np.full(10, 5.0))
    assert found.method == Method.WEEKDAY_MEAN
    assert found.expected == pytest.approx(np.full(28, 5.0))
    assert found.error is None


@pytest.mark.parametrize(
    ("series", "lack"),
    [
        (np.full(6, 1.0), Lack.FEW_DAYS),
        (np.concatenate([np.full(8, 1.0), np.full(8, np.nan)]), Lack.MISSING_DAYS),
        (np.zeros(60), Lack.ONLY_ZEROS),
    ],
)
def test_what_cannot_be_forecast_says_why(series, lack):
    found = forecast(series)
    assert isinstance(found, NoForecast)
    assert found.because == lack


def test_missing_days_are_filled_by_their_season():
    week = np.array([10.0, 12, 14, 12, 10, 4, 3])
    series = np.tile(week, 12)
    series[[20, 47, 48]] = np.nan
    assert forecast(series).expected == pytest.approx(np.tile(week, 4), rel=0.02)


def test_a_campaign_that_just_stopped_is_forecast_all_the_same():
    found = forecast(np.concatenate([np.full(60, 5.0), np.zeros(30)]))
    assert np.isfinite(found.expected).all()
    assert np.isfinite([found.total_low, found.total_high]).all()


@pytest.mark.parametrize(
    ("series", "horizon"), [([[1.0]], 28), ([-1.0] * 30, 28), ([1.0] * 30, 0), ([np.inf] * 30, 5)]
)
def test_series_that_cannot_be_are_refused(series, horizon):
    with pytest.raises(ValueError, match=r"figure"):
        forecast(series, horizon=horizon)


def test_roi_holds_what_came_under_new_budgets():
    held = []
    for world in WORLDS:
        for rng in np.random.default_rng(6).spawn(12):
            truth = draw(10, rng)
            account = Account(truth, world, rng)
            history = live(account, truth.budgets, max(world.days, 30))
            curves = fit_curves(history.spend, history.revenue)
            factor = rng.choice([0.7, 1.0, 1.2])
            came = live(account, truth.budgets * factor, 28)
            found = forecast_roi(curves, came.spend.mean(axis=1), margin=0.4, rng=rng)
            held.append(found.revenue.low <= came.revenue.sum() <= found.revenue.high)
            assert found.spend == pytest.approx(came.spend.sum())
    assert np.mean(held) >= 0.90


@pytest.fixture(scope="module")
def curves():
    rng = np.random.default_rng(7)
    truth = draw(5, rng)
    history = live(Account(truth, ACCOUNT_DEMAND, rng), truth.budgets, 60)
    history.revenue[3] = 0
    return fit_curves(history.spend, history.revenue)


def test_profit_and_roi_follow_from_revenue(curves):
    found = forecast_roi(curves, curves.reference, margin=0.4, rng=np.random.default_rng(1))
    assert found.profit.value == pytest.approx(0.4 * found.revenue.value - found.spend)
    assert found.roi.value == pytest.approx(found.profit.value / found.spend)
    assert found.revenue.low < found.revenue.value < found.revenue.high
    assert found.revenue_by_day.sum() == pytest.approx(found.revenue.value, rel=0.05)
    assert found.held == (3,)


def test_without_spend_there_is_no_roi(curves):
    found = forecast_roi(curves, np.zeros(5), margin=0.4, rng=np.random.default_rng(1))
    assert found.roi is None
    assert found.revenue.high == found.spend == 0


def test_a_plan_that_cannot_be_is_refused(curves):
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="one budget"):
        forecast_roi(curves, [1.0], margin=0.4, rng=rng)
    with pytest.raises(ValueError, match="margin"):
        forecast_roi(curves, np.ones(5), margin=0, rng=rng)
