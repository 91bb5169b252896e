"""P(a journey converts within the look-back | the journey so far), explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Person, Workspace
from apps.attribution import (
    conversion_versions,
    conversion_wording,
    loading,
    past_journeys,
)
from apps.attribution.conversion_versions import Trained
from apps.attribution.conversion_wording import Part
from apps.attribution.maths import prediction, snapshots
from apps.attribution.maths.prediction import Design
from apps.attribution.maths.snapshots import History, Snapshots
from apps.attribution.models import ConversionModel
from apps.attribution.past_journeys import Past

Ints = NDArray[np.int64]

MOST_PEOPLE = 1_000
MOST_TOUCHES = 1_000
NOT_FOR = (
    "It does not say what would change the outcome: who is likely to convert is not who is worth an ad.",
    "It decides nothing about a person alone: no price, credit, job or cover may hang on it.",
    "It knows nothing of people without a touch in the look-back.",
)


class NoOpenJourney(NotHere):
    code = "no_open_journey"


@dataclass(frozen=True, kw_only=True)
class TouchSoFar:
    """A touch that the caller tells of; at: at or before the moment asked about."""

    channel: str
    platform: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """probability: that a conversion comes within lookback_days of `asked_at`.

    log_odds = base + sum of the parts' log_odds, and probability = 1 / (1 + exp(-log_odds)). observed,
    observed_of: of the journeys that the version was judged on, the part that converted among those of about
    this probability, and how many those were. is_calibrated: whether that version was shown to tell
    probabilities as they come; doubt: else why not.
    """

    person_public_id: UUID | None
    probability: float
    log_odds: float
    base: float
    parts: tuple[Part, ...]
    touches: int
    last_touch_at: datetime
    lookback_days: float
    asked_at: datetime
    version: int
    observed: float
    observed_of: int
    is_calibrated: bool
    doubt: str


@dataclass(frozen=True, kw_only=True)
class OpenJourneys:
    """All people with a touch in the look-back: the likeliest first, cut to some. expected: the sum of the
    probabilities of all."""

    predictions: list[Prediction]
    journeys: int
    expected: float


def predict(people: Sequence[Person], *, now: datetime) -> list[Prediction]:
    """Of each of these people that has an open journey, in the order given; the others are left out.

    Raises NotTrained.
    """
    trained = conversion_versions.in_force()
    by_id = {person.pk: person for person in people}
    past = _past_of(trained, loading.these(np.array(sorted(by_id), dtype=np.int64)))
    ids = np.array([person.pk for person in people], dtype=np.int64)
    return _predicted(trained, past, ids, now=now)


def predict_one(person: Person, *, now: datetime) -> Prediction:
    """Raises NotTrained, NoOpenJourney."""
    found = predict([person], now=now)
    if not found:
        raise NoOpenJourney(
            "This person has no open journey: no touch within the look-back, or converted and counts once."
        )
    return found[0]


def predict_path(touches: Sequence[TouchSoFar], *, now: datetime) -> Prediction:
    """Of a journey that the caller tells of, stored nowhere. Raises NotTrained, Invalid."""
    trained = conversion_versions.in_force()
    moments = [loading.microseconds(touch.at or now) for touch in touches]
    now_us, window = loading.microseconds(now), past_journeys.lookback_us(trained.lens)
    if not touches or any(not now_us - window < at <= now_us for at in moments):
        days = trained.lens.lookback_days
        raise Invalid({"touches": [f"Tell at least one touch, each within the last {days:g} days."]})
    channels = tuple(sorted({touch.channel for touch in touches}))
    platforms = tuple(sorted({touch.platform for touch in touches}))
    nothing = np.zeros(0, dtype=np.int64)
    history = History.of(
        person=np.zeros(len(touches), dtype=np.int64),
        at_us=np.array(moments, dtype=np.int64),
        channel=np.array([channels.index(touch.channel) for touch in touches]),
        platform=np.array([platforms.index(touch.platform) for touch in touches]),
        won_person=nothing,
        won_at_us=nothing,
    )
    found = snapshots.at_moments(
        history, np.zeros(1, dtype=np.int64), np.array([now_us]), lookback_days=trained.lens.lookback_days
    )
    offsets = past_journeys.clock_offsets(history.at_us[found.last - 1], Workspace.objects.get())
    design = prediction.describe(found, channels=channels, platforms=platforms, offsets_us=offsets)
    return _told(trained, design, found, [None], now=now)[0]


def open_journeys(*, now: datetime, most: int = MOST_PEOPLE) -> OpenJourneys:
    """Everybody with a touch in the look-back. Raises NotTrained."""
    trained = conversion_versions.in_force()
    past = _past_of(trained, loading.EVERYBODY)
    since = loading.microseconds(now) - past_journeys.lookback_us(trained.lens)
    ids = np.unique(past.history.person[past.history.at_us > since])
    found = _open(trained, past, ids, now=now)
    told = trained.fitted.predict(conversion_versions.describe(past, found))
    best = np.argsort(-told, kind="stable")[:most]
    chosen = _predicted(trained, past, found.person[best], now=now)
    return OpenJourneys(predictions=chosen, journeys=len(found), expected=float(told.sum()))


def _past_of(trained: Trained, crowd: loading.Crowd) -> Past:
    return past_journeys.load(trained.lens, workspace=Workspace.objects.get(), crowd=crowd)


def _open(trained: Trained, past: Past, ids: Ints, *, now: datetime) -> Snapshots:
    """The open journeys of these people now."""
    history, now_us = past.history, loading.microseconds(now)
    moments = np.full(len(ids), now_us, dtype=np.int64)
    found = snapshots.at_moments(history, ids, moments, lookback_days=trained.lens.lookback_days)
    wanted = found.lengths > 0
    if history.is_once:
        wanted &= ~np.isin(ids, history.won_person[history.won_at_us < now_us])
    return found.select(wanted)


def _predicted(trained: Trained, past: Past, ids: Ints, *, now: datetime) -> list[Prediction]:
    found = _open(trained, past, ids, now=now)
    if not len(found):
        return []
    public = dict(Person.objects.filter(pk__in=found.person.tolist()).values_list("pk", "public_id"))
    whose = [public.get(one) for one in found.person.tolist()]
    return _told(trained, conversion_versions.describe(past, found), found, whose, now=now)


def _told(
    trained: Trained,
    design: Design,
    found: Snapshots,
    whose: Sequence[UUID | None],
    *,
    now: datetime,
) -> list[Prediction]:
    fitted = trained.fitted
    told, parts = fitted.predict(design), fitted.parts(design)
    last_at = found.history.at_us[found.last - 1]
    values = design.only(fitted.features)
    return [
        Prediction(
            person_public_id=public_id,
            probability=float(told[row]),
            log_odds=float(fitted.base + parts[row].sum()),
            base=fitted.base,
            parts=conversion_wording.parts(fitted.features, parts[row], values[row]),
            touches=int(found.lengths[row]),
            last_touch_at=past_journeys.moment(int(last_at[row])),
            lookback_days=trained.lens.lookback_days,
            asked_at=now,
            version=trained.row.version,
            **_seen_before(trained.row, float(told[row])),
        )
        for row, public_id in enumerate(whose)
    ]


def _seen_before(row: ConversionModel, told: float) -> dict[str, Any]:
    nearest = min(row.figures["bins"], key=lambda one: abs(one["predicted"] - told))
    doubt = conversion_versions.doubt_of(row.figures)
    return {
        "observed": nearest["observed"],
        "observed_of": nearest["journeys"],
        "is_calibrated": not doubt,
        "doubt": doubt,
    }
