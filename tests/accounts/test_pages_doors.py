"""Who may open which page, and what everybody else sees."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from apps.accounts import api_keys, scoping
from apps.accounts.models import Job, Membership
from apps.accounts.permissions import system
from tests import factories

ROOT = Path(__file__).parents[2]
STAFF = ["owner", "admin", "analyst", "operator", "viewer"]
MANAGERS = ["owner", "admin"]
PAGES = {
    "accounts:today": STAFF,
    "accounts:jobs": STAFF,
    "accounts:profile": STAFF,
    "accounts:workspace": MANAGERS,
    "accounts:members": MANAGERS,
    "accounts:keys": MANAGERS,
    "accounts:audit": MANAGERS,
    "accounts:customer": ["customer"],
}
# Nobody at the door waits for more than this many questions to the database.
MOST_QUERIES = 16


def _sign_in(client, workspace, role):
    fields = {"person": factories.PersonFactory(workspace=workspace)} if role == "customer" else {}
    user = factories.UserFactory()
    factories.MembershipFactory(workspace=workspace, user=user, role=role, **fields)
    client.force_login(user)
    return user


def test_a_stranger_is_sent_to_sign_in_and_comes_back(client, workspace):
    for name in PAGES:
        answer = client.get(reverse(name))

        assert answer.status_code == 302, name
        assert answer.url == f"/account/login/?next={reverse(name)}"


@pytest.mark.parametrize("role", [*STAFF, "customer"])
def test_each_role_opens_its_pages_and_no_others(client, workspace, role):
    _sign_in(client, workspace, role)

    for name in PAGES:
        answer = client.get(reverse(name))

        if role in PAGES[name]:
            assert answer.status_code == 200, name
        elif role == "customer" and name in {"accounts:today", "accounts:profile"}:
            assert (answer.status_code, answer.url) == (302, reverse("accounts:customer")), name
        else:
            assert answer.status_code == 403, name
            assert b"This door is closed to you" in answer.content, name


@pytest.mark.parametrize("name", [name for name, roles in PAGES.items() if "owner" in roles])
def test_a_page_asks_the_database_little(page, workspace, name, django_assert_max_num_queries):
    for number in range(30):
        Job.objects.create(workspace=workspace, kind="test", title=f"Job {number}", state="done")
        factories.member(workspace, "viewer")

    with django_assert_max_num_queries(MOST_QUERIES):
        assert page.get(reverse(name)).status_code == 200


def test_somebody_without_a_workspace_is_told_what_to_do(client, db):
    user = factories.UserFactory(email="lone@example.com")
    client.force_login(user)

    answer = client.get("/")

    assert answer.status_code == 403
    assert "You belong to no workspace" in answer.content.decode()
    assert "lone@example.com" in answer.content.decode()


def test_the_rail_shows_only_what_the_role_may_open(client, workspace):
    _sign_in(client, workspace, "viewer")

    text = client.get("/").content.decode()

    assert reverse("accounts:jobs") in text
    assert "/settings/" not in text


def test_another_workspace_s_rows_are_not_here(page, other_workspace, now):
    member = factories.MembershipFactory(workspace=other_workspace, role="viewer")
    with scoping.workspace(other_workspace):
        key = api_keys.issue(system(other_workspace.pk), name="theirs", scopes=["read"], now=now).key
        job = Job.objects.create(workspace=other_workspace, kind="test", title="Theirs", state="running")

    assert page.get(reverse("accounts:job", args=[job.public_id])).status_code == 404
    for name, found in [
        ("job-cancel", job.public_id),
        ("key-revoke", key.pk),
        ("member-remove", member.pk),
        ("member-role", member.pk),
        ("member-invite", member.pk),
    ]:
        answer = page.post(reverse(f"accounts:{name}", args=[found]), {"role": "owner"})
        assert answer.status_code == 404, name

    with scoping.workspace(other_workspace):
        for row in (member, key, job):
            row.refresh_from_db()
        assert (member.role, key.revoked_at, job.is_cancel_asked) == ("viewer", None, False)


def test_pages_carry_the_strict_policy(page):
    policy = page.get("/").headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


# Letters carry their styles with them: no page's policy holds in a mailbox.
OF_PAGES = sorted(path for path in (ROOT / "templates").rglob("*.html") if "email" not in path.parts)


def test_no_template_breaks_the_policy():
    forbidden = re.compile(r"\sstyle=|\son[a-z]+=\"|<style|<script(?![^>]*\bsrc=)|javascript:")

    assert OF_PAGES
    assert [path for path in OF_PAGES if forbidden.search(path.read_text())] == []


def test_a_missing_page_is_a_page_of_ours(page):
    answer = page.get("/nothing/")

    assert answer.status_code == 404
    assert "was not found" in answer.content.decode()


def test_a_verb_s_refusal_becomes_a_message_on_the_way_back(page, workspace, owner):
    only = owner_membership(workspace, owner)

    answer = page.post(
        reverse("accounts:member-remove", args=[only.pk]),
        headers={"referer": "http://testserver/settings/members/"},
        follow=True,
    )

    assert answer.redirect_chain == [("http://testserver/settings/members/", 302)]
    assert "This is the last owner" in answer.content.decode()


def test_the_way_back_leads_nowhere_else(page, workspace, owner):
    only = owner_membership(workspace, owner)

    answer = page.post(
        reverse("accounts:member-remove", args=[only.pk]), {"next": "https://elsewhere.example/"}
    )

    assert answer.url == "/"


def owner_membership(workspace, owner):
    return Membership.objects.get(workspace=workspace, user=owner)
