import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments.panels import legendre, running_integral
from apps.attribution.maths.experiments.roots import NoRootBetween, root


@given(st.floats(-50, 50), st.floats(0.01, 100), st.floats(0.01, 100))
def test_roots_of_curves_of_every_bend_are_found(place, below, above):
    for curve in (
        lambda x: x - place,
        lambda x: (x - place) ** 3,
        lambda x: math.atan(30 * (x - place)),
        lambda x: math.expm1(min(x - place, 50)),
        lambda x: 1.0 if x >= place else -1.0,
    ):
        assert root(curve, place - below, place + above) == pytest.approx(place, abs=1e-5)
        assert root(lambda x, f=curve: -f(x), place - below, place + above) == pytest.approx(place, abs=1e-5)


def test_a_root_is_as_near_as_asked():
    assert root(lambda x: x * x - 2, 0, 2) == pytest.approx(math.sqrt(2), abs=1e-12)
    assert root(lambda x: math.cos(x) - x, 0, 1, within=1e-15) == pytest.approx(0.7390851332151607, abs=2e-15)


def test_without_a_change_of_sign_there_is_none():
    with pytest.raises(NoRootBetween):
        root(lambda x: x * x + 1, -1, 1)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6, unique=True).map(sorted))
def test_panels_integrate_over_neighbouring_intervals(edges):
    points, weights = legendre(np.array(edges))
    density = np.exp(-0.5 * (points / 8) ** 2)

    def exact(x):
        return 8 * math.sqrt(math.pi / 2) * math.erf(x / (8 * math.sqrt(2)))

    assert (density * weights).sum() == pytest.approx(exact(edges[-1]) - exact(edges[0]), abs=1e-10)
    assert running_integral(density, np.array(edges)) == pytest.approx(
        [exact(x) - exact(edges[0]) for x in points], abs=1e-10
    )
