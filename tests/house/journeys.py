"""Journeys for the tests of every route."""

from collections.abc import Callable
from typing import Any

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.campaigns.journeys import drafts, graph, switches
from apps.campaigns.models import Journey, JourneyTask
from tests.factories import NOW
from tests.house.rows import row_of

STEPS = {"wait": {"kind": "wait", "days": 2, "next": ""}}
DRAFT = graph.EMPTY | {"entries": [{"kind": "api"}], "first": "wait", "steps": STEPS}
GOAL = {"source": "conversion.recorded", "where": []}
_PAGES, _API = "campaigns", "marketing-api"


def _journey(state: str, **more: Any) -> Callable[[Workspace], dict[str, Any]]:
    """A journey in that state; the more names other parts of it."""

    def build(workspace: Workspace) -> dict[str, Any]:
        actor = system(workspace.pk)
        with scoping.workspace(workspace):
            made = drafts.create(actor, name="Road", draft=DRAFT | {"goals": [GOAL]}, now=NOW)
            if state != Journey.State.DRAFT:
                drafts.publish(actor, made, now=NOW)
                drafts.publish(actor, made, now=NOW)
            if state == Journey.State.PAUSED:
                switches.pause(actor, made, now=NOW)
            return {"journey_id": made.public_id, **more}

    return build


def _task(workspace: Workspace) -> dict[str, Any]:
    return {"task_id": row_of(JourneyTask, workspace).public_id}


OBJECTS: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    f"{_PAGES}:journey-task-settle": _task,
    f"{_API}:journey-task": _task,
    **{f"{_PAGES}:journey{part}": _journey("live") for part in ("", "-pause", "-stop", "-people", "-move")},
    **{
        f"{_PAGES}:journey{part}": _journey("draft") for part in ("-publish", "-edit", "-delete", "-add-step")
    },
    f"{_PAGES}:journey-resume": _journey("paused"),
    f"{_PAGES}:journey-step": _journey("draft", key="wait"),
    f"{_PAGES}:journey-remove-step": _journey("draft", key="wait"),
    f"{_PAGES}:journey-add-entry": _journey("draft", kind="goal"),
    f"{_PAGES}:journey-remove-entry": _journey("draft", kind="goals", place=0),
    **{
        f"{_API}:journey{part}": _journey("live")
        for part in ("-pause", "-stop", "-enter", "-stats", "-versions", "-move")
    },
    **{f"{_API}:journey{part}": _journey("draft") for part in ("", "-checks", "-publish")},
    f"{_API}:journey-resume": _journey("paused"),
}
# (method, route) to a body that is accepted.
BODIES: dict[tuple[str, str], Any] = {
    ("post", f"{_API}:journeys"): {
        "name": "Road",
        "pattern": "welcome",
        "draft": DRAFT,
        "entries_a_day": 100,
    },
    ("patch", f"{_API}:journey"): {"name": "Road", "draft": DRAFT, "entries_a_day": 100, "revision": 1},
    ("delete", f"{_API}:journey"): None,
    ("post", f"{_API}:journey-publish"): None,
    ("post", f"{_API}:journey-pause"): {"reason": "Odd figures."},
    ("post", f"{_API}:journey-resume"): None,
    ("post", f"{_API}:journey-stop"): {"reason": "Odd figures."},
    ("post", f"{_API}:journey-enter"): {
        "people": ["01900000-0000-7000-8000-000000000009"],
        "key": "k",
        "facts": {"type": "web"},
    },
    ("post", f"{_API}:journey-move"): {"was": 1, "to": 2, "rule": {"wait": "wait"}, "dry_run": True},
    ("post", f"{_API}:journey-task"): {"is_done": True},
}
