"""Asking for a topic and confirming it by e-mail: at the form, by API, and by the mail that arrives."""

import re
from datetime import timedelta

import pytest
import time_machine

from apps.accounts import consent, people, privacy
from apps.accounts.models import AuditEntry, Person
from apps.campaigns import reach
from apps.campaigns.models import AddressMark, SignUp, Topic
from apps.campaigns.subscriptions import everywhere, flood, sign_ups, unsubscribing
from apps.integrations import outbox, suppressions
from apps.integrations.models import EmailDelivery, Suppression
from apps.integrations.resilience.lanes import Lane
from tests.campaigns import messages
from tests.factories import NOW
from tests.fakes.resend import KEY, SECRET, Resend
from tests.integrations.email.conftest import connected

EMAIL = "ada@example.com"


@pytest.fixture
def resend(settings, workspace):
    with Resend(per_second=1_000) as fake:
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "resend": fake.url}
        connected(workspace, "mail", "hello@studio.example", from_name="The Studio")
        connected(workspace, "resend", "studio.example", {"api_key": KEY, "webhook_secret": SECRET})
        yield fake


@pytest.fixture
def news(workspace):
    return messages.topic(workspace, description="About once a month.")


@pytest.fixture
def form(client, workspace, news):
    def form(email=EMAIL, *, at=NOW, **more):
        with time_machine.travel(at, tick=False):
            return client.post(f"/subscribe/{workspace.slug}/news", {"email": email, **more})

    return form


def _link(resend):
    """The link in the mail that arrived last."""
    outbox.relay(lane=int(Lane.TRANSACTIONAL))
    mail = list(resend.sent.values())[-1]
    found = re.search(r"https?://[^/\s]+(/confirm/\S+)", mail["text"])
    assert found
    assert found[1] in mail["html"]
    return found[1]


def _confirm(client, address, *, at=NOW):
    with time_machine.travel(at, tick=False):
        return client.post(address)


def test_the_whole_way(client, form, resend, news, workspace):
    page = client.get(f"/subscribe/{workspace.slug}/news").content.decode()
    assert f"Send me “News” from {workspace.name} by e-mail. About once a month." in page
    assert "a•••@e•••.com" in form().content.decode()
    assert not Person.objects.exists()
    address = _link(resend)

    assert "yes?" in client.get(address).content.decode()
    assert not Person.objects.exists()  # a look confirms nothing
    assert "You are on the list" in _confirm(client, address, at=NOW + timedelta(hours=1)).content.decode()

    [person] = people.find_by_email(EMAIL)
    said = consent.latest(person)["news"]
    assert (said.is_granted, said.is_confirmed, said.source) == (True, True, "sign-up form")
    assert said.wording.startswith(f"Send me “News” from {workspace.name}")
    assert "Asked for 2026-11-20 12:00 UTC" in said.wording
    proof = SignUp.objects.get()
    assert (proof.person_id, proof.asked_at) == (person.pk, NOW)
    assert re.fullmatch("[0-9a-f]{32}", proof.asked_from)
    assert proof.asked_from == proof.confirmed_from  # the same machine
    assert proof.address_sealed is None
    campaign = messages.campaign(workspace)
    assert reach.against(campaign, [person.pk], now=NOW + timedelta(days=1)) == {}


def test_confirmed_twice_it_is_written_down_once(client, form, resend):
    form()
    address = _link(resend)
    for _ in range(2):
        assert _confirm(client, address).status_code == 200

    assert AuditEntry.objects.filter(deed="consent.granted").count() == 1


def test_after_a_week_the_link_is_no_longer_good_and_the_address_is_forgotten(client, form, resend):
    form()
    address, late = _link(resend), NOW + timedelta(days=7)

    assert _confirm(client, address, at=late).status_code == 410
    with time_machine.travel(late, tick=False):
        sign_ups.sweep()
    assert not SignUp.objects.exists()
    assert not Person.objects.exists()


def test_whoever_is_known_by_the_address_says_yes(client, form, resend, workspace):
    person = messages.person(workspace)
    form()
    _confirm(client, _link(resend))

    assert consent.is_given(person, "news")
    assert Person.objects.count() == 1


def test_an_address_gets_three_mails_a_day_and_nobody_is_told(form, resend):
    pages = [form(at=NOW + timedelta(minutes=2 * place)).content for place in range(5)]

    assert len(set(pages)) == 1
    assert EmailDelivery.objects.count() == 3
    form(at=NOW + timedelta(days=2))
    assert EmailDelivery.objects.count() == 4


def test_who_says_yes_anyway_gets_no_mail(form, resend, workspace, actor):
    person = messages.person(workspace)
    consent.record(actor, person, purpose="news", is_granted=True, source="x", occurred_at=NOW, now=NOW)

    assert form().status_code == 200
    assert not EmailDelivery.objects.exists()


def test_coming_back_lifts_the_unsubscription_and_no_other_reason(client, form, resend, workspace):
    person = messages.person(workspace)
    for reason in ("unsubscribed", "bounced"):
        suppressions.add(person.email_index, reason, told_by="x", now=NOW)
    Suppression.objects.filter(reason="bounced").delete()
    form()
    _confirm(client, _link(resend))

    assert not Suppression.objects.exists()
    assert AuditEntry.objects.filter(deed="mail.suppression_lifted").count() == 1


def test_a_program_that_fills_in_everything_gets_nowhere_and_is_not_told(form, resend):
    assert "look into your mail" in form(website="https://spam.example").content.decode()
    assert not SignUp.objects.exists()


def test_too_many_from_one_place_are_turned_away(form, resend):
    answers = [form(f"p{place}@example.com").status_code for place in range(flood.MOST_OF_ONE + 2)]

    assert answers == [200] * flood.MOST_OF_ONE + [429] * 2


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a@b", "x" * 400 + "@example.com", "ada@example.com\0"])
def test_what_is_no_address(form, resend, email):
    assert form(email).status_code == 400
    assert not SignUp.objects.exists()


@pytest.mark.parametrize("address", ["/subscribe/nowhere/news", "/subscribe/{slug}/nothing"])
def test_a_form_that_is_not_there(client, workspace, address):
    assert client.get(address.format(slug=workspace.slug)).status_code == 404


def test_what_is_no_topic_to_ask_for(client, workspace):
    messages.topic(workspace, "service", basis="service")

    assert client.get(f"/subscribe/{workspace.slug}/service").status_code == 404


def test_without_a_sender_the_form_says_so(form):
    answer = form()

    assert answer.status_code == 400
    assert "Connect an e-mail sender" in answer.content.decode()
    assert not SignUp.objects.exists()


def test_a_link_that_we_did_not_make(client, form, resend):
    form()
    address = _link(resend)

    for wrong in (address[:-1] + ("A" if address[-1] != "A" else "B"), "/confirm/x", "/confirm/1.2.3"):
        assert client.post(wrong).status_code == 404


def test_a_topic_without_double_opt_in_counts_at_once(form, resend, workspace, news):
    news.is_double_opt_in = False
    news.save()

    assert "You are on the list" in form().content.decode()
    [person] = people.find_by_email(EMAIL)
    assert consent.is_given(person, "news")
    assert not EmailDelivery.objects.exists()


def test_by_api(api, client, resend, news):
    body = {
        "email": EMAIL,
        "topic": "news",
        "source": "footer of the shop",
        "wording": "News, monthly",
        "asked_from": "203.0.113.7",
    }
    answer = api.post("/api/v1/marketing/preferences/subscribe", body, format="json")

    assert (answer.status_code, answer.json()) == (202, {"topic": "news", "state": "to_confirm"})
    client.post(_link(resend))
    [person] = people.find_by_email(EMAIL)
    said = consent.latest(person)["news"]
    assert (said.source, said.is_confirmed) == ("footer of the shop", True)
    assert said.wording.startswith("News, monthly")


def test_erasing_takes_what_was_never_confirmed_along(form, resend, workspace, actor):
    person = messages.person(workspace)
    form()
    AddressMark.objects.create(
        workspace=workspace, address_index=person.email_index, everywhere_index=b"0" * 16
    )

    privacy.erase(actor, person, reason="asked", now=NOW)

    assert not SignUp.objects.exists()
    assert not AddressMark.objects.exists()


@pytest.mark.parametrize("is_everything", [True, False])
def test_a_form_without_confirmation_does_not_undo_a_no(
    client, form, resend, news, workspace, actor, is_everything
):
    """Anybody may write somebody's address into it."""
    Topic.objects.filter(pk=news.pk).update(is_double_opt_in=False)
    person = messages.person(workspace)
    form()
    assert consent.is_given(person, "news")
    if is_everything:
        unsubscribing.leave_all(actor, person, source="unsubscribe page", now=NOW)
    else:
        unsubscribing.withdraw(actor, person, news, source="unsubscribe page", now=NOW)
    later = NOW + timedelta(hours=1)

    assert "You are on the list" in form(at=later).content.decode()  # as anybody is told

    assert not consent.is_given(person, "news")
    assert Suppression.objects.exists() is is_everything
    with time_machine.travel(later, tick=False):
        address = _link(resend)
    _confirm(client, address, at=later)
    assert consent.is_given(person, "news")
    assert not Suppression.objects.exists()


def test_nobody_on_the_operators_list_is_asked(form, resend):
    everywhere.put(EMAIL, reason="reported", told_by="the operator", now=NOW)

    assert "look into your mail" in form().content.decode()  # as anybody is told
    assert not EmailDelivery.objects.exists()
