"""What cvxpy with Clarabel takes for an allocation; run by allocation.py in an environment of its own.

.bellwether/allocation/bin/python benchmarks/peers/allocate.py PROBLEM.json
"""

import json
import sys
import time
from pathlib import Path

import cvxpy as cp
import numpy as np


def solve(a: np.ndarray, k: np.ndarray, upper: np.ndarray, total: float) -> tuple[float, float]:
    """CPU seconds from arrays to budgets, and the revenue of those budgets; money in units of total / n."""
    began = time.process_time()
    unit = total / len(a)
    budgets, powers = cp.Variable(len(a)), cp.Variable(len(a))
    heights = a * unit**k
    limits = [
        cp.PowCone3D(budgets, np.ones(len(a)), powers, k),  # budgets ** k >= |powers|
        budgets >= 0,
        budgets <= upper / unit,
        cp.sum(budgets) == len(a),
    ]
    cp.Problem(cp.Maximize((heights / heights.sum()) @ powers), limits).solve(solver=cp.CLARABEL)
    spent = time.process_time() - began
    found = np.clip(budgets.value * unit, 0, upper)
    return spent, float((a * (found * total / found.sum()) ** k).sum())


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    columns = [np.array(given[name]) for name in ("a", "k", "upper")]
    solve(np.ones(2), np.full(2, 0.5), np.full(2, 9.0), 4.0)
    try:
        runs = [solve(*columns, given["total"]) for _ in range(given["runs"])]
    except cp.error.SolverError as error:
        print(json.dumps({"failed": str(error).partition(".")[0]}))
    else:
        print(json.dumps({"seconds": min(run[0] for run in runs), "revenue": runs[0][1]}))


if __name__ == "__main__":
    main()
