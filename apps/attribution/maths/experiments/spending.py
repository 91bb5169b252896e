"""How much of the error a sequential test may spend by when."""

from __future__ import annotations

import math
from enum import StrEnum

from scipy.special import ndtr, ndtri


class Spending(StrEnum):
    """O'Brien-Fleming spends next to nothing early, Pocock nearly evenly, the powers in between."""

    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"
    POWER_2 = "power_2"
    POWER_3 = "power_3"


def spent(fraction: float, *, alpha: float, spending: Spending) -> float:
    """Two-sided error that may be spent until this part of the horizon; alpha at 1 and beyond.

    fraction: >= 0; alpha in (0, 1).
    O'Brien-Fleming: each side of alpha / 2 spends 2 (1 - Phi(z_(alpha/4) / sqrt t)); Pocock: alpha ln(1 +
    (e - 1) t); power r: alpha t^r.
    Source: Lan, DeMets 1983, "Discrete sequential boundaries for clinical trials"; Kim, DeMets 1987.
    """
    if fraction <= 0:
        return 0.0
    if fraction >= 1:
        return alpha
    if spending is Spending.OBRIEN_FLEMING:
        return 4 * float(ndtr(ndtri(alpha / 4) / math.sqrt(fraction)))
    if spending is Spending.POCOCK:
        return alpha * math.log1p((math.e - 1) * fraction)
    return alpha * fraction ** (2 if spending is Spending.POWER_2 else 3)
