"""Topics: made for a workspace, changed, counted; on the page and by API."""

from datetime import timedelta

import pytest

from apps.accounts import consent
from apps.accounts.models import AuditEntry
from apps.campaigns.models import Topic
from apps.campaigns.subscriptions import topics
from tests.campaigns import messages
from tests.conftest import api_client
from tests.factories import NOW, member

URL = "/api/v1/marketing/topics"
PAGE = "/campaigns/topics/"


def _say(actor, person, *, yes, at=NOW - timedelta(days=1)):
    consent.record(actor, person, purpose="news", is_granted=yes, source="x", occurred_at=at, now=NOW)


def test_a_workspace_begins_with_three(api):
    told = api.get(URL).json()

    assert [(one["key"], one["basis"], one["is_double_opt_in"]) for one in told] == [
        ("news", "consent", True),
        ("offers", "consent", True),
        ("service", "service", False),
    ]
    assert len(api.get(URL).json()) == 3


def test_people_are_counted_by_their_latest_word(api, workspace, actor):
    who = [messages.person(workspace, f"p{number}@example.com") for number in range(4)]
    _say(actor, who[0], yes=True)
    _say(actor, who[1], yes=True, at=NOW - timedelta(days=2))
    _say(actor, who[1], yes=False)
    _say(actor, who[2], yes=True)

    news = api.get(f"{URL}/news").json() if topics.listed(now=NOW) else {}

    assert (news["granted"], news["withdrawn"], news["unknown"]) == (2, 1, 1)


def test_one_is_made_and_changed(api):
    body = {"key": "albums", "name": "Albums", "description": "New albums."}
    assert api.post(URL, body, format="json").status_code == 201
    assert api.post(URL, body, format="json").status_code == 409

    answer = api.patch(f"{URL}/albums", {"basis": "customer"}, format="json")

    assert answer.json()["is_double_opt_in"] is False  # nothing is asked for, so nothing is confirmed
    assert AuditEntry.objects.filter(deed__in=["topic.created", "topic.changed"]).count() == 2
    api.patch(f"{URL}/albums", {"basis": "customer"}, format="json")
    assert AuditEntry.objects.filter(deed="topic.changed").count() == 1
    assert api.patch(f"{URL}/nothing", {}, format="json").status_code == 404


@pytest.mark.parametrize("body", [{"key": "a b", "name": "x"}, {"key": "x"}, {"key": "x", "name": " "}])
def test_what_is_no_topic(api, body):
    assert api.post(URL, body, format="json").status_code == 400


def test_the_page_says_what_is_wanted_most(page, workspace, actor):
    assert "<em>Nobody</em>" in page.get(PAGE).content.decode()
    _say(actor, messages.person(workspace), yes=True)

    shown = page.get(PAGE).content.decode()

    assert "<em>1</em> of 1 person wants “News”." in shown


def test_a_topic_is_made_and_changed_on_the_page(page, workspace):
    form = {"key": "albums", "name": "Albums", "basis": "consent", "is_double_opt_in": "on"}
    assert page.post(PAGE, form).status_code == 302
    assert page.post(PAGE, form).status_code == 400

    shown = page.get(f"{PAGE}albums/").content.decode()
    assert f"/subscribe/{workspace.slug}/albums" in shown
    page.post(f"{PAGE}albums/", {"name": "Albums and books", "basis": "consent"})

    topic = Topic.objects.get(key="albums")
    assert (topic.name, topic.is_double_opt_in) == ("Albums and books", False)
    assert page.get(f"{PAGE}nothing/").status_code == 404


def test_a_viewer_sees_and_changes_nothing(client, workspace):
    client.force_login(member(workspace, "viewer"))

    assert "Another topic" not in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"key": "x", "name": "x", "basis": "consent"}).status_code == 403
    assert not Topic.objects.filter(key="x").exists()


@pytest.mark.parametrize(
    ("state", "status"),
    [("scheduled", 409), ("running", 409), ("paused", 409), ("done", 200), ("draft", 200)],
)
def test_the_consent_that_a_campaign_was_checked_with_stays(api, workspace, state, status):
    messages.campaign(workspace, state=state)

    answer = api.patch(f"{URL}/news", {"basis": "service"}, format="json")

    assert answer.status_code == status, answer.content
    assert (Topic.objects.get(key="news").basis == "consent") == (status == 409)
    assert api.patch(f"{URL}/news", {"name": "Newsletter"}, format="json").status_code == 200


@pytest.mark.parametrize("change", [{"basis": "service"}, {"is_double_opt_in": False}])
def test_what_lets_us_write_is_for_who_may_send(api, workspace, now, change):
    """A key that prepares campaigns cannot have a no, or a confirmation, count no more."""
    assert api.get(URL).status_code == 200
    writer = api_client(workspace, ["write"], now)

    assert writer.patch(f"{URL}/news", change, format="json").status_code == 403
    assert writer.patch(f"{URL}/news", {"name": "Newsletter"}, format="json").status_code == 200
    assert api.patch(f"{URL}/news", change, format="json").status_code == 200
