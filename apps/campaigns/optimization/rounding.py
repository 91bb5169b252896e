"""Amounts in whole coins, never further from what is there than was asked for."""

from decimal import ROUND_HALF_UP, Decimal

from apps.integrations.money import exponent_of


def whole(amount: Decimal, *, towards: Decimal, currency: str) -> Decimal:
    """The amount in the currency's smallest coin; where rounding would go beyond it, one coin less far."""
    coin = Decimal(1).scaleb(-exponent_of(currency))
    exact = amount.quantize(coin, rounding=ROUND_HALF_UP)
    if abs(exact - towards) <= abs(amount - towards):
        return exact
    return exact - coin if exact > towards else exact + coin
