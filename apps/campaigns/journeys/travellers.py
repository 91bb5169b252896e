"""Somebody in flight while a batch has them: where they are, what was heard, and what becomes of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apps.accounts.models import Person
from apps.campaigns.delivery import Asked
from apps.campaigns.journeys import sources, waits, wheres
from apps.campaigns.journeys.hearing import GRACE
from apps.campaigns.journeys.steps import KINDS, THEN
from apps.campaigns.models import JourneyNews, JourneyRun

# A wait that ended up to so long ago ends when it should have; later, it ends now: after a pause nobody gets
# in a minute what was meant for a week.
LATE = timedelta(minutes=5)
# A date may be changed while somebody waits for it, to an earlier one as well.
LOOKS_AGAIN = timedelta(days=1)
MOST_MOVES = 1_000
LEAVE = "leave:"
Outcome = JourneyRun.Outcome


@dataclass
class Move:
    step: str
    way: str
    at: datetime
    number: int
    because: str = ""


@dataclass
class Traveller:
    """graph: of the run's version. news: by when it happened. asked: messages, not enqueued yet."""

    run: JourneyRun
    graph: dict[str, Any]
    person: Person
    zone: ZoneInfo
    news: list[JourneyNews] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    outcome: str = ""
    because: str = ""

    @property
    def step(self) -> dict[str, Any]:
        found: dict[str, Any] = self.graph["steps"][self.run.step]
        return found

    @property
    def is_waiting(self) -> bool:
        return KINDS[self.step["kind"]].is_wait

    @property
    def visit(self) -> str:
        """Names this visit of this step, the same whoever asks how often."""
        return f"{self.run.pk}-{self.run.step}-{self.run.moves}"

    def leave(self, outcome: str, *, at: datetime) -> None:
        self.outcome = outcome
        self._note(LEAVE + outcome, at)
        self.run.is_open, self.run.outcome, self.run.left_at = False, outcome, at
        self.run.until = None

    def go(self, way: str, target: str, *, now: datetime) -> None:
        """Take a way out; the clock of the run says when."""
        self._note(way, self.run.clock)
        if not target:
            self.leave(Outcome.FINISHED, at=self.run.clock)
        elif self.run.moves > MOST_MOVES:
            self.run.trouble = f"More than {MOST_MOVES:,} moves: it seems to go round and round."
            self.leave(Outcome.FAILED, at=self.run.clock)
        else:
            self.run.step, self.run.until, self.run.due_at = target, None, now

    def _note(self, way: str, at: datetime) -> None:
        self.run.moves += 1
        self.moves.append(Move(self.run.step, way, at, self.run.moves, self.because))
        self.because = ""

    # Waiting

    def begin_wait(self, *, now: datetime) -> str | None:
        """Say until when; the way out where there is nothing to wait for."""
        until = self._until(self.run.clock)
        if until is None or (self.step["kind"] == "wait_date" and until <= self.run.clock):
            return "missing"
        self.run.until = until
        self.look_later(now=now)
        return None

    def look_later(self, *, now: datetime) -> None:
        """Have the run found again once there is something to decide."""
        first = self.wait_over()[0]
        if stop := self.stop():
            first = min(first, stop[0])
        self.run.due_at = first + GRACE
        if self.step["kind"] == "wait_date":
            self.run.due_at = min(self.run.due_at, now + LOOKS_AGAIN)

    def wait_over(self) -> tuple[datetime, str]:
        """When the wait ends as far as is known, and by which way."""
        until = self.run.until or self.run.clock
        if self.step["kind"] != "wait_event":
            return until, THEN
        for one in self.news:
            if self.run.clock <= one.occurred_at < until and _fits(self.step, one):
                return one.occurred_at, THEN
        return until, "otherwise"

    def read_date_again(self) -> bool:
        """For a wait for a date: whether there still is one."""
        self.run.until = self._until(self.run.clock)
        return self.run.until is not None

    def _until(self, since: datetime) -> datetime | None:
        step = self.step
        if step["kind"] == "wait_hour":
            return waits.next_hour(since, step["hour"], step.get("weekday"), self.zone)
        if step["kind"] == "wait_date":
            value = self.person.traits.get(step["trait"])
            return waits.of_date(value, step.get("days", 0), step.get("hour", 9), self.zone)
        return since + waits.length_of(step)

    # What ends the journey

    def stop(self) -> tuple[datetime, str] | None:
        """The first thing that was heard and ends it, with the outcome that it is."""
        for one in self.news:
            if outcome := self._ends_it(one):
                return one.occurred_at, outcome
        return None

    def _ends_it(self, one: JourneyNews) -> str:
        if any(_fits(goal, one) for goal in self.graph["goals"]):
            return Outcome.GOAL
        is_ours = one.facts.get("campaign_id") in self.graph["campaigns"]
        if one.source == sources.REPLIED and self.graph["stops_on_reply"] and is_ours:
            return Outcome.REPLIED
        if one.source == sources.UNSUBSCRIBED and is_ours:
            return Outcome.UNSUBSCRIBED
        is_topic = one.facts.get("purpose") in self.graph["topics"]
        return Outcome.UNSUBSCRIBED if one.source == sources.CONSENT_WITHDRAWN and is_topic else ""


def _fits(asked: dict[str, Any], one: JourneyNews) -> bool:
    return asked["source"] == one.source and wheres.holds(asked.get("where", []), one.facts)


def counted_from(moment: datetime, *, now: datetime) -> datetime:
    """What a run's clock says once a wait that ended at that moment is taken up."""
    return moment if now - moment <= LATE else now
