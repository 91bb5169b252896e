"""A value held against another: numbers, moments, texts, yes and no."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, cast

from apps.campaigns.audiences.conditions import Input, Phrases, quoted
from apps.campaigns.audiences.question import Predicate, Question, opposite
from apps.campaigns.audiences.reading import MOST_DAYS, Given, is_text
from apps.campaigns.audiences.windows import day_words

ValueKind = Literal["number", "moment", "text", "yes_no"]

EXISTS, MISSING = ("exists", "is known"), ("missing", "is not known")
OPS: dict[str, tuple[tuple[str, str], ...]] = {
    "number": (
        ("at_least", "is at least"),
        ("at_most", "is at most"),
        ("greater", "is above"),
        ("less", "is below"),
        ("equals", "is exactly"),
        EXISTS,
        MISSING,
    ),
    "moment": (
        ("in_last", "is in the last … days"),
        ("not_for", "is more than … days ago"),
        ("before", "is before the day"),
        ("on", "is on the day"),
        ("after", "is after the day"),
        EXISTS,
        MISSING,
    ),
    "text": (("in", "is one of"), ("contains", "contains"), EXISTS, MISSING),
    "yes_no": (("is", "is"),),
}
SIGNS = {"at_least": ">=", "at_most": "<=", "greater": ">", "less": "<", "equals": "="}
PLAIN = ("exists", "missing")
DAY_OPS, DAYS_OPS = ("before", "on", "after"), ("in_last", "not_for")

Value = Decimal | date | int | str | bool | tuple[str, ...] | None


@dataclass(frozen=True)
class Comparison:
    """value: of the type that the op asks for; none where it asks for none."""

    kind: ValueKind
    op: str
    value: Value = None

    @classmethod
    def read(cls, given: Given, kind: ValueKind) -> "Comparison":
        op = given.choice("op", [one for one, _ in OPS[kind]], default="is" if kind == "yes_no" else None)
        return cls(kind, op, _read_value(given, kind, op))

    def holds(self, value: str, question: Question) -> Predicate:
        """value: an expression, null where it is not known; only `missing` holds for that."""
        if self.op in PLAIN:
            return f"{value} IS {'NOT ' if self.op == 'exists' else ''}NULL", []
        told, params = _HOLDS[self.kind](self, value, question)
        return f"coalesce({told}, false)", params

    def phrases(self, what: str, *, verbs: Phrases = ("", "")) -> Phrases:
        """what: a noun. verbs: what goes before a value instead of "have a" and the noun."""
        if self.op in PLAIN:
            known, unknown = f"have a known {what}", f"have no known {what}"
            return (known, unknown) if self.op == "exists" else (unknown, known)
        words = _WORDS[self.op](self.value)
        did, did_not = verbs if verbs[0] else (f"have a {what}", f"do not have a {what}")
        return f"{did} {words}", f"{did_not} {words}"

    def as_json(self) -> dict[str, Any]:
        value: Any = self.value
        if isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Decimal):
            value = int(value) if value == value.to_integral_value() else float(value)
        elif isinstance(value, date):
            value = value.isoformat()
        return {"op": self.op} | ({} if value is None else {"value": value})


def inputs(kind: ValueKind, suggestions: tuple[str, ...] = ()) -> tuple[Input, ...]:
    """What a builder asks for to compare such a value."""
    if kind == "yes_no":
        return (Input(name="value", label="is so", kind="yes_no", default="true"),)
    ops = Input(name="op", label="how", kind="choice", choices=OPS[kind], is_needed=True)
    if kind == "number":
        return ops, Input(name="value", label="number", kind="number", when=("op", tuple(SIGNS)))
    if kind == "text":
        value = Input(
            name="value",
            label="text",
            kind="texts",
            suggestions=suggestions,
            when=("op", ("in", "contains")),
        )
        return ops, value
    return (
        ops,
        Input(name="value", label="days", kind="whole", default="30", when=("op", DAYS_OPS)),
        Input(name="value", label="day", kind="day", when=("op", DAY_OPS)),
    )


def _read_value(given: Given, kind: ValueKind, op: str) -> Value:
    if op in PLAIN:
        return None
    if kind == "number":
        return given.number("value")
    if kind == "yes_no":
        return given.yes("value")
    if kind == "text":
        return _read_texts(given, op)
    if op in DAY_OPS:
        return given.needed_day("value")
    return given.whole("value", least=1, most=MOST_DAYS)


def _read_texts(given: Given, op: str) -> Value:
    found = given.texts("value")
    if not found or not all(map(is_text, found)) or (op == "contains" and len(found) > 1):
        given.fault("value", "Give a text." if op == "contains" else "Give a text, or a list of them.")
    return found


def _number(self: Comparison, value: str, question: Question) -> Predicate:
    return f"{value} {SIGNS[self.op]} %s::numeric", [self.value]


def _yes_no(self: Comparison, value: str, question: Question) -> Predicate:
    told = (f"coalesce({value}, false)", list[Any]())
    return told if self.value else opposite(told)


def _text(self: Comparison, value: str, question: Question) -> Predicate:
    texts = cast(tuple[str, ...], self.value)
    if self.op == "contains":
        return f"strpos(lower({value}), lower(%s::text)) > 0", [texts[0]]
    return f"{value} = ANY(%s::text[])", [list(texts)]


def _moment(self: Comparison, value: str, question: Question) -> Predicate:
    if isinstance(self.value, int):
        edge = question.days_ago(self.value)
        if self.op == "not_for":
            return f"{value} <= %s::timestamptz", [edge]
        return f"{value} > %s::timestamptz AND {value} <= %s::timestamptz", [edge, question.now]
    day = cast(date, self.value)
    start, end = question.start_of(day), question.end_of(day)
    if self.op == "before":
        return f"{value} < %s::timestamptz", [start]
    if self.op == "after":
        return f"{value} >= %s::timestamptz", [end]
    return f"{value} >= %s::timestamptz AND {value} < %s::timestamptz", [start, end]


_HOLDS = {"number": _number, "yes_no": _yes_no, "text": _text, "moment": _moment}
_WORDS: dict[str, Callable[[Any], str]] = {
    "at_least": lambda value: f"of at least {value:,}",
    "at_most": lambda value: f"of at most {value:,}",
    "greater": lambda value: f"above {value:,}",
    "less": lambda value: f"below {value:,}",
    "equals": lambda value: f"of exactly {value:,}",
    "in_last": lambda value: f"in the last {value:,} days",
    "not_for": lambda value: f"more than {value:,} days ago",
    "before": lambda value: f"before {day_words(value)}",
    "on": lambda value: f"on {day_words(value)}",
    "after": lambda value: f"after {day_words(value)}",
    "in": lambda value: f"of {quoted(*value)}",
    "contains": lambda value: f"that contains {quoted(*value)}",
}
