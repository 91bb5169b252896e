"""What a budget earns: power curves, and S-shaped (Hill) curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
FALLBACK_EXPONENT = 0.8
_INFINITY = float("inf")


@dataclass(frozen=True, eq=False, init=False)
class PowerCurves:
    """Revenue a * b ** k of a budget b.

    a: (n,) revenue of the first unit of money, finite, >= 0; a campaign of 0 earns nothing.
    k: (n,) or one number, 0 < k < 1: how fast more money loses its effect. 0.8 where nothing is known.
    Raises ValueError naming the first campaign whose curve is none.
    """

    a: Floats
    k: Floats

    def __init__(self, a: ArrayLike, k: ArrayLike = FALLBACK_EXPONENT) -> None:
        values = column(a, "a")
        exponents = column(k, "k", len(values))
        check(values, "a", least=0.0)
        if not (exponents.min() > 0 and exponents.max() < 1):
            place = int((~((exponents > 0) & (exponents < 1))).argmax())
            raise ValueError(f"campaigns[{place}]: k must lie between 0 and 1; got {exponents[place]:g}")
        object.__setattr__(self, "a", values)
        object.__setattr__(self, "k", exponents)

    def __len__(self) -> int:
        return len(self.a)

    def revenue(self, budgets: Floats) -> Floats:
        return self.a * budgets**self.k

    def marginal(self, budgets: Floats) -> Floats:
        """What the next unit of money brings: infinite at 0, unless the campaign earns nothing at all."""
        with np.errstate(divide="ignore", over="ignore"):
            slopes = self.k * budgets ** (self.k - 1)
            return np.multiply(self.a, slopes, out=np.zeros_like(slopes), where=self.a > 0)


@dataclass(frozen=True, eq=False, init=False)
class HillCurves:
    """Revenue a * b ** shape / (half ** shape + b ** shape) of a budget b.

    a: (n,) the most a campaign can earn, finite, >= 0.
    half: (n,) or one number, > 0: the budget that earns half of it.
    shape: (n,) or one number, > 0; above 1 the first money earns less than the next (S-shaped).
    Raises ValueError naming the first campaign whose curve is none.
    """

    a: Floats
    half: Floats
    shape: Floats

    def __init__(self, a: ArrayLike, half: ArrayLike, shape: ArrayLike) -> None:
        values = column(a, "a")
        halves, shapes = column(half, "half", len(values)), column(shape, "shape", len(values))
        check(values, "a", least=0.0)
        for name, numbers in (("half", halves), ("shape", shapes)):
            check(numbers, name, least=0.0)
            if not numbers.min() > 0:
                raise ValueError(f"campaigns[{int(numbers.argmin())}]: {name} must be above 0; got 0")
        object.__setattr__(self, "a", values)
        object.__setattr__(self, "half", halves)
        object.__setattr__(self, "shape", shapes)

    def __len__(self) -> int:
        return len(self.a)

    def revenue(self, budgets: Floats) -> Floats:
        return self.a * self.share(budgets)

    def share(self, budgets: Floats) -> Floats:
        """How much of the most it earns; written so that neither a tiny nor a huge budget overflows."""
        with np.errstate(divide="ignore", over="ignore"):
            return 1 / (1 + np.exp(-self.shape * np.log(budgets / self.half)))

    def marginal(self, budgets: Floats) -> Floats:
        """What the next unit of money brings: at 0 nothing, a / half, or infinity as shape is >, =, < 1."""
        share = self.share(budgets)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = self.a * self.shape * share * (1 - share) / budgets
        first = np.where(self.shape > 1, 0.0, np.where(self.shape == 1, self.a / self.half, _INFINITY))
        slopes = np.where(budgets > 0, inside, first)
        return np.where(self.a > 0, slopes, 0.0)


Curves = PowerCurves | HillCurves


def column(given: ArrayLike, name: str, length: int | None = None) -> Floats:
    """(n,) floats; one number stands for all campaigns."""
    numbers = np.asarray(given, dtype=np.float64)
    if length is not None and numbers.ndim == 0:
        numbers = np.full(length, float(numbers))
    if numbers.ndim != 1 or (length is not None and len(numbers) != length):
        wanted = "one number a campaign" if length is None else f"one number for each of {length:,} campaigns"
        raise ValueError(f"{name} needs {wanted}; got shape {numbers.shape}")
    if not len(numbers):
        raise ValueError("there is no campaign to give money to")
    return numbers


def check(numbers: Floats, name: str, *, least: float, is_finite: bool = True) -> None:
    """Raises ValueError naming the first campaign whose number is below `least`, nan, or infinite though it
    must be finite.
    """
    if numbers.min() >= least and (not is_finite or numbers.max() < _INFINITY):
        return
    place = int((~((numbers >= least) & ((numbers < _INFINITY) | (not is_finite)))).argmax())
    kind = "a finite number" if is_finite else "a number"
    raise ValueError(
        f"campaigns[{place}]: {name} must be {kind} of at least {least:g}; got {numbers[place]:g}"
    )
