"""Fields of people: those of our own, and those that are registered over what other floors know.

A field that has no source yet is listed with the reason, and refused in rules.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from apps.campaigns.audiences import comparisons
from apps.campaigns.audiences.comparisons import Comparison, ValueKind
from apps.campaigns.audiences.conditions import Entry, Input, Names, Phrases
from apps.campaigns.audiences.question import Predicate, Question
from apps.campaigns.audiences.reading import Given

Source = Callable[[Question], Predicate]


@dataclass(frozen=True, kw_only=True)
class Field:
    """A value of each person.

    what: how it reads in "people who have a … of at least 3". column: an expression over `p`, the person.
    source: where there is no column, a SELECT of `id` (the person, a survivor, once) and `value` in the
    current workspace. because: why there is neither yet.
    """

    key: str
    label: str
    what: str
    group: str
    kind: ValueKind
    column: str = ""
    source: Source | None = None
    because: str = ""
    choices: tuple[str, ...] = ()
    # How a yes or no reads: ("have an e-mail address", "have no e-mail address"); what goes before a moment:
    # ("were last seen", "were not last seen").
    phrases: Phrases = ("", "")


_fields: dict[str, Field] = {}


def register_field(field: Field) -> Field:
    """Let rules ask for the field; in place of one of that key that had no source. Raises ValueError."""
    if not (field.column or field.source or field.because):
        raise ValueError(f"{field.key} has neither a source nor a reason")
    if (known := _fields.get(field.key)) is not None and not known.because:
        raise ValueError(f"{field.key} is registered already")
    _fields[field.key] = field
    return field


def registered() -> dict[str, Field]:
    return dict(_fields)


@dataclass(frozen=True)
class FieldCondition:
    field: Field
    comparison: Comparison

    def holds(self, question: Question) -> Predicate:
        value = self.field.column
        if self.field.source is not None:
            value = question.value(*self.field.source(question))
        return self.comparison.holds(value, question)

    def phrases(self, names: Names) -> Phrases:
        told = self.field.phrases
        if self.field.kind != "yes_no":
            return self.comparison.phrases(self.field.what, verbs=told)
        return told if self.comparison.value else (told[1], told[0])

    def as_json(self) -> dict[str, Any]:
        return {"field": self.field.key, **self.comparison.as_json()}


def entries() -> list[Entry]:
    return [
        Entry(
            key=one.key,
            label=one.label,
            group=one.group,
            read=partial(read, one),
            inputs=partial(_inputs, one),
            because=one.because,
        )
        for one in _fields.values()
    ]


def read(field: Field, given: Given) -> FieldCondition:
    return FieldCondition(field, Comparison.read(given, field.kind))


def _inputs(field: Field) -> tuple[Input, ...]:
    return comparisons.inputs(field.kind, field.choices)


_PEOPLE = "The person"
for _key, _label, _what, _column, _phrases in (
    (
        "person.first_seen",
        "First seen",
        "first visit",
        "p.first_seen_at",
        ("were first seen", "were not first seen"),
    ),
    (
        "person.last_seen",
        "Last seen",
        "latest visit",
        "p.last_seen_at",
        ("were last seen", "were not last seen"),
    ),
    (
        "person.created",
        "First known",
        "first record",
        "p.created_at",
        ("became known", "did not become known"),
    ),
):
    register_field(
        Field(
            key=_key,
            label=_label,
            what=_what,
            group=_PEOPLE,
            kind="moment",
            column=_column,
            phrases=_phrases,
        )
    )
for _key, _label, _column, _phrases in (
    (
        "person.has_email",
        "Has an e-mail address",
        "p.email_index IS NOT NULL",
        ("have an e-mail address", "have no e-mail address"),
    ),
    (
        "person.has_phone",
        "Has a phone number",
        "p.phone_index IS NOT NULL",
        ("have a phone number", "have no phone number"),
    ),
    (
        "person.is_known",
        "Is known by a user id",
        "p.external_id IS NOT NULL",
        ("are known by a user id", "are not known by a user id"),
    ),
):
    register_field(
        Field(
            key=_key,
            label=_label,
            what=_label,
            group=_PEOPLE,
            kind="yes_no",
            column=f"({_column})",
            phrases=_phrases,
        )
    )
_LATER = "Nothing in this product measures it yet."
for _key, _label, _what, _group in (
    ("referrals.invited", "People they invited", "number of invited people", "Referrals"),
    ("referrals.joined", "Invited people who joined", "number of people who joined", "Referrals"),
    ("health.score", "Health score", "health score", "Success"),
    ("churn.risk", "Risk of leaving", "risk of leaving", "Success"),
):
    register_field(Field(key=_key, label=_label, what=_what, group=_group, kind="number", because=_LATER))
