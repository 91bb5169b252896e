"""The operator's own list: addresses that nobody writes to from this house, whichever workspace.

The operator alone puts an address on it: it was reported to them, or they looked at what workspaces were told
of complaints. A complaint counts in its workspace; for the whole house it is no more than said, because the
accounts that tell of it, and the secrets that sign it, are the workspace's own: whoever has two workspaces
could silence anybody. It holds keyed hashes alone, and a workspace learns no more than that somebody may not
be written to.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.db import connection, transaction

from apps.accounts import personal_fields, scoping, sealing
from apps.accounts.errors import Invalid
from apps.accounts.models import Person
from apps.campaigns.models import AddressMark, EverywhereComplaint, EverywhereSuppression
from apps.campaigns.subscriptions import addresses

log = structlog.get_logger(__name__)
Reason = EverywhereSuppression.Reason
UNMARKED = """
    SELECT p.id FROM unnest(%s::bigint[]) AS asked (id)
    JOIN accounts_person AS p ON p.workspace_id = (SELECT %s::bigint) AND p.id = asked.id
    WHERE p.email_index IS NOT NULL AND NOT EXISTS (
        SELECT FROM campaigns_addressmark AS m
        WHERE m.workspace_id = p.workspace_id AND m.address_index = p.email_index)
"""


def put(email: str, *, reason: str, told_by: str, now: datetime) -> bool:
    """Put an address on the list. Answers whether it is new. Raises Invalid for what is no address."""
    if reason not in Reason.values:
        raise Invalid({"reason": [f"Choose from {', '.join(Reason.values)}."]})
    return _put(addresses.everywhere(email), reason=reason, told_by=told_by, now=now)


def is_listed(email: str) -> bool:
    """Raises Invalid for what is no address."""
    return EverywhereSuppression.objects.filter(address_index=addresses.everywhere(email)).exists()


def take_off(listed: EverywhereSuppression, *, told_by: str) -> None:
    """The address may be written to again; what was said of it is forgotten."""
    with transaction.atomic():
        EverywhereComplaint.objects.filter(address_index=listed.address_index).delete()
        listed.delete()
    log.info("everywhere.taken_off", reason=listed.reason, told_by=told_by)


def complained(email: str, *, told_by: str, now: datetime) -> None:
    """Write down for the operator that the workspace in scope was told of a complaint, once."""
    index = addresses.everywhere(email)
    place = sealing.blind_index(scoping.current_id(), "complaint", index.hex())
    made = EverywhereComplaint(address_index=index, place=place, told_by=told_by[:40], since=now)
    EverywhereComplaint.objects.bulk_create([made], ignore_conflicts=True)


def believe(complaint: EverywhereComplaint, *, told_by: str, now: datetime) -> bool:
    """Put the address of a complaint on the list. Answers whether it is new there."""
    return _put(bytes(complaint.address_index), reason=Reason.COMPLAINTS, told_by=told_by, now=now)


def set_aside(complaint: EverywhereComplaint, *, told_by: str) -> None:
    """Forget what was said of the address; what is said from now on is seen again."""
    EverywhereComplaint.objects.filter(address_index=complaint.address_index).delete()
    log.info("everywhere.complaints_set_aside", told_by=told_by)


def _put(index: bytes, *, reason: str, told_by: str, now: datetime) -> bool:
    _, is_new = EverywhereSuppression.objects.get_or_create(
        address_index=index, defaults={"reason": reason, "told_by": told_by[:200], "since": now}
    )
    if is_new:
        log.info("everywhere.listed", reason=reason, told_by=told_by)
    return is_new


def mark(person_ids: Sequence[int]) -> int:
    """Write down under which index of the list the addresses of these people are found, where it is not yet.

    Once per address: it has to be opened for that. Answers how many were marked.
    """
    with connection.cursor() as cursor:
        cursor.execute(UNMARKED, [list(person_ids), scoping.current_id()])
        unmarked = [person_id for (person_id,) in cursor.fetchall()]
    marks = [
        AddressMark(
            workspace_id=scoping.current_id(),
            address_index=person.email_index,
            everywhere_index=addresses.everywhere(email),
        )
        for person in Person.objects.filter(pk__in=unmarked)
        if (email := personal_fields.personal(person)["email"])
    ]
    AddressMark.objects.bulk_create(marks, ignore_conflicts=True)
    return len(marks)
