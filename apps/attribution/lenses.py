"""How events are looked at as journeys: which conversions count, which touches belong to them."""

from dataclasses import dataclass
from typing import Literal, get_args

Counting = Literal["every", "once"]
Transform = Literal["unique", "exposure", "first", "frequency", "trim"]
Direct = Literal["kept", "dropped_beside_others"]

LOOKBACK_DAYS = 30.0
COUNTINGS: tuple[str, ...] = get_args(Counting)
TRANSFORMS: tuple[str, ...] = get_args(Transform)
DIRECTS: tuple[str, ...] = get_args(Direct)


@dataclass(frozen=True, kw_only=True)
class Lens:
    """Equal lenses see equal journeys in the same events.

    conversion_types: those that count; empty for all. lookback_days: touches count that long before their
    conversion. counting: every conversion of a person, or only the first. transform: how a path is simplified
    (maths.transforms); trim_touches: touches that "trim" keeps. direct: whether direct visits stay in
    journeys that have other touches too.
    """

    conversion_types: tuple[str, ...] = ()
    lookback_days: float = LOOKBACK_DAYS
    counting: Counting = "every"
    transform: Transform = "unique"
    trim_touches: int = 0
    direct: Direct = "kept"
