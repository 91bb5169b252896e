"""The pages of connections, as a browser uses them: sign in at the fake, see campaigns, disconnect."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from django.utils import timezone

from apps.accounts.models import AuditEntry
from apps.integrations import ads_pull, sealed_json, webhooks
from apps.integrations.client import Client
from apps.integrations.http import Request
from apps.integrations.models import AdCampaign, AdDay, Connection
from tests import factories
from tests.fakes import resend as resend_fake
from tests.fakes.server import Answer, Reply, json_reply
from tests.fakes.town import Town
from tests.integrations.connected import connection_to


@pytest.fixture
def town(settings):
    with Town() as one:
        settings.FAKES_URL = one.url
        yield one


@pytest.fixture
def resend(settings):
    with resend_fake.Resend() as one:
        settings.INTEGRATION_URLS = {"resend": one.url}
        yield one


@pytest.fixture
def signed_in(page, town):
    """Walk the whole sign-in: our form, the service's page, and back."""

    def walk(account="1234"):
        there = page.post("/integrations/connect/meta_ads/", {"account": account})
        assert there.status_code == 302
        back = httpx2.get(there.headers["Location"], follow_redirects=False)
        returned = urlsplit(back.headers["Location"])
        return page.get(f"{returned.path}?{returned.query}")

    return walk


def connection():
    return Connection.objects.get()


def test_nothing_is_connected_and_every_service_is_offered(page):
    shown = page.get("/integrations/").content.decode()

    assert "Nothing is connected yet." in shown
    assert "Meta Ads" in shown


def test_sign_in_brings_campaigns_and_their_figures(page, signed_in, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in()

    made = connection()
    assert answer.headers["Location"] == f"/integrations/{made.public_id}/"
    assert sealed_json.get(made, "credentials_sealed") == {"access_token": "EAAB-token"}
    ads_pull.pull(connection_id=made.pk)
    assert AdCampaign.objects.count() == 8
    assert AdDay.objects.count() == 8 * 90
    shown = page.get(f"/integrations/{made.public_id}/").content.decode()
    assert "Spring brides" in shown
    assert "EAAB-token" not in shown
    assert AuditEntry.objects.filter(deed="connection.made").count() == 1


def test_a_second_pull_changes_what_changed_and_adds_nothing(signed_in, town):
    signed_in()
    made = connection()
    there = town.fakes["meta_ads"]
    day = {"campaign_id": next(iter(there.campaigns)), "date_start": f"{timezone.now():%Y-%m-%d}"}
    there.figures = [{**day, "spend": "20.00"}]
    ads_pull.pull(connection_id=made.pk)
    there.figures[0]["spend"] = "99.99"

    ads_pull.pull(connection_id=made.pk)

    assert AdDay.objects.count() == 8 * 90 + 1
    assert AdDay.objects.filter(spend="99.99").count() == 1


@pytest.mark.parametrize("change", ["state=forged", "state=%C3%A9", "error=access_denied", ""])
def test_a_return_that_was_not_begun_here_connects_nothing(page, town, change):
    there = page.post("/integrations/connect/meta_ads/", {"account": "1234"})
    state = parse_qs(urlsplit(there.headers["Location"]).query)["state"][0]

    page.get(
        f"/integrations/signed-in/?code=meta-code&{change}" if change else "/integrations/signed-in/?code=x"
    )

    assert state
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("token", "is_connected"),
    [
        ({"access_token": "t", "expires_in": "soon"}, True),
        ({"access_token": "t", "expires_in": 10**12}, True),
        ({"access_token": "t", "expires_in": -5}, True),
        ({"access_token": "t", "expires_in": [3600]}, True),
        ({"access_token": {"a": 1}}, False),
        ({"error": "e" * 10_000}, False),
        (["access_token"], False),
    ],
)
def test_a_strange_token_is_no_error_of_ours(page, town, token, is_connected):
    there = page.post("/integrations/connect/meta_ads/", {"account": "1234"})
    state = parse_qs(urlsplit(there.headers["Location"]).query)["state"][0]
    town.fakes["meta_ads"].misbehave(Answer(json_reply(token)))

    answer = page.get(f"/integrations/signed-in/?code=meta-code&state={state}", follow=True)

    assert Connection.objects.filter(credentials_expire_at=None).exists() == is_connected
    assert answer.status_code == 200 if is_connected else answer.status_code in {200, 400}
    assert len(answer.content) < 100_000
    assert "e" * 200 not in answer.content.decode()


def test_a_key_with_a_line_break_in_it_is_refused_at_its_field(page):
    fields = {"account": "shop.example.com", "api_key": "re_123\nre_456"}

    answer = page.post("/integrations/connect/resend/", fields)

    assert answer.status_code == 400
    assert "One line without control characters." in answer.content.decode()
    assert not Connection.objects.exists()


def test_the_policy_of_forms_lets_the_browser_go_where_people_sign_in(page, town):
    shown = page.get("/integrations/connect/meta_ads/")

    assert f"form-action 'self' http://127.0.0.1:{town.port}" in shown.headers["Content-Security-Policy"]
    assert (
        "form-action 'self';"
        in page.get("/integrations/connect/slack/").headers["Content-Security-Policy"] + ";"
    )


def test_a_code_works_once(page, town):
    there = page.post("/integrations/connect/meta_ads/", {"account": "1234"})
    state = parse_qs(urlsplit(there.headers["Location"]).query)["state"][0]
    page.get(f"/integrations/signed-in/?code=meta-code&state={state}")

    page.get(f"/integrations/signed-in/?code=meta-code&state={state}")

    assert Connection.objects.count() == 1


def test_a_test_says_what_the_service_said(page, signed_in):
    signed_in()

    page.post(f"/integrations/{connection().public_id}/test/")
    shown = page.get("/integrations/").content.decode()

    assert connection().checked_at is not None
    assert "and all of it works." in shown
    assert "Studio North, GBP" in shown


def test_before_anything_answered_it_is_not_said_to_work(page, workspace):
    made = connection_to(workspace, "resend", account="studio.example", secrets={"api_key": "re_1"})

    shown = page.get(f"/integrations/{made.public_id}/").content.decode()
    listed = page.get("/integrations/").content.decode()

    assert "whether it works is <em>not known yet</em>" in shown
    assert "<em>works</em>" not in shown
    assert "none needs a look; of 1 it is not known yet whether it works." in " ".join(listed.split())
    assert "not known yet" in listed
    assert '<span class="pill good">works</span>' not in listed


def test_nor_on_the_page_of_its_service_nor_of_a_webhook(page, actor, workspace):
    connection_to(workspace, "resend", account="studio.example", secrets={"api_key": "re_1"})
    endpoint, _ = webhooks.create(
        actor, url="https://shop.example.com/hooks", event_names=["*"], now=timezone.now()
    )

    status = " ".join(page.get("/integrations/status/").content.decode().split())
    listed = page.get("/integrations/webhooks/").content.decode()
    shown = page.get(f"/integrations/webhooks/{endpoint.public_id}/").content.decode()

    assert "No service is in trouble; of <em>2</em> it is not known yet whether they work." in status
    assert "not known yet" in listed
    assert "whether it arrives is <em>not known yet</em>" in shown


def test_what_went_through_it_says_that_it_works(page, api, workspace, resend):
    made = connection_to(workspace, "resend", account="studio.example", secrets={"api_key": resend_fake.KEY})
    Client(made).ask("domains.list", Request(method="GET", url="/domains"))

    shown = page.get(f"/integrations/{made.public_id}/").content.decode()
    [told] = api.get("/api/v1/integrations/connections").data

    assert "<em>works</em>" in shown
    assert made.checked_at is None
    assert "never" in shown  # last tested
    assert told["answered_at"] is not None
    assert told["checked_at"] is None


def test_and_a_refusal_does_not(page, workspace, resend):
    made = connection_to(workspace, "resend", account="studio.example", secrets={"api_key": "re_wrong"})
    Client(made).ask("domains.list", Request(method="GET", url="/domains"))

    shown = page.get(f"/integrations/{made.public_id}/").content.decode()

    assert "<em>works</em>" not in shown


def test_a_test_of_a_signed_out_connection_does_not_say_that_it_works(page, signed_in, town):
    signed_in()
    town.fakes["meta_ads"].token = "another"

    page.post(f"/integrations/{connection().public_id}/test/")

    assert connection().checked_at is None


def test_disconnecting_forgets_the_credentials(page, signed_in):
    signed_in()

    page.post(f"/integrations/{connection().public_id}/disconnect/")

    gone = connection()
    assert (gone.state, gone.credentials_sealed, gone.data_key) == ("disconnected", None, None)


def test_a_form_without_its_account_says_so(page, town):
    answer = page.post("/integrations/connect/meta_ads/", {"account": ""})

    assert answer.status_code == 400
    assert "This field is required." in answer.content.decode()


def test_a_service_in_the_way_is_no_error_of_ours(page, signed_in, town):
    signed_in()
    town.fakes["meta_ads"].misbehave(Answer(Reply(503)), times=3)

    answer = page.post(f"/integrations/{connection().public_id}/test/", follow=True)

    assert answer.status_code == 200
    assert "HTTP 503" in answer.content.decode()


def test_viewers_see_and_change_nothing(client, workspace, signed_in):
    signed_in()
    made = connection()
    client.force_login(factories.member(workspace, "viewer"))

    assert client.get(f"/integrations/{made.public_id}/").status_code == 200
    assert client.post(f"/integrations/{made.public_id}/disconnect/").status_code == 403
    assert connection().state == "connected"


def test_the_api_tells_the_same(api, signed_in):
    signed_in()
    [told] = api.get("/api/v1/integrations/connections").data

    assert (told["service"], told["state"], told["trouble"]) == ("meta_ads", "connected", "")
    said = api.post(f"/api/v1/integrations/connections/{told['id']}/test")
    assert said.data == {"said": "Studio North, GBP"}
    assert api.delete(f"/api/v1/integrations/connections/{told['id']}").status_code == 204


@pytest.mark.parametrize(
    ("asked", "is_sent_on"), [("localhost", True), ("127.0.0.1", False), ("testserver", False)]
)
def test_a_sign_in_begins_under_the_name_that_it_comes_back_to(page, settings, asked, is_sent_on):
    settings.SITE_URL = "http://127.0.0.1:8000"
    settings.ALLOWED_HOSTS = ["*"]

    answer = page.get("/integrations/connect/meta_ads/", headers={"Host": f"{asked}:8000"})

    there = "http://127.0.0.1:8000/integrations/connect/meta_ads/"
    assert (answer.status_code, answer.headers.get("Location")) == (
        (302, there) if is_sent_on else (200, None)
    )
