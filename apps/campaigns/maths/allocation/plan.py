"""What a solver finds, before it is explained."""

from dataclasses import dataclass

from .curves import Floats


@dataclass(frozen=True, eq=False)
class Plan:
    """Budgets, and the prices that prove how good they are.

    price: of the total. prices: (n,) that each campaign meets, which differ from it inside groups that bind.
    node_prices: (groups,) likewise. bound: no budgets earn more, moves paid.
    """

    budgets: Floats
    price: float
    prices: Floats | None
    node_prices: Floats | None
    bound: float
