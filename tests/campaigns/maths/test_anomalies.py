import numpy as np
import pytest

from apps.campaigns.maths.anomalies import FALSE_ALARMS, Daily, Direction, Metric, judge
from apps.campaigns.maths.simulator.account import Account, live
from apps.campaigns.maths.simulator.truth import Truth, draw
from apps.campaigns.maths.simulator.worlds import CAMPAIGN_DEMAND, EXOGENOUS, WORLDS, World


def daily(history, campaign=0):
    names = ("spend", "clicks", "conversions", "revenue")
    return Daily(**{name: getattr(history, name)[campaign].copy() for name in names})


def large(days=70, world=EXOGENOUS, seed=1):
    """A campaign of 30 conversions a day."""
    truth = Truth(
        a=np.array([90.0]),
        k=np.array([0.6]),
        budgets=np.array([400.0]),
        order_value=np.array([100.0]),
    )
    return daily(live(Account(truth, world, np.random.default_rng(seed)), truth.budgets, days))


def of(judged, metric):
    return next(one for one in judged if one.metric == metric)


def test_false_alarms_are_as_rare_as_said():
    """All five worlds, the last five days of 300 campaigns each: days on which any metric is told."""
    alarms = days = 0
    for world in WORLDS:
        for rng in np.random.default_rng(11).spawn(6):
            truth = draw(10, rng)
            history = live(Account(truth, world, rng), truth.budgets, 60)
            for campaign in range(10):
                judged = judge(daily(history, campaign), days=5)
                alarms += len({one.day for one in judged if one.is_anomaly})
                days += 5
    assert days == 1500
    assert alarms / days <= FALSE_ALARMS


@pytest.mark.parametrize(
    ("change", "metric", "direction"),
    [
        (lambda d: d.spend.__setitem__(-1, d.spend[-1] * 4), Metric.SPEND, Direction.HIGH),
        (lambda d: d.spend.__setitem__(-1, d.spend[-1] * 0.02), Metric.SPEND, Direction.LOW),
        (lambda d: d.clicks.__setitem__(-1, 0), Metric.CLICKS, Direction.LOW),
        (lambda d: d.conversions.__setitem__(-1, 0), Metric.CONVERSIONS, Direction.LOW),
        (lambda d: d.conversions.__setitem__(-1, 0), Metric.CPA, Direction.HIGH),
        (lambda d: d.conversions.__setitem__(-1, 5 * d.conversions[-1]), Metric.CPA, Direction.LOW),
        (lambda d: d.revenue.__setitem__(-1, 0), Metric.ROAS, Direction.LOW),
        (lambda d: d.revenue.__setitem__(-1, 6 * d.revenue[-1]), Metric.ROAS, Direction.HIGH),
    ],
)
def test_what_is_amiss_is_told_with_its_direction(change, metric, direction):
    series = large()
    change(series)
    found = of(judge(series), metric)
    assert found.is_anomaly
    assert found.direction == direction
    assert found.day == 69
    outside = found.value > found.high if direction == Direction.HIGH else found.value < found.low
    assert outside
    assert found.low <= found.expected <= found.high


def test_a_quiet_weekend_is_no_anomaly():
    world = World(name="weekly", weekday=0.5, own_sd=0.05, account_sd=0.05, campaign_sd=0.05)
    alarms = 0
    for seed in range(10):
        series = large(days=84, world=world, seed=seed)
        alarms += sum(one.is_anomaly for one in judge(series, days=7))
    assert alarms <= 4


def test_an_anomaly_before_does_not_hide_one_now():
    series = large()
    for day in (-20, -12, -5):
        series.spend[day] *= 6
    series.spend[-1] *= 6
    assert of(judge(series), Metric.SPEND).is_anomaly


def test_a_short_history_says_nothing():
    judged = judge(large(days=20))
    assert not any(one.enough or one.is_anomaly for one in judged)
    assert all(one.p_value == 1 for one in judged)


def test_a_campaign_of_few_conversions_says_nothing_of_them():
    truth = Truth(
        a=np.array([10.0]), k=np.array([0.5]), budgets=np.array([100.0]), order_value=np.array([100.0])
    )
    series = daily(live(Account(truth, CAMPAIGN_DEMAND, np.random.default_rng(1)), truth.budgets, 60))
    judged = judge(series)
    assert of(judged, Metric.SPEND).enough
    assert not of(judged, Metric.CONVERSIONS).enough
    assert not of(judged, Metric.CPA).enough


def test_unknown_days_are_no_anomalies():
    series = large()
    for values in vars(series).values():
        values[[30, 31, -1]] = np.nan
    assert not any(one.enough for one in judge(series))
    assert any(one.enough for one in judge(series, days=2)[:5])


def test_a_paused_campaign_is_low_in_spend_and_says_nothing_of_cpa():
    series = large()
    for values in vars(series).values():
        values[-1] = 0
    judged = judge(series)
    assert of(judged, Metric.SPEND).direction == Direction.LOW
    assert not of(judged, Metric.CPA).enough
    assert not of(judged, Metric.ROAS).enough


def test_a_campaign_of_nothing_is_no_anomaly():
    nothing = np.zeros(60)
    assert not any(
        one.is_anomaly
        for one in judge(Daily(spend=nothing, clicks=nothing, conversions=nothing, revenue=nothing))
    )


@pytest.mark.parametrize("days", [0, 71])
def test_days_outside_the_history_are_refused(days):
    with pytest.raises(ValueError, match="days must be"):
        judge(large(), days=days)


def test_series_that_cannot_be_are_refused():
    series = large()
    series.spend[3] = -1
    with pytest.raises(ValueError, match="spend must be"):
        judge(series)
    with pytest.raises(ValueError, match="one figure of each day"):
        judge(Daily(spend=[1.0], clicks=[1.0, 2.0], conversions=[1.0], revenue=[1.0]))
