"""One object of a rule tree as somebody sent it, read key by key.

What is wrong is noted under the path of the key ("rules.and[1].count"), so that a caller sees all of it at
once and where.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

LONGEST_TEXT = 200
MOST_TEXTS = 100
MOST_DAYS = 3_650
MOST_TIMES = 1_000_000
LARGEST = Decimal(10) ** 15

Faults = dict[str, list[str]]


@dataclass
class Given:
    """The keys of one object. What a reading answers where it notes a fault is never used: who reads the
    tree raises first.
    """

    raw: dict[str, Any]
    path: str
    faults: Faults
    _read: set[str] = field(default_factory=set)

    def fault(self, name: str, text: str) -> None:
        self.faults.setdefault(f"{self.path}.{name}" if name else self.path, []).append(text)

    def inner(self, name: str) -> "Given | None":
        """The object under that key; None where there is none."""
        value = self._taken(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.fault(name, "This is an object.")
            return None
        return Given(value, f"{self.path}.{name}", self.faults)

    def choice(self, name: str, choices: Sequence[str], *, default: str | None = None) -> str:
        value = self._taken(name, default)
        if value in choices and isinstance(value, str):
            return value
        self.fault(name, f"Choose one of {', '.join(choices)}.")
        return choices[0]

    def text(self, name: str) -> str:
        value = self._taken(name)
        if isinstance(value, str) and value.strip() and is_text(value):
            return value
        self.fault(name, f"Give a text of 1 to {LONGEST_TEXT} characters.")
        return ""

    def texts(self, name: str) -> tuple[str, ...]:
        """A text or a list of them; empty where there is none."""
        value = self._taken(name)
        if value is None:
            return ()
        given = [value] if isinstance(value, str) else value
        if isinstance(given, list) and 0 < len(given) <= MOST_TEXTS and all(map(is_text, given)):
            return tuple(dict.fromkeys(given))
        self.fault(name, f"Give 1 to {MOST_TEXTS} texts of 1 to {LONGEST_TEXT} characters.")
        return ()

    def scalar(self, name: str) -> str:
        """A text, a number, true or false; as a text."""
        value = self._taken(name)
        if (text := text_of(value)) is not None:
            return text
        self.fault(name, f"Give a text of 1 to {LONGEST_TEXT} characters, a number, true or false.")
        return ""

    def scalars(self, name: str) -> tuple[str, ...]:
        value = self._taken(name)
        found = [text_of(one) for one in value] if isinstance(value, list) else []
        told = [one for one in found if one is not None]
        if told and len(told) == len(found) and len(told) <= MOST_TEXTS:
            return tuple(dict.fromkeys(told))
        self.fault(name, f"Give a list of 1 to {MOST_TEXTS} texts, numbers, true or false.")
        return ()

    def whole(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        value = self._taken(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.fault(name, f"Give a whole number from {least:,} to {most:,}.")
        return least

    def number(self, name: str, *, least: Decimal = -LARGEST) -> Decimal:
        value = number_of(self._taken(name))
        if value is not None and least <= value <= LARGEST:
            return value
        self.fault(name, f"Give a number from {least:,f} to {LARGEST:,f}.")
        return Decimal(0)

    def yes(self, name: str) -> bool:
        value = self._taken(name, True)
        if isinstance(value, bool):
            return value
        self.fault(name, "This is true or false.")
        return True

    def day(self, name: str) -> date | None:
        """A day; None where there is none."""
        value = self._taken(name)
        if value is None:
            return None
        try:
            found = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
        except ValueError:
            found = None
        if found is None or not 1900 <= found.year <= 2200:
            self.fault(name, "Give a day like 2026-05-31.")
            return None
        return found

    def needed_day(self, name: str) -> date:
        found = self.day(name)
        if found is None and f"{self.path}.{name}" not in self.faults:
            self.fault(name, "Give a day like 2026-05-31.")
        return found or date.min

    def identity(self, name: str) -> UUID | None:
        """A public id; None where there is none."""
        value = self._taken(name)
        if value is None:
            return None
        try:
            return UUID(value)
        except (ValueError, AttributeError, TypeError):
            self.fault(name, "This is not an id.")
            return None

    def end(self) -> None:
        """Note the keys that mean nothing here."""
        for name in self.raw.keys() - self._read:
            known = ", ".join(sorted(self._read))
            self.fault(str(name)[:LONGEST_TEXT], f"This means nothing here. There are {known}.")

    def _taken(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        value = self.raw.get(name)
        return default if value is None else value


def is_text(value: Any) -> bool:
    """Whether it is a text that PostgreSQL can hold, neither empty nor too long."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def text_of(value: Any) -> str | None:
    """A plain value as the text that is compared; None for what is none."""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return value if is_text(value) else None
    number = number_of(value)
    return None if number is None or abs(number) > LARGEST else format(number.normalize(), "f")


def number_of(value: Any) -> Decimal | None:
    """A number, or a text that is one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = str(value).strip()
    try:
        found = Decimal(text) if len(text) <= 40 and "_" not in text else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() and abs(found.adjusted()) < 40 else None
