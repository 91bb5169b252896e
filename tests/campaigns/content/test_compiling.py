"""A campaign's rows as messages: merge values, numbers of links, what is kept in memory."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts import personal_fields
from apps.accounts.models import Person
from apps.campaigns import content
from apps.campaigns.content import compiling, merge_fields
from apps.campaigns.content.merge_fields import MergeField, phase_of, season_of
from apps.campaigns.message_tokens import Tokens
from apps.campaigns.models import Campaign, Link
from tests.factories import NOW, PersonFactory

TOKEN, WAY_OUT = "t" * 32, "w" * 32
TOKENS = Tokens(TOKEN, WAY_OUT)
TODAY = date(2026, 11, 20)


def known(workspace, **personal):
    traits = personal.pop("traits", {})
    person = PersonFactory(workspace=workspace, traits=traits)
    personal_fields.set_personal(person, personal)
    person.save()
    return person


def test_values_of_people(workspace):
    ada = known(workspace, name="Ada Byron", email="ada@example.com", traits={"wedding_date": "2026-12-01"})
    tim = known(workspace, first_name="Tim", last_name="Lee")
    nobody = PersonFactory(workspace=workspace)

    found = content.values_of([ada.pk, tim.pk, nobody.pk], now=NOW)

    common = {"company": workspace.name, "season": "autumn"}
    assert found == {
        ada.pk: {
            "traits": {"wedding_date": "2026-12-01"},
            "name": "Ada Byron", "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com",
            "wedding_date": date(2026, 12, 1), "days_to_wedding": 11, "planning_phase": "finishing",
            **common,
        },
        tim.pk: {"traits": {}, "name": "Tim Lee", "first_name": "Tim", "last_name": "Lee", **common},
        nobody.pk: {"traits": {}, **common},
    }  # fmt: skip


def test_only_what_is_wanted_is_opened(workspace, campaign, content_of):
    ada = known(workspace, name="Ada Byron", email="ada@example.com", phone="+44 7700 900123")
    Person.objects.filter(pk=ada.pk).update(phone_sealed=b"no longer to be opened")
    made = content.compiled(campaign, [content_of(body="Dear {{ first_name }}, you have {{ traits.plan }}.")])

    assert made.fields == {"first_name", "traits", "traits.plan"}
    assert content.values_of([ada.pk], fields=made.fields) == {
        ada.pk: {"traits": {}, "name": "Ada Byron", "first_name": "Ada", "last_name": "Byron"}
    }


def test_values_of_many_people_are_as_many_queries_as_of_one(workspace):
    people = [known(workspace, name=f"P {n}").pk for n in range(5)]

    with CaptureQueriesContext(connection) as one:
        content.values_of(people[:1], now=NOW)
    with CaptureQueriesContext(connection) as all_of_them:
        content.values_of(people, now=NOW)

    assert len(one) == len(all_of_them)


def test_another_workspaces_people_have_no_values(workspace, other_workspace):
    theirs = PersonFactory(workspace=other_workspace)

    assert content.values_of([theirs.pk], now=NOW) == {}


@pytest.mark.parametrize(
    ("day", "phase"),
    [
        (date(2028, 1, 1), "dreaming"),
        (date(2027, 8, 1), "booking"),
        (date(2027, 3, 1), "planning"),
        (date(2026, 12, 1), "finishing"),
        (date(2026, 11, 27), "week of the wedding"),
        (date(2026, 11, 20), "week of the wedding"),
        (date(2026, 11, 19), "married"),
    ],
)
def test_phases(day, phase):
    assert phase_of(day, TODAY) == phase


def test_seasons_are_turned_round_in_the_south():
    assert [season_of(date(2026, month, 15), "Europe/London") for month in (1, 4, 7, 10, 12)] == [
        "winter", "spring", "summer", "autumn", "winter"
    ]  # fmt: skip
    assert season_of(date(2026, 1, 15), "Australia/Sydney") == "summer"


@pytest.mark.parametrize("name", ["traits", "first_name", "_x", "a b", ""])
def test_a_field_has_a_name_of_its_own(name):
    with pytest.raises(ValueError, match=r"field|registered"):
        merge_fields.register(MergeField(name=name, label="x", example=1, read=lambda *_: {}))


def test_messages_of_a_campaign(workspace, campaign, content_of, settings):
    settings.SITE_URL = "https://mail.example.com"
    one = content_of("a", body="[x](https://a.example) [y](https://b.example) {{ first_name }}")
    two = content_of("b", body="[y](https://b.example)", cta_label="Go", cta_url="https://c.example")

    made = content.compiled(campaign, [one, two])
    first, second = (made.message(one_of.pk, {"first_name": "Ada"}, TOKENS) for one_of in (one, two))

    assert dict(Link.objects.values_list("number", "url")) == {
        1: "https://a.example", 2: "https://b.example", 3: "https://c.example"
    }  # fmt: skip
    assert first.subject == "Hello"
    assert f"https://mail.example.com/c/{TOKEN}/2".encode() in first.html
    assert b"Ada" in first.text
    assert f"https://mail.example.com/c/{TOKEN}/3".encode() in second.text
    assert b"The Studio" in first.html
    assert b"1 High Street, London" in first.html
    assert f"https://mail.example.com/u/{WAY_OUT}".encode() in first.html
    assert made.content_type.startswith("multipart/alternative; boundary=")

    compiling._kept.clear()  # as in another process, where all links have their numbers
    again = content.compiled(campaign, [one, two])
    assert again.message(one.pk, {"first_name": "Ada"}, TOKENS) == first


def test_a_number_once_given_stays(campaign, content_of):
    one = content_of("a", body="[x](https://a.example)")
    content.compiled(campaign, [one])
    one.body = "[new](https://new.example) [x](https://a.example)"
    one.save()
    campaign.version += 1

    content.compiled(campaign, [one])

    assert dict(Link.objects.values_list("url", "number")) == {
        "https://a.example": 1,
        "https://new.example": 2,
    }


def test_it_is_compiled_once_until_it_changes(campaign, content_of):
    one = content_of()
    first = content.compiled(campaign, [one])

    assert content.compiled(campaign, [one]) is first
    Campaign.objects.filter(pk=campaign.pk).update(version=2)
    campaign.refresh_from_db()
    assert content.compiled(campaign, [one]) is not first


def test_memory_is_bounded(campaign, content_of, monkeypatch):
    monkeypatch.setattr(compiling, "KEPT", 2)
    one = content_of()
    for version in range(5):
        campaign.version = 100 + version
        content.compiled(campaign, [one])

    assert len(compiling._kept) <= 2


def test_the_workspaces_address_stands_in_for_the_senders(workspace, campaign, sender, content_of):
    sender.options = {}
    sender.save()
    workspace.settings = {"postal_address": "2 Low Road, Leeds"}
    workspace.save()

    found = content.compiled(campaign, [content_of()])

    assert b"2 Low Road, Leeds" in next(iter(found.letters.values())).render({}, TOKENS).html
