"""Who gets what: by lot, for ever, with nobody in two experiments of a layer; and the log of who saw it."""

from collections import Counter
from datetime import timedelta

import pytest

from apps.accounts import people as accounts_people
from apps.accounts import privacy, workspaces
from apps.accounts.errors import Invalid
from apps.accounts.models import Workspace
from apps.attribution import experiment_outcomes, experiments
from apps.attribution.experiments import Arm, Sighting, Why
from apps.attribution.models import Allocation, Exposure
from tests.attribution import crowds
from tests.factories import NOW, PersonFactory

DAY = timedelta(days=1)


def _variants(made, units, *, now=NOW):
    return [one.variant for one in experiments.assign_many(made, units, now=now)]


def test_the_answer_is_the_same_each_time_and_nothing_is_written(actor):
    made = crowds.experiment(actor)
    units = [str(number) for number in range(500)]

    first = _variants(made, units)

    assert _variants(made, units, now=NOW + 300 * DAY) == first
    assert [experiments.assign(made, unit, now=NOW).variant for unit in units[:20]] == first[:20]
    assert Exposure.objects.count() == 0


def test_shares_are_those_that_were_asked_for(actor):
    arms = [Arm(key="old", is_control=True, share=3), Arm(key="new", share=1)]
    made = experiments.create(actor, key="k", name="K", variants=arms, now=NOW, **crowds.ASKED)
    experiments.start(actor, made, now=NOW)

    got = Counter(_variants(experiments.find("k"), [str(number) for number in range(20_000)]))

    assert got["new"] / 20_000 == pytest.approx(0.25, abs=0.014)  # 4.6 standard errors


def test_two_experiments_draw_independently(actor):
    units = [str(number) for number in range(20_000)]
    one = _variants(crowds.experiment(actor, key="one"), units)
    other = _variants(crowds.experiment(actor, key="other"), units)

    both = sum(a == b for a, b in zip(one, other, strict=True))
    assert both / 20_000 == pytest.approx(0.5, abs=0.015)


def test_experiments_of_a_layer_share_nobody(actor):
    units = [str(number) for number in range(5_000)]
    one = crowds.experiment(actor, key="one", layer="checkout", traffic_share=0.6)
    other = crowds.experiment(actor, key="other", layer="checkout", traffic_share=0.4)

    pairs = list(zip(_variants(one, units), _variants(other, units), strict=True))
    assert all((a is None) != (b is None) for a, b in pairs)
    assert sum(a is not None for a, _ in pairs) / 5_000 == pytest.approx(0.6, abs=0.03)


def test_a_full_layer_says_how_much_is_left(actor):
    crowds.experiment(actor, key="one", layer="checkout", traffic_share=0.6)
    other = experiments.create(
        actor,
        key="other",
        name="Other",
        variants=[Arm(key="a", is_control=True), Arm(key="b")],
        now=NOW,
        **crowds.ASKED,
        layer="checkout",
        traffic_share=0.5,
    )

    with pytest.raises(experiments.LayerFull, match="40%"):
        experiments.start(actor, other, now=NOW)

    assert experiments.find("other").state == "draft"


def test_no_experiment_touches_the_permanent_hold_out(actor):
    workspaces.change(actor, now=NOW, settings={"experiments_holdout_share": 0.1})
    units = [str(number) for number in range(5_000)]
    made = [crowds.experiment(actor, key=key) for key in ("one", "other")]

    held = experiments.is_held_out(units, workspace=Workspace.objects.get())

    assert sum(held) / 5_000 == pytest.approx(0.1, abs=0.019)  # 4.5 standard errors
    for one in made:
        outside = [got.why == Why.HELD_OUT for got in experiments.assign_many(one, units, now=NOW)]
        assert outside == held


def test_a_larger_hold_out_does_not_move_an_experiment_that_runs(actor):
    made = crowds.experiment(actor)
    units = [str(number) for number in range(200)]
    before = _variants(made, units)

    workspaces.change(actor, now=NOW, settings={"experiments_holdout_share": 0.5})

    assert _variants(experiments.find("colour"), units) == before


def test_whoever_has_seen_a_variant_keeps_it_under_new_shares(actor, workspace):
    made = crowds.experiment(actor)
    crowd = crowds.people(workspace, 400)
    before = crowds.show(made, crowd[:200])

    experiments.reweigh(
        actor, made, {"blue": 1, "green": 99_999_999}, now=NOW + DAY, reason="blue is out of stock"
    )

    after = _variants(made, [str(one) for one in crowd], now=NOW + 2 * DAY)
    assert after[:200] == before
    assert set(after[200:]) == {"green"}


def test_new_shares_are_a_phase_of_their_own_and_logged(actor):
    made = crowds.experiment(actor)

    experiments.reweigh(actor, made, {"blue": 1, "green": 3}, now=NOW + DAY, reason="more of green")

    rows = Allocation.objects.filter(experiment=made).order_by("phase", "variant__position")
    assert [(row.phase, row.share) for row in rows] == [(1, 0.5), (1, 0.5), (2, 0.25), (2, 0.75)]
    with pytest.raises(Invalid):
        experiments.reweigh(actor, made, {"blue": 1}, now=NOW + DAY, reason="")


def test_a_draft_and_a_stopped_experiment_change_nothing_for_anybody(actor):
    arms = [Arm(key="a", is_control=True), Arm(key="b")]
    draft = experiments.create(actor, key="d", name="D", variants=arms, now=NOW, **crowds.ASKED)
    stopped = experiments.stop(actor, crowds.experiment(actor), now=NOW)

    for made in (draft, stopped):
        assert experiments.assign(made, "1", now=NOW).variant is None
        assert experiments.assign(made, "1", now=NOW).why == Why.NOT_RUNNING


# The log


def test_an_exposure_that_comes_twice_counts_once(actor, workspace):
    made, crowd = crowds.experiment(actor), crowds.people(workspace, 50)

    first = experiments.expose(made, [experiments.of_person(one, at=NOW) for one in crowd], now=NOW)
    again = experiments.expose(
        made, [experiments.of_person(one, at=NOW + DAY) for one in crowd], now=NOW + DAY
    )

    assert (first.stored, first.known) == (50, 0)
    assert (again.stored, again.known) == (0, 50)
    assert set(Exposure.objects.values_list("first_exposed_at", flat=True)) == {NOW}


def test_an_earlier_exposure_that_arrives_late_is_the_first(actor, workspace):
    made, (person,) = crowds.experiment(actor), crowds.people(workspace, 1)
    late = NOW + DAY

    for at, variant in ((late, "green"), (NOW, "blue")):
        experiments.expose(made, [experiments.of_person(person, at=at, variant=variant)], now=late)

    row = Exposure.objects.get()
    assert (row.first_exposed_at, row.variant.key, row.is_mixed) == (NOW, "blue", True)


def test_in_one_batch_the_first_counts_too(actor, workspace):
    made, (person,) = crowds.experiment(actor), crowds.people(workspace, 1)
    twice = [
        experiments.of_person(person, at=NOW + DAY, variant="green"),
        experiments.of_person(person, at=NOW, variant="blue"),
    ]

    logged = experiments.expose(made, twice, now=NOW + DAY)

    row = Exposure.objects.get()
    assert (logged.stored, logged.known) == (1, 1)
    assert (row.first_exposed_at, row.variant.key, row.is_mixed) == (NOW, "blue", True)


def test_an_exposure_belongs_to_the_phase_of_its_moment(actor, workspace):
    made, crowd = crowds.experiment(actor), crowds.people(workspace, 2)
    experiments.reweigh(actor, made, {"blue": 1, "green": 3}, now=NOW + DAY, reason="more of green")

    seen = [
        experiments.of_person(one, at=at, variant="blue")
        for one, at in zip(crowd, (NOW, NOW + 2 * DAY), strict=True)
    ]
    experiments.expose(made, seen, now=NOW + 2 * DAY)

    assert list(Exposure.objects.order_by("first_exposed_at").values_list("phase", flat=True)) == [1, 2]


def test_what_cannot_be_logged_is_counted_by_its_reason(actor, workspace):
    made, crowd = crowds.experiment(actor, traffic_share=0.5), crowds.people(workspace, 40)
    outside = [one for one in crowd if not experiments.assign(made, str(one), now=NOW).is_in]
    given = [
        *(experiments.of_person(one, at=NOW) for one in outside),
        experiments.of_person(crowd[0], at=NOW, variant="mauve"),
        experiments.of_person(crowd[0], at=NOW - DAY, variant="blue"),
        experiments.of_person(crowd[0], at=NOW + DAY, variant="blue"),
        experiments.of_person(2**40, at=NOW, variant="blue"),
    ]

    logged = experiments.expose(made, given, now=NOW)

    expected = {"not_in_experiment": len(outside), "unknown_variant": 1, "outside_period": 2, "no_person": 1}
    assert logged.refused == expected
    assert Exposure.objects.count() == 0


def test_nobody_can_have_seen_a_draft(actor):
    arms = [Arm(key="a", is_control=True), Arm(key="b")]
    draft = experiments.create(actor, key="d", name="D", variants=arms, now=NOW, **crowds.ASKED)

    with pytest.raises(experiments.NotRunning):
        experiments.expose(draft, [], now=NOW)


def _one_of_each(made, workspace):
    """Somebody with blue and somebody with green by lot."""
    by_variant = {}
    for one in crowds.people(workspace, 30):
        by_variant.setdefault(experiments.assign(made, str(one), now=NOW).variant, one)
    return by_variant["blue"], by_variant["green"]


def test_two_who_turn_out_to_be_one_count_for_what_they_saw_first(actor, workspace):
    made = crowds.experiment(actor)
    blue, green = _one_of_each(made, workspace)
    for one, at in ((blue, NOW), (green, NOW + DAY)):
        experiments.expose(made, [experiments.of_person(one, at=at)], now=NOW + DAY)
    crowds.buy(workspace, [green], at=NOW + 2 * DAY)

    survivor, absorbed = (accounts_people.Person.objects.get(pk=one) for one in (green, blue))
    accounts_people.merge(actor, survivor, absorbed, reason="the same", now=NOW + 2 * DAY)

    seen = experiment_outcomes.exposed(made)
    found = experiment_outcomes.of(made, seen, now=NOW + 30 * DAY)
    assert [seen.keys[place] for place in seen.variant] == ["blue"]
    assert seen.is_mixed.tolist() == [True]
    assert found.value.tolist() == [1.0]
    assert experiments.assign(made, str(green), now=NOW + 3 * DAY).variant == "blue"


def test_a_merge_moves_exposures_and_a_new_one_for_either_is_the_survivors(actor, workspace):
    made = crowds.experiment(actor)
    first, second = crowds.people(workspace, 2)
    experiments.expose(made, [experiments.of_person(second, at=NOW)], now=NOW)
    survivor, absorbed = (accounts_people.Person.objects.get(pk=one) for one in (first, second))
    accounts_people.merge(actor, survivor, absorbed, reason="the same", now=NOW)

    experiments.expose(made, [experiments.of_person(second, at=NOW + DAY)], now=NOW + DAY)

    assert set(Exposure.objects.values_list("person_id", flat=True)) == {first}
    assert len(experiment_outcomes.exposed(made)) == 1


def test_units_above_the_person_are_assigned_whole(actor, workspace):
    made = crowds.experiment(actor, unit="referral_root")
    crowd = crowds.people(workspace, 30)
    seen = [Sighting(unit=f"root-{number % 3}", person=one, at=NOW) for number, one in enumerate(crowd)]

    experiments.expose(made, seen, now=NOW)

    found = experiment_outcomes.exposed(made)
    assert len(found) == 30
    for root in range(3):
        own = found.variant[found.units == f"root-{root}"]
        assert len(own) == 10
        assert len(set(own.tolist())) == 1


def test_an_erased_person_still_counts(actor, workspace):
    made = crowds.experiment(actor)
    person = PersonFactory(workspace=workspace)
    experiments.expose(made, [experiments.of_person(person.pk, at=NOW)], now=NOW)

    privacy.erase(actor, person, reason="asked", now=NOW)

    assert len(experiment_outcomes.exposed(made)) == 1
