"""The business report as a PDF of one or two pages.

The fonts that every reader has know Latin-1 alone: other letters lose their accents, and what is left is "?".
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from apps.accounts.figures import DASH, money, number
from apps.campaigns.bi import words
from apps.campaigns.bi.summary import Summary

PLAIN = {
    "€": "EUR ",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "“": '"',
    "”": '"',
}
INK, QUIET, LINE = (31, 37, 51), (95, 102, 117), (217, 220, 226)


def latin(text: str) -> str:
    """The text in letters that the fonts have."""
    for sign, plain in PLAIN.items():
        text = text.replace(sign, plain)
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    try:
        letter.encode("latin-1")
    except UnicodeEncodeError:
        bare = unicodedata.normalize("NFKD", letter).encode("latin-1", "ignore").decode("latin-1")
        return bare or "?"
    return letter


def render(found: Summary, *, name: str, zone: ZoneInfo, now: datetime) -> bytes:
    """The report of a workspace of that name."""
    paper = FPDF(format="A4")
    paper.set_title(latin(f"{name}: what marketing brought"))
    paper.set_lang("en-GB")
    paper.set_creation_date(now)
    paper.set_margins(18, 18)
    paper.add_page()
    _headline(paper, found, name)
    _figures(paper, found)
    _channels(paper, found)
    _segments(paper, found)
    for label, doubt in words.doubts(found.figures):
        _line(paper, f"{label}: {doubt}", size=8, colour=QUIET)
    for text in words.dates(found.computed_at, found.refreshed_at, zone):
        _line(paper, text, size=8, colour=QUIET)
    return bytes(paper.output())


def _headline(paper: FPDF, found: Summary, name: str) -> None:
    _line(paper, f"{name} · {found.start:%-d %b} to {found.end:%-d %b %Y}", size=9, colour=QUIET)
    _line(paper, " ".join(words.first_line(found.figures, found.currency)), size=18, bold=True)
    paper.ln(3)


def _figures(paper: FPDF, found: Summary) -> None:
    rows = [
        (words.LABELS[key], words.value(one, found.currency), words.note(one, found.currency))
        for key, one in found.figures.items()
    ]
    _table(paper, "Figures", ("", "", "How sure"), rows, (48, 32, 94))


def _channels(paper: FPDF, found: Summary) -> None:
    rows = [
        (
            one.label,
            money(one.revenue, found.currency, exact=True),
            DASH
            if one.low is None
            else f"{money(one.low, found.currency)} to {money(one.high, found.currency)}",
            number(one.conversions, 1),
            money(one.cost, found.currency, exact=True),
            DASH if one.roas is None else f"{number(one.roas, 1)} x",
        )
        for one in found.channels
    ]
    if rows:
        header = ("Channel", "Revenue", "95 %", "Conversions", "Cost", "Return")
        sums = [
            (label, money(amount, found.currency, exact=True), "", "", "", "")
            for label, amount in (("Without any touch", found.uncredited), ("All revenue", found.total))
        ]
        _table(paper, "Channels", header, [*rows, *sums], (42, 30, 38, 24, 24, 16))


def _segments(paper: FPDF, found: Summary) -> None:
    rows = [
        (
            one.label,
            f"{one.customers:,}",
            words.value(one.value, found.currency),
            words.ends(one.value, found.currency) or DASH,
        )
        for one in found.segments
    ]
    if rows:
        header = ("First channel", "Customers", "Worth so far", "How sure")
        _table(paper, "What customers are worth", header, rows, (54, 28, 34, 58))


def _table(
    paper: FPDF,
    title: str,
    header: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    widths: tuple[int, ...],
) -> None:
    _line(paper, title, size=12, bold=True)
    paper.set_draw_color(*LINE)
    paper.set_text_color(*INK)
    paper.set_font("Helvetica", size=9)
    with paper.table(
        col_widths=widths, width=sum(widths), line_height=5.5, borders_layout="HORIZONTAL_LINES"
    ) as table:
        for cells in (header, *rows):
            row = table.row()
            for cell in cells:
                row.cell(latin(cell))
    paper.ln(4)


def _line(
    paper: FPDF, text: str, *, size: int, bold: bool = False, colour: tuple[int, int, int] = INK
) -> None:
    paper.set_font("Helvetica", "B" if bold else "", size)
    paper.set_text_color(*colour)
    paper.multi_cell(0, size * 0.5, latin(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(1)
