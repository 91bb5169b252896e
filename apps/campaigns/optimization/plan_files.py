"""Campaigns and their curves from a file, each refusal with its line and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from apps.attribution import row_files
from apps.campaigns.maths.allocation.curves import FALLBACK_EXPONENT

REQUIRED = ("campaign", "a")
OPTIONAL = ("k", "min_budget", "max_budget", "current_budget")
HISTORY = ("campaign", "date", "spend", "revenue")
_MOST_TOLD = 10


class PlanFileRefused(ValueError):
    """The file cannot be used; each line of the message names a line of the file and what to do."""


@dataclass(frozen=True)
class PlanFile:
    """The campaigns of a file, in its order; guessed: how many had no k of their own."""

    campaigns: list[str]
    a: list[float]
    k: list[float]
    lower: list[float]
    upper: list[float]
    current: list[float | None]
    guessed: int


@dataclass(frozen=True)
class _Entry:
    line: int
    campaign: str
    a: float
    k: float | None
    lower: float | None
    upper: float | None
    current: float | None


def read(path: Path) -> PlanFile:
    """Read a file of curves: CSV, JSON Lines or Parquet, also gzipped.

    Raises PlanFileRefused for columns, lines and numbers that cannot be used, and for a file of history.
    """
    try:
        rows = row_files.rows(path)
        first = next(rows, None)
        if first is None:
            raise PlanFileRefused("It holds no campaign. Write one line for each below the header.")
        _check_columns(list(first.values))
        return _plan([first, *rows])
    except row_files.UnreadableFile as error:
        raise PlanFileRefused(_printable(str(error))) from error


def _check_columns(names: list[str]) -> None:
    if "a" not in names and {"date", "spend"} <= set(names):
        raise PlanFileRefused(
            f"It is a history ({', '.join(HISTORY)}), from which no curves can be fitted here yet. Give a"
            f" file with the columns {', '.join(REQUIRED)} and perhaps {', '.join(OPTIONAL)}."
        )
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if missing:
        raise PlanFileRefused(f"Line 1: the column {missing[0]} is missing.{_meant(missing[0], unknown)}")
    if unknown:
        allowed = ", ".join(REQUIRED + OPTIONAL)
        raise PlanFileRefused(
            f"Line 1: the column {_printable(unknown[0])!r} is not known. Known are {allowed}: rename it, or"
            " leave it out."
        )


def _meant(name: str, found: list[str]) -> str:
    near = get_close_matches(name, found, n=1)
    return (
        f" Is it {_printable(near[0])!r}? Then rename that."
        if near
        else " Add it to the header and to each line."
    )


def _plan(rows: Iterable[row_files.Row]) -> PlanFile:
    entries: list[_Entry] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    for row in rows:
        try:
            entry = _entry(row, seen)
        except _Fault as fault:
            faults.append(f"Line {row.line}: {fault}")
        else:
            entries.append(entry)
            seen[entry.campaign] = entry.line
    if faults:
        more = len(faults) - _MOST_TOLD
        told = faults[:_MOST_TOLD] + ([f"{more:,} more lines have faults."] if more > 0 else [])
        raise PlanFileRefused("\n".join(told))
    return PlanFile(
        campaigns=[one.campaign for one in entries],
        a=[one.a for one in entries],
        k=[FALLBACK_EXPONENT if one.k is None else one.k for one in entries],
        lower=[one.lower or 0.0 for one in entries],
        upper=[math.inf if one.upper is None else one.upper for one in entries],
        current=[one.current for one in entries],
        guessed=sum(one.k is None for one in entries),
    )


class _Fault(ValueError):
    """What is wrong with one line."""


def _entry(row: row_files.Row, seen: dict[str, int]) -> _Entry:
    if row.fault:
        raise _Fault(_printable(row.fault))
    campaign = _printable(str(row.values.get("campaign") or "").strip())
    if not campaign:
        raise _Fault("the campaign has no name. Write one in the column campaign.")
    if campaign in seen:
        raise _Fault(f"{campaign!r} is on line {seen[campaign]} already. Keep one of the two.")
    a = _number(row, "a")
    if a is None:
        raise _Fault("a is empty. Write what the first unit of money earns, or leave the campaign out.")
    k = _number(row, "k")
    if k is not None and not 0 < k < 1:
        raise _Fault(
            f"k is {k:g}. Write a number between 0 and 1, or nothing ({FALLBACK_EXPONENT} is taken)."
        )
    bounds = [_number(row, name) for name in ("min_budget", "max_budget", "current_budget")]
    return _Entry(row.line, campaign, a, k, *bounds)


def _number(row: row_files.Row, name: str) -> float | None:
    """None where nothing is said."""
    given: Any = row.values.get(name)
    text = "" if given is None else str(given).strip()
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _Fault(f"{name} is {_printable(text)!r}, which is no number. Write it like 1234.56.") from None
    value = float(number)
    if not 0 <= value < math.inf:
        raise _Fault(f"{name} is {_printable(text)}. Write a finite number of at least 0.")
    return value


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
