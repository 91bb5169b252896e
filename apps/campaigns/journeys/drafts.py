"""Writing a journey down, changing it, and publishing it as a version that never changes."""

import copy
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts import audit, events
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor, require
from apps.campaigns import names
from apps.campaigns.events import JourneyChanged
from apps.campaigns.journeys import checks, graph, hearing, patterns, splits, streams
from apps.campaigns.journeys.graph import Fault
from apps.campaigns.models import Campaign, Journey, JourneyVersion

State = Journey.State
MOST_A_DAY = 1_000_000
LARGEST = 100_000


class ChangedMeanwhile(DomainError):
    code = "changed_meanwhile"
    status = 409


class NotNow(DomainError):
    code = "not_now"
    status = 409


class NotReady(Invalid):
    """faults: what stands against publishing."""

    code = "not_ready"

    def __init__(self, faults: list[Fault]) -> None:
        by_step: dict[str, list[str]] = {}
        for one in faults:
            by_step.setdefault(one.step, []).append(one.words)
        super().__init__(by_step, "The journey cannot be published yet.")
        self.faults = faults


def find(public_id: UUID | str) -> Journey:
    """Raises NotHere."""
    found: Journey | None = Journey.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such journey in this workspace.")
    return found


def lock(journey: Journey) -> Journey:
    """Waits for people who are being moved, and lets none be moved until the transaction ends."""
    held: Journey = Journey.objects.select_for_update().get(pk=journey.pk)
    return held


@transaction.atomic
def create(actor: Actor, *, name: str, pattern: str = "", now: datetime, **given: Any) -> Journey:
    """A draft, empty or after a pattern (patterns.py). Needs campaigns:write. Raises Invalid. Audited."""
    require(actor, "campaigns:write")
    journey = Journey(
        workspace_id=actor.workspace_id,
        name=_named(name),
        draft=patterns.graph_of(pattern) if pattern else copy.deepcopy(graph.EMPTY),
        changed_at=now,
        created_by=actor.label[:200],
    )
    _take(journey, given)
    journey.save(force_insert=True)
    audit.record(actor, "journey.created", journey, now=now, after={"name": name, "pattern": pattern})
    return journey


@transaction.atomic
def change(actor: Actor, journey: Journey, *, revision: int | None, now: datetime, **given: Any) -> Journey:
    """Change the draft, name or limit; who is under way is on a version and not concerned.

    revision: that of the draft which the change was made on, None for any. Needs campaigns:write. Raises
    Invalid, ChangedMeanwhile. Audited.
    """
    require(actor, "campaigns:write")
    held = lock(journey)
    if revision is not None and revision != held.revision:
        raise ChangedMeanwhile("Somebody else changed this journey meanwhile. Look at it again.")
    before = {"name": held.name, "entries_a_day": held.entries_a_day}
    if "name" in given:
        held.name = _named(given.pop("name"))
    _take(held, given)
    held.revision += 1
    held.changed_at = now
    held.save()
    after = {"name": held.name, "entries_a_day": held.entries_a_day, "revision": held.revision}
    audit.record(actor, "journey.changed", held, now=now, before=before, after=after)
    return held


@transaction.atomic
def delete(actor: Actor, journey: Journey, *, now: datetime) -> None:
    """Throw a draft away that was never published. Raises NotNow. Audited."""
    require(actor, "campaigns:write")
    held = lock(journey)
    if held.live:
        raise NotNow("It was published once: stop it instead, so that its record stays.")
    audit.record(actor, "journey.deleted", held, now=now, before={"name": held.name})
    held.delete()


@transaction.atomic
def publish(actor: Actor, journey: Journey, *, now: datetime) -> JourneyVersion:
    """Make the draft the version that people enter; who is under way stays on theirs.

    Needs campaigns:send. Raises NotReady, NotNow. Audited; publishes JourneyChanged.
    """
    require(actor, "campaigns:send")
    held = lock(journey)
    if held.state == State.STOPPED:
        raise NotNow("This journey was stopped for good. Make another one of it.")
    if found := checks.faults(held, now=now):
        raise NotReady(found)
    before = JourneyVersion.objects.filter(journey=held, number=held.live).first()
    settled = _settled(actor, held, before.graph["steps"] if before else {}, now=now)
    version = JourneyVersion.objects.create(
        workspace_id=held.workspace_id,
        journey=held,
        number=held.live + 1,
        graph=settled,
        listens=graph.listened_to(settled),
        published_at=now,
        published_by=actor.label[:200],
    )
    if held.state == State.DRAFT:
        held.state, held.live_since = State.LIVE, now
    held.live, held.changed_at, held.looked_at = version.number, now, None
    held.save()
    streams.begin(version.listens, now=now)
    audit.record(actor, "journey.published", held, now=now, after={"version": version.number})
    tell(held)
    return version


def tell(held: Journey) -> None:
    """Say that its state is another; what is listened to may be as well."""
    events.publish(
        JourneyChanged(
            workspace_id=held.workspace_id,
            journey_id=str(held.public_id),
            state=held.state,
            version=held.live,
        )
    )
    hearing.forget()
    transaction.on_commit(hearing.forget)


@transaction.atomic
def restore(actor: Actor, journey: Journey, number: int, *, now: datetime) -> Journey:
    """Have a published version as the draft again. Raises NotHere. Audited."""
    version = JourneyVersion.objects.filter(journey=journey, number=number).first()
    if version is None:
        raise NotHere("There is no such version of this journey.")
    return change(actor, journey, revision=None, now=now, draft=as_draft(version.graph))


def as_draft(settled: dict[str, Any]) -> dict[str, Any]:
    """A published graph without what publishing added."""
    found = {name: copy.deepcopy(settled[name]) for name in graph.EMPTY}
    for step in found["steps"].values():
        step.pop("experiment", None)
    return found


def _settled(actor: Actor, journey: Journey, before: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The graph with what must not change once people are on it: experiments, campaigns and their topics."""
    found = copy.deepcopy(journey.draft)
    for key, step in found["steps"].items():
        if step["kind"] == "split":
            step["experiment"] = splits.begin(actor, journey, key, step, before.get(key, {}), now=now)
    names = {step["campaign"] for step in found["steps"].values() if step["kind"] == "message"}
    campaigns = Campaign.objects.filter(public_id__in=names).select_related("topic")
    found["campaigns"] = sorted(str(one.public_id) for one in campaigns)
    found["topics"] = sorted({one.topic.key for one in campaigns if one.topic is not None})
    return found


def _take(journey: Journey, given: dict[str, Any]) -> None:
    if "draft" in given:
        journey.draft = _drafted(given["draft"])
    if "entries_a_day" in given:
        limit = given["entries_a_day"]
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_A_DAY:
            raise Invalid({"entries_a_day": [f"A whole number from 1 to {MOST_A_DAY:,}."]})
        journey.entries_a_day = limit


def _drafted(draft: Any) -> dict[str, Any]:
    """What can be kept and shown; what stands against publishing it is another question."""
    if not isinstance(draft, dict) or set(draft) - set(graph.EMPTY):
        raise Invalid({"draft": [f"An object with {', '.join(graph.EMPTY)}."]})
    found = copy.deepcopy(graph.EMPTY) | draft
    if shape := list(graph.shape_faults(found)):
        raise Invalid({"draft": [str(fault) for fault in shape]})
    if len(str(found)) > LARGEST:
        raise Invalid({"draft": [f"A journey takes up to {LARGEST:,} characters."]})
    return found


def _named(name: str) -> str:
    cleaned = name.strip()
    if not 0 < len(cleaned) <= 120 or "\x00" in cleaned:
        raise Invalid({"name": ["A name of 1 to 120 characters."]})
    if not names.is_name(cleaned):
        raise Invalid({"name": [names.FAULT]})
    return cleaned
