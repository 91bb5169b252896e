"""The business report as a PDF of one or two pages.

The fonts that every reader has know Latin-1 alone: other letters lose their accents, and what is left is "?".
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

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
LEFT, RIGHT = Align.L, Align.R
# Of one in small letters, with the space under it.
NOTE_HEIGHT = 5.0
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
    paper.set_auto_page_break(True, margin=14)
    paper.add_page()
    _headline(paper, found, name)
    _figures(paper, found)
    _channels(paper, found)
    _segments(paper, found)
    _notes(paper, found, zone)
    return bytes(paper.output())


def _notes(paper: FPDF, found: Summary, zone: ZoneInfo) -> None:
    """On one page all of them, so that no line or two stand alone on another."""
    doubts = [f"{label}: {doubt}" for label, doubt in words.doubts(found.figures)]
    texts = [*doubts, *words.dates(found.computed_at, found.refreshed_at, zone)]
    if paper.will_page_break(len(texts) * NOTE_HEIGHT):
        paper.add_page()
    for text in texts:
        _line(paper, text, size=8, colour=QUIET)


def _headline(paper: FPDF, found: Summary, name: str) -> None:
    _line(paper, f"{name} · {found.start:%-d %b} to {found.end:%-d %b %Y}", size=9, colour=QUIET)
    _line(paper, " ".join(words.first_line(found.figures, found.currency)), size=18, bold=True)
    paper.ln(3)


def _figures(paper: FPDF, found: Summary) -> None:
    rows = [
        (words.LABELS[key], words.value(one, found.currency), words.note(one, found.currency))
        for key, one in found.figures.items()
    ]
    _table(paper, "Figures", ("", "", "How sure"), rows, ((48, LEFT), (32, RIGHT), (94, LEFT)))


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
        widths = (42, 30, 38, 24, 24, 16)
        columns = tuple((width, RIGHT if place else LEFT) for place, width in enumerate(widths))
        _table(paper, "Channels", header, [*rows, *sums], columns)


def _segments(paper: FPDF, found: Summary) -> None:
    rows = [
        (
            one.label,
            f"{one.customers:,}",
            words.value(one.value, found.currency),
            words.ends(one.value, found.currency) or words.TOO_FEW,
        )
        for one in found.segments
    ]
    if rows:
        header = ("First channel", "Customers", "Worth so far", "How sure")
        columns = ((54, LEFT), (28, RIGHT), (34, RIGHT), (58, LEFT))
        _table(paper, "What customers are worth", header, rows, columns)


def _table(
    paper: FPDF,
    title: str,
    header: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    columns: tuple[tuple[int, Align], ...],
) -> None:
    """columns: the width of each in millimetres, and its side: what is counted stands on the right."""
    widths, sides = zip(*columns, strict=True)
    _line(paper, title, size=12, bold=True)
    paper.set_draw_color(*LINE)
    paper.set_text_color(*INK)
    paper.set_font("Helvetica", size=9)
    with paper.table(
        col_widths=widths,
        width=sum(widths),
        text_align=sides,
        line_height=5.0,
        borders_layout="HORIZONTAL_LINES",
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
