"""By how much a click of this device, hour or placement is worth more or less than the campaign's average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PSEUDO_CONVERSIONS = 20.0  # of average worth that every segment is given; 10 to 30 do alike
LEAST, MOST = 0.1, 10.0  # -90 % and +900 %, what platforms allow
ENOUGH_FOR_CELLS = 30_000  # conversions, above which combinations of segments show through
ROUNDS, WITHIN = 200, 1e-10


@dataclass(frozen=True, eq=False, kw_only=True)
class Modifiers:
    """effects: of each dimension, (its segments,), within [LEAST, MOST]. cells: what a combination adds to
    its segments' product, of the shape of the table; None below ENOUGH_FOR_CELLS conversions.
    """

    effects: tuple[Floats, ...]
    cells: Floats | None

    def product(self) -> Floats:
        """The modifier of every combination, of the shape of the table, within [LEAST, MOST]."""
        total = np.ones(tuple(len(effect) for effect in self.effects))
        for axis, effect in enumerate(self.effects):
            total = total * _along(effect, axis, total.ndim)
        return np.clip(total if self.cells is None else total * self.cells, LEAST, MOST)


def shrunk(
    conversions: ArrayLike,
    clicks: ArrayLike,
    *,
    rate: ArrayLike,
    pseudo_conversions: float = PSEUDO_CONVERSIONS,
) -> Floats:
    """m = (x + kappa) / (n r + kappa), within [LEAST, MOST]: 1 for a segment nobody has seen.

    conversions, clicks: >= 0, any shape. rate: r, conversions per click of the campaign, > 0. Raises
    ValueError for others, or pseudo_conversions <= 0.
    """
    x, n, r = (np.asarray(one, dtype=np.float64) for one in (conversions, clicks, rate))
    if not (np.isfinite(x + n + r).all() and (x >= 0).all() and (n >= 0).all() and (r > 0).all()):
        raise ValueError("counts must be finite and >= 0, and the rate > 0")
    if not pseudo_conversions > 0:
        raise ValueError(f"pseudo_conversions must be > 0; got {pseudo_conversions}")
    return _bounded(x, n * r, pseudo_conversions)


def main_effects(
    conversions: ArrayLike, clicks: ArrayLike, *, pseudo_conversions: float = PSEUDO_CONVERSIONS
) -> Modifiers:
    """Modifiers of each dimension, none counted twice.

    conversions, clicks: one table, an axis for each dimension, such as (device, hour, placement); counts >=
    0.
    Raises ValueError for shapes that do not fit, other counts, or no click. Without a conversion all are 1.

    Each effect is (x + kappa) / (e + kappa), e being what its clicks would have brought at the campaign's
    rate and the other dimensions' effects: where evenings are mobile, the evening does not get the phone's
    merit. Solved in turns until they stand. With one dimension it is `shrunk`.
    Source: Deming, Stephan 1940 (fitting in turns); Clayton, Kaldor 1987 (shrunk ratios).
    """
    x, n = np.asarray(conversions, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    _check(x, n)
    expected = n * (x.sum() / n.sum())
    effects = [np.ones(size) for size in x.shape]
    for _ in range(ROUNDS if x.sum() > 0 and x.ndim > 1 else 1):
        moved = max(_turn(effects, axis, x, expected, pseudo_conversions) for axis in range(x.ndim))
        if moved < WITHIN:
            break
    found = Modifiers(effects=tuple(effects), cells=None)
    if x.sum() < ENOUGH_FOR_CELLS or x.ndim == 1:
        return found
    cells = _bounded(x, expected * found.product(), pseudo_conversions)
    return Modifiers(effects=found.effects, cells=cells)


def _turn(effects: list[Floats], axis: int, x: Floats, expected: Floats, kappa: float) -> float:
    """Solve one dimension given the others; answer by how much it moved."""
    others = tuple(other for other in range(x.ndim) if other != axis)
    for other in others:
        expected = expected * _along(effects[other], other, x.ndim)
    before, effects[axis] = effects[axis], _bounded(x.sum(axis=others), expected.sum(axis=others), kappa)
    return float(np.abs(effects[axis] - before).max())


def _along(effect: Floats, axis: int, dimensions: int) -> Floats:
    return effect.reshape([-1 if i == axis else 1 for i in range(dimensions)])


def _bounded(x: Floats, expected: Floats, kappa: float) -> Floats:
    return np.clip((x + kappa) / (expected + kappa), LEAST, MOST)


def _check(x: Floats, n: Floats) -> None:
    if x.ndim < 1 or x.shape != n.shape:
        raise ValueError(f"need two tables alike; got {x.shape} and {n.shape}")
    if not (np.isfinite(x) & np.isfinite(n) & (x >= 0) & (n >= 0)).all() or not n.sum() > 0:
        raise ValueError("counts must be finite and >= 0, with a click at least")
