"""How fast a service uses up the failures that its objective allows, and when they will be gone.

An objective of 99.5 % allows a share of .005 of failures. The burn rate is the observed share over the
allowed one: at 1 the budget of a period lasts the period, at 14.4 a budget of 30 days is gone in two.

Source: Beyer, Murphy, Rensin, Kawahara, Thorne (eds.): The Site Reliability Workbook (2018), chapter 5,
multiwindow alerts.
"""

from dataclasses import dataclass

PERIOD_HOURS = 30 * 24.0
# (long window, short window) in hours, and the burn rate from which both must burn to say so.
FAST = (1.0, 1 / 12, 14.4)
SLOW = (6.0, 0.5, 6.0)


@dataclass(frozen=True)
class Window:
    """What happened in a time: calls and those that failed."""

    calls: int
    failures: int

    def burn(self, objective: float) -> float:
        """The share of failures over the share allowed. objective in (0, 1). 0 without calls."""
        if not 0 < objective < 1:
            raise ValueError(f"objective must be in (0, 1); got {objective}")
        return (self.failures / self.calls) / (1 - objective) if self.calls else 0.0


def is_burning(
    long: Window, short: Window, *, objective: float, rate: float, least_failures: int = 5
) -> bool:
    """Whether both windows burn at the rate: the long one shows that it matters, the short one that it goes
    on.

    least_failures: fewer in the long window are chance, whatever their share.
    """
    is_many = long.failures >= least_failures
    return is_many and long.burn(objective) >= rate and short.burn(objective) >= rate


def hours_left(spent_share: float, burn: float) -> float | None:
    """Hours until the budget of the period is gone at this rate; None when it does not shrink, 0 when it is
    gone.

    spent_share: the part of the budget that the period has used so far, >= 0.
    """
    if spent_share < 0:
        raise ValueError(f"spent_share must be >= 0; got {spent_share}")
    if spent_share >= 1:
        return 0.0
    return None if burn <= 0 else (1 - spent_share) * PERIOD_HOURS / burn
