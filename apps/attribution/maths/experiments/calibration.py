"""What a lift test measured against what a model credited: the factor between them, with its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from .arms import Floats

SUREST = 2.0


@dataclass(frozen=True, kw_only=True)
class LiftTest:
    """Conversions (or value) of one channel in the period and the scope of the test.

    measured: what the test says the channel caused; attributed: what the model credited it there, > 0; errors
    are standard errors, >= 0. Raises ValueError for others.
    """

    measured: float
    measured_error: float
    attributed: float
    attributed_error: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.measured, self.measured_error, self.attributed, self.attributed_error)
        if not all(map(math.isfinite, numbers)) or min(self.measured_error, self.attributed_error) < 0:
            raise ValueError(f"figures must be finite, errors >= 0; got {self}")
        if not self.attributed > 0:
            raise ValueError(f"without credit there is nothing to correct; got {self.attributed}")


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """ratio: measured over attributed. tests: how many are in it. between: standard deviation of the truth
    between tests, on `scale`: "log", or "plain" where a test's measured lift is not clear of 0."""

    ratio: float
    low: float
    high: float
    tests: int
    between: float
    scale: str
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A credit times its multiplier, to be shown beside the credit itself."""

    credit: float
    low: float
    high: float


def multiplier(tests: Sequence[LiftTest], *, alpha: float = 0.05) -> Multiplier:
    """One factor from all tests of a channel, weighted by inverse variance, allowing for truths that differ.

    Raises ValueError for no tests, or one without any error beside others.

    On logs: y = ln(measured / attributed), variance (se_m / m)^2 + (se_a / a)^2. Where some measured lift is
    below twice its error the log has no usable error, and all tests are combined on the plain ratio instead.
    Weights 1 / (v_i + tau^2), tau^2 = max(0, (Q - (k - 1)) / (sum w - sum w^2 / sum w)), w = 1 / v; interval
    normal on the same scale.
    Source: delta method; DerSimonian, Laird 1986, "Meta-analysis in clinical trials".
    """
    if not tests:
        raise ValueError("no lift test to calibrate with")
    is_log = all(test.measured > 0 and test.measured >= SUREST * test.measured_error for test in tests)
    values, variances = _on_logs(tests) if is_log else _plain(tests)
    centre, error, between = combine(values, variances)
    half = float(ndtri(1 - alpha / 2)) * error
    ends = (centre, centre - half, centre + half)
    ratio, low, high = map(math.exp, ends) if is_log else ends
    return Multiplier(
        ratio=ratio,
        low=low,
        high=high,
        tests=len(tests),
        between=between,
        scale="log" if is_log else "plain",
        standard_error=error,
    )


def combine(values: Floats, variances: Floats) -> tuple[float, float, float]:
    """Random-effects mean of (k,) values, its standard error, and the deviation between them.

    Raises ValueError where one of several values has no variance.
    """
    if len(values) == 1:
        return float(values[0]), math.sqrt(variances[0]), 0.0
    if not (variances > 0).all():
        raise ValueError("a test without any error cannot be combined with others")
    weights = 1 / variances
    fixed = float((weights * values).sum() / weights.sum())
    excess = float((weights * (values - fixed) ** 2).sum()) - (len(values) - 1)
    room = float(weights.sum() - (weights * weights).sum() / weights.sum())
    between = max(0.0, excess / room)
    weights = 1 / (variances + between)
    centre = float((weights * values).sum() / weights.sum())
    return centre, 1 / math.sqrt(weights.sum()), math.sqrt(between)


def apply(credit: float, credit_error: float, factor: Multiplier, *, alpha: float = 0.05) -> Calibrated:
    """Multiply a credit, both errors in the interval. credit: >= 0; a credit of 0 stays 0.

    The factor stands for the next period as for the tested one: `between` says how far it strayed.
    Raises ValueError for a negative credit or error.
    """
    if credit < 0 or credit_error < 0:
        raise ValueError(f"credit and error must be >= 0; got {credit}, {credit_error}")
    if credit == 0:
        return Calibrated(credit=0.0, low=0.0, high=0.0)
    z, middle, part = float(ndtri(1 - alpha / 2)), credit * factor.ratio, credit_error / credit
    if factor.scale == "log":
        times = math.exp(z * math.hypot(factor.standard_error, part))
        return Calibrated(credit=middle, low=middle / times, high=middle * times)
    half = z * credit * math.hypot(factor.standard_error, factor.ratio * part)
    return Calibrated(credit=middle, low=middle - half, high=middle + half)


def _on_logs(tests: Sequence[LiftTest]) -> tuple[Floats, Floats]:
    measured, errors, attributed, doubts = _columns(tests)
    return np.log(measured / attributed), (errors / measured) ** 2 + (doubts / attributed) ** 2


def _plain(tests: Sequence[LiftTest]) -> tuple[Floats, Floats]:
    measured, errors, attributed, doubts = _columns(tests)
    ratio = measured / attributed
    return ratio, (errors**2 + (ratio * doubts) ** 2) / attributed**2


def _columns(tests: Sequence[LiftTest]) -> Floats:
    rows = [(t.measured, t.measured_error, t.attributed, t.attributed_error) for t in tests]
    return np.array(rows, dtype=np.float64).T
