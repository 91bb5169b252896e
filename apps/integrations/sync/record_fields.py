"""The sealed fields of a record, what is kept beside them to find and add up by, and the steps of its trail.

A step holds before and after, sealed under the record's own key: without the key the chain still holds, and
nobody is in it any more.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from apps.accounts import personal_fields, sealing
from apps.accounts.errors import Invalid
from apps.integrations import sealed_json
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import SyncRecord, TrailEntry
from apps.integrations.sync import merge
from apps.integrations.sync.fields import KINDS, Kind
from apps.integrations.trail import Step

for _table in ("syncrecord", "syncexternal", "syncconflict", "syncimport"):
    sealed_json.seals(f"integrations_{_table}")

COLUMNS = [
    "data_key",
    "fields_sealed",
    "email_index",
    "phone_index",
    "stage",
    "job_type",
    "event_on",
    "total",
    "currency",
    "is_opted_in",
    "version",
    "gone_at",
    "changed_at",
    "person",
]


@dataclass(frozen=True)
class Field:
    """A value, since when it stands, and who set it: a service's key, user, api_key, system."""

    value: Any
    at: datetime | None
    by: str


Fields = dict[str, Field]
# How a field came to a system: nothing changed here.
TOLD = "told"
# In a step's sealed content, beside the fields: the id that a system knows the record by.
EXTERNAL = ":external"


@dataclass(frozen=True)
class Change:
    """A field in a step. how: why, where both sides had a say; theirs: what the other side had then."""

    before: Any
    after: Any
    at: datetime | None
    how: str = ""
    theirs: Any = None

    @property
    def is_set(self) -> bool:
        """Whether the record has the value after it; not where it waits, or was only told to a system."""
        return self.how not in {merge.How.CONFLICT, TOLD}


def fields_of(record: SyncRecord) -> Fields:
    """What is said of it; nothing once it was erased."""
    opened = sealed_json.get(record, "fields_sealed") or {}
    return {name: Field(value, _moment(at), by) for name, (value, at, by) in opened.items()}


def values_of(record: SyncRecord) -> dict[str, Any]:
    return {name: one.value for name, one in fields_of(record).items()}


def sides_of(entity: Entity, fields: Fields) -> dict[str, merge.Side]:
    """What stands here, as the merge asks for it."""
    currency = fields["currency"].value if "currency" in fields else None
    return {
        name: merge.Side(one.value, one.at, merge.unit_of(KINDS[entity][name], one.value, currency))
        for name, one in fields.items()
    }


def put(record: SyncRecord, fields: Fields, *, now: datetime) -> None:
    """Seal the fields into the record, with what stands beside them; unsaved."""
    told = {
        name: [one.value, one.at.isoformat() if one.at else None, one.by]
        for name, one in sorted(fields.items())
    }
    sealed_json.put(record, "fields_sealed", told)
    record.changed_at = now
    values = {name: one.value for name, one in fields.items()}
    if record.entity == Entity.CONTACT:
        record.email_index = index_of(record.workspace_id, "email", values.get("email"))
        record.phone_index = index_of(record.workspace_id, "phone", values.get("phone"))
        record.is_opted_in = values.get("marketing_opt_in")
    else:
        record.stage = (values.get("stage") or "")[:40]
        record.job_type = (values.get("job_type") or "")[:120]
        record.event_on = _date(values.get("event_date"))
        record.total = Decimal(values["total"]) if values.get("total") else None
        record.currency = (values.get("currency") or "")[:3]


def changed(fields: Fields, changes: Mapping[str, Change], *, by: str) -> Fields:
    """The fields after the changes."""
    return fields | {name: Field(one.after, one.at, by) for name, one in changes.items() if one.is_set}


def index_of(workspace_id: int, name: str, value: str | None) -> bytes | None:
    """The blind index of an e-mail address or a phone number; None for what is none."""
    if not value:
        return None
    try:
        return personal_fields.index_of(workspace_id, name, value)
    except Invalid:
        return None


def step(
    record: SyncRecord,
    kind: str,
    changes: Mapping[str, Change],
    *,
    by: str,
    now: datetime,
    external: str = "",
    **told: Any,
) -> Step:
    """A step of the record's trail. external: the id by which a system knows it. told: what is not about
    anybody.
    """
    data: dict[str, Any] = {"by": by, "fields": sorted(changes), **told}
    hows = {name: one.how for name, one in changes.items() if one.how}
    if hows:
        data["how"] = hows
    if changes or external:
        content: dict[str, Any] = {
            name: [one.before, one.after, one.at.isoformat() if one.at else None, one.theirs]
            for name, one in changes.items()
        }
        if external:
            content[EXTERNAL] = external
        text = json.dumps(content, separators=(",", ":"))
        sealed = key_of(record).seal(text, _place(record))
        data["sealed"] = base64.b64encode(sealed).decode()
    return Step(record.stream, kind, data, now)


def changes_in(record: SyncRecord, entry: TrailEntry) -> dict[str, Change]:
    """What a step changed; nothing once the record was erased."""
    sealed = entry.data.get("sealed")
    if sealed is None or record.data_key is None:
        return {}
    opened = json.loads(key_of(record).open(base64.b64decode(sealed), _place(record)))
    opened.pop(EXTERNAL, None)
    hows = entry.data.get("how", {})
    return {
        name: Change(before, after, _moment(at), hows.get(name, ""), theirs)
        for name, (before, after, at, theirs) in opened.items()
    }


def rebuilt(record: SyncRecord, entries: Iterable[TrailEntry]) -> dict[str, Any]:
    """The record's values as its trail tells them."""
    values: dict[str, Any] = {}
    for entry in entries:
        for name, one in changes_in(record, entry).items():
            if one.is_set:
                values[name] = one.after
    return values


def key_of(record: SyncRecord) -> sealing.DataKey:
    """Raises SealBroken for a record that was erased."""
    place = sealing.Place(record._meta.db_table, "data_key", record.public_id)
    return sealing.DataKey.unwrap(bytes(record.data_key or b""), place)


def _place(record: SyncRecord) -> sealing.Place:
    return sealing.Place("integrations_trailentry", "data", record.public_id)


def title_of(entity: str, values: Mapping[str, Any]) -> str:
    """What it is called on a page."""
    if entity == Entity.JOB:
        return values.get("name") or "A job without a name"
    names = " ".join(filter(None, (values.get("first_name"), values.get("last_name"))))
    return names or values.get("company") or values.get("email") or "A contact without a name"


def kind_of(entity: str, name: str) -> Kind:
    return KINDS[Entity(entity)][name]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _date(text: str | None) -> date | None:
    return None if not text else date.fromisoformat(text[:10])
