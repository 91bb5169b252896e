"""What the ground floor holds on people."""

from typing import Any

from apps.accounts import members
from apps.accounts.models import (
    Alias,
    ApiKey,
    AuditEntry,
    AuditSeal,
    ConsentRecord,
    Delivery,
    Erasure,
    Job,
    Membership,
    OutboxEvent,
    Person,
    PersonMerge,
    User,
    Workspace,
)
from apps.accounts.privacy import Identifiers, holds, impersonal, when_erased

holds(
    Person,
    person="id",
    export=["public_id", "external_id", "traits", "first_seen_at", "last_seen_at", "created_at"],
    on_erase="keep_pseudonymous",
    blank=[
        "external_id",
        "data_key",
        "email_sealed",
        "email_index",
        "phone_sealed",
        "phone_index",
        "name_sealed",
        "traits",
    ],
    not_personal=["public_id", "first_seen_at", "last_seen_at", "merged_into", "erased_at", "created_at"],
    on_merge="stay",
)
holds(Alias, export=["anonymous_id", "created_at"], on_erase="delete")
holds(
    ConsentRecord,
    export=["purpose", "is_granted", "is_confirmed", "source", "wording", "occurred_at", "created_at"],
    on_erase="delete",
)
holds(Membership, export=["role", "created_at"], on_erase="delete", not_personal=["user"])
# History stays where it was written: a merge is told of both sides.
for side in ("survivor", "absorbed"):
    holds(
        PersonMerge,
        person=side,
        export=["kind", "anonymous_id", "moved", "created_at"],
        on_erase="keep_pseudonymous",
        blank=["anonymous_id"],
        not_personal=["kind", "moved", "created_at", "survivor", "absorbed"],
        on_merge="stay",
    )
impersonal(Workspace, because="a company")
impersonal(ApiKey, because="a program")
impersonal(AuditEntry, AuditSeal, because="deeds of users, with people by key only; kept as evidence")
impersonal(OutboxEvent, Delivery, because="events carry ids and no personal data")
impersonal(Job, because="progress of work; parameters name people by key only")
impersonal(Erasure, because="the pseudonymous id of somebody who was erased")
impersonal(User, because="somebody who signs in, not somebody observed; customers' sign-ins are erased below")


@when_erased
def forget_sign_in(known_by: Identifiers) -> None:
    """A customer's sign-in goes with the person they are, unless it also belongs to other workspaces."""
    for membership in Membership.objects.filter(person__in=known_by.person_ids).select_related("user"):
        user: Any = membership.user
        membership.delete()
        if not members.memberships_of(user):
            user.delete()
