"""Cells of files for the allocate command, and what is said of those that cannot be used."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from apps.attribution import row_files

T = TypeVar("T")
MOST_TOLD = 10


class PlanFileRefused(ValueError):
    """The file cannot be used; each line of the message names a line of the file and what to do."""


class Fault(ValueError):
    """What is wrong with one line."""


class Faults:
    """What was found wrong so far, line by line."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def of(self, row: row_files.Row, read: Callable[[row_files.Row], T]) -> T | None:
        """What the row says; None where it has a fault, which is kept."""
        try:
            if row.fault:
                raise Fault(printable(row.fault))
            return read(row)
        except Fault as fault:
            self.add(f"Line {row.line}: {fault}")
            return None

    def add(self, words: str) -> None:
        self._told.append(words)

    def refuse(self) -> None:
        """Raise PlanFileRefused where there are any; at most MOST_TOLD of them in words."""
        if self._told:
            more = len(self._told) - MOST_TOLD
            rest = [f"{more:,} more lines have faults."] if more > 0 else []
            raise PlanFileRefused("\n".join([*self._told[:MOST_TOLD], *rest]))


def number(row: row_files.Row, name: str) -> float | None:
    """A finite number of at least 0; None where nothing is said. Raises Fault."""
    given: Any = row.values.get(name)
    text = "" if given is None else str(given).strip()
    if not text:
        return None
    try:
        value = float(Decimal(text))
    except InvalidOperation:
        raise Fault(f"{name} is {printable(text)!r}, which is no number. Write it like 1234.56.") from None
    if not 0 <= value < math.inf:
        raise Fault(f"{name} is {printable(text)}. Write a finite number of at least 0.")
    return value


def printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
