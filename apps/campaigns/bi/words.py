"""Figures of the business report as people read them."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from apps.accounts.figures import DASH, money, number, when
from apps.campaigns.bi.figures import MONEY, PERCENT, Figure

LABELS = {
    "attributed_revenue": "Attributed revenue",
    "incremental_revenue": "Incremental revenue",
    "spend": "Spend",
    "roi": "Return on spend",
    "conversion_rate": "Conversion of clicks",
    "acquisition_cost": "Cost of a customer",
    "viral_coefficient": "Viral coefficient",
    "churn": "Churn",
}

TOO_FEW = "Too few customers to say."


def shown(figure: Figure, value: float | Decimal | None, currency: str) -> str:
    """Money is shown to the coin; the ends of an estimate are no surer than whole ones."""
    if value is None:
        return DASH
    if figure.unit == MONEY:
        return money(value, currency, exact=isinstance(value, Decimal) or abs(value) < 100)
    return f"{number(value, 1)} %" if figure.unit == PERCENT else number(value, 2)


def value(figure: Figure, currency: str) -> str:
    return shown(figure, figure.value, currency)


def headline(figure: Figure, currency: str) -> str:
    """The same where there is little room: large sums without their coins, which stand in the table below."""
    if figure.unit == MONEY and figure.value is not None:
        return money(figure.value, currency, exact=-1000 < figure.value < 1000)
    return value(figure, currency)


def ends(figure: Figure, currency: str) -> str:
    """Its interval in words, empty without one."""
    if figure.low is None or figure.high is None:
        return ""
    return f"95 %: {shown(figure, figure.low, currency)} to {shown(figure, figure.high, currency)}"


def note(figure: Figure, currency: str) -> str:
    """What stands under a figure: why there is none, or how sure it is and of how many."""
    if figure.value is None:
        return figure.because
    sample = f"{figure.n:,} {figure.what}" if figure.n and figure.what else ""
    return "; ".join(part for part in (ends(figure, currency), sample) if part)


def dates(computed_at: datetime, refreshed_at: datetime | None, zone: ZoneInfo) -> list[str]:
    """When the figures are of, on the workspace's clock, and what an interval means."""
    wide = (
        "What customers are worth and cost is being worked out for the first time."
        if refreshed_at is None
        else f"What customers are worth and cost is as of {when(refreshed_at, zone)}."
    )
    return [
        f"Computed {when(computed_at, zone)} ({zone.key}). Intervals are of 95 %.",
        wide,
    ]


def doubts(found: dict[str, Figure]) -> list[tuple[str, str]]:
    """Of each figure that there is, what would make it wrong."""
    return [(LABELS[key], one.doubt) for key, one in found.items() if one.value is not None and one.doubt]


def first_line(found: dict[str, Figure], currency: str) -> tuple[str, str, str]:
    """The answer in a sentence, around its figure."""
    earned, roi = found["attributed_revenue"], found["roi"]
    if earned.value is None:
        return ("What marketing brought", "cannot be said yet.", earned.because)
    if roi.value is None:
        return ("Marketing brought", value(earned, currency), "in this period; what it cost is not known.")
    return ("Each pound spent" if currency == "GBP" else "Each unit spent", _back(roi), "in this period.")


def _back(roi: Figure) -> str:
    return f"came back {number(float(roi.value or 0) / 100 + 1, 2)} times"
