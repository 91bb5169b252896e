"""Versions of the probability to convert: which is in force, what it is worth, how it reads journeys."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from django.db.models import QuerySet

from apps.attribution import journey_books, past_journeys
from apps.attribution.lenses import Lens
from apps.attribution.maths import drift, prediction, snapshots
from apps.attribution.maths.prediction import ConversionModel as Fitted
from apps.attribution.maths.prediction import Design
from apps.attribution.maths.snapshots import Snapshots
from apps.attribution.models import ConversionModel, ConversionWeight
from apps.attribution.past_journeys import Past

LENGTHS = ("1", "2", "3-4", "5 or more")


class NotTrained(past_journeys.NotEnoughData):
    code = "conversion_model_not_trained"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """A stored version, and what it computes."""

    row: ConversionModel
    fitted: Fitted
    lens: Lens


def newest(lens: Lens | None = None) -> ConversionModel | None:
    """The version in force; of a lens, if one is named."""
    return _versions(lens).filter(is_held_back=False).first()


def last_trained(lens: Lens) -> ConversionModel | None:
    """The last version, in force or held back."""
    return _versions(lens).first()


def doubt_of(figures: dict[str, Any]) -> str:
    """Why a version with these figures is not shown to be calibrated; empty where it is."""
    slope, skill = figures["slope"], figures["skill"]
    if skill["low"] <= 0:
        return (
            "Not enough evidence yet: on people it has not seen, it is not shown to predict better than the "
            f"base rate (skill {skill['value']:.3f}, {skill['low']:.3f} to {skill['high']:.3f})."
        )
    if slope is None or not slope["low"] <= 1 <= slope["high"]:
        said = "none" if slope is None else f"{slope['value']:.2f}, {slope['low']:.2f} to {slope['high']:.2f}"
        return f"Its probabilities are too far apart or too close together (slope {said}, where 1 is right)."
    return ""


def loaded(row: ConversionModel) -> Trained:
    """A version never changes, so that a process may keep it."""
    return _rebuilt(row.workspace_id, row.pk)


def in_force() -> Trained:
    """Raises NotTrained saying what to do."""
    row = newest()
    if row is None:
        raise NotTrained(
            "Not enough data yet, or nobody has trained it: there is no model of the probability to convert. "
            "It is trained each night once there is enough; train it by hand to learn what is missing."
        )
    return loaded(row)


def describe(past: Past, found: Snapshots) -> Design:
    return prediction.describe(
        found, channels=past.keys, platforms=past.platforms, offsets_us=past.offsets_us(found)
    )


def mix_of(past: Past, found: Snapshots) -> dict[str, dict[str, int]]:
    """By property, how many of these journeys are of each kind."""
    keys, history = np.array([*past.keys, ""]), past.history
    length = np.searchsorted([2, 3, 5], found.lengths, side="right")
    return {
        "first_channel": drift.counted(keys[history.channel[found.first]].tolist()),
        "last_channel": drift.counted(keys[history.channel[found.last - 1]].tolist()),
        "touches": drift.counted([LENGTHS[one] for one in length.tolist()]),
    }


def judged_on(past: Past, *, since_us: int, until_us: int) -> Snapshots:
    """Settled journeys of people who were held out, looked at between these moments."""
    found = snapshots.sample(past.history, lookback_days=past.lens.lookback_days, is_delayed=True)
    wanted = past_journeys.held_out(found.person) & (found.at_us >= since_us) & (found.at_us < until_us)
    return found.select(wanted)


def _versions(lens: Lens | None) -> QuerySet[ConversionModel]:
    found = ConversionModel.objects.order_by("-version")
    if lens is None:
        return found
    return found.filter(lens_digest=journey_books.digest(past_journeys.seen_through(lens)))


@lru_cache(maxsize=64)
def _rebuilt(workspace_id: int, model_id: int) -> Trained:
    """workspace_id: part of the key, so that no scope is skipped."""
    row = ConversionModel.objects.get(pk=model_id, workspace_id=workspace_id)
    rows = list(ConversionWeight.objects.filter(conversion_model=row).order_by("position"))
    fitted = Fitted(
        features=tuple((one.kind, one.key) for one in rows),
        means=np.array([one.mean for one in rows]),
        scales=np.array([one.scale for one in rows]),
        weights=np.array([one.weight for one in rows]),
        intercept=row.intercept,
        penalty=row.penalty,
        slope=row.slope,
        shift=row.shift,
    )
    lens = Lens(**(row.lens | {"conversion_types": tuple(row.lens["conversion_types"])}))
    return Trained(row=row, fitted=fitted, lens=lens)
