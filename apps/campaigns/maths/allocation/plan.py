"""What a solver finds, before it is explained."""

from dataclasses import dataclass

from .curves import Floats


@dataclass(frozen=True, eq=False)
class Plan:
    """Budgets, and the prices that prove how good they are.

    price: of the total. prices: (n,) that each campaign meets, None where it is the price of the total.
    group_prices: (groups,) how far the price inside is above the one around: above 0 a cap binds, below 0 a
    floor. bound: no budgets bring more, moves paid. promised: (n,) what a concave curve around each campaign
    says that its budget brings.
    """

    budgets: Floats
    price: float
    bound: float
    prices: Floats | None = None
    group_prices: Floats | None = None
    promised: Floats | None = None
