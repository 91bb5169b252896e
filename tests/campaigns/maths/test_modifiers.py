import numpy as np
import pytest

from apps.campaigns.maths import modifiers
from tests.campaigns.maths.vectors import load

VECTORS = load("bids.json")
PUBLISHED = VECTORS["modifier_sim_rms_log_error_by_conversions"]


@pytest.mark.parametrize("case", VECTORS["modifier"])
def test_a_segment_is_shrunk_towards_the_campaign(case):
    found = modifiers.shrunk(
        case["seg_conv"],
        case["seg_clicks"],
        rate=case["camp_conv"] / case["camp_clicks"],
        pseudo_conversions=case["k_pseudo_conversions"],
    )
    assert found == pytest.approx(case["modifier"], rel=1e-9)


def test_modifiers_stay_within_what_platforms_allow():
    found = modifiers.shrunk([0, 100_000], [10**7, 100], rate=0.03)
    assert found.tolist() == [0.1, 10.0]


def test_one_dimension_is_the_plain_formula():
    found = modifiers.main_effects([120, 180], [3000, 7000], pseudo_conversions=30)
    assert found.effects[0] == pytest.approx(
        modifiers.shrunk([120, 180], [3000, 7000], rate=0.03, pseudo_conversions=30)
    )


def test_the_evening_does_not_get_the_merit_of_the_phone():
    """Phones convert twice as well, and evenings are mobile; the hour itself does nothing."""
    clicks = np.array([[9000.0, 1000.0], [1000.0, 9000.0]]) * 100  # (device, hour)
    conversions = clicks * np.array([[0.02], [0.04]])
    device, hour = modifiers.main_effects(conversions, clicks).effects
    assert hour == pytest.approx([1, 1], abs=1e-3)
    assert device[1] / device[0] == pytest.approx(2, rel=1e-2)
    alone = modifiers.shrunk(conversions.sum(axis=0), clicks.sum(axis=0), rate=0.03)
    assert alone[1] / alone[0] > 1.5


def test_no_conversion_leaves_everything_as_it_is():
    found = modifiers.main_effects(np.zeros((2, 3)), np.full((2, 3), 10.0))
    assert (found.product() == 1).all()


def _campaign(rng, conversions):
    """(clicks, true modifiers) of a table of 3 devices, 24 hours and 4 placements."""
    effects = [np.exp(rng.normal(0, 0.3, size)) for size in (3, 24, 4)]
    truth = effects[0][:, None, None] * effects[1][None, :, None] * effects[2][None, None, :]
    truth = truth * np.exp(rng.normal(0, 0.06, truth.shape))
    share = rng.dirichlet(np.full(3, 4.0))[:, None, None] * rng.dirichlet(np.full(24, 4.0))[None, :, None]
    clicks = np.maximum(conversions / 0.03 * share * rng.dirichlet(np.full(4, 4.0)), 1.0)
    return clicks, truth / ((truth * clicks).sum() / clicks.sum())


@pytest.mark.parametrize("conversions", [500, 3000, 30_000])
def test_main_effects_err_far_less_than_cells(conversions):
    """RMS of the log error; other simulations of the same kind found .20, .11, .07 and 3.27, .75, .10."""
    raw, ours = [], []
    for rng in np.random.default_rng(8).spawn(40):
        clicks, truth = _campaign(rng, conversions)
        x = rng.poisson(clicks * 0.03 * truth).astype(float)
        rate = x.sum() / clicks.sum()
        weight = clicks / clicks.sum()
        cells = np.log(np.maximum(x, 1e-2) / clicks / rate / truth)
        raw.append((weight * cells**2).sum())
        ours.append((weight * np.log(modifiers.main_effects(x, clicks).product() / truth) ** 2).sum())
    ours, raw = np.sqrt(np.mean(ours)), np.sqrt(np.mean(raw))
    assert ours < PUBLISHED[str(conversions)]["raw main"]
    assert ours < raw


def test_cells_show_through_where_there_are_many_conversions():
    rng = np.random.default_rng(9)
    clicks, truth = _campaign(rng, 300_000)
    x = rng.poisson(clicks * 0.03 * truth).astype(float)
    found = modifiers.main_effects(x, clicks)
    assert found.cells is not None
    with_cells = np.log(found.product() / truth)
    without = np.log(modifiers.Modifiers(effects=found.effects, cells=None).product() / truth)
    assert (with_cells**2).mean() < (without**2).mean()


@pytest.mark.parametrize(
    ("x", "n"), [([1.0], [1.0, 2.0]), ([-1.0], [1.0]), ([float("nan")], [1.0]), ([0.0], [0.0])]
)
def test_tables_that_cannot_be_are_refused(x, n):
    with pytest.raises(ValueError, match=r"table|counts"):
        modifiers.main_effects(x, n)


def test_a_rate_of_zero_has_no_modifiers():
    with pytest.raises(ValueError, match="rate > 0"):
        modifiers.shrunk(1, 10, rate=0)
