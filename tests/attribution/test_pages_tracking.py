"""The first event, the rules that lead to channels, and the trained models, over their pages."""

import re

import pytest
from django.urls import reverse

from apps.accounts import jobs
from apps.accounts.models import AuditEntry, Job
from apps.attribution import channels, rule_edits
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Channel, ChannelRule, ModelRun, Touchpoint
from tests import factories
from tests.attribution.stories import journey

FIRST, LATEST = reverse("attribution:first-event"), reverse("attribution:first-event-latest")
RULES, TRAINED = reverse("attribution:channels"), reverse("attribution:models")
EVENT = {"user_id": "test-person", "event_type": "click", "platform": "meta", "campaign_id": "x"}


def test_the_snippets_name_this_address_and_no_real_key(page):
    html = page.get(FIRST).content.decode()

    assert "http://testserver/api/v1/attribution/track/event" in html
    assert "http://testserver/api/v1/attribution/track/conversion" in html
    assert set(re.findall(r"bw_\w+", html)) == {"bw_YOUR_KEY"}
    assert "Waiting for your first event." in html


def test_an_event_sent_from_the_page_is_stored_and_shown(page):
    answer = page.post(FIRST, EVENT, follow=True)

    touch = Touchpoint.objects.select_related("source__channel", "person").get()
    assert (touch.event_type, touch.source.channel.key, touch.person.external_id) == (
        "click",
        "paid_social",
        "test-person",
    )
    assert b"counted as Paid social" in answer.content


def test_an_event_that_cannot_be_used_is_named_at_its_field(page):
    answer = page.post(FIRST, {**EVENT, "platform": "me\x00ta"})

    assert answer.status_code == 400
    assert Touchpoint.objects.count() == 0


def test_the_live_result_answers_only_when_something_is_new(page):
    mark = page.get(FIRST).context["latest"].mark
    assert page.get(LATEST, {"seen": mark}).status_code == 204

    page.post(FIRST, EVENT)

    fresh = page.get(LATEST, {"seen": mark})
    assert fresh.status_code == 200
    assert b"The newest event is here" in fresh.content
    assert b"<html" not in fresh.content


def test_a_viewer_sends_nothing(client, workspace):
    client.force_login(factories.member(workspace, "viewer"))

    assert client.post(FIRST, EVENT).status_code == 403
    assert Touchpoint.objects.count() == 0


# Rules


@pytest.fixture
def short(page, workspace, actor, now):
    """Three rules, so that a test can name them all."""
    page.get(RULES)
    rules = [{"channel_key": key, "platform": key} for key in ("alpha", "beta", "gamma")]
    version = channels.version_of(rule_edits.current())
    rule_edits.apply(actor, lambda _: rules, version=version, now=now)


def _rules():
    return [rule.channel_key for rule in ChannelRule.objects.order_by("position")]


def _do(page, deed, rule="", **fields):
    """As the page does it, with the token of the list that it shows."""
    shown = page.get(RULES).context
    token = shown["version"] if shown else ""
    return page.post(RULES, {"do": deed, "rule": rule, "version": token, **fields})


def _do_and_apply(page, deed, rule="", **fields):
    answer = _do(page, deed, rule, **fields)
    _do(page, "apply")
    return answer


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("deed", "rule", "left"),
    [
        ("up", 3, ["alpha", "gamma", "beta"]),
        ("up", 1, ["alpha", "beta", "gamma"]),
        ("down", 1, ["beta", "alpha", "gamma"]),
        ("down", 3, ["alpha", "beta", "gamma"]),
        ("remove", 2, ["alpha", "gamma"]),
    ],
)
def test_a_rule_moves_and_goes(page, deed, rule, left):
    assert _do_and_apply(page, deed, rule).status_code == 302

    assert _rules() == left


@pytest.mark.usefixtures("short")
def test_a_rule_is_paused_and_resumed(page):
    _do_and_apply(page, "pause", 2)
    assert list(ChannelRule.objects.filter(is_active=False).values_list("channel_key", flat=True)) == ["beta"]

    _do_and_apply(page, "resume", 2)
    assert not ChannelRule.objects.filter(is_active=False).exists()


@pytest.mark.usefixtures("short")
def test_a_rule_is_added_where_it_is_wanted(page):
    _do_and_apply(page, "save", channel_key="New Home", utm_source="aislemap", place=2)

    assert _rules() == ["alpha", "new_home", "beta", "gamma"]
    assert Channel.objects.filter(key="new_home").exists()
    assert AuditEntry.objects.filter(deed="channel_rules.replaced", actor_kind="user").count() == 1


@pytest.mark.usefixtures("short")
def test_a_rule_is_changed_in_its_place(page):
    _do_and_apply(page, "save", 2, channel_key="beta", platform="b|bb", place=2)

    assert list(ChannelRule.objects.order_by("position").values_list("platform", flat=True)) == [
        "alpha",
        "b|bb",
        "gamma",
    ]


@pytest.mark.usefixtures("short")
def test_a_draft_changes_nothing_until_it_is_put_in_force(page):
    _do(page, "remove", 1)
    _do(page, "remove", 1)
    assert _rules() == ["alpha", "beta", "gamma"]
    assert b"You are working on a <strong>draft</strong>" in page.get(RULES).content

    _do(page, "discard")
    assert b"draft</strong>" not in page.get(RULES).content

    _do(page, "remove", 1)
    _do(page, "apply", note="alpha is gone")
    assert _rules() == ["beta", "gamma"]
    assert AuditEntry.objects.get(deed="channel_rules.replaced", reason="alpha is gone")


@pytest.mark.usefixtures("short")
def test_a_draft_of_an_old_list_is_not_put_in_force(page, actor, now):
    _do(page, "remove", 1)
    rule_edits.apply(actor, rule_edits.without(3), version=channels.version_of(rule_edits.current()), now=now)

    _do(page, "apply")

    assert _rules() == ["alpha", "beta"]
    assert b"Somebody changed the rules meanwhile" in page.get(RULES).content


@pytest.mark.usefixtures("short")
def test_an_earlier_version_is_put_in_force_again(page):
    _do_and_apply(page, "remove", 1)
    number = page.get(RULES).context["versions"][1].number

    page.post(RULES, {"do": "restore", "number": number})

    assert _rules() == ["alpha", "beta", "gamma"]
    versions = page.get(RULES).context["versions"]
    assert versions[0].number == number + 2
    assert versions[0].note == f"Version {number} again."


@pytest.mark.usefixtures("short")
def test_a_change_to_an_old_list_is_refused(page):
    page.post(RULES, {"do": "remove", "rule": 1, "version": "0" * 16})

    assert _rules() == ["alpha", "beta", "gamma"]
    assert b"The rules were changed meanwhile" in page.get(RULES).content


@pytest.mark.usefixtures("short")
def test_a_rule_without_a_channel_is_named_at_its_field(page):
    answer = _do(page, "save", channel_key="!!!", platform="x")

    assert answer.status_code == 400
    assert b"Name the channel this rule leads to." in answer.content
    assert len(_rules()) == 3


def test_a_source_that_fits_no_rule_is_one_click_from_its_rule(page):
    page.post(FIRST, {**EVENT, "platform": "aislemap"})

    html = page.get(RULES).content.decode()
    offered = page.get(RULES + "?add=1&platform=aislemap").content.decode()

    assert "?add=1&amp;platform=aislemap" in html
    assert 'name="platform" value="aislemap"' in offered


def test_a_rule_counts_for_what_arrives_next(page):
    page.post(FIRST, {**EVENT, "platform": "aislemap"})
    _do_and_apply(page, "save", channel_key="listings", platform="aislemap")
    page.post(FIRST, {**EVENT, "platform": "aislemap", "event_type": "visit"})

    found = Touchpoint.objects.order_by("id").values_list("source__channel__key", flat=True)
    assert list(found) == ["other", "listings"]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_only_read_changes_no_rule(client, workspace, role):
    client.force_login(factories.member(workspace, role))

    html = client.get(RULES).content.decode()
    refused = _do(client, "remove", 1)

    assert "Your role reads them." in html
    assert 'name="do"' not in html
    assert refused.status_code == 403
    assert _rules() == ["alpha", "beta", "gamma"]


# Models


def test_every_model_is_explained(page):
    html = page.get(TRAINED).content.decode()

    for name in MODELS:
        assert f'id="{name}"' in html
    assert "No Markov chain has been trained yet." in html


def test_a_chain_is_trained_and_then_shown(page, workspace):
    journey(workspace, "meta", "email", value="10")
    journey(workspace, "meta")
    page.post(TRAINED, {"order": "2", "period": "all"})
    assert str(Job.objects.get().public_id) in page.get(TRAINED).content.decode()

    jobs.run(job_id=Job.objects.get().pk)

    html = page.get(TRAINED).content.decode()
    assert ModelRun.objects.get(kind="markov").params["order"] == 2
    assert "The trained chain has seen <em>all data</em>." in re.sub(r"\s+", " ", html)
    journey(workspace, "email", value="5")
    assert "has not seen the newest data" in re.sub(r"\s+", " ", page.get(TRAINED).content.decode())


def test_an_order_that_is_not_there_is_refused(page):
    assert page.post(TRAINED, {"order": "9", "period": "all"}).status_code == 400
    assert Job.objects.count() == 0


def test_a_viewer_trains_nothing(client, workspace):
    client.force_login(factories.member(workspace, "viewer"))

    assert b"Your role reads them." in client.get(TRAINED).content
    assert client.post(TRAINED, {"order": "1", "period": "all"}).status_code == 403
    assert Job.objects.count() == 0
