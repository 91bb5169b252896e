"""Fields of people written offline: the last writer of each wins, by (lamport, corrected time, device)."""

from collections.abc import Sequence
from datetime import datetime

from apps.accounts import people, traits
from apps.accounts.errors import Invalid
from apps.accounts.permissions import Actor
from apps.campaigns.models import FieldStamp
from apps.campaigns.offline import payloads
from apps.campaigns.offline.events import OfflineEvent
from apps.campaigns.offline.kinds import ACCEPTED, MERGED, Verdict, register, rejected


@register("profile", right="people:write")
def take(actor: Actor, events: Sequence[OfflineEvent], now: datetime) -> list[Verdict]:
    """payload: user_id or anonymous_id, field, and value; null takes a field away."""
    faults = [payloads.stranger(event) or _fault(event) for event in events]
    good = [event for event, fault in zip(events, faults, strict=True) if fault is None]
    whose = iter(payloads.people_of(actor, good, now=now) if good else [])
    return [
        _written(actor, next(whose), event, now=now) if fault is None else fault
        for event, fault in zip(events, faults, strict=True)
    ]


def _fault(event: OfflineEvent) -> Verdict | None:
    if (
        not (name := payloads.text_of(event, "field", longest=traits.LONGEST_KEY))
        or "value" not in event.payload
    ):
        return rejected("bad_payload", f"payload: field, in 1 to {traits.LONGEST_KEY} characters, and value.")
    try:
        traits.split({name: event.payload["value"]})
    except Invalid as fault:
        return _refused(fault)
    return None


def _refused(fault: Invalid) -> Verdict:
    where, [text, *_] = next(iter(fault.errors.items()))
    return rejected("bad_payload", f"{where}: {text}")


def _written(actor: Actor, person_id: int, event: OfflineEvent, *, now: datetime) -> Verdict:
    name = payloads.text_of(event, "field", longest=traits.LONGEST_KEY)
    stamp = FieldStamp.objects.filter(person=person_id, field=name).first()
    if stamp is not None and _of(stamp) >= event.stamp:
        return Verdict(verdict=MERGED, reason="older", detail="A newer value is there already.")
    try:
        people.describe(person_id, {name: event.payload["value"]})
    except Invalid as fault:
        return _refused(fault)
    keys = {"workspace_id": actor.workspace_id, "person_id": person_id, "field": name}
    fresh = {
        "lamport": event.lamport,
        "occurred_at": event.occurred_at,
        "device_id": event.device_id,
        "event_id": event.id,
    }
    FieldStamp.objects.update_or_create(**keys, defaults=fresh)
    return Verdict(verdict=ACCEPTED)


def _of(stamp: FieldStamp) -> tuple[int, datetime, str, str]:
    return stamp.lamport, stamp.occurred_at, stamp.device_id, str(stamp.event_id)
