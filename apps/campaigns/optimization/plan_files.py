"""Campaigns and their curves from a file, each refusal with its line and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from apps.attribution import row_files
from apps.campaigns.maths.allocation.curves import FALLBACK_EXPONENT
from apps.campaigns.optimization import history_files
from apps.campaigns.optimization.history_files import History
from apps.campaigns.optimization.plan_cells import Fault, Faults, PlanFileRefused, number, printable

REQUIRED = ("campaign", "a")
OPTIONAL = ("k", "min_budget", "max_budget", "current_budget")


@dataclass(frozen=True)
class PlanFile:
    """The campaigns of a file, in its order; guessed: how many had no k of their own; notes: what a
    fit to history came to.
    """

    campaigns: list[str]
    a: list[float]
    k: list[float]
    lower: list[float]
    upper: list[float]
    current: list[float | None]
    guessed: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Entry:
    campaign: str
    a: float
    k: float | None
    lower: float | None
    upper: float | None
    current: float | None


def read(path: Path) -> PlanFile:
    """Read a file of curves, or of history that curves are fitted to: CSV, JSON Lines, Parquet, also gzipped.

    Raises PlanFileRefused for columns, lines and numbers that cannot be used.
    """
    try:
        rows = row_files.rows(path)
        first = next(rows, None)
        if first is None:
            raise PlanFileRefused("It holds no campaign. Write one line for each below the header.")
        names = list(first.values)
        if "a" not in names and {"date", "spend"} <= set(names):
            _check_columns(names, required=history_files.COLUMNS)
            return _of_history(history_files.read([first, *rows]))
        _check_columns(names, required=REQUIRED, optional=OPTIONAL)
        return _plan([first, *rows])
    except row_files.UnreadableFile as error:
        raise PlanFileRefused(printable(str(error))) from error


def _check_columns(names: list[str], *, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    missing = [name for name in required if name not in names]
    unknown = [name for name in names if name not in (*required, *optional)]
    if missing:
        raise PlanFileRefused(f"Line 1: the column {missing[0]} is missing.{_meant(missing[0], unknown)}")
    if unknown:
        allowed = ", ".join([*required, *optional])
        raise PlanFileRefused(
            f"Line 1: the column {printable(unknown[0])!r} is not known. Known are {allowed}: rename it, or"
            " leave it out."
        )


def _meant(name: str, found: list[str]) -> str:
    near = get_close_matches(name, found, n=1)
    return (
        f" Is it {printable(near[0])!r}? Then rename that."
        if near
        else " Add it to the header and to each line."
    )


def _of_history(found: History) -> PlanFile:
    """Curves fitted to the history; what each campaign spent a day lately is its current budget. One without
    a curve earns nothing that can be told, and stays as it is.
    """
    reference = found.curves.reference.tolist()
    notes = [
        f"Curves fitted to {found.first_day} to {found.last_day}: revenue = a * budget ** k, k between "
        f"{found.curves.k.min():.2f} and {found.curves.k.max():.2f}."
    ]
    notes += [f"{name}: not enough data ({why})." for name, why in found.silent.items()]
    return PlanFile(
        campaigns=found.campaigns,
        a=found.curves.a.tolist(),
        k=found.curves.k.tolist(),
        lower=[0.0] * len(found.campaigns),
        upper=[math.inf] * len(found.campaigns),
        current=list(reference),
        guessed=0,
        notes=notes,
    )


def _plan(rows: Iterable[row_files.Row]) -> PlanFile:
    faults, seen = Faults(), dict[str, int]()
    entries = [one for row in rows if (one := faults.of(row, lambda row: _entry(row, seen))) is not None]
    faults.refuse()
    return PlanFile(
        campaigns=[one.campaign for one in entries],
        a=[one.a for one in entries],
        k=[FALLBACK_EXPONENT if one.k is None else one.k for one in entries],
        lower=[one.lower or 0.0 for one in entries],
        upper=[math.inf if one.upper is None else one.upper for one in entries],
        current=[one.current for one in entries],
        guessed=sum(one.k is None for one in entries),
    )


def _entry(row: row_files.Row, seen: dict[str, int]) -> _Entry:
    campaign = printable(str(row.values.get("campaign") or "").strip())
    if not campaign:
        raise Fault("the campaign has no name. Write one in the column campaign.")
    if campaign in seen:
        raise Fault(f"{campaign!r} is on line {seen[campaign]} already. Keep one of the two.")
    a = number(row, "a")
    if a is None:
        raise Fault("a is empty. Write what the first unit of money earns, or leave the campaign out.")
    k = number(row, "k")
    if k is not None and not 0 < k < 1:
        raise Fault(f"k is {k:g}. Write a number between 0 and 1, or nothing ({FALLBACK_EXPONENT} is taken).")
    bounds = [number(row, name) for name in ("min_budget", "max_budget", "current_budget")]
    seen[campaign] = row.line
    return _Entry(campaign, a, k, *bounds)
