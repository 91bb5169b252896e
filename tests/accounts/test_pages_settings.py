"""Keys, members, the workspace itself, its audit log and its jobs, as a person uses them."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from apps.accounts import api_keys, audit
from apps.accounts.models import ApiKey, AuditEntry, Job, Membership, User, Workspace
from apps.accounts.permissions import system
from tests import factories
from tests.conftest import committed

KEYS = "/settings/keys/"
MEMBERS = "/settings/members/"
WORKSPACE = "/settings/workspace/"


def _membership(user):
    return Membership.objects.get(user=user)


# Keys


def test_a_new_key_is_shown_once_and_works(page):
    answer = page.post(KEYS, {"name": "Shop", "scopes": ["track", "read"], "lifetime": "30"})

    secret = re.search(r"bw_[\w-]{20,}", answer.content.decode())[0]
    key = ApiKey.objects.get()
    assert answer.status_code == 201
    assert "no-store" in answer.headers["Cache-Control"]
    assert api_keys.authenticate(secret, now=timezone.now()).scopes == {"track", "read"}
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)
    assert secret not in page.get(KEYS).content.decode()


def test_a_key_without_a_scope_is_not_made(page):
    answer = page.post(KEYS, {"name": "Shop", "lifetime": ""})

    assert answer.status_code == 400
    assert "This field is required" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_a_revoked_key_moves_to_the_ended_ones(page, workspace, now):
    key = api_keys.issue(system(workspace.pk), name="Shop", scopes=["read"], now=now).key

    answer = page.post(reverse("accounts:key-revoke", args=[key.pk]), follow=True)

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert "Shop no longer opens anything" in answer.content.decode()
    assert "No program can reach this workspace" in answer.content.decode()


def test_an_analyst_makes_and_revokes_no_key(client, workspace, now):
    key = api_keys.issue(system(workspace.pk), name="Shop", scopes=["read"], now=now).key
    client.force_login(factories.member(workspace, "analyst"))

    assert client.post(KEYS, {"name": "Mine", "scopes": ["read"]}).status_code == 403
    assert client.post(reverse("accounts:key-revoke", args=[key.pk])).status_code == 403

    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.count() == 1


# Members


@committed
def test_somebody_new_gets_a_mail_sets_a_password_and_is_in(page, workspace, client, settings):
    settings.SITE_URL = "http://testserver"
    page.post(MEMBERS, {"email": "New.Person@Example.com", "name": "Newton", "role": "analyst"})

    (message,) = mail.outbox
    link = re.search(r"http://testserver(/account/password/reset/key/\S+)", message.body)[1]
    page.logout()
    form = client.get(link, follow=True)
    password = "a stone in the shoe"
    client.post(form.request["PATH_INFO"], {"password1": password, "password2": password})
    client.post("/account/login/", {"login": "new.person@example.com", "password": password})

    assert message.to == ["new.person@example.com"]
    assert workspace.name in message.subject
    assert client.get("/").status_code == 200
    assert _membership(User.objects.get(email="new.person@example.com")).role == "analyst"


def test_somebody_with_an_account_keeps_their_password(page, django_capture_on_commit_callbacks):
    known = factories.UserFactory(email="known@example.com", password="a stone in the shoe")

    with django_capture_on_commit_callbacks(execute=True):
        page.post(MEMBERS, {"email": "KNOWN@example.com", "role": "viewer"})

    assert _membership(known).role == "viewer"
    assert "/account/login/" in mail.outbox[0].body
    assert "reset/key" not in mail.outbox[0].body


def test_somebody_who_is_here_already_is_not_added_again(page, workspace):
    here = factories.member(workspace, "viewer", email="here@example.com")

    answer = page.post(MEMBERS, {"email": "here@example.com", "role": "owner"})

    assert answer.status_code == 400
    assert "is a member already" in answer.content.decode()
    assert _membership(here).role == "viewer"


def test_a_role_changes_and_is_written_down(page, workspace):
    member = _membership(factories.member(workspace, "viewer"))

    page.post(reverse("accounts:member-role", args=[member.pk]), {"role": "operator"})

    member.refresh_from_db()
    entry = AuditEntry.objects.get(deed="member.role_changed")
    assert member.role == "operator"
    assert (entry.before, entry.after) == ({"role": "viewer"}, {"role": "operator"})


def test_the_last_owner_stays_an_owner(page, owner):
    member = _membership(owner)

    answer = page.post(reverse("accounts:member-role", args=[member.pk]), {"role": "viewer"}, follow=True)

    member.refresh_from_db()
    assert member.role == "owner"
    assert "This is the last owner" in answer.content.decode()


def test_an_admin_makes_and_removes_no_owner(client, workspace, owner):
    client.force_login(factories.member(workspace, "admin"))
    viewer = _membership(factories.member(workspace, "viewer"))

    client.post(reverse("accounts:member-role", args=[viewer.pk]), {"role": "owner"})
    client.post(reverse("accounts:member-remove", args=[_membership(owner).pk]))
    client.post(MEMBERS, {"email": "friend@example.com", "role": "owner"})

    viewer.refresh_from_db()
    assert viewer.role == "viewer"
    assert _membership(owner).role == "owner"
    assert not Membership.objects.filter(user__email="friend@example.com").exists()


def test_a_removal_can_be_undone(page, workspace):
    user = factories.member(workspace, "analyst", name="Ada")

    answer = page.post(reverse("accounts:member-remove", args=[_membership(user).pk]), follow=True)
    assert not Membership.objects.filter(user=user).exists()

    token = re.search(r'name="removed" value="([^"]+)"', answer.content.decode())[1]
    page.post(reverse("accounts:member-restore"), {"removed": token})
    assert _membership(user).role == "analyst"


@pytest.mark.parametrize("token", ["", "forged", "W10:1abc:xyz"])
def test_a_forged_undo_adds_nobody(page, token):
    before = Membership.objects.count()

    answer = page.post(reverse("accounts:member-restore"), {"removed": token}, follow=True)

    assert "can no longer be undone" in answer.content.decode()
    assert Membership.objects.count() == before


def test_an_undo_of_another_workspace_adds_nobody_here(client, page, workspace, other_workspace):
    stranger = factories.UserFactory()
    boss = factories.member(other_workspace, "owner")
    theirs = factories.MembershipFactory(workspace=other_workspace, user=stranger, role="viewer")
    client.force_login(boss)
    answer = client.post(reverse("accounts:member-remove", args=[theirs.pk]))
    token = answer.url.split("removed=")[1]
    client.force_login(factories.member(workspace, "owner"))

    client.post(reverse("accounts:member-restore"), {"removed": token})

    assert not Membership.objects.filter(user=stranger).exists()


# The workspace


def _form(**changes):
    return {"name": "Acme", "time_zone": "Europe/Paris", "currency": "eur", "exchange_rates": "", **changes}


def test_a_workspace_changes_its_name_clock_money_and_limits(page, workspace):
    page.post(WORKSPACE, _form(exchange_rates="USD 0.92\ngbp = 1.17", limit_attribution="50"))

    now_is = Workspace.objects.get()
    assert (now_is.name, now_is.time_zone, now_is.currency) == ("Acme", "Europe/Paris", "EUR")
    assert now_is.settings == {
        "exchange_rates": {"USD": "0.92", "GBP": "1.17"},
        "rate_limits": {"attribution": 50},
    }


def test_the_currency_is_fixed_once_people_are_here(page, workspace):
    factories.PersonFactory(workspace=workspace)

    page.post(WORKSPACE, _form())

    now_is = Workspace.objects.get()
    assert (now_is.name, now_is.currency) == ("Acme", "GBP")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exchange_rates": "EUR lots"}, "is not a currency and its rate"),
        ({"exchange_rates": "EUR -1"}, "The rate of EUR must be"),
        ({"limit_attribution": "100000"}, "takes a whole number from 1 to 200"),
        ({"currency": "12"}, "at least 3 characters"),
        ({"time_zone": "Mars/Olympus"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(page, workspace, changes, words):
    answer = page.post(WORKSPACE, _form(**changes))

    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert Workspace.objects.get().name == workspace.name


def test_times_are_on_the_workspace_s_clock(page, workspace):
    Workspace.objects.update(time_zone="Asia/Tokyo")
    Job.objects.create(workspace=workspace, kind="test", title="Old", state="done", started_at=factories.NOW)
    job = Job.objects.get()

    text = page.get(reverse("accounts:job", args=[job.public_id])).content.decode()

    assert "20 Nov 2026, 21:00" in text


# The audit log


def _deeds(workspace, deed, count, now):
    for _ in range(count):
        audit.record(system(workspace.pk), deed, now=now)


def test_the_log_goes_on_page_by_page_without_losing_a_row(page, workspace, now):
    _deeds(workspace, "thing.done", 120, now)
    seen, url = [], "/settings/audit/?deed=thing.done"

    while url:
        answer = page.get(url)
        seen += [entry.pk for entry in answer.context["slice"].rows]
        older = answer.context["slice"].older
        url = f"/settings/audit/?deed=thing.done&before={older}" if older else None

    assert seen == sorted(AuditEntry.objects.filter(deed="thing.done").values_list("pk", flat=True))[::-1]


def test_the_log_is_filtered_by_deed_who_and_day(page, workspace, now):
    _deeds(workspace, "thing.done", 1, now)
    _deeds(workspace, "other.deed", 1, now - timedelta(days=3))

    def found(query):
        return [row.deed for row in page.get(f"/settings/audit/?{query}").context["slice"].rows]

    assert found("deed=thing") == ["thing.done"]
    assert found("until=2026-11-17") == ["other.deed"]
    assert found("since=2026-11-19&by=system&deed=done") == ["thing.done"]
    assert found("by=api_key") == []


def test_a_filter_that_is_too_tight_says_so(page):
    text = page.get("/settings/audit/?deed=nothing").content.decode()

    assert "Nothing matches this filter" in text
    assert "Clear the filters" in text


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "until=9999-12-31", "before=abc", "after=99999999999999999999", "by=nobody"],
)
def test_rubbish_in_the_query_breaks_nothing(page, query):
    assert page.get(f"/settings/audit/?{query}").status_code == 200


@committed
def test_the_page_says_whether_the_chain_holds(page, workspace, now):
    audit.seal()
    whole = page.post(reverse("accounts:audit-check"), follow=True).content.decode()
    AuditEntry.objects.using("owner").update(reason="tampered")

    broken = page.post(reverse("accounts:audit-check"), follow=True).content.decode()

    assert "The chain holds" in whole
    assert "The chain breaks at position 1" in broken


# Jobs


@pytest.fixture
def running(workspace):
    return Job.objects.create(
        workspace=workspace,
        kind="test",
        title="Import a.csv",
        state="running",
        done=1_240,
        total=5_000,
        started_at=timezone.now() - timedelta(minutes=1),
    )


def test_a_running_job_shows_how_far_it_is_and_asks_again(page, running):
    url = reverse("accounts:job", args=[running.public_id])

    answer = page.get(url, headers={"HX-Request": "true"})

    text = " ".join(answer.content.decode().split())
    assert '<progress value="1240" max="5000"' in text
    assert "1,240 of 5,000" in text
    assert "about 3 minutes left" in text
    assert f'hx-get="{url}"' in text
    assert "HX-Trigger" not in answer.headers


def test_a_finished_job_stops_asking_and_says_so_once(page, running):
    Job.objects.update(state="done", finished_at=timezone.now(), result={"summary": "All in.", "href": "/x"})

    answer = page.get(reverse("accounts:job", args=[running.public_id]), headers={"HX-Request": "true"})

    text = answer.content.decode()
    assert "hx-get" not in text
    assert "All in." in text
    assert answer.headers["HX-Trigger"] == "job-over"


def test_a_job_is_cancelled_by_those_who_may(page, client, workspace, running):
    url = reverse("accounts:job-cancel", args=[running.public_id])
    client.force_login(factories.member(workspace, "viewer"))
    assert client.post(url).status_code == 403

    client.force_login(factories.member(workspace, "operator"))
    answer = client.post(url, headers={"HX-Request": "true"})

    running.refresh_from_db()
    assert running.is_cancel_asked
    assert "stopping" in answer.content.decode()
