"""The addresses that no provider is asked to write to any more. One list for all of them."""

from datetime import datetime

import structlog
from django.db import transaction

from apps.accounts import audit, scoping
from apps.accounts.permissions import Actor
from apps.accounts.personal_fields import index_of
from apps.integrations.models import Suppression

log = structlog.get_logger(__name__)
Reason = Suppression.Reason


def add(address_index: bytes | memoryview | None, reason: str, *, told_by: str, now: datetime) -> None:
    """Put it on the list, once per reason. Nothing for somebody who was erased."""
    if address_index is None:
        return
    made = Suppression(
        workspace_id=scoping.current_id(),
        address_index=address_index,
        reason=reason,
        told_by=told_by,
        since=now,
    )
    Suppression.objects.bulk_create([made], ignore_conflicts=True)
    log.info("mail.suppressed", reason=reason, told_by=told_by)


def add_address(address: str, reason: str, *, told_by: str, now: datetime) -> None:
    """The same for an address in the open, which is not kept."""
    add(index_of(scoping.current_id(), "email", address), reason, told_by=told_by, now=now)


def reason_against(address_index: bytes | memoryview | None, *, is_bulk: bool) -> str:
    """Why a message may not go to the address, or empty. Who unsubscribed still gets what they wait for."""
    found = Suppression.objects.filter(address_index=address_index)
    if not is_bulk:
        found = found.exclude(reason=Reason.UNSUBSCRIBED)
    first = found.order_by("since").first()
    return "" if first is None else str(first.reason)


@transaction.atomic
def lift(actor: Actor, suppression: Suppression, *, now: datetime, reason: str = "") -> None:
    """Take an address off the list: a person knows better. Audited."""
    audit.record(
        actor,
        "mail.suppression_lifted",
        suppression,
        now=now,
        before={"reason": suppression.reason, "told_by": suppression.told_by},
        reason=reason,
    )
    Suppression.objects.filter(pk=suppression.pk).delete()
