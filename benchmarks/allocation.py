"""Claim: certified allocations are answered while a slider is dragged, and general solvers are not as fast.

    PYTHONPATH=. .venv/bin/python benchmarks/allocation.py [--sizes 1 100 10000 100000]

The best of several runs from arrays to an explained answer, checks included; CPU time. Peers get the same
problem as they like it (money in units of total / n, revenue of about 1, exact gradients, the Hessian where
one is taken, power cones all at once) at the sizes they can: SLSQP and trust-constr of SciPy in this process,
cvxpy with Clarabel in an environment of its own (benchmarks/peers/allocation.txt), made here when it is
missing. Gap: what they miss of our certified bound.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, minimize
from scipy.sparse import diags

from apps.campaigns.maths.allocation.draws import allocate_draws
from apps.campaigns.maths.allocation.frontier import frontier
from apps.campaigns.maths.allocation.problem import Answer, Floats, Group, HillCurves, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate
from benchmarks._measure import keep

ROOT = Path(__file__).parent.parent
HOME, PEERS = ROOT / ".bellwether" / "allocation", Path(__file__).parent / "peers"
LIMITS_MS = {1: 0.1, 100: 0.3, 10_000: 2.0, 100_000: 30.0}
DRAWS_LIMIT_MS, FRONTIER_LIMIT_MS = 60.0, 5.0
LARGEST = {"cvxpy, Clarabel": 10_000, "SciPy, SLSQP": 100, "SciPy, trust-constr": 100}
GAP = 1e-9


class _Failed(Exception):
    """A peer finds no answer, and says why."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1, 100, 1_000, 10_000, 100_000])
    sizes = arguments.parse_args().sizes
    has_cvxpy = _has_cvxpy()
    figures = {str(size): _of_size(size, has_cvxpy=has_cvxpy) for size in sizes}
    figures["draws, 1,000 x 100"] = _told("1,000 draws x 100", _draws(), DRAWS_LIMIT_MS)
    figures["frontier, 50 points x 100"] = _told("frontier, 50 points x 100", _frontier(), FRONTIER_LIMIT_MS)
    for name, problem in _harder().items():
        milliseconds, answer = _best(partial(allocate, problem), runs=5)
        print(f"{name:34}{milliseconds:10.2f} ms{'':22}gap {answer.gap:.1e}")
        figures[name] = {"ms": milliseconds, "gap": answer.gap}
    keep("allocation", figures=figures)


def _of_size(size: int, *, has_cvxpy: bool) -> dict[str, Any]:
    a, k, upper, total = _arrays(size)
    ms, answer = _best(
        lambda: allocate(Problem(curves=PowerCurves(a, k), total=total, upper=upper)),
        runs=200 if size <= 1_000 else 30,
    )
    assert answer.gap <= GAP, answer.gap
    figures = _told(f"{size:,} campaigns, gap {answer.gap:.0e}", ms, LIMITS_MS.get(size))
    peers: dict[str, Callable[[], tuple[float, float]]] = {
        "SciPy, SLSQP": lambda: _scipy("SLSQP", a, k, upper, total),
        "SciPy, trust-constr": lambda: _scipy("trust-constr", a, k, upper, total),
    }
    if has_cvxpy:
        peers["cvxpy, Clarabel"] = lambda: _cvxpy(a, k, upper, total)
    for name, measure in peers.items():
        if size <= LARGEST[name]:
            figures[name] = _compared(name, measure, ms, answer)
    return figures


def _arrays(size: int) -> tuple[Floats, Floats, Floats, float]:
    rng = np.random.default_rng(1)
    now = np.exp(rng.normal(6, 1, size))
    return np.exp(rng.normal(3, 1.5, size)), rng.uniform(0.3, 0.95, size), 10 * now, float(now.sum())


def _best(deed: Callable[[], Any], *, runs: int) -> tuple[float, Any]:
    """Milliseconds of the fastest run, and what it answered."""
    took = []
    for _ in range(runs):
        began = time.process_time()
        found = deed()
        took.append(time.process_time() - began)
    return min(took) * 1e3, found


def _told(what: str, ms: float, limit_ms: float | None) -> dict[str, Any]:
    held = f"  {ms / limit_ms:.2f} of the limit of {limit_ms:g}" if limit_ms else ""
    print(f"{what:34}{ms:10.3f} ms{held}", flush=True)
    return {"ms": ms} | ({"of_limit": ms / limit_ms} if limit_ms else {})


def _compared(
    name: str, measure: Callable[[], tuple[float, float]], ms: float, answer: Answer
) -> dict[str, Any]:
    try:
        their_ms, revenue = measure()
    except _Failed as failure:
        print(f"  {name:32}fails: {failure}", flush=True)
        return {"failed": str(failure)}
    gap = (answer.revenue * (1 + answer.gap) - revenue) / answer.revenue
    print(f"  {name:32}{their_ms:10.1f} ms  {their_ms / ms:,.0f} times ours, gap {gap:.1e}", flush=True)
    return {"ms": their_ms, "times_ours": their_ms / ms, "gap": gap}


def _scipy(method: str, a: Floats, k: Floats, upper: Floats, total: float) -> tuple[float, float]:
    unit = total / len(a)
    heights = a * unit**k / (a * unit**k).sum()
    start = np.minimum(np.ones(len(a)), upper / unit)
    start *= len(a) / start.sum()
    given: dict[str, Any] = {
        "SLSQP": {"options": {"maxiter": 1000, "ftol": 1e-14}},
        "trust-constr": {
            "options": {"maxiter": 1000, "gtol": 1e-10},
            "hess": lambda b: diags(-heights * k * (k - 1) * np.maximum(b, 1e-12) ** (k - 2)),
        },
    }

    def solve() -> Floats:
        found = minimize(
            lambda b: -float((heights * np.maximum(b, 0) ** k).sum()),
            start,
            jac=lambda b: -heights * k * np.maximum(b, 1e-12) ** (k - 1),
            bounds=Bounds(np.zeros(len(a)), upper / unit),
            constraints=[LinearConstraint(np.ones((1, len(a))), len(a), len(a))],
            method=method,  # type: ignore[call-overload]
            **given[method],
        )
        return np.asarray(found.x)

    ms, found = _best(solve, runs=5 if len(a) == 1 else 1)
    spent = np.clip(found * unit, 0, upper)
    return ms, float((a * (spent * total / spent.sum()) ** k).sum())


def _cvxpy(a: Floats, k: Floats, upper: Floats, total: float) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "problem.json"
        columns = {"a": a.tolist(), "k": k.tolist(), "upper": upper.tolist()}
        given.write_text(json.dumps(columns | {"total": total, "runs": 3}))
        done = subprocess.run(  # noqa: S603 - our own command line
            [HOME / "bin" / "python", "-W", "ignore", PEERS / "allocate.py", given],
            capture_output=True,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    if "failed" in found:
        raise _Failed(found["failed"])
    return found["seconds"] * 1e3, found["revenue"]


def _draws() -> float:
    rng = np.random.default_rng(2)
    a, k = np.exp(rng.normal(3, 1, (1_000, 100))), rng.uniform(0.3, 0.95, (1_000, 100))
    return _best(lambda: allocate_draws(a, k, total=1e5, upper=1e4), runs=10)[0]


def _frontier() -> float:
    a, k, upper, total = _arrays(100)
    problem = Problem(curves=PowerCurves(a, k), total=total, upper=upper)
    return _best(lambda: frontier(problem, points=50), runs=20)[0]


def _harder() -> dict[str, Problem]:
    """What needs nested prices or boxes, for which no limit is promised."""
    a, k, upper, total = _arrays(100)
    channels = [Group(f"channel {i}", range(10 * i, 10 * i + 10), cap=total / 8) for i in range(10)]
    rng = np.random.default_rng(3)
    hill = HillCurves(np.exp(rng.normal(6, 1.5, 100)), upper / 10, rng.uniform(0.7, 3, 100))
    given: dict[str, Any] = {"total": total, "upper": upper}
    power = PowerCurves(a, k)
    return {
        "100, ten channel caps": Problem(curves=power, groups=channels, **given),
        "100, a cost of moving": Problem(curves=power, current=upper / 10, moving_cost=0.5, **given),
        "100, S-shaped": Problem(curves=hill, **given),
        "20, S-shaped": Problem(
            curves=HillCurves(hill.a[:20], hill.half[:20], hill.shape[:20]),
            total=total / 10,
            upper=upper[:20],
        ),
    }


def _has_cvxpy() -> bool:
    """Make its environment when there is none."""
    stamp = HOME / "installed"
    if stamp.exists():
        return True
    uv = [sys.executable, "-m", "uv"]
    into = ["--quiet", "--python", str(HOME / "bin" / "python"), "--require-hashes"]
    with contextlib.suppress(subprocess.CalledProcessError):
        for command in (
            [*uv, "venv", "--quiet", "--clear", str(HOME)],
            [*uv, "pip", "install", *into, "--requirement", str(PEERS / "allocation.txt")],
        ):
            subprocess.run(command, check=True)  # noqa: S603 - our own command line
        stamp.touch()
        return True
    print("cvxpy could not be installed (see above): it is left out.")
    return False


if __name__ == "__main__":
    main()
