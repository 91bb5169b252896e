"""Claim: with the engine on, an account earns more than under fixed budgets, and than under an equal split.

    PYTHONPATH=. .venv/bin/python benchmarks/closed_loop.py [--seeds 20] [--days 90] [--campaigns 20]

Accounts with known curves live through the same demand under three policies. The engine sees only what a
platform reports, decides once a week, moves a budget by 20 % at most and only where that pays with
probability .9; of a plan for the same total it makes the sure moves alone, so the total need not stay.
Profit is what was really earned and spent; differences are paired by seed, intervals by Student.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from scipy.special import stdtrit

from apps.campaigns.maths.policy import Policy, decide
from apps.campaigns.maths.simulator.account import Account, Day, history
from apps.campaigns.maths.simulator.truth import Truth, draw
from apps.campaigns.maths.simulator.worlds import ACCOUNT_DEMAND_SHORT, WORLDS, World
from benchmarks._measure import keep

HISTORY = 60
WEEK = 7
Chooser = Callable[[list[Day], np.ndarray, np.ndarray], np.ndarray]


def fixed(_past: list[Day], budgets: np.ndarray, _since: np.ndarray) -> np.ndarray:
    return budgets


def equal(_past: list[Day], budgets: np.ndarray, _since: np.ndarray) -> np.ndarray:
    return np.full(len(budgets), budgets.mean())


def engine(policy: Policy) -> Chooser:
    def choose(past: list[Day], budgets: np.ndarray, since: np.ndarray) -> np.ndarray:
        seen = history(past)
        rng = np.random.default_rng(len(past))
        found = decide(seen.spend, seen.revenue, budgets, policy=policy, days_since_change=since, rng=rng)
        return found.budgets

    return choose


def lived(truth: Truth, world: World, choose: Chooser, *, days: int, seed: int) -> tuple[float, float]:
    """Mean profit and spend a day over `days` days after HISTORY days under the budgets found."""
    account = Account(truth, world, np.random.default_rng(seed))
    budgets, since = truth.budgets, np.full(len(truth.k), 1000)
    past = [account.step(budgets) for _ in range(HISTORY)]
    for day in range(days):
        if day % WEEK == 0:
            chosen = choose(past, budgets, since)
            since = np.where(chosen != budgets, 0, since)
            budgets = chosen
        past.append(account.step(budgets))
        since = since + 1
    seen = history(past[HISTORY:])
    spend = float(seen.spend.sum())
    earned = float((truth.margin * seen.revenue).sum())
    return (earned - spend) / days, spend / days


def compare(
    world: World, policies: dict[str, Chooser], *, seeds: int, days: int, campaigns: int
) -> dict[str, np.ndarray]:
    """(seeds,) mean profit a day of each policy, and under "<policy>, spend" what it spent."""
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        truth = draw(campaigns, np.random.default_rng(1000 + seed))
        for name, choose in policies.items():
            earned, spent = lived(truth, world, choose, days=days, seed=seed)
            found[name].append(earned)
            found[f"{name}, spend"].append(spent)
    return {name: np.array(values) for name, values in found.items()}


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    mean, n = float(differences.mean()), len(differences)
    half = float(stdtrit(n - 1, 0.975)) * float(differences.std(ddof=1)) / n**0.5
    return mean, mean - half, mean + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--campaigns", type=int, default=20)
    given = parser.parse_args()
    policies = {
        "fixed": fixed,
        "equal": equal,
        "engine": engine(Policy(margin=0.4)),
        "engine, same total": engine(Policy(margin=0.4, keeps_total=True)),
    }
    figures = {}
    print(f"{given.seeds} accounts of {given.campaigns} campaigns, {given.days} days; profit a day, 95 %")
    for world in WORLDS:
        if world is ACCOUNT_DEMAND_SHORT:
            continue  # as its longer sister: how long an account lives is said here
        began = time.process_time()
        found = compare(world, policies, seeds=given.seeds, days=given.days, campaigns=given.campaigns)
        spent = time.process_time() - began
        rows = {
            f"{name} over {other}": interval(found[name] - found[other])
            for name in ("engine", "engine, same total")
            for other in ("fixed", "equal")
        }
        base = found["fixed"].mean()
        print(f"{world.name}: fixed {base:,.0f}, equal {found['equal'].mean():,.0f} ({spent:.0f} s CPU)")
        for name, (mean, low, high) in rows.items():
            more = found[f"{name.split(' over ')[0]}, spend"].mean() / found["fixed, spend"].mean() - 1
            print(
                f"  {name:32} {mean:+9.0f}  ({low:+.0f} to {high:+.0f}), {mean / base:+.1%} of fixed, "
                f"spending {more:+.1%}"
            )
            assert low > 0, f"{world.name}: {name} is not beyond doubt"
        figures[world.name] = {"fixed": base, "equal": found["equal"].mean(), **rows}
    keep("closed_loop", **vars(given), worlds=figures)


if __name__ == "__main__":
    main()
