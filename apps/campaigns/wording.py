"""Sentences of the pages of optimisation."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from apps.accounts.figures import DASH, Number, count, money, number
from apps.campaigns.models import Kind, Recommendation

OF_MONEY = {Kind.BUDGET, Kind.BUDGET_TEST, Kind.BID}
# Platforms take names of 400 characters.
LONGEST_NAME = 60
# Nobody believes a smaller chance to the digit.
LEAST_CHANCE = 1e-6
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
    "least of a question": "A fifth of today's: below that its curve is a guess.",
    "most of a question": "Three times today's: above that its curve is a guess.",
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
    return " to ".join(amounts((low, high), currency, most=max))


def amounts(
    values: Sequence[Number], currency: str, *, most: Callable[[Iterable[float]], float] = min
) -> list[str]:
    """Several in one sentence, all of them with pence or none: as the least of them needs, or the `most`."""
    is_exact = most(abs(float(one)) for one in values) < SMALL
    return [money(one, currency, exact=is_exact) for one in values]


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


def chance(probability: float) -> str:
    """A small probability as people say it."""
    if probability < LEAST_CHANCE:
        return f"less than 1 in {number(round(1 / LEAST_CHANCE))}"
    return f"1 in {number(round(1 / probability))}"


def short(name: str) -> str:
    """A name as a sentence can carry it."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1].rstrip()}…"


def names(found: Sequence[str]) -> str:
    """The first, and how many others."""
    if len(found) <= 2:
        return " and ".join(map(short, found))
    return f"{short(found[0])} and {count(len(found) - 1, 'other')}"
