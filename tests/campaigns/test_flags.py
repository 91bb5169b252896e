"""What is switched off stops within seconds, and goes on where it stopped."""

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import NotHere
from apps.accounts.models import AuditEntry, Workspace
from apps.accounts.permissions import Actor
from apps.campaigns import campaigns, flags, switches, winners
from apps.campaigns.content import ai
from apps.campaigns.delivery import sending, snapshotting
from apps.campaigns.delivery.queueing import Queue
from apps.campaigns.flags import AI, JOURNEYS, SENDING, SwitchedOff
from apps.campaigns.models import Campaign, Flag, FlagChoice, SendBatch, SendRun
from tests.campaigns.built import ready
from tests.factories import NOW, member

State = Campaign.State


def test_everything_is_on_until_somebody_switches_it_off(workspace):
    assert all(flags.is_on(name, workspace) for name in flags.CAPABILITIES)


def test_a_workspace_switches_for_itself_alone(actor, workspace, other_workspace):
    switches.turn(actor, AI, is_on=False, now=NOW, reason="Too dear")

    assert not flags.is_on(AI, workspace)
    assert AuditEntry.objects.get(deed="flag.switched_off").reason == "Too dear"
    with scoping.workspace(other_workspace):
        assert flags.is_on(AI, other_workspace)
    switches.turn(actor, AI, is_on=True, now=NOW)
    assert flags.is_on(AI, workspace)


def test_the_house_comes_before_a_workspace(actor, workspace, django_capture_on_commit_callbacks):
    switches.turn(actor, AI, is_on=True, now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        flag = Flag.objects.create(name=AI, everyone=False)
    [standing] = [one for one in flags.standings(workspace) if one.capability.name == AI]

    assert (standing.is_on, standing.off_by) == (False, "house")
    with django_capture_on_commit_callbacks(execute=True):
        flag.everyone = None
        flag.save()
    assert flags.is_on(AI, workspace)


def test_a_percentage_is_of_workspaces_and_only_grows():
    on = {
        percent: {number for number in range(2_000) if Flag(name=AI, percent=percent).is_on_in(number)}
        for percent in (0, 10, 50)
    }

    assert not on[0]
    assert len(on[10]) == pytest.approx(200, abs=45)
    assert len(on[50]) == pytest.approx(1_000, abs=80)
    assert on[10] < on[50]


def test_the_operator_comes_before_all(workspace, settings):
    settings.MARKETING_AUTOMATION_ENABLED = False

    assert not flags.is_on(SENDING, workspace)
    assert not flags.is_on(JOURNEYS, workspace)
    assert flags.is_on(AI, workspace)
    settings.AI_CONTENT_GENERATION_ENABLED = False
    assert {one.off_by for one in flags.standings(workspace) if not one.is_on} == {"operator"}
    assert not flags.is_on(AI, workspace)


def test_what_runs_pauses_and_goes_on(actor, workspace):
    runs = campaigns.launch(actor, ready(workspace, many=3), now=NOW)
    by_hand = campaigns.launch(actor, ready(workspace, audience=runs.audience), now=NOW)
    campaigns.pause(actor, by_hand, now=NOW, reason="A typing error")

    switches.turn(actor, SENDING, is_on=False, now=NOW)
    runs.refresh_from_db()
    assert (runs.state, runs.state_reason) == (State.PAUSED, campaigns.SWITCHED_OFF)
    with pytest.raises(SwitchedOff):
        campaigns.resume(actor, runs, now=NOW)
    switches.turn(actor, SENDING, is_on=True, now=NOW)

    runs.refresh_from_db()
    by_hand.refresh_from_db()
    assert (runs.state, by_hand.state) == (State.RUNNING, State.PAUSED)


def test_many_obey_a_few_at_a_time(actor, workspace, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(switches, "AT_ONCE", 2)
    first = campaigns.launch(actor, ready(workspace, many=3), now=NOW)
    for _ in range(4):
        campaigns.launch(actor, ready(workspace, audience=first.audience), now=NOW)

    with django_capture_on_commit_callbacks() as callbacks:
        switches.turn(actor, SENDING, is_on=False, now=NOW)
    assert Campaign.objects.filter(state=State.PAUSED).count() == 2
    for callback in callbacks:
        callback()

    assert Campaign.objects.filter(state=State.PAUSED, state_reason=campaigns.SWITCHED_OFF).count() == 5


def test_a_chunk_taken_after_the_switch_sends_nothing(actor, workspace):
    campaigns.launch(actor, ready(workspace, many=3), now=NOW)
    run = SendRun.objects.get()
    snapshotting.take(run_id=run.pk)
    claimed = Queue().claim(now=timezone.now())
    FlagChoice.objects.create(workspace=workspace, name=SENDING, is_on=False, changed_at=NOW)

    sending.send(claimed)

    held = Campaign.objects.get()
    assert (held.state, held.state_reason) == (State.PAUSED, campaigns.SWITCHED_OFF)
    assert not SendBatch.objects.exists()


def test_beat_obeys_the_operator(actor, workspace, settings):
    runs = campaigns.launch(actor, ready(workspace, many=3), now=NOW)
    settings.MARKETING_AUTOMATION_ENABLED = False

    winners.look_after()
    runs.refresh_from_db()
    assert runs.state == State.PAUSED
    settings.MARKETING_AUTOMATION_ENABLED = True
    winners.look_after()

    runs.refresh_from_db()
    assert runs.state == State.RUNNING


def test_who_may_switch(workspace):
    viewer = Actor(kind="user", id=1, label="v", workspace_id=workspace.pk, role="viewer")
    with pytest.raises(PermissionDenied):
        switches.turn(viewer, SENDING, is_on=False, now=NOW)
    with pytest.raises(NotHere):
        switches.turn(
            Actor(kind="user", id=1, label="o", workspace_id=workspace.pk, role="owner"),
            "campaigns.nothing",
            is_on=False,
            now=NOW,
        )
    assert flags.is_on(SENDING, Workspace.objects.get())


def test_staff_choose_a_capability_and_no_name_that_switches_nothing(client, workspace):
    client.force_login(member(workspace, "owner", is_staff=True, is_superuser=True))
    address = "/staff/campaigns/flag/add/"

    refused = client.post(address, {"name": "campaign.sending", "everyone": "false", "note": "oh"})
    kept = client.post(address, {"name": flags.SENDING, "everyone": "unknown", "percent": "0", "note": "oh"})

    assert refused.status_code == 200
    assert "campaign.sending is not one of the available choices" in refused.content.decode()
    assert kept.status_code == 302
    assert [one.name for one in Flag.objects.all()] == [flags.SENDING]
    assert "Of workspaces" in client.get(address).content.decode()
    assert flags.CAPABILITIES[flags.SENDING].label in client.get("/staff/campaigns/flag/").content.decode()


def test_whoever_is_refused_is_told_who_may_switch_it_on(
    actor, workspace, django_capture_on_commit_callbacks
):
    made = ready(workspace, many=3)
    switches.turn(actor, SENDING, is_on=False, now=NOW)
    with pytest.raises(SwitchedOff, match="An owner may switch it on again"):
        campaigns.launch(actor, made, now=NOW)
    switches.turn(actor, SENDING, is_on=True, now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        Flag.objects.create(name=SENDING, everyone=False)

    with pytest.raises(SwitchedOff, match="by those who run the product"):
        campaigns.launch(actor, made, now=NOW)
    said = [one.words for one in campaigns.check(made, now=NOW).errors]
    assert said == [flags.off_words(SENDING, workspace)]
    assert "An owner" not in said[0]


def test_what_the_house_switched_off_for_some_is_not_said_to_be_off_for_all(
    page, workspace, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        Flag.objects.create(name=AI, percent=0)

    shown = page.get("/campaigns/switches/").content.decode()

    assert "Switched off here by those who run the product." in shown
    assert "for all workspaces" not in shown


def test_why_no_model_is_asked_says_who_may_switch_it_on(actor, workspace, settings):
    switches.turn(actor, AI, is_on=False, now=NOW)
    assert ai.held() == "an owner may switch them on again."

    settings.AI_CONTENT_GENERATION_ENABLED = False
    assert ai.held() == "they go on when those who run the product say so."
