"""The registry of what the suite holds on people: which rows, which columns are personal, and what becomes
of them.

Each app says so in its holdings.py, which AccountsConfig.ready() imports. Merging, export and erasure
follow the registry, and a test fails on any column that nobody classified.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from django.db import models

OnErase = Literal["delete", "keep_pseudonymous"]
OnMerge = Literal["move", "stay"]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Rows of one model about people, found by `person`: a foreign key, or a path that ends in one."""

    model: type[models.Model]
    person: str
    export: tuple[str, ...]
    on_erase: OnErase
    blank: tuple[str, ...] = ()
    disguise: tuple[str, ...] = ()
    not_personal: tuple[str, ...] = ()
    on_merge: OnMerge = "move"

    @property
    def label(self) -> str:
        return self.model._meta.label

    @property
    def moves(self) -> bool:
        return self.on_merge == "move" and "__" not in self.person

    def about(self, person_ids: list[int]) -> models.QuerySet[Any]:
        """The rows on these people, in the current workspace."""
        return self.model._default_manager.filter(**{f"{self.person}__in": person_ids})

    def blanks(self) -> dict[str, Any]:
        """Column → what it holds once it is blank."""
        return {name: _blank(self.model._meta.get_field(name)) for name in self.blank}

    def unclassified(self) -> set[str]:
        """Columns that nobody called personal or not personal."""
        told = {path.split("__")[0] for path in (*self.blank, *self.disguise, *self.not_personal)}
        if self.on_erase == "delete":
            told |= {path.split("__")[0] for path in self.export}
        own = {"id", "workspace", self.person.split("__")[0]}
        return {column.name for column in self.model._meta.local_concrete_fields} - told - own


@dataclass(frozen=True, kw_only=True)
class Identifiers:
    """All by which a person was known when they are erased, for finding what has no foreign key."""

    person_ids: list[int]
    external_ids: list[str] = field(default_factory=list)
    anonymous_ids: list[str] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)

    def mentioned_in(self, column: str) -> models.Q:
        """Rows whose text holds an identifier as a word of its own: "7" is in "order-7" and not in "1742"."""
        told = models.Q(pk__in=[])
        for one in (*self.external_ids, *self.anonymous_ids, *self.personal):
            told |= models.Q(**{f"{column}__iregex": rf"(^|[^[:alnum:]]){re.escape(one)}([^[:alnum:]]|$)"})
        return told

    def are_mentioned_in(self, text: str) -> bool:
        """The same for a text that only the product can read."""
        return self._words is not None and self._words.search(text) is not None

    @cached_property
    def _words(self) -> re.Pattern[str] | None:
        told = [re.escape(one) for one in (*self.external_ids, *self.anonymous_ids, *self.personal) if one]
        pattern = rf"(?<![^\W_])(?:{'|'.join(told)})(?![^\W_])"
        return re.compile(pattern, re.IGNORECASE) if told else None


Eraser = Callable[[Identifiers], None]
Merger = Callable[[dict[int, int]], None]
Finder = Callable[[Identifiers], list[dict[str, Any]]]
_holdings: list[Holding] = []
_erasers: list[Eraser] = []
_mergers: list[Merger] = []
_finders: dict[str, Finder] = {}
_impersonal: dict[type[models.Model], str] = {}


def holds(
    model: type[models.Model],
    *,
    person: str = "person",
    export: list[str],
    on_erase: OnErase,
    blank: list[str] | None = None,
    disguise: list[str] | None = None,
    not_personal: list[str] | None = None,
    on_merge: OnMerge = "move",
) -> None:
    """Say that the model's rows are about people.

    export: columns (or paths, "source__platform") that a person's export shows.
    on_erase: "delete" the rows, or "keep_pseudonymous": empty the columns of `blank`, and in those of
    `disguise` replace a text that contains one of the person's ids by one that does not.
    not_personal: columns that say nothing about who somebody is.
    on_merge: whether rows of an absorbed person "move" to the survivor or "stay", as history does.
    """
    _holdings.append(
        Holding(
            model=model,
            person=person,
            export=tuple(export),
            on_erase=on_erase,
            blank=tuple(blank or ()),
            disguise=tuple(disguise or ()),
            not_personal=tuple(not_personal or ()),
            on_merge=on_merge,
        )
    )


def impersonal(*models_: type[models.Model], because: str) -> None:
    """Say that these models hold nothing on the people whom the suite observes, and why."""
    _impersonal.update(dict.fromkeys(models_, because))


def when_erased(eraser: Eraser) -> Eraser:
    """Have the function called in each erasure, before rows go: for what no foreign key leads to, such as
    rows as received.
    """
    _erasers.append(eraser)
    return eraser


def when_merged(merger: Merger) -> Merger:
    """Have the function called in each merge, in its transaction, once rows moved: absorbed → survivor."""
    _mergers.append(merger)
    return merger


def also_held(label: str) -> Callable[[Finder], Finder]:
    """Have the function called in each export, for rows of `label` that no foreign key leads to."""

    def register(finder: Finder) -> Finder:
        _finders[label] = finder
        return finder

    return register


def finders() -> dict[str, Finder]:
    return dict(_finders)


def holdings() -> tuple[Holding, ...]:
    return tuple(_holdings)


def erasers() -> tuple[Eraser, ...]:
    return tuple(_erasers)


def mergers() -> tuple[Merger, ...]:
    return tuple(_mergers)


def unregistered(candidates: list[type[models.Model]]) -> set[str]:
    """Models that nobody spoke of, "Model.field" for a way to a person that no holding covers, and columns
    nobody classified.
    """
    spoken_of = {holding.model for holding in _holdings} | set(_impersonal)
    missing = {model._meta.label for model in candidates if model not in spoken_of}
    covered = {(holding.model, holding.person) for holding in _holdings}
    missing |= {
        f"{model._meta.label}.{name}"
        for model in candidates
        for name in ways_to_a_person(model)
        if (model, name) not in covered
    }
    return missing | {f"{one.label}.{name}" for one in _holdings for name in one.unclassified()}


def ways_to_a_person(model: type[models.Model]) -> Iterator[str]:
    """The model's foreign keys to Person. Person's own, merged_into, is the merge itself."""
    for column in model._meta.local_fields:
        target = column.related_model
        if isinstance(target, type) and target._meta.label == "accounts.Person" and model is not target:
            yield column.name


def _blank(column: Any) -> Any:
    if column.null:
        return None
    return column.get_default() if column.has_default() else ""
