"""The kinds of steps, and by which ways a person leaves each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

THEN = "then"
ARM = "arm:"
END = ""


@dataclass(frozen=True)
class Kind:
    """ways: way out → the field of the step that says where it leads. is_wait: time passes in it."""

    key: str
    name: str
    says: str
    ways: Mapping[str, str]
    is_wait: bool = False


_NEXT = {THEN: "next"}
KINDS = {
    kind.key: kind
    for kind in (
        Kind("message", "Message", "Send the message of a triggered campaign.", _NEXT),
        Kind("wait", "Wait", "Wait for a while.", _NEXT, is_wait=True),
        Kind("wait_hour", "Wait until an hour", "Wait for an hour of the person's day.", _NEXT, is_wait=True),
        Kind(
            "wait_date",
            "Wait until a date",
            "Wait until so many days before or after a date of the person.",
            {THEN: "next", "missing": "missing"},
            is_wait=True,
        ),
        Kind(
            "wait_event",
            "Wait until something happens",
            "Wait until something is heard of the person, but not for ever.",
            {THEN: "next", "otherwise": "otherwise"},
            is_wait=True,
        ),
        Kind(
            "condition",
            "Condition",
            "Ask a question of the person; yes and no lead on.",
            {"yes": "yes", "no": "no"},
        ),
        Kind("split", "Split", "Send people on by lot, and measure which way does better.", {}),
        Kind("task", "Task", "Ask a colleague to do something for the person.", _NEXT),
        Kind("tag", "Tag", "Write something down about the person.", _NEXT),
        Kind("webhook", "Webhook", "Tell your own systems.", _NEXT),
        Kind("exit", "Exit", "The journey ends here.", {}),
    )
}
WAY_WORDS = {THEN: "then", "missing": "no such date, or past", "otherwise": "time is up"}


def ways_of(step: Mapping[str, Any]) -> dict[str, str]:
    """Way out → the step that it leads to; empty where the journey ends."""
    if step["kind"] == "split":
        return {ARM + arm["key"]: arm.get("next") or END for arm in step["arms"]}
    return {way: step.get(field) or END for way, field in KINDS[step["kind"]].ways.items()}


def lead(step: dict[str, Any], way: str, target: str) -> None:
    """Have a way out lead somewhere else."""
    if way.startswith(ARM):
        for arm in step["arms"]:
            if arm["key"] == way.removeprefix(ARM):
                arm["next"] = target
    else:
        step[KINDS[step["kind"]].ways[way]] = target


def way_words(way: str) -> str:
    if way.startswith(ARM):
        return way.removeprefix(ARM)
    return WAY_WORDS.get(way, way)
