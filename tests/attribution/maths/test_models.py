import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.journeys import Journeys, NoConversions
from apps.attribution.maths.models import MODELS, NONE, credit, resolve, touch_credit, touch_weights

from .strategies import NAMES, journeys_of, rows
from .vectors import load, synthetic

TIMELESS = [name for name, model in MODELS.items() if not model.needs_times]


def with_ages(journeys: Journeys) -> Journeys:
    return Journeys(
        channels=journeys.channels,
        codes=journeys.codes,
        offsets=journeys.offsets,
        conversions=journeys.conversions,
        value=journeys.value,
        nulls=journeys.nulls,
        age_days=np.arange(journeys.n_touches)[::-1] % 40 / 1.0,
    )


def test_the_models_come_in_the_order_they_are_shown():
    assert list(MODELS) == [
        *("first_touch", "last_touch", "last_non_direct", "linear", "time_decay", "position_based"),
        *("shapley", "shapley_ordered", "shapley_rate"),
        *("markov_1", "markov_2", "markov_3", "markov_4", "markov_auto"),
    ]
    assert [name for name, model in MODELS.items() if model.needs_times] == ["time_decay"]
    assert resolve("markov").name == "markov_1"


@given(rows(touched=False), st.integers(0, 2))
def test_every_model_credits_every_conversion_and_every_penny(found, untouched):
    journeys = with_ages(journeys_of([*found, ((), untouched, 50 * untouched, 0)]))

    for name in MODELS:
        earned = credit(journeys, name)
        assert earned.conversions.sum() == pytest.approx(journeys.conversions.sum(), abs=1e-9)
        assert earned.value.sum() == pytest.approx(journeys.value.sum(), abs=1e-6)
        assert earned.shares.sum() == pytest.approx(1)
        assert (earned.conversions >= 0).all()


@given(rows(touched=False))
def test_touches_add_up_to_their_channels_row(found):
    journeys = with_ages(journeys_of(found))

    for name in MODELS:
        earned = credit(journeys, name)
        touches = touch_credit(journeys, earned)
        for per_touch, per_row in ((touches.conversions, earned.conversions), (touches.value, earned.value)):
            sums = np.bincount(journeys.codes, weights=per_touch, minlength=len(NAMES))
            assert sums == pytest.approx(per_row[: len(NAMES)], abs=1e-6)


@given(rows(), st.permutations(range(len(NAMES))))
def test_relabelling_the_channels_permutes_every_answer(found, places):
    renamed = [(tuple(NAMES[places[NAMES.index(c)]] for c in path), *rest) for path, *rest in found]
    direct = NAMES[places[NAMES.index("direct")]]

    for name in TIMELESS:
        before = credit(journeys_of(found), name)
        after = credit(journeys_of(renamed), name, direct_channel=direct)
        assert after.conversions[list(places)] == pytest.approx(before.conversions, abs=1e-9)


@given(rows(touched=False))
def test_splitting_a_row_into_two_changes_nothing(found):
    halves = [(path, c / 2, v / 2, n / 2) for path, c, v, n in found for _ in range(2)]

    for name in TIMELESS:
        whole, split = credit(journeys_of(found), name), credit(journeys_of(halves), name)
        assert split.conversions == pytest.approx(whole.conversions, abs=1e-9)
        assert split.value == pytest.approx(whole.value, abs=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_markov_credit_is_that_of_the_10k_vectors(order):
    expected = load("synthetic_10k_expected.json")[f"markov_order{order}"]

    earned = credit(synthetic(), f"markov_{order}")

    assert dict(zip(earned.channels, earned.conversions, strict=True)) == pytest.approx(
        expected["conversions"], abs=1e-9
    )


def test_conversions_without_a_touch_go_to_no_known_touchpoint():
    journeys = with_ages(journeys_of([(("a",), 1, 10, 0), ((), 3, 7, 0)]))

    for name in MODELS:
        earned = credit(journeys, name)
        assert earned.channels[-1] == NONE
        assert (earned.conversions[-1], earned.value[-1]) == (3, 7)


def test_only_untouched_conversions_leave_nothing_to_the_channels():
    for name in TIMELESS:
        earned = credit(journeys_of([((), 2, 8, 0), (("a",), 0, 0, 5)]), name)
        assert earned.conversions.tolist() == [0, 0, 0, 0, 0, 2]


def test_a_channel_called_none_cannot_stand_beside_unknown_touchpoints():
    journeys = Journeys.of_paths([["none"], []], conversions=[1, 1])

    with pytest.raises(ValueError, match='"none" stands for conversions without a touch'):
        credit(journeys, "linear")


def test_refunds_are_credited_like_sales():
    journeys = Journeys.of_paths([["a", "b"], ["b"]], conversions=[1, 1], value=[-30.0, 10.0])

    assert credit(journeys, "linear").value.tolist() == [-15, -5]
    assert credit(journeys, "markov").value.sum() == pytest.approx(-20)


def test_nothing_to_credit_is_refused():
    with pytest.raises(NoConversions):
        credit(journeys_of([(("a",), 0, 0, 3)]), "linear")


def test_an_unknown_model_names_those_there_are():
    with pytest.raises(ValueError, match='model "magic" is not known; there are first_touch, last_touch'):
        credit(synthetic(), "magic")


def test_markov_has_no_weights_of_single_journeys():
    with pytest.raises(ValueError, match="markov_2 has no weights of single journeys"):
        touch_weights(synthetic(), "markov_2")


def test_time_decay_takes_its_half_life():
    journeys = Journeys(
        channels=("a", "b"),
        codes=[0, 1],
        offsets=[0, 2],
        conversions=[1.0],
        value=[0.0],
        nulls=[0.0],
        age_days=[1.0, 0.0],
    )

    assert touch_weights(journeys, "time_decay", half_life_days=1) == pytest.approx([1 / 3, 2 / 3])
