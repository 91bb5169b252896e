"""The preference centre, as a recipient uses it, and what it means for who is written to."""

import re
from datetime import timedelta

import pytest
import time_machine

from apps.accounts import consent, people
from apps.accounts.models import ConsentRecord
from apps.campaigns import reach
from apps.campaigns.models import FrequencyWish, SignUp, Topic
from apps.campaigns.subscriptions import everywhere, sign_ups, wishes
from apps.campaigns.subscriptions.wishes import Wish
from apps.integrations import suppressions
from apps.integrations.models import Connection, EmailDelivery
from tests.campaigns import messages
from tests.factories import NOW
from tests.integrations.email.conftest import connected

URL = "/api/v1/marketing/preferences"
SUBSCRIBE = "/api/v1/marketing/preferences/subscribe"


@pytest.fixture(autouse=True)
def _sender(workspace):
    connected(workspace, "mail", "hello@studio.example", from_name="The Studio")


@pytest.fixture
def sent(workspace, actor):
    made = messages.sent(workspace)
    messages.topic(workspace, "offers", is_double_opt_in=False)
    messages.topic(workspace, "service", basis="service")
    _allow(actor, made.person)
    return made


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


def _save(client, sent, **fields):
    """As the page sends it, with the topics that it showed."""
    with time_machine.travel(NOW, tick=False):
        asked = {"asked": ["news", "offers", "service"]}
        return client.post(f"/preferences/{sent.way_out}", asked | fields)


def test_the_page_shows_a_masked_address_and_the_topics(client, sent):
    page = client.get(f"/preferences/{sent.way_out}").content.decode()

    assert "a•••@e•••.com" in page
    assert "ada@example.com" not in page
    for name in ("News", "Offers", "Service"):
        assert name in page
    assert ConsentRecord.objects.count() == 1
    assert not FrequencyWish.objects.exists()


def test_saving_what_is_there_changes_nothing(client, sent):
    page = _save(client, sent, topic=["news"], frequency="all").content.decode()

    assert "Nothing was changed." in page
    assert ConsentRecord.objects.count() == 1
    assert not FrequencyWish.objects.exists()


def test_a_topic_is_left(client, sent):
    shown = _save(client, sent, frequency="all").content.decode()

    assert "Saved." in shown
    assert re.search(r"You get <em>no messages</em> from .* any more\.", shown)
    said = consent.latest(sent.person)["news"]
    assert (said.is_granted, said.source) == (False, "preference centre")


def test_a_topic_without_double_opt_in_is_joined_at_once(client, sent):
    _save(client, sent, topic=["news", "offers"], frequency="all")

    said = consent.latest(sent.person)["offers"]
    assert (said.is_granted, said.wording) == (True, "Send me: Offers")
    assert not SignUp.objects.exists()


def test_coming_back_to_a_topic_with_double_opt_in_is_confirmed_first(client, sent):
    _save(client, sent, frequency="all")

    page = _save(client, sent, topic=["news"], frequency="all").content.decode()

    assert "sent you an e-mail" in page
    assert "waits for your confirmation" in page
    assert not consent.is_given(sent.person, "news")
    assert SignUp.objects.count() == 1


def test_everything_is_left_by_one_button_and_shown(client, sent):
    page = _save(client, sent, everything="1").content.decode()

    assert "taken off everything" in page
    assert "<em>nothing</em>" in page
    assert not consent.is_given(sent.person, "news")


def test_a_pause_holds_thirty_days_and_is_not_made_longer_by_saving_again(client, sent):
    _save(client, sent, topic=["news"], frequency="pause")
    _save(client, sent, topic=["news"], frequency="pause")

    assert FrequencyWish.objects.count() == 1
    campaign, who = sent.recipient.campaign, sent.person.pk
    assert reach.against(campaign, [who], now=NOW + timedelta(days=29)) == {who: "paused"}
    assert reach.against(campaign, [who], now=NOW + timedelta(days=31)) == {}


@pytest.mark.parametrize(("frequency", "days"), [("weekly", 7), ("monthly", 30)])
def test_at_most_so_often(client, sent, workspace, frequency, days):
    _save(client, sent, topic=["news"], frequency=frequency)
    another = messages.campaign(workspace)
    who = sent.person.pk

    assert reach.against(another, [who], now=NOW + timedelta(days=days - 1)) == {who: "less_often"}
    assert reach.against(another, [who], now=NOW + timedelta(days=days)) == {}


def test_what_they_wait_for_counts_for_nothing_and_is_held_by_nothing(client, sent, workspace):
    _save(client, sent, topic=["news"], frequency="pause")
    service = messages.campaign(workspace, topic=messages.topic(workspace, "service"))
    assert reach.against(service, [sent.person.pk], now=NOW) == {}

    _save(client, sent, topic=["news"], frequency="weekly")
    week_later = NOW + timedelta(days=8)
    messages.sent(workspace, campaign_=service, to=sent.person, at=week_later)
    assert reach.against(sent.recipient.campaign, [sent.person.pk], now=week_later) == {}


def test_wishes_of_merged_people_follow_the_survivor(sent, workspace, actor):
    survivor = messages.person(workspace, "grace@example.com")
    wishes.set_(actor, sent.person, Wish("weekly"), source="x", now=NOW)
    people.merge(actor, survivor, sent.person, reason="same", now=NOW)

    assert wishes.of(survivor.pk, now=NOW).frequency == "weekly"


def test_what_cannot_be_confirmed_says_so_and_undoes_nothing_else(client, sent, workspace, actor):
    messages.topic(workspace, "dates")
    _allow(actor, sent.person, "offers")
    Connection.objects.filter(service="mail").update(state="disconnected")

    asked = ["news", "offers", "dates"]
    answer = _save(client, sent, asked=asked, topic=["news", "dates"], frequency="weekly")

    page = " ".join(answer.content.decode().split())
    assert answer.status_code == 200
    assert "Dates: not yet." in page
    assert "Saved." in page
    assert not consent.is_given(sent.person, "offers")
    assert consent.is_given(sent.person, "news")
    assert "dates" not in consent.latest(sent.person)
    assert FrequencyWish.objects.get().frequency == "weekly"
    assert not SignUp.objects.exists()


def _written_often_enough(sent):
    for number in range(3):
        earlier = messages.topic(sent.recipient.workspace, f"earlier-{number}")
        sign_ups.ask(earlier, "ada@example.com", source="form", wording="Yes", now=NOW)


def _suppressed(sent):
    suppressions.add_address("ada@example.com", "bounced", told_by="resend", now=NOW)


def _on_the_operators_list(sent):
    everywhere.put("ada@example.com", reason="reported", told_by="operator", now=NOW)


@pytest.mark.parametrize("why", [_written_often_enough, _suppressed, _on_the_operators_list])
def test_what_no_mail_was_written_for_is_not_said_to_be_on_its_way(client, sent, workspace, why):
    messages.topic(workspace, "dates")
    why(sent)
    mails = EmailDelivery.objects.exclude(state="suppressed").count()

    answer = _save(client, sent, asked=["news", "dates"], topic=["news", "dates"], frequency="weekly")

    page = " ".join(answer.content.decode().split())
    assert "Dates: not yet." in page
    assert "has written often enough today" in page
    assert "sent you an e-mail" not in page
    assert EmailDelivery.objects.exclude(state="suppressed").count() == mails
    waiting = sign_ups.waiting_of(sent.person, now=NOW)
    assert not waiting & set(Topic.objects.filter(key="dates").values_list("pk", flat=True))


@pytest.mark.parametrize("why", [_written_often_enough, _suppressed, _on_the_operators_list])
def test_the_public_form_says_nothing_of_that(api, client, sent, workspace, why):
    messages.topic(workspace, "dates")
    form = f"/subscribe/{workspace.slug}/dates"
    body = {"topic": "dates", "email": "ada@example.com", "source": "form", "wording": "Yes"}
    with time_machine.travel(NOW, tick=False):
        before = [client.post(form, {"email": "ada@example.com"}), api.post(SUBSCRIBE, body, format="json")]
        why(sent)
        after = [client.post(form, {"email": "ada@example.com"}), api.post(SUBSCRIBE, body, format="json")]

    assert [one.status_code for one in after] == [200, 202]
    assert after[0].content == before[0].content
    assert after[1].json() == before[1].json() == {"topic": "dates", "state": "to_confirm"}


@pytest.mark.parametrize(
    "fields",
    [{}, {"topic": ["news"]}, {"asked": ["news"], "frequency": "hourly"}, {"asked": [""], "frequency": ""}],
)
def test_a_form_without_its_fields_changes_nothing(client, sent, fields):
    with time_machine.travel(NOW, tick=False):
        answer = client.post(f"/preferences/{sent.way_out}", fields)

    assert answer.status_code in {200, 400}
    assert "Nothing was changed" in answer.content.decode()
    assert consent.is_given(sent.person, "news")
    assert not FrequencyWish.objects.exists()


def test_a_topic_that_was_not_shown_is_not_left(client, sent, workspace, actor):
    messages.topic(workspace, "dates")
    _allow(actor, sent.person, "dates")

    _save(client, sent, asked=["news"], frequency="all")

    assert consent.is_given(sent.person, "dates")
    assert not consent.is_given(sent.person, "news")


def test_the_page_sends_along_what_it_showed(client, sent):
    page = client.get(f"/preferences/{sent.way_out}").content.decode()

    for key in ("news", "offers"):
        assert f'name="asked" value="{key}"' in page


def test_the_api_tells_and_changes(api, sent):
    told = api.get(URL, {"user_id": "ada"}).json()
    assert told["frequency"] == "all"
    assert {one["topic"]: one["state"] for one in told["topics"]} == {
        "news": "granted",
        "offers": "silent",
        "service": "kept",
    }

    body = {"user_id": "ada", "frequency": "weekly", "leave": ["news"], "source": "by phone"}
    answer = api.patch(URL, body, format="json")

    assert answer.status_code == 200, answer.content
    assert answer.json()["frequency"] == "weekly"
    assert consent.latest(sent.person)["news"].source == "by phone"


def test_the_api_says_what_is_wrong(api, sent):
    assert api.get(URL).status_code == 400
    assert api.get(URL, {"user_id": "nobody"}).status_code == 404
    too_long = {"user_id": "ada", "paused_until": "2099-01-01T00:00:00Z", "source": "x"}
    assert "paused_until" in api.patch(URL, too_long, format="json").json()["errors"]
    unknown = {"user_id": "ada", "leave": ["nothing"], "source": "x"}
    assert api.patch(URL, unknown, format="json").status_code == 404
