"""Is the world still the one that a model has learnt from? Charts with a stated rate of false alarms.

Three charts watch what was told against what happened, one test the mix of journeys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc, logit, xlogy

from .experiments.multiple import holm
from .journeys import Floats
from .prediction import SURELY

ALLOWANCE = 0.5  # the charts are quickest for a shift of one standard error a step
THRESHOLD = 6.0
STEPS_BETWEEN_FALSE_ALARMS = 750  # of all charts together, on average at least
LEAST_JOURNEYS = 100  # of a step: fewer wait for the next
LEAST_CONVERSIONS = 10.0  # expected of a step
MIX_ALPHA = 0.01  # of one test of the mix
MIX_STEPS = 7  # steps that one test of the mix gathers
WORTH = 0.1  # population stability index below which a shift is not worth learning anew
_SMALL = 5.0


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Of journeys: sums of the residual y - p and of the loss above what p expects, and of their squares."""

    journeys: int = 0
    residual: float = 0.0
    residual_squares: float = 0.0
    excess: float = 0.0
    excess_squares: float = 0.0

    @classmethod
    def of(cls, told: Floats, outcome: Floats) -> Sums:
        """told: (n,) probabilities; outcome: (n,) 0 or 1.

        The loss above what is expected, -log-likelihood - entropy(p), is (p - y) logit(p): its mean is 0 for
        a calibrated model however hard the journeys are, so that a harder mix alone moves nothing.
        """
        told = np.clip(told, SURELY, 1 - SURELY)
        residual = outcome - told
        excess = -residual * logit(told)
        return cls(
            journeys=len(told),
            residual=float(residual.sum()),
            residual_squares=float((residual**2).sum()),
            excess=float(excess.sum()),
            excess_squares=float((excess**2).sum()),
        )

    def __add__(self, other: Sums) -> Sums:
        return Sums(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Charts:
    """What the charts stand at; an alarm where one passes THRESHOLD.

    known: the reference and every step since. worse: of the loss; higher, lower: of the residual: more, or
    less, is converted than told.
    """

    known: Sums
    worse: float = 0.0
    higher: float = 0.0
    lower: float = 0.0

    @property
    def alarms(self) -> tuple[str, ...]:
        return tuple(name for name in ("worse", "higher", "lower") if getattr(self, name) > THRESHOLD)


def step(charts: Charts, added: Sums) -> Charts:
    """Move the charts by the journeys of one night.

    Each step is the difference between its mean and the mean of all known before, in standard errors of that
    difference: with a reference that is itself an estimate these are still independent and standard normal
    while nothing changes, so the chart keeps its rate of false alarms. c = max(0, c + z - ALLOWANCE).
    Raises ValueError for a step without journeys or a reference below two.
    Source: Page 1954 (CUSUM); Hawkins 1987 (self-starting); Siegmund 1985 (run lengths).
    """
    if added.journeys < 1 or charts.known.journeys < 2:
        raise ValueError("a step needs journeys, and a reference")
    worse, shift = _apart(charts.known, added, "excess"), _apart(charts.known, added, "residual")
    return replace(
        charts,
        known=charts.known + added,
        worse=max(0.0, charts.worse + worse - ALLOWANCE),
        higher=max(0.0, charts.higher + shift - ALLOWANCE),
        lower=max(0.0, charts.lower - shift - ALLOWANCE),
    )


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One property of journeys, then and now. p_value: by Holm over all properties; index: how large."""

    name: str
    p_value: float
    index: float

    @property
    def is_drift(self) -> bool:
        return self.p_value <= MIX_ALPHA and self.index >= WORTH


def shifts(
    reference: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]
) -> tuple[Shift, ...]:
    """Compare the mix of journeys: by property, how many of each kind there were and are.

    While the mix is the same, the chance that any p_value is <= MIX_ALPHA is MIX_ALPHA at most. Kinds that
    both together saw fewer than 5 times of are taken as one. index: population stability index,
    sum((b - a) log(b / a)).
    Source: G-test, Sokal and Rohlf 1994; Holm 1979.
    """
    names = [name for name in reference if name in now]
    tables = [_table(reference[name], now[name]) for name in names]
    adjusted = holm([_g_test(table) for table in tables])
    return tuple(
        Shift(name=name, p_value=p_value, index=_stability(table))
        for name, table, p_value in zip(names, tables, adjusted, strict=True)
    )


def steps_between_false_alarms(threshold: float, *, charts: int = 3) -> float:
    """Average steps to a false alarm of some of `charts` one-sided charts; Siegmund's approximation.

    (exp(2 k b) - 2 k b - 1) / (2 k ** 2) for one, b = threshold + 1.166, k = ALLOWANCE.
    """
    b = 2 * ALLOWANCE * (threshold + 1.166)
    return float((np.exp(b) - b - 1) / (2 * ALLOWANCE**2) / charts)


def _apart(known: Sums, added: Sums, name: str) -> float:
    sums, squares = getattr(known, name), getattr(known, f"{name}_squares")
    mean = sums / known.journeys
    variance = max(squares / known.journeys - mean**2, 1e-12)
    error = np.sqrt(variance * (1 / known.journeys + 1 / added.journeys))
    return float((getattr(added, name) / added.journeys - mean) / error)


def _table(before: Mapping[str, int], after: Mapping[str, int]) -> Floats:
    """(2, kinds)."""
    kinds = sorted({*before, *after})
    counts = np.array([[side.get(kind, 0) for kind in kinds] for side in (before, after)], dtype=np.float64)
    total = counts.sum()
    if not total:
        return counts
    expected = counts.sum(axis=1).min() * counts.sum(axis=0) / total
    rare = expected < _SMALL
    if rare.sum() < 1:
        return counts
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])


def _g_test(table: Floats) -> float:
    whole = table.sum()
    if not whole or table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return 1.0
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / whole
    g = 2 * float((xlogy(table, table) - xlogy(table, expected)).sum())
    # Williams' correction: without it the test rejects too often in small samples.
    k = table.shape[1]
    if k < 2:
        return 1.0
    correction = 1 + ((whole / table.sum(axis=1)).sum() - 1) * ((whole / table.sum(axis=0)).sum() - 1) / (
        6 * whole * (k - 1)
    )
    return float(chdtrc(k - 1, max(g, 0.0) / correction))


def _stability(table: Floats) -> float:
    if not table.size or (table.sum(axis=1) == 0).any():
        return 0.0
    smooth = table + 0.5
    shares = smooth / smooth.sum(axis=1, keepdims=True)
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def counted(codes: Sequence[str]) -> dict[str, int]:
    """How often each kind came."""
    kinds, numbers = np.unique(np.asarray(codes, dtype=str), return_counts=True)
    return {str(kind): int(number) for kind, number in zip(kinds, numbers, strict=True)}
