"""The life of a campaign: written, checked, launched, stopped."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from apps.accounts import workspaces
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, ConsentRecord
from apps.campaigns import campaigns, switches
from apps.campaigns.campaigns import ChangedMeanwhile, NeedsConfirmation, NotInThatState, NotReady
from apps.campaigns.content import variants
from apps.campaigns.flags import SwitchedOff
from apps.campaigns.models import AudienceMember, Campaign, Content, Recipient, SendRun
from apps.integrations.models import Connection
from tests.campaigns.built import audience, launched, people, ready, somebody, take_snapshot
from tests.factories import NOW

State = Campaign.State
LATER = NOW + timedelta(hours=1)


def test_a_draft_is_written_down_and_audited(actor):
    made = campaigns.create(actor, name="Spring", now=NOW, goal="purchase")

    assert (made.state, made.version, made.goal) == ("draft", 1, "purchase")
    assert AuditEntry.objects.get(deed="campaign.created").target_id == str(made.pk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hold_out_share", 0.6),
        ("test_share", 0.0),
        ("goal_days", 400),
        ("send_until_hour", 3),
        ("weight", 0),
        ("name", ""),
        ("kind", "neither"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(actor, field, value):
    with pytest.raises(Invalid) as refused:
        campaigns.create(actor, **{"name": "Spring", "now": NOW, field: value})

    assert field in refused.value.errors
    assert not Campaign.objects.exists()


def test_a_change_counts_the_version_up(actor):
    made = campaigns.create(actor, name="Spring", now=NOW)

    changed = campaigns.change(actor, made, version=1, now=LATER, name="Summer")

    assert (changed.name, changed.version) == ("Summer", 2)
    assert campaigns.change(actor, made, version=2, now=LATER, name="Summer").version == 2


def test_a_change_on_an_old_version_says_what_was_changed(actor, workspace):
    made = campaigns.create(actor, name="Spring", now=NOW)
    campaigns.change(somebody(workspace, "owner"), made, version=1, now=LATER, goal="purchase")

    with pytest.raises(ChangedMeanwhile) as refused:
        campaigns.change(actor, made, version=1, now=LATER, name="Summer")

    assert refused.value.errors == {"goal": ["Changed meanwhile."]}
    assert "owner changed goal meanwhile" in refused.value.detail
    variants.add(somebody(workspace), made, subject="a", body="b", now=LATER)
    with pytest.raises(ChangedMeanwhile) as refused:
        campaigns.change(actor, made, version=2, now=LATER, name="Summer")
    assert refused.value.errors == {"variant a": ["Changed meanwhile."]}
    assert Campaign.objects.get().name == "Spring"


def test_other_words_wait_for_a_yes_again(actor, workspace):
    made = ready(workspace, many=1, variants=1)
    one = Content.objects.get()

    one = variants.change(actor, one, now=LATER, weight=2)
    assert Content.objects.get().approved_at is not None
    variants.change(actor, one, now=LATER, subject="Summer")

    assert Content.objects.get().approved_at is None
    assert [one.where for one in campaigns.check(made, now=LATER).errors] == ["a"]


def test_a_copy_has_the_words_but_no_yes(actor, workspace):
    made = ready(workspace, many=1, hold_out_share=0.1)

    copy = campaigns.duplicate(actor, made, now=LATER)

    assert (copy.name, copy.hold_out_share, copy.state) == ("Spring (copy)", 0.1, "draft")
    assert copy.public_id != made.public_id
    copied = Content.objects.filter(campaign=copy)
    assert [one.key for one in copied.order_by("position")] == ["a", "b"]
    assert not copied.filter(approved_at__isnull=False).exists()


def test_a_launch_is_audited_with_the_number_of_people(actor, workspace):
    made = ready(workspace, many=12)

    found = launched(actor, made)

    assert (found.state, found.launched_at) == (State.RUNNING, NOW)
    assert AuditEntry.objects.get(deed="campaign.launched").after == {"state": "running", "people": 12}
    assert Recipient.objects.filter(campaign=made).count() == 12
    with pytest.raises(NotInThatState):
        campaigns.launch(actor, made, now=NOW)


def test_errors_hold_a_launch_and_nothing_is_begun(actor, workspace):
    made = ready(workspace, many=2)
    campaigns.change(actor, made, version=made.version, now=NOW, topic=None, audience=None)
    Connection.objects.filter(service="resend").update(state="disconnected")

    with pytest.raises(NotReady) as refused:
        campaigns.launch(actor, made, now=NOW)

    assert set(refused.value.errors) == {"audience", "schedule"}
    assert len(refused.value.errors["schedule"]) == 2
    assert Campaign.objects.get().state == State.DRAFT
    assert not SendRun.objects.exists()


def test_what_goes_to_an_audience_is_no_message_that_one_waits_for(actor, workspace):
    made = ready(workspace, many=2)
    made.topic.basis = "service"
    made.topic.save()

    with pytest.raises(NotReady) as refused:
        campaigns.launch(actor, made, now=NOW)

    assert "asks nobody's consent" in refused.value.errors["schedule"][0]
    assert Campaign.objects.get().state == State.DRAFT
    Campaign.objects.update(kind="triggered")
    told = campaigns.check(Campaign.objects.get(), now=NOW).errors
    assert "asks nobody's consent" not in " ".join(one.words for one in told)


def test_advice_does_not_hold_it(actor, workspace):
    made = ready(workspace, many=3)

    checked = campaigns.check(made, now=NOW)

    assert not checked.errors
    said = " ".join(one.words for one in checked.advice).replace("\N{NO-BREAK SPACE}", " ")
    assert "Nobody is held out" in said
    assert "3 people try the variants" in said


def test_who_may_not_be_written_to_is_said_before(actor, workspace):
    some = people(workspace, 4)
    none = people(workspace, 4, topic="other")
    made = ready(workspace, audience=audience(workspace, some + none))

    [advice] = [one for one in campaigns.check(made, now=NOW).advice if one.where == "audience"]

    assert advice.words == "About 50\N{NO-BREAK SPACE}% get nothing: 50\N{NO-BREAK SPACE}% have not agreed."


@pytest.mark.parametrize("many", [200, 300])
def test_a_few_of_very_many_are_no_nought_percent(actor, workspace, many):
    made = ready(workspace, audience=audience(workspace, people(workspace, many)))
    ConsentRecord.objects.filter(pk=ConsentRecord.objects.order_by("pk").first().pk).delete()

    [advice] = [one for one in campaigns.check(made, now=NOW).advice if one.where == "audience"]

    assert advice.words == "A few get nothing: under 1\N{NO-BREAK SPACE}% have not agreed."


def test_more_than_goes_without_saying_has_to_be_typed(actor, workspace):
    workspaces.change(actor, now=NOW, settings={"campaign_recipients_limit": 5})
    made = ready(workspace, many=6)

    with pytest.raises(NeedsConfirmation):
        campaigns.launch(actor, made, now=NOW)
    with pytest.raises(NeedsConfirmation):
        campaigns.launch(actor, made, now=NOW, confirmed_people=7)

    assert campaigns.launch(actor, made, now=NOW, confirmed_people=6).state == State.RUNNING


@pytest.mark.parametrize(("confirmed", "leaves"), [(399, True), (402, True), (397, False), (403, False)])
def test_a_number_that_somebody_joined_meanwhile_is_meant_all_the_same(actor, workspace, confirmed, leaves):
    workspaces.change(actor, now=NOW, settings={"campaign_recipients_limit": 5})
    made = ready(workspace, many=400)

    if leaves:
        campaigns.launch(actor, made, now=NOW, confirmed_people=confirmed)
    else:
        with pytest.raises(NeedsConfirmation):
            campaigns.launch(actor, made, now=NOW, confirmed_people=confirmed)

    made.refresh_from_db()
    assert made.state == (State.RUNNING if leaves else State.DRAFT)


@pytest.mark.parametrize("value", [0, -1, "10", 1.5, True])
def test_the_limit_is_a_number_of_people(actor, value):
    with pytest.raises(Invalid):
        workspaces.change(actor, now=NOW, settings={"campaign_recipients_limit": value})


def test_it_waits_for_its_time(actor, workspace):
    made = ready(workspace, many=3, starts_at=LATER)

    assert campaigns.launch(actor, made, now=NOW).state == State.SCHEDULED
    assert campaigns.start_due(made, now=NOW).state == State.SCHEDULED
    assert not Recipient.objects.exists()
    assert campaigns.start_due(made, now=LATER).state == State.RUNNING
    assert campaigns.start_due(made, now=LATER).state == State.RUNNING
    take_snapshot(made)
    assert Recipient.objects.count() == 3
    assert AuditEntry.objects.filter(deed="campaign.launched").count() == 1


def test_what_turned_wrong_meanwhile_becomes_a_draft_again(actor, workspace):
    made = ready(workspace, many=3, starts_at=LATER)
    campaigns.launch(actor, made, now=NOW)
    Connection.objects.filter(service="mail").update(state="stopped", state_reason="It bounces.")

    held = campaigns.start_due(made, now=LATER)

    assert held.state == State.DRAFT
    assert "It bounces." in held.state_reason
    assert not Recipient.objects.exists()


def test_an_audience_that_has_grown_is_another_one(actor, workspace):
    workspaces.change(actor, now=NOW, settings={"campaign_recipients_limit": 2})
    members = people(workspace, 8)
    made = ready(workspace, audience=audience(workspace, members[:3]), starts_at=LATER)
    campaigns.launch(actor, made, now=NOW, confirmed_people=3)
    AudienceMember.objects.bulk_create(
        AudienceMember(workspace=workspace, audience=made.audience, person=one) for one in members[3:]
    )

    held = campaigns.start_due(made, now=LATER)

    assert (held.state, "from 3 to 8" in held.state_reason) == (State.DRAFT, True)


def test_it_is_paused_and_goes_on_and_is_cancelled(actor, workspace):
    made = launched(actor, ready(workspace, many=3))

    assert campaigns.pause(actor, made, now=LATER, reason="A typing error").state == State.PAUSED
    assert not SendRun.objects.get().is_open
    assert campaigns.resume(actor, made, now=LATER).state == State.RUNNING
    assert SendRun.objects.get().is_open
    ended = campaigns.cancel(actor, made, now=LATER)

    assert (ended.state, ended.finished_at) == (State.CANCELLED, LATER)
    for deed in (campaigns.pause, campaigns.resume, campaigns.cancel):
        with pytest.raises(NotInThatState):
            deed(actor, made, now=LATER)
    assert campaigns.archive(actor, made, now=LATER).archived_at == LATER
    said = AuditEntry.objects.filter(target_kind="campaign").order_by("pk").values_list("deed", flat=True)
    assert [one for one in said if "content" not in one][1:] == [
        "campaign.launched",
        "campaign.paused",
        "campaign.resumed",
        "campaign.cancelled",
        "campaign.archived",
    ]


def test_what_is_scheduled_is_taken_back(actor, workspace):
    made = campaigns.launch(actor, ready(workspace, many=3, starts_at=LATER), now=NOW)

    assert campaigns.cancel(actor, made, now=NOW).state == State.DRAFT


def test_what_runs_is_not_changed_any_more(actor, workspace):
    made = campaigns.launch(actor, ready(workspace, many=3), now=NOW)

    with pytest.raises(NotInThatState):
        campaigns.change(actor, made, version=made.version, now=NOW, name="Summer")
    with pytest.raises(variants.NotADraft):
        variants.change(actor, Content.objects.first(), now=NOW, weight=2)
    with pytest.raises(NotInThatState):
        campaigns.archive(actor, made, now=NOW)


@pytest.mark.parametrize(
    ("role", "may_write", "may_send", "may_stop"),
    [
        ("owner", True, True, True),
        ("operator", True, True, True),
        ("analyst", False, False, True),
        ("viewer", False, False, False),
    ],
)
def test_who_may_do_what(actor, workspace, role, may_write, may_send, may_stop):
    made, who = ready(workspace, many=2), somebody(workspace, role)

    def refused(deed):
        try:
            deed()
        except PermissionDenied:
            return True
        return False

    assert refused(lambda: campaigns.duplicate(who, made, now=NOW)) != may_write
    assert refused(lambda: campaigns.launch(who, made, now=NOW)) != may_send
    if not may_send:
        campaigns.launch(actor, made, now=NOW)
    assert refused(lambda: campaigns.pause(who, made, now=NOW)) != may_stop


def test_anothers_campaign_is_not_here(workspace, other_workspace, actor):
    made = campaigns.create(actor, name="Spring", now=NOW)
    assert campaigns.find(made.public_id) == made
    with pytest.raises(NotHere):
        campaigns.find("019ac000-0000-7000-8000-000000000000")


def test_while_sending_is_off_nothing_is_launched(actor, workspace):
    made = ready(workspace, many=2)
    switches.turn(actor, "campaigns.sending", is_on=False, now=NOW)

    with pytest.raises(SwitchedOff):
        campaigns.launch(actor, made, now=NOW)
    assert campaigns.check(made, now=NOW).errors[0].where == "launch"
