"""The probability that a journey converts, by logistic regression on what it looks like so far.

Calibrated on people it has not learnt from, and a sum of parts, so that each answer can be explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.special import expit, logit

from .journeys import Floats, Ints
from .snapshots import US_PER_DAY, Snapshots, places

PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
FOLDS = 5
ITERATIONS = 100
HALVINGS = 40
SURELY = 1e-9  # no probability is told nearer to 0 or 1 than this
US_PER_HOUR = US_PER_DAY // 24
DAYPARTS = ("night", "morning", "afternoon", "evening")

Feature = tuple[str, str]


class DidNotFit(ArithmeticError):
    """Newton's steps did not settle: an outcome that a feature tells for certain, without a penalty."""

    def __init__(self, iterations: int, gradient: float) -> None:
        super().__init__(f"no logistic fit after {iterations} steps (gradient {gradient:.1e})")
        self.iterations = iterations
        self.gradient = gradient


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """What journeys so far look like, as numbers. rows: (n, n_features)."""

    features: tuple[Feature, ...]
    rows: Floats

    def only(self, features: Sequence[Feature]) -> Floats:
        """(n, len(features)) in that order; a feature that these journeys cannot have is 0."""
        place = {feature: number for number, feature in enumerate(self.features)}
        found = np.zeros((len(self.rows), len(features)))
        for number, feature in enumerate(features):
            if feature in place:
                found[:, number] = self.rows[:, place[feature]]
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """intercept and weights of log-odds; covariance: (1 + k, 1 + k) of both, the intercept first."""

    intercept: float
    weights: Floats
    covariance: Floats
    iterations: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ConversionModel:
    """log-odds = shift + slope * (intercept + sum of weights * (feature - mean) / scale).

    features: (kind, key) as `describe` names them. means, scales, weights: (k,), of the journeys learnt from.
    penalty: on the squared weights. slope, shift: of the calibration.
    """

    features: tuple[Feature, ...]
    means: Floats
    scales: Floats
    weights: Floats
    intercept: float
    penalty: float
    slope: float = 1.0
    shift: float = 0.0

    def raw(self, design: Design) -> Floats:
        """(n,) log-odds before the calibration."""
        standard = (design.only(self.features) - self.means) / self.scales
        raw: Floats = self.intercept + standard @ self.weights
        return raw

    def predict(self, design: Design) -> Floats:
        """(n,) probabilities."""
        told: Floats = np.clip(expit(self.shift + self.slope * self.raw(design)), SURELY, 1 - SURELY)
        return told

    @property
    def base(self) -> float:
        """Log-odds of a journey that is average in everything."""
        return self.shift + self.slope * self.intercept

    def parts(self, design: Design) -> Floats:
        """(n, k) what each feature adds to `base`; base and parts sum to the log-odds of `predict`."""
        standard = (design.only(self.features) - self.means) / self.scales
        parts: Floats = self.slope * self.weights * standard
        return parts


def describe(
    snapshots: Snapshots, *, channels: Sequence[str], platforms: Sequence[str], offsets_us: Ints
) -> Design:
    """Tell journeys so far as numbers. Each has at least one touch.

    channels, platforms: keys by code. offsets_us: (n,) what to add to UTC for the local clock at the last
    touch. Columns: touches, distinct channels, hours since the last touch and days since the first (all
    log(1 + x)), times each channel was seen (log(1 + x)), which channel and platform came last, the part of
    the day and the weekend of that, whether the person had converted before and how many days ago.
    Raises ValueError where a journey is empty.
    """
    if (snapshots.lengths < 1).any():
        raise ValueError("a journey so far needs a touch")
    history, n = snapshots.history, len(snapshots)
    last = snapshots.last - 1
    seen = np.bincount(
        snapshots.owner * len(channels) + history.channel[snapshots.touches], minlength=n * len(channels)
    ).reshape(n, len(channels))
    local_us = history.at_us[last] + offsets_us
    days_ago = _since_conversion(snapshots)
    columns: dict[Feature, Floats] = {
        ("touches", ""): np.log1p(snapshots.lengths),
        ("channels", ""): (seen > 0).sum(axis=1).astype(np.float64),
        ("hours_since_last", ""): np.log1p((snapshots.at_us - history.at_us[last]) / US_PER_HOUR),
        ("days_since_first", ""): np.log1p((snapshots.at_us - history.at_us[snapshots.first]) / US_PER_DAY),
        ("converted_before", ""): np.isfinite(days_ago).astype(np.float64),
        ("days_since_conversion", ""): np.where(np.isfinite(days_ago), np.log1p(days_ago), 0.0),
        ("weekend", ""): ((local_us // US_PER_DAY + 3) % 7 >= 5).astype(np.float64),
    }
    columns |= _one_of("daypart", DAYPARTS, local_us % US_PER_DAY // (6 * US_PER_HOUR))
    columns |= {("seen", key): np.log1p(seen[:, code]) for code, key in enumerate(channels)}
    columns |= _one_of("last_channel", channels, history.channel[last])
    columns |= _one_of("last_platform", platforms, history.platform[last])
    return Design(features=tuple(columns), rows=np.stack(list(columns.values()), axis=1))


def train(
    design: Design, outcome: Floats, *, fold: Ints, penalties: Sequence[float] = PENALTIES
) -> ConversionModel:
    """Fit, with the penalty that predicts left-out people best. Not calibrated yet.

    outcome: (n,) 0 or 1, both there. fold: (n,) which of the FOLDS each row's person belongs to.
    Features that never change are left out. Raises ValueError for outcomes of one kind; DidNotFit.
    """
    if not 0 < outcome.sum() < len(outcome):
        raise ValueError("some must have converted and some not")
    scales = design.rows.std(axis=0)
    varies = scales > 1e-9
    means, scales = design.rows.mean(axis=0)[varies], scales[varies]
    rows = (design.rows[:, varies] - means) / scales
    best = min(penalties, key=lambda penalty: _left_out_loss(rows, outcome, fold, penalty))
    fitted = fit_logistic(rows, outcome, penalty=best)
    return ConversionModel(
        features=tuple(f for f, does in zip(design.features, varies, strict=True) if does),
        means=means,
        scales=scales,
        weights=fitted.weights,
        intercept=fitted.intercept,
        penalty=best,
    )


def calibration(raw: Floats, outcome: Floats) -> tuple[float, float]:
    """(slope, shift) by which raw log-odds become those of people not learnt from.

    Two numbers, so that answers stay sums of parts and little data suffices; a slope below 1 takes back
    over-confidence. A slope that would turn the order round becomes 0. Raises DidNotFit.
    Source: Platt 1999.
    """
    if np.ptp(raw) < 1e-9:
        return 0.0, float(logit(outcome.mean()))
    found = fit_logistic(raw[:, None], outcome, penalty=0.0)
    if found.weights[0] <= 0:
        return 0.0, float(logit(outcome.mean()))
    return float(found.weights[0]), found.intercept


def fit_logistic(rows: Floats, outcome: Floats, *, penalty: float) -> Fit:
    """Maximise sum(log-likelihood) - penalty / 2 * sum(weights ** 2) by Newton's method.

    rows: (n, k); outcome: (n,) 0 or 1. The intercept is not penalised. covariance: inverse of the Hessian.
    Steps that do not help are halved. Raises DidNotFit.
    Source: iteratively reweighted least squares, McCullagh and Nelder 1989, section 2.5.
    """
    wide = np.column_stack([np.ones(len(rows)), rows])
    ridge = np.full(wide.shape[1], penalty)
    ridge[0] = 0.0
    beta = np.zeros(wide.shape[1])
    rate = float(np.clip(outcome.mean(), 1e-6, 1 - 1e-6))
    beta[0] = logit(rate)
    worth = _penalised(wide, outcome, beta, ridge)
    gradient = np.full(wide.shape[1], np.inf)
    for iteration in range(1, ITERATIONS + 1):
        told = expit(wide @ beta)
        gradient = wide.T @ (outcome - told) - ridge * beta
        hessian = (wide * (told * (1 - told))[:, None]).T @ wide + np.diag(ridge)
        try:
            step = linalg.solve(hessian, gradient, assume_a="pos")
        except linalg.LinAlgError:
            break
        if gradient @ step < 1e-9:
            if -worth < 1e-6 * len(rows):
                break  # told for certain: the weights would grow for ever
            return Fit(
                intercept=float(beta[0]),
                weights=beta[1:],
                covariance=linalg.inv(hessian),
                iterations=iteration,
            )
        beta, worth = _uphill(wide, outcome, beta, step, ridge, worth)
    raise DidNotFit(ITERATIONS, float(np.abs(gradient).max()))


def _uphill(
    wide: Floats, outcome: Floats, beta: Floats, step: Floats, ridge: Floats, worth: float
) -> tuple[Floats, float]:
    for _ in range(HALVINGS):
        there = _penalised(wide, outcome, beta + step, ridge)
        if there >= worth - 1e-12 * abs(worth):
            return beta + step, there
        step = step / 2
    return beta, worth


def _penalised(wide: Floats, outcome: Floats, beta: Floats, ridge: Floats) -> float:
    eta = wide @ beta
    return float(outcome @ eta - np.logaddexp(0.0, eta).sum() - (ridge * beta**2).sum() / 2)


def _left_out_loss(rows: Floats, outcome: Floats, fold: Ints, penalty: float) -> float:
    lost = 0.0
    for out in range(FOLDS):
        inside, left = fold != out, fold == out
        if not left.any() or not 0 < outcome[inside].sum() < inside.sum():
            continue
        found = fit_logistic(rows[inside], outcome[inside], penalty=penalty * inside.mean())
        eta = found.intercept + rows[left] @ found.weights
        lost += float(np.logaddexp(0.0, eta).sum() - outcome[left] @ eta)
    return lost


def _since_conversion(snapshots: Snapshots) -> Floats:
    """(n,) days since the person's last conversion before the moment; inf without one."""
    history = snapshots.history
    place = places(history.won_person, history.won_at_us, snapshots.person, snapshots.at_us - 1)
    has_one = place > np.searchsorted(history.won_person, snapshots.person)
    days = np.full(len(snapshots), np.inf)
    at_us = history.won_at_us[place[has_one] - 1]
    days[has_one] = (snapshots.at_us[has_one] - at_us) / US_PER_DAY
    return days


def _one_of(kind: str, keys: Sequence[str], code: Ints) -> dict[Feature, Floats]:
    return {(kind, key): (code == number).astype(np.float64) for number, key in enumerate(keys)}
