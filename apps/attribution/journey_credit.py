"""One conversion explained: which touches led to it, and what each earned under a model."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from apps.accounts import people
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Person, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import analysis, fingerprints, markov_training
from apps.attribution.loading import microseconds
from apps.attribution.maths.assembly import US_PER_DAY
from apps.attribution.maths.coalition import Basis, coalition_game
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.ledger import round_by_levels
from apps.attribution.maths.markov import MarkovModel, ShareBasis, journey_shares
from apps.attribution.maths.models import MODELS, NONE, touch_weights
from apps.attribution.models import Conversion, ModelRun, Touchpoint
from apps.attribution.money import from_minor, to_minor
from apps.attribution.questions import Query, lookback_of, model_names

Floats = NDArray[np.float64]

RULE, NO_TOUCHPOINT = "rule", "no_touchpoint"
RETRY_SECONDS = 10
NOTES = {
    RULE: "",
    NO_TOUCHPOINT: "No touchpoint lies in the look-back window, so the conversion is credited to none.",
    Basis.RATES: "Shapley values of the conversion rates of this workspace's journeys.",
    Basis.RATES_FLOORED: (
        "Shapley values of the conversion rates of this workspace's journeys; a channel that lowered the rate "
        "earns nothing."
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


class PersonNotFound(NotHere):
    code = "person_not_found"


class NoConversion(NotHere):
    code = "no_conversion"


class ConversionRefunded(DomainError):
    code = "conversion_refunded"
    status = 409


class ModelNotTrained(DomainError):
    code = "model_not_trained"
    status = 409


class RatesNotReady(DomainError):
    code = "rates_not_ready"
    status = 409


@dataclass(frozen=True, kw_only=True)
class TouchCredit:
    """A touch and its part of the conversion: credit is a share, revenue whole minor units as an amount."""

    event_id: str
    occurred_at: datetime
    channel: str
    platform: str
    campaign_id: str
    creative_id: str
    event_type: str
    credit: float
    revenue: Decimal


@dataclass(frozen=True, kw_only=True)
class ChannelCredit:
    channel: str
    share: float
    revenue: Decimal


@dataclass(frozen=True, kw_only=True)
class JourneyCredit:
    """A conversion and who earned it. Shares sum to 1; revenue, by touch and by channel, to the value.

    basis: what the shares rest on; note says it in words. model_run: the trained version or the run of
    conversion rates that was used, if any.
    """

    person: Person
    model: str
    conversion: Conversion
    value: Decimal
    currency: str
    lookback_days: float
    touchpoints: list[TouchCredit]
    channels: list[ChannelCredit]
    basis: str
    note: str
    model_run: ModelRun | None


@dataclass(frozen=True, eq=False)
class _Shares:
    """(n_touches,) shares summing to 1, what they rest on, and the run that was used."""

    of_touches: Floats
    basis: str
    run: ModelRun | None = None


def find_person(
    *, user_id: str | None = None, anonymous_id: str | None = None, person_id: UUID | None = None
) -> Person:
    """Whose journey, by the customer's id, a device's, or ours; a merged person is the one they became.

    Raises PersonNotFound, and Invalid without any id.
    """
    if person_id is not None:
        found = Person.objects.filter(public_id=person_id).select_related("merged_into").first()
        if found is None:
            raise PersonNotFound("There is no such person in this workspace.")
        return found.merged_into or found
    if user_id is None and anonymous_id is None:
        raise Invalid({"user_id": ["Say whose journey: user_id, anonymous_id or person_id."]})
    try:
        return people.find(user_id=user_id, anonymous_id=anonymous_id)
    except NotHere as error:
        raise PersonNotFound(f"{error.detail} Track an event of theirs first.") from error


def explain(
    actor: Actor,
    person: Person,
    *,
    model_type: str,
    conversion_id: int | None = None,
    lookback_days: float | None = None,
    now: datetime,
) -> JourneyCredit:
    """Credit one conversion of the person, the latest if none is named, to the touches in its look-back.

    Raises Invalid for an unknown model or look-back, NoConversion, ConversionRefunded, ModelNotTrained,
    RatesNotReady.
    """
    workspace: Workspace = Workspace.objects.get()
    days = lookback_of(workspace) if lookback_days is None else lookback_days
    query = Query(models=model_names((model_type,)), lookback_days=days)
    conversion = _conversion(person, conversion_id)
    touches = _touches(conversion, query)
    shares = _shares(actor, touches, conversion, query, now=now)
    minor = to_minor(conversion.value, workspace.currency)
    revenue = [from_minor(part, workspace.currency) for part in _divide(touches, shares.of_touches, minor)]
    value = from_minor(minor, workspace.currency)
    return JourneyCredit(
        person=person,
        model=query.models[0],
        conversion=conversion,
        value=value,
        currency=workspace.currency,
        lookback_days=days,
        touchpoints=[
            _touch_credit(touch, share, amount)
            for touch, share, amount in zip(touches, shares.of_touches.tolist(), revenue, strict=True)
        ],
        channels=_by_channel(touches, shares.of_touches, revenue) or [ChannelCredit(channel=NONE, share=1.0, revenue=value)],
        basis=shares.basis,
        note=NOTES[shares.basis],
        model_run=shares.run,
    )


def _conversion(person: Person, conversion_id: int | None) -> Conversion:
    theirs = Conversion.objects.filter(person=person)
    if conversion_id is not None:
        found: Conversion | None = theirs.filter(pk=conversion_id).first()
        if found is None:
            raise NoConversion("This person has no conversion of that id.")
        if not found.is_counted:
            raise ConversionRefunded("This conversion was refunded whole: there is nothing left to credit.")
        return found
    latest: Conversion | None = theirs.filter(is_counted=True).order_by("-occurred_at", "-id").first()
    if latest is None:
        raise NoConversion("This person has not converted yet, so there is nothing to credit.")
    return latest


def _touches(conversion: Conversion, query: Query) -> list[Touchpoint]:
    rows = Touchpoint.objects.filter(person_id=conversion.person_id, occurred_at__lte=conversion.occurred_at)
    try:
        opens = conversion.occurred_at - timedelta(days=query.lookback_days)
    except OverflowError:
        opens = None
    if opens is not None:
        rows = rows.filter(occurred_at__gt=opens)
    return list(rows.select_related("source__channel").order_by("occurred_at", "id"))


def _shares(
    actor: Actor, touches: list[Touchpoint], conversion: Conversion, query: Query, *, now: datetime
) -> _Shares:
    model = MODELS[query.models[0]]
    keys = [touch.source.channel.key for touch in touches]
    if not keys:
        return _Shares(np.zeros(0), NO_TOUCHPOINT)
    if model.order:
        return _by_chain(keys, model.order, query)
    if model.name.startswith("shapley"):
        return _by_game(actor, keys, query, now=now)
    return _Shares(touch_weights(_one_journey(touches, keys, conversion), model.name), RULE)


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


def _by_game(actor: Actor, keys: list[str], query: Query, *, now: datetime) -> _Shares:
    """The game among the journey's channels, on the channel sets of all journeys of the workspace.

    The rates stand in the run that answers the question over all time, so that they are not counted anew for
    each journey.
    """
    answer = analysis.ask(
        actor, Query(models=("linear",), lookback_days=query.lookback_days), now=now
    )
    if answer.result is None:
        raise RatesNotReady(
            "The conversion rates of this workspace are being computed for the first time. Ask again soon.",
            retry_after_seconds=RETRY_SECONDS,
        )
    run = ModelRun.objects.get(pk=answer.result.run_id)
    everyone = _channel_sets(run.workspace_id, run.pk)
    played = coalition_game(everyone, [everyone.channels.index(key) for key in keys])
    share = {everyone.channels[code]: part for code, part in zip(played.members, played.shares, strict=True)}
    return _Shares(_spread_over(keys, share), played.basis, run)


@lru_cache(maxsize=32)
def _channel_sets(workspace_id: int, run_id: int) -> Journeys:
    """The channel sets that a run kept. workspace_id: part of the key, so that no scope is skipped."""
    sets = ModelRun.objects.values_list("figures__sets", flat=True).get(pk=run_id, workspace_id=workspace_id)
    return Journeys.of_paths(
        [keys for keys, _, _ in sets],
        conversions=[conversions for _, conversions, _ in sets],
        nulls=[nulls for _, _, nulls in sets],
    )


def _by_chain(keys: list[str], order: int, query: Query) -> _Shares:
    """By the newest trained version; without one, by a chain trained here if the data is small."""
    trained = markov_training.latest(order)
    model = trained.model if trained else _trained_here(order, query)
    known = [key for key in keys if key in model.channels]
    run = trained.run if trained else None
    if not known:
        equal = {key: 1 / len(set(keys)) for key in keys}
        return _Shares(_spread_over(keys, equal), ShareBasis.EQUAL_NO_EFFECT, run)
    found = journey_shares(model, [model.channels.index(key) for key in known])
    of_touches = np.zeros(len(keys))
    of_touches[[key in model.channels for key in keys]] = found.touch_shares
    return _Shares(of_touches, found.basis, run)


def _trained_here(order: int, query: Query) -> MarkovModel:
    workspace: Workspace = Workspace.objects.get()
    question = markov_training.question(order, lookback_days=query.lookback_days)
    census = fingerprints.take(question, zone=workspace.zone)
    if census.touches > settings.ATTRIBUTION_INLINE_TOUCHES:
        raise ModelNotTrained(f"Train the Markov chain of order {order} first: POST train/markov.")
    gathered = markov_training.gather(question, workspace=workspace, expected=census.touches)
    return markov_training.fit(gathered, order)


def _spread_over(keys: list[str], share: dict[str, Any]) -> Floats:
    """Several touches of a channel divide its share equally."""
    return np.array([float(share[key]) / keys.count(key) for key in keys])


def _divide(touches: list[Touchpoint], shares: Floats, minor: int) -> list[int]:
    """Whole minor units of each touch, rounded by channel first, so that both tables add up."""
    if not touches:
        return []
    keys = [touch.source.channel.key for touch in touches]
    names = list(dict.fromkeys(keys))
    channel = np.array([names.index(key) for key in keys], dtype=np.int64)
    order = np.argsort(channel, kind="stable")
    parts = np.empty(len(keys), dtype=np.int64)
    levels = [channel[order], np.arange(len(keys))]
    parts[order] = round_by_levels(shares[order] * minor, total=minor, levels=levels)
    return parts.tolist()


def _touch_credit(touch: Touchpoint, share: float, revenue: Decimal) -> TouchCredit:
    return TouchCredit(
        event_id=touch.event_id,
        occurred_at=touch.occurred_at,
        channel=touch.source.channel.key,
        platform=touch.source.platform,
        campaign_id=touch.source.campaign_id,
        creative_id=touch.source.creative_id,
        event_type=touch.event_type,
        credit=share,
        revenue=revenue,
    )


def _by_channel(touches: list[Touchpoint], shares: Floats, revenue: list[Decimal]) -> list[ChannelCredit]:
    """In order of the first touch."""
    keys = [touch.source.channel.key for touch in touches]
    return [
        ChannelCredit(
            channel=name,
            share=float(sum(share for key, share in zip(keys, shares, strict=True) if key == name)),
            revenue=sum((part for key, part in zip(keys, revenue, strict=True) if key == name), Decimal(0)),
        )
        for name in dict.fromkeys(keys)
    ]
