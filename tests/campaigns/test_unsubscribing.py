"""The way out: by one click of a mail program, by a button, from one topic or from everything."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts import consent, people, privacy
from apps.accounts.models import AuditEntry, ConsentRecord, OutboxEvent
from apps.campaigns import reach
from apps.campaigns.models import Engagement
from apps.integrations.models import Suppression
from tests.campaigns import messages
from tests.factories import NOW

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def sent(workspace, actor):
    made = messages.sent(workspace)
    _allow(actor, made.person)
    return made


@pytest.fixture
def strict():
    """A mail program: no cookie, no CSRF token, and every check on."""
    return Client(enforce_csrf_checks=True)


def _allow(actor, person, purpose="news"):
    consent.record(
        actor,
        person,
        purpose=purpose,
        is_granted=True,
        source="form",
        occurred_at=NOW - timedelta(days=9),
        now=NOW,
    )


def test_one_click_is_enough_and_leaves_a_proof(strict, sent):
    campaign = sent.recipient.campaign
    assert reach.against(campaign, [sent.person.pk], now=NOW) == {}

    answer = strict.post(f"/u/{sent.way_out}", ONE_CLICK)

    assert answer.status_code == 200
    assert reach.against(campaign, [sent.person.pk], now=NOW) == {sent.person.pk: "unsubscribed"}
    said = consent.latest(sent.person)["news"]
    assert (said.is_granted, said.source) == (False, "one-click unsubscribe")
    assert said.wording == "Take me off the list: News"
    assert Engagement.objects.get().kind == "unsubscribed"
    assert OutboxEvent.objects.filter(name="campaigns.person.unsubscribed").count() == 1
    assert AuditEntry.objects.filter(deed="consent.withdrawn").count() == 1


def test_a_yes_told_of_the_same_address_under_another_name_undoes_nothing(strict, sent, workspace, actor):
    other = people.identify(actor, user_id="x1", traits={"email": "ada@example.com"}, now=NOW)
    _allow(actor, other)
    campaign = sent.recipient.campaign
    assert reach.against(campaign, [other.pk], now=NOW) == {}

    strict.post(f"/u/{sent.way_out}", ONE_CLICK)
    assert reach.against(campaign, [other.pk], now=NOW) == {other.pk: "unsubscribed"}

    for is_confirmed, found in ((False, {other.pk: "unsubscribed"}), (True, {})):
        said = {"purpose": "news", "is_granted": True, "is_confirmed": is_confirmed, "source": "form"}
        later = timezone.now() + timedelta(days=1)
        consent.record(actor, other, **said, occurred_at=later, now=later)
        assert reach.against(campaign, [other.pk], now=later) == found


def test_as_a_multipart_form_it_works_too(strict, sent):
    answer = strict.post(f"/u/{sent.way_out}", ONE_CLICK, content_type="multipart/form-data; boundary=x")

    assert answer.status_code in {200, 400}
    assert strict.generic("POST", f"/u/{sent.way_out}", "").status_code == 200
    assert not consent.is_given(sent.person, "news")


def test_a_look_changes_nothing(strict, sent):
    for ask in (strict.get, strict.head):
        answer = ask(f"/u/{sent.way_out}")
        assert answer.status_code == 200

    assert "Take me off the list" in strict.get(f"/u/{sent.way_out}").content.decode()
    assert ConsentRecord.objects.count() == 1
    assert not Engagement.objects.exists()


def test_said_again_it_is_answered_and_written_down_once(strict, sent):
    for _ in range(3):
        assert strict.post(f"/u/{sent.way_out}", ONE_CLICK).status_code == 200

    assert ConsentRecord.objects.filter(is_granted=False).count() == 1
    assert Engagement.objects.count() == 1


def test_from_everything_nothing_to_many_goes_out(strict, sent, actor, workspace):
    messages.topic(workspace, "offers")
    _allow(actor, sent.person, "offers")

    strict.post(f"/u/{sent.way_out}", {"scope": "everything"})

    assert Suppression.objects.get().reason == "unsubscribed"
    latest = consent.latest(sent.person)
    assert {key: one.is_granted for key, one in latest.items()} == {"news": False, "offers": False}
    other = messages.campaign(workspace, topic=messages.topic(workspace, "offers"))
    assert reach.against(other, [sent.person.pk], now=NOW) == {sent.person.pk: "unsubscribed"}


def test_without_a_topic_it_is_everything(strict, workspace):
    sent = messages.sent(workspace, campaign_=messages.campaign(workspace, topic=None))

    strict.post(f"/u/{sent.way_out}", ONE_CLICK)

    assert Suppression.objects.get().reason == "unsubscribed"


def test_a_message_they_wait_for_still_comes(strict, sent, workspace):
    service = messages.topic(workspace, "service", basis="service")
    strict.post(f"/u/{sent.way_out}", {"scope": "everything"})

    assert reach.against(messages.campaign(workspace, topic=service), [sent.person.pk], now=NOW) == {}


def test_customers_that_were_told_can_leave(strict, workspace):
    told = messages.topic(workspace, "care", basis="customer", is_double_opt_in=False)
    sent = messages.sent(workspace, campaign_=messages.campaign(workspace, topic=told))
    assert reach.against(sent.recipient.campaign, [sent.person.pk], now=NOW) == {}

    strict.post(f"/u/{sent.way_out}", ONE_CLICK)

    assert reach.against(sent.recipient.campaign, [sent.person.pk], now=NOW) == {
        sent.person.pk: "unsubscribed"
    }


def test_it_counts_for_whoever_they_were_merged_into(strict, sent, workspace, actor):
    survivor = messages.person(workspace, "grace@example.com")
    people.merge(actor, survivor, sent.person, reason="same", now=NOW)

    strict.post(f"/u/{sent.way_out}", {"scope": "everything"})

    assert not consent.is_given(survivor, "news")
    assert Suppression.objects.count() == 2  # both addresses


def test_somebody_erased_is_answered_kindly_and_stays_erased(strict, sent, actor):
    privacy.erase(actor, sent.person, reason="asked", now=NOW)

    assert strict.post(f"/u/{sent.way_out}", ONE_CLICK).status_code == 200
    assert not Engagement.objects.exists()
    assert not ConsentRecord.objects.filter(occurred_at__gte=NOW).exists()


def test_a_token_that_we_did_not_make(strict, sent):
    for address in ("/u/", "/preferences/"):
        assert strict.post(f"{address}{'A' * 32}", ONE_CLICK).status_code == 404
    assert consent.is_given(sent.person, "news")


def test_a_link_that_was_passed_on_takes_nobody_off_and_shows_nothing(strict, sent):
    for address in ("/u/", "/preferences/"):
        for answer in (strict.get(address + sent.token), strict.post(address + sent.token, ONE_CLICK)):
            assert answer.status_code == 404
            assert "not one of ours" in answer.content.decode()

    assert consent.is_given(sent.person, "news")
    assert not Engagement.objects.exists()


def test_the_way_out_is_no_link_and_no_picture(strict, sent):
    assert strict.get(f"/c/{sent.way_out}/1").status_code == 404
    assert strict.get(f"/o/{sent.way_out}.gif").status_code == 404
    assert not Engagement.objects.exists()


def test_a_way_out_made_under_a_key_before_still_leads_out(strict, sent, settings):
    old = sent.way_out
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key " * 5

    assert sent.way_out != old
    assert strict.post(f"/u/{old}", ONE_CLICK).status_code == 200
    assert not consent.is_given(sent.person, "news")


def test_the_page_says_nothing_of_who_it_is(strict, sent):
    page = strict.get(f"/u/{sent.way_out}").content.decode()

    assert not re.search(r"\bada\b", page, re.IGNORECASE)  # tokens may hold the letters
    assert sent.recipient.campaign.workspace.name in page
    assert strict.get(f"/u/{sent.way_out}").headers["X-Robots-Tag"] == "noindex, nofollow"


def test_an_export_shows_what_they_got_and_did(strict, sent, actor):
    strict.post(f"/u/{sent.way_out}", ONE_CLICK)

    held = privacy.export(actor, sent.person, now=NOW)["held"]

    assert held["campaigns.Recipient"][0]["campaign__name"] == "Spring & albums"
    assert held["campaigns.Engagement"][0]["kind"] == "unsubscribed"
    assert {one["is_granted"] for one in held["accounts.ConsentRecord"]} == {True, False}
