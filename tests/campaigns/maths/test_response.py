import numpy as np
import pytest
from scipy.optimize import minimize

from apps.campaigns.maths.response import bias
from apps.campaigns.maths.response.bias import Kind, RandomisedSlopes, SharedBias
from apps.campaigns.maths.response.fit import FALLBACK_K, fit_curves
from apps.campaigns.maths.response.panel import Reason
from apps.campaigns.maths.response.regression import CENTRE, DAY_SPREAD, EVEN_PART, RIDGE, regress
from apps.campaigns.maths.response.shrink import SPREADS, shrink
from apps.campaigns.maths.simulator.account import Account, live
from apps.campaigns.maths.simulator.truth import draw
from apps.campaigns.maths.simulator.worlds import ACCOUNT_DEMAND, EXOGENOUS, World


def account(seed=1, campaigns=10, world=ACCOUNT_DEMAND, days=60):
    rng = np.random.default_rng(seed)
    truth = draw(campaigns, rng)
    return truth, live(Account(truth, world, rng), truth.budgets, days)


def test_the_regression_is_that_of_a_slow_one():
    """The same penalised likelihood, climbed by a general optimiser."""
    _, history = account(campaigns=4, days=20)
    x = np.log(history.spend)
    y = history.revenue / 50
    middle = x.mean(axis=1, keepdims=True)
    x = x - middle
    start = y.sum(axis=1) / np.exp(CENTRE * x).sum(axis=1)
    base = start[:, None] * np.exp(CENTRE * x)
    little = EVEN_PART * base.sum(axis=0).mean()
    first = base * (y.sum(axis=0) + little) / (base.sum(axis=0) + little)
    hold = ((y - first) ** 2 / first).mean() / DAY_SPREAD**2

    def loss(at, ridge):
        level, slope, effects = at[:4, None], at[4:8], at[8:]
        eta = level + slope[:, None] * x + effects
        value = (np.exp(eta) - y * eta).sum() + 0.5 * hold * (effects**2).sum()
        value += 0.5 * (ridge * (slope - CENTRE) ** 2).sum()
        left = np.exp(eta) - y
        own = (left * x).sum(axis=1) + ridge * (slope - CENTRE)
        return value, np.concatenate([left.sum(axis=1), own, left.sum(axis=0) + hold * effects])

    found = regress(history.spend, y, np.ones(y.shape, dtype=bool))
    ridge = found.expected.sum(axis=1) * RIDGE**2
    at = np.concatenate([np.log(start), np.full(4, CENTRE), np.zeros(20)])
    slow = minimize(loss, at, args=(ridge,), jac=True, method="BFGS", options={"gtol": 1e-10})
    eta = slow.x[:4, None] + slow.x[4:8, None] * x + slow.x[8:]
    assert found.expected == pytest.approx(np.exp(eta), rel=1e-6)
    assert found.demand == pytest.approx(slow.x[8:], abs=1e-6)
    further = np.abs(found.slope - CENTRE) - np.abs(slow.x[4:8] - CENTRE)  # the ridge is taken out again
    assert ((further >= 0) & (further < 5e-3)).all()


def test_money_in_pence_gives_the_same_curves():
    _, history = account()
    pounds = fit_curves(history.spend, history.revenue)
    pence = fit_curves(history.spend * 100, history.revenue * 100)
    assert pence.k == pytest.approx(pounds.k, abs=1e-6)
    assert pence.k_error == pytest.approx(pounds.k_error, rel=1e-5)
    assert pence.outcome(pence.reference) == pytest.approx(100 * pounds.outcome(pounds.reference), rel=1e-5)


def test_known_curves_are_found():
    world = World(name="quiet", days=365, account_sd=0.1, campaign_sd=0.02, own_sd=0.5)
    truth, history = account(campaigns=30, world=world, days=365)
    found = fit_curves(history.spend, history.revenue, bias=bias.NONE)
    assert found.k == pytest.approx(truth.k, abs=0.12)
    assert np.abs(found.k - truth.k).mean() < 0.04
    apart = np.log(found.outcome(truth.budgets) / truth.revenue(truth.budgets))
    assert np.abs(apart).max() < 0.3
    assert apart.mean() == pytest.approx(0, abs=0.1)  # the demand of the last four weeks


def test_errors_say_how_far_off_the_slopes_are():
    """z-scores of slopes from history in a world without confounding: mean 0, deviation 1."""
    scores = []
    for rng in np.random.default_rng(5).spawn(30):
        truth = draw(20, rng)
        history = live(Account(truth, EXOGENOUS, rng), truth.budgets, 60)
        found = fit_curves(history.spend, history.revenue)
        scores.append((found.raw_k - truth.k) / found.raw_k_error)
    assert np.mean(scores) == pytest.approx(0, abs=0.12)
    assert np.std(scores) == pytest.approx(1, abs=0.12)


def test_shrunk_slopes_are_nearer_the_truth_than_raw_ones():
    raw, ours = [], []
    for rng in np.random.default_rng(6).spawn(15):
        truth = draw(20, rng)
        history = live(Account(truth, EXOGENOUS, rng), truth.budgets, 30)
        found = fit_curves(history.spend, history.revenue)
        raw.append(((found.raw_k - truth.k) ** 2).mean())
        ours.append(((found.k - truth.k) ** 2).mean())
    assert np.mean(ours) < 0.5 * np.mean(raw)


def test_shrinking_is_bayes_by_dense_matrices():
    """All of (k, history, test) as one Gaussian of each part, conditioned as the textbook does it."""
    n = 5
    rng = np.random.default_rng(1)
    slope, error = rng.normal(0.8, 0.2, n), rng.uniform(0.05, 0.3, n)
    tested = RandomisedSlopes(slope=rng.normal(0.6, 0.1, n), error=rng.uniform(0.1, 0.2, n))
    kinds = (Kind(chance=0.7, mean=0.05, spread=0.1), Kind(chance=0.3, mean=0.3, spread=0.15))
    seen = np.concatenate([slope, tested.slope])
    weights, means, squares = [], [], []
    for kind in kinds:
        for s, width in zip(SPREADS, np.gradient(SPREADS), strict=True):
            k_cover = 0.2**2 + s**2 * np.eye(n)
            history = k_cover + kind.spread**2 + np.diag(error**2)
            trial = k_cover + np.diag(tested.error**2)
            cover = np.block([[history, k_cover], [k_cover, trial]])
            off = seen - np.concatenate([np.full(n, 0.6 + kind.mean), np.full(n, 0.6)])
            cross = np.hstack([k_cover, k_cover])
            solved = np.linalg.solve(cover, off)
            log = -0.5 * off @ solved - 0.5 * np.linalg.slogdet(cover)[1] - 0.5 * (s / 0.2) ** 2
            weights.append(np.log(kind.chance * width) + log)
            means.append(0.6 + cross @ solved)
            variance = np.diag(k_cover - cross @ np.linalg.solve(cover, cross.T))
            squares.append(variance + means[-1] ** 2)
    chance = np.exp(np.array(weights) - max(weights))
    chance /= chance.sum()
    found = shrink(slope, error, bias=SharedBias(kinds=kinds), tested=tested)
    assert found.mean == pytest.approx(chance @ means, abs=1e-4)  # parts below 1e-4 are left out
    assert found.error == pytest.approx(np.sqrt(chance @ squares - (chance @ means) ** 2), rel=1e-3)


def test_draws_have_the_moments_of_the_belief():
    _, history = account()
    belief = fit_curves(history.spend, history.revenue).belief
    drawn = belief.draws(np.random.default_rng(1), 100_000)
    assert drawn.mean(axis=0) == pytest.approx(belief.mean, abs=0.004)
    assert drawn.std(axis=0) == pytest.approx(belief.error, rel=0.02)


def test_campaigns_are_wrong_together():
    """The bias is shared: draws of two campaigns go up and down with each other."""
    _, history = account(campaigns=20, days=90)
    _, k = fit_curves(history.spend, history.revenue).draws(np.random.default_rng(1), 5000)
    assert np.corrcoef(k.T)[np.triu_indices(20, 1)].mean() > 0.15


def test_a_test_without_bias_unlocks_confidence():
    truth, history = account(campaigns=20, days=90)
    before = fit_curves(history.spend, history.revenue)
    tested = RandomisedSlopes(slope=truth.k, error=np.full(20, 0.2))
    after = fit_curves(history.spend, history.revenue, tested=tested)
    assert after.k_error.mean() < 0.8 * before.k_error.mean()
    assert abs(after.bias) < 0.1


@pytest.fixture
def history():
    return account(campaigns=6, days=60)[1]


def test_missing_days_are_left_out(history):
    whole = fit_curves(history.spend, history.revenue)
    history.revenue[0, 10:13] = np.nan
    history.spend[1, 20] = np.nan
    found = fit_curves(history.spend, history.revenue)
    assert found.days.tolist() == [57, 59, 60, 60, 60, 60]
    assert found.k == pytest.approx(whole.k, abs=0.15)
    assert found.enough.all()


def test_days_without_spend_are_left_out(history):
    history.spend[0, ::7] = 0
    found = fit_curves(history.spend, history.revenue)
    assert found.days[0] == 51
    assert found.enough[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: h.spend[2].fill(0), Reason.NO_SPEND),
        (lambda h: h.spend[2].fill(np.nan), Reason.NO_SPEND),
        (lambda h: h.revenue[2].fill(0), Reason.NO_OUTCOME),
        (lambda h: h.spend[2, :50].fill(0), Reason.FEW_DAYS),
        (lambda h: h.spend[2, 40:].fill(0), Reason.PAUSED),
        (lambda h: h.spend[2].fill(100), Reason.CONSTANT_SPEND),
    ],
)
def test_a_campaign_that_cannot_be_judged_says_why(history, change, reason):
    change(history)
    found = fit_curves(history.spend, history.revenue)
    assert found.reasons[2] == reason
    assert [reason is None for reason in found.reasons] == [True, True, False, True, True, True]
    assert np.isfinite(found.a).all()
    assert ((found.k > 0) & (found.k < 1)).all()
    a, k = found.draws(np.random.default_rng(1), 50)
    assert np.isfinite(a).all()
    assert ((k > 0) & (k < 1)).all()
    assert found.has_level[2] == (reason not in (Reason.NO_SPEND, Reason.NO_OUTCOME))


def test_a_campaign_that_tells_nothing_itself_gets_what_the_others_tell(history):
    history.spend[2] = 100
    found = fit_curves(history.spend, history.revenue)
    assert found.raw_k_error[2] == np.inf
    assert found.k[2] == pytest.approx(np.delete(found.k, 2).mean(), abs=0.1)
    assert found.k_error[2] > np.delete(found.k_error, 2).max() * 0.99


def test_where_there_is_nothing_to_learn_from_k_is_point_eight(history):
    history.spend[:] = 100
    found = fit_curves(history.spend, history.revenue)
    assert found.is_fallback
    assert (found.k == FALLBACK_K).all()
    assert not found.enough.any()
    assert set(found.reasons) == {Reason.CONSTANT_SPEND}
    assert found.outcome(np.full(6, 100.0)) == pytest.approx(history.revenue[:, -28:].mean(axis=1), rel=0.4)


def test_an_account_without_any_outcome_has_no_curve():
    found = fit_curves(np.full((3, 30), 10.0), np.zeros((3, 30)))
    assert (found.a == 0).all()
    assert set(found.reasons) == {Reason.NO_OUTCOME}


def test_one_campaign_alone_is_believed_less():
    _, many = account(campaigns=10, days=90)
    together = fit_curves(many.spend, many.revenue)
    alone = fit_curves(many.spend[:1], many.revenue[:1])
    assert alone.k_error[0] > together.k_error[0]
    assert np.isfinite(alone.k).all()


def test_one_day_is_no_history():
    found = fit_curves([[10.0], [20.0], [5.0]], [[30.0], [50.0], [10.0]])
    assert set(found.reasons) == {Reason.FEW_DAYS}


@pytest.mark.parametrize(
    ("spend", "outcome", "said"),
    [
        ([[1.0, 2.0]], [[1.0]], "need spend and outcome"),
        ([], [], "need spend and outcome"),
        ([1.0], [1.0], "need spend and outcome"),
        ([[1.0, -2.0]], [[1.0, 1.0]], "spend of campaign 0 on day 1"),
        ([[1.0, 2.0]], [[1.0, np.inf]], "outcome of campaign 0 on day 1"),
    ],
)
def test_a_history_that_cannot_be_is_refused(spend, outcome, said):
    with pytest.raises(ValueError, match=said):
        fit_curves(spend, outcome)


def test_a_bias_needs_kinds_that_sum_to_one():
    with pytest.raises(ValueError, match="sum to 1"):
        SharedBias(kinds=(Kind(chance=0.5, mean=0, spread=0.1),))
    with pytest.raises(ValueError, match="spread > 0"):
        SharedBias(kinds=(Kind(chance=1.0, mean=0, spread=0),))


def test_slopes_need_errors():
    with pytest.raises(ValueError, match="error > 0"):
        shrink(np.array([0.5]), np.array([0.0]))


def test_fewer_than_one_draw_is_none(history):
    with pytest.raises(ValueError, match="count"):
        fit_curves(history.spend, history.revenue).draws(np.random.default_rng(1), 0)


@pytest.mark.parametrize("scale", [1e-6, 1e9])
def test_any_currency_will_do(history, scale):
    found = fit_curves(history.spend * scale, history.revenue * scale)
    assert np.isfinite(found.a).all()
    assert found.enough.all()
