"""An allocation, for programs and for a terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from apps.attribution.maths.apportion import MOST_MINOR, round_to_total
from apps.campaigns.maths.allocation.problem import Answer, Collision, Floats

_UNFOLDED = 100_000  # characters: no line is as long
_COLUMNS = ("Campaign", "Budget", "Revenue", "Next unit brings", "What binds")


def as_json(answer: Answer, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Numbers as they are, not rounded; null where there is none, as for what the first penny brings.

    infeasible: null, or [{"constraints", "amount", "least_change"}], and then there are no allocations.
    """
    if answer.infeasible is not None:
        reasons = [_reason(one) for one in answer.infeasible]
        return _shape([], None, None, None, reasons, notes)
    names = answer.names if answer.names is not None else range(len(answer.budgets))
    columns = (answer.budgets.tolist(), answer.revenues.tolist(), answer.marginal_returns.tolist())
    allocations = [
        {
            "campaign": name,
            "budget": budget,
            "revenue": revenue,
            "marginal_return": _finite(marginal),
            "binds": binds,
        }
        for name, budget, revenue, marginal, binds in zip(names, *columns, answer.binds, strict=True)
    ]
    return _shape(
        allocations, answer.revenue, _finite(answer.marginal_return), _finite(answer.gap), None, notes
    )


def as_table(answer: Answer, notes: Sequence[str] = ()) -> str:
    """Money to the penny: the budgets and the revenues add up to what stands below them."""
    if answer.infeasible is not None:
        lines = ["No budgets obey all of these constraints:", *(f"- {one}" for one in answer.infeasible)]
        return "\n".join([*lines, *notes])
    names = answer.names if answer.names is not None else range(len(answer.budgets))
    table = _table()
    budgets, revenues = _pennies(answer.budgets), _pennies(answer.revenues)
    marginal = [_rate(one) for one in answer.marginal_returns.tolist()]
    for cells in zip(map(str, names), budgets, revenues, marginal, answer.binds, strict=False):
        table.add_row(*(Text(cell) for cell in cells))
    table.add_section()
    table.add_row("Total", budgets[-1], revenues[-1], _rate(answer.marginal_return), "")
    return "\n".join([*_lines(table), _certificate(answer), *notes])


def _shape(
    allocations: list[dict[str, Any]],
    revenue: float | None,
    marginal: float | None,
    gap: float | None,
    infeasible: list[dict[str, Any]] | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "allocations": allocations,
        "revenue": revenue,
        "marginal_return": marginal,
        "certified_gap": gap,
        "infeasible": infeasible,
    }
    return shape | ({"notes": list(notes)} if notes else {})


def _reason(collision: Collision) -> dict[str, Any]:
    return {
        "constraints": list(collision.constraints),
        "amount": collision.amount,
        "least_change": collision.least_change,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _rate(number: float) -> str:
    return f"{number:,.4f}" if math.isfinite(number) else "-"


def _pennies(amounts: Floats) -> list[str]:
    """Each to two places, and the sum last; they add up, unless too large for their pennies to be told."""
    total = round(float(amounts.sum()) * 100)
    if total > MOST_MINOR:
        return [f"{amount:,.2f}" for amount in [*amounts.tolist(), float(amounts.sum())]]
    whole = round_to_total(amounts * 100, np.array([total]), np.array([0, len(amounts)])).tolist()
    return [f"{penny // 100:,}.{penny % 100:02d}" for penny in [*whole, total]]


def _table() -> Table:
    table = Table(box=box.ASCII2)
    for place, name in enumerate(_COLUMNS):
        table.add_column(name, justify="right" if 0 < place < len(_COLUMNS) - 1 else "left", no_wrap=True)
    return table


def _lines(table: Table) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=_UNFOLDED, highlight=False, color_system=None).print(table, crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _certificate(answer: Answer) -> str:
    if math.isinf(answer.gap):
        return "Nothing is earned, so that no gap can be stated."
    return (
        "Certified: no other budgets within these limits earn more than"
        f" {answer.gap:.1e} of the revenue on top."
    )
