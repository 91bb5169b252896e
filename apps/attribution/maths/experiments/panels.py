"""Integration over neighbouring intervals, each by Gauss-Legendre."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.legendre import leggauss

from .arms import Floats

NODES = 24
UNIT_POINTS, UNIT_WEIGHTS = leggauss(NODES)


def _partial_integrals() -> Floats:
    """(nodes, nodes): row i integrates the polynomial through all nodes from -1 to node i."""
    powers = np.arange(NODES)
    basis = np.polynomial.legendre.legvander(UNIT_POINTS, NODES)
    # the integral of P_k from -1 to x is (P_(k+1)(x) - P_(k-1)(x)) / (2k + 1), and x + 1 for k = 0
    integrals = np.empty((NODES, NODES))
    integrals[:, 0] = UNIT_POINTS + 1
    integrals[:, 1:] = (basis[:, 2:] - basis[:, :-2]) / (2 * powers[1:] + 1)
    coefficients = basis[:, :NODES] * UNIT_WEIGHTS[:, None] * (2 * powers + 1) / 2
    return integrals @ coefficients.T


PARTIAL = _partial_integrals()


def legendre(edges: Floats) -> tuple[Floats, Floats]:
    """Points and weights of all panels between edges, (..., n_edges) -> twice (..., panels * NODES)."""
    half = np.diff(edges, axis=-1)[..., None] / 2
    middle = (edges[..., 1:] + edges[..., :-1])[..., None] / 2
    shape = (*edges.shape[:-1], -1)
    points = (middle + half * UNIT_POINTS).reshape(shape)
    return points, (half * UNIT_WEIGHTS).reshape(shape)


def running_integral(density: Floats, edges: Floats) -> Floats:
    """Integral from the first edge to each point of `legendre(edges)`.

    density: (..., panels * NODES) at those points. Exact for polynomials of degree below NODES a panel.
    """
    half = np.diff(edges, axis=-1)[..., None] / 2
    by_panel = density.reshape((*density.shape[:-1], -1, NODES))
    within = (by_panel @ PARTIAL.T) * half
    whole = (by_panel @ UNIT_WEIGHTS) * half[..., 0]
    before = np.cumsum(whole, axis=-1) - whole
    return np.asarray((within + before[..., None]).reshape(density.shape))
