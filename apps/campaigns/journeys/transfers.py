"""Moving people in flight from one version to another, by a rule that says where each step's people go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count

from apps.accounts import audit, scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.permissions import Actor, require
from apps.campaigns.journeys import counts, drafts, leaving
from apps.campaigns.journeys.steps import KINDS
from apps.campaigns.journeys.travellers import Outcome
from apps.campaigns.models import Journey, JourneyRun, JourneyVersion

MOVED = "moved"
# A wait that is the same in both goes on; whatever else they come to is taken up as if they had just arrived.
TRANSFER = """
    WITH chosen AS (
        SELECT r.id FROM campaigns_journeyrun AS r
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.journey_id = %(journey)s AND r.is_open
          AND r.version = %(was)s AND r.step = %(step)s
        ORDER BY r.id FOR NO KEY UPDATE
    ), moved AS (
        UPDATE campaigns_journeyrun AS r
        SET version = %(version)s, step = %(to)s, moves = r.moves + 1,
            until = CASE WHEN %(waits_on)s THEN r.until END,
            clock = CASE WHEN %(waits_on)s THEN r.clock ELSE %(now)s END,
            due_at = CASE WHEN %(waits_on)s THEN r.due_at ELSE %(now)s END
        FROM chosen WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = chosen.id
        RETURNING r.id, r.moves
    ), noted AS (
        INSERT INTO campaigns_journeymove
            (workspace_id, run_id, journey_id, version, number, step, way, because, at)
        SELECT %(workspace)s, id, %(journey)s, %(was)s, moves, %(step)s, 'moved', '', %(now)s FROM moved
    )
    SELECT count(*) FROM moved
"""


@dataclass(frozen=True)
class Line:
    """People who stand at a step of the old version. to: a step of the new one; empty: they leave."""

    step: str
    people: int
    to: str
    waits_on: bool


def preview(journey: Journey, *, was: int, to: int, rule: Mapping[str, str]) -> list[Line]:
    """What moving them would do. rule: old step → new step, empty to leave; a step that is there under the
    same key and of the same kind needs no word. Raises Invalid, NotHere.
    """
    old, new = _steps(journey, was), _steps(journey, to)
    standing = dict(
        JourneyRun.objects.filter(journey=journey, version=was, is_open=True)
        .values_list("step")
        .annotate(people=Count("pk"))
    )
    places = {step: _place(step, old, new, rule) for step in sorted({*standing, *rule})}
    if lost := [step for step, place in places.items() if place is None or (place and place not in new)]:
        words = {
            step: ["Say which step of the new version its people go to, or leave it empty: they leave."]
            for step in lost
        }
        raise Invalid(words, "The rule does not say where everybody goes.")
    return [
        Line(
            step=step,
            people=standing.get(step, 0),
            to=place or "",
            waits_on=bool(place)
            and KINDS[old[step]["kind"]].is_wait
            and _alike(old[step], new[place or step]),
        )
        for step, place in places.items()
        if step in old
    ]


def _place(step: str, old: Mapping[str, Any], new: Mapping[str, Any], rule: Mapping[str, str]) -> str | None:
    if step in rule:
        return rule[step]
    is_same = step in new and step in old and new[step]["kind"] == old[step]["kind"]
    return step if is_same else None


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two waits wait for the same; where they lead on to does not matter."""
    leads = {"next", "missing", "otherwise"}
    return {k: v for k, v in one.items() if k not in leads} == {
        k: v for k, v in other.items() if k not in leads
    }


def _steps(journey: Journey, number: int) -> dict[str, Any]:
    version = JourneyVersion.objects.filter(journey=journey, number=number).first()
    if version is None:
        raise NotHere(f"There is no version {number} of this journey.")
    found: dict[str, Any] = version.graph["steps"]
    return found


@transaction.atomic
def transfer(
    actor: Actor, journey: Journey, *, was: int, to: int, rule: Mapping[str, str], now: datetime
) -> list[Line]:
    """Move them. Nobody is moved by a step meanwhile. Needs campaigns:send. Audited with the rule."""
    require(actor, "campaigns:send")
    if was == to:
        raise Invalid({"to": ["They are on that version already."]})
    held = drafts.lock(journey)
    lines = preview(held, was=was, to=to, rule=rule)
    for line in lines:
        if line.to:
            _move(held, line, was, to, now)
        else:
            standing = JourneyRun.objects.filter(journey=held, version=was, step=line.step, is_open=True)
            leaving.leave_all(standing, Outcome.MOVED_OUT, now=now)
    after = {"was": was, "to": to, "rule": dict(rule), "people": sum(line.people for line in lines)}
    audit.record(actor, "journey.people_moved", held, now=now, after=after)
    return lines


def _move(journey: Journey, line: Line, was: int, to: int, now: datetime) -> None:
    given: dict[str, Any] = {
        "workspace": scoping.current_id(),
        "journey": journey.pk,
        "was": was,
        "version": to,
        "step": line.step,
        "to": line.to,
        "waits_on": line.waits_on,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(TRANSFER, given)
        people = cursor.fetchone()[0]
    counts.add(journey.pk, {(was, line.step, MOVED): people} if people else {})
