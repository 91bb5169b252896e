"""All attribution models by name, giving one kind of answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from . import rules
from .aggregation import unique_paths
from .journeys import Floats, Journeys, NoConversions, sums_by
from .markov import MarkovModel
from .order_choice import choose_order
from .shapley import shapley
from .shapley_rate import rate_game

NONE = "none"  # the pseudo channel of conversions without a known touchpoint
RATES = "shapley_rate"
AUTO = "markov_auto"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model by its name.

    weigh: journeys to (n_touches,) weights that sum to 1 per journey; None for a model of all journeys
    together. takes: the settings that weigh reads. order: of the Markov chain, 0 for the others and where the
    data chooses it. needs_times: aggregated paths are not enough.
    """

    name: str
    weigh: Callable[..., Floats] | None = None
    takes: tuple[str, ...] = ()
    order: int = 0
    needs_times: bool = False

    @property
    def is_of_all(self) -> bool:
        """Does it credit channels over all journeys together?"""
        return self.weigh is None


@dataclass(frozen=True, eq=False, kw_only=True)
class Credit:
    """What each channel earned.

    channels: those of the journeys, and "none" at the end if conversions without a touch exist.
    conversions, value: (n_channels,) adding up to the journeys' totals.
    shares: (n_channels,) of the conversions, adding up to 1.
    """

    model: str
    channels: tuple[str, ...]
    conversions: Floats
    value: Floats

    @property
    def shares(self) -> Floats:
        shares: Floats = self.conversions / self.conversions.sum()
        return shares


@dataclass(frozen=True, eq=False, kw_only=True)
class TouchCredit:
    """conversions, value: (n_touches,) credit of each touch; a channel's touches sum to its row."""

    conversions: Floats
    value: Floats


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(name="first_touch", weigh=rules.first_touch),
        Model(name="last_touch", weigh=rules.last_touch),
        Model(name="last_non_direct", weigh=rules.last_non_direct, takes=("direct_channel",)),
        Model(name="linear", weigh=rules.linear),
        Model(name="time_decay", weigh=rules.time_decay, takes=("half_life_days",), needs_times=True),
        Model(name="position_based", weigh=rules.position_based),
        Model(name="shapley", weigh=shapley),
        # Ordered Shapley breaks the same value down by place (shapley_by_touch): its channels earn the same.
        Model(name="shapley_ordered", weigh=shapley),
        Model(name=RATES),
        Model(name="markov_1", order=1),
        Model(name="markov_2", order=2),
        Model(name="markov_3", order=3),
        Model(name="markov_4", order=4),
        Model(name=AUTO),
    )
}
_ALIASES = {"markov": "markov_1"}


def resolve(name: str) -> Model:
    """The model of a name; "markov" is markov_1. Raises ValueError naming the models there are."""
    found = MODELS.get(_ALIASES.get(name, name))
    if found is None:
        raise ValueError(f'model "{name}" is not known; there are {", ".join(MODELS)}')
    return found


def credit(
    journeys: Journeys,
    model: str,
    *,
    half_life_days: float = rules.HALF_LIFE_DAYS,
    direct_channel: str = rules.DIRECT_CHANNEL,
    merged: Journeys | None = None,
) -> Credit:
    """Credit every conversion of the journeys to channels.

    merged: unique_paths(journeys).journeys, where the caller has it; saves a model of all journeys together
    most of its time.

    Conversions of journeys without a touch go to the pseudo channel "none" under every model, so that the
    totals always agree.
    Raises ValueError for an unknown model, one that needs times the journeys lack, or a channel called "none"
    beside conversions without a touch; NoConversions where there is nothing to credit.
    """
    chosen = resolve(model)
    if not journeys.conversions.sum() > 0:
        raise NoConversions("there are no conversions to credit")
    if chosen.is_of_all:
        merged = merged or unique_paths(journeys).journeys
        conversions, value = _of_all(merged, chosen)
    else:
        settings = {"half_life_days": half_life_days, "direct_channel": direct_channel}
        conversions, value = _by_weight(journeys.converting, chosen, settings)
    return _with_none(chosen, journeys, conversions, value)


def touch_weights(
    journeys: Journeys,
    model: str,
    *,
    half_life_days: float = rules.HALF_LIFE_DAYS,
    direct_channel: str = rules.DIRECT_CHANNEL,
) -> Floats:
    """(n_touches,) what share of its journey each touch earns, summing to 1 per journey with a touch.

    Raises ValueError for a Markov model or the game of rates, which credit channels over all journeys: see
    touch_credit, or markov.journey_shares and coalition.coalition_game for one journey.
    """
    chosen = resolve(model)
    return _weights(journeys, chosen, {"half_life_days": half_life_days, "direct_channel": direct_channel})


def touch_credit(
    journeys: Journeys,
    earned: Credit,
    *,
    half_life_days: float = rules.HALF_LIFE_DAYS,
    direct_channel: str = rules.DIRECT_CHANNEL,
) -> TouchCredit:
    """Split each channel's credit over its touches, so that any finer grouping adds up to the channel's row.

    earned: what credit(journeys, ...) answered, with the same settings. A rule or Shapley gives each touch
    its own weight. Markov and the game of rates divide a channel's row in proportion to the linear credit of
    its touches; a channel that no converting journey touched divides its row over all its touches.
    """
    chosen = resolve(earned.model)
    settings = {"half_life_days": half_life_days, "direct_channel": direct_channel}
    weights = _weights(journeys, chosen if chosen.weigh else MODELS["linear"], settings)
    conversions = weights * np.repeat(journeys.conversions, journeys.lengths)
    value = weights * np.repeat(journeys.value, journeys.lengths)
    if chosen.weigh:
        return TouchCredit(conversions=conversions, value=value)
    anything = np.ones(journeys.n_touches)
    return TouchCredit(
        conversions=_share_rows(journeys, earned.conversions, (conversions, anything)),
        value=_share_rows(journeys, earned.value, (np.maximum(value, 0.0), conversions, anything)),
    )


def _weights(journeys: Journeys, chosen: Model, settings: dict[str, object]) -> Floats:
    if chosen.weigh is None:
        raise ValueError(f"{chosen.name} has no weights of single journeys")
    return chosen.weigh(journeys, **{name: settings[name] for name in chosen.takes})


def _by_weight(paid: Journeys, chosen: Model, settings: dict[str, object]) -> tuple[Floats, Floats]:
    weights = _weights(paid, chosen, settings)
    conversions = _per_channel(paid, weights * np.repeat(paid.conversions, paid.lengths))
    return conversions, _per_channel(paid, weights * np.repeat(paid.value, paid.lengths))


def chain_order(journeys: Journeys, chosen: Model) -> int:
    """The order of a chain: the model's own, or the one that the journeys choose."""
    return chosen.order or choose_order(journeys, merged=journeys).order


def _of_all(merged: Journeys, chosen: Model) -> tuple[Floats, Floats]:
    if not merged.converting.n_journeys:
        return np.zeros(len(merged.channels)), np.zeros(len(merged.channels))
    if chosen.name == RATES:
        game = rate_game(merged)
        return game.credited_conversions, game.credited_value
    fitted = MarkovModel.fit(merged, order=chain_order(merged, chosen))
    return fitted.credited_conversions, fitted.credited_value


def _with_none(chosen: Model, journeys: Journeys, conversions: Floats, value: Floats) -> Credit:
    untouched = journeys.lengths == 0
    lost = float(journeys.conversions[untouched].sum())
    if not lost:
        return Credit(model=chosen.name, channels=journeys.channels, conversions=conversions, value=value)
    if NONE in journeys.channels:
        raise ValueError(
            f'"{NONE}" stands for conversions without a touch and cannot be a channel: rename it'
        )
    return Credit(
        model=chosen.name,
        channels=(*journeys.channels, NONE),
        conversions=np.append(conversions, lost),
        value=np.append(value, journeys.value[untouched].sum()),
    )


def _share_rows(journeys: Journeys, rows: Floats, bases: Iterable[Floats]) -> Floats:
    """Divide each channel's row over its touches by the first basis with any weight on that channel."""
    left = rows[: len(journeys.channels)].copy()
    shared = np.zeros(journeys.n_touches)
    for basis in bases:
        weight = _per_channel(journeys, basis)
        ready = weight > 0
        shared += basis * np.divide(left, weight, out=np.zeros(len(left)), where=ready)[journeys.codes]
        left[ready] = 0.0
    return shared


def _per_channel(journeys: Journeys, per_touch: Floats) -> Floats:
    return sums_by(journeys.codes, per_touch, groups=len(journeys.channels))
