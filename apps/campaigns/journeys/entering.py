"""Letting people in: each cause once, nobody twice at a time, as often as the journey says, and no more a day
than its limit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Coalesce

from apps.accounts.models import Person, Workspace
from apps.campaigns import flags
from apps.campaigns.journeys import counts
from apps.campaigns.journeys.graph import SHORTEST_ROUND
from apps.campaigns.journeys.sources import Happening
from apps.campaigns.models import Journey, JourneyMove, JourneyRun, JourneyVersion

# What happened longer ago brings nobody in: a file of old orders is no news.
FRESH = timedelta(days=7)
ENTER = "enter"


@dataclass
class Let:
    """in_: person → run. refused: person → why: known, in_flight, too_soon, over_limit, gone, too_old,
    own_end, switched_off.
    """

    in_: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


@transaction.atomic
def enter(
    journey_id: int,
    happenings: Sequence[Happening],
    *,
    now: datetime,
    is_asked: bool = False,
    is_of_journeys: bool = False,
) -> Let:
    """Let in whom these happenings bring. Locks the journey against other entries, not against moves.

    is_asked: a person or a program asks for it, so that when it happened does not matter. is_of_journeys:
    a journey's end brings them, so that nobody goes round and round: a journey's own end brings nobody into
    it, and that of another nobody within SHORTEST_ROUND.
    """
    journey = Journey.objects.select_for_update(no_key=True).get(pk=journey_id)
    let = Let()
    if journey.state != Journey.State.LIVE or not happenings:
        return let
    if not flags.is_on(flags.JOURNEYS, journey.workspace_id):
        let.refused = dict.fromkeys((one.person_id for one in happenings), "switched_off")
        return let
    version = JourneyVersion.objects.get(journey=journey, number=journey.live)
    found = _one_each(happenings, let)
    if not is_asked:
        since = max(journey.live_since or now, now - FRESH)
        _keep(found, let, "too_old", lambda one: one.occurred_at >= since)
    if is_of_journeys:
        _keep(found, let, "own_end", lambda one: one.facts.get("journey_id") != str(journey.public_id))
    pause = SHORTEST_ROUND if is_of_journeys else timedelta(0)
    _refuse_by_past(journey, version.graph["reentry_days"], found, let, now, pause=pause)
    room = _room(journey, now)
    for person in list(found)[room:]:
        del found[person]
        let.refused[person] = "over_limit"
    journey.entered_today += len(found)
    journey.turned_away_today += sum(why == "over_limit" for why in let.refused.values())
    journey.save(update_fields=["entered_on", "entered_today", "turned_away_today"])
    let.in_ = _begin(journey, version, list(found.values()), now)
    return let


def _one_each(happenings: Sequence[Happening], let: Let) -> dict[int, Happening]:
    """Survivor → the first of what happened to them."""
    asked = {one.person_id for one in happenings}
    rows = Person.objects.filter(pk__in=asked).annotate(root=Coalesce("merged_into_id", "pk"))
    roots = dict(rows.values_list("pk", "root"))
    alive = set(
        Person.objects.filter(pk__in=set(roots.values()), erased_at=None).values_list("pk", flat=True)
    )
    found: dict[int, Happening] = {}
    for one in sorted(happenings, key=lambda one: (one.occurred_at, one.cause)):
        root = roots.get(one.person_id)
        if root not in alive:
            let.refused[one.person_id] = "gone"
        elif root is not None and root not in found:
            found[root] = Happening(
                person_id=root, cause=one.cause[:120], occurred_at=one.occurred_at, facts=one.facts
            )
    return found


def _keep(found: dict[int, Happening], let: Let, why: str, is_good: Callable[[Happening], bool]) -> None:
    for person in [person for person, one in found.items() if not is_good(one)]:
        del found[person]
        let.refused[person] = why


def _refuse_by_past(
    journey: Journey,
    reentry_days: int | None,
    found: dict[int, Happening],
    let: Let,
    now: datetime,
    *,
    pause: timedelta,
) -> None:
    past = JourneyRun.objects.filter(journey=journey, person__in=list(found))
    causes = set(past.values_list("person_id", "cause"))
    _keep(found, let, "known", lambda one: (one.person_id, one.cause) not in causes)
    in_flight = set(past.filter(is_open=True).values_list("person_id", flat=True))
    _keep(found, let, "in_flight", lambda one: one.person_id not in in_flight)
    last = dict(past.values("person_id").annotate(last=Max("entered_at")).values_list("person_id", "last"))
    _keep(found, let, "too_soon", lambda one: _may_again(last.get(one.person_id), reentry_days, pause, now))


def _may_again(last: datetime | None, reentry_days: int | None, pause: timedelta, now: datetime) -> bool:
    if last is None:
        return True
    return reentry_days is not None and now >= last + max(pause, timedelta(days=reentry_days))


def _room(journey: Journey, now: datetime) -> int:
    """How many may still enter today; opens a new day on the locked row."""
    zone = Workspace.objects.get(pk=journey.workspace_id).zone
    today = now.astimezone(zone).date()
    if journey.entered_on != today:
        journey.entered_on, journey.entered_today, journey.turned_away_today = today, 0, 0
    return max(0, journey.entries_a_day - journey.entered_today)


def _begin(
    journey: Journey, version: JourneyVersion, chosen: list[Happening], now: datetime
) -> dict[int, int]:
    """The runs, each with its first move, due at once."""
    ours: dict[str, Any] = {"workspace_id": journey.workspace_id, "journey_id": journey.pk}
    runs = JourneyRun.objects.bulk_create(
        [
            JourneyRun(
                **ours,
                version=version.number,
                person_id=one.person_id,
                cause=one.cause,
                step=version.graph["first"],
                clock=now,
                due_at=now,
                moves=1,
                facts=one.facts,
                entered_at=now,
            )
            for one in chosen
        ],
        batch_size=1_000,
    )
    JourneyMove.objects.bulk_create(
        [
            JourneyMove(**ours, run_id=run.pk, version=run.version, number=1, step="", way=ENTER, at=now)
            for run in runs
        ],
        batch_size=1_000,
    )
    counts.add(journey.pk, {(version.number, "", ENTER): len(runs)} if runs else {})
    return {run.person_id: run.pk for run in runs}


def entered_today(journey: Journey, *, now: datetime) -> int:
    """As the journey's row says, for the day that it is."""
    zone = Workspace.objects.get(pk=journey.workspace_id).zone
    return journey.entered_today if journey.entered_on == now.astimezone(zone).date() else 0
