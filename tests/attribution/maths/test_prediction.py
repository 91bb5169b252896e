"""Probabilities of conversion: as a slow reference says, near the truth where it is known, never peeking."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit, logit

from apps.attribution.maths import accuracy, prediction, snapshots
from apps.attribution.maths.prediction import DidNotFit, fit_logistic
from apps.attribution.maths.snapshots import US_PER_DAY, History
from tests.attribution.maths.market import CHANNELS
from tests.attribution.maths.prediction_market import CHANCE, LOOKBACK_DAYS, crowd

DAY = US_PER_DAY


def describe(found):
    nothing = np.zeros(len(found), dtype=np.int64)
    return prediction.describe(found, channels=CHANNELS, platforms=(), offsets_us=nothing)


def history_of(touches, won, **chosen):
    """touches: (person, day, channel); won: (person, day)."""
    person, day, channel = (np.array(column) for column in zip(*touches, strict=True))
    won_person, won_day = (np.array(column) for column in zip(*won, strict=True)) if won else ([], [])
    return History.of(
        person=person,
        at_us=day * DAY,
        channel=channel,
        platform=channel,
        won_person=np.array(won_person, dtype=np.int64),
        won_at_us=np.array(won_day, dtype=np.int64) * DAY,
        **chosen,
    )


def test_newtons_fit_is_the_one_that_a_general_optimiser_finds(rng):
    rows = rng.normal(size=(400, 5))
    outcome = (rng.random(400) < expit(rows @ [1, -1, 0.5, 0, 2] - 1)).astype(float)

    def lost(beta, penalty):
        eta = beta[0] + rows @ beta[1:]
        return np.logaddexp(0, eta).sum() - outcome @ eta + penalty / 2 * (beta[1:] ** 2).sum()

    for penalty in (0.0, 1.0, 50.0):
        found = fit_logistic(rows, outcome, penalty=penalty)
        slow = optimize.minimize(lost, np.zeros(6), args=(penalty,), method="BFGS", options={"gtol": 1e-8})
        assert [found.intercept, *found.weights] == pytest.approx(slow.x, abs=1e-5)


def test_an_outcome_told_for_certain_does_not_fit_without_a_penalty():
    rows = np.arange(20.0)[:, None]
    outcome = (rows[:, 0] >= 10).astype(float)

    with pytest.raises(DidNotFit):
        fit_logistic(rows * 1e3, outcome, penalty=0.0)
    assert fit_logistic(rows, outcome, penalty=1.0).weights[0] > 0


def test_what_is_seen_at_a_moment_is_the_look_back_and_what_followed():
    history = history_of([(1, 0, 0), (1, 10, 1), (1, 40, 2), (2, 5, 3)], [(1, 45), (2, 4)])

    found = snapshots.at_moments(
        history, np.array([1, 1, 1, 2]), np.array([10, 30, 40, 5]) * DAY, lookback_days=30
    )

    assert found.lengths.tolist() == [2, 1, 1, 1]
    assert found.has_converted.tolist() == [False, True, True, False]
    assert found.settled(70 * DAY).tolist() == [True, True, True, True]
    assert found.settled(69 * DAY).tolist() == [True, True, False, True]


def test_the_window_is_open_at_its_end_and_a_conversion_at_the_moment_follows_it():
    history = history_of([(1, 0, 0)], [(1, 30)])
    ends = snapshots.at_moments(history, np.array([1]), np.array([0]), lookback_days=30)
    at_once = snapshots.at_moments(
        history_of([(1, 0, 0)], [(1, 0)]), np.array([1]), np.array([0]), lookback_days=30
    )

    assert ends.has_converted.tolist() == [False]
    assert at_once.has_converted.tolist() == [True]


def test_nobody_is_looked_at_twice_in_a_look_back(rng):
    days = rng.uniform(0, 300, 4_000)
    person = rng.integers(0, 40, 4_000)
    history = History.of(
        person=person,
        at_us=(days * DAY).astype(np.int64),
        channel=person * 0,
        platform=person * 0,
        won_person=np.zeros(0, dtype=np.int64),
        won_at_us=np.zeros(0, dtype=np.int64),
    )

    found = snapshots.sample(history, lookback_days=30, is_delayed=True)

    assert len(found) > 200
    assert (found.lengths > 0).all()
    for one in range(40):
        at_us = np.sort(found.at_us[found.person == one])
        assert (np.diff(at_us) >= 30 * DAY).all()


def test_what_comes_later_does_not_change_who_was_looked_at(rng):
    whole = crowd(3_000, rng).history
    cut = 300 * DAY
    earlier = whole.at_us < cut
    before = replace(
        whole,
        **{name: getattr(whole, name)[earlier] for name in ("person", "at_us", "channel", "platform")},
    )
    seen, known = (
        snapshots.sample(one, lookback_days=LOOKBACK_DAYS, is_delayed=True) for one in (whole, before)
    )
    past, then = seen.select(seen.at_us < cut), known.select(known.at_us < cut)

    assert past.person.tolist() == then.person.tolist()
    assert past.at_us.tolist() == then.at_us.tolist()
    columns = describe(past).rows, describe(then).rows
    assert np.array_equal(*columns)


def test_after_a_conversion_that_counts_once_nobody_is_looked_at():
    touches = [(one, day, 0) for one in range(50) for day in (0, 50, 100)]
    history = history_of(touches, [(one, 60) for one in range(50)], is_once=True)

    found = snapshots.sample(history, lookback_days=10, is_delayed=False)

    assert (found.at_us <= 60 * DAY).all()
    assert len(found) > 20


@pytest.fixture(scope="module")
def market_sample():
    """Two crowds: one to learn from, one to be judged on."""
    parts = []
    for seed in (0, 4):
        made = crowd(30_000, np.random.default_rng(seed))
        parts.append(snapshots.sample(made.history, lookback_days=LOOKBACK_DAYS, is_delayed=False))
    return parts


def test_it_ranks_and_calibrates_nearly_as_the_truth_does(market_sample):
    learnt, judged = market_sample
    group = snapshots.groups(learnt.person)
    fits, calibrates = learnt.select(group < 0.7), learnt.select(group >= 0.7)
    fold = (snapshots.groups(fits.person) / 0.7 * 5).astype(np.int64)
    fitted = prediction.train(describe(fits), fits.outcome, fold=fold, penalties=(10.0, 1_000.0))
    slope, shift = prediction.calibration(fitted.raw(describe(calibrates)), calibrates.outcome)
    fitted = replace(fitted, slope=slope, shift=shift)

    told = fitted.predict(describe(judged))
    oracle = CHANCE[judged.history.channel[judged.last - 1]]

    ours, best = (
        accuracy.judge(one, judged.outcome, base_rate=0.19, rng=np.random.default_rng(1))
        for one in (told, oracle)
    )
    assert best.auc.value - ours.auc.value < 0.01
    assert ours.log_loss.value - best.log_loss.value < 0.001
    assert ours.calibration_error.value < ours.by_chance + 0.015
    assert np.abs(told - oracle).mean() < 0.02


def test_base_and_parts_are_the_log_odds(market_sample):
    found = market_sample[0].select(np.arange(len(market_sample[0])) < 2_000)
    fold = (snapshots.groups(found.person) * 5).astype(np.int64)
    fitted = prediction.train(describe(found), found.outcome, fold=fold, penalties=(10.0,))
    fitted = replace(fitted, slope=0.8, shift=-0.1)

    parts = fitted.parts(describe(found))

    assert fitted.base + parts.sum(axis=1) == pytest.approx(logit(fitted.predict(describe(found))))
    assert fitted.raw(describe(found)).mean() == pytest.approx(fitted.intercept)


def test_a_calibration_that_would_turn_the_order_round_tells_the_rate(rng):
    outcome = (rng.random(500) < 0.3).astype(float)
    raw = -outcome + rng.normal(size=500)

    slope, shift = prediction.calibration(raw, outcome)

    assert slope == 0.0
    assert expit(shift) == pytest.approx(outcome.mean())
