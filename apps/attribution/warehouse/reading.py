"""From the counts that an engine brings back to what the models read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apps.attribution.files.forms import Refused
from apps.attribution.lenses import Lens
from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.journeys import Floats, Journeys, sums_by
from apps.attribution.maths.models import MODELS, NONE, Credit, credit
from apps.attribution.maths.transforms import exposure, first, frequency, remove_if_not_all, trim
from apps.attribution.warehouse import expressions
from apps.attribution.warehouse.engines import Engine

_TRANSFORMS = {"exposure": exposure, "first": first, "frequency": first}


@dataclass(frozen=True, eq=False, kw_only=True)
class Counted:
    """What an engine counted.

    journeys: distinct paths, the lens's transform applied, with conversions, value in money and nulls; the
    empty path holds the conversions without a touch. told: the same for the models of all journeys together,
    to which "email(3)" is a step of its own where the lens says so. touches: rows read. decayed: (n_channels,
    2) conversions and value under time_decay, or None where it was not asked for or the paths were
    transformed.
    """

    journeys: Journeys
    told: Journeys
    touches: int
    decayed: Floats | None = None

    def credit(self, model: str, *, direct_channel: str) -> Credit:
        """The credit of a model, from path counts.

        Raises what maths.models.credit raises; ValueError for a model of times that was not counted.
        """
        if MODELS[model].weigh is None:
            return _of_channels(credit(self.told, model, merged=self.told), self.told, self.journeys)
        if not MODELS[model].needs_times:
            return credit(self.journeys, model, direct_channel=direct_channel)
        if self.decayed is None:
            raise ValueError("it needs the time of each touch, and simplified paths have none")
        plain = credit(self.journeys, "linear")
        conversions, value = plain.conversions.copy(), plain.value.copy()
        channels = len(self.decayed)
        conversions[:channels], value[:channels] = self.decayed.T
        return replace(plain, model=model, conversions=conversions, value=value)


def count(engine: Engine, lens: Lens, *, half_life_days: float | None = None, direct_channel: str) -> Counted:
    """Count the journeys of a lens where they lie.

    half_life_days: of time_decay, which is worked out there too, since paths have no times; None leaves it
    out. Raises Refused for rows that cannot be counted.
    """
    channels, touches = _channels(engine)
    totals = engine.answer(expressions.conversions_counted(lens)).to_pylist()[0]
    if totals["lacking"]:
        raise Refused(f"{totals['lacking']:,.0f} conversions lack a user_id, an occurred_at or a value")
    unit = float(10**engine.decimals)
    found = engine.answer(expressions.path_counts(lens, channels))
    journeys = _with_untouched(_paths(found, channels), totals, unit=unit)
    decayed = None
    if half_life_days is not None and _keeps_paths(lens):
        asked = expressions.decayed(lens, channels, half_life_days=half_life_days)
        decayed = _by_channel(engine.answer(asked), len(channels), unit=unit)
    if lens.direct == "dropped_beside_others":
        journeys = remove_if_not_all(journeys, channel=direct_channel)
    kept = _transformed(journeys, lens)
    told = unique_paths(frequency(journeys)).journeys if lens.transform == "frequency" else kept
    return Counted(journeys=kept, told=told, touches=touches, decayed=decayed)


def _channels(engine: Engine) -> tuple[tuple[str, ...], int]:
    """The channels there are, sorted, and how many touches. Raises Refused for what cannot be a channel."""
    rows = engine.answer(expressions.channels_seen()).to_pylist()
    if lacking := sum(row["lacking"] for row in rows):
        raise Refused(f"{lacking:,.0f} touchpoints lack a user_id or an occurred_at")
    names = {row["channel"] for row in rows}
    if names & {None, ""}:
        raise Refused("there are touchpoints without a channel: name one for each")
    if NONE in names:
        raise Refused(f'"{NONE}" stands for conversions without a known touchpoint: rename that channel')
    if len(names) >= expressions.CODES:
        raise Refused(f"{len(names):,} channels are too many (limit {expressions.CODES - 1:,})")
    return tuple(sorted(names)), sum(row["touches"] for row in rows)


def _paths(found: pa.Table, channels: Sequence[str]) -> Journeys:
    """As journeys, with the value still in minor units."""
    paths = found["path"].cast(pa.list_(pa.int64()))  # an answer without rows may have no type
    lengths = pc.list_value_length(paths).to_numpy()
    return Journeys(
        channels=tuple(channels),
        codes=pc.list_flatten(paths).to_numpy().astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        conversions=found["conversions"].to_numpy().astype(np.float64),
        value=found["minor"].to_numpy().astype(np.float64),
        nulls=found["nulls"].to_numpy().astype(np.float64),
    )


def _with_untouched(paths: Journeys, totals: Mapping[str, float], *, unit: float) -> Journeys:
    """Add the path without a touch: the conversions that no path holds; value in money."""
    left = totals["conversions"] - paths.conversions.sum()
    left_minor = totals["minor"] - paths.value.sum()
    if not left:
        return replace(paths, value=paths.value / unit)
    return replace(
        paths,
        offsets=np.append(paths.offsets, paths.offsets[-1]),
        conversions=np.append(paths.conversions, left),
        value=np.append(paths.value, left_minor) / unit,
        nulls=np.append(paths.nulls, 0.0),
    )


def _transformed(journeys: Journeys, lens: Lens) -> Journeys:
    """Equal paths merged again."""
    if _keeps_paths(lens):
        return journeys
    if lens.transform == "trim":
        journeys = trim(journeys, touches=lens.trim_touches)
    elif lens.transform != "unique":
        journeys = _TRANSFORMS[lens.transform](journeys)
    return unique_paths(journeys).journeys


def _keeps_paths(lens: Lens) -> bool:
    return lens.transform == "unique" and lens.direct == "kept"


def _of_channels(earned: Credit, told: Journeys, journeys: Journeys) -> Credit:
    """The credit of "email(3)" is email's."""
    if told.channels == journeys.channels:
        return earned
    place = {name: number for number, name in enumerate(journeys.channels)}
    codes = np.array([place[name.rpartition("(")[0]] for name in told.channels], dtype=np.int64)
    steps = len(codes)

    def summed(amounts: Floats) -> Floats:
        return np.append(sums_by(codes, amounts[:steps], groups=len(place)), amounts[steps:])

    return replace(
        earned,
        channels=journeys.channels + earned.channels[steps:],
        conversions=summed(earned.conversions),
        value=summed(earned.value),
    )


def _by_channel(found: pa.Table, channels: int, *, unit: float) -> Floats:
    codes = found["code"].to_numpy().astype(np.int64)
    amounts = [found[name].to_numpy().astype(np.float64) for name in ("conversions", "minor")]
    sums = np.column_stack([sums_by(codes, amount, groups=channels) for amount in amounts])
    sums[:, 1] /= unit
    return sums
