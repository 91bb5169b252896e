"""What somebody allowed or refused while a device was offline: the most restrictive word wins.

A withdrawal counts from its moment; what was allowed offline after it does not undo it, in whichever order
the two arrive: only a confirmation by e-mail (double opt-in) that is newer does. So a late withdrawal is
written down no earlier than the plain permissions that it outweighs.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from apps.accounts import consent
from apps.accounts.consent import Said
from apps.accounts.models import ConsentRecord
from apps.accounts.permissions import Actor
from apps.campaigns.offline import payloads
from apps.campaigns.offline.events import OfflineEvent
from apps.campaigns.offline.kinds import ACCEPTED, MARKETING, MERGED, Verdict, register, rejected

SOURCE = "device, offline"


@register("consent", right="people:write", order=MARKETING)
def take(actor: Actor, events: Sequence[OfflineEvent], now: datetime) -> list[Verdict]:
    """payload: user_id or anonymous_id, purpose, granted, and wording: what they were shown."""
    said = {str(event.payload.get("purpose")) for event in events if event.payload.get("granted") is True}
    to_confirm = consent.to_confirm(said)
    faults = [payloads.stranger(event) or _fault(event, to_confirm, now) for event in events]
    good = [event for event, fault in zip(events, faults, strict=True) if fault is None]
    whose = iter(payloads.people_of(actor, good, now=now) if good else [])
    return [
        _said(actor, next(whose), event, now=now) if fault is None else fault
        for event, fault in zip(events, faults, strict=True)
    ]


def _fault(event: OfflineEvent, to_confirm: set[str], now: datetime) -> Verdict | None:
    word = _word(event, now)
    if word.is_granted and word.purpose in to_confirm:
        return rejected("confirm_first", consent.CONFIRM_FIRST)
    faults = word.faults(now=now)
    if not isinstance(event.payload.get("granted"), bool):
        faults["granted"] = ["true or false."]
    if not faults:
        return None
    name, [text, *_] = next(iter(faults.items()))
    return rejected("bad_payload", f"{name}: {text}")


def _word(event: OfflineEvent, now: datetime) -> Said:
    return Said(
        purpose=payloads.text_of(event, "purpose", longest=consent.LONGEST_PURPOSE),
        is_granted=event.payload.get("granted") is True,
        source=payloads.text_of(event, "source", longest=80) or SOURCE,
        wording=payloads.text_of(event, "wording", longest=consent.LONGEST_WORDING),
        occurred_at=min(event.occurred_at, now),
    )


def _said(actor: Actor, person_id: int, event: OfflineEvent, *, now: datetime) -> Verdict:
    word = _word(event, now)
    known = ConsentRecord.objects.filter(person=person_id, purpose=word.purpose)
    if word.is_granted:
        if _is_refused(known):
            detail = "They said no. Ask them to confirm by e-mail; until then it stays no."
            return Verdict(verdict=MERGED, reason="withdrawn", detail=detail)
        consent.record_many(actor, [(person_id, word)], now=now)
        return Verdict(verdict=ACCEPTED)
    if known.filter(is_confirmed=True, occurred_at__gt=word.occurred_at).exists():
        consent.record_many(actor, [(person_id, word)], now=now)
        return Verdict(verdict=MERGED, reason="confirmed_since", detail="They confirmed by e-mail after it.")
    latest = known.filter(is_granted=True).order_by("-occurred_at").first()
    moment = word.occurred_at if latest is None else max(word.occurred_at, latest.occurred_at)
    consent.record_many(actor, [(person_id, _at(word, moment))], now=now)
    return Verdict(verdict=ACCEPTED)


def _is_refused(known: QuerySet[ConsentRecord]) -> bool:
    """Whether a withdrawal stands that no confirmation has followed."""
    withdrawn = known.filter(is_granted=False).order_by("-occurred_at").first()
    if withdrawn is None:
        return False
    confirmed = known.filter(is_confirmed=True)
    return not confirmed.filter(occurred_at__gt=withdrawn.occurred_at).exists()


def _at(word: Said, moment: datetime) -> Said:
    return Said(**{**vars(word), "occurred_at": moment})
