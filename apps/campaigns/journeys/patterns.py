"""Journeys to start from. Messages name no campaign yet: that is for whoever makes it their own."""

import copy
from dataclasses import dataclass
from typing import Any

from apps.accounts.errors import Invalid


@dataclass(frozen=True)
class Pattern:
    key: str
    name: str
    says: str
    graph: dict[str, Any]


def _message(then: str) -> dict[str, Any]:
    return {"kind": "message", "campaign": "", "next": then}


def _wait(then: str, **length: int) -> dict[str, Any]:
    return {"kind": "wait", **length, "next": then}


def _graph(entry: dict[str, Any], first: str, steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "entries": [entry],
        "reentry_days": None,
        "goals": [],
        "stops_on_reply": True,
        "first": first,
        "steps": steps,
        **more,
    }


def _conversion(kind: str) -> dict[str, Any]:
    return {
        "source": "conversion.recorded",
        "where": [{"field": "type", "test": "is", "value": kind}],
    }


PATTERNS = {
    one.key: one
    for one in (
        Pattern(
            "welcome",
            "Welcome series",
            "Three messages after somebody signs up for news, each on a morning.",
            _graph(
                {
                    "kind": "event",
                    "source": "consent.given",
                    "where": [{"field": "purpose", "test": "is", "value": "newsletter"}],
                },
                "hello",
                {
                    "hello": _message("two-days"),
                    "two-days": _wait("morning", days=2),
                    "morning": {"kind": "wait_hour", "hour": 9, "weekday": None, "next": "story"},
                    "story": _message("five-days"),
                    "five-days": _wait("offer", days=5),
                    "offer": _message(""),
                },
                goals=[_conversion("enquiry")],
            ),
        ),
        Pattern(
            "enquiry",
            "Abandoned enquiry",
            "Remind who asked and did not book; then ask a colleague to call.",
            _graph(
                {"kind": "event", **_conversion("enquiry")},
                "booked",
                {
                    "booked": {
                        "kind": "wait_event",
                        **_conversion("booking"),
                        "days": 3,
                        "next": "thanks",
                        "otherwise": "reminder",
                    },
                    "thanks": {"kind": "exit", "label": "Booked"},
                    "reminder": _message("four-days"),
                    "four-days": _wait("call", days=4),
                    "call": {
                        "kind": "task",
                        "title": "Call about their enquiry",
                        "note": "They asked a week ago and have not booked.",
                        "due_days": 1,
                        "next": "",
                    },
                },
                goals=[_conversion("booking")],
                reentry_days=90,
            ),
        ),
        Pattern(
            "win-back",
            "Win-back",
            "Two ways to write to customers who have been away, tried against each other.",
            _graph(
                {"kind": "audience", "audience": "", "includes_present": False},
                "which",
                {
                    "which": {
                        "kind": "split",
                        "goal": "",
                        "arms": [
                            {"key": "news", "share": 1, "next": "news"},
                            {"key": "offer", "share": 1, "next": "offer"},
                        ],
                    },
                    "news": _message("two-weeks"),
                    "offer": _message("two-weeks"),
                    "two-weeks": _wait("last", days=14),
                    "last": _message(""),
                },
                goals=[{"source": "conversion.recorded", "where": []}],
                reentry_days=180,
            ),
        ),
        Pattern(
            "review",
            "Post-wedding review",
            "Three weeks after the wedding ask for a review; note who was asked.",
            _graph(
                {"kind": "date", "trait": "wedding_date", "days": 21, "hour": 10},
                "ask",
                {
                    "ask": _message("note"),
                    "note": {"kind": "tag", "trait": "review_asked", "value": "yes", "next": "reviewed"},
                    "reviewed": {
                        "kind": "wait_event",
                        **_conversion("review"),
                        "days": 10,
                        "next": "",
                        "otherwise": "again",
                    },
                    "again": _message(""),
                },
            ),
        ),
        Pattern(
            "referral",
            "Referral ask",
            "After a booking ask happy couples whom else we could help.",
            _graph(
                {"kind": "event", **_conversion("booking")},
                "two-weeks",
                {
                    "two-weeks": _wait("morning", days=14),
                    "morning": {"kind": "wait_hour", "hour": 10, "weekday": 1, "next": "ask"},
                    "ask": _message("clicked"),
                    "clicked": {
                        "kind": "wait_event",
                        "source": "message.clicked",
                        "where": [],
                        "days": 7,
                        "next": "",
                        "otherwise": "reminder",
                    },
                    "reminder": _message(""),
                },
            ),
        ),
    )
}


def graph_of(key: str) -> dict[str, Any]:
    """A graph of one's own to change. Raises Invalid."""
    if key not in PATTERNS:
        raise Invalid({"pattern": [f"There are: {', '.join(PATTERNS)}."]})
    return copy.deepcopy(PATTERNS[key].graph)
