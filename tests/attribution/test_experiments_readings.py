"""What an experiment says: only at planned looks, only when the lot was fair, and only with enough data."""

from datetime import timedelta

import numpy as np
import pytest
import time_machine

from apps.accounts import scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import AuditEntry, OutboxEvent
from apps.accounts.permissions import system
from apps.attribution import experiment_lists, experiments
from apps.attribution.experiment_lists import Needs
from apps.attribution.experiments import Arm, Sighting
from apps.attribution.models import Allocation, Exposure, Look, Variant
from tests.attribution import crowds
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory

DAY = timedelta(days=1)
# The first of five looks at ten days, once the week of the outcome window has passed.
FIRST_LOOK = NOW + 9 * DAY
RATES = {"blue": 0.10, "green": 0.10, "red": 0.11}


def _ran(actor, workspace, rates, *, people=4_000, **chosen):
    """An experiment whose people were all exposed at its start, and bought by their variant's rate."""
    made = crowds.experiment(actor, variants=tuple(rates), **chosen)
    crowd = crowds.people(workspace, people)
    variants = crowds.show(made, crowd)
    crowds.buy_by_variant(workspace, crowd, variants, rates)
    return made


def _come(workspace, made, rates, *, on_day):
    """As many again, later."""
    crowd = crowds.people(workspace, 6_000)
    shown = crowds.show(made, crowd, at=NOW + on_day * DAY)
    bought = NOW + on_day * DAY + timedelta(hours=1)
    crowds.buy_by_variant(workspace, crowd, shown, rates, at=bought)


def _arms(reading):
    return {arm["name"]: arm for arm in reading["arms"]}


def test_before_its_first_look_a_lift_has_no_reading(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})

    shown = experiments.read(made, now=NOW + DAY)

    assert shown.reading is None
    assert (shown.exposed, shown.counted, shown.waiting) == (4_000, 0, 4_000)


def test_a_look_is_taken_when_it_is_due_and_once(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})

    assert experiments.turn(made, now=FIRST_LOOK - DAY) is None
    look = experiments.turn(made, now=FIRST_LOOK)
    again = experiments.turn(made, now=FIRST_LOOK)

    assert (look.number, look.units, look.favours) == (1, 4_000, "green")
    assert again is None
    assert Look.objects.count() == 1


def test_a_look_says_what_was_seen(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})
    experiments.turn(made, now=FIRST_LOOK)

    shown = experiments.read(made, now=FIRST_LOOK + DAY)

    arms, sizes = _arms(shown.reading), shown.by_variant
    assert (shown.look.number, shown.look.taken_at) == (1, FIRST_LOOK)
    assert arms["green"]["events"] == round(0.15 * sizes["green"])
    assert arms["green"]["mean"] == pytest.approx(0.15, abs=0.001)
    assert arms["green"]["low"] < 0.15 < arms["green"]["high"]
    effect = arms["green"]["effect"]
    assert effect["low"] < effect["difference"] < effect["high"]
    assert effect["difference"] == pytest.approx(0.05, abs=0.001)


def test_looking_at_the_page_takes_no_look(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})

    for hours in range(24):
        experiments.read(made, now=FIRST_LOOK + timedelta(hours=hours))

    assert Look.objects.count() == 0
    assert experiments.read(made, now=FIRST_LOOK).reading is None


def test_between_looks_the_interval_holds_at_any_time_and_is_wider(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})
    experiments.turn(made, now=FIRST_LOOK)

    shown = experiments.read(made, now=FIRST_LOOK)

    planned, watched = _arms(shown.reading)["green"]["effect"], _arms(shown.watched)["green"]["effect"]
    assert watched["low"] < planned["difference"] < watched["high"]
    assert watched["difference"] == pytest.approx(planned["difference"])


def test_the_sweep_finds_what_is_due(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})

    with time_machine.travel(FIRST_LOOK + timedelta(minutes=1), tick=False):
        experiments.take_turn(experiment_id=made.pk)

    assert Look.objects.get().favours == "green"
    assert OutboxEvent.objects.filter(name="attribution.experiment.look_taken").count() == 1


def test_looks_go_on_until_something_is_found(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.102}, people=1_000, baseline=0.1)
    first = experiments.turn(made, now=FIRST_LOOK)

    made = experiments.find("colour")
    assert not first.is_conclusive
    assert made.due_at == FIRST_LOOK + 2 * DAY
    # Nobody came since: there is nothing to look at.
    assert experiments.turn(made, now=FIRST_LOOK + 2 * DAY) is None
    assert experiments.find("colour").due_at == FIRST_LOOK + 4 * DAY


def test_a_variant_that_was_found_worse_and_then_gained_is_no_winner(actor, workspace):
    made = _ran(actor, workspace, RATES | {"green": 0.05}, people=6_000, planned_units=30_000)
    first = experiments.turn(made, now=FIRST_LOOK)
    _come(workspace, made, RATES | {"green": 0.16}, on_day=1)

    second = experiments.turn(experiments.find("colour"), now=FIRST_LOOK + 2 * DAY)

    assert first.settled == ["green"]
    assert _arms(second.figures)["green"]["mean"] > _arms(second.figures)["blue"]["mean"]
    assert (second.favours, second.settled) == ("", [])


def test_what_was_proven_of_a_variant_holds_again_once_it_is_back_on_that_side(actor, workspace):
    made = _ran(actor, workspace, RATES | {"green": 0.05}, people=6_000, planned_units=30_000)
    first = experiments.turn(made, now=FIRST_LOOK)
    _come(workspace, made, RATES | {"green": 0.16}, on_day=1)
    crossed = experiments.turn(experiments.find("colour"), now=FIRST_LOOK + 2 * DAY)
    _come(workspace, made, RATES | {"blue": 0.125, "green": 0.09}, on_day=3)

    back = experiments.turn(experiments.find("colour"), now=FIRST_LOOK + 4 * DAY)

    assert (first.settled, crossed.settled) == (["green"], [])
    assert _arms(back.figures)["green"]["effect"]["high"] > 0  # by this look alone, nothing is proven
    assert _arms(back.figures)["green"]["standing"] == "worse"


def test_a_false_winner_that_an_older_release_wrote_down_is_open_at_the_next_look(actor, workspace):
    """It called a variant that had been found worse better for standing ahead."""
    made = _ran(actor, workspace, RATES | {"green": 0.05}, people=6_000, planned_units=30_000)
    experiments.turn(made, now=FIRST_LOOK)
    _come(workspace, made, RATES | {"green": 0.16}, on_day=1)
    crossed = experiments.turn(experiments.find("colour"), now=FIRST_LOOK + 2 * DAY)
    _arms(crossed.figures)["green"]["standing"] = "better"
    crossed.settled, crossed.favours = ["green"], "green"
    crossed.save()
    _come(workspace, made, RATES | {"green": 0.11}, on_day=3)

    after = experiments.turn(experiments.find("colour"), now=FIRST_LOOK + 4 * DAY)

    assert _arms(after.figures)["green"]["mean"] > _arms(after.figures)["blue"]["mean"]
    assert (after.favours, after.settled) == ("", [])


def test_a_worker_that_comes_late_takes_one_look_and_not_those_it_missed(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.102}, people=1_000)

    experiments.turn(made, now=FIRST_LOOK + 5 * DAY)

    assert Look.objects.count() == 1
    assert experiments.find("colour").due_at == FIRST_LOOK + 6 * DAY


def test_a_lift_that_was_proved_can_be_decided_and_goes_to_everybody(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})
    experiments.turn(made, now=FIRST_LOOK)

    decided = experiments.decide(actor, made, winner="green", now=FIRST_LOOK + DAY, reason="it sells")

    got = experiments.assign_many(decided, ["1", "anybody"], now=FIRST_LOOK + DAY)
    assert [one.variant for one in got] == ["green", "green"]
    assert (decided.state, decided.due_at, decided.decided_by) == ("decided", None, actor.label)
    event = OutboxEvent.objects.get(name="attribution.experiment.decided")
    assert event.payload == {"experiment_id": made.pk, "winner": "green", "by_itself": False}
    assert AuditEntry.objects.get(deed="experiment.decided").reason == "it sells"


@pytest.mark.parametrize("winner", ["green", "blue"])
def test_a_winner_without_the_data_is_refused(actor, workspace, winner):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.102}, people=1_000)
    experiments.turn(made, now=FIRST_LOOK)

    with pytest.raises(experiments.NotProven):
        experiments.decide(actor, made, winner=winner, now=FIRST_LOOK)

    assert experiments.find("colour").state == "running"


def test_before_the_look_not_even_a_large_difference_is_a_winner(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.3})

    with pytest.raises(experiments.NotProven, match="no reading yet"):
        experiments.decide(actor, made, winner="green", now=FIRST_LOOK)


def test_a_person_may_decide_despite_the_reading_with_a_reason_that_is_kept(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.102}, people=1_000)

    with pytest.raises(Invalid):
        experiments.decide(actor, made, winner="green", now=FIRST_LOOK, despite_reading=True)
    decided = experiments.decide(
        actor, made, winner="green", now=FIRST_LOOK, despite_reading=True, reason="the brand is green"
    )

    assert (decided.winner.key, decided.is_overridden) == ("green", True)
    assert AuditEntry.objects.get(deed="experiment.decided").after["overridden"] is True


def test_it_may_always_end_without_a_winner(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.1}, people=100)

    assert experiments.decide(actor, made, winner=None, now=FIRST_LOOK).winner is None
    with pytest.raises(experiments.NotNow):
        experiments.decide(actor, made, winner=None, now=FIRST_LOOK)


def test_a_broken_lot_names_no_winner_whatever_the_reason(actor, workspace):
    made = crowds.experiment(actor)
    crowd = crowds.people(workspace, 4_000)
    variants = crowds.show(made, crowd)
    lost = [one for one, got in zip(crowd, variants, strict=True) if got == "green"][:300]
    Exposure.objects.filter(person_id__in=lost).delete()
    crowds.buy_by_variant(workspace, crowd, variants, {"blue": 0.1, "green": 0.3})

    assert experiments.turn(made, now=FIRST_LOOK) is None
    shown = experiments.read(made, now=FIRST_LOOK)
    assert shown.is_broken
    for despite in (False, True):
        with pytest.raises(experiments.SampleRatioBroken):
            experiments.decide(
                actor, made, winner="green", now=FIRST_LOOK, despite_reading=despite, reason="I want it"
            )
    (row,) = experiment_lists.overview(now=FIRST_LOOK).rows
    assert row.needs == Needs.MENDING


def test_shares_that_changed_on_the_way_are_no_broken_lot(actor, workspace):
    made = crowds.experiment(actor)
    crowd = crowds.people(workspace, 6_000)
    crowds.show(made, crowd[:2_000])
    experiments.reweigh(actor, made, {"blue": 1, "green": 9}, now=NOW + DAY, reason="a good first day")
    crowds.show(made, crowd[2_000:], at=NOW + 2 * DAY)

    shown = experiments.read(made, now=NOW + 20 * DAY)

    assert shown.by_variant["green"] > 3 * shown.by_variant["blue"]
    assert not shown.is_broken
    assert shown.sample_ratio.p_value > 0.99


def test_outcomes_count_inside_the_window_only(actor, workspace):
    made = crowds.experiment(actor)
    crowd = crowds.people(workspace, 2_000)
    crowds.show(made, crowd)
    for place, at in enumerate((NOW - DAY, NOW, NOW + 6.9 * DAY, NOW + 7 * DAY)):
        crowds.buy(workspace, [crowd[place]], at=at)

    watched = experiments.read(made, now=FIRST_LOOK).watched

    assert sum(arm["events"] for arm in watched["arms"]) == 2


def test_a_goal_counts_its_own_conversions(actor, workspace):
    made = crowds.experiment(actor, goal="trial")
    crowd = crowds.people(workspace, 2_000)
    crowds.show(made, crowd)
    crowds.buy(workspace, crowd[:10], at=NOW, kind="purchase")
    crowds.buy(workspace, crowd[:3], at=NOW, kind="trial")

    watched = experiments.read(made, now=FIRST_LOOK).watched

    assert sum(arm["events"] for arm in watched["arms"]) == 3


def test_whoever_came_late_waits_until_their_window_is_over(actor, workspace):
    made = crowds.experiment(actor)
    crowd = crowds.people(workspace, 2_000)
    crowds.show(made, crowd[:1_500])
    crowds.show(made, crowd[1_500:], at=NOW + 5 * DAY)

    shown = experiments.read(made, now=NOW + 8 * DAY)

    assert (shown.exposed, shown.counted, shown.waiting) == (2_000, 1_500, 500)


# The winner is sent


def _sent(actor, workspace, rates, **chosen):
    return _ran(actor, workspace, rates, reading="send_winner", **chosen)


def test_more_and_more_get_what_does_better(actor, workspace):
    made = _sent(actor, workspace, {"blue": 0.1, "green": 0.12, "red": 0.04}, people=1_500)

    experiments.turn(made, now=NOW + 7 * DAY)

    made = experiments.find("colour")
    shares = experiments.current_shares(made)
    assert made.state == "running"
    assert shares["green"] > shares["red"] >= 0.02
    assert sum(shares.values()) == pytest.approx(1)
    assert made.due_at == NOW + 8 * DAY
    deed = AuditEntry.objects.get(deed="experiment.reallocated")
    assert deed.actor_kind == "system"
    assert deed.after["shares"] == pytest.approx(shares)


def test_a_clear_winner_is_sent_to_everybody_by_itself_and_logged(actor, workspace):
    made = _sent(actor, workspace, {"blue": 0.1, "green": 0.2})

    experiments.turn(made, now=NOW + 7 * DAY)

    made = experiments.find("colour")
    assert (made.state, made.winner.key) == ("decided", "green")
    assert OutboxEvent.objects.get(name="attribution.experiment.decided").payload["by_itself"] is True
    assert AuditEntry.objects.get(deed="experiment.decided").actor_kind == "system"


def test_a_lift_is_never_decided_by_itself(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.3})

    experiments.turn(made, now=FIRST_LOOK)

    assert experiments.find("colour").state == "running"
    (row,) = experiment_lists.overview(now=FIRST_LOOK).rows
    assert row.needs == Needs.DECISION


# Without a horizon


def test_without_a_horizon_it_may_be_decided_whenever_it_is_clear(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.2}, people=6_000, reading="always_valid")

    assert made.due_at is None
    assert experiments.read(made, now=NOW + 8 * DAY).reading["winner"] == "green"
    assert experiments.decide(actor, made, winner="green", now=NOW + 8 * DAY).state == "decided"


# Means, clusters, metrics of others


def test_what_people_spent_before_takes_noise_away(actor, workspace, rng):
    made = crowds.experiment(actor, metric="revenue", covariate_days=30.0)
    crowd = crowds.people(workspace, 1_000)
    variants = crowds.show(made, crowd)
    habits = rng.gamma(2.0, 50.0, len(crowd))
    for person, habit, got in zip(crowd, habits, variants, strict=True):
        crowds.buy(workspace, [person], at=NOW - 5 * DAY, value=f"{habit:.2f}")
        after = habit + rng.normal(0, 5) + (10 if got == "green" else 0)
        crowds.buy(workspace, [person], at=NOW + DAY, value=f"{max(after, 0):.2f}")

    shown = experiments.read(made, now=FIRST_LOOK)

    effect = _arms(shown.watched)["green"]["effect"]
    assert shown.variance_reduction > 0.9
    assert effect["standard_error"] < 1.0
    assert effect["low"] < 10 < effect["high"]


def test_people_of_a_unit_are_not_independent(actor, workspace, rng):
    made = crowds.experiment(actor, unit="referral_root", metric="conversions")
    crowd = crowds.people(workspace, 2_000)
    roots = np.repeat(np.arange(100), 20)
    experiments.expose(
        made,
        [Sighting(unit=f"r{root}", person=one, at=NOW) for one, root in zip(crowd, roots, strict=True)],
        now=NOW,
    )
    buys = rng.random(100) < 0.5
    crowds.buy(workspace, [one for one, root in zip(crowd, roots, strict=True) if buys[root]], at=NOW + DAY)

    watched = experiments.read(made, now=FIRST_LOOK).watched

    effect = _arms(watched)["green"]["effect"]
    assert sum(arm["units"] for arm in watched["arms"]) == 100
    # Twenty people who do the same are worth one: the error is that of 100 coins, not of 2,000.
    assert 0.07 < effect["standard_error"] < 0.13


def test_a_floor_above_brings_its_own_metric(actor, rng):
    figures = {f"region-{number}": float(number) for number in range(60)}
    experiments.register_metric(
        "test_visits", label="Visits", read=lambda asked: np.array([figures[unit] for unit in asked.units])
    )
    made = crowds.experiment(actor, unit="region", metric="test_visits", covariate_days=0.0)
    experiments.expose(made, [Sighting(unit=unit, at=NOW) for unit in figures], now=NOW)

    watched = experiments.read(made, now=FIRST_LOOK).watched

    total = sum(arm["mean"] * arm["units"] for arm in watched["arms"])
    assert total == pytest.approx(sum(figures.values()))


# Plans


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"alpha": 0.9}, "alpha"),
        ({"traffic_share": 0.0}, "traffic_share"),
        ({"metric": "happiness"}, "metric"),
        ({"planned_units": None}, "planned_units"),
        ({"planned_units": None, "baseline": 1.5}, "baseline"),
        ({"variants": [Arm(key="a", is_control=True)]}, "variants"),
        ({"variants": [Arm(key="a", is_control=True), Arm(key="a")]}, "variants"),
        ({"variants": [Arm(key="a"), Arm(key="b")]}, "variants"),
        ({"variants": [Arm(key="a", is_control=True), Arm(key="b", share=float("nan"))]}, "variants"),
    ],
)
def test_what_cannot_be_a_plan_is_refused(actor, wrong, field):
    variants = [Arm(key="a", is_control=True), Arm(key="b")]
    given = {"key": "k", "name": "K", "variants": variants, "now": NOW, **crowds.ASKED, **wrong}

    with pytest.raises(Invalid) as refused:
        experiments.create(actor, **given)

    assert field in refused.value.errors
    assert Variant.objects.count() == 0


def test_units_to_plan_follow_from_what_the_control_is_expected_to_do(actor):
    variants = [Arm(key="a", is_control=True), Arm(key="b")]
    made = experiments.create(
        actor, key="k", name="K", variants=variants, now=NOW, baseline=0.05, minimum_effect=0.2
    )

    # 8,155 an arm for 80 % power at 5 %, and a little more for five looks.
    assert 16_310 < made.planned_units < 17_500


def test_a_key_is_taken_once(actor):
    crowds.experiment(actor)
    with pytest.raises(experiments.KeyTaken):
        crowds.experiment(actor)


def test_a_deed_in_the_wrong_state_is_refused(actor):
    made = crowds.experiment(actor)
    with pytest.raises(experiments.NotNow):
        experiments.start(actor, made, now=NOW)
    experiments.stop(actor, made, now=NOW)
    with pytest.raises(experiments.NotNow):
        experiments.stop(actor, made, now=NOW)
    with pytest.raises(experiments.NotNow):
        experiments.reweigh(actor, made, {"blue": 1, "green": 1}, now=NOW, reason="")
    assert Allocation.objects.filter(phase=2).count() == 0


def test_after_the_stop_one_more_look_waits_for_the_last_window(actor, workspace):
    made = _ran(actor, workspace, {"blue": 0.1, "green": 0.15})

    stopped = experiments.stop(actor, made, now=NOW + DAY)
    assert stopped.due_at == NOW + 8 * DAY
    look = experiments.turn(stopped, now=NOW + 8 * DAY)

    assert look.favours == "green"
    assert experiments.find("colour").due_at is None


@committed
def test_the_sweep_visits_every_workspace():
    made = []
    for workspace in (WorkspaceFactory(), WorkspaceFactory()):
        with scoping.workspace(workspace):
            made.append(_ran(system(workspace.pk), workspace, {"blue": 0.1, "green": 0.3}, people=1_000))

    with time_machine.travel(FIRST_LOOK + timedelta(minutes=1), tick=False):
        assert experiments.sweep() == 2
        assert experiments.sweep() == 0

    for one in made:
        with scoping.workspace(one.workspace_id):
            assert Look.objects.get().favours == "green"


def test_too_little_data_shows_no_difference_that_allows_for_one_look_only(page, actor, workspace):
    _ran(actor, workspace, {"blue": 0.1, "green": 0.14}, people=600, reading="always_valid")

    with time_machine.travel(FIRST_LOOK, tick=False):
        answer = page.get("/attribution/experiments/colour/")

    assert answer.context["shown"].reading["verdict"] == "not_enough_data"
    assert {row.lift_interval for row in answer.context["rows"]} == {""}
