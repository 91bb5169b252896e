"""The back office: in one workspace, by the verbs, and quick on large tables."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts import api_keys, jobs, scoping
from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.accounts.models import ApiKey, AuditEntry, Delivery, Job, Membership, OutboxEvent, Workspace
from apps.accounts.permissions import system
from apps.accounts.tenancy import owned_models
from tests.factories import NOW, PersonFactory, TouchpointFactory, UserFactory, member

REASON = "Ticket 4711: the import stands still"
# Workspace-owned tables that nobody needs to see one by one, and why.
NOT_SHOWN: dict[str, str] = {}


@pytest.fixture
def staff_page(workspace: Any, client: Client) -> Client:
    """A member of staff who also belongs to the workspace, as its owner."""
    client.force_login(member(workspace, "owner", is_staff=True))
    return client


def _list(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _change(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _act(client: Client, action: str, *rows: models.Model) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(_list(type(rows[0])), chosen, follow=True)


def test_every_table_of_a_workspace_has_its_screen():
    missing = {model._meta.label for model in owned_models() if not admin.site.is_registered(model)}
    assert missing == set(NOT_SHOWN)
    for model in owned_models():
        assert isinstance(admin.site.get_model_admin(model), WorkspaceAdmin), model


def test_sealed_columns_are_on_no_screen():
    for model in owned_models():
        screen = admin.site.get_model_admin(model)
        sealed = {one.name for one in model._meta.concrete_fields if isinstance(one, models.BinaryField)}
        assert not sealed & {*screen.get_fields(None), *screen.list_display}, model


def test_only_four_screens_change_anything():
    changing = {
        model._meta.label
        for model in owned_models()
        if admin.site.get_model_admin(model).changes  # type: ignore[attr-defined]
    }
    assert changing == {"accounts.Workspace", "accounts.Membership", "integrations.AlertRule"}


def test_who_is_not_staff_stays_out(page):
    assert page.get("/staff/", follow=True).status_code == 403
    assert page.get(_list(Job), follow=True).status_code == 403


def test_signing_in_is_the_products_own(client, db):
    answer = client.get("/staff/")
    login = client.get(answer.headers["Location"])

    assert login.status_code == 302
    assert login.headers["Location"].startswith(reverse("account_login"))


def test_staff_without_a_workspace_choose_one(client, other_workspace):
    client.force_login(UserFactory(is_staff=True))

    for address in ("/staff/", _list(Job)):
        assert client.get(address).headers["Location"] == reverse("admin:workspaces")
    assert other_workspace.name in client.get(reverse("admin:workspaces")).content.decode()


def test_staff_enter_with_a_reason_and_leave(client, other_workspace):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    enter = reverse("admin:workspace-enter", args=[other_workspace.pk])

    refused = client.post(enter, {"reason": ""}, follow=True)
    assert "Say why" in refused.content.decode()
    assert client.get("/staff/").status_code == 302

    client.post(enter, {"reason": REASON})
    assert client.get("/staff/").status_code == 200
    with scoping.workspace(other_workspace):
        assert AuditEntry.objects.get(deed="workspace.entered").reason == REASON

    client.post(reverse("admin:workspace-leave"))
    assert client.get("/staff/").status_code == 302


def test_a_screen_shows_its_own_workspace_only(staff_page, workspace, other_workspace):
    PersonFactory(workspace=workspace, external_id="mine")
    theirs = PersonFactory(workspace=other_workspace, external_id="theirs")

    listed = staff_page.get(_list(type(theirs))).content.decode()

    assert "mine" in listed
    assert "theirs" not in listed
    assert staff_page.get(_change(theirs)).status_code == 302  # "doesn't exist. Perhaps it was deleted?"


def test_a_viewer_on_the_staff_sees_what_viewers_see(client, workspace):
    client.force_login(member(workspace, "viewer", is_staff=True))

    assert client.get(_list(Job)).status_code == 200
    for model in (AuditEntry, ApiKey, Membership):
        assert client.get(_list(model)).status_code == 403


def test_history_cannot_be_changed(staff_page, workspace):
    entry = AuditEntry.objects.latest("pk")

    assert staff_page.get(_change(entry)).status_code == 200
    assert staff_page.post(_change(entry), {"deed": "forged"}).status_code == 403
    assert staff_page.post(reverse("admin:accounts_auditentry_delete", args=[entry.pk])).status_code == 403
    assert staff_page.get(reverse("admin:accounts_auditentry_add")).status_code == 403
    assert AuditEntry.objects.latest("pk").deed == entry.deed


def test_keys_are_revoked_by_the_verb(staff_page, actor):
    key = api_keys.issue(actor, name="shop", scopes=["read"], now=NOW).key

    _act(staff_page, "revoke", key)

    assert ApiKey.objects.get().revoked_at is not None
    assert AuditEntry.objects.latest("pk").deed == "api_key.revoked"
    assert AuditEntry.objects.latest("pk").actor_kind == "user"


def test_jobs_are_cancelled_by_the_verb(staff_page, workspace, monkeypatch):
    monkeypatch.setitem(jobs._kinds, "tests.nothing", lambda job: None)
    job = jobs.begin(system(workspace.pk), "tests.nothing", title="Nothing", params={})

    _act(staff_page, "cancel", job)

    assert Job.objects.get().state == "cancelled"


def test_dead_letters_are_replayed(staff_page, workspace):
    event = OutboxEvent.objects.create(workspace=workspace, name="tests.x", payload={}, due_at=None)
    dead = Delivery.objects.create(workspace=workspace, event=event, subscriber="a", state="dead")

    _act(staff_page, "replay", dead)

    assert not Delivery.objects.exists()
    assert OutboxEvent.objects.get().due_at is not None


def test_the_workspace_is_changed_by_the_verb(staff_page, workspace):
    Workspace.objects.update(settings={"exchange_rates": {"EUR": "0.85"}, "rate_limits": {"viral": 5}})
    fields = {"name": "Renamed", "time_zone": "Europe/Paris", "settings": '{"rate_limits": {"viral": 900}}'}

    answer = staff_page.post(_change(workspace), fields)

    assert answer.status_code == 302
    assert Workspace.objects.get().settings == {"rate_limits": {"viral": 900}}
    assert AuditEntry.objects.get(deed="workspace.changed").after["name"] == "Renamed"


def test_what_a_verb_refuses_is_said_and_changes_nothing(staff_page, workspace):
    fields = {"name": "Renamed", "time_zone": "Europe/Paris", "settings": '{"colour": "red"}'}

    answer = staff_page.post(_change(workspace), fields, follow=True)

    assert "There is no such setting" in answer.content.decode()
    assert Workspace.objects.get().name == workspace.name


def test_the_last_owner_stays(staff_page, workspace):
    owner = Membership.objects.get()

    changed = staff_page.post(_change(owner), {"role": "viewer"}, follow=True)
    removed = staff_page.post(
        reverse("admin:accounts_membership_delete", args=[owner.pk]), {"post": "yes"}, follow=True
    )

    assert "last owner" in changed.content.decode()
    assert "last owner" in removed.content.decode()
    assert Membership.objects.get().role == "owner"


@pytest.mark.parametrize("search", ["", "event-of-ada", "7", "99999999999999999999", "x\x00y", "ü" * 300])
def test_a_large_table_is_never_counted_nor_scanned(staff_page, workspace, search):
    TouchpointFactory(workspace=workspace, event_id="event-of-ada")

    with CaptureQueriesContext(connection) as queries:
        answer = staff_page.get("/staff/attribution/touchpoint/", {"q": search})

    assert answer.status_code == 200
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "touchpoint" in query["sql"]]
    assert all("LIMIT 1000" in count for count in counts)
    assert not any("UPPER(" in query["sql"] or "LIKE" in query["sql"] for query in queries)


def test_a_large_table_is_searched_by_exact_ids(staff_page, workspace):
    touch = TouchpointFactory(workspace=workspace, event_id="event-of-ada")
    TouchpointFactory(workspace=workspace, event_id="event-of-bob")

    for term in ("event-of-ada", str(touch.person_id)):
        listed = staff_page.get("/staff/attribution/touchpoint/", {"q": term}).content.decode()
        assert "event-of-ada" in listed
        assert "event-of-bob" not in listed


def test_large_tables_are_the_ones_that_grow():
    large = {
        model._meta.model_name
        for model in owned_models()
        if isinstance(admin.site.get_model_admin(model), LargeTableAdmin)
    }
    assert {
        "touchpoint",
        "conversionrecord",
        "markovtransition",
        "deadletter",
        "person",
        "auditentry",
    } <= large


def test_second_factors_are_not_shown():
    assert "mfa" not in {model._meta.app_label for model in admin.site._registry}


def test_the_timetable_is_for_superusers(client, workspace):
    client.force_login(member(workspace, "owner", is_staff=True, is_superuser=True))
    assert client.get("/staff/django_celery_beat/periodictask/").status_code == 200

    client.force_login(member(workspace, "owner", is_staff=True))
    assert client.get("/staff/django_celery_beat/periodictask/").status_code == 403
