"""Problems of many kinds, and slow answers to hold the fast ones against."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import minimize

from apps.campaigns.maths.allocation.problem import Group, HillCurves, PowerCurves, Problem

FOLDER = Path(__file__).parents[2] / "vectors"


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text(encoding="utf-8"))["cases"]
    return found


def power_problem(case: dict[str, Any]) -> Problem:
    return Problem(
        curves=PowerCurves(case["a"], case["k"]),
        total=case["budget"],
        lower=case["lower"],
        upper=case["upper"],
    )


def group_problem(case: dict[str, Any]) -> Problem:
    return Problem(
        curves=PowerCurves(case["a"], case["k"]),
        total=case["total"],
        lower=case["lower"],
        upper=case["upper"],
        current=case["current"],
        groups=[Group(**group) for group in case["groups"]],
        moving_cost=case["moving_cost"] or 0.0,
    )


def hill_problem(case: dict[str, Any]) -> Problem:
    return Problem(
        curves=HillCurves(case["a"], case["h"], case["s"]), total=case["budget"], upper=case["upper"]
    )


@st.composite
def power_problems(draw: st.DrawFn, *, most: int = 12) -> Problem:
    """Any scales and bends, bounds on some campaigns, a total that they allow."""
    size = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.integers(-6, 12))
    a = 10.0 ** rng.uniform(-3, 6, size)
    k = draw(
        st.sampled_from([rng.uniform(0.3, 0.95, size), rng.uniform(1e-4, 1 - 1e-4, size), np.full(size, 0.8)])
    )
    lower = scale * rng.random(size) * (rng.random(size) < 0.4)
    upper = np.where(rng.random(size) < 0.5, np.inf, lower + scale * rng.uniform(0.1, 5, size))
    part = draw(st.floats(0.01, 0.99))
    most_spent = min(float(upper.sum()), float(lower.sum()) + 3 * scale * size)
    total = float(lower.sum()) + part * (most_spent - float(lower.sum()))
    return Problem(curves=PowerCurves(a, k), total=total, lower=lower, upper=upper)


def slowly(problem: Problem) -> float:
    """The revenue that SLSQP finds, in units that suit it and from several starts."""
    total, lower, upper = problem.total, problem.lowest, np.minimum(problem.highest, problem.total)
    assert total is not None
    size = len(problem)
    fair = np.clip(np.full(size, total / size), lower, upper)
    scale = total / size

    def lost(shares: np.ndarray) -> float:
        return -float(problem.curves.revenue(np.clip(shares * scale, lower, upper)).sum())

    worth = max(-lost(fair / scale), 1e-300)
    found = minimize(
        lambda shares: lost(shares) / worth,
        fair / scale,
        bounds=list(zip(lower / scale, upper / scale, strict=True)),
        constraints=[{"type": "eq", "fun": lambda shares: (shares.sum() * scale - total) / total}],
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-13},
    )
    off = abs(float(found.x.sum()) * scale - total) / total
    return -lost(found.x) if off < 1e-9 else -lost(fair / scale)
