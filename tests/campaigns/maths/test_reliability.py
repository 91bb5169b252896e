"""Claimed against realised."""

import numpy as np
import pytest

from apps.campaigns.maths.reliability import curve, expected_error, rate_interval


def test_claims_fall_into_their_bins():
    bins = curve([0.55, 0.65, 0.9, 0.95, 1.0], [True, False, True, True, False])

    assert [(one.low, one.count, one.hits) for one in bins] == [(0.5, 1, 1), (0.6, 1, 0), (0.9, 3, 2)]
    assert bins[-1].claimed == pytest.approx(0.95)
    assert expected_error(bins) == pytest.approx((0.45 + 0.65 + 3 * (0.95 - 2 / 3)) / 5)


def test_calibrated_claims_have_almost_no_error():
    rng = np.random.default_rng(3)
    claims = rng.uniform(0, 1, 50_000)

    assert expected_error(curve(claims, rng.random(50_000) < claims)) < 0.01


def test_the_interval_is_wilsons():
    """8 of 10: Wilson (1927) gives 49.0 % to 94.3 %."""
    assert rate_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert rate_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("claims", "hits"), [([0.5], [True, False]), ([1.2], [True]), ([np.nan], [True])])
def test_what_is_no_claim_is_refused(claims, hits):
    with pytest.raises(ValueError, match="confidence"):
        curve(claims, hits)
