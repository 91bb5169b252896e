"""Money as each platform writes it: minor units, micros, decimals as text, or plain numbers.

Inside, money is a Decimal amount of a currency; here alone it changes its form, by one table.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from apps.accounts.errors import DomainError

# ISO 4217 minor units other than 2.
EXPONENTS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    "CLF": 4,
    "UYW": 4,
}
# Meta counts these in whole units, whatever ISO says of them.
META_WHOLE = {"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"}


class Form(StrEnum):
    """How an amount is written on the wire."""

    META_MINOR = "meta minor units"
    MICROS = "micros"
    DECIMAL = "decimal as text"
    NUMBER = "number of major units"


class NotExact(DomainError):
    """The amount has more places than the platform can take."""

    code = "amount_not_exact"
    status = 400


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: str


def exponent_of(currency: str) -> int:
    """Decimal places of a currency."""
    return EXPONENTS.get(currency.upper(), 2)


def places_of(form: Form, currency: str) -> int:
    """How many decimal places of a major unit the form can say."""
    if form == Form.META_MINOR:
        return 0 if currency.upper() in META_WHOLE else 2
    return min(6, exponent_of(currency)) if form == Form.MICROS else exponent_of(currency)


def to_wire(money: Money, form: Form) -> int | str | float:
    """The amount as the platform writes it. Raises NotExact rather than round somebody's money."""
    if money.amount != round(money.amount, places_of(form, money.currency)) or not money.amount.is_finite():
        raise NotExact(f"{money.amount} {money.currency} has more decimal places than can be sent.")
    if form == Form.META_MINOR:
        return int(money.amount.scaleb(places_of(form, money.currency)))
    if form == Form.MICROS:
        return int(money.amount.scaleb(6))
    if form == Form.DECIMAL:
        return f"{money.amount:.{exponent_of(money.currency)}f}"
    return float(money.amount)


def from_wire(value: object, currency: str, form: Form) -> Money:
    """The amount that the platform means: integers may come as text, and floats are read by their digits."""
    number = Decimal(str(value))
    if form == Form.META_MINOR:
        number = number.scaleb(-places_of(form, currency))
    elif form == Form.MICROS:
        number = number.scaleb(-6)
    return Money(number, currency.upper())
