"""The first page, one's own profile, the choice of workspace and theme, and the customer's area."""

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from apps.accounts import people, today
from apps.accounts.models import AuditEntry, Job, Membership
from apps.accounts.permissions import system
from tests import factories

# Today


def test_an_empty_workspace_says_what_to_do_first(page, workspace):
    text = page.get("/").content.decode()

    assert f"Nothing has arrived in {workspace.name} yet" in text
    assert reverse("accounts:keys") in text


def test_a_viewer_of_an_empty_workspace_is_not_sent_to_a_closed_door(client, workspace):
    client.force_login(factories.member(workspace, "viewer"))

    assert reverse("accounts:keys") not in client.get("/").content.decode()


@pytest.fixture
def _a_headline(monkeypatch):
    authors = {
        "test": lambda actor, now: today.Headline(
            sentence=f"E-mail earned 12 % for {actor.role}.",
            note="From 9 journeys.",
            href="/x/",
            label="Look",
        ),
        "silent": lambda actor, now: None,
    }
    monkeypatch.setattr(today, "_authors", authors)


@pytest.mark.usefixtures("_a_headline")
def test_the_floors_above_say_the_first_line(page, workspace):
    factories.PersonFactory(workspace=workspace)

    text = page.get("/").content.decode()

    assert "E-mail earned 12 % for owner." in text
    assert "From 9 journeys." in text


def test_the_latest_jobs_and_deeds_are_on_the_first_page(page, workspace):
    Job.objects.create(workspace=workspace, kind="test", title="Import spring.csv", state="failed")

    text = page.get("/").content.decode()

    assert "Import spring.csv" in text
    assert "Workspace created" in text


@pytest.mark.parametrize(
    ("role", "has_factor", "is_nudged"),
    [("owner", False, True), ("admin", False, True), ("owner", True, False), ("analyst", False, False)],
)
def test_those_who_open_everything_are_nudged_to_a_second_factor(
    client, workspace, role, has_factor, is_nudged
):
    user = factories.member(workspace, role)
    if has_factor:
        Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    client.force_login(user)

    assert ("A second factor takes two minutes" in client.get("/").content.decode()) is is_nudged


# Profile, workspace, theme


def test_a_name_changes_and_the_audit_keeps_it_to_itself(page, owner):
    page.post(reverse("accounts:profile"), {"name": " Ada L. "})

    owner.refresh_from_db()
    entry = AuditEntry.objects.get(deed="user.renamed")
    assert owner.name == "Ada L."
    assert (entry.before, entry.after) == (None, None)


def test_a_user_goes_from_one_workspace_to_another(page, owner, workspace, other_workspace):
    factories.MembershipFactory(workspace=other_workspace, user=owner, role="viewer")

    choices = page.get(reverse("accounts:workspaces")).content.decode()
    page.post(reverse("accounts:workspace-enter", args=[other_workspace.pk]))

    assert workspace.name in choices
    assert other_workspace.name in choices
    assert page.get("/").context["workspace"].pk == other_workspace.pk


def test_nobody_enters_a_workspace_that_is_not_theirs(page, workspace, other_workspace):
    answer = page.post(reverse("accounts:workspace-enter", args=[other_workspace.pk]), follow=True)

    assert "You do not belong to that workspace" in answer.content.decode()
    assert page.get("/").context["workspace"].pk == workspace.pk


@pytest.mark.parametrize(
    ("chosen", "shown"), [("dark", True), ("light", True), ("", False), ('"><b>', False)]
)
def test_the_theme_is_kept_in_the_browser(page, chosen, shown):
    page.post(reverse("accounts:theme"), {"theme": chosen, "next": "/profile/"})

    text = page.get("/").content.decode()

    assert ("data-theme=" in text) is shown
    assert '"><b>' not in text
    if shown:
        assert f'data-theme="{chosen}"' in text


# The customer's area


@pytest.fixture
def customer(workspace, now):
    """A user who is the person Mara Bell."""
    traits = {"name": "Mara Bell", "email": "mara@barn.example", "phone": "+442079460018"}
    person = people.identify(system(workspace.pk), user_id="cust-1", traits=traits, now=now)
    user = factories.UserFactory()
    factories.MembershipFactory(workspace=workspace, user=user, role="customer", person=person)
    return user


def test_a_customer_sees_themselves_and_the_look_is_written_down(client, customer):
    client.force_login(customer)

    text = client.get(reverse("accounts:customer")).content.decode()

    assert "Hello, Mara Bell." in text
    assert "mara@barn.example" in text
    assert AuditEntry.objects.filter(deed="person.revealed", actor_id=customer.pk).count() == 1


def test_a_customer_whose_record_was_merged_sees_the_one_that_remains(client, customer, workspace, now):
    absorbed = Membership.objects.get(user=customer).person
    survivor = people.identify(system(workspace.pk), user_id="cust-2", traits={"name": "Mara Barn"}, now=now)
    people.merge(system(workspace.pk), survivor, absorbed, reason="the same person", now=now)
    client.force_login(customer)

    assert "Hello, Mara" in client.get(reverse("accounts:customer")).content.decode()


def test_a_customer_s_frame_has_no_rail(client, customer):
    client.force_login(customer)

    text = client.get(reverse("mfa_index")).content.decode()

    assert 'class="rail"' not in text
    assert reverse("accounts:jobs") not in text


def test_a_person_s_data_is_not_shown_to_another_customer(client, customer, workspace, now):
    other = factories.UserFactory()
    person = people.identify(system(workspace.pk), user_id="cust-3", traits={"name": "Otto"}, now=now)
    factories.MembershipFactory(workspace=workspace, user=other, role="customer", person=person)
    client.force_login(other)

    text = client.get(reverse("accounts:customer")).content.decode()

    assert "Otto" in text
    assert "Mara" not in text
