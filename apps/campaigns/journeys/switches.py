"""Pausing, resuming and stopping a journey, and letting people in by hand: by whoever may, and audited."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import Invalid
from apps.accounts.models import Person
from apps.accounts.permissions import Actor, require
from apps.campaigns.journeys import drafts, entering, leaving
from apps.campaigns.journeys.drafts import NotNow
from apps.campaigns.journeys.sources import Happening
from apps.campaigns.journeys.travellers import Outcome
from apps.campaigns.models import Journey, JourneyTask, JourneyVersion

State = Journey.State
MOST_AT_ONCE = 1_000


@transaction.atomic
def pause(actor: Actor, journey: Journey, *, reason: str = "", now: datetime) -> Journey:
    """Nobody enters and nobody moves until it is resumed; once this is answered nothing moves any more.

    Needs campaigns:stop. What is heard meanwhile is kept for those in flight. Audited.
    """
    require(actor, "campaigns:stop")
    return _switch(actor, journey, State.PAUSED, [State.LIVE], "journey.paused", reason, now)


@transaction.atomic
def resume(actor: Actor, journey: Journey, *, now: datetime) -> Journey:
    """Go on. Waits that ended meanwhile end now; who reached a goal meanwhile leaves.

    Needs campaigns:send. Audited.
    """
    require(actor, "campaigns:send")
    held = _switch(actor, journey, State.LIVE, [State.PAUSED], "journey.resumed", "", now)
    held.live_since = now
    held.save(update_fields=["live_since"])
    return held


@transaction.atomic
def stop(actor: Actor, journey: Journey, *, reason: str = "", now: datetime) -> Journey:
    """For good: everybody in flight leaves, open tasks are dropped. Needs campaigns:stop. Audited."""
    require(actor, "campaigns:stop")
    held = _switch(actor, journey, State.STOPPED, [State.LIVE, State.PAUSED], "journey.stopped", reason, now)
    leaving.leave_journey(held.pk, Outcome.STOPPED, now=now)
    leaving.drop_tasks(JourneyTask.objects.filter(journey=held), now=now)
    return held


def _switch(
    actor: Actor, journey: Journey, to: str, allowed: Sequence[str], deed: str, reason: str, now: datetime
) -> Journey:
    held = drafts.lock(journey)
    if held.state not in allowed:
        raise NotNow(f"This journey is {held.state}; only one that is {' or '.join(allowed)} can do that.")
    before = {"state": held.state}
    held.state, held.state_reason, held.changed_at = to, reason[:300], now
    held.save(update_fields=["state", "state_reason", "changed_at"])
    audit.record(actor, deed, held, now=now, before=before, after={"state": to}, reason=reason[:300])
    drafts.tell(held)
    return held


@transaction.atomic
def enter(
    actor: Actor,
    journey: Journey,
    public_ids: Sequence[Any],
    *,
    key: str = "",
    facts: dict[str, Any] | None = None,
    now: datetime,
) -> dict[str, list[Any]]:
    """Let people in who are named. key: of this request; the same one lets nobody in twice.

    The rule of coming again and the limit of a day hold. Needs campaigns:send. Raises Invalid, NotNow.
    Audited. Answers public ids: entered, and refused with why.
    """
    require(actor, "campaigns:send")
    if not 1 <= len(public_ids) <= MOST_AT_ONCE:
        raise Invalid({"people": [f"Name 1 to {MOST_AT_ONCE:,} people."]})
    if journey.state != State.LIVE:
        raise NotNow(f"This journey is {journey.state}: nobody can enter.")
    if not any(entry["kind"] == "api" for entry in _live_graph(journey)["entries"]):
        raise NotNow("This journey is not entered by request. Add that way in and publish it.")
    known = dict(Person.objects.filter(public_id__in=public_ids).values_list("pk", "public_id"))
    cause = f"api:{key or uuid4().hex}"
    happenings = [
        Happening(person_id=pk, cause=cause, occurred_at=now, facts=facts or {}) for pk in sorted(known)
    ]
    let = entering.enter(journey.pk, happenings, now=now, is_asked=True)
    missing = sorted(set(map(str, public_ids)) - set(map(str, known.values())))
    survivors = dict(Person.objects.filter(pk__in=[*let.in_, *let.refused]).values_list("pk", "public_id"))
    after = {"entered": len(let.in_), "refused": len(let.refused) + len(missing)}
    audit.record(actor, "journey.entered", journey, now=now, after=after)
    refused = [{"person": str(survivors[pk]), "because": why} for pk, why in let.refused.items()]
    return {
        "entered": [str(survivors[pk]) for pk in let.in_],
        "refused": refused + [{"person": one, "because": "unknown"} for one in missing],
    }


def _live_graph(journey: Journey) -> dict[str, Any]:
    found: dict[str, Any] = JourneyVersion.objects.get(journey=journey, number=journey.live).graph
    return found
