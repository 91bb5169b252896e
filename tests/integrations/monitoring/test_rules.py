"""Rules and incidents: opened once while it lasts, escalated until somebody takes it, resolved by itself."""

from datetime import timedelta

import pytest
import time_machine

from apps.integrations import metrics, trail
from apps.integrations.models import AlertRule, Incident
from apps.integrations.monitoring import actions, incidents, rules
from tests.factories import NOW

RULE = "conversion_rate_drop"


@pytest.fixture(autouse=True)
def _rule(workspace, actor):
    metrics._buffer.clear()
    rules.listed()
    rules.change(actor, RULE, now=NOW, for_seconds=120, window_seconds=300)


def see(value, minutes):
    now = NOW + timedelta(minutes=minutes)
    metrics.observe("campaigns.conversion_rate", value, now=now)
    metrics.flush()
    rules.look(now=now)


def only():
    return Incident.objects.get(dedup_key=f"rule:{RULE}")


def test_the_promised_rules_are_there_from_the_start():
    found = {rule.key: rule for rule in rules.listed()}

    assert found["viral_coefficient_low"].bound == 1.2
    assert (found[RULE].bound, found[RULE].severity) == (0.35, "critical")
    assert found["ai_generation_failure"].action == "ai.fall_back"
    assert (found["attribution_drift"].bound, found["attribution_drift"].action) == (
        0.85,
        "attribution.recalibrate",
    )


def test_a_metric_without_values_alarms_nobody():
    assert rules.look(now=NOW) == 0
    assert not Incident.objects.exists()
    assert AlertRule.objects.get(key=RULE).last_value is None


def test_it_opens_once_when_it_has_held_long_enough_and_resolves_by_itself():
    see(0.30, 0)
    assert not Incident.objects.exists()
    for minute in (1, 2, 3):
        see(0.30, minute)
    assert (only().state, only().detail) == ("open", "Last of campaigns.conversion_rate is 0.3, below 0.35.")

    see(0.40, 4)

    assert only().state == "resolved"
    stream = incidents.stream_of(only())
    assert [step.kind for step in trail.steps_of(stream)] == ["opened", "told", "resolved"]
    assert list(trail.faults(stream)) == []


def test_a_break_begins_the_time_anew():
    see(0.30, 0)
    see(0.40, 1)
    see(0.30, 2)
    see(0.30, 3)

    assert not Incident.objects.exists()


def test_a_silenced_rule_and_one_that_is_off_say_nothing(actor):
    rules.change(actor, RULE, now=NOW, silenced_until=NOW + timedelta(minutes=10))
    for minute in range(5):
        see(0.30, minute)
    assert not Incident.objects.exists()

    rules.change(actor, RULE, now=NOW, silenced_until=None, is_on=False)
    see(0.30, 6)
    assert not Incident.objects.exists()


def test_switching_a_rule_off_ends_its_incident(actor):
    for minute in range(4):
        see(0.30, minute)
    assert only().state == "open"

    rules.change(actor, RULE, now=NOW, is_on=False)

    assert only().state == "resolved"
    assert AlertRule.objects.get(key=RULE).holds_since is None


def test_it_goes_to_wider_circles_until_somebody_takes_it(actor):
    for minute in range(4):
        see(0.30, minute)
    opened = only()
    assert opened.tier == 1

    with time_machine.travel(NOW + timedelta(minutes=20)):
        incidents.escalate(incident_id=opened.pk)
        incidents.escalate(incident_id=opened.pk)
    assert only().tier == 2

    incidents.acknowledge(actor, only(), now=NOW + timedelta(minutes=21))
    with time_machine.travel(NOW + timedelta(hours=2)):
        incidents.escalate(incident_id=opened.pk)
    assert (only().tier, only().state) == (2, "acknowledged")
    incidents.resolve_by_hand(actor, only(), why="done", now=NOW)
    with pytest.raises(incidents.AlreadyOver):
        incidents.acknowledge(actor, only(), now=NOW)


def test_the_same_trouble_after_its_end_is_a_new_incident():
    for minute, value in enumerate((0.3, 0.3, 0.3, 0.4, 0.3, 0.3, 0.3)):
        see(value, minute)

    assert Incident.objects.filter(dedup_key=f"rule:{RULE}").count() == 2


def test_an_alert_acts_and_says_what_it_did(workspace):
    done = []
    actions._deeds.pop("t.act", None)

    @actions.action("t.act")
    def _act(incident):
        done.append(incident.title)
        return "It was switched off."

    AlertRule.objects.filter(key=RULE).update(action="t.act")
    for minute in range(4):
        see(0.30, minute)

    assert done == ["The conversion rate has dropped"]
    acted = [step for step in trail.steps_of(incidents.stream_of(only())) if step.kind == "acted"]
    assert acted[0].data == {"action": "t.act", "said": "It was switched off."}
    del actions._deeds["t.act"]


def test_an_action_that_fails_changes_nothing_and_keeps_nobody_from_being_told():
    actions._deeds.pop("t.fails", None)

    @actions.action("t.fails")
    def _fails(incident):
        Incident.objects.update(title="half done")
        raise LookupError("nobody thought of that")

    AlertRule.objects.filter(key=RULE).update(action="t.fails")
    for minute in range(4):
        see(0.30, minute)

    assert only().title == "The conversion rate has dropped"
    acted, told = trail.steps_of(incidents.stream_of(only()))[1:]
    assert acted.data["said"] == "t.fails failed (LookupError). Do it by hand."
    assert told.kind == "told"


def test_a_rule_that_fails_leaves_the_others_alone():
    AlertRule.objects.filter(key="ai_generation_failure").update(figure="mode")
    metrics.observe("ai.success", 0.0, now=NOW)
    AlertRule.objects.filter(key="ai_generation_failure").update(least_count=1)

    for minute in range(4):
        see(0.30, minute)

    assert only().state == "open"


def test_a_rule_that_asks_for_no_values_divides_by_none_of_them(actor):
    for figure in AlertRule.Figure.values:
        AlertRule.objects.filter(key=RULE).update(least_count=0, figure=figure, comparison="above", bound=1)
        rules.look(now=NOW)

    assert not Incident.objects.exists()


def test_an_incident_is_over_when_there_is_nothing_left_that_it_could_be_about():
    """As with a sign-in that was renewed: its days to the end are told no more."""
    for minute in range(4):
        see(0.30, minute)

    rules.look(now=NOW + timedelta(minutes=30))
    assert only().state == "open"  # a silence may be a part of the trouble
    rules.look(now=NOW + timedelta(minutes=75))

    assert only().state == "resolved"
    assert trail.steps_of(incidents.stream_of(only()))[-1].data["why"] == "No figure has come for an hour."


def test_an_incident_is_over_when_the_few_figures_that_come_are_good(actor):
    rules.change(actor, RULE, now=NOW, least_count=3, for_seconds=0, window_seconds=300)
    for minute in (0, 0.1, 0.2):
        see(0.30, minute)
    assert only().state == "open"

    see(0.30, 20)
    assert only().state == "open"
    see(0.50, 40)

    assert only().state == "resolved"
