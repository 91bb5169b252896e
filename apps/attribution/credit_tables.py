"""Credit of several models side by side: for programs, for spreadsheets, for a terminal."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from apps.attribution.maths.apportion import MOST_MINOR, round_to_total
from apps.attribution.maths.journeys import Floats
from apps.attribution.maths.models import Credit

Answers = Mapping[str, Credit]
Totals = Mapping[str, float]
_TITLES = {"conversions": "Conversions", "value": "Revenue"}
_PADDING = 3  # between columns, with the frame
_UNFOLDED = 100_000  # characters: no line is as long


def as_json(answers: Answers, totals: Totals) -> dict[str, Any]:
    """{"models": {model: {channel: {"conversions", "revenue", "share"}}}, "totals": totals}.

    A share is one of the conversions.
    """
    return {
        "models": {
            name: {
                channel: {"conversions": conversions, "revenue": revenue, "share": share}
                for channel, conversions, revenue, share in _rows(earned)
            }
            for name, earned in answers.items()
        },
        "totals": dict(totals),
    }


def as_rows(answers: Answers) -> Iterator[tuple[Any, ...]]:
    """model, channel, conversions, revenue, share; the header first."""
    yield "model", "channel", "conversions", "revenue", "share"
    for name, earned in answers.items():
        for row in _rows(earned):
            yield name, *row


def as_tables(answers: Answers, totals: Totals, *, width: int | None = None) -> str:
    """Channels down, the one with most credit first; models across, as many as fit the width; totals last.

    width: characters of the terminal; None for a file or pipe, where nothing is folded.
    """
    if len(answers) == 1:
        tables = [_of_one(name, earned) for name, earned in answers.items()]
    else:
        measures = ["conversions", "value"] if totals["revenue"] else ["conversions"]
        tables = [one for measure in measures for one in _side_by_side(measure, answers, width)]
    out = io.StringIO()
    console = Console(file=out, width=_UNFOLDED, highlight=False, color_system=None)
    for table in tables:
        console.print(table, crop=False)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([*lines, f"Journeys: {totals['journeys']:,.10g}"])


def _rows(earned: Credit) -> list[tuple[str, float, float, float]]:
    """(channel, conversions, revenue, share), by name."""
    columns = (earned.conversions.tolist(), earned.value.tolist(), earned.shares.tolist())
    return sorted(zip(earned.channels, *columns, strict=True))


def _of_one(name: str, earned: Credit) -> Table:
    table = _table(name, ["Conversions", "Revenue", "Share"])
    shares = [f"{share}%" for share in _adding_up(earned.shares * 100, places=1)]
    order = np.argsort(-earned.conversions, kind="stable")
    columns = (_adding_up(earned.conversions), _adding_up(earned.value), shares)
    rows = ([earned.channels[place], *(column[place] for column in columns)] for place in order)
    return _filled(table, rows, [column[-1] for column in columns])


def _side_by_side(measure: str, answers: Answers, width: int | None) -> list[Table]:
    """One table for each handful of models that fits the width."""
    channels = next(iter(answers.values())).channels
    amounts = {name: getattr(earned, measure) for name, earned in answers.items()}
    order = np.argsort(-sum(amounts.values()), kind="stable")
    written = {name: _adding_up(column[order]) for name, column in amounts.items()}
    names = [channels[place] for place in order]
    title = _TITLES[measure]
    room = (width or _UNFOLDED) - max(cell_len(name) for name in [*names, title]) - _PADDING
    widths = {name: max(len(name), len(column[-1])) + _PADDING for name, column in written.items()}
    tables = []
    for handful in _fitting(widths, room):
        rows = zip(names, *(written[name][:-1] for name in handful), strict=True)
        tables.append(_filled(_table(title, handful), rows, [written[name][-1] for name in handful]))
    return tables


def _fitting(widths: Mapping[str, int], room: int) -> list[list[str]]:
    handfuls: list[list[str]] = [[]]
    left = room
    for name, width in widths.items():
        if handfuls[-1] and width > left:
            handfuls.append([])
            left = room
        handfuls[-1].append(name)
        left -= width
    return handfuls


def _table(title: str, columns: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="")
    table.add_column(title, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _filled(table: Table, rows: Iterable[Sequence[str]], total: Sequence[str]) -> Table:
    for channel, *cells in rows:
        table.add_row(Text(channel), *cells)
    table.add_section()
    table.add_row("Total", *total)
    return table


def _adding_up(amounts: Floats, *, places: int = 2) -> list[str]:
    """The amounts and, last, their total, rounded so that they add up as written."""
    units = amounts * 10**places
    total = round(float(units.sum()))
    if abs(total) <= MOST_MINOR:
        units = round_to_total(units, np.array([total]), np.array([0, len(units)]))
    return [f"{unit / 10**places:,.{places}f}" for unit in [*units.tolist(), total]]
