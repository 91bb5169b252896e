"""How a journey does: who waits where, how often each way was taken, and what became of people."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from apps.campaigns.journeys import counts
from apps.campaigns.journeys.entering import ENTER
from apps.campaigns.journeys.travellers import LEAVE, Outcome
from apps.campaigns.models import Journey, JourneyMove, JourneyRun, JourneyVersion


@dataclass(frozen=True)
class Figures:
    """standing: step → people there now. ways: (step, way) → how often it was taken. left: outcome → people.
    in_flight, entered: over the versions asked for.
    """

    standing: dict[str, int]
    ways: dict[tuple[str, str], int]
    left: dict[str, int]
    entered: int

    @property
    def in_flight(self) -> int:
        return sum(self.standing.values())


def of(journey: Journey, *, version: int | None = None) -> Figures:
    """Of one version, or of all of them."""
    runs = JourneyRun.objects.filter(journey=journey, is_open=True)
    if version is not None:
        runs = runs.filter(version=version)
    ways: dict[tuple[str, str], int] = {}
    left: dict[str, int] = {}
    for (_, step, way), moves in counts.of(journey.pk, version=version).items():
        ways[step, way] = ways.get((step, way), 0) + moves
        if way.startswith(LEAVE):
            outcome = way.removeprefix(LEAVE)
            left[outcome] = left.get(outcome, 0) + moves
    return Figures(
        standing=dict(runs.values_list("step").annotate(people=Count("pk"))),
        ways=ways,
        left=left,
        entered=ways.get(("", ENTER), 0),
    )


def versions(journey: Journey) -> list[dict[str, Any]]:
    """Newest first, with who is on each."""
    on_it = dict(
        JourneyRun.objects.filter(journey=journey, is_open=True)
        .values_list("version")
        .annotate(people=Count("pk"))
    )
    rows = JourneyVersion.objects.filter(journey=journey).order_by("-number")
    return [
        {
            "number": row.number,
            "published_at": row.published_at,
            "published_by": row.published_by,
            "in_flight": on_it.get(row.number, 0),
            "graph": row.graph,
        }
        for row in rows
    ]


def standing_at(journey: Journey, *, step: str, version: int | None = None) -> QuerySet[JourneyRun]:
    """Who is at a step now; at any, where it is empty."""
    found = JourneyRun.objects.filter(journey=journey, is_open=True).select_related("person")
    found = found.filter(step=step) if step else found
    return found if version is None else found.filter(version=version)


def took(journey: Journey, *, step: str, way: str, version: int | None = None) -> QuerySet[JourneyMove]:
    """The moves behind a number in the picture."""
    found = JourneyMove.objects.filter(journey=journey, step=step, way=way).select_related("run__person")
    return found if version is None else found.filter(version=version)


def outcome_words(outcome: str) -> str:
    return str(Outcome(outcome).label)
