"""Quasi-Poisson regression of outcome on log spend, with an effect of each campaign and of each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .panel import RECENT_DAYS, Flags, Floats

CENTRE = 0.6  # of slopes, before anything is seen
RIDGE = (
    0.01  # the slope is held as if spend had varied by this much around CENTRE; taken out again afterwards
)
DAY_SPREAD = 10.0  # of day effects, a priori: a day without any outcome has a finite effect all the same
MOST_STEPS = 100
WITHIN = 1e-9
EVEN_PART = 0.05  # of a usual day, that keeps the effect of a day without any outcome finite at the start
LONGEST_STEP = 2.0
FEWEST_FOR_DAYS = 3  # campaigns; fewer cannot tell a day's demand from their own, and share weekdays


class DidNotConverge(ArithmeticError):
    """The fit found no top of the likelihood."""

    def __init__(self, iterations: int, step: float) -> None:
        super().__init__(f"no fit after {iterations} iterations; the last step was {step:.2g}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Regression:
    """n campaigns, T days.

    level: (n,) log of the outcome of a day at `centre`, the campaign's weighted mean log spend, where level
    and slope are estimated independently of each other, at the mean demand of the last RECENT_DAYS. slope:
    (n,), ridge taken out. own_share, day_share: (n,) variance of the slope per dispersion of the campaign,
    and per dispersion of the account; infinite where spend told nothing. demand: (T,) log demand of each day.
    group: (T,) which effect of time a day has. expected, x: (n, T); x is log spend less centre, 0 where not
    counted.
    """

    level: Floats
    slope: Floats
    centre: Floats
    own_share: Floats
    day_share: Floats
    demand: Floats
    group: NDArray[np.int64]
    expected: Floats
    x: Floats

    def over_time(self, values: Floats) -> Floats:
        """(n, T) -> (T,): sums over all campaigns and all days that share their effect of time with a day."""
        sums = np.bincount(self.group, values.sum(axis=0))
        return np.asarray(sums[self.group])


def regress(
    spend: Floats,
    outcome: Floats,
    counted: Flags,
    *,
    exposure: Floats | None = None,
    centre: float = CENTRE,
    day_spread: float = DAY_SPREAD,
) -> Regression:
    """Fit log E[outcome] = level_i + slope_i * log spend + demand_t by penalised likelihood.

    spend, outcome, counted: (n, T), each campaign with some of all three. exposure: (n, T) > 0 where counted,
    what the outcome is a rate of; 1 by default. centre: where the ridge holds slopes. day_spread:
    of day effects, a priori. Raises DidNotConverge.

    Newton's steps; the campaigns' 2 x 2 blocks are eliminated first, which leaves a system of the effects of
    time alone (Schur complement).
    Source: McCullagh, Nelder 1989, "Generalized linear models", chapters 6 and 9.
    """
    weight = counted.astype(np.float64) if exposure is None else np.where(counted, exposure, 0.0)
    problem = _Problem.of(spend, outcome, weight, centre, day_spread)
    state = problem.start()
    longest = np.inf
    for _ in range(MOST_STEPS):
        system = problem.system(state)
        if longest < WITHIN:
            return problem.answer(state, system)
        state, longest = system.moved(state)
    raise DidNotConverge(MOST_STEPS, longest)


@dataclass(frozen=True, eq=False)
class _State:
    """level: (n,) at x = 0; slope: (n,); effects: (G,)."""

    level: Floats
    slope: Floats
    effects: Floats


@dataclass(frozen=True, eq=False)
class _System:
    """Newton's equations. inverse: (n, 2, 2) of the campaigns' blocks; cross: (n, 2, G); schur: (G, G)."""

    expected: Floats
    gradient: Floats
    time_gradient: Floats
    inverse: Floats
    cross: Floats
    schur: Floats
    ridge: Floats

    def moved(self, state: _State) -> tuple[_State, float]:
        """The state a step on, and how long the full step would have been."""
        own = (self.inverse @ self.gradient[:, :, None])[:, :, 0]
        pull = (self.cross * own[:, :, None]).sum(axis=(0, 1))
        effects = np.linalg.solve(self.schur, self.time_gradient - pull)
        own -= (self.inverse @ (self.cross @ effects)[:, :, None])[:, :, 0]
        longest = max(float(np.abs(own).max()), float(np.abs(effects).max()))
        part = min(1.0, LONGEST_STEP / longest) if longest else 1.0
        moved = _State(
            state.level + part * own[:, 0], state.slope + part * own[:, 1], state.effects + part * effects
        )
        return moved, longest


@dataclass(frozen=True, eq=False)
class _Problem:
    """middle: (n,) mean log spend; x: log spend less that; group: (T,) which effect of time a day has."""

    middle: Floats
    x: Floats
    outcome: Floats
    exposure: Floats
    group: NDArray[np.int64]
    hold: float
    slope: float

    @classmethod
    def of(
        cls, spend: Floats, outcome: Floats, exposure: Floats, slope: float, day_spread: float
    ) -> _Problem:
        counted = exposure > 0
        logs = np.log(spend, out=np.zeros_like(spend), where=counted)
        middle = logs.sum(axis=1) / counted.sum(axis=1)
        x = np.where(counted, logs - middle[:, None], 0.0)
        days = np.arange(spend.shape[1])
        group = days if len(spend) >= FEWEST_FOR_DAYS else days % 7
        bare = cls(middle, x, outcome, exposure, group, 0.0, slope)
        expected = bare.expected(bare.start())
        hold = _dispersion(outcome, expected, counted) / day_spread**2
        return cls(middle, x, outcome, exposure, group, hold, slope)

    def start(self) -> _State:
        n = len(self.x)
        base = np.exp(self.slope * self.x) * self.exposure
        level = np.log(self.outcome.sum(axis=1) / base.sum(axis=1))
        due = np.bincount(self.group, (np.exp(level)[:, None] * base).sum(axis=0))
        came = np.bincount(self.group, self.outcome.sum(axis=0))
        little = EVEN_PART * due.mean()
        return _State(level, np.full(n, self.slope), np.log((came + little) / (due + little)))

    def expected(self, state: _State) -> Floats:
        logs = state.level[:, None] + state.slope[:, None] * self.x + state.effects[self.group]
        return np.asarray(np.exp(np.minimum(logs, 600.0)) * self.exposure)

    def system(self, state: _State) -> _System:
        mu = self.expected(state)
        left, mux = self.outcome - mu, mu * self.x
        total = mu.sum(axis=1)
        ridge = total * RIDGE**2
        pull = (left * self.x).sum(axis=1) - ridge * (state.slope - self.slope)
        inverse = _inverted(total, mux.sum(axis=1), (mux * self.x).sum(axis=1) + ridge)
        cross = np.stack([self._over_time(mu), self._over_time(mux)], axis=1)
        groups = cross.shape[2]
        schur = np.diag(cross[:, 0].sum(axis=0) + self.hold)
        return _System(
            expected=mu,
            gradient=np.stack([left.sum(axis=1), pull], axis=1),
            time_gradient=self._over_time(left).sum(axis=0) - self.hold * state.effects,
            inverse=inverse,
            cross=cross,
            schur=schur - cross.reshape(-1, groups).T @ (inverse @ cross).reshape(-1, groups),
            ridge=ridge,
        )

    def _over_time(self, values: Floats) -> Floats:
        """(n, G) from (n, T)."""
        groups = int(self.group.max()) + 1
        if groups == values.shape[1]:
            return values
        return np.stack([values[:, self.group == g].sum(axis=1) for g in range(groups)], axis=1)

    def answer(self, state: _State, system: _System) -> Regression:
        mu = system.expected
        total = mu.sum(axis=1)
        shift = (mu * self.x).sum(axis=1) / total
        own = system.inverse[:, 1, 1]
        through_time = (system.inverse @ system.cross)[:, 1]
        via_days = (through_time @ np.linalg.inv(system.schur) * through_time).sum(axis=1)
        information = 1 / (own + via_days) - system.ridge
        told = information > 1e-9 * system.ridge
        grown = np.divide(information + system.ridge, information, out=np.full_like(own, np.inf), where=told)
        held = np.where(told, grown, 1.0) * (state.slope - self.slope) + self.slope
        demand = state.effects[self.group]
        recent = float(np.log(np.exp(demand[-RECENT_DAYS:]).mean()))
        return Regression(
            level=state.level + state.slope * shift + recent,
            slope=held,
            centre=self.middle + shift,
            own_share=own * grown,
            day_share=np.where(told, via_days * np.where(told, grown, 1.0), 0.0),
            demand=demand,
            group=self.group,
            expected=mu,
            x=np.where(self.exposure > 0, self.x - shift[:, None], 0.0),
        )


def _dispersion(outcome: Floats, expected: Floats, counted: Flags) -> float:
    squares = np.divide((outcome - expected) ** 2, expected, out=np.zeros_like(expected), where=counted)
    return max(float(squares.sum() / counted.sum()), 1e-12 * float(outcome.max()))


def _inverted(a: Floats, b: Floats, c: Floats) -> Floats:
    """(n, 2, 2) inverses of [[a, b], [b, c]]."""
    det = a * c - b * b
    rows = np.stack([np.stack([c, -b], axis=1), np.stack([-b, a], axis=1)], axis=1)
    return np.asarray(rows / det[:, None, None])
