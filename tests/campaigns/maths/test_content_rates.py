"""Rates that are foretold: formulas as published, a slow reference, and a simulator that knows the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from apps.campaigns.maths import content_rates
from apps.campaigns.maths.content_features import OF_BODY, OF_SUBJECT, Text, of_all, of_subject
from apps.campaigns.maths.content_rates import CLICKED, OPENED, Past, Prior, empirical_logit, predict
from apps.campaigns.maths.simulator.letters import letters

NOTHING = Past([], [], [], np.empty((0, 2)))


def test_the_empirical_logit_as_published():
    """Gart and Zweifel (1967): ln((x + 1/2)/(n - x + 1/2)), variance 1/(x + 1/2) + 1/(n - x + 1/2)."""
    logit, variance = empirical_logit([0, 5, 10], [10, 10, 10])

    assert logit == pytest.approx([np.log(0.5 / 10.5), 0, np.log(10.5 / 0.5)])
    assert variance == pytest.approx([2 + 1 / 10.5, 2 / 5.5, 2 + 1 / 10.5])


def test_without_a_past_the_prior_speaks():
    """One tau and one omega: a plain Gaussian, whose quantiles are in every table (z of .9 is 1.2816)."""
    prior = Prior(centre=-1.0, spread=0.3, weight_spread=0.0, tau=(0.4,), omega=(1e-9,))

    found = predict([[0.0, 0.0]], NOTHING, prior)

    width = 1.2815515655446004 * 0.5
    assert found.is_prior_only
    assert [found.low[0], found.middle[0], found.high[0]] == pytest.approx(
        1 / (1 + np.exp([1.0 + width, 1.0, 1.0 - width])), rel=1e-9
    )


def test_a_normal_mean_with_known_variances_as_in_the_textbooks():
    """Gelman et al., Bayesian Data Analysis, 2.5: precisions add up, means are weighted by them."""
    prior = Prior(centre=0.0, spread=0.5, weight_spread=0.0, tau=(0.2,), omega=(0.1,))
    hits, people = np.array([600, 450, 520]), np.array([1000, 1000, 1000])
    y, noise = empirical_logit(hits, people)

    found = predict([[0.0]], Past(hits, people, [1, 2, 3], np.zeros((3, 1))), prior)

    precision = 1 / (noise + 0.2**2 + 0.1**2)
    variance = 1 / (precision.sum() + 1 / 0.5**2)
    mean = variance * (precision @ y)
    spread = np.sqrt(variance + 0.2**2 + 0.1**2)
    expected = stats.norm(mean, spread).ppf([0.1, 0.5, 0.9])
    assert [found.low[0], found.middle[0], found.high[0]] == pytest.approx(1 / (1 + np.exp(-expected)))
    assert found.campaigns == 3


def slow(features, past, prior):
    """All that is unknown as one Gaussian vector, conditioned element by element; quantiles from draws."""
    rng = np.random.default_rng(5)
    y, noise = empirical_logit(past.hits, past.people)
    groups, x = sorted(set(past.campaign)), np.asarray(past.features)
    n, p = x.shape
    z = np.array([[float(one == group) for group in groups] for one in past.campaign])
    new = np.asarray(features)
    draws, weights = [], []
    for i, tau in enumerate(prior.tau):
        for j, omega in enumerate(prior.omega):
            sd = np.r_[prior.spread, np.full(p, prior.weight_spread), np.full(len(groups), tau)]
            design = np.hstack([np.ones((n, 1)), x, z])
            precision = np.diag(1 / sd**2) + design.T @ np.diag(1 / (noise + omega**2)) @ design
            covariance = np.linalg.inv(precision)
            mean = covariance @ design.T @ ((y - prior.centre) / (noise + omega**2))
            likelihood = stats.multivariate_normal(
                np.full(n, prior.centre), design @ np.diag(sd**2) @ design.T + np.diag(noise + omega**2)
            ).logpdf(y)
            area = content_rates._widths(prior.tau)[i] * content_rates._widths(prior.omega)[j]
            weights.append(
                likelihood
                + np.log(area)
                + stats.halfnorm(scale=prior.tau_scale).logpdf(tau)
                + stats.halfnorm(scale=prior.omega_scale).logpdf(omega)
            )
            theta = rng.multivariate_normal(mean, covariance, 4_000)
            extra = rng.normal(0, np.hypot(tau, omega), (4_000, new.shape[0]))
            draws.append(prior.centre + theta[:, :1] + theta[:, 1 : p + 1] @ new.T + extra)
    chances = np.exp(np.array(weights) - max(weights))
    picked = rng.choice(len(draws), 60_000, p=chances / chances.sum())
    rows = np.array([draws[one][rng.integers(4_000)] for one in picked])
    return 1 / (1 + np.exp(-np.quantile(rows, [0.1, 0.5, 0.9], axis=0)))


def test_it_agrees_with_a_slow_reference(rng):
    world = letters(rng, campaigns=6, features=3)
    past = Past(world.hits, world.people, world.campaign, world.features)
    new = rng.normal(0, 0.6, (3, 3))

    found = predict(new, past, OPENED)

    expected = slow(new, past, OPENED)
    assert np.array([found.low, found.middle, found.high]) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("prior", "typical", "spread"), [(OPENED, 0.30, 0.48), (CLICKED, 0.025, 0.65)], ids=["opened", "clicked"]
)
def test_intervals_hold_what_they_say_and_the_past_helps(rng, prior, typical, spread):
    errors, worlds = {}, 300
    for campaigns in (0, 3, 10):
        held, missed = [], []
        for _ in range(worlds):
            world = letters(rng, campaigns=campaigns + 1, typical=typical, spread=spread)
            is_new = world.campaign == campaigns
            past = Past(
                *(getattr(world, name)[~is_new] for name in ("hits", "people", "campaign", "features"))
            )
            found = predict(world.features[is_new], past, prior)
            rate = world.hits[is_new] / world.people[is_new]
            held.append(np.mean((found.low <= rate) & (rate <= found.high)))
            missed.append(np.mean(np.abs(found.middle - rate)))
            assert found.campaigns == campaigns
        errors[campaigns] = np.mean(missed)
        assert 0.75 <= np.mean(held) <= 0.85
    assert errors[0] > 1.2 * errors[3] > 1.2 * errors[10] * 0.97


def test_under_three_campaigns_nothing_is_learnt(rng):
    world = letters(rng, campaigns=2)
    past = Past(world.hits, world.people, world.campaign, world.features)

    found = predict(world.features[:1], past, OPENED)

    assert found.is_prior_only
    assert found.middle == predict(world.features[:1], Past([], [], [], np.empty((0, 7))), OPENED).middle


def test_few_people_make_it_less_sure():
    many, few = (predict([[0.0, 0.0]], NOTHING, CLICKED, people=people) for people in (1e9, 100))

    assert few.low[0] < many.low[0] < many.high[0] < few.high[0]
    assert many.high[0] == pytest.approx(predict([[0.0, 0.0]], NOTHING, CLICKED).high[0], rel=1e-6)


@given(
    rows=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 4)), max_size=12),
    feature=st.floats(-2, 2),
)
@settings(max_examples=100)
def test_quantiles_are_rates_in_order(rows, feature):
    people = [n for _, n, _ in rows]
    hits = [min(k, n) for k, n, _ in rows]
    past = Past(hits, people, [c for *_, c in rows], np.full((len(rows), 1), feature))

    found = predict([[feature]], past, OPENED)

    assert 0 < found.low[0] < found.middle[0] < found.high[0] < 1


@pytest.mark.parametrize(
    ("features", "past"),
    [
        ([0.0], NOTHING),
        ([[np.nan, 0.0]], NOTHING),
        (np.empty((0, 2)), NOTHING),
        ([[0.0, 0.0]], Past([2], [1], [1], [[0.0, 0.0]])),
        ([[0.0, 0.0]], Past([-1], [1], [1], [[0.0, 0.0]])),
        ([[0.0, 0.0]], Past([0], [0], [1], [[0.0, 0.0]])),
        ([[0.0, 0.0]], Past([1], [2], [1], [[0.0]])),
        ([[0.0, 0.0]], Past([1], [2], [1, 2], [[0.0, 0.0]])),
        ([[0.0, 0.0]], Past([[1]], [[2]], [1], [[0.0, 0.0]])),
    ],
)
def test_bad_input_is_refused(features, past):
    with pytest.raises(ValueError, match=r"."):
        predict(features, past, OPENED)


def test_people_are_at_least_one():
    with pytest.raises(ValueError, match="people"):
        predict([[0.0, 0.0]], NOTHING, OPENED, people=0)


def test_features_of_a_text():
    text = Text(
        subject="{{ first_name }}, 20 % off?",
        preheader="",
        body="Hi {{ first_name }} {% if season %}[a](https://a.example){% endif %} ![b](https://b.example)",
        has_button=True,
    )

    found = dict(zip((*OF_SUBJECT, *OF_BODY), of_all(text), strict=True))

    assert found["subject_length"] == pytest.approx((15 - 45) / 25)
    flags = {name: value for name, value in found.items() if name not in {"subject_length", "body_words"}}
    assert flags == {
        "subject_question": 0.5, "subject_number": 0.5, "subject_personal": 0.5, "subject_emoji": -0.5,
        "subject_exclamation": -0.5, "has_preheader": -0.5, "links": -0.75, "has_button": 0.5,
        "images": pytest.approx(-1 / 3), "body_personal": 0.5,
    }  # fmt: skip
    assert of_subject(text) == pytest.approx(of_all(text)[: len(OF_SUBJECT)])
