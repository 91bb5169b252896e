"""What arms say from their sums: against attribution's own figures, and against chance in simulation."""

import numpy as np
import pytest

from apps.attribution.maths.experiments import means
from apps.attribution.maths.experiments.arms import Moments
from apps.campaigns.maths.arm_sums import Sums, brought, read_variants, winner_at_the_end


def _rate(name, people, total):
    return Sums(name=name, people=people, total=total, is_rate=True)


def test_the_mean_from_sums_is_that_of_the_people():
    values = np.random.default_rng(1).gamma(2, 30, 500) * (np.random.default_rng(2).random(500) < 0.2)

    found = Sums(name="a", people=500, total=values.sum(), squared=(values**2).sum()).estimate
    plain = means.estimate(Moments.of(values))

    assert (found.mean, found.variance) == pytest.approx((plain.mean, plain.variance))


@pytest.mark.parametrize("wrong", [{"people": -1}, {"total": float("nan")}, {"squared": float("inf")}])
def test_sums_that_are_none(wrong):
    with pytest.raises(ValueError, match="people must be"):
        Sums(**{"name": "a", "people": 3, "total": 1.0} | wrong)


def test_by_hand():
    """1,000 got it and spent 3 each, 500 did not and spent 2; everybody's variance is 4."""
    message = Sums(name="message", people=1_000, total=3_000, squared=1_000 * 9 + 999 * 4, share=2)
    nothing = Sums(name="nothing", people=500, total=1_000, squared=500 * 4 + 499 * 4)

    found = brought(message, nothing, is_final=True)

    error = (4 / 1_000 + 4 / 500) ** 0.5
    assert found.total == pytest.approx(1_000)
    assert found.low == pytest.approx(1_000 * (1 - 1.96 * error), rel=2e-3)
    assert found.high == pytest.approx(1_000 * (1 + 1.96 * error), rel=2e-3)


@pytest.mark.parametrize(("people", "held_out"), [(0, 100), (100, 0), (29, 100), (100, 5)])
def test_too_few_say_nothing(people, held_out):
    message = Sums(name="message", people=people, total=people, squared=3 * people, share=max(people, 1))
    nothing = Sums(
        name="nothing", people=held_out, total=held_out, squared=3 * held_out, share=max(held_out, 1)
    )

    found = brought(message, nothing, is_final=False)

    assert found.total is None
    assert found.because


def test_nobody_bought():
    found = brought(Sums(name="m", people=500, total=0), Sums(name="n", people=500, total=0), is_final=True)
    assert found.total is None


def test_no_variants_to_read():
    assert read_variants([_rate("a", 100, 3)]) is None
    assert read_variants([_rate("a", 100, 3), _rate("b", 0, 0)]) is None
    assert winner_at_the_end(None) is None


def test_a_leader_by_little_is_named_once_it_costs_little():
    few = read_variants([_rate("a", 1_000, 110), _rate("b", 1_000, 115)])
    many = read_variants([_rate("a", 40_000, 4_400), _rate("b", 40_000, 4_600)])

    assert winner_at_the_end(few) is None
    assert winner_at_the_end(many) == "b"


def test_the_interval_covers_the_truth_at_every_look():
    """2,000 and 500 people who buy by the same chance, looked at ten times: 0 is left out seldom."""
    rng, missed = np.random.default_rng(20261120), 0
    runs = 400
    for _ in range(runs):
        message, nothing = rng.random(2_000) < 0.1, rng.random(500) < 0.1
        for part in np.linspace(0.1, 1, 10):
            m, n = message[: int(2_000 * part)], nothing[: int(500 * part)]
            found = brought(
                Sums(name="m", people=len(m), total=m.sum(), squared=m.sum(), share=4),
                Sums(name="n", people=len(n), total=n.sum(), squared=n.sum()),
                is_final=False,
            )
            if found.total is not None and not found.low <= 0 <= found.high:
                missed += 1
                break
    assert missed / runs <= 0.06


def test_a_named_winner_loses_little_by_being_wrong():
    """Two variants whose rates differ by chance: what was named costs on average what was promised."""
    rng = np.random.default_rng(20261121)
    losses, named = [], 0
    for _ in range(600):
        rates = np.clip(rng.normal(0.05, 0.01, 2), 0.005, 1)
        people = 8_000
        clicks = rng.binomial(people, rates)
        found = read_variants([_rate("a", people, clicks[0]), _rate("b", people, clicks[1])])
        winner = winner_at_the_end(found)
        if winner is not None:
            named += 1
            losses.append(1 - rates["ab".index(winner)] / rates.max())
    assert named > 400
    assert np.mean(losses) <= 0.01


def _bought(rng, name, people, chance):
    """Orders of a few, some far larger than the rest."""
    orders = rng.lognormal(5, 1, rng.binomial(people, chance))
    return Sums(name=name, people=people, total=orders.sum(), squared=(orders**2).sum(), share=people)


@pytest.mark.parametrize(
    ("people", "held_out", "chance", "lift"),
    [
        (190_000, 10_000, 0.001, 1.0),
        (190_000, 10_000, 0.001, 1.3),
        (190_000, 10_000, 0.001, 0.7),
        (2_700, 300, 0.01, 1.0),
        (1_000, 1_000, 0.02, 1.5),
    ],
)
def test_a_small_group_held_out_that_bought_little_proves_nothing(people, held_out, chance, lift):
    """The truth is in the interval as often as it says, and seldom below it: nothing is proven for want of
    orders in the small group.
    """
    rng, low, outside, said = np.random.default_rng(20261130), 0, 0, 0
    truth = people * chance * (lift - 1) * np.exp(5.5)
    for _ in range(2_000):
        message = _bought(rng, "message", people, chance * lift)
        found = brought(message, _bought(rng, "nothing", held_out, chance), is_final=True)
        if found.total is not None:
            said += 1
            low += found.low > truth
            outside += not found.low <= truth <= found.high
    assert said > 1_500
    assert low / said <= 0.03
    assert outside / said <= 0.06
