"""Removal effects of a Markov chain of channels, order 1 to 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .journeys import Floats, Journeys
from .removal import expected_and_lost
from .transitions import TransitionCounts, count_transitions


@dataclass(frozen=True, eq=False, kw_only=True)
class MarkovModel:
    """A fitted chain; `transitions` is all that need be stored, the rest follows from it.

    p_conversion: fitted probability of conversion, equal to the observed rate.
    removal_effects: (n_channels,) in [0, 1]; the part of the conversions lost without the channel, which is
    the probability that a converting journey visited it.
    value_removal_effects: (n_channels,) the same of the expected value; None where the values cannot carry it
    (all zero, or a last state whose refunds outweigh its sales), and value then follows the conversions.
    credited_conversions, credited_value: (n_channels,) adding up to what the journeys with a touch converted.
    """

    channels: tuple[str, ...]
    order: int
    transitions: TransitionCounts
    p_conversion: float
    removal_effects: Floats
    value_removal_effects: Floats | None
    credited_conversions: Floats
    credited_value: Floats

    @classmethod
    def fit(cls, journeys: Journeys, *, order: int = 1) -> MarkovModel:
        """Count the moves of journeys and solve the chain. Aggregated paths give the same model, faster.

        Raises ValueError for an order outside 1 to 4 or too many channels; NoConversions where no journey
        with a touch converted.

        State = the last k channels; start, moves, conversion and null by observed counts. Removing channel c
        sends all probability that enters a state holding c to null: RE_c = 1 - P(conversion without c) /
        P(conversion); credit_c = RE_c / sum(RE) * observed conversions. For value each conversion is worth
        the mean value observed after the same last state. Without null paths only the order of converting
        journeys speaks.
        Source: Anderl, Becker, von Wangenheim, Schumann 2016, "Mapping the customer journey".
        """
        return cls.from_transitions(count_transitions(journeys, order=order))

    @classmethod
    def from_transitions(cls, transitions: TransitionCounts) -> MarkovModel:
        """Solve the chain of stored counts: the same model to the last bits as the fit that counted them.

        Raises ValueError for too many states; DidNotConverge for a large chain of very long journeys.
        """
        expected, lost = expected_and_lost(transitions)
        effects = np.clip(lost[:, 0] / expected[0], 0.0, 1.0)
        value_effects = np.clip(lost[:, 1] / expected[1], 0.0, 1.0) if expected[1] > 0 else None
        return cls(
            channels=transitions.channels,
            order=transitions.order,
            transitions=transitions,
            p_conversion=float(expected[0]),
            removal_effects=effects,
            value_removal_effects=value_effects,
            credited_conversions=_divide(float(transitions.conversions.sum()), effects),
            credited_value=_divide(
                float(transitions.value.sum()), effects if value_effects is None else value_effects
            ),
        )


class ShareBasis(StrEnum):
    """What one journey's shares rest on."""

    REMOVAL_EFFECTS = "removal_effects"
    EQUAL_NO_EFFECT = "equal_no_effect"


@dataclass(frozen=True, eq=False, kw_only=True)
class JourneyShares:
    """touch_shares: (n_touches,) summing to 1."""

    touch_shares: Floats
    basis: ShareBasis


def journey_shares(model: MarkovModel, codes: Sequence[int]) -> JourneyShares:
    """Split one journey by the removal effects of its distinct channels; touches of a channel share equally.

    codes: (n_touches,) channel codes of the model, n_touches >= 1. Where none of the channels has an effect,
    the distinct channels share equally, and the basis says so.
    Raises ValueError for an empty journey or an unknown code.
    """
    touched = np.asarray(codes, dtype=np.int64)
    if touched.ndim != 1 or not touched.size or touched.min() < 0 or touched.max() >= len(model.channels):
        raise ValueError(
            f"codes needs at least one channel code below {len(model.channels)}; got {list(codes)}"
        )
    channels, place, times = np.unique(touched, return_inverse=True, return_counts=True)
    effects = model.removal_effects[channels]
    known = bool(effects.sum() > 0)
    shares = _divide(1.0, effects if known else np.ones(len(channels)))
    basis = ShareBasis.REMOVAL_EFFECTS if known else ShareBasis.EQUAL_NO_EFFECT
    return JourneyShares(touch_shares=(shares / times)[place], basis=basis)


def _divide(total: float, weights: Floats) -> Floats:
    shares: Floats = weights / weights.sum()
    return total * shares
