"""Journeys with people on them, moved by a clock that tests set."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.accounts.models import Person, Workspace
from apps.accounts.permissions import Actor
from apps.campaigns.journeys import drafts, entering, graph, hearing, moving, sources
from apps.campaigns.journeys.sources import Happening
from apps.campaigns.models import (
    Campaign,
    Content,
    Journey,
    JourneyMove,
    JourneyRun,
    Recipient,
    SendRun,
    Topic,
)
from tests.factories import NOW, PersonFactory

API = {"kind": "api"}
HEARD = "conversion.recorded"


def of_type(kind: str) -> dict[str, Any]:
    return {"source": HEARD, "where": [{"field": "type", "test": "is", "value": kind}]}


def drawn(first: str, steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return copy.deepcopy(graph.EMPTY) | {"entries": [API], "first": first, "steps": steps} | more


@dataclass
class Road:
    """A live journey, and its clock."""

    actor: Actor
    journey: Journey
    workspace: Workspace
    now: datetime = NOW
    people: list[Person] = field(default_factory=list)

    def person(self, **fields: Any) -> Person:
        made = PersonFactory(workspace=self.workspace, **fields)
        self.people.append(made)
        return made

    def enter(self, *people: Person, cause: str = "api:1", **facts: Any) -> Any:
        happenings = [
            Happening(person_id=one.pk, cause=cause, occurred_at=self.now, facts=facts) for one in people
        ]
        return entering.enter(self.journey.pk, happenings, now=self.now, is_asked=True)

    def tick(self, **later: float) -> int:
        self.now += timedelta(**later)
        return moving.move_due(self.journey.pk, now=self.now)

    def hear(self, person: Person, kind: str, *, cause: str = "", at: datetime | None = None) -> None:
        source = sources.get(HEARD)
        happening = Happening(
            person_id=person.pk,
            cause=cause or f"conversion:{kind}",
            occurred_at=at or self.now,
            facts={"type": kind, "value": 100.0},
        )
        hearing.take(source, [happening], now=self.now)

    def run_of(self, person: Person) -> JourneyRun:
        return JourneyRun.objects.filter(person=person).latest("pk")

    def path_of(self, person: Person) -> list[str]:
        moves = JourneyMove.objects.filter(run__person=person).order_by("run", "number")
        return [f"{move.step}>{move.way}" for move in moves]

    def sent_to(self, person: Person) -> list[str]:
        """The steps whose message was asked for."""
        rows = Recipient.objects.filter(person=person).order_by("pk").values_list("occurrence", flat=True)
        return [one.split("-", 1)[1].rsplit("-", 1)[0] for one in rows]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    hearing.forget()


@pytest.fixture
def campaign(workspace: Workspace) -> Campaign:
    """A message that journeys may send, of a topic that customers get."""
    topic = Topic.objects.create(
        workspace=workspace, key="news", name="News", basis=Topic.Basis.CUSTOMER, is_double_opt_in=False
    )
    made = Campaign.objects.create(
        workspace=workspace,
        name="Hello",
        kind=Campaign.Kind.TRIGGERED,
        state=Campaign.State.RUNNING,
        topic=topic,
        changed_at=NOW,
    )
    words = {"key": "a", "position": 1, "subject": "Hello", "body": "Hello"}
    Content.objects.create(workspace=workspace, campaign=made, changed_at=NOW, **words)
    SendRun.objects.create(workspace=workspace, campaign=made)
    return made


@pytest.fixture
def message(campaign: Campaign) -> Callable[..., dict[str, Any]]:
    return lambda then="": {"kind": "message", "campaign": str(campaign.public_id), "next": then}


@pytest.fixture
def road(workspace: Workspace, actor: Actor) -> Callable[..., Road]:
    """Publishes a journey of these steps."""

    def build(first: str, steps: dict[str, Any], **more: Any) -> Road:
        limit = more.pop("entries_a_day", 1_000)
        journey = drafts.create(
            actor, name="Road", draft=drawn(first, steps, **more), entries_a_day=limit, now=NOW
        )
        drafts.publish(actor, journey, now=NOW)
        journey.refresh_from_db()
        return Road(actor, journey, workspace)

    return build
