"""A variant against the control, by large-sample arithmetic on their means.

Of money the smaller of two arms is not trusted with how much it varies by itself: orders are skewed, and
seem to vary least where little happened to be bought, so that a tenth held out would prove in one experiment
of ten what is not there (docs/models/experiments.md). Its variance is raised to that of both arms together,
as far as it is the smaller one: not at all among equals, nearly whole for a twentieth. Rates are left as
published: at nine to one their intervals miss 5.3 % of the time instead of 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from .arms import Estimate
from .readings import Effect


@dataclass(frozen=True, kw_only=True)
class Difference:
    """value: variant minus control, absolute or as part of the control's mean."""

    value: float
    standard_error: float
    degrees_of_freedom: float = math.inf

    @property
    def z(self) -> float:
        """The normal score of the t statistic: as unlikely as it, and usable where a theory wants normals."""
        if not self.standard_error:
            return 0.0
        t = self.value / self.standard_error
        tail = float(ndtr(-abs(t))) if math.isinf(self.degrees_of_freedom) else self._tail(t)
        return math.copysign(abs(float(ndtri(tail))), t) if tail else math.copysign(math.inf, t)

    def _tail(self, t: float) -> float:
        return float(stdtr(self.degrees_of_freedom, -abs(t)))

    def half_width(self, z: float) -> float:
        """Half an interval as wide as `z` normal standard errors, widened for the degrees of freedom."""
        if math.isinf(self.degrees_of_freedom) or not math.isfinite(z):
            return z * self.standard_error
        tail = float(ndtr(-z))
        times = -float(stdtrit(self.degrees_of_freedom, tail)) if tail else math.inf
        return times * self.standard_error


def absolute(control: Estimate, variant: Estimate) -> Difference:
    """Variant minus control. Source of the degrees of freedom: Welch 1947."""
    control, variant = _no_surer_than_together(control, variant)
    return Difference(
        value=variant.mean - control.mean,
        standard_error=math.sqrt(variant.variance + control.variance),
        degrees_of_freedom=_welch(control, variant),
    )


def relative(control: Estimate, variant: Estimate) -> Difference | None:
    """Variant over control minus 1, error by the delta method; None where the control's mean is not positive.

    variance = v_b / a^2 + v_a b^2 / a^4 for means a of the control, b of the variant.
    """
    if not control.mean > 0:
        return None
    control, variant = _no_surer_than_together(control, variant)
    ratio = variant.mean / control.mean
    variance = variant.variance / control.mean**2 + control.variance * ratio**2 / control.mean**2
    return Difference(
        value=ratio - 1,
        standard_error=math.sqrt(variance),
        degrees_of_freedom=_welch(control, variant),
    )


def p_value(difference: Difference) -> float:
    """Two-sided, of no difference, looked at once. 1 where nothing varies."""
    return float(2 * ndtr(-abs(difference.z)))


def effect(control: Estimate, variant: Estimate, *, z: float) -> Effect:
    """Both differences with intervals of z standard errors (1.96 for 95 %, looked at once)."""
    plain, part = absolute(control, variant), relative(control, variant)
    half = plain.half_width(z)
    return Effect(
        difference=plain.value,
        low=plain.value - half,
        high=plain.value + half,
        standard_error=plain.standard_error,
        relative=part.value if part else None,
        relative_low=part.value - part.half_width(z) if part else None,
        relative_high=part.value + part.half_width(z) if part else None,
    )


def _no_surer_than_together(control: Estimate, variant: Estimate) -> tuple[Estimate, Estimate]:
    """Both, the variance of the one with fewer units at least what its units would have of both together."""
    smaller, larger = sorted((control, variant), key=lambda one: one.units)
    is_rate = control.events is not None or variant.events is not None
    if is_rate or smaller.units < 2 or smaller.units == larger.units:
        return control, variant
    squares = sum(one.variance * one.units * (one.units - 1) for one in (smaller, larger))
    together = squares / (smaller.units + larger.units - 2) / smaller.units
    part = 1 - smaller.units / larger.units
    raised = max(smaller.variance, smaller.variance + part * (together - smaller.variance))
    found = replace(smaller, variance=raised)
    return (found, variant) if smaller is control else (control, found)


def _welch(control: Estimate, variant: Estimate) -> float:
    parts = [(found.variance, found.degrees_of_freedom) for found in (control, variant) if found.variance > 0]
    if any(math.isinf(freedom) for _, freedom in parts) or not parts:
        return math.inf
    return sum(v for v, _ in parts) ** 2 / sum(v * v / freedom for v, freedom in parts)
