import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.attribution.maths import removal
from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.journeys import Journeys, NoConversions
from apps.attribution.maths.markov import MarkovModel, ShareBasis, journey_shares
from apps.attribution.maths.transitions import TransitionCounts, count_transitions

from . import reference
from .strategies import NAMES, journeys_of, rows
from .vectors import journeys_of as vector_journeys
from .vectors import load, synthetic

CASES = {case["name"]: case for case in load("markov_small.json")["cases"]}
EXPECTED_10K = load("synthetic_10k_expected.json")


def named(model: MarkovModel, amounts) -> dict[str, float]:
    return dict(zip(model.channels, amounts, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_order_1_agrees_with_the_exact_fractions(name):
    expected = CASES[name]["self_loops_dropped"]

    model = MarkovModel.fit(vector_journeys(CASES[name]["paths"]))

    assert model.p_conversion == pytest.approx(expected["p_conversion"]["float"], abs=1e-12)
    for key, amounts in (
        ("removal_effect", model.removal_effects),
        ("attributed_conversions", model.credited_conversions),
        ("removal_effect_value", model.value_removal_effects),
        ("attributed_value", model.credited_value),
    ):
        if key in expected:
            exact = {channel: value["float"] for channel, value in expected[key].items()}
            assert named(model, amounts) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_orders_1_to_3_agree_with_the_vectors(name, order):
    expected = CASES[name][f"order{order}_float"]

    model = MarkovModel.fit(vector_journeys(CASES[name]["paths"]), order=order)

    assert model.p_conversion == pytest.approx(expected["p_conversion"], abs=1e-12)
    assert named(model, model.removal_effects) == pytest.approx(expected["removal"], abs=1e-12)
    assert named(model, model.credited_conversions) == pytest.approx(expected["attributed"], abs=1e-9)
    if model.value_removal_effects is not None:
        assert named(model, model.value_removal_effects) == pytest.approx(
            expected["removal_value"], abs=1e-12
        )


def test_the_start_and_moves_of_the_textbook_example_are_its_counts():
    counts = count_transitions(vector_journeys(CASES["three_paths"]["paths"]))

    assert counts.states.ravel().tolist() == [0, 1, 2]
    assert counts.starts.tolist() == [2, 1, 0]
    assert list(zip(counts.source, counts.target, counts.count, strict=True)) == [(0, 1, 1), (1, 2, 2)]
    assert counts.conversions.tolist() == [0, 0, 1]
    assert counts.nulls.tolist() == [1, 0, 1]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_10k_vectors(order):
    expected = EXPECTED_10K[f"markov_order{order}"]

    model = MarkovModel.fit(synthetic(), order=order)

    assert model.transitions.n_states == expected["states"]
    assert model.p_conversion == pytest.approx(expected["p_conversion"], abs=1e-12)
    assert named(model, model.removal_effects) == pytest.approx(expected["removal"], abs=1e-9)
    assert named(model, model.value_removal_effects) == pytest.approx(expected["removal_value"], abs=1e-9)
    assert named(model, model.credited_conversions) == pytest.approx(expected["conversions"], abs=1e-9)
    assert named(model, model.credited_value) == pytest.approx(expected["value"], abs=1e-7)


@settings(max_examples=60)
@given(rows(channels=NAMES[:4]), st.integers(1, 4))
def test_every_order_agrees_with_exact_elimination(found, order):
    model = MarkovModel.fit(journeys_of(found), order=order)

    expected = dict.fromkeys(NAMES, 0.0) | {
        c: float(v) for c, v in reference.markov(found, order=order).items()
    }
    assert named(model, model.removal_effects) == pytest.approx(expected, abs=1e-9)
    if model.value_removal_effects is not None:
        expected = dict.fromkeys(NAMES, 0.0) | {
            c: float(v) for c, v in reference.markov(found, order=order, measure="value").items()
        }
        assert named(model, model.value_removal_effects) == pytest.approx(expected, abs=1e-9)


@given(rows(), st.integers(1, 4))
def test_the_fitted_rate_is_the_observed_rate_and_credit_adds_up(found, order):
    journeys = journeys_of(found)

    model = MarkovModel.fit(journeys, order=order)

    observed = journeys.conversions.sum() / (journeys.conversions + journeys.nulls).sum()
    assert model.p_conversion == pytest.approx(observed, abs=1e-12)
    assert model.credited_conversions.sum() == pytest.approx(journeys.conversions.sum(), abs=1e-9)
    assert model.credited_value.sum() == pytest.approx(journeys.value.sum(), abs=1e-6)
    assert ((model.removal_effects >= 0) & (model.removal_effects <= 1)).all()


@given(rows(), st.integers(1, 4))
def test_a_model_reloaded_from_its_counts_is_the_same(found, order):
    fitted = MarkovModel.fit(journeys_of(found), order=order)
    kept = fitted.transitions
    shuffled = np.random.default_rng(1).permutation(len(kept.count))

    reloaded = MarkovModel.from_transitions(
        TransitionCounts(
            channels=kept.channels,
            order=kept.order,
            states=kept.states.copy(),
            starts=kept.starts.copy(),
            conversions=kept.conversions.copy(),
            value=kept.value.copy(),
            nulls=kept.nulls.copy(),
            source=kept.source[shuffled],
            target=kept.target[shuffled],
            count=kept.count[shuffled],
        )
    )

    assert reloaded.removal_effects == pytest.approx(fitted.removal_effects, abs=1e-12)
    assert reloaded.credited_value == pytest.approx(fitted.credited_value, rel=1e-12, abs=1e-12)


@given(rows(), st.integers(1, 4), st.permutations(range(len(NAMES))))
def test_relabelling_the_channels_permutes_the_answer(found, order, places):
    renamed = [(tuple(NAMES[places[NAMES.index(c)]] for c in path), *rest) for path, *rest in found]

    before = MarkovModel.fit(journeys_of(found), order=order)
    after = MarkovModel.fit(journeys_of(renamed), order=order)

    assert after.removal_effects[list(places)] == pytest.approx(before.removal_effects, abs=1e-12)


@given(rows(), st.integers(1, 4))
def test_splitting_rows_or_merging_equal_paths_changes_nothing(found, order):
    twice = [(path, 0.5 * c, 0.5 * v, 0.5 * n) for path, c, v, n in found for _ in range(2)]

    whole = MarkovModel.fit(journeys_of(found), order=order)
    split = MarkovModel.fit(journeys_of(twice), order=order)
    merged = MarkovModel.fit(unique_paths(journeys_of(found)).journeys, order=order)

    for other in (split, merged):
        assert other.removal_effects == pytest.approx(whole.removal_effects, abs=1e-12)
        assert other.credited_value == pytest.approx(whole.credited_value, abs=1e-9)


@pytest.mark.parametrize("sweeps", [removal.SWEEPS, 3], ids=["sweeps", "sparse factor"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_large_chains_give_what_the_dense_inverse_gives(order, sweeps):
    counts = count_transitions(synthetic(), order=order)
    chain = removal.Chain.of(counts)

    small = removal._by_inverse(chain, counts)
    large = removal._by_sweeps(chain, counts, sweeps=sweeps, factorise=True)

    assert large[0] == pytest.approx(small[0], rel=1e-13)
    assert large[1] == pytest.approx(small[1], abs=1e-12)


def test_a_chain_that_does_not_settle_says_so():
    counts = count_transitions(synthetic(), order=2)

    with pytest.raises(removal.DidNotConverge, match="after 3 sweeps"):
        removal._by_sweeps(removal.Chain.of(counts), counts, sweeps=3, factorise=False)


def test_long_journeys_of_few_channels_keep_their_precision():
    """a and b alternate 20,000 times before the only conversion, whose chain needs both."""
    found = [(("a", "b") * 10_000, 1, 10, 2), (("c",), 1, 0, 5)]

    model = MarkovModel.fit(journeys_of(found))

    assert model.p_conversion == pytest.approx(2 / 9, rel=1e-9)
    assert model.removal_effects[:3] == pytest.approx([1 / 2, 1 / 2, 1 / 2], rel=1e-9)
    assert model.value_removal_effects[:3] == pytest.approx([1, 1, 0], abs=1e-9)


def test_states_of_order_2_are_windows_and_short_journeys_are_one_state():
    counts = count_transitions(
        journeys_of([(("a", "a", "a", "b"), 1, 0, 0), (("b",), 0, 0, 1)], channels=("a", "b")), order=2
    )

    assert counts.states.tolist() == [[0, 0], [0, 1], [1, -1]]
    assert list(zip(counts.source, counts.target, counts.count, strict=True)) == [(0, 1, 1)]


def test_a_single_channel_has_the_whole_effect():
    model = MarkovModel.fit(journeys_of([(("a", "a"), 1, 9, 3), (("a",), 0, 0, 2)]))

    assert model.removal_effects.tolist() == [1, 0, 0, 0, 0]
    assert model.credited_value.tolist() == [9, 0, 0, 0, 0]


def test_without_null_paths_every_journey_converts():
    model = MarkovModel.fit(journeys_of([(("a", "b"), 1, 0, 0), (("b",), 1, 0, 0)]))

    assert model.p_conversion == 1
    assert model.removal_effects[:2].tolist() == [0.5, 1]


def test_values_that_cannot_carry_a_chain_follow_the_conversions():
    nothing = MarkovModel.fit(journeys_of([(("a", "b"), 1, 0, 1), (("b",), 1, 0, 1)]))
    refunded = MarkovModel.fit(journeys_of([(("a", "b"), 1, -5, 1), (("a",), 1, 9, 1)]))

    assert nothing.value_removal_effects is None
    assert nothing.credited_value.tolist() == [0] * 5
    assert refunded.value_removal_effects is None
    assert refunded.credited_value == pytest.approx(4 * refunded.credited_conversions / 2)


def test_journeys_without_a_touch_or_that_never_happened_are_left_out():
    found = [(("a", "b"), 2, 8, 1), (("b",), 1, 4, 3)]
    more = [*found, ((), 5, 50, 0), (("c",), 0, 0, 0)]

    assert MarkovModel.fit(journeys_of(more)).credited_value == pytest.approx(
        MarkovModel.fit(journeys_of(found)).credited_value
    )


@pytest.mark.parametrize("found", [[(("a",), 0, 0, 4)], [((), 3, 1, 0)], []])
def test_nothing_to_credit_is_refused(found):
    with pytest.raises(NoConversions, match="no journey with a touch converted"):
        MarkovModel.fit(journeys_of(found))


@pytest.mark.parametrize("order", [0, 5, -1])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match="order must be 1 to 4"):
        MarkovModel.fit(journeys_of([(("a",), 1, 0, 0)]), order=order)


def test_windows_of_too_many_channels_are_refused():
    names = tuple(map(str, range(60_000)))

    with pytest.raises(ValueError, match="60,000 channels are too many for order 4"):
        MarkovModel.fit(journeys_of([(names[:3], 1, 0, 0)], channels=names), order=4)


def test_too_much_work_is_refused_before_it_starts():
    rng = np.random.default_rng(3)
    journeys = Journeys(
        channels=tuple(map(str, range(5_000))),
        codes=rng.integers(0, 5_000, 60_000),
        offsets=np.arange(0, 60_001, 4),
        conversions=np.ones(15_000),
        value=np.zeros(15_000),
        nulls=np.zeros(15_000),
    )

    with pytest.raises(ValueError, match="lower the order or group the rare channels"):
        MarkovModel.fit(journeys, order=2)


def stored(**changed) -> TransitionCounts:
    """start -> a (2) -> b (1), conversions after b, and a state c that no journey reaches."""
    parts = {
        "channels": ("a", "b", "c"),
        "order": 1,
        "states": np.array([[0], [1], [2]], dtype=np.int32),
        "starts": np.array([2.0, 0, 0]),
        "conversions": np.array([0, 1.0, 0]),
        "value": np.array([0, 7.0, 0]),
        "nulls": np.array([1.0, 0, 0]),
        "source": np.array([0]),
        "target": np.array([1]),
        "count": np.array([1.0]),
    }
    return TransitionCounts(**parts | changed)


def test_a_state_that_no_journey_reaches_changes_nothing():
    circling = stored(
        channels=("a", "b", "c", "d"),
        states=np.array([[0], [1], [2], [3]], dtype=np.int32),
        **{
            name: np.append(getattr(stored(), name), 0.0)
            for name in ("starts", "conversions", "value", "nulls")
        },
        source=np.array([0, 2, 3]),
        target=np.array([1, 3, 2]),
        count=np.array([1.0, 4.0, 4.0]),
    )

    for counts in (stored(), circling):
        model = MarkovModel.from_transitions(counts)
        assert model.p_conversion == pytest.approx(0.5)
        assert model.removal_effects[:3] == pytest.approx([1, 1, 0])
        assert model.credited_value[:3] == pytest.approx([3.5, 3.5, 0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": np.array([2.0])}, "state 0 is entered 2 times and left 3 times"),
        ({"starts": np.array([2.0, -1, 0])}, r"starts\[1\] is negative"),
        ({"value": np.array([0, np.nan, 0])}, "value needs finite numbers"),
        ({"nulls": np.array([1.0])}, r"nulls needs finite numbers of shape \(3,\)"),
        ({"target": np.array([3])}, r"target\[0\] is no state"),
        ({"states": np.array([[0], [3], [2]])}, r"states\[1\] holds an unknown channel"),
        ({"states": np.array([[0], [-1], [2]])}, r"states\[1\] holds an unknown channel"),
        ({"states": np.array([[0], [1], [1]])}, "states holds a state twice"),
        ({"order": 2}, r"states needs shape \(n_states, 2\)"),
        ({"conversions": np.zeros(3), "nulls": np.array([1.0, 1, 0])}, "no journey with a touch converted"),
    ],
)
def test_stored_counts_that_make_no_sense_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        stored(**changed)


def test_one_journey_is_shared_by_the_effects_of_its_channels():
    model = MarkovModel.fit(vector_journeys(CASES["three_paths"]["paths"]))

    shares = journey_shares(model, [0, 1, 0, 2])

    assert shares.touch_shares == pytest.approx([0.1, 0.4, 0.1, 0.4])
    assert shares.basis == ShareBasis.REMOVAL_EFFECTS


def test_channels_without_an_effect_share_one_journey_equally():
    model = MarkovModel.fit(journeys_of([(("a",), 1, 0, 0), (("b", "c"), 0, 0, 1)]))

    shares = journey_shares(model, [1, 2, 2, 1, 1])

    assert shares.touch_shares == pytest.approx([1 / 6, 1 / 4, 1 / 4, 1 / 6, 1 / 6])
    assert shares.basis == ShareBasis.EQUAL_NO_EFFECT


@pytest.mark.parametrize("codes", [[], [-1], [99]])
def test_one_journey_needs_channels_of_the_model(codes):
    model = MarkovModel.fit(journeys_of([(("a",), 1, 0, 0)]))

    with pytest.raises(ValueError, match="codes needs at least one channel code below 5"):
        journey_shares(model, codes)
