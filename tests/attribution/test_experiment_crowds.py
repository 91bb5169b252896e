"""Crowds get what each of them would get alone."""

from datetime import timedelta

import numpy as np
import pytest

from apps.attribution import experiments
from apps.attribution.maths.experiments import assignment
from apps.attribution.maths.experiments.assignment import HELD_OUT, OUTSIDE, HoldOut, Split
from apps.attribution.models import Experiment, Exposure
from tests.factories import NOW, PersonFactory


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.0, 3.0), (0.0, 1.0), (0.2, 0.3, 0.5)])
@pytest.mark.parametrize("layer", ["", "1/layer/mail"])
def test_a_crowd_is_drawn_as_each_alone(weights, layer):
    split = Split(
        salt="1/experiment/x",
        variants=tuple("abc"[: len(weights)]),
        weights=weights,
        layer=layer,
        slice_start=0.2,
        slice_end=0.7,
    )
    hold_out = HoldOut(salt="1/hold-out", share=0.1)
    units = [str(number) for number in range(2_000)]

    drawn = assignment.places([one.encode() for one in units], split, hold_out=hold_out)

    alone = [assignment.assign(one, split, hold_out=hold_out) for one in units]
    codes = {"held_out": HELD_OUT, "other_slice": OUTSIDE}
    assert drawn.tolist() == [
        codes[one.reason] if one.variant is None else split.variants.index(one.variant) for one in alone
    ]


@pytest.fixture
def running(actor):
    made = experiments.create(
        actor,
        key="subject",
        name="Subject",
        variants=[experiments.Arm(key="a", is_control=True), experiments.Arm(key="b", share=2)],
        reading=Experiment.Reading.SEND_WINNER,
        traffic_share=0.6,
        now=NOW,
    )
    return experiments.start(actor, made, now=NOW)


@pytest.fixture
def crowd(workspace):
    return np.array([PersonFactory(workspace=workspace).pk for _ in range(40)])


def test_a_crowd_is_assigned_and_logged_as_each_would_be(running, crowd):
    drawn = experiments.draw_crowd(running, crowd, now=NOW)
    logged = experiments.log_crowd(running, crowd, drawn, [NOW] * len(crowd))

    alone = experiments.assign_many(running, [str(one) for one in crowd], now=NOW)
    assert [None if place < 0 else drawn.keys[place] for place in drawn.places] == [
        one.variant for one in alone
    ]
    assert logged == Exposure.objects.count() == (drawn.places >= 0).sum() > 0
    assert experiments.log_crowd(running, crowd, drawn, [NOW + timedelta(hours=1)] * len(crowd)) == 0
    assert set(Exposure.objects.values_list("first_exposed_at", flat=True)) == {NOW}


def test_what_somebody_has_seen_they_keep(actor, running, crowd):
    first = experiments.draw_crowd(running, crowd, now=NOW)
    experiments.log_crowd(running, crowd, first, [NOW] * len(crowd))

    later = NOW + timedelta(hours=1)
    experiments.reweigh(actor, running, {"a": 0.01, "b": 0.99}, now=later, reason="more of b")
    again = experiments.draw_crowd(running, crowd, now=later)

    assert (again.places[first.places >= 0] == first.places[first.places >= 0]).all()


def test_after_a_decision_everybody_gets_the_winner(actor, running, crowd):
    experiments.decide(actor, running, winner="b", now=NOW, reason="said so", despite_reading=True)
    running.refresh_from_db()

    drawn = experiments.draw_crowd(running, crowd, now=NOW)

    assert {drawn.keys[place] for place in drawn.places} == {"b"}


def test_nobody_is_drawn_before_the_start(actor, crowd):
    made = experiments.create(
        actor,
        key="x",
        name="X",
        variants=[experiments.Arm(key="a", is_control=True), experiments.Arm(key="b")],
        reading=Experiment.Reading.SEND_WINNER,
        now=NOW,
    )
    with pytest.raises(experiments.NotRunning):
        experiments.draw_crowd(made, crowd, now=NOW)
