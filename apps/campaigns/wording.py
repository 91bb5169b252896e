"""Sentences of the pages of optimisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from apps.accounts.figures import DASH, SPACE, Number, count, money, percent
from apps.campaigns.models import Kind, Recommendation

OF_MONEY = {Kind.BUDGET, Kind.BUDGET_TEST, Kind.BID}
# Below this an amount is told to the penny.
SMALL = 100
KIND_WORDS = {
    Kind.BUDGET: "Budgets",
    Kind.BID: "Bids",
    Kind.TARGETING: "Targeting",
    Kind.CREATIVE: "Creatives",
    Kind.BUDGET_TEST: "Budget tests",
}
BINDS_WORDS = {
    "nothing": "",
    "minimum": "Its minimum holds it there.",
    "maximum": "Its cap holds it there.",
    "largest change up": "It may not rise further in one step.",
    "largest change down": "It may not fall further in one step.",
    "locked": "It is locked.",
    "not worth moving": "Moving it is not worth the trouble.",
}


@dataclass(frozen=True)
class Line:
    """A sentence with the figure that it is about."""

    before: str
    figure: str
    after: str

    @property
    def text(self) -> str:
        return " ".join(part for part in (self.before, self.figure, self.after) if part)


def amount(value: Number | None, currency: str) -> str:
    """Money as a sentence has it: pence only where they matter."""
    return money(value, currency, exact=value is not None and abs(float(value)) < SMALL)


def span(low: Number | None, high: Number | None, currency: str) -> str:
    """An interval of money; a dash where there is none."""
    if low is None or high is None:
        return DASH
    is_exact = max(abs(float(low)), abs(float(high))) < SMALL
    return f"{money(low, currency, exact=is_exact)} to {money(high, currency, exact=is_exact)}"


def sure(confidence: float) -> str:
    """A confidence in percent; nothing that is yet to happen is certain."""
    return f"over 99{SPACE}%" if confidence > 0.995 else percent(confidence, 0)


def binds(code: str) -> str:
    """What holds a budget where it is, as a sentence; empty where nothing does."""
    if code in BINDS_WORDS:
        return BINDS_WORDS[code]
    return f"Held by the {code}." if code else ""


def value_of(found: Recommendation, text: str) -> str:
    """`before` or `after` as people read it."""
    if found.kind not in OF_MONEY:
        return text.replace("_", " ")
    try:
        return money(Decimal(text), found.currency, exact=True)
    except InvalidOperation:
        return text or DASH


def names(found: Sequence[str]) -> str:
    """The first, and how many others."""
    if len(found) <= 2:
        return " and ".join(found)
    return f"{found[0]} and {count(len(found) - 1, 'other')}"
