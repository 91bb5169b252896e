import numpy as np
import pytest

from apps.campaigns.maths.fatigue import ALPHA, Lack, read


def creatives(rng, slope, *, n=5, days=45, shown=8000, own=0.08):
    """(impressions, clicks, frequency) of creatives that start at different times in one season."""
    season, alone = np.zeros(days), np.zeros((n, days))
    shared, each = 0.0, np.zeros(n)
    for day in range(days):
        shared = 0.7 * shared + 0.07 * rng.normal()
        each = 0.7 * each + 0.7 * own * rng.normal(size=n)
        season[day], alone[:, day] = shared, each
    age = np.arange(days) - rng.integers(0, days - 20, n)[:, None]
    frequency = 1 + 0.12 * rng.uniform(0.5, 1.5, (n, 1)) * np.maximum(age, 0)
    impressions = np.where(age >= 0, rng.poisson(shown * rng.uniform(0.3, 2, (n, 1)), (n, days)), 0)
    rate = 0.015 * np.exp(rng.normal(0, 0.3, (n, 1)) + season + alone + slope * np.log(frequency))
    clicks = rng.binomial(impressions, rate)
    return impressions.astype(float), clicks.astype(float), np.where(age >= 0, frequency, np.nan)


def test_no_creative_is_called_tired_by_chance():
    families = [
        any(wear.p_value <= ALPHA for wear in read(*creatives(rng, 0.0)))
        for rng in np.random.default_rng(1).spawn(120)
    ]
    assert np.mean(families) <= ALPHA


def test_tired_creatives_are_found_and_measured():
    tired, held = [], []
    for rng in np.random.default_rng(2).spawn(30):
        for wear in read(*creatives(rng, -0.5)):
            tired.append(wear.is_tired)
            truth = 1 - (wear.frequency_now / wear.frequency_then) ** -0.5
            held.append(wear.lost_low <= truth <= wear.lost_high)
            assert wear.low <= wear.gain <= wear.high
    assert np.mean(tired) > 0.4
    assert np.mean(held) > 0.93


def test_a_season_is_nobodys_fatigue():
    """A third of all clicks goes in six weeks, whoever has seen what."""
    families = []
    for rng in np.random.default_rng(3).spawn(40):
        impressions, clicks, frequency = creatives(rng, 0.0)
        rate = np.divide(clicks, impressions, out=np.zeros_like(clicks), where=impressions > 0)
        clicks = rng.binomial(impressions.astype(int), rate * np.exp(-0.01 * np.arange(45))).astype(float)
        families.append(any(wear.is_tired for wear in read(impressions, clicks, frequency)))
    assert np.mean(families) <= ALPHA


@pytest.fixture
def figures():
    return creatives(np.random.default_rng(4), -0.5)


def test_what_cannot_be_judged_says_why(figures):
    impressions, clicks, frequency = figures
    impressions[0, :35] = 0
    clicks[1] = np.minimum(clicks[1], 1)
    frequency[2] = np.where(np.isfinite(frequency[2]), 2.0, np.nan)
    clicks[0, :35] = 0
    found = read(impressions, clicks, frequency)
    assert [wear.lack for wear in found[:3]] == [Lack.FEW_DAYS, Lack.FEW_CLICKS, Lack.STEADY_FREQUENCY]
    assert not any(wear.is_tired for wear in found[:3])
    assert found[3].lack is None


def test_two_creatives_cannot_be_told_from_a_season(figures):
    found = read(*(one[:2] for one in figures))
    assert {wear.lack for wear in found} == {Lack.FEW_CREATIVES}
    assert all(np.isnan(wear.slope) for wear in found)


def test_a_creative_that_never_ran_has_no_figures(figures):
    impressions, clicks, frequency = figures
    impressions[0] = clicks[0] = 0
    found = read(impressions, clicks, frequency)[0]
    assert found.lack == Lack.FEW_DAYS
    assert found.p_value == 1


def test_figures_that_cannot_be_are_refused(figures):
    impressions, clicks, frequency = figures
    with pytest.raises(ValueError, match="thrice"):
        read(impressions, clicks[:2], frequency)
    clicks[1, -1] = impressions[1, -1] + 1
    with pytest.raises(ValueError, match="creative 1, day 44"):
        read(impressions, clicks, frequency)
