"""False alarms come as seldom as is said, drift is found as soon as is said."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from apps.attribution.maths import drift
from apps.attribution.maths.drift import Charts, Sums, shifts, step, steps_between_false_alarms

RUNS = 200
STEPS = 300
# Log-odds that change, journeys a step, and the steps that the median delay may take, whatever the seed: as
# docs/models/accuracy.md says.
DELAYS = ((0.6, 300, 5), (-0.6, 300, 5), (0.3, 300, 12))


def runs_until_an_alarm(
    *,
    journeys: int,
    steps: int,
    shift: float = 0.0,
    slope: float = 1.0,
    after: int = 0,
    reference: int = 4_000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """(RUNS,) the step of the first alarm of each run, inf for none."""
    rng = np.random.default_rng(seed)

    def draw(count, by, tilt):
        eta = rng.normal(-3, 1, (RUNS, count))
        outcome = rng.random((RUNS, count)) < expit(tilt * (eta + 3) - 3 + by)
        residual = outcome - expit(eta)
        excess = -residual * logit(expit(eta))
        return [count, residual.sum(1), (residual**2).sum(1), excess.sum(1), (excess**2).sum(1)]

    def as_sums(columns, run):
        return Sums(
            journeys=columns[0], **dict(zip(NAMES, (float(one[run]) for one in columns[1:]), strict=True))
        )

    known = draw(reference, 0.0, 1.0)
    charts = [Charts(known=as_sums(known, run)) for run in range(RUNS)]
    first = np.full(RUNS, np.inf)
    for number in range(1, steps + 1):
        added = draw(journeys, shift if number > after else 0.0, slope if number > after else 1.0)
        for run in np.flatnonzero(np.isinf(first)):
            charts[run] = step(charts[run], as_sums(added, run))
            if charts[run].alarms:
                first[run] = number
    return first


NAMES = ("residual", "residual_squares", "excess", "excess_squares")


def test_without_drift_alarms_are_as_seldom_as_stated():
    """Steps to the first are about exponential: 1 - exp(-STEPS / stated) of the runs at most."""
    for journeys, seed in ((100, 1), (300, 2)):
        first = runs_until_an_alarm(journeys=journeys, steps=STEPS, seed=seed)

        stated = 1 - np.exp(-STEPS / drift.STEPS_BETWEEN_FALSE_ALARMS)
        assert np.isfinite(first).mean() < stated + 3 * np.sqrt(stated * (1 - stated) / RUNS)


def test_the_stated_rate_is_that_of_the_approximation():
    assert 1_000 > steps_between_false_alarms(drift.THRESHOLD) > drift.STEPS_BETWEEN_FALSE_ALARMS


@pytest.mark.parametrize(
    ("shift", "slope", "journeys", "within"),
    [
        *((shift, 1.0, journeys, most) for shift, journeys, most in DELAYS),
        (-0.8, 1.0, 300, 5),
        (0.0, 0.3, 300, 40),
    ],
)
def test_drift_is_found_in_time(shift, slope, journeys, within):
    first = runs_until_an_alarm(journeys=journeys, steps=80, shift=shift, slope=slope, after=10, seed=5)

    of_drift = first[first > 10] - 10
    assert np.median(of_drift) <= within


def test_a_chart_stands_at_what_page_says():
    known = Sums(journeys=100, residual=0.0, residual_squares=100.0, excess=0.0, excess_squares=100.0)
    added = Sums(journeys=100, residual=30.0, residual_squares=100.0, excess=0.0, excess_squares=100.0)

    moved = step(Charts(known=known), added)

    assert moved.higher == pytest.approx(0.3 / np.sqrt(0.02) - 0.5)
    assert (moved.lower, moved.worse) == (0.0, 0.0)
    assert moved.known.journeys == 200
    assert step(moved, added).higher > moved.higher


def test_the_excess_of_a_calibrated_model_is_nothing_however_hard_the_journeys(rng):
    for centre in (-3.0, 0.0):
        told = expit(rng.normal(centre, 1, 200_000))
        sums = Sums.of(told, (rng.random(200_000) < told).astype(float))
        error = np.sqrt(sums.excess_squares) / 200_000
        assert abs(sums.excess / 200_000) < 4 * error


def test_an_unchanged_mix_is_called_a_shift_as_seldom_as_stated():
    rng, alarms, tests = np.random.default_rng(4), 0, 2_000
    shares = rng.dirichlet(np.ones(8))
    for _ in range(tests):
        sides = [
            {
                name: dict(enumerate(map(int, rng.multinomial(size, shares))))
                for name in ("last", "first", "long")
            }
            for size in (2_000, 400)
        ]
        sides = [
            {name: {str(k): n for k, n in kinds.items()} for name, kinds in one.items()} for one in sides
        ]
        alarms += any(one.p_value <= drift.MIX_ALPHA for one in shifts(*sides))

    assert alarms / tests <= drift.MIX_ALPHA + 3 * np.sqrt(drift.MIX_ALPHA / tests)


def test_a_new_channel_is_a_shift_and_a_small_one_is_not_worth_it():
    before = {"last_channel": {"email": 5_000, "search": 5_000}}

    large = shifts(before, {"last_channel": {"email": 700, "search": 700, "video": 600}})
    small = shifts(before, {"last_channel": {"email": 5_400, "search": 4_600}})

    assert large[0].is_drift
    assert small[0].p_value < drift.MIX_ALPHA
    assert not small[0].is_drift


def test_a_step_needs_journeys():
    with pytest.raises(ValueError, match="needs"):
        step(Charts(known=Sums()), Sums(journeys=10))
