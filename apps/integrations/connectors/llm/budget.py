"""How many tokens a workspace may use in a day: reserved before a call, settled after it.

Both are one statement each, so that many calls at once never go beyond the budget. A process that dies
between them leaves its reservation until the day is over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from django.db.models import F

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.integrations.models import TokenDay


class TokensSpent(DomainError):
    code = "tokens_spent"
    status = 429


@dataclass
class Reservation:
    """used: what the call really took; the whole reservation until somebody knows better."""

    tokens: int
    used: int


@contextmanager
def reserved(tokens: int, *, budget: int, today: date) -> Iterator[Reservation]:
    """Hold the tokens while the block runs, and settle with what it says was used. Raises TokensSpent."""
    _reserve(tokens, budget=budget, today=today)
    held = Reservation(tokens, tokens)
    try:
        yield held
    finally:
        day = TokenDay.objects.filter(on=today)
        day.update(reserved=F("reserved") - tokens, used=F("used") + held.used)


def share_used(*, budget: int, today: date) -> float:
    """The part of the day's budget that is used or held."""
    day: TokenDay | None = TokenDay.objects.filter(on=today).first()
    return (day.used + day.reserved) / budget if day and budget else 0.0


def _reserve(tokens: int, *, budget: int, today: date) -> None:
    fresh = TokenDay(workspace_id=scoping.current_id(), on=today)
    TokenDay.objects.bulk_create([fresh], ignore_conflicts=True)
    has_room = TokenDay.objects.filter(on=today, used__lte=budget - tokens - F("reserved"))
    if not has_room.update(reserved=F("reserved") + tokens):
        raise TokensSpent(
            f"The day's {budget:,} tokens of language models are used or held, until midnight UTC."
        )
