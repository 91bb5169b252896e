"""Rule trees: read strictly, joined to one query, and told in a sentence.

    {"and": [...]}, {"or": [...]}, {"not": ...} and conditions {"field": "touchpoint", ...}

What is wrong with a tree is told all at once, each under its path.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.accounts.errors import Invalid
from apps.campaigns.audiences import catalogue
from apps.campaigns.audiences.conditions import Condition, Names, Phrases
from apps.campaigns.audiences.question import Predicate, Question, opposite
from apps.campaigns.audiences.reading import Faults, Given

DEEPEST = 6
MOST_CONDITIONS = 50
ROOT = "rules"
GROUPS = ("and", "or")


@dataclass(frozen=True)
class Group:
    """joint: "and", all of them hold; "or", one of them does."""

    joint: str
    parts: tuple["Node", ...]

    def holds(self, question: Question) -> Predicate:
        found = [part.holds(question) for part in self.parts]
        told = f" {self.joint.upper()} ".join(f"({sql})" for sql, _ in found)
        return told, [one for _, params in found for one in params]

    def phrases(self, names: Names) -> Phrases:
        """The opposite of "all hold" is "one does not", and the other way round."""
        is_and = self.joint == "and"
        both = [_enclosed(part, names) for part in self.parts]
        told = _joined([words for words, _ in both], "and" if is_and else "or")
        untold = _joined([words for _, words in both], "or" if is_and else "and")
        return told, untold

    def as_json(self) -> dict[str, Any]:
        return {self.joint: [part.as_json() for part in self.parts]}


@dataclass(frozen=True)
class Not:
    part: "Node"

    def holds(self, question: Question) -> Predicate:
        return opposite(self.part.holds(question))

    def phrases(self, names: Names) -> Phrases:
        told, untold = self.part.phrases(names)
        return untold, told

    def as_json(self) -> dict[str, Any]:
        return {"not": self.part.as_json()}


Node = Group | Not | Condition


def read(rules: Any) -> Node:
    """The tree of what was sent. Raises Invalid, with each fault under its path."""
    reading = _Reading()
    node = reading.node(rules, ROOT, level=1)
    if reading.conditions > MOST_CONDITIONS:
        reading.fault(
            ROOT, f"There are {reading.conditions:,} conditions; at most {MOST_CONDITIONS} can be asked."
        )
    if reading.faults or node is None:
        raise Invalid(reading.faults, "These rules cannot be asked as they are.")
    return node


def people(node: Node, question: Question) -> Predicate:
    """The SELECT of ids of the people for whom the tree holds."""
    return question.people(node.holds(question))


def sentence(node: Node, names: Names) -> str:
    return f"People who {node.phrases(names)[0]}."


def conditions(node: Node) -> Iterator[Condition]:
    if isinstance(node, Group):
        for part in node.parts:
            yield from conditions(part)
    elif isinstance(node, Not):
        yield from conditions(node.part)
    else:
        yield node


class _Reading:
    """A tree on its way: what is wrong with it so far, and how many conditions it has."""

    def __init__(self) -> None:
        self.faults: Faults = {}
        self.conditions = 0

    def fault(self, path: str, text: str) -> None:
        self.faults.setdefault(path, []).append(text)

    def node(self, raw: Any, path: str, *, level: int) -> Node | None:
        if not isinstance(raw, dict):
            self.fault(path, "This is an object: and, or, not, or a condition with its field.")
            return None
        joints = [key for key in ("and", "or", "not") if key in raw]
        if not joints:
            return self._condition(raw, path)
        if len(raw) > 1:
            self.fault(
                path, f"A group has one key, {joints[0]}; put what else there is into a group of its own."
            )
            return None
        if level > DEEPEST:
            self.fault(path, f"Groups may be nested {DEEPEST} levels deep.")
            return None
        if joints[0] == "not":
            part = self.node(raw["not"], f"{path}.not", level=level + 1)
            return None if part is None else Not(part)
        return self._group(joints[0], raw[joints[0]], f"{path}.{joints[0]}", level=level)

    def _group(self, joint: str, raw: Any, path: str, *, level: int) -> Node | None:
        if not isinstance(raw, list) or not raw:
            self.fault(path, "This is a list with at least one condition.")
            return None
        if len(raw) > MOST_CONDITIONS:
            self.fault(path, f"There are {len(raw):,} parts; at most {MOST_CONDITIONS} can be asked.")
            return None
        parts = [self.node(one, f"{path}[{place}]", level=level + 1) for place, one in enumerate(raw)]
        return Group(joint, tuple(part for part in parts if part is not None))

    def _condition(self, raw: dict[str, Any], path: str) -> Condition | None:
        self.conditions += 1
        return catalogue.read(Given(raw, path, self.faults)) if self.conditions <= MOST_CONDITIONS else None


def _enclosed(part: Node, names: Names) -> Phrases:
    told, untold = part.phrases(names)
    inner: Node = part
    while isinstance(inner, Not):
        inner = inner.part
    if isinstance(inner, Group) and len(inner.parts) > 1:
        return f"({told})", f"({untold})"
    return told, untold


def _joined(words: list[str], joint: str) -> str:
    return f" {joint} ".join(words)
