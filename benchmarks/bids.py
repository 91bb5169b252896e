"""Claim: a bid costs 10 microseconds at most, in batches, from counts to the money that is bid.

    PYTHONPATH=. .venv/bin/python benchmarks/bids.py [--campaigns 1000] [--clicks 100]

Every bid: the campaign's shrunk rate, the goal's formula, modifiers of device, hour and placement, floor and
cap. Against the same formulas one bid at a time in plain Python, in the same run.
"""

import argparse
import time

import numpy as np

from apps.campaigns.maths import bids, modifiers
from apps.campaigns.maths.rates import shrunk_rates
from benchmarks._measure import keep

MOST_MICROSECONDS = 10.0
SHAPE = (3, 24, 4)
MARGIN, FLOOR, CAP = 0.4, 0.05, 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--clicks", type=int, default=100, help="auctions of each campaign")
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    clicks = rng.integers(100, 5000, given.campaigns)
    conversions = rng.binomial(clicks, rng.beta(4, 196, given.campaigns))
    value = rng.lognormal(4, 0.4, given.campaigns)
    table_clicks = rng.poisson(200, SHAPE).astype(float)
    table = rng.poisson(table_clicks * 0.02).astype(float)
    total = given.campaigns * given.clicks
    campaign = np.repeat(np.arange(given.campaigns), given.clicks)
    places = [rng.integers(0, size, total) for size in SHAPE]

    began = time.perf_counter()
    rates = shrunk_rates(conversions, clicks).mean
    effects = modifiers.main_effects(table, table_clicks).effects
    base = bids.for_profit(rates, value, MARGIN)[campaign]
    chosen = np.stack([effect[place] for effect, place in zip(effects, places, strict=True)], axis=1)
    answers = bids.final(base, chosen, floor=FLOOR, cap=CAP)
    batch = (time.perf_counter() - began) / total * 1e6

    few = min(total, 20_000)
    slow_rates, slow_values, slow = rates.tolist(), value.tolist(), [effect.tolist() for effect in effects]
    began = time.perf_counter()
    plain = []
    for i in range(few):
        bid = slow_rates[campaign[i]] * slow_values[campaign[i]] * MARGIN
        for effect, place in zip(slow, places, strict=True):
            bid *= effect[place[i]]
        plain.append(min(max(bid, FLOOR), CAP))
    single = (time.perf_counter() - began) / few * 1e6

    assert np.allclose(answers[:few], plain)
    print(
        f"{total:,} bids of {given.campaigns:,} campaigns: {batch:.3f} us each, rates and modifiers\n"
        f"included; one by one in plain Python, without these: {single:.2f}, {single / batch:.1f} times ours"
    )
    assert batch <= MOST_MICROSECONDS
    keep("bids", **vars(given), microseconds=batch, plain_microseconds=single)


if __name__ == "__main__":
    main()
