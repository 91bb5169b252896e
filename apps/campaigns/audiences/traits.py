"""Conditions on traits: whatever was told of people under any key, as texts, numbers, yes and no, or lists.

A text that is a number is compared as one where a number is asked for. A day is compared with the first ten
characters of a trait that begins with one, as it was written.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from apps.accounts.traits import LONGEST_KEY, TRAIT_OF_SPELLING
from apps.campaigns.audiences.conditions import Entry, Input, Names, Phrases, quoted, without_empty
from apps.campaigns.audiences.question import Predicate, Question, opposite
from apps.campaigns.audiences.reading import Given, number_of
from apps.campaigns.audiences.windows import day_words

KEY = "trait"
OPS = (
    ("equals", "is"),
    ("not_equals", "is not"),
    ("in", "is one of"),
    ("not_in", "is none of"),
    ("contains", "contains"),
    ("not_contains", "does not contain"),
    ("greater", "is above"),
    ("less", "is below"),
    ("before", "is before the day"),
    ("after", "is after the day"),
    ("exists", "is known"),
    ("missing", "is not known"),
)
# What holds where its opposite does not, for people of whom it is not known too.
OPPOSITES = {"not_equals": "equals", "not_in": "in", "not_contains": "contains", "missing": "exists"}
MANY, NUMBERS, DAYS, PLAIN = ("in", "not_in"), ("greater", "less"), ("before", "after"), ("exists", "missing")
A_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,10})?$"
A_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True)
class TraitCondition:
    key: str
    op: str
    values: tuple[str, ...] = ()

    def holds(self, question: Question) -> Predicate:
        op = OPPOSITES.get(self.op, self.op)
        found = self._of(op)
        return found if op == self.op else opposite(found)

    def _of(self, op: str) -> Predicate:
        if op in {"equals", "in"}:
            return self._equals()
        if op == "contains":
            return self._contains()
        if op == "exists":
            return f"coalesce(jsonb_typeof({_VALUE}), 'null') <> 'null'", [self.key]
        return self._compared(op)

    def _equals(self) -> Predicate:
        """By the text of a text or of a yes and no, by the size of a number."""
        numbers = [number for one in self.values if (number := number_of(one)) is not None]
        told = (
            f"CASE jsonb_typeof({_VALUE}) WHEN 'string' THEN {_TEXT} = ANY(%s::text[])"
            f" WHEN 'boolean' THEN {_TEXT} = ANY(%s::text[])"
            f" WHEN 'number' THEN {_TEXT}::numeric = ANY(%s::numeric[]) ELSE false END"
        )
        texts = list(self.values)
        return told, [self.key, self.key, texts, self.key, texts, self.key, numbers]

    def _contains(self) -> Predicate:
        """A part of a text in any case, or one of a list's own texts."""
        told = (
            f"CASE jsonb_typeof({_VALUE}) WHEN 'string' THEN strpos(lower({_TEXT}), lower(%s::text)) > 0"
            f" WHEN 'array' THEN {_VALUE} @> to_jsonb(%s::text) ELSE false END"
        )
        return told, [self.key, self.key, self.values[0], self.key, self.values[0]]

    def _compared(self, op: str) -> Predicate:
        sign = ">" if op in {"greater", "after"} else "<"
        if op in DAYS:
            told = (
                f"CASE WHEN jsonb_typeof({_VALUE}) = 'string' AND {_TEXT} ~ %s"
                f' THEN left({_TEXT}, 10) COLLATE "C" {sign} %s::text ELSE false END'
            )
            return told, [self.key, self.key, A_DAY, self.key, self.values[0]]
        told = (
            f"CASE WHEN jsonb_typeof({_VALUE}) = 'number'"
            f" OR (jsonb_typeof({_VALUE}) = 'string' AND {_TEXT} ~ %s)"
            f" THEN {_TEXT}::numeric {sign} %s::numeric ELSE false END"
        )
        return told, [self.key, self.key, self.key, A_NUMBER, self.key, Decimal(self.values[0])]

    def phrases(self, names: Names) -> Phrases:
        key = self.key
        if self.op in PLAIN:
            known, unknown = f"have a known {quoted(key)}", f"have no known {quoted(key)}"
            return (known, unknown) if self.op == "exists" else (unknown, known)
        op = OPPOSITES.get(self.op, self.op)
        told, untold = (f"{words} {self._value_words(op)}" for words in _PHRASES[op])
        told, untold = (words.replace("KEY", quoted(key)) for words in (told, untold))
        return (told, untold) if op == self.op else (untold, told)

    def _value_words(self, op: str) -> str:
        if op in DAYS:
            return day_words(date.fromisoformat(self.values[0]))
        return f"{Decimal(self.values[0]):,f}" if op in NUMBERS else quoted(*self.values)

    def as_json(self) -> dict[str, Any]:
        value: Any = list(self.values) if self.op in MANY else "".join(self.values)
        return without_empty({"field": KEY, "key": self.key, "op": self.op, "value": value})


_VALUE = "(p.traits -> %s::text)"
_TEXT = "(p.traits ->> %s::text)"
_PHRASES = {
    "equals": ("have a KEY of", "do not have a KEY of"),
    "in": ("have a KEY of", "do not have a KEY of"),
    "contains": ("have a KEY that contains", "do not have a KEY that contains"),
    "greater": ("have a KEY above", "do not have a KEY above"),
    "less": ("have a KEY below", "do not have a KEY below"),
    "before": ("have a KEY before", "do not have a KEY before"),
    "after": ("have a KEY after", "do not have a KEY after"),
}


def read(given: Given) -> TraitCondition:
    key = given.text("key")
    sealed = TRAIT_OF_SPELLING.get("".join(filter(str.isalnum, key)).lower())
    if sealed is not None:
        given.fault("key", f"The {sealed.replace('_', ' ')} is sealed: rules cannot look into it.")
    elif len(key) > LONGEST_KEY:
        given.fault("key", f"The name of a trait is a text of 1 to {LONGEST_KEY} characters.")
    op = given.choice("op", [one for one, _ in OPS])
    return TraitCondition(key, op, _values(given, op))


def _values(given: Given, op: str) -> tuple[str, ...]:
    if op in PLAIN:
        return ()
    if op in MANY:
        return given.scalars("value")
    if op in NUMBERS:
        return (format(given.number("value"), "f"),)
    if op in DAYS:
        return (given.needed_day("value").isoformat(),)
    return (given.scalar("value"),)


def entry(keys: tuple[str, ...]) -> Entry:
    return Entry(key=KEY, label="Trait", group="The person", read=read, inputs=lambda: _inputs(keys))


def _inputs(keys: tuple[str, ...]) -> tuple[Input, ...]:
    return (
        Input(name="key", label="trait", kind="text", suggestions=keys, is_needed=True),
        Input(name="op", label="how", kind="choice", choices=OPS, is_needed=True),
        Input(name="value", label="text", kind="text", when=("op", _TEXT_OPS)),
        Input(name="value", label="texts", kind="texts", when=("op", MANY)),
        Input(name="value", label="number", kind="number", when=("op", NUMBERS)),
        Input(name="value", label="day", kind="day", when=("op", DAYS)),
    )


_TEXT_OPS = ("equals", "not_equals", "contains", "not_contains")
