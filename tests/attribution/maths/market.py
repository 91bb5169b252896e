"""A market of five channels with known chances, drawn again and again: what intervals are held against."""

from dataclasses import dataclass

import numpy as np

from apps.attribution.maths import credit_errors
from apps.attribution.maths.counts import JourneyCounts, count
from apps.attribution.maths.intervals import LEAST_CONVERSIONS, amount_interval, share_interval
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import credit
from apps.attribution.maths.tally import LEVELS

CHANNELS = tuple("abcde")
SIZE = len(CHANNELS)
FIGURES = ("conversions", "revenue", "share", "revenue share")
START = np.array([0.4, 0.25, 0.15, 0.12, 0.08])
STEP = np.random.default_rng(5).dirichlet(np.ones(SIZE), size=SIZE)
CONVERT = np.array([0.05, 0.08, 0.12, 0.15, 0.06])
STOP = 0.35
ORDER = np.array([40.0, 60.0, 50.0, 90.0, 120.0])  # mean value by the last channel: orders are gamma(2)
TRUTH_JOURNEYS = 800_000


def market(journeys: int, rng: np.random.Generator) -> Journeys:
    """People start, convert, stop or go on, by the channel they are at; two days between touches."""
    owners, codes = [], []
    converted, value = np.zeros(journeys), np.zeros(journeys)
    alive, at = np.arange(journeys), rng.choice(SIZE, p=START, size=journeys)
    while len(alive):
        owners.append(alive)
        codes.append(at)
        drawn = rng.random(len(alive))
        won = drawn < CONVERT[at]
        converted[alive[won]] = 1.0
        value[alive[won]] = np.rint(rng.gamma(2.0, ORDER[at[won]] / 2) * 100)
        goes_on = drawn > CONVERT[at] + STOP
        alive, at = alive[goes_on], at[goes_on]
        at = (rng.random(len(at))[:, None] > STEP[at].cumsum(axis=1)).sum(axis=1).clip(0, SIZE - 1)
    owner = np.concatenate(owners)
    lengths = np.bincount(owner, minlength=journeys)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return Journeys(
        channels=CHANNELS,
        codes=np.concatenate(codes)[np.argsort(owner, kind="stable")].astype(np.int32),
        offsets=offsets,
        conversions=converted,
        value=value,
        nulls=1.0 - converted,
        age_days=(np.repeat(lengths, lengths) - 1 - place) * 2.0,
    )


def counted(journeys: Journeys) -> JourneyCounts:
    """Each channel is one source."""
    groups = dict.fromkeys(LEVELS, np.arange(len(journeys.channels)))
    return count(journeys, source=journeys.codes.astype(np.int64), groups=groups)


def errors(counts: JourneyCounts, model: str) -> credit_errors.Errors:
    size = len(counts.channels)
    found = credit_errors.errors(
        counts, model, groups={"channel": np.arange(size)}, channel_of=np.arange(size)
    )
    return found["channel"]


@dataclass(frozen=True)
class Coverage:
    """runs: draws with enough for the model to say how sure it is. held: (4, n_channels) how often each
    figure's interval held the truth in them; None where there was never enough.
    """

    model: str
    runs: int
    held: np.ndarray | None


def coverages(models: list[str], *, journeys: int, runs: int, seed: int) -> list[Coverage]:
    """Markets of Poisson(journeys) people; the truth from 800,000. Draws of which the product says that they
    are not enough data yet are left out.
    """
    whole = market(TRUTH_JOURNEYS, np.random.default_rng(99))
    truth = {model: credit(whole, model) for model in models}
    held = {model: [] for model in models}
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        found = market(int(rng.poisson(journeys)), rng)
        if found.conversions.sum() < LEAST_CONVERSIONS:
            continue
        counts = counted(found)
        for model in models:
            if credit_errors.is_enough(counts, model):
                held[model].append(_held(counts, found, model, truth[model], journeys / TRUTH_JOURNEYS))
    return [Coverage(model, len(one), np.mean(one, axis=0) if one else None) for model, one in held.items()]


def _held(counts, found, model, true, scale):
    earned, error = credit(found, model), errors(counts, model)
    total, value, squares = counts.conversions, counts.minor, float(counts.value_squares.sum())
    ends = (
        amount_interval(earned.conversions, error.conversions[:SIZE], unit=1.0),
        amount_interval(earned.value, error.value[:SIZE], unit=squares / value),
        share_interval(earned.shares, error.shares[:SIZE], events=total),
        share_interval(earned.value / value, error.value_shares[:SIZE], events=value**2 / squares),
    )
    truths = (true.conversions * scale, true.value * scale, true.shares, true.value / true.value.sum())
    return np.array([(low <= one) & (one <= high) for (low, high), one in zip(ends, truths, strict=True)])
