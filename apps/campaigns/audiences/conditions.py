"""What every kind of condition answers, and what a builder is told of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from apps.campaigns.audiences.question import Predicate, Question
from apps.campaigns.audiences.reading import Given

# How a condition reads after "people who", and its opposite.
Phrases = tuple[str, str]
InputKind = Literal["choice", "text", "texts", "whole", "number", "day", "yes_no", "window"]


@dataclass(frozen=True)
class Names:
    """What lists and campaigns are called, by their public ids."""

    lists: Mapping[UUID, str] = field(default_factory=dict)
    campaigns: Mapping[UUID, str] = field(default_factory=dict)
    currency: str = "GBP"


class Condition(Protocol):
    """Something that holds for a person or does not; never unknown."""

    def holds(self, question: Question) -> Predicate: ...

    def phrases(self, names: Names) -> Phrases: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a builder asks for. when: only where another input has one of these values. suggestions: what the
    workspace has, of which something else may be given.
    """

    name: str
    label: str
    kind: InputKind
    choices: tuple[tuple[str, str], ...] = ()
    suggestions: tuple[str, ...] = ()
    default: str = ""
    is_needed: bool = False
    when: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A kind of condition. because: why it cannot be used yet; empty where it can."""

    key: str
    label: str
    group: str
    read: Callable[[Given], Condition]
    inputs: Callable[[], tuple[Input, ...]]
    because: str = ""


def quoted(*texts: str) -> str:
    """“a”, “b” or “c”"""
    told = [f"“{one}”" for one in texts]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} or {told[-1]}"


def without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", (), [])}
