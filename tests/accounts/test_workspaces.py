"""A workspace is opened whole, changed within its bounds, and never seen from another."""

import pytest

from apps.accounts import scoping, workspaces
from apps.accounts.errors import Invalid
from apps.accounts.models import AuditEntry, Membership, OutboxEvent, Workspace
from apps.accounts.permissions import Actor, system
from tests.conftest import api_client
from tests.factories import NOW, UserFactory

URL = "/api/v1/workspace"


def _changed(workspace, actor=None, **fields):
    return workspaces.change(actor or _admin(workspace), now=NOW, **fields)


def _admin(workspace) -> Actor:
    return Actor(kind="user", id=None, label="an admin", workspace_id=workspace.pk, role="admin")


def test_a_workspace_is_opened_with_its_owner(db):
    user = UserFactory()

    made = workspaces.create(now=NOW, owner=user, slug="acme", name="Acme")

    with scoping.workspace(made):
        assert Membership.objects.get().role == "owner"
        assert AuditEntry.objects.get().deed == "workspace.created"
        assert Workspace.objects.get().currency == "GBP"


@pytest.mark.parametrize(
    ("field", "value"),
    [("currency", "pounds"), ("time_zone", "Mars/Olympus"), ("slug", "two words"), ("name", "")],
)
def test_a_workspace_that_cannot_be_is_refused(db, field, value):
    with pytest.raises(Invalid) as refusal:
        workspaces.create(now=NOW, **{"slug": "acme", "name": "Acme", field: value})

    assert set(refusal.value.errors) == {field}


def test_a_change_is_written_down_with_what_was_before(workspace):
    _changed(workspace, name="New name", reason="merged")

    entry = AuditEntry.objects.get(deed="workspace.changed")
    assert (entry.before, entry.after, entry.reason) == (
        {"name": workspace.name},
        {"name": "New name"},
        "merged",
    )


def test_settings_are_merged_and_null_takes_one_back(workspace):
    _changed(workspace, settings={"rate_limits": {"viral": 5}})
    _changed(workspace, settings={"exchange_rates": {"EUR": "0.85"}})
    assert Workspace.objects.get().settings == {
        "rate_limits": {"viral": 5},
        "exchange_rates": {"EUR": "0.85"},
    }

    _changed(workspace, settings={"rate_limits": None})
    assert Workspace.objects.get().settings == {"exchange_rates": {"EUR": "0.85"}}


def test_it_is_told_which_settings_are_others_now(workspace):
    _changed(workspace, settings={"rate_limits": {"viral": 5}, "exchange_rates": {"EUR": "0.85"}})
    _changed(workspace, settings={"rate_limits": {"viral": 5}, "exchange_rates": None})
    _changed(workspace, name="New name")

    told = OutboxEvent.objects.filter(name="accounts.workspace.settings_changed").order_by("pk")
    assert [one.payload["names"] for one in told] == [["exchange_rates", "rate_limits"], ["exchange_rates"]]


@pytest.mark.parametrize(
    "wanted",
    [
        {"colour": "red"},
        {"demo": {}},
        {"lookback_days": 0},
        {"lookback_days": "30"},
        {"lookback_days": True},
        {"rate_limits": 5},
        {"rate_limits": {"viral": 0}},
        {"rate_limits": {"viral": True}},
        {"rate_limits": {"viral": "5"}},
        {"rate_limits": {"unknown": 5}},
        {"exchange_rates": {"EUR": 0.85}},
        {"exchange_rates": {"EUR": "NaN"}},
        {"exchange_rates": {"EUR": "-1"}},
        {"exchange_rates": {"euro": "1"}},
        {"exchange_rates": ["EUR"]},
    ],
)
def test_settings_that_cannot_be_used_are_refused(workspace, wanted):
    with pytest.raises(Invalid) as refusal:
        _changed(workspace, settings=wanted)

    assert set(refusal.value.errors) == {f"settings.{next(iter(wanted))}"}
    assert Workspace.objects.get().settings == {}


def test_a_workspace_lowers_its_limits_and_staff_raise_them(workspace):
    more = {"rate_limits": {"viral": 501}}
    with pytest.raises(Invalid):
        _changed(workspace, settings=more)

    staff = Actor(kind="user", id=1, label="staff", workspace_id=workspace.pk, role="admin", is_staff=True)
    _changed(workspace, actor=staff, settings=more)
    assert Workspace.objects.get().settings == more


def test_a_workspace_sees_only_itself(workspace, other_workspace):
    assert list(Workspace.objects.all()) == [workspace]


def test_the_api_shows_and_changes_the_workspace(api, workspace):
    shown = api.get(URL).json()
    changed = api.patch(
        URL,
        {"name": "Acme", "time_zone": "Europe/Paris", "settings": {"rate_limits": {"viral": 9}}},
        format="json",
    )

    assert shown["slug"] == workspace.slug
    assert changed.status_code == 200
    assert changed.json()["name"] == "Acme"
    assert Workspace.objects.get().time_zone == "Europe/Paris"
    assert Workspace.objects.get().settings == {"rate_limits": {"viral": 9}}


def test_the_api_names_the_fields_at_fault(api, workspace):
    wrong = api.patch(
        URL, {"time_zone": "Mars", "settings": {"rate_limits": {"viral": 10**6}}}, format="json"
    )

    assert wrong.status_code == 400
    assert set(wrong.json()["errors"]) == {"settings.rate_limits"}
    assert Workspace.objects.get().time_zone == workspace.time_zone
    assert set(api.patch(URL, {"time_zone": "Mars"}, format="json").json()["errors"]) == {"time_zone"}


def test_what_is_not_for_sale_stays(api, workspace):
    api.patch(URL, {"slug": "other", "currency": "EUR", "is_demo": True}, format="json")

    assert Workspace.objects.values("slug", "currency", "is_demo").get() == {
        "slug": workspace.slug,
        "currency": "GBP",
        "is_demo": False,
    }


def test_a_key_that_reads_does_not_change(workspace, now):
    client = api_client(workspace, ["read", "write"], now)

    assert client.get(URL).status_code == 200
    assert client.patch(URL, {"name": "x"}, format="json").status_code == 403
    assert Workspace.objects.get().name == workspace.name


def test_the_system_is_no_member(workspace):
    assert system(workspace.pk).id is None
