"""From a channel's number to the people behind it: rows that add up, pseudonyms, audited looks."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from apps.accounts import people
from apps.accounts.models import AuditEntry
from apps.attribution.models import Conversion
from tests import factories
from tests.attribution.stories import journey

JOURNEYS = reverse("attribution:journeys")
NAME, EMAIL = "Mara Bell", "mara@bluebarn.example"


def _channel(key):
    return reverse("attribution:channel", args=[key])


def _person(person):
    return reverse("attribution:person", args=[person.public_id])


@pytest.fixture
def campaigns(workspace):
    """100.01 earned by meta, through two campaigns and a touch that names none."""
    person = factories.PersonFactory(workspace=workspace)
    channel = factories.ChannelFactory(workspace=workspace, key="meta")
    for place, campaign in enumerate(["spring", "summer", ""]):
        source = factories.SourceFactory(
            workspace=workspace, channel=channel, platform="meta", campaign_id=campaign
        )
        factories.TouchpointFactory(workspace=workspace, person=person, source=source, age_days=place + 1)
    factories.ConversionFactory(workspace=workspace, person=person, value=Decimal("100.01"))


@pytest.fixture
def mara(workspace, actor, now):
    person = journey(workspace, "meta", "email", value="40")
    return people.identify(actor, user_id=person.external_id, traits={"name": NAME, "email": EMAIL}, now=now)


@pytest.mark.usefixtures("campaigns")
@pytest.mark.parametrize("model", ["linear", "shapley", "time_decay", "markov_1"])
def test_the_rows_add_up_to_the_channel_s_row(page, model):
    answer = page.get(_channel("meta"), {"period": "all", "model": model, "by": "campaign"})

    parts = [part["row"].revenue for part in answer.context["parts"]]
    assert len(parts) == 3
    assert sum(parts) == answer.context["row"].revenue == Decimal("100.01")
    assert b"They add up to the channel" in answer.content


@pytest.mark.usefixtures("campaigns")
def test_a_row_leads_to_the_journeys_behind_it(page):
    html = page.get(_channel("meta"), {"period": "all"}).content.decode()
    (address, *_) = re.findall(r'href="([^"]*campaign_id=spring[^"]*)"', html)

    answer = page.get(address.replace("&amp;", "&"))

    assert [row.value for row in answer.context["journeys"].rows] == [Decimal("100.01")]
    assert "spring (Meta)" in answer.content.decode()


def test_a_channel_that_earned_nothing_says_so(page, workspace):
    journey(workspace, "meta")

    assert b"Meta earned nothing in all of the data." in page.get(_channel("meta"), {"period": "all"}).content


def test_the_unexplained_revenue_has_a_page_too(page, workspace):
    journey(workspace, value="10")

    answer = page.get(_channel("none"), {"period": "all"})

    assert answer.context["row"].revenue == 10


def test_journeys_are_narrowed_by_the_way_they_took(page, workspace):
    journey(workspace, "meta", "email", value="1")
    journey(workspace, "email", "meta", value="2")
    journey(workspace, "email", value="3")

    found = page.get(JOURNEYS, {"period": "all", "path": ["meta", "email"]}).context["journeys"]

    assert [row.value for row in found.rows] == [1]


def test_journeys_come_in_pages(page, workspace):
    for back in range(51):
        journey(workspace, "meta", value="1", end_days=back)

    first = page.get(JOURNEYS, {"period": "all"})
    second = page.get(JOURNEYS, {"period": "all", "before": first.context["journeys"].next})

    assert len(first.context["journeys"].rows) == 50
    assert len(second.context["journeys"].rows) == 1
    assert b"Older" in first.content
    assert b"Older" not in second.content


def test_a_page_s_place_that_no_page_gave_is_refused(page):
    assert page.get(JOURNEYS, {"before": "tomorrow"}).status_code == 400


def test_nobody_is_named_unasked(page, mara):
    for address in (JOURNEYS + "?period=all", _person(mara)):
        html = page.get(address).content.decode()
        assert str(mara.public_id)[:8] in html
        assert NAME not in html
        assert EMAIL not in html
    assert not AuditEntry.objects.filter(deed__startswith="person").exists()


@pytest.mark.parametrize("role", ["owner", "admin", "analyst", "operator"])
def test_a_look_at_names_is_written_down(client, workspace, mara, role):
    client.force_login(factories.member(workspace, role))

    html = client.post(JOURNEYS + "?period=all").content.decode()

    assert NAME in html
    assert EMAIL in html
    assert AuditEntry.objects.filter(deed__contains="revealed").count() == 1


def test_a_look_at_one_person_is_written_down(page, mara):
    answer = page.post(_person(mara))

    assert f"{NAME} converted" in re.sub(r"\s+", " ", answer.content.decode())
    assert EMAIL.encode() in answer.content
    assert "no-cache" in answer.headers["Cache-Control"]
    assert AuditEntry.objects.filter(deed__contains="revealed").count() == 1


@pytest.mark.parametrize("address", ["journeys", "person"])
def test_a_viewer_never_sees_a_name(client, workspace, mara, address):
    client.force_login(factories.member(workspace, "viewer"))
    url = JOURNEYS if address == "journeys" else _person(mara)

    shown, refused = client.get(url + "?period=all"), client.post(url + "?period=all")

    assert b"Your role sees people by pseudonym." in shown.content
    assert b"Show name" not in shown.content
    assert refused.status_code == 403
    assert NAME.encode() not in refused.content
    assert not AuditEntry.objects.filter(deed__contains="revealed").exists()


def test_a_journey_shows_what_each_touch_earned(page, workspace):
    person = journey(workspace, "meta", "email", value="99.99")

    answer = page.get(_person(person), {"model": "linear"})

    earned = [step["credit"].revenue for step in answer.context["steps"] if step["credit"]]
    assert sorted(earned) == [Decimal("49.99"), Decimal("50.00")]
    assert b"converted <em>1" in answer.content


def test_an_earlier_conversion_can_be_explained(page, workspace):
    person = journey(workspace, "meta", value="10", end_days=20)
    journey(workspace, "email", value="30", person=person)
    first = Conversion.objects.get(value=10)

    answer = page.get(_person(person), {"model": "last_touch", "conversion": first.pk})

    assert answer.context["credit"].conversion == first
    assert [step["entry"].label for step in answer.context["steps"] if step["credit"]] == ["Meta"]


def test_somebody_who_has_not_converted_has_a_timeline(page, workspace):
    person = journey(workspace, "meta", "email")

    text = re.sub(r"\s+", " ", page.get(_person(person)).content.decode())

    assert "has 2 touches and no conversion yet." in text


@pytest.mark.parametrize("conversion", ["0", "abc", "9" * 30])
def test_a_conversion_that_is_not_there_breaks_nothing(page, workspace, conversion):
    person = journey(workspace, "meta", value="10")

    assert page.get(_person(person), {"conversion": conversion}).status_code in {200, 404}


def test_a_journey_of_a_thousand_touches_still_opens(page, workspace, django_assert_max_num_queries):
    person = journey(workspace, "meta", value="10")
    source = factories.SourceFactory(
        workspace=workspace, channel=factories.ChannelFactory(workspace=workspace, key="meta")
    )
    for number in range(200):
        factories.TouchpointFactory(
            workspace=workspace,
            person=person,
            source=source,
            occurred_at=factories.NOW - timedelta(hours=number + 2),
        )

    with django_assert_max_num_queries(30):
        assert page.get(_person(person), {"model": "linear"}).status_code == 200
