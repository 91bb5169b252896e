"""A topic that is confirmed by e-mail first is not joined by a plain yes, whichever door it comes by."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from apps.accounts import consent, people
from apps.accounts.models import ConsentRecord
from apps.campaigns.subscriptions import sign_ups
from tests.campaigns import messages
from tests.conftest import api_client
from tests.factories import NOW
from tests.integrations.email.conftest import connected

URL = "/api/v1/people/consent"
WORD = {"user_id": "ada", "purpose": "news", "granted": True, "source": "form, confirmed"}


@pytest.fixture(autouse=True)
def _topics(workspace):
    messages.topic(workspace, "news")
    messages.topic(workspace, "offers", is_double_opt_in=False)


@pytest.fixture
def ada(workspace):
    return messages.person(workspace)


def test_the_api_refuses_a_plain_yes_and_takes_what_is_not_one(api, ada):
    words = [
        WORD,
        WORD | {"purpose": "offers"},
        WORD | {"granted": False},
        WORD | {"email": "ada@example.com"},
    ]
    words[3].pop("user_id")

    results = api.post(URL, {"records": words}, format="json").json()["results"]

    assert [one["what"] for one in results] == ["refused", "recorded", "recorded", "refused"]
    assert "double opt-in" in results[0]["errors"]["purpose"][0]
    assert not consent.is_given(ada, "news")
    assert consent.is_given(ada, "offers")


def test_a_file_is_told_line_by_line(page, ada):
    text = b"user_id,purpose,granted,source\nada,news,yes,form\nada,offers,yes,form\n"

    answer = page.post(
        reverse("accounts:consents"), {"file": SimpleUploadedFile("c.csv", text), "source": "form"}
    )

    assert "confirmed by e-mail first" in answer.content.decode()
    assert not consent.is_given(ada, "news")
    assert consent.is_given(ada, "offers")


def test_a_colleague_cannot_say_yes_for_them_either(page, ada):
    address = reverse("accounts:consent", args=[ada.public_id])
    form = {"purpose": "ad_user_data", "another": "news", "is_granted": "yes", "source": "by telephone"}

    answer = page.post(address, form)

    assert answer.status_code == 400
    assert "confirmed by e-mail first" in answer.content.decode()
    assert page.post(address, form | {"is_granted": "no"}).status_code == 302
    assert [one.is_granted for one in ConsentRecord.objects.filter(person=ada)] == [False]


def test_a_browser_that_tells_who_somebody_is_cannot(workspace, now):
    tracker = api_client(workspace, ["track"], now)
    body = {"user_id": "bob", "traits": {"plan": "gold"}, "consent": {"news": True, "offers": True}}

    answer = tracker.post("/api/v1/attribution/identify", body, format="json")

    assert answer.status_code == 200, answer.content
    assert list(answer.json()["errors"]) == ["consent.news"]
    bob = people.find(user_id="bob")
    assert (consent.is_given(bob, "news"), consent.is_given(bob, "offers")) == (False, True)


def test_a_browser_does_not_bring_back_who_left(workspace, now, actor, ada):
    messages.topic(workspace, "dates", is_double_opt_in=False)
    for purpose in ("offers", "ad_user_data"):
        consent.record(
            actor,
            ada,
            purpose=purpose,
            is_granted=False,
            source="preference centre",
            occurred_at=NOW - timedelta(days=1),
            now=NOW,
        )
    tracker = api_client(workspace, ["track"], now)
    body = {"user_id": "ada", "consent": {"offers": True, "dates": True, "ad_user_data": True}}

    answer = tracker.post("/api/v1/attribution/identify", body, format="json")
    told = {purpose for purpose in body["consent"] if consent.is_given(ada, purpose)}
    again = {**body, "occurred_at": (NOW - timedelta(hours=1)).isoformat()}
    dated = tracker.post("/api/v1/attribution/identify", again, format="json")

    assert sorted(answer.json()["errors"]) == ["consent.ad_user_data", "consent.offers"]
    assert told == {"dates"}
    assert list(dated.json()["errors"]) == ["consent.offers"]
    assert consent.is_given(ada, "ad_user_data")


def test_what_the_owner_of_the_address_confirmed_is_marked_as_that(api, workspace, ada):
    connected(workspace, "mail", "hello@studio.example", from_name="The Studio")
    news = messages.topic(workspace, "news")
    sign_ups.ask(news, "ada@example.com", source="form", wording="Yes", now=NOW)
    place = sign_ups.read(sign_ups.url_of(sign_ups.SignUp.objects.get()).rpartition("/")[2])

    sign_ups.confirm(place, now=NOW + timedelta(minutes=1))

    [told] = api.get(URL, {"user_id": "ada"}).json()["now"]
    assert (told["purpose"], told["confirmed"], told["source"]) == ("news", True, "form")


def test_a_no_is_never_confirmed(workspace, ada, actor):
    with pytest.raises(IntegrityError), transaction.atomic():
        consent.record(
            actor, ada, purpose="x", is_granted=False, is_confirmed=True, source="x", occurred_at=NOW, now=NOW
        )


def test_what_was_marked_by_the_end_of_its_source_becomes_a_field(ada, actor):
    move = import_module("apps.accounts.migrations.0007_what_was_confirmed_by_e_mail").MOVE
    proof = "Yes\n\nAsked for 2026-11-20 10:00 UTC, confirmed by e-mail."
    for purpose, source, wording in (
        ("real", "form, confirmed", proof),
        ("said", "form, confirmed", "Yes"),
        ("plain", "form", proof),
    ):
        consent.record(
            actor,
            ada,
            purpose=purpose,
            is_granted=True,
            source=source,
            wording=wording,
            occurred_at=NOW,
            now=NOW,
        )

    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(move)

    told = {one.purpose: (one.is_confirmed, one.source) for one in ConsentRecord.objects.all()}
    assert told == {
        "real": (True, "form"),
        "said": (False, "form, confirmed"),
        "plain": (False, "form"),
    }
