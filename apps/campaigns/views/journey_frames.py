"""What the pages of journeys show: the picture with its numbers and links, and the same as rows."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.urls import reverse

from apps.accounts.errors import DomainError
from apps.accounts.figures import number
from apps.campaigns.journeys import drafts, figures, picture, steps, transfers, wording
from apps.campaigns.journeys.entering import ENTER
from apps.campaigns.journeys.figures import Figures
from apps.campaigns.journeys.steps import END, KINDS
from apps.campaigns.journeys.travellers import LEAVE
from apps.campaigns.models import Journey, JourneyRun, JourneyVersion

# Characters that fit into a box of the picture, by line.
FITS = 25


def picture_of(
    found: Journey, graph: Mapping[str, Any], told: Figures, *, version: int
) -> dict[str, Any] | None:
    """Boxes and lines, each with its number and where that leads; None for a graph without a step."""
    if graph["first"] not in graph["steps"]:
        return None
    drawn, names = picture.draw(graph), wording.names_in(graph)
    ended = {
        f"{key}|{way}": told.ways.get((key, way), 0)
        for key, step in graph["steps"].items()
        for way in steps.ways_of(step)
    }
    boxes = []
    for place in drawn.places:
        step = graph["steps"].get(place.key)
        words = wording.step_words(step, names) if step else ""
        boxes.append(
            {
                "place": place,
                "words": words,
                "lines": _fitted(words),
                "kind": KINDS[step["kind"]].name if step else "",
                "is_wait": bool(step) and KINDS[step["kind"]].is_wait,
                "standing": told.standing.get(place.key, 0),
                "href": _people(found, version, step=place.key),
                "text_x": round(place.left + 12),
                "ended": ended.get(place.key, 0),
            }
        )
    lines = [
        {
            "line": line,
            "words": "" if line.way in (ENTER, steps.THEN) else steps.way_words(line.way),
            "moves": number(told.ways.get((line.step, line.way), 0)),
            "href": _people(found, version, step=line.step, way=line.way),
        }
        for line in drawn.lines
    ]
    return {"drawn": drawn, "boxes": boxes, "lines": lines}


def _fitted(words: str) -> list[str]:
    """At most two lines of what a box has room for."""
    first: list[str] = []
    rest = words.split()
    while rest and len(" ".join([*first, rest[0]])) <= FITS:
        first.append(rest.pop(0))
    second = " ".join(rest)
    if not first:
        return [words[: FITS - 1] + "…"]
    return [
        " ".join(first),
        *([second if len(second) <= FITS else second[: FITS - 1] + "…"] if second else []),
    ]


def _people(found: Journey, version: int, **asked: str) -> str:
    query = urlencode({**asked, "version": version})
    return f"{reverse('campaigns:journey-people', args=[found.public_id])}?{query}"


def rows_of(found: Journey, graph: Mapping[str, Any], told: Figures, *, version: int) -> list[dict[str, Any]]:
    """The same numbers as the picture's, step by step in the order in which one comes to them."""
    names = wording.names_in(graph)
    rows = []
    for key in in_order(graph):
        step = graph["steps"][key]
        ways = [
            {
                "words": steps.way_words(way),
                "moves": told.ways.get((key, way), 0),
                "href": _people(found, version, step=key, way=way),
                "to": wording.step_words(graph["steps"][to], names) if to in graph["steps"] else "the end",
            }
            for way, to in steps.ways_of(step).items()
        ]
        left = [
            {
                "words": figures.outcome_words(way.removeprefix(LEAVE)),
                "moves": moves,
                "href": _people(found, version, step=key, way=way),
            }
            for (at, way), moves in sorted(told.ways.items())
            if at == key and way.startswith(LEAVE) and way != f"{LEAVE}finished"
        ]
        rows.append(
            {
                "key": key,
                "words": wording.step_words(step, names),
                "standing": told.standing.get(key, 0),
                "href": _people(found, version, step=key),
                "ways": ways,
                "left": left,
            }
        )
    return rows


def in_order(graph: Mapping[str, Any]) -> list[str]:
    """Steps as one comes to them, then those that nothing leads to."""
    found: list[str] = []
    ahead = [graph["first"]]
    while ahead:
        key = ahead.pop(0)
        if key in graph["steps"] and key not in found:
            found.append(key)
            ahead += [to for to in steps.ways_of(graph["steps"][key]).values() if to != END]
    return [*found, *(key for key in graph["steps"] if key not in found)]


def outcomes_of(found: Journey, told: Figures) -> list[dict[str, Any]]:
    return [
        {"words": figures.outcome_words(outcome), "people": people, "key": outcome}
        for outcome, people in sorted(told.left.items(), key=lambda pair: -pair[1])
    ]


def ways_in(graph: Mapping[str, Any]) -> list[str]:
    names = wording.names_in(graph)
    return [wording.entry_words(entry, names) for entry in graph["entries"]]


def way_words(way: str) -> str:
    if way.startswith(LEAVE):
        return figures.outcome_words(way.removeprefix(LEAVE)) if _is_outcome(way) else way
    return {ENTER: "entered", transfers.MOVED: "moved to another version"}.get(way, steps.way_words(way))


def _is_outcome(way: str) -> bool:
    return way.removeprefix(LEAVE) in JourneyRun.Outcome.values


def transfer_of(found: Journey, was: int, asked: Mapping[str, str]) -> dict[str, Any]:
    """The rule as it was filled in, with a line for each step where somebody stands, and what is missing."""
    old = JourneyVersion.objects.filter(journey=found, number=was).first()
    new = JourneyVersion.objects.filter(journey=found, number=found.live).first()
    if old is None or new is None or was == found.live:
        raise drafts.NotNow("Choose a version that people are on, and that is not the live one.")
    standing = dict(
        JourneyRun.objects.filter(journey=found, version=was, is_open=True)
        .values_list("step")
        .annotate(people=Count("pk"))
    )
    rule = {step: asked[f"to_{step}"] for step in standing if f"to_{step}" in asked}
    try:
        lines, fault = transfers.preview(found, was=was, to=found.live, rule=rule), ""
    except DomainError as error:
        lines, fault = None, error.detail
    names = wording.names_in(new.graph)
    choices = [(key, wording.step_words(step, names)) for key, step in new.graph["steps"].items()]
    places = {line.step: line.to for line in lines or []}
    rows = [
        {
            "step": step,
            "words": wording.step_words(old.graph["steps"][step], wording.names_in(old.graph)),
            "people": count,
            "to": rule.get(step, places.get(step, step if step in new.graph["steps"] else "")),
        }
        for step, count in sorted(standing.items())
    ]
    return {"lines": lines, "fault": fault, "rule": rule, "rows": rows, "choices": choices}
