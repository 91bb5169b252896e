"""Two records that are one: what systems have of both is of the one that is kept; the other stays as a name
for it.
"""

from datetime import datetime

from apps.integrations import trail
from apps.integrations.models import SyncConflict, SyncExternal, SyncRecord
from apps.integrations.sync import disputes, record_fields, waiting
from apps.integrations.sync.record_fields import Change, Field


def join(kept: SyncRecord, absorbed: SyncRecord, *, by: str, now: datetime) -> SyncRecord:
    """Both are locked. What the kept one does not say it takes from the other; each says so in its trail."""
    fields, others = record_fields.fields_of(kept), record_fields.fields_of(absorbed)
    taken = {
        name: one
        for name, one in others.items()
        if one.value is not None and (name not in fields or fields[name].value is None)
    }
    changes = {name: Change(None, one.value, one.at) for name, one in taken.items()}
    kept.version += 1
    record_fields.put(
        kept, fields | {name: Field(one.value, one.at, one.by) for name, one in taken.items()}, now=now
    )
    kept.person_id, kept.gone_at = kept.person_id or absorbed.person_id, None
    kept.save()
    SyncExternal.objects.filter(record=absorbed).update(record=kept)
    SyncRecord.objects.filter(merged_into=absorbed).update(merged_into=kept)
    absorbed.merged_into, absorbed.gone_at, absorbed.version = kept, now, absorbed.version + 1
    absorbed.save(update_fields=["merged_into", "gone_at", "version"])
    _drop_conflicts(absorbed, now=now)
    trail.append(
        record_fields.step(kept, "joined", changes, by=by, now=now, absorbed=str(absorbed.public_id)),
        record_fields.step(absorbed, "absorbed", {}, by=by, now=now, into=str(kept.public_id)),
    )
    waiting.plan([kept], now=now)
    return kept


def _drop_conflicts(absorbed: SyncRecord, *, now: datetime) -> None:
    open_ = SyncConflict.objects.filter(state=SyncConflict.State.OPEN)
    for one in open_.filter(record=absorbed) | open_.filter(other=absorbed):
        disputes.close(one, SyncConflict.State.OUTDATED, choice="", now=now)
