"""What a person decides where no policy could."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor, require
from apps.integrations import sealed_json
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import SyncConflict, SyncExternal, SyncRecord, SyncStream
from apps.integrations.sync import consents, disputes, joining, record_fields, records, waiting
from apps.integrations.sync.consents import Proof
from apps.integrations.sync.fields import cleaned
from apps.integrations.sync.pull import missing
from apps.integrations.sync.record_fields import Change
from apps.integrations.sync.taking import gone

KIND, STATE = SyncConflict.Kind, SyncConflict.State
CHOICES: dict[str, dict[str, str]] = {
    KIND.FIELD: {"here": "Ours", "there": "Theirs", "other": "Another value"},
    KIND.VANISHED: {"gone": "They are gone", "look_again": "Look again at the next scan"},
    KIND.DELETED: {"keep": "Keep it here", "gone": "It is gone"},
    KIND.SAME: {"same": "The same", "different": "Two different ones"},
}


class AlreadySettled(DomainError):
    code = "already_settled"
    status = 409


def find(public_id: UUID | str) -> SyncConflict:
    found = (
        SyncConflict.objects.select_related("sync_stream__connection", "record", "other", "external")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotHere("There is nothing of the kind to decide.")
    return found


def waiting_ones() -> QuerySet[SyncConflict]:
    """All that waits for somebody, oldest last."""
    rows = SyncConflict.objects.filter(state=STATE.OPEN)
    return rows.select_related("sync_stream__connection", "record", "other", "external")


def show(actor: Actor, rows: Iterable[SyncConflict], *, now: datetime) -> list[SyncConflict]:
    """Those that wait, for somebody who may see them. Needs people:read; one entry in the audit log."""
    require(actor, "people:read")
    found = list(rows)
    if found:
        told = {"count": len(found), "conflicts": [str(one.public_id) for one in found]}
        audit.record(actor, "sync.conflicts_shown", now=now, after=told)
    return found


def values_of(conflict: SyncConflict) -> dict[str, Any]:
    """Here and there."""
    return sealed_json.get(conflict, "values_sealed") or {}


@transaction.atomic
def settle(
    actor: Actor,
    conflict: SyncConflict,
    choice: str,
    *,
    now: datetime,
    value: Any = None,
    proof: Proof = records.NO_PROOF,
) -> SyncConflict:
    """Carry out what was chosen. Needs people:write. Audited. Raises Invalid, AlreadySettled.

    value: of the choice "other". proof: of a yes to marketing, if that is what is chosen.
    """
    require(actor, "people:write")
    if choice not in CHOICES[conflict.kind]:
        raise Invalid({"choice": [f"Choose one of: {', '.join(CHOICES[conflict.kind])}."]})
    stream: SyncStream = (
        SyncStream.objects.select_for_update(of=("self",))
        .select_related("connection")
        .get(pk=conflict.sync_stream_id)
    )
    fresh: SyncConflict = SyncConflict.objects.select_for_update().get(pk=conflict.pk)
    if fresh.state != STATE.OPEN:
        raise AlreadySettled("Somebody has decided this already, or it has settled itself.")
    if fresh.kind == KIND.FIELD:
        _field(actor, stream, fresh, choice, value, proof=proof, now=now)
    elif fresh.kind == KIND.VANISHED:
        _vanished(stream, fresh, choice, now=now)
    elif fresh.kind == KIND.DELETED:
        _deleted(fresh, choice, now=now)
    elif choice == "same":
        _same(actor, fresh, now=now)
    disputes.close(fresh, STATE.SETTLED, choice=choice, now=now)
    audit.record(actor, "sync.conflict_settled", fresh, now=now, after={"kind": fresh.kind, "choice": choice})
    return fresh


def _field(
    actor: Actor,
    stream: SyncStream,
    conflict: SyncConflict,
    choice: str,
    value: Any,
    *,
    proof: Proof,
    now: datetime,
) -> None:
    """Both sides now agree on what stands there; what differs from it here is pushed."""
    record: SyncRecord = SyncRecord.objects.select_for_update().get(pk=conflict.record_id)
    external: SyncExternal = SyncExternal.objects.get(pk=conflict.external_id)
    told, name = values_of(conflict), conflict.field
    fields = record_fields.fields_of(record)
    before = fields[name].value if name in fields else None
    chosen = {"here": before, "there": told.get("there")}
    after = chosen[choice] if choice in chosen else cleaned(Entity(record.entity), {name: value})[name]
    is_grant = name == records.OPT_IN and after is True
    if is_grant and not proof.source.strip():
        raise Invalid({"consent_source": ["Say where they allowed it. Nobody is marked as willing without."]})
    content = sealed_json.get(external, "content_sealed") or {"raw": {}, "fields": {}, "base": {}}
    content["base"][name] = told.get("there")
    sealed_json.put(external, "content_sealed", content)
    external.save(update_fields=["content_sealed", "data_key"])
    disputes.close(conflict, STATE.SETTLED, choice=choice, now=now)
    changes = {name: Change(before, after, now, "settled", told.get("there"))}
    records.apply(record, fields, changes, by=actor.kind, kind="settled", now=now, choice=choice)
    if is_grant:
        consents.granted(actor, record, proof=proof, now=now)
    waiting.plan([record], now=now)


def _vanished(stream: SyncStream, conflict: SyncConflict, choice: str, *, now: datetime) -> None:
    """Those that are still unseen since that scan are gone; what was seen again in between stays."""
    if choice != "gone":
        return
    if stream.run < conflict.run:
        raise AlreadySettled("The scan that this is about is not known any more.")
    for external in missing(stream, since=conflict.run):
        gone(external, now=now)


def _deleted(conflict: SyncConflict, choice: str, *, now: datetime) -> None:
    if choice == "gone":
        record: SyncRecord = SyncRecord.objects.select_for_update().get(pk=conflict.record_id)
        record.gone_at = now
        record.save(update_fields=["gone_at"])


def _same(actor: Actor, conflict: SyncConflict, *, now: datetime) -> None:
    ids = [conflict.record_id, conflict.other_id]
    locked = {row.pk: row for row in SyncRecord.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    record, other = locked[conflict.record_id], locked[conflict.other_id]
    linked = SyncExternal.objects.filter(gone_at=None)
    here = set(linked.filter(record=record).values_list("connection_id", flat=True))
    there = set(linked.filter(record=other).values_list("connection_id", flat=True))
    if here & there:
        raise AlreadySettled("One system has both. Join them there; the next scan brings the result.")
    joining.join(other, record, by=actor.kind, now=now)
