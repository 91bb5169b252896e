"""Who belongs where; and how staff enter a workspace that is not theirs."""

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied

from apps.accounts import members, scoping, staff
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, Membership
from apps.accounts.permissions import Actor
from tests.factories import NOW, MembershipFactory, PersonFactory, UserFactory, member

REASON = "Ticket 4711: the import stands still"


def _actor(workspace, role: str) -> Actor:
    return Actor(kind="user", id=None, label=role, workspace_id=workspace.pk, role=role)


def _roles() -> list[str]:
    return list(Membership.objects.order_by("pk").values_list("role", flat=True))


def test_a_user_acts_in_their_first_workspace_until_they_choose(workspace, other_workspace):
    user, session = member(workspace, "owner"), SessionStore()
    MembershipFactory(workspace=other_workspace, user=user, role="viewer")

    first = members.actor_of(user, session)
    members.choose(user, session, workspace_id=other_workspace.pk)
    second = members.actor_of(user, session)

    assert (first.workspace_id, first.role) == (workspace.pk, "owner")
    assert (second.workspace_id, second.role) == (other_workspace.pk, "viewer")


def test_nobody_chooses_a_workspace_that_is_not_theirs(workspace, other_workspace):
    user, session = member(workspace, "owner"), SessionStore()

    with pytest.raises(NotHere):
        members.choose(user, session, workspace_id=other_workspace.pk)

    session[members.SESSION_KEY] = other_workspace.pk  # even if it got there
    assert members.actor_of(user, session).workspace_id == workspace.pk


def test_a_user_without_a_workspace_is_nobody(db):
    assert members.actor_of(UserFactory(), SessionStore()) is None


def test_a_customer_is_tied_to_a_person_and_nobody_else_is(workspace, actor):
    user, person = UserFactory(), PersonFactory(workspace=workspace)

    for role, person_id in (("customer", None), ("viewer", person.pk), ("king", None)):
        with pytest.raises(Invalid):
            members.add(actor, user=user, role=role, person_id=person_id, now=NOW)
    assert not Membership.objects.exists()

    members.add(actor, user=user, role="customer", person_id=person.pk, now=NOW)
    assert members.actor_of(user, SessionStore()).person_id == person.pk


def test_the_last_owner_stays(workspace, actor):
    user = member(workspace, "owner")
    owner = Membership.objects.get()

    with pytest.raises(members.LastOwner):
        members.remove(actor, membership_id=owner.pk, now=NOW)
    with pytest.raises(members.LastOwner):
        members.add(actor, user=user, role="viewer", now=NOW)
    with pytest.raises(members.LastOwner):
        members.change_role(actor, membership_id=owner.pk, role="viewer", now=NOW)
    assert _roles() == ["owner"]


def test_one_of_two_owners_may_go(workspace, actor):
    member(workspace, "owner"), member(workspace, "owner")

    members.remove(actor, membership_id=Membership.objects.first().pk, now=NOW)

    assert _roles() == ["owner"]
    assert AuditEntry.objects.latest("pk").deed == "member.removed"


def test_an_admin_makes_no_owner_and_unmakes_none(workspace):
    member(workspace, "owner"), member(workspace, "owner"), member(workspace, "viewer")
    admin, owner, viewer = _actor(workspace, "admin"), *Membership.objects.order_by("pk")[1:]

    with pytest.raises(members.OwnersOnly):
        members.add(admin, user=UserFactory(), role="owner", now=NOW)
    with pytest.raises(members.OwnersOnly):
        members.change_role(admin, membership_id=viewer.pk, role="owner", now=NOW)
    with pytest.raises(members.OwnersOnly):
        members.remove(admin, membership_id=owner.pk, now=NOW)
    assert _roles() == ["owner", "owner", "viewer"]


def test_another_workspaces_member_is_not_there(workspace, other_workspace, actor):
    member(other_workspace, "viewer")
    with scoping.workspace(other_workspace):
        theirs = Membership.objects.get()

    with pytest.raises(NotHere):
        members.remove(actor, membership_id=theirs.pk, now=NOW)
    with scoping.workspace(other_workspace):
        assert _roles() == ["viewer"]


def test_staff_enter_a_workspace_with_a_reason(other_workspace):
    user, session = UserFactory(is_staff=True, name="Sam"), SessionStore()
    assert members.actor_of(user, session) is None

    staff.enter(user, session, workspace_id=other_workspace.pk, reason=REASON, now=NOW)

    found = members.actor_of(user, session)
    assert (found.workspace_id, found.role, found.label, found.is_staff) == (
        other_workspace.pk,
        "admin",
        "staff: Sam",
        True,
    )
    with scoping.workspace(other_workspace):
        entry = AuditEntry.objects.get(deed="workspace.entered")
    assert (entry.actor_id, entry.actor_label, entry.reason) == (user.pk, "staff: Sam", REASON)


@pytest.mark.parametrize("reason", ["", "   ", "because"])
def test_staff_need_a_reason(other_workspace, reason):
    user, session = UserFactory(is_staff=True), SessionStore()

    with pytest.raises(Invalid):
        staff.enter(user, session, workspace_id=other_workspace.pk, reason=reason, now=NOW)

    assert members.actor_of(user, session) is None


def test_who_is_no_longer_staff_is_out_at_once(other_workspace):
    user, session = UserFactory(is_staff=True), SessionStore()
    staff.enter(user, session, workspace_id=other_workspace.pk, reason=REASON, now=NOW)

    user.is_staff = False

    assert members.actor_of(user, session) is None


def test_who_is_not_staff_enters_nothing(other_workspace):
    user, session = UserFactory(), SessionStore()

    with pytest.raises(PermissionDenied):
        staff.enter(user, session, workspace_id=other_workspace.pk, reason=REASON, now=NOW)

    session[staff.SESSION_KEY] = other_workspace.pk
    assert members.actor_of(user, session) is None


def test_staff_enter_no_workspace_that_is_not_there(db):
    with pytest.raises(NotHere):
        staff.enter(UserFactory(is_staff=True), SessionStore(), workspace_id=10**12, reason=REASON, now=NOW)


def test_staff_leave_again_and_choose_their_own(workspace, other_workspace):
    user, session = member(workspace, "viewer", is_staff=True), SessionStore()
    staff.enter(user, session, workspace_id=other_workspace.pk, reason=REASON, now=NOW)
    assert members.actor_of(user, session).role == "admin"

    members.choose(user, session, workspace_id=workspace.pk)

    assert (members.actor_of(user, session).workspace_id, members.actor_of(user, session).role) == (
        workspace.pk,
        "viewer",
    )
