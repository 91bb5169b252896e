"""Who may open which page of attribution, what it costs the database, and what another workspace may see."""

import pytest
from django.urls import reverse

from apps.accounts import scoping
from apps.attribution.models import FileImport
from tests import factories
from tests.attribution.stories import journey

STAFF = ["owner", "admin", "analyst", "operator", "viewer"]
PAGES = {
    "attribution:overview": STAFF,
    "attribution:export": STAFF,
    "attribution:journeys": STAFF,
    "attribution:models": STAFF,
    "attribution:channels": STAFF,
    "attribution:import": ["owner", "admin", "operator"],
    "attribution:first-event": ["owner", "admin", "analyst", "operator"],
    "attribution:first-event-latest": ["owner", "admin", "analyst", "operator"],
}
# Nobody at the door waits for more than this many questions to the database, however much there is.
MOST_QUERIES = 30


def test_a_stranger_is_sent_to_sign_in(client, workspace):
    for name in PAGES:
        answer = client.get(reverse(name))

        assert (answer.status_code, answer.url) == (302, f"/account/login/?next={reverse(name)}")


@pytest.mark.parametrize("role", [*STAFF, "customer"])
def test_each_role_opens_its_pages_and_no_others(client, workspace, role):
    user = factories.UserFactory()
    person = {"person": factories.PersonFactory(workspace=workspace)} if role == "customer" else {}
    factories.MembershipFactory(workspace=workspace, user=user, role=role, **person)
    client.force_login(user)

    for name in PAGES:
        assert client.get(reverse(name)).status_code == (200 if role in PAGES[name] else 403), name


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_the_database_little(page, workspace, name, django_assert_max_num_queries):
    for _ in range(30):
        journey(workspace, "meta", "email", value="10")
    address = reverse(name) + "?period=all"
    page.get(address)  # the first reader has the credit computed

    with django_assert_max_num_queries(MOST_QUERIES):
        assert page.get(address).status_code == 200


@pytest.mark.parametrize("name", ["channel", "person", "import-file", "import-rejected"])
def test_another_workspace_s_rows_are_not_here(page, other_workspace, name):
    with scoping.workspace(other_workspace):
        person = journey(other_workspace, "theirs", value="10")
        brought = FileImport.objects.create(workspace=other_workspace, file_name="x.csv", sha256="0" * 64)
    theirs = {
        "channel": "theirs",
        "person": person.public_id,
        "import-file": brought.pk,
        "import-rejected": brought.pk,
    }

    assert page.get(reverse(f"attribution:{name}", args=[theirs[name]])).status_code == 404


def test_only_the_chart_page_has_the_looser_style_policy(page, workspace):
    journey(workspace, "meta", value="10")

    loose = page.get(reverse("attribution:overview")).headers["Content-Security-Policy"]
    strict = page.get(reverse("attribution:journeys")).headers["Content-Security-Policy"]

    assert "style-src 'self' 'unsafe-inline'" in loose
    assert "script-src" not in loose
    assert "unsafe-eval" not in loose
    assert "unsafe" not in strict


def test_the_tabs_lead_only_where_the_role_may_go(client, workspace):
    client.force_login(factories.member(workspace, "viewer"))

    html = client.get(reverse("attribution:overview")).content.decode()

    assert reverse("attribution:models") in html
    assert f'href="{reverse("attribution:import")}"' not in html
    assert f'href="{reverse("attribution:first-event")}"' not in html


@pytest.mark.parametrize("name", ["overview", "journeys", "export"])
@pytest.mark.parametrize(
    "query", ["period=custom&since=0001-01-01&until=9999-12-31", "period=custom&until=9999-12-31"]
)
def test_a_day_outside_the_calendar_counts_for_nothing(page, workspace, name, query):
    assert page.get(f"{reverse(f'attribution:{name}')}?{query}").status_code == 200


@pytest.mark.parametrize("query", ["path=%00", "channel=%00", "platform=a%00b"])
def test_a_nul_in_an_address_is_refused(page, workspace, query):
    journey(workspace, "meta")

    assert page.get(f"{reverse('attribution:journeys')}?{query}").status_code == 400
