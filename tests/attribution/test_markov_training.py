"""Markov chains are trained in a worker, kept as numbered versions, and come back after a restart."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts import jobs
from apps.accounts.errors import Invalid
from apps.attribution import markov_training
from apps.attribution.markov_rows import NamesTooLong, arrows, counts_of, keys_of, state_name
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.markov import MarkovModel
from apps.attribution.maths.transitions import count_transitions
from apps.attribution.models import MarkovTransition, ModelRun
from tests.attribution.stories import journey


@pytest.fixture
def history(workspace):
    """Four journeys whose chain can be solved by hand: RE(a) = 1, RE(b) = 1/2."""
    journey(workspace, "a", "b", value="10")
    journey(workspace, "a", value="20")
    journey(workspace, "a", "b")
    journey(workspace, "b")


def _train(actor, order=1, **chosen):
    job = markov_training.start(actor, order, **chosen)
    jobs.run(job_id=job.pk)
    job.refresh_from_db()
    return job


def test_the_chain_is_the_one_of_the_maths(history, actor):
    job = _train(actor)

    trained = markov_training.latest(1)
    plain = Journeys.of_paths(
        [["a", "b"], ["a"], ["a", "b"], ["b"]],
        conversions=[1, 1, 0, 0],
        value=[10, 20, 0, 0],
        nulls=[0, 0, 1, 1],
    )
    expected = MarkovModel.fit(plain, order=1)
    assert job.result == {
        "run_id": trained.run.pk,
        "version": 1,
        "is_new": True,
        "summary": "Version 1 of order 1 has learnt from 4\N{NO-BREAK SPACE}journeys.",
    }
    assert trained.model.p_conversion == pytest.approx(0.5)
    assert trained.model.removal_effects == pytest.approx(expected.removal_effects)
    assert trained.model.credited_value == pytest.approx(expected.credited_value)
    assert trained.run.figures["removal_effects"] == pytest.approx(
        dict(zip("ab", expected.removal_effects, strict=True))
    )
    assert (trained.run.journeys, trained.run.conversions, trained.run.revenue) == (4, 2, 30)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_restart_brings_the_same_model_back_from_its_rows(history, workspace, actor, order):
    journey(workspace, "a", "b", "c", "a", "b", value="7")
    _train(actor, order)
    before = markov_training.latest(order).model

    markov_training.forget_loaded()

    after = markov_training.latest(order).model
    assert after is not before
    assert after.removal_effects.tolist() == before.removal_effects.tolist()
    assert after.credited_conversions.tolist() == before.credited_conversions.tolist()


def test_the_same_data_gives_no_new_version(history, actor):
    _train(actor)

    job = _train(actor)

    assert job.result["is_new"] is False
    assert ModelRun.objects.count() == 1


def test_new_data_gives_the_next_version_and_the_old_one_stays(history, workspace, actor):
    _train(actor)
    journey(workspace, "c", value="5")

    job = _train(actor)

    assert job.result["version"] == 2
    assert markov_training.latest(1).run.version == 2
    assert MarkovTransition.objects.filter(run__version=1).exists()


def test_versions_count_by_order(history, actor):
    assert _train(actor, 1).result["version"] == 1
    assert _train(actor, 2).result["version"] == 1


def test_a_second_start_of_the_same_training_answers_the_same_job(history, actor):
    assert markov_training.start(actor, 1) == markov_training.start(actor, 1)


def test_a_period_limits_what_is_learnt(history, workspace, actor, now):
    journey(workspace, "old", value="5", end_days=100)

    _train(actor, start=now - timedelta(days=50))

    assert "old" not in dict(markov_training.latest(1).run.figures["removal_effects"]) or (
        markov_training.latest(1).run.figures["removal_effects"]["old"] == 0
    )
    assert markov_training.latest(1).run.journeys == 4


def test_without_a_conversion_the_job_fails_and_says_why(workspace, actor):
    journey(workspace, "a")

    job = _train(actor)

    assert job.state == "failed"
    assert "nothing to learn from" in job.message
    assert markov_training.latest(1) is None


def test_an_order_that_does_not_exist_is_refused(workspace, actor):
    with pytest.raises(Invalid):
        markov_training.start(actor, 5)


def test_status_tells_whether_the_data_has_changed(history, workspace, actor):
    _train(actor)
    fresh = markov_training.status()
    journey(workspace, "c", value="5")
    stale = markov_training.status()

    assert [one.is_current for one in fresh] == [True, None, None, None]
    assert stale[0].is_current is False


def test_another_workspace_has_no_model(history, actor, other_workspace):
    from apps.accounts import scoping  # noqa: PLC0415

    _train(actor)

    with scoping.workspace(other_workspace):
        assert markov_training.latest(1) is None


KEYS = st.text(min_size=1, max_size=8).filter(lambda key: "\x00" not in key)


@given(st.lists(KEYS | st.sampled_from(["(start)", " > ", ">", "\\", "a > b", " "]), min_size=1, max_size=4))
def test_any_channel_name_survives_being_part_of_a_state(keys):
    assert keys_of(state_name(keys)) == keys


PATHS = st.lists(st.sampled_from(["a", "(start)", "b > c", "\\"]), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(PATHS, min_size=1, max_size=8), st.integers(1, 4))
def test_counts_survive_being_rows(paths, order):
    journeys = Journeys.of_paths(
        paths,
        conversions=[1.0] * len(paths),
        value=[2.5] * len(paths),
        nulls=[place % 3 for place in range(len(paths))],
    )
    counts = count_transitions(journeys, order=order)

    again = counts_of(arrows(counts, journeys.channels), channels=journeys.channels, order=order)

    assert again.conversions.sum() == counts.conversions.sum()
    assert again.value.sum() == counts.value.sum()
    expected = MarkovModel.from_transitions(counts).removal_effects
    assert MarkovModel.from_transitions(again).removal_effects == pytest.approx(expected, abs=1e-12)


def test_names_that_do_not_fit_are_refused_in_words():
    with pytest.raises(NamesTooLong):
        state_name(["\\" * 60] * 4)
