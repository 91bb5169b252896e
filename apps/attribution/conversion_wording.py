"""The parts of a probability in plain words."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.attribution.maths.prediction import Feature

# Of these one is true at a time: they are one part together, named by the one that is.
ONE_OF = ("last_channel", "last_platform", "daypart")
_NAMES = {
    "touches": "how many touches so far",
    "channels": "how many different channels",
    "hours_since_last": "time since the last touch",
    "days_since_first": "time since the first touch",
    "converted_before": "whether they converted before",
    "days_since_conversion": "time since their last conversion",
    "weekend": "weekday or weekend",
    "last_channel": "last channel",
    "last_platform": "last platform",
    "daypart": "time of day of the last touch",
}
_ABSENT = "channels not seen"


@dataclass(frozen=True, kw_only=True)
class Part:
    """log_odds: what it adds against the average journey. odds: the same as a factor of the odds."""

    feature: str
    key: str
    log_odds: float
    odds: float
    words: str


def parts(
    features: Sequence[Feature], added: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[Part, ...]:
    """What each feature added, the largest first. added, values: (n_features,) of one journey."""
    sums: dict[Feature, float] = defaultdict(float)
    true_of: dict[str, str] = {}
    for (kind, key), part, value in zip(features, added.tolist(), values.tolist(), strict=True):
        if kind in ONE_OF and value:
            true_of[kind] = key
        sums[_told_as(kind, key, value)] += part
    told = ((kind, true_of.get(kind, key), part) for (kind, key), part in sums.items())
    return tuple(_part(*one) for one in sorted(told, key=lambda one: -abs(one[2])))


def _told_as(kind: str, key: str, value: float) -> Feature:
    if kind in ONE_OF:
        return kind, ""
    return ("seen", "") if kind == "seen" and not value else (kind, key)


def _part(kind: str, key: str, added: float) -> Part:
    name = _NAMES.get(kind) or (f"touches of {key}" if key else _ABSENT)
    if kind in ONE_OF and key:
        name = f"{name}: {key}"
    odds = math.exp(added)
    change = "no change" if abs(odds - 1) < 0.005 else f"odds \N{MULTIPLICATION SIGN} {odds:.2f}"
    return Part(feature=kind, key=key, log_odds=added, odds=odds, words=f"{name}: {change}")
