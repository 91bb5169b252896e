"""Addresses that are not written to: the workspace's own list, and the operator's."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts import consent, scoping
from apps.accounts.models import AuditEntry
from apps.campaigns import reach
from apps.campaigns.models import AddressMark, EverywhereComplaint, EverywhereSuppression
from apps.campaigns.subscriptions import everywhere
from apps.integrations import suppressions
from apps.integrations.models import Suppression
from tests.campaigns import messages
from tests.conftest import api_client
from tests.factories import NOW, WorkspaceFactory, member

URL = "/api/v1/marketing/suppressions"
PAGE = "/campaigns/suppressions/"


@pytest.fixture
def person(workspace, actor):
    found = messages.person(workspace)
    consent.record(actor, found, purpose="news", is_granted=True, source="x", occurred_at=NOW, now=NOW)
    return found


def _against(workspace, person):
    with scoping.workspace(workspace):
        return reach.against(messages.campaign(workspace), [person.pk], now=NOW).get(person.pk, "")


def test_an_address_is_put_on_the_list_and_audited(api, workspace, person):
    body = {"email": " ADA@example.com ", "reason": "complained", "note": "by phone"}
    answer = api.post(URL, body, format="json")

    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["address"], told["reason"]) == ("a•••@e•••.com", "complained")
    assert told["person_id"] == str(person.public_id)
    assert _against(workspace, person) == "complained"
    entry = AuditEntry.objects.get(deed="mail.suppressed")
    assert (entry.after, entry.reason) == ({"reason": "complained"}, "by phone")


def test_the_list_is_masked_and_filtered(api, person):
    suppressions.add(person.email_index, "bounced", told_by="resend", now=NOW)
    suppressions.add(b"x" * 16, "complained", told_by="resend", now=NOW)

    answer = api.get(URL)

    assert [(one["address"], one["reason"]) for one in answer.json()["results"]] == [
        ("", "complained"),
        ("a•••@e•••.com", "bounced"),
    ]
    assert "ada@" not in answer.content.decode()
    assert len(api.get(URL, {"reason": "bounced"}).json()["results"]) == 1
    assert api.get(URL, {"reason": "dull"}).status_code == 400


def test_twice_is_a_conflict_and_nonsense_is_refused(api, person):
    body = {"email": "ada@example.com", "reason": "invalid"}
    api.post(URL, body, format="json")

    assert api.post(URL, body, format="json").status_code == 409
    assert api.post(URL, {**body, "email": "ada"}, format="json").json()["errors"]["email"]
    assert api.post(URL, {**body, "reason": "bounced"}, format="json").status_code == 400


def test_an_address_comes_off_with_a_reason(api, workspace, person):
    suppressions.add(person.email_index, "bounced", told_by="resend", now=NOW)
    address = f"{URL}/{Suppression.objects.get().pk}/remove"

    assert api.post(address, {"why": " "}, format="json").status_code == 400
    assert api.post(address, {"why": "oh"}, format="json").json()["errors"]["why"]
    assert api.post(address, {"why": "their mailbox is back"}, format="json").status_code == 204
    assert api.post(address, {"why": "their mailbox is back"}, format="json").status_code == 404
    assert _against(workspace, person) == ""
    assert AuditEntry.objects.get(deed="mail.suppression_lifted").reason == "their mailbox is back"


def test_who_may_only_write_takes_nothing_off(workspace, person, now):
    suppressions.add(person.email_index, "bounced", told_by="resend", now=NOW)
    writer = api_client(workspace, ["write"], now)

    answer = writer.post(f"{URL}/{Suppression.objects.get().pk}/remove", {"why": "because"}, format="json")

    assert answer.status_code == 403
    assert Suppression.objects.exists()


def test_the_page(page, person):
    assert "Every address may be written to" in page.get(PAGE).content.decode()
    page.post(PAGE, {"email": "ada@example.com", "reason": "unsubscribed", "note": "by letter"})

    shown = page.get(PAGE).content.decode()
    assert "a•••@e•••.com" in shown
    assert "<em>1</em> address is not written to." in shown
    assert "Nothing matches" in page.get(f"{PAGE}?reason=bounced").content.decode()
    page.post(f"{PAGE}{Suppression.objects.get().pk}/remove/", {"why": "they asked again"})
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(("scope", "is_named"), [("read", False), ("write", False), ("admin", True)])
def test_whose_an_address_is_learns_who_may_see_people(workspace, now, person, scope, is_named):
    suppressions.add(person.email_index, "bounced", told_by="resend", now=NOW)

    [told] = api_client(workspace, [scope], now).get(URL).json()["results"]

    assert told["address"] == "a•••@e•••.com"
    assert told["person_id"] == (str(person.public_id) if is_named else None)


def test_putting_an_address_on_the_list_does_not_tell_whose_it_is(workspace, now, person):
    body = {"email": "ada@example.com", "reason": "complained"}

    told = api_client(workspace, ["write"], now).post(URL, body, format="json").json()

    assert told["person_id"] is None


# The operator's list


def test_an_address_of_the_operators_list_is_written_to_nowhere(workspace, other_workspace, person):
    theirs = messages.person(other_workspace)
    assert everywhere.put("Ada@Example.com", reason="reported", told_by="staff", now=NOW)
    assert not everywhere.put("ada@example.com", reason="reported", told_by="staff", now=NOW)

    assert _against(workspace, person) == "everywhere"
    assert _against(other_workspace, theirs) == "everywhere"
    assert _against(workspace, messages.person(workspace, "bob@example.com")) == "no_consent"


def test_a_workspace_that_opens_later_is_held_too(person, workspace):
    everywhere.put("ada@example.com", reason="reported", told_by="staff", now=NOW)
    later = WorkspaceFactory()

    assert _against(later, messages.person(later)) == "everywhere"


def test_it_is_one_query_and_one_more_for_addresses_that_are_new(workspace, person):
    campaign = messages.campaign(workspace)
    everywhere.put("eve@example.com", reason="reported", told_by="staff", now=NOW)
    assert campaign.topic

    with CaptureQueriesContext(connection) as first:
        reach.against(campaign, [person.pk], now=NOW)
    with CaptureQueriesContext(connection) as second:
        reach.against(campaign, [person.pk], now=NOW)

    # One of one_trip's, that a connection does not note, in the scope that "SELECT 1" tells it.
    assert [one["sql"] for one in second] == ["SELECT 1"]
    assert len(first) > 1
    assert AddressMark.objects.count() == 1


def test_taken_off_it_may_be_written_to_again(workspace, person):
    everywhere.put("ada@example.com", reason="reported", told_by="staff", now=NOW)
    assert _against(workspace, person) == "everywhere"

    everywhere.take_off(EverywhereSuppression.objects.get(), told_by="staff")

    assert _against(workspace, person) == ""


@pytest.fixture
def claims(workspace, other_workspace):
    for one in (workspace, other_workspace):
        with scoping.workspace(one):
            everywhere.complained("ada@example.com", told_by="resend", now=NOW)
    with scoping.workspace(workspace):
        everywhere.complained("eve@example.com", told_by="mailgun", now=NOW)


def test_what_workspaces_were_told_of_complaints_counts_once_staff_believe_it(
    client, claims, workspace, person
):
    address = "/staff/campaigns/everywherecomplaint/"
    client.force_login(member(workspace, "owner"))
    assert client.get(address).status_code in {302, 403}
    client.force_login(member(workspace, "owner", is_staff=True, is_superuser=True))
    shown = client.get(address).content.decode()
    assert "ada@" not in shown
    first = EverywhereComplaint.objects.earliest("pk")
    assert shown.index(bytes(first.address_index).hex()[:12]) < shown.index("mailgun</td>")
    assert _against(workspace, person) != "everywhere"

    client.post(address, {"action": "believe", "_selected_action": [first.pk]})

    assert EverywhereSuppression.objects.get().reason == "complaints"
    assert _against(workspace, person) == "everywhere"


def test_what_is_set_aside_is_forgotten_for_that_address_alone(client, claims, workspace, person):
    client.force_login(member(workspace, "owner", is_staff=True, is_superuser=True))
    first = EverywhereComplaint.objects.earliest("pk")

    address = "/staff/campaigns/everywherecomplaint/"
    client.post(address, {"action": "set_aside", "_selected_action": [first.pk]})

    assert EverywhereComplaint.objects.get().told_by == "mailgun"
    assert not EverywhereSuppression.objects.exists()


def test_staff_keep_the_list_and_colleagues_do_not_see_it(client, workspace):
    address = "/staff/campaigns/everywheresuppression/"
    client.force_login(member(workspace, "owner"))
    assert client.get(address).status_code in {302, 403}

    client.force_login(member(workspace, "owner", is_staff=True, is_superuser=True))
    client.post(f"{address}add/", {"email": "ada@example.com"})
    listed = EverywhereSuppression.objects.get()
    assert listed.reason == "reported"
    assert "already" in client.post(f"{address}add/", {"email": "ADA@example.com"}).content.decode()
    client.post(address, {"action": "take_off", "_selected_action": [listed.pk]})
    assert not EverywhereSuppression.objects.exists()
    assert not AuditEntry.objects.filter(deed__startswith="everywhere").exists()
