"""How one journey's conversion is shared among its touches under each model."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import analysis, fingerprints, markov_training
from apps.attribution.lenses import DIRECT, Lens
from apps.attribution.loading import microseconds
from apps.attribution.maths import transforms
from apps.attribution.maths.assembly import US_PER_DAY
from apps.attribution.maths.coalition import Basis, coalition_game
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.markov import MarkovModel, ShareBasis, journey_shares
from apps.attribution.maths.models import AUTO, MODELS, touch_weights
from apps.attribution.models import Conversion, ModelRun, Touchpoint
from apps.attribution.questions import Query

Floats = NDArray[np.float64]

RULE, NO_TOUCHPOINT = "rule", "no_touchpoint"
RETRY_SECONDS = 10
NOTES = {
    RULE: "",
    NO_TOUCHPOINT: "No touchpoint lies in the look-back window, so the conversion is credited to none.",
    Basis.RATES: "Shapley values of the conversion rates of this workspace's journeys.",
    Basis.RATES_FLOORED: (
        "Shapley values of the conversion rates of this workspace's journeys; a channel that lowered the "
        "rate earns nothing."
    ),
    Basis.TOO_LITTLE_DATA: (
        "Too few journeys went through some of these channels alone to measure their effect: the channels "
        "share equally."
    ),
    Basis.NO_CONVERSIONS: "No combination of these channels ever converted: the channels share equally.",
    Basis.TOO_MANY_CHANNELS: "This journey has too many channels to play the game: they share equally.",
    ShareBasis.REMOVAL_EFFECTS: "In proportion to the channels' removal effects.",
    ShareBasis.EQUAL_NO_EFFECT: (
        "None of these channels has a removal effect in the trained model: they share equally."
    ),
}


class ModelNotTrained(DomainError):
    code = "model_not_trained"
    status = 409


class RatesNotReady(DomainError):
    code = "rates_not_ready"
    status = 409


@dataclass(frozen=True, eq=False)
class Shares:
    """(n_touches,) shares summing to 1, what they rest on, and the run that was used."""

    of_touches: Floats
    basis: str
    run: ModelRun | None = None


def shares_of(
    actor: Actor, touches: list[Touchpoint], conversion: Conversion, query: Query, *, now: datetime
) -> Shares:
    model = MODELS[query.models[0]]
    keys = [touch.source.channel.key for touch in touches]
    if not keys:
        return Shares(np.zeros(0), NO_TOUCHPOINT)
    if model.name.startswith("shapley"):
        return _by_game(actor, keys, query, now=now)
    if model.is_of_all:
        return _by_chain(keys, model.order or _order_chosen(actor, query, now=now), query)
    return Shares(touch_weights(_one_journey(touches, keys, conversion), model.name), RULE)


def kept(keys: list[str], lens: Lens) -> list[int]:
    """Places of the touches that a lens leaves of a journey, given their channels in the order of time."""
    seen = replace(
        Journeys.of_paths([keys], conversions=[1.0]), age_days=np.arange(len(keys), dtype=np.float64)
    )  # the ages number the touches
    if lens.direct == "dropped_beside_others":
        seen = transforms.remove_if_not_all(seen, channel=DIRECT)
    if lens.transform == "trim":
        seen = transforms.trim(seen, touches=lens.trim_touches)
    elif lens.transform == "exposure":
        seen = transforms.exposure(seen)
    elif lens.transform in {"first", "frequency"}:
        seen = transforms.first(seen)
    assert seen.age_days is not None  # noqa: S101 - given above
    return seen.age_days.astype(int).tolist()


def _one_journey(touches: list[Touchpoint], keys: list[str], conversion: Conversion) -> Journeys:
    names = tuple(dict.fromkeys(keys))
    ends = microseconds(conversion.occurred_at)
    return Journeys(
        channels=names,
        codes=np.array([names.index(key) for key in keys], dtype=np.int32),
        offsets=np.array([0, len(keys)]),
        conversions=np.ones(1),
        value=np.ones(1),
        nulls=np.zeros(1),
        age_days=np.array([(ends - microseconds(touch.occurred_at)) / US_PER_DAY for touch in touches]),
    )


def _by_game(actor: Actor, keys: list[str], query: Query, *, now: datetime) -> Shares:
    """The game among the journey's channels, on the channel sets of all journeys of the workspace.

    The rates stand in the run that answers the question over all time, so that they are not counted anew for
    each journey.
    """
    answer = analysis.ask(actor, Query(models=("linear",), **vars(query.lens)), now=now)
    if answer.result is None:
        raise RatesNotReady(
            "The conversion rates of this workspace are being computed for the first time. Ask again soon.",
            retry_after_seconds=RETRY_SECONDS,
        )
    run = ModelRun.objects.get(pk=answer.result.run_id)
    everyone = _channel_sets(run.workspace_id, run.pk)
    if not set(keys) <= set(everyone.channels):
        return Shares(_equal(keys), Basis.TOO_LITTLE_DATA, run)
    played = coalition_game(everyone, [everyone.channels.index(key) for key in keys])
    share = {everyone.channels[code]: part for code, part in zip(played.members, played.shares, strict=True)}
    return Shares(_spread_over(keys, share), played.basis, run)


@lru_cache(maxsize=32)
def _channel_sets(workspace_id: int, run_id: int) -> Journeys:
    """The channel sets that a run kept. workspace_id: part of the key, so that no scope is skipped."""
    sets = ModelRun.objects.values_list("figures__sets", flat=True).get(pk=run_id, workspace_id=workspace_id)
    return Journeys.of_paths(
        [keys for keys, _, _ in sets],
        conversions=[conversions for _, conversions, _ in sets],
        nulls=[nulls for _, _, nulls in sets],
    )


def _order_chosen(actor: Actor, query: Query, *, now: datetime) -> int:
    """The order that the journeys of all time chose."""
    answer = analysis.ask(actor, Query(models=(AUTO,), **vars(query.lens)), now=now)
    if answer.result is None:
        raise RatesNotReady(
            "The order of the chain is being chosen for the first time. Ask again soon.",
            retry_after_seconds=RETRY_SECONDS,
        )
    return int(answer.result.notes(AUTO).get("order", 1))


def _by_chain(keys: list[str], order: int, query: Query) -> Shares:
    """By the newest trained version; without one, by a chain trained here if the data is small."""
    trained = markov_training.latest(order)
    model = trained.model if trained else _trained_here(order, query)
    known = [key for key in keys if key in model.channels]
    run = trained.run if trained else None
    if not known:
        return Shares(_equal(keys), ShareBasis.EQUAL_NO_EFFECT, run)
    found = journey_shares(model, [model.channels.index(key) for key in known])
    of_touches = np.zeros(len(keys))
    of_touches[[key in model.channels for key in keys]] = found.touch_shares
    return Shares(of_touches, found.basis, run)


def _trained_here(order: int, query: Query) -> MarkovModel:
    workspace: Workspace = Workspace.objects.get()
    question = markov_training.question(order, **vars(query.lens))
    census = fingerprints.take(question, zone=workspace.zone)
    if census.touches > settings.ATTRIBUTION_INLINE_TOUCHES:
        raise ModelNotTrained(f"Train the Markov chain of order {order} first: POST train/markov.")
    gathered = markov_training.gather(question, workspace=workspace, expected=census.touches)
    return markov_training.fit(gathered, order)


def _equal(keys: list[str]) -> Floats:
    """The same to each distinct channel."""
    return _spread_over(keys, dict.fromkeys(keys, 1 / len(set(keys))))


def _spread_over(keys: list[str], share: dict[str, Any]) -> Floats:
    """Several touches of a channel divide its share equally."""
    touches = Counter(keys)
    return np.array([float(share[key]) / touches[key] for key in keys])
