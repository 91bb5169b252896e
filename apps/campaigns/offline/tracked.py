"""What is tracked while a device is offline: touches, conversions and who somebody is, as at the door.

The event's own id makes it once, also beside the door; its corrected time is when it happened.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from apps.accounts.permissions import Actor
from apps.attribution import tracking
from apps.attribution.tracking import Answer
from apps.campaigns.offline import payloads
from apps.campaigns.offline.events import OfflineEvent
from apps.campaigns.offline.kinds import ACCEPTED, MERGED, Verdict, register, rejected


def _take(kind: str, actor: Actor, events: Sequence[OfflineEvent], now: datetime) -> list[Verdict]:
    """payload: as of POST /api/v1/attribution/track/batch, without the times and the event_id."""
    if kind == "identify" and (known := [event for event in events if payloads.stranger(event) is None]):
        payloads.people_of(actor, known, now=now)  # all of them locked at once, in one order
    records = [_record(kind, event, now) for event in events]
    reading = tracking.read("batch", actor, {"events": records}, now=now)
    tracking.store([reading], now=now)
    return [_verdict(answer) for answer in reading.answers if answer is not None]


def _record(kind: str, event: OfflineEvent, now: datetime) -> dict[str, Any]:
    own = {name: value for name, value in event.payload.items() if name != "sent_at"}
    record = {**own, "type": kind}
    if kind != "identify":
        record |= {"event_id": str(event.id), "occurred_at": min(event.occurred_at, now).isoformat()}
    return record


def _verdict(answer: Answer) -> Verdict:
    if answer.status >= 400:
        errors = answer.body.get("errors") or {}
        detail = " ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
        return rejected(str(answer.body["code"]), detail or str(answer.body["detail"]))
    if answer.body.get("duplicate"):
        return Verdict(verdict=MERGED, reason="known", detail="It came by another way already.")
    return Verdict(verdict=ACCEPTED)


for _kind in ("event", "conversion", "identify"):
    register(_kind, right="tracking:write")(partial(_take, _kind))
