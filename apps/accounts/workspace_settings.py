"""What a workspace may set for itself. Each app registers the settings that it reads, with their checks."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings

from apps.accounts.errors import Invalid
from apps.accounts.permissions import Actor

# Given who sets it and the value; raises ValueError saying what is wrong with it.
Check = Callable[[Actor, Any], None]
_known: dict[str, Check] = {}


def register(name: str) -> Callable[[Check], Check]:
    """Have the function check the values of the setting of that name."""

    def keep(check: Check) -> Check:
        _known[name] = check
        return check

    return keep


def merged(actor: Actor, present: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The settings after a change; null takes one back to its default. Raises Invalid, with the names."""
    errors = {
        f"settings.{name}": [fault]
        for name, value in changes.items()
        if (fault := _fault(actor, name, value))
    }
    if errors:
        raise Invalid(errors)
    both = {**present, **changes}
    return {name: value for name, value in both.items() if value is not None}


def _fault(actor: Actor, name: str, value: Any) -> str:
    if name not in _known:
        return f"There is no such setting. Choose from {', '.join(sorted(_known))}."
    if value is None:
        return ""
    try:
        _known[name](actor, value)
    except ValueError as error:
        return str(error)
    return ""


@register("rate_limits")
def _check_rate_limits(actor: Actor, value: Any) -> None:
    """A workspace may lower its limits; raising one costs the house, so only staff may."""
    if not isinstance(value, dict) or not set(value) <= set(settings.RATE_LIMITS):
        raise ValueError(f"Give requests a minute by family: {', '.join(sorted(settings.RATE_LIMITS))}.")
    for family, limit in value.items():
        highest = 10_000_000 if actor.is_staff or actor.kind == "system" else settings.RATE_LIMITS[family]
        if type(limit) is not int or not 1 <= limit <= highest:
            raise ValueError(f"{family} takes a whole number from 1 to {highest:,}; ask us for more.")


@register("exchange_rates")
def _check_exchange_rates(actor: Actor, value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError('Give the worth of one unit in your currency, by currency: {"EUR": "0.85"}.')
    for currency, rate in value.items():
        if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
            raise ValueError(
                f"Currencies have the three letters of ISO 4217, such as EUR; got {currency[:10]!r}."
            )
        if not _is_rate(rate):
            raise ValueError(
                f"The rate of {currency} must be a number above 0 and below 1,000,000, as a text."
            )


def _is_rate(rate: Any) -> bool:
    try:
        return isinstance(rate, str) and 0 < Decimal(rate) < 1_000_000
    except InvalidOperation:
        return False
