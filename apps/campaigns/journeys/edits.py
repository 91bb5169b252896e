"""Small changes of a draft: a step put in, changed, taken out. Each answers a draft of its own."""

import copy
from typing import Any

from apps.accounts.errors import Invalid, NotHere
from apps.campaigns.journeys import graph, steps
from apps.campaigns.journeys.steps import END

Draft = dict[str, Any]


def put_in(draft: Draft, step: dict[str, Any], *, after: str, way: str) -> tuple[Draft, str]:
    """The step by this way out of another (after: empty, as the first); what came there comes next.

    Answers the draft and the step's key. Raises NotHere, Invalid.
    """
    found = copy.deepcopy(draft)
    if len(found["steps"]) >= graph.MOST_STEPS:
        raise Invalid({"steps": [f"A journey has at most {graph.MOST_STEPS} steps."]})
    key, made = _free_key(found, step["kind"]), copy.deepcopy(step)
    if after:
        before = _step(found, after)
        ways = steps.ways_of(before)
        if way not in ways:
            raise NotHere("There is no such way out of the step any more.")
        target = ways[way]
        steps.lead(before, way, key)
    else:
        target, found["first"] = found["first"], key
    if own := list(steps.ways_of(made)):
        steps.lead(made, own[0], target)
    found["steps"][key] = made
    return found, key


def change(draft: Draft, key: str, step: dict[str, Any]) -> Draft:
    """Another step in its place. Raises NotHere."""
    found = copy.deepcopy(draft)
    _step(found, key)
    found["steps"][key] = copy.deepcopy(step)
    return _pruned(found)


def take_out(draft: Draft, key: str) -> Draft:
    """Whatever led there leads where its first way did; what cannot be reached any more goes too."""
    found = copy.deepcopy(draft)
    gone = _step(found, key)
    target = next(iter(steps.ways_of(gone).values()), END)
    target = END if target == key else target
    for step in found["steps"].values():
        for way, to in steps.ways_of(step).items():
            if to == key:
                steps.lead(step, way, target)
    if found["first"] == key:
        found["first"] = target
    del found["steps"][key]
    return _pruned(found)


def _pruned(found: Draft) -> Draft:
    targets = {to for step in found["steps"].values() for to in steps.ways_of(step).values()}
    if found["first"] in found["steps"] and targets <= {*found["steps"], END}:
        kept = graph.reachable(found, found["first"])
        found["steps"] = {key: step for key, step in found["steps"].items() if key in kept}
    return found


def _step(draft: Draft, key: str) -> dict[str, Any]:
    if key not in draft["steps"]:
        raise NotHere("There is no such step in this journey any more.")
    found: dict[str, Any] = draft["steps"][key]
    return found


def _free_key(draft: Draft, kind: str) -> str:
    number = 1
    while f"{kind}-{number}" in draft["steps"]:
        number += 1
    return f"{kind}-{number}"
