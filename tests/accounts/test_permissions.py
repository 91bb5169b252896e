"""One question, may(actor, action), answered from two tables."""

import pytest
from django.core.exceptions import PermissionDenied

from apps.accounts.models import ApiKey, Membership
from apps.accounts.permissions import ALLOWED_ROLES, ALLOWED_SCOPES, Actor, lacking, may, require, system

ACTIONS = sorted({*ALLOWED_ROLES, *ALLOWED_SCOPES})


def _user(role: str) -> Actor:
    return Actor(kind="user", id=1, label="somebody", workspace_id=1, role=role)


def _key(*scopes: str) -> Actor:
    return Actor(kind="api_key", id=1, label="key", workspace_id=1, scopes=frozenset(scopes))


def test_the_tables_name_only_roles_and_scopes_that_exist():
    assert set().union(*ALLOWED_ROLES.values()) == set(Membership.Role.values)
    assert set().union(*ALLOWED_SCOPES.values()) == set(ApiKey.Scope.values)


def test_a_customer_sees_their_own_area_and_nothing_else():
    assert [action for action in ACTIONS if may(_user("customer"), action)] == ["profile:read"]


def test_an_owner_may_all_and_an_admin_too():
    for role in ("owner", "admin"):
        assert [action for action in ALLOWED_ROLES if not may(_user(role), action)] == []


def test_a_viewer_changes_nothing():
    allowed = {action for action in ACTIONS if may(_user("viewer"), action)}
    assert {action.partition(":")[2] for action in allowed} == {"read"}


def test_a_tracking_key_only_tracks():
    assert [action for action in ACTIONS if may(_key("track"), action)] == ["tracking:write"]


def test_scopes_add_up():
    assert may(_key("track", "read"), "tracking:write")
    assert may(_key("track", "read"), "attribution:read")
    assert not may(_key("track", "read"), "attribution:write")


def test_a_users_role_is_no_scope_and_a_keys_scope_is_no_role():
    assert not may(_user("track"), "tracking:write")
    assert not may(Actor(kind="api_key", id=1, label="", workspace_id=1, role="owner"), "audit:read")


def test_the_system_may_and_nobody_may_not():
    assert may(system(1), "people:erase")
    assert not may(None, "profile:read")


def test_an_unknown_action_is_a_slip():
    with pytest.raises(KeyError):
        may(system(1), "people:reed")


def test_require_says_what_is_missing():
    require(_user("owner"), "audit:read")
    with pytest.raises(PermissionDenied, match="audit:read"):
        require(_user("viewer"), "audit:read")


@pytest.mark.parametrize(
    ("who", "action", "words"),
    [
        (
            _key("write", "track"),
            "people:read",
            "This needs the right 'people:read' (scope admin). This key's scopes: track, write. "
            "Ask an owner or admin of the workspace for another key.",
        ),
        (
            _key("read"),
            "campaigns:write",
            "This needs the right 'campaigns:write' (scope write or admin). This key's scopes: read. "
            "Ask an owner or admin of the workspace for another key.",
        ),
        (
            _key("admin"),
            "members:manage",
            "This needs the right 'members:manage', which no API key has: a person does it, signed in.",
        ),
        (
            _user("viewer"),
            "people:read",
            "This needs the right 'people:read' (role owner, admin, analyst or operator). "
            "Your role is viewer. Ask an owner or admin of the workspace.",
        ),
    ],
)
def test_a_refusal_says_what_is_missing_and_who_has_it(who, action, words):
    assert lacking(who, action) == words
    with pytest.raises(PermissionDenied, match="This needs the right"):
        require(who, action)
