"""What an amount in a foreign currency is worth in the workspace's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.accounts import scoping
from apps.accounts.models import Workspace

AT_PAR = Decimal(1)
# What the column of a kept rate can hold.
LARGEST = Decimal(10) ** 10


@dataclass(frozen=True)
class Purse:
    """The workspace's currency, and the rates at which it takes others: units of home per one of theirs."""

    home: str
    rates: Mapping[str, Any] = field(default_factory=dict)

    def rate(self, currency: str) -> Decimal | None:
        """Units of the home currency per one of `currency`; None where the workspace has set none."""
        if currency == self.home:
            return AT_PAR
        try:
            rate = round(Decimal(str(self.rates.get(currency))), 8)
        except InvalidOperation:
            return None
        return rate if 0 < rate < LARGEST else None

    def what_is_missing(self, currency: str) -> str:
        """What to tell somebody who sent a currency without a rate."""
        return (
            f"There is no exchange rate from {currency} to {self.home}. Send {self.home}, or set the rate in "
            f'the workspace\'s settings: {{"exchange_rates": {{"{currency}": "…"}}}}, '
            f"in {self.home} per 1 {currency}."
        )


def purse() -> Purse:
    """The purse of the workspace in scope."""
    home, settings = (
        Workspace.objects.filter(pk=scoping.current_id()).values_list("currency", "settings").get()
    )
    rates = settings.get("exchange_rates")
    return Purse(home, rates if isinstance(rates, dict) else {})
