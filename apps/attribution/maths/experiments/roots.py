"""Where a function of one number is 0."""

from __future__ import annotations

from collections.abc import Callable

MOST_STEPS = 200


class NoRootBetween(ValueError):
    """The function has the same sign at both ends."""


def root(function: Callable[[float], float], low: float, high: float, *, within: float = 1e-12) -> float:
    """A point at most `within` (or a rounding error) from a change of sign between low and high.

    Raises NoRootBetween. Inverse quadratic steps where three points allow them, halves otherwise.
    Source: Chandrupatla 1997, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear
    function without using derivatives".
    """
    a, b = high, low
    f_a, f_b = function(a), function(b)
    if f_a * f_b > 0:
        raise NoRootBetween(f"{f_b:g} at {low:g} and {f_a:g} at {high:g}")
    part = 0.5
    for _ in range(MOST_STEPS):
        x = a + part * (b - a)
        f_x = function(x)
        if (f_x > 0) == (f_a > 0):
            c, f_c = a, f_a
        else:
            c, f_c, b, f_b = b, f_b, a, f_a
        a, f_a = x, f_x
        best, f_best = (a, f_a) if abs(f_a) < abs(f_b) else (b, f_b)
        least = (within / 2 + 4e-16 * abs(best)) / abs(b - a) if b != a else 1.0
        if f_best == 0 or least > 0.5:
            return best
        part = min(1 - least, max(least, _step(a, f_a, b, f_b, c, f_c)))
    return best


def _step(a: float, f_a: float, b: float, f_b: float, c: float, f_c: float) -> float:
    """How far from a to b to go next."""
    xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
    if not (phi * phi < xi and (1 - phi) ** 2 < 1 - xi):
        return 0.5
    along = f_a / (f_a - f_b) * f_c / (f_c - f_b)
    return along - (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_b - f_c)
