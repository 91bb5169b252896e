"""Named deeds, with who, what, before, after and why.

They are sealed into a hash chain per workspace, which `manage.py audit verify` checks.

Writers only insert, so that they do not queue behind one another; beat seals what is new, in order, within a
minute.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from celery import shared_task
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef

from apps.accounts import scoping
from apps.accounts.models import AuditEntry, AuditSeal
from apps.accounts.permissions import Actor
from apps.accounts.tasks_base import workspace_task

log = structlog.get_logger(__name__)

GENESIS = bytes(32)
SEAL_BATCH = 5_000
VERIFY_BATCH = 2_000
# Names the advisory lock that lets one sealer at a time into a workspace's chain.
LOCK_SPACE = 0x5EA1


@dataclass(frozen=True)
class Fault:
    """A place where the chain does not hold."""

    position: int
    entry_id: int | None
    what: str


def record(
    actor: Actor,
    deed: str,
    target: models.Model | None = None,
    *,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write down a deed, in the transaction of the deed itself. before and after hold no personal data."""
    return AuditEntry.objects.create(
        workspace_id=actor.workspace_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label,
        deed=deed,
        target_kind=target._meta.model_name if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
        before=before,
        after=after,
        reason=reason,
        occurred_at=now,
    )


@shared_task(name="accounts.audit.seal_all")
def seal_all() -> None:
    """Start sealing in each workspace that has entries outside its chain."""
    with scoping.across_workspaces("audit.seal"):
        workspaces = list(unsealed().values_list("workspace_id", flat=True).distinct())
    for workspace_id in workspaces:
        seal.delay(workspace_id=workspace_id)


@workspace_task(name="accounts.audit.seal")
@transaction.atomic
def seal() -> int:
    """Append the workspace's unsealed entries to its chain, oldest first. Takes the chain's advisory lock."""
    workspace_id = scoping.current_id()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, workspace_id % 2**31])
    last = AuditSeal.objects.order_by("-position").first()
    position, previous = (last.position, bytes(last.digest)) if last else (0, GENESIS)
    seals = []
    for entry in unsealed().order_by("id")[:SEAL_BATCH]:
        position, previous = position + 1, digest(previous, entry)
        seals.append(AuditSeal(workspace_id=workspace_id, entry=entry, position=position, digest=previous))
    AuditSeal.objects.bulk_create(seals, batch_size=1_000)
    if seals:
        # The head goes to the log as well: a chain that was cut short or rebuilt no longer ends in a logged
        # head.
        log.info(
            "audit.sealed",
            workspace_id=workspace_id,
            position=position,
            head=previous.hex(),
            entries=len(seals),
        )
    return len(seals)


def unsealed() -> models.QuerySet[AuditEntry]:
    """The entries that wait for their place in the chain."""
    seals = AuditSeal.objects.filter(workspace_id=OuterRef("workspace_id"), entry_id=OuterRef("pk"))
    return AuditEntry.objects.filter(~Exists(seals))


def verify(*, after: int = 0) -> Iterator[Fault]:
    """Walk the current workspace's chain and say where it does not hold; nothing when it does.

    after: the position whose seal is taken on trust, to check only what came later; 0 checks all.
    """
    trusted = AuditSeal.objects.filter(position=after).first()
    previous, expected = bytes(trusted.digest) if trusted else GENESIS, after
    for one, entry in _sealed_entries(after):
        expected += 1
        if one.position != expected:
            yield Fault(expected, None, f"positions {expected} to {one.position - 1} are missing")
            expected = one.position
        if entry is None:
            yield Fault(one.position, one.entry_id, "the entry was deleted")
        elif digest(previous, entry) != bytes(one.digest):
            yield Fault(one.position, one.entry_id, "the entry or its seal was changed")
        previous = bytes(one.digest)


def _sealed_entries(after: int) -> Iterator[tuple[AuditSeal, AuditEntry | None]]:
    while seals := list(AuditSeal.objects.filter(position__gt=after).order_by("position")[:VERIFY_BATCH]):
        entries = AuditEntry.objects.in_bulk([one.entry_id for one in seals])
        for one in seals:
            yield one, entries.get(one.entry_id)
        after = seals[-1].position


def digest(previous: bytes, entry: AuditEntry) -> bytes:
    """SHA-256 over the previous digest and the entry's canonical JSON."""
    content = [
        entry.pk,
        entry.workspace_id,
        entry.actor_kind,
        entry.actor_id,
        entry.actor_label,
        entry.deed,
        entry.target_kind,
        entry.target_id,
        entry.before,
        entry.after,
        entry.reason,
        entry.occurred_at.isoformat(),
    ]
    return hashlib.sha256(
        previous + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    ).digest()
