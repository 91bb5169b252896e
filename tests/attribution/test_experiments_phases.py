"""Shares that change, news that comes late, lots that were not kept, and metrics that fail."""

from datetime import timedelta

import numpy as np
import pytest

from apps.accounts.errors import Invalid
from apps.attribution import experiment_lists, experiment_metrics, experiment_outcomes, experiments
from apps.attribution.experiment_lists import Needs
from apps.attribution.experiments import Arm, Sighting
from apps.attribution.models import Exposure, Look
from tests.attribution import crowds
from tests.factories import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATER = NOW + 20 * DAY


def _drifted(actor, workspace, rng, rates=((0.05, 0.05), (0.20, 0.20)), **chosen):
    """Even shares, then one to nine; the base rate is four times as high in the second phase."""
    made = crowds.experiment(actor, planned_units=8_000, **chosen)
    for number, (at, of_phase) in enumerate(zip((NOW, NOW + 2 * DAY), rates, strict=True)):
        if number:
            experiments.reweigh(actor, made, {"blue": 1, "green": 9}, now=NOW + DAY, reason="a good start")
        crowd = crowds.people(workspace, 4_000)
        shown = crowds.show(made, crowd, at=at)
        by_variant = dict(zip(("blue", "green"), of_phase, strict=True))
        crowds.buy_by_variant(workspace, crowd, shown, by_variant, at=at + HOUR)
    return made


def _means(reading):
    return {arm["name"]: arm["mean"] for arm in reading["arms"]}


@pytest.mark.parametrize("metric", ["conversion", "conversions"])
@pytest.mark.parametrize("reading", ["prove_lift", "always_valid", "send_winner"])
def test_a_variant_with_more_of_the_good_days_is_no_better(actor, workspace, rng, metric, reading):
    made = _drifted(actor, workspace, rng, metric=metric, reading=reading, covariate_days=0.0)

    look = experiments.turn(made, now=LATER)
    shown = experiments.read(made, now=LATER)

    found = shown.watched or shown.reading
    assert not shown.is_broken
    assert _means(found)["blue"] == pytest.approx(_means(found)["green"], rel=0.01)
    if reading != "send_winner":
        assert found["winner"] is None
        assert look is None or look.favours == ""


def test_a_true_effect_is_found_through_the_phases(actor, workspace, rng):
    made = _drifted(actor, workspace, rng, rates=((0.05, 0.08), (0.2, 0.3)))

    assert experiments.turn(made, now=LATER).favours == "green"


def test_a_phase_that_lacks_a_variant_is_left_out_and_told(actor, workspace):
    made = crowds.experiment(actor)
    crowds.show(made, crowds.people(workspace, 2_000))
    experiments.reweigh(actor, made, {"blue": 1, "green": 1}, now=NOW + DAY, reason="again")
    only = [
        experiments.of_person(one, at=NOW + 2 * DAY, variant="green") for one in crowds.people(workspace, 3)
    ]
    experiments.expose(made, only, now=NOW + 2 * DAY)

    shown = experiments.read(made, now=LATER)

    assert (shown.counted, shown.left_out) == (2_003, 3)
    assert sum(arm["units"] for arm in shown.watched["arms"]) == 2_000


# News that comes late


def test_late_news_without_a_variant_is_of_the_shares_of_its_moment(actor, workspace):
    made, crowd = crowds.experiment(actor), crowds.people(workspace, 2_300)
    lot = {one: experiments.assign(made, str(one), now=NOW).variant for one in crowd}
    crowd = crowds.of_each(crowd, list(lot.values()), 1_000)
    then = {one: lot[one] for one in crowd}
    experiments.reweigh(actor, made, {"blue": 1, "green": 9}, now=NOW + DAY, reason="a good start")

    experiments.expose(made, [experiments.of_person(one, at=NOW) for one in crowd], now=NOW + 2 * DAY)

    kept = dict(Exposure.objects.values_list("person_id", "variant__key"))
    assert kept == then
    shown = experiments.read(made, now=LATER)
    assert not shown.is_broken
    assert shown.off_lot == 0


def test_a_later_lot_does_not_reach_back_before_it(actor, workspace):
    made, crowd = crowds.experiment(actor), crowds.people(workspace, 500)
    then = {one: experiments.assign(made, str(one), now=NOW).variant for one in crowd}
    experiments.reweigh(actor, made, {"blue": 1, "green": 9}, now=NOW + DAY, reason="a good start")
    for at in (NOW + 2 * DAY, NOW):
        experiments.expose(made, [experiments.of_person(one, at=at) for one in crowd], now=NOW + 2 * DAY)

    rows = Exposure.objects.values_list("person_id", "variant__key", "phase")
    assert sorted(rows) == sorted((one, variant, 1) for one, variant in then.items())


@pytest.mark.parametrize("ended", ["stopped", "decided"])
def test_late_news_from_before_the_end_is_taken_without_a_variant(actor, workspace, ended):
    made, (person,) = crowds.experiment(actor), crowds.people(workspace, 1)
    then = experiments.assign(made, str(person), now=NOW).variant
    if ended == "stopped":
        made = experiments.stop(actor, made, now=NOW + DAY)
    else:
        made = experiments.decide(actor, made, winner=None, now=NOW + DAY)

    before = experiments.expose(made, [experiments.of_person(person, at=NOW)], now=NOW + 2 * DAY)
    after = experiments.expose(made, [experiments.of_person(person, at=NOW + 2 * DAY)], now=NOW + 2 * DAY)

    assert (before.stored, after.refused) == (1, {"outside_period": 1})
    assert Exposure.objects.get().variant.key == then


# What the lot said


@pytest.fixture
def held_out(workspace):
    workspace.settings["experiments_holdout_share"] = 0.5
    workspace.save()
    crowd = crowds.people(workspace, 200)
    held = experiments.is_held_out([str(one) for one in crowd], workspace=workspace)
    return [one for one, is_held in zip(crowd, held, strict=True) if is_held]


def test_whoever_is_held_out_is_not_in_it_whatever_they_were_shown(actor, workspace, held_out):
    made = crowds.experiment(actor)
    seen = [experiments.of_person(one, at=NOW, variant="blue") for one in held_out]

    assert experiments.expose(made, seen, now=NOW).refused == {"not_in_experiment": len(held_out)}


def test_whoever_is_held_out_is_not_in_a_unit_above_them_either(actor, workspace, held_out):
    made = crowds.experiment(actor, unit="referral_root")
    others = crowds.people(workspace, 200)
    seen = [
        Sighting(unit=f"root-{number}", person=one, at=NOW) for number, one in enumerate(held_out + others)
    ]

    experiments.expose(made, seen, now=NOW)

    assert Exposure.objects.exists()
    assert not Exposure.objects.filter(person_id__in=held_out).exists()


def test_after_the_decision_those_held_out_stay_out(actor, workspace, held_out):
    made = crowds.experiment(actor)
    made = experiments.decide(
        actor, made, winner="green", now=NOW + DAY, despite_reading=True, reason="the brand is green"
    )

    got = experiments.assign_many(made, [str(one) for one in held_out], now=NOW + 2 * DAY)

    assert {(one.variant, str(one.why)) for one in got} == {(None, "held_out")}


def test_a_slice_of_another_experiment_is_not_in_this_one(actor, workspace):
    first, second = (
        crowds.experiment(actor, key=key, layer="checkout", traffic_share=0.5) for key in ("one", "two")
    )
    crowd = crowds.people(workspace, 100)
    mine = [one for one in crowd if experiments.assign(first, str(one), now=NOW).is_in]
    seen = [experiments.of_person(one, at=NOW, variant="blue") for one in mine]

    assert experiments.expose(second, seen, now=NOW).refused == {"not_in_experiment": len(mine)}


def test_exposures_against_the_lot_are_counted(actor, workspace, page, api):
    made, crowd = crowds.experiment(actor), crowds.people(workspace, 100)
    lot = experiments.assign_many(made, [str(one) for one in crowd], now=NOW)
    other = {"blue": "green", "green": "blue"}
    seen = [
        experiments.of_person(one, at=NOW, variant=other[got.variant] if number < 30 else got.variant)
        for number, (one, got) in enumerate(zip(crowd, lot, strict=True))
    ]
    experiments.expose(made, seen, now=NOW)

    assert experiments.read(made, now=LATER).off_lot == 30
    assert b"Against the lot" in page.get("/attribution/experiments/colour/").content


def test_a_stopped_experiment_keeps_its_slice_until_its_windows_are_over(actor):
    first = crowds.experiment(actor, key="one", layer="checkout", traffic_share=0.6)
    experiments.stop(actor, first, now=NOW + DAY)
    arms = [Arm(key="a", is_control=True), Arm(key="b")]
    draft = experiments.create(
        actor,
        key="two",
        name="2",
        variants=arms,
        now=NOW,
        layer="checkout",
        traffic_share=0.6,
        **crowds.ASKED,
    )

    with pytest.raises(experiments.LayerFull):
        experiments.start(actor, draft, now=NOW + 7 * DAY)
    assert experiments.start(actor, draft, now=NOW + 8 * DAY).slice_start == 0.0


# Units above the person


def test_people_who_come_back_count_in_each_block_of_days(actor, workspace):
    made = crowds.experiment(actor, unit="day_block", metric="conversions", planned_units=40)
    crowd = crowds.people(workspace, 20)
    for day in range(10):
        at = NOW + day * DAY
        experiments.expose(made, [Sighting(unit=f"day-{day}", person=one, at=at) for one in crowd], now=at)
    # One order on each day by half of them: within seven days, were windows to overlap, it would count often.
    for day in range(10):
        crowds.buy(workspace, crowd[:10], at=NOW + day * DAY + HOUR)

    seen = experiment_outcomes.exposed(made)
    found = experiment_outcomes.of(made, seen, now=NOW + 40 * DAY)

    assert len(seen) == 200
    assert seen.is_first.sum() == 10
    assert found.value.sum() == 100
    assert set(found.value.tolist()) == {0.0, 1.0}
    watched = experiments.read(made, now=NOW + 40 * DAY).watched
    assert sum(arm["units"] for arm in watched["arms"]) == 10


def test_a_unit_belongs_to_the_phase_in_which_it_was_drawn(actor, workspace):
    made, (first, second) = crowds.experiment(actor, unit="referral_root"), crowds.people(workspace, 2)
    experiments.expose(made, [Sighting(unit="root", person=first, at=NOW)], now=NOW)
    experiments.reweigh(actor, made, {"blue": 1, "green": 9}, now=NOW + DAY, reason="a good start")
    experiments.expose(made, [Sighting(unit="root", person=second, at=NOW + 2 * DAY)], now=NOW + 2 * DAY)

    seen = experiment_outcomes.exposed(made)

    assert seen.phase.tolist() == [1, 1]
    assert len(set(seen.variant.tolist())) == 1
    (row,) = experiment_lists.overview(now=LATER).rows
    assert row.units == 1


# Metrics that fail


def _boom(asked):
    raise RuntimeError("boom")


@pytest.fixture
def failing(actor, workspace):
    """An experiment with people, judged by a metric that raises; removed afterwards."""
    experiments.register_metric("test_boom", label="Boom", read=_boom)
    made = crowds.experiment(actor, metric="test_boom", covariate_days=0.0)
    crowds.show(made, crowds.people(workspace, 100))
    yield made
    experiment_metrics._metrics.pop("test_boom", None)


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_metric_that_cannot_be_read_is_told_and_the_turn_goes_on(actor, failing, page, is_gone):
    if is_gone:
        del experiment_metrics._metrics["test_boom"]

    shown = experiments.read(failing, now=LATER)

    assert (shown.reading, shown.watched, shown.counted) == (None, None, 100)
    assert ("any more" if is_gone else "RuntimeError") in shown.fault
    assert b"metric cannot be read" in page.get("/attribution/experiments/colour/").content
    assert page.get("/attribution/experiments/").status_code == 200
    assert experiments.turn(failing, now=LATER) is None
    assert experiments.find("colour").due_at > LATER
    with pytest.raises(experiments.NotProven):
        experiments.decide(actor, failing, winner="green", now=LATER)


# The end of a lift


def test_a_look_next_to_the_horizon_is_the_last(actor, workspace):
    made = crowds.experiment(actor)
    crowd = crowds.people(workspace, 3_998)
    crowds.buy_by_variant(workspace, crowd, crowds.show(made, crowd), {"blue": 0.1, "green": 0.102})

    look = experiments.turn(made, now=NOW + 9 * DAY)

    assert (look.information, look.is_conclusive) == (1.0, True)
    assert experiments.find("colour").due_at is None


def test_what_passed_the_horizon_before_is_over(actor, workspace):
    """A look of 99.95 % that was taken as one on the way."""
    made = crowds.experiment(actor)
    crowds.show(made, crowds.people(workspace, 4_200))
    Look.objects.create(
        workspace=workspace, experiment=made, number=1, taken_at=NOW, units=3_998, information=0.9995,
        verdict="", figures={},
    )  # fmt: skip

    assert experiments.turn(made, now=NOW + 9 * DAY) is None
    assert experiments.find("colour").due_at is None


def test_a_reading_that_is_due_is_said_to_be_due(actor, workspace):
    made = crowds.experiment(actor)
    crowds.show(made, crowds.people(workspace, 10))

    (before,) = experiment_lists.overview(now=NOW).rows
    (after,) = experiment_lists.overview(now=NOW + 9 * DAY + timedelta(minutes=3)).rows

    assert (before.is_overdue, after.is_overdue, after.needs) == (False, True, Needs.TIME)


@pytest.mark.parametrize("baseline", [1e-12, 1e-300])
def test_more_units_than_there_are_people_are_not_planned(actor, baseline):
    arms = [Arm(key="a", is_control=True), Arm(key="b")]
    asked = crowds.ASKED | {"planned_units": None, "baseline": baseline, "minimum_effect": 0.001}

    with pytest.raises(Invalid, match="Some fields"):
        experiments.create(actor, key="k", name="K", variants=arms, now=NOW, **asked)


def test_large_values_near_each_other_have_an_error(actor, workspace):
    figures = np.tile(np.array([1.0, 2.0, 3.0, 4.0]), 50) + 1e12
    experiments.register_metric("test_large", label="Large", read=lambda asked: figures[: len(asked.since)])
    made = crowds.experiment(actor, metric="test_large", covariate_days=0.0)
    crowds.show(made, crowds.people(workspace, 200))

    arm = experiments.read(made, now=LATER).watched["arms"][0]

    del experiment_metrics._metrics["test_large"]
    assert arm["high"] - arm["low"] > 0.1
