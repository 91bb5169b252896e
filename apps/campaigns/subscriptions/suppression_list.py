"""The workspace's own list of addresses that are not written to: seen, added to and taken off by colleagues.

The list holds blind indexes alone. A masked address is shown where somebody in the workspace is known by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps.accounts import audit, personal_fields
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Person
from apps.accounts.permissions import Actor, may, require
from apps.campaigns.subscriptions import addresses
from apps.integrations import suppressions
from apps.integrations.models import Suppression

Reason = Suppression.Reason
# What a colleague may say; the rest is the providers' to tell.
BY_HAND = (Reason.UNSUBSCRIBED, Reason.COMPLAINED, Reason.INVALID)
LEAST_REASON = 5
LONGEST_REASON = 300


class AlreadyListed(DomainError):
    code = "already_listed"
    status = 409


@dataclass(frozen=True)
class Listed:
    """address: masked; empty where nobody is known by it. person: for who may see people alone, since the two
    together say whose the address is.
    """

    suppression: Suppression
    address: str
    person: Person | None


def rows(*, reason: str = "") -> QuerySet[Suppression]:
    """The list, newest first."""
    found = Suppression.objects.order_by("-pk")
    return found.filter(reason=reason) if reason else found


def shown(actor: Actor, listed: Sequence[Suppression]) -> list[Listed]:
    """The same with who they are, as far as that may be shown to the actor."""
    may_name = may(actor, "people:read")
    indexes = [one.address_index for one in listed]
    people = Person.objects.filter(email_index__in=indexes, erased_at=None, merged_into=None)
    known = {bytes(person.email_index): person for person in people if person.email_index is not None}
    found = ((one, known.get(bytes(one.address_index))) for one in listed)
    return [Listed(one, _masked(person), person if may_name else None) for one, person in found]


def _masked(person: Person | None) -> str:
    return "" if person is None else addresses.masked(personal_fields.personal(person)["email"])


@transaction.atomic
def add(actor: Actor, email: str, *, reason: str, note: str = "", now: datetime) -> Suppression:
    """Let nobody write to an address. Needs campaigns:write. Raises Invalid, AlreadyListed. Audited."""
    require(actor, "campaigns:write")
    if reason not in BY_HAND:
        raise Invalid({"reason": [f"Choose from {', '.join(BY_HAND)}."]})
    index = addresses.in_workspace(email)
    try:
        with transaction.atomic():
            made: Suppression = Suppression.objects.create(
                workspace_id=actor.workspace_id,
                address_index=index,
                reason=reason,
                told_by=actor.label[:40],
                since=now,
            )
    except IntegrityError as error:
        raise AlreadyListed("This address is on the list for that reason already.") from error
    audit.record(actor, "mail.suppressed", made, now=now, after={"reason": reason}, reason=note)
    return made


def remove(actor: Actor, suppression_id: int, *, why: str, now: datetime) -> None:
    """Take an address off the list. Needs campaigns:send. Raises NotHere, or Invalid without why. Audited."""
    require(actor, "campaigns:send")
    found = get(suppression_id)
    if len(why.strip()) < LEAST_REASON:
        raise Invalid({"why": ["Say why: the next mail to this address goes out on your word."]})
    suppressions.lift(actor, found, now=now, reason=why.strip()[:LONGEST_REASON])


def get(suppression_id: int) -> Suppression:
    """Raises NotHere."""
    found: Suppression | None = Suppression.objects.filter(pk=suppression_id).first()
    if found is None:
        raise NotHere("This is not on the list (any more).")
    return found


def has_left(person: Person) -> bool:
    """Whether the person unsubscribed from everything that goes to many."""
    return _left(person).exists()


def is_left(index: bytes) -> bool:
    """Whether whoever has the address unsubscribed from everything that goes to many."""
    return Suppression.objects.filter(address_index=index, reason=Reason.UNSUBSCRIBED).exists()


def let_back(actor: Actor, person: Person, *, now: datetime) -> None:
    """The person subscribed again: what they unsubscribed from counts no more."""
    for one in _left(person):
        suppressions.lift(actor, one, now=now, reason="They subscribed again.")


def _left(person: Person) -> QuerySet[Suppression]:
    return Suppression.objects.filter(
        address_index__in=addresses.indexes_of(person.pk), reason=Reason.UNSUBSCRIBED
    )
