"""The history of an account, checked: which days of which campaigns can say anything about its curve."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_DAYS = 14  # with spend, for a curve of one's own
RECENT_DAYS = 28  # whose demand a curve stands for; whole weeks
PAUSED_DAYS = 14  # without spend, after which a campaign is taken for paused
LEAST_VARIATION = 0.02  # standard deviation of log spend below which spend is taken for constant


class Reason(StrEnum):
    """Why a campaign has no curve of its own to act on."""

    NO_SPEND = "no_spend"
    NO_OUTCOME = "no_outcome"
    FEW_DAYS = "few_days"
    PAUSED = "paused"
    CONSTANT_SPEND = "constant_spend"
    NOTHING_TO_LEARN_FROM = "nothing_to_learn_from"


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """spend, outcome: (n, days), 0 where not counted. counted: days with spend and a known outcome.

    reference: (n,) mean spend of the campaign's last RECENT_DAYS counted days; 0 without any.
    reasons: of each campaign, None where it has enough.
    """

    spend: Floats
    outcome: Floats
    counted: Flags
    reference: Floats
    reasons: tuple[Reason | None, ...]

    @property
    def usable(self) -> Flags:
        """(n,) campaigns that have a level at all: some spend, some outcome."""
        return np.array(
            [reason not in (Reason.NO_SPEND, Reason.NO_OUTCOME) for reason in self.reasons], dtype=np.bool_
        )


def panel(spend: ArrayLike, outcome: ArrayLike) -> Panel:
    """Check a history. spend, outcome: (n_campaigns, n_days) of the same whole days, oldest first, money or
    conversions >= 0, NaN where nothing is known.

    Days without spend are left out: log 0 has no place on a power law, and what they bring is carried over.
    Raises ValueError for shapes that do not fit, no campaign, no day, infinite or negative figures (refunds
    belong to the day of their order).
    """
    money, brought = np.asarray(spend, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    _check(money, brought)
    counted = np.isfinite(money) & np.isfinite(brought) & (np.nan_to_num(money) > 0)
    money, brought = np.where(counted, money, 0.0), np.where(counted, brought, 0.0)
    return Panel(
        spend=money,
        outcome=brought,
        counted=counted,
        reference=_recent_mean(money, counted),
        reasons=_reasons(money, brought, counted),
    )


def _check(spend: Floats, outcome: Floats) -> None:
    if spend.ndim != 2 or spend.shape != outcome.shape or not spend.size:
        raise ValueError(
            f"need spend and outcome (campaigns, days) alike; got {spend.shape}, {outcome.shape}"
        )
    for name, values in (("spend", spend), ("outcome", outcome)):
        wrong = np.isinf(values) | (values < 0)
        if wrong.any():
            campaign, day = (int(place[0]) for place in np.nonzero(wrong))
            found = values[campaign, day]
            raise ValueError(
                f"{name} of campaign {campaign} on day {day} must be >= 0 and finite; got {found}"
            )


def _recent_mean(spend: Floats, counted: Flags) -> Floats:
    from_the_end = np.cumsum(counted[:, ::-1], axis=1)[:, ::-1]
    recent = counted & (from_the_end <= RECENT_DAYS)
    return np.asarray((spend * recent).sum(axis=1) / np.maximum(recent.sum(axis=1), 1))


def _reasons(spend: Floats, outcome: Floats, counted: Flags) -> tuple[Reason | None, ...]:
    days = counted.sum(axis=1)
    logs = np.log(spend, out=np.zeros_like(spend), where=counted)
    centre = logs.sum(axis=1) / np.maximum(days, 1)
    varied = np.sqrt(((logs - centre[:, None]) ** 2 * counted).sum(axis=1) / np.maximum(days, 1))
    quiet = ~counted[:, -PAUSED_DAYS:].any(axis=1)
    tests = {
        Reason.NO_SPEND: days == 0,
        Reason.NO_OUTCOME: outcome.sum(axis=1) <= 0,
        Reason.FEW_DAYS: days < LEAST_DAYS,
        Reason.PAUSED: quiet,
        Reason.CONSTANT_SPEND: varied < LEAST_VARIATION,
    }
    return tuple(
        next((reason for reason, found in tests.items() if found[i]), None) for i in range(len(spend))
    )
