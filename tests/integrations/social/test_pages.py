"""The pages and the API of posts: connect at the fake, write, preview, approve, see it out, pause, limit."""

from datetime import timedelta

import httpx2
import pytest
from django.utils import timezone

from apps.integrations import outbox, social_publishing, social_pull
from apps.integrations.models import Connection, SocialAccount, SocialPost
from apps.integrations.resilience.lanes import Lane
from tests.fakes.town import Town

U = "/api/v1/integrations/social"
ACCOUNTS = {
    "facebook_pages": "1001",
    "instagram": "1789",
    "linkedin_pages": "2414",
    "x_social": "2244994945",
}


@pytest.fixture
def town(settings):
    with Town() as one:
        settings.FAKES_URL = one.url
        yield one


@pytest.fixture
def connect(page, town):
    """Walk the whole sign-in: our form, the network's page, and back."""

    def connect(service):
        there = page.post(f"/integrations/connect/{service}/", {"account": ACCOUNTS[service]})
        back = httpx2.get(there.headers["Location"], follow_redirects=False)
        page.get(back.headers["Location"].split("testserver")[-1])
        return Connection.objects.get(service=service)

    return connect


def html(answer):
    return answer.content.decode()


def form_for(*connections, **changes):
    return {"accounts": [str(one.public_id) for one in connections], "text": "Spring dates", **changes}


def test_nothing_is_connected_and_the_way_there_is_shown(page):
    assert "No social account is connected yet." in html(page.get("/integrations/social/"))
    assert "There is no account to write for." in html(page.get("/integrations/social/new/"))
    assert "Mentions will stand here." in html(page.get("/integrations/social/mentions/"))


@pytest.mark.parametrize("service", ACCOUNTS)
def test_the_whole_story_over_http(page, town, connect, service):
    connection = connect(service)
    images = "https://img.example.com/a.jpg | A bride" if service == "instagram" else ""

    made = page.post("/integrations/social/new/", form_for(connection, images=images))
    post = SocialPost.objects.get()
    assert made.headers["Location"] == f"/integrations/social/{post.public_id}/"
    assert "waits for an approval" in html(page.get(made.headers["Location"]))
    page.post(f"/integrations/social/{post.public_id}/approve/")
    outbox.relay(lane=int(Lane.MARKETING))
    social_pull.pull(connection_id=connection.pk)

    shown = html(page.get(made.headers["Location"]))
    assert "It is <em>out</em>" in shown
    listed = html(page.get("/integrations/social/"))
    assert "Spring dates" in listed
    assert "published" in listed
    mentions = html(page.get("/integrations/social/mentions/"))
    if service in {"facebook_pages", "instagram"}:
        assert "newest first" in mentions
    elif service == "linkedin_pages":
        assert "no door through which mentions could be read" in mentions
    else:
        assert "are not read: each costs money" in mentions


def test_a_preview_for_each_account_keeps_nothing(page, connect):
    one, other = connect("x_social"), connect("facebook_pages")
    form = form_for(one, other, link="https://studio.example/dates", preview="1")

    shown = html(page.post("/integrations/social/new/", form))

    assert "costs 0.200 USD" in shown
    assert "A link makes it dearer" in shown
    assert "37 of 280 characters" in shown
    assert "12 of 63,206 characters" in shown
    assert SocialPost.objects.count() == 0


def test_what_a_network_would_refuse_is_said_at_the_form(page, connect):
    answer = page.post("/integrations/social/new/", form_for(connect("x_social"), text="x" * 300))

    assert answer.status_code == 400
    assert "It has 300 characters, of which 280 are taken." in html(answer)
    assert SocialPost.objects.count() == 0


def test_the_time_is_the_workspaces(page, connect, workspace):
    workspace.time_zone = "America/New_York"
    workspace.save()
    at = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT12:00")

    page.post("/integrations/social/new/", form_for(connect("facebook_pages"), scheduled_at=at))

    assert SocialPost.objects.get().scheduled_at.hour == 17


def test_a_draft_is_changed_taken_back_and_thrown_away(page, connect):
    page.post("/integrations/social/new/", form_for(connect("facebook_pages")))
    post = SocialPost.objects.get()
    base = f"/integrations/social/{post.public_id}/"
    at = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")

    page.post(f"{base}change/", {"text": "Other dates", "scheduled_at": at})
    page.post(f"{base}approve/")
    assert "is <em>approved</em>" in html(page.get(base))
    page.post(f"{base}withdraw/")
    assert "Other dates" in html(page.get(base))
    page.post(f"{base}discard/")

    assert SocialPost.objects.count() == 0


def test_pause_resume_and_limit(page, connect):
    connection = connect("x_social")
    base = f"/integrations/social/accounts/{connection.public_id}/"

    page.post(f"{base}pause/")
    assert "paused" in html(page.get("/integrations/social/"))
    page.post(f"{base}resume/")
    assert "A post costs 0.015, one with a link 0.200" in " ".join(html(page.get(f"{base}limit/")).split())
    page.post(f"{base}limit/", {"daily_limit": "2.50", "reads_are_on": "on"})

    account = SocialAccount.objects.get()
    assert (account.is_paused, str(account.daily_limit), account.reads_are_on) == (False, "2.500", True)
    assert page.post(f"{base}limit/", {"daily_limit": "-1"}).status_code == 400


def test_a_post_that_is_out_is_taken_down_on_its_page(page, town, connect):
    page.post("/integrations/social/new/", form_for(connect("facebook_pages")))
    post = SocialPost.objects.get()
    page.post(f"/integrations/social/{post.public_id}/approve/")
    outbox.relay(lane=int(Lane.MARKETING))

    page.post(f"/integrations/social/{post.public_id}/take-down/")
    outbox.relay(lane=int(Lane.MARKETING))

    assert town.fakes["facebook_pages"].posts == {}
    assert "It was deleted" in html(page.get(f"/integrations/social/{post.public_id}/"))


def test_a_program_writes_and_a_person_approves(api, page, connect):
    connection = connect("facebook_pages")
    body = {"text": "By a program", "connections": [str(connection.public_id)], "is_made_with_ai": True}

    [preview] = api.post(f"{U}/previews", body, format="json").json()
    assert (preview["length"], preview["price"], preview["faults"]) == (12, "0.000", [])
    answer = api.post(f"{U}/posts", body, format="json")
    assert answer.status_code == 201
    [made] = answer.json()
    assert (made["state"], made["is_made_with_ai"]) == ("draft", True)
    assert api.post(f"{U}/posts/{made['id']}/approve").status_code == 404
    page.post(f"/integrations/social/{made['id']}/approve/")
    outbox.relay(lane=int(Lane.MARKETING))

    found = api.get(f"{U}/posts/{made['id']}").json()
    assert (found["state"], found["external_id"]) == ("published", "1001_501")
    assert [one["state"] for one in api.get(f"{U}/posts?state=published").json()] == ["published"]
    assert api.put(f"{U}/posts/{made['id']}", {"text": "x"}, format="json").status_code == 409
    [account] = api.get(f"{U}/accounts").json()
    assert (account["service"], account["is_charged"], account["waiting"]) == ("facebook_pages", False, 0)


def test_accounts_and_mentions_by_the_api(api, connect):
    connection = connect("facebook_pages")
    social_pull.pull(connection_id=connection.pk)
    base = f"{U}/accounts/{connection.public_id}"

    assert api.post(f"{base}/pause").json()["is_paused"] is True
    assert api.post(f"{base}/resume").json()["is_paused"] is False
    changed = api.put(base, {"daily_limit": "0.5", "reads_are_on": False}, format="json").json()
    assert (changed["daily_limit"], changed["reads_are_on"], changed["followers"]) == ("0.500", False, 1204)
    assert [one["author"] for one in api.get(f"{U}/mentions").json()] == ["Ada & Tom", "Hill House"]
    assert social_publishing.move() == 0
