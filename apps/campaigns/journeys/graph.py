"""The graph of a journey, and what stands against one.

{"entries": [...], "reentry_days": None, "goals": [...], "stops_on_reply": True, "first": key, "steps": {key:
step}}. Each fault names the step it lies in; a graph without faults can be walked to its end from anywhere.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any
from uuid import UUID

from apps.campaigns.journeys import sources, steps, waits, wheres
from apps.campaigns.journeys.steps import END, KINDS

MOST_STEPS = 60
MOST_ENTRIES = 10
MOST_ARMS = 6
LONGEST_WAIT = timedelta(days=730)
# Less than that and a loop would turn faster than anybody can stop it.
SHORTEST_ROUND = timedelta(hours=1)
# Short enough for run, step and visit to name a message (Recipient.occurrence).
KEY = re.compile(r"^[a-z0-9][a-z0-9_-]{0,22}$")
EMPTY: dict[str, Any] = {
    "entries": [],
    "reentry_days": None,
    "goals": [],
    "stops_on_reply": True,
    "first": END,
    "steps": {},
}
WORDS = {"title": 120, "note": 600, "label": 120, "goal": 60, "trait": 60}


@dataclass(frozen=True)
class Fault:
    """step: its key, or entries, goals, journey."""

    step: str
    words: str

    def __str__(self) -> str:
        return f"{self.step}: {self.words}"


def faults(graph: Mapping[str, Any]) -> list[Fault]:
    """What stands against publishing it, as far as the graph itself can say."""
    shape = list(shape_faults(graph))
    if shape:
        return shape
    found = [*_of_entries(graph), *_of_goals(graph)]
    if graph["first"] not in graph["steps"]:
        words = "Say which step is the first." if graph["steps"] else "Add a first step."
        found.append(Fault("journey", words))
    for key, step in graph["steps"].items():
        found += [Fault(key, words) for words in _of_step(step)]
        found += [
            Fault(key, f"The way {steps.way_words(way)!r} leads to {target!r}, which is not there.")
            for way, target in _ways(step).items()
            if target != END and target not in graph["steps"]
        ]
    return found or list(_of_walk(graph))


def shape_faults(graph: Mapping[str, Any]) -> Iterator[Fault]:
    """What keeps it from being read at all."""
    if set(graph) != set(EMPTY):
        yield Fault("journey", f"It consists of {', '.join(EMPTY)}, and nothing else.")
        return
    for name in ("entries", "goals"):
        if not isinstance(graph[name], list) or not all(isinstance(one, dict) for one in graph[name]):
            yield Fault(name, "This is a list of objects.")
    days = graph["reentry_days"]
    if days is not None and not _is_whole(days, 0, 3650):
        yield Fault("journey", "reentry_days is null (never again), 0 (each time) or a number of days.")
    if not isinstance(graph["stops_on_reply"], bool):
        yield Fault("journey", "stops_on_reply is true or false.")
    if not isinstance(graph["steps"], dict) or len(graph["steps"]) > MOST_STEPS:
        yield Fault("journey", f"steps is an object of at most {MOST_STEPS} steps.")
        return
    yield from _of_keys(graph["steps"])
    if not isinstance(graph["first"], str):
        yield Fault("journey", "first is the key of a step.")


def _of_keys(given: Mapping[str, Any]) -> Iterator[Fault]:
    for key, step in given.items():
        kind = step.get("kind") if isinstance(step, dict) else None
        if not KEY.match(key):
            yield Fault(key[:40], "Name a step in up to 23 small letters, digits, hyphens and underscores.")
        elif not isinstance(kind, str) or kind not in KINDS:
            yield Fault(key, f"A step is one of: {', '.join(KINDS)}.")
        elif kind == "split" and not _are_arms(step.get("arms")):
            yield Fault(key, f"A split has 2 to {MOST_ARMS} arms, each with a key of its own.")


def _are_arms(arms: Any) -> bool:
    if not isinstance(arms, list) or not all(isinstance(one, dict) for one in arms):
        return False
    keys = [one.get("key") for one in arms]
    named = all(isinstance(key, str) and KEY.match(key) and len(key) <= 20 for key in keys)
    return named and len(set(keys)) == len(keys) and 2 <= len(keys) <= MOST_ARMS


def _ways(step: Mapping[str, Any]) -> dict[str, str]:
    """As they were typed in; what is no text leads nowhere."""
    return {way: to if isinstance(to, str) else "?" for way, to in steps.ways_of(step).items()}


def _of_entries(graph: Mapping[str, Any]) -> Iterator[Fault]:
    if not 1 <= len(graph["entries"]) <= MOST_ENTRIES:
        yield Fault("entries", f"Say what brings people in: 1 to {MOST_ENTRIES} ways.")
    for one in graph["entries"]:
        check = _ENTRIES.get(str(one.get("kind")))
        if check is None:
            yield Fault("entries", f"A way in is one of: {', '.join(_ENTRIES)}.")
        else:
            yield from (Fault("entries", words) for words in check(one))


def _of_goals(graph: Mapping[str, Any]) -> Iterator[Fault]:
    if len(graph["goals"]) > MOST_ENTRIES:
        yield Fault("goals", f"At most {MOST_ENTRIES}.")
    for one in graph["goals"]:
        yield from (Fault("goals", words) for words in _of_news(one))


def _of_news(one: Mapping[str, Any]) -> Iterator[str]:
    """A source with conditions on what it tells."""
    source = sources.get(str(one.get("source")))
    if source is None:
        yield f"Nothing is heard by the name {str(one.get('source'))[:80]!r}."
        return
    if not source.is_heard:
        yield f"{source.name}: there is no source of this yet."
    where = one.get("where", [])
    yield from wheres.faults(where, source.fields, source.values)
    if source.narrow and isinstance(where, list) and not narrowed(one, source.narrow):
        yield f"{source.name}: say of which {source.narrow}, since too many happen otherwise."


def narrowed(one: Mapping[str, Any], name: str) -> set[str]:
    """The values of a field that the conditions ask for, if they do."""
    return {
        str(condition.get("value"))
        for condition in one.get("where", [])
        if isinstance(condition, dict) and condition.get("field") == name and condition.get("test") == "is"
    }


def _of_audience(one: Mapping[str, Any]) -> Iterator[str]:
    if not _is_id(one.get("audience")):
        yield "Choose the audience by its id."
    if not isinstance(one.get("includes_present", False), bool):
        yield "includes_present is true or false."


def _of_day(one: Mapping[str, Any]) -> Iterator[str]:
    if not _is_text(one.get("trait"), WORDS["trait"]):
        yield "Name the trait that holds the date, such as wedding_date."
    if not _is_whole(one.get("days", 0), -3650, 3650):
        yield "days is a whole number from -3,650 to 3,650; below 0 is before the date."
    if not _is_whole(one.get("hour", 9), 0, 23):
        yield "hour is a whole number from 0 to 23."


_ENTRIES: dict[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "event": _of_news,
    "audience": _of_audience,
    "date": _of_day,
    "api": lambda one: iter(()),
}


def _of_step(step: Mapping[str, Any]) -> Iterator[str]:
    known = {"kind", "label", *_HOLDS.get(step["kind"], ()), *steps.KINDS[step["kind"]].ways.values()}
    if strange := sorted(set(step) - known):
        yield f"{', '.join(strange)[:80]} means nothing here. There are {', '.join(sorted(known))}."
    yield from _STEPS[step["kind"]](step)


def _of_message(step: Mapping[str, Any]) -> Iterator[str]:
    if not _is_id(step.get("campaign")):
        yield "Choose the campaign whose message is sent."


def _of_wait(step: Mapping[str, Any]) -> Iterator[str]:
    if not all(_is_whole(step.get(name) or 0, 0, 100_000) for name in waits.LENGTHS):
        yield "days, hours and minutes are whole numbers from 0 to 100,000."
    elif not timedelta(minutes=1) <= waits.length_of(step) <= LONGEST_WAIT:
        yield f"Wait for at least a minute, and at most {LONGEST_WAIT.days} days."


def _of_hour(step: Mapping[str, Any]) -> Iterator[str]:
    if not _is_whole(step.get("hour"), 0, 23):
        yield "hour is a whole number from 0 to 23."
    if step.get("weekday") is not None and not _is_whole(step["weekday"], 0, 6):
        yield "weekday is 0 (Monday) to 6 (Sunday), or null for any."


def _of_waited_event(step: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_news(step)
    yield from _of_wait(step)


def _of_condition(step: Mapping[str, Any]) -> Iterator[str]:
    asks = [name for name in ("rules", "where") if step.get(name)]
    if len(asks) != 1:
        yield "Ask either by rules (of the person) or by where (of what brought them in)."
    elif asks == ["where"]:
        yield from wheres.faults(step["where"], ())
    elif not isinstance(step["rules"], dict):
        yield "rules is a tree as audiences have it."


def _of_split(step: Mapping[str, Any]) -> Iterator[str]:
    shares = [arm.get("share") for arm in step["arms"]]
    if not all(
        isinstance(one, int | float) and not isinstance(one, bool) and 0 < one < 1e6 for one in shares
    ):
        yield "Each arm needs a share above 0."
    if not _is_text(step.get("goal", ""), WORDS["goal"], may_be_empty=True):
        yield "goal is a conversion type, or empty for any."


def _of_task(step: Mapping[str, Any]) -> Iterator[str]:
    if not _is_text(step.get("title"), WORDS["title"]):
        yield "Say in a few words what is to be done."
    if not _is_text(step.get("note", ""), WORDS["note"], may_be_empty=True):
        yield f"The note has at most {WORDS['note']} characters."
    if not _is_whole(step.get("due_days", 1), 0, 365):
        yield "due_days is a whole number from 0 to 365."


def _of_tag(step: Mapping[str, Any]) -> Iterator[str]:
    if not _is_text(step.get("trait"), WORDS["trait"]):
        yield "Name the trait."
    if not isinstance(step.get("value"), str | int | float | None) or len(str(step.get("value"))) > 200:
        yield "value is a text of at most 200 characters, a number, true or false, or null to take it away."


def _of_words(step: Mapping[str, Any]) -> Iterator[str]:
    if not _is_text(step.get("label", ""), WORDS["label"], may_be_empty=True):
        yield f"label has at most {WORDS['label']} characters."


# What a step may hold beside its kind, its ways and a label. experiment: written when it is published.
_HOLDS = {
    "message": ("campaign",),
    "wait": waits.LENGTHS,
    "wait_hour": ("hour", "weekday"),
    "wait_date": ("trait", "days", "hour"),
    "wait_event": ("source", "where", *waits.LENGTHS),
    "condition": ("rules", "where"),
    "split": ("arms", "goal", "experiment"),
    "task": ("title", "note", "due_days"),
    "tag": ("trait", "value"),
}
_STEPS: dict[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "message": _of_message,
    "wait": _of_wait,
    "wait_hour": _of_hour,
    "wait_date": _of_day,
    "wait_event": _of_waited_event,
    "condition": _of_condition,
    "split": _of_split,
    "task": _of_task,
    "tag": _of_tag,
    "webhook": _of_words,
    "exit": _of_words,
}


def _of_walk(graph: Mapping[str, Any]) -> Iterator[Fault]:
    """Every step can be reached, every path ends, and no loop turns without a pause."""
    given = graph["steps"]
    reached = reachable(graph, graph["first"])
    yield from (Fault(key, "No way leads to this step.") for key in given if key not in reached)
    for key in given:
        if key in reached and END not in {
            to for one in reachable(graph, key) for to in steps.ways_of(given[one]).values() or [END]
        }:
            yield Fault(key, "From here no way leads to the end of the journey.")
    in_haste = {
        key: [to for to in steps.ways_of(step).values() if to != END]
        for key, step in given.items()
        if not _takes_its_time(step)
    }
    try:
        TopologicalSorter(in_haste).prepare()
    except CycleError as error:
        loop = error.args[1]
        yield Fault(
            loop[0],
            f"The loop {' → '.join(reversed(loop))} has no wait of at least an hour: people would go round "
            "and round.",
        )


def _takes_its_time(step: Mapping[str, Any]) -> bool:
    """Only a length of time always passes; a date may be over, an event may have happened."""
    return step["kind"] == "wait" and waits.length_of(step) >= SHORTEST_ROUND


def reachable(graph: Mapping[str, Any], start: str) -> set[str]:
    """The steps that a person at `start` may come to, itself among them."""
    found, open_ends = set(), [start]
    while open_ends:
        key = open_ends.pop()
        if key != END and key not in found:
            found.add(key)
            open_ends += steps.ways_of(graph["steps"][key]).values()
    return found


def listened_to(graph: Mapping[str, Any]) -> list[str]:
    """The sources whose news it needs: of ways in, goals, waits, replies, and no to its messages."""
    found = {one["source"] for one in [*graph["entries"], *graph["goals"]] if "source" in one}
    found |= {step["source"] for step in graph["steps"].values() if step["kind"] == "wait_event"}
    if any(step["kind"] == "message" for step in graph["steps"].values()):
        found |= {sources.UNSUBSCRIBED, sources.CONSENT_WITHDRAWN}
        found |= {sources.REPLIED} if graph["stops_on_reply"] else set()
    return sorted(found)


def _is_text(value: Any, most: int, *, may_be_empty: bool = False) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= most
        and "\x00" not in value
        and (may_be_empty or value != "")
    )


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False
