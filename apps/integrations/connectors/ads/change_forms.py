"""A change as an outbox call carries it."""

from decimal import Decimal
from typing import Any

from apps.integrations.connectors.ads.platform import BudgetKind, Change, Dimension, Segment, Status
from apps.integrations.money import Money


def to_json(change: Change) -> dict[str, Any]:
    return {
        "status": change.status,
        "budget": change.budget and _told_money(change.budget),
        "budget_kind": change.budget_kind,
        "bid": change.bid and _told_money(change.bid),
        "exclude": change.exclude and [change.exclude.dimension, change.exclude.value],
        "include": change.include and [change.include.dimension, change.include.value],
    }


def from_json(told: dict[str, Any]) -> Change:
    return Change(
        status=told["status"] and Status(told["status"]),
        budget=told["budget"] and Money(Decimal(told["budget"][0]), told["budget"][1]),
        budget_kind=told["budget_kind"] and BudgetKind(told["budget_kind"]),
        bid=told["bid"] and Money(Decimal(told["bid"][0]), told["bid"][1]),
        exclude=told["exclude"] and _segment(told["exclude"]),
        include=told["include"] and _segment(told["include"]),
    )


def _told_money(money: Money) -> list[str]:
    return [str(money.amount), money.currency]


def _segment(told: list[str]) -> Segment:
    return Segment(Dimension(told[0]), told[1])
