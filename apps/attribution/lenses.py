"""How events are looked at as journeys: which conversions count, which touches belong to them."""

from dataclasses import dataclass
from typing import Literal, get_args

Counting = Literal["every", "once"]
Transform = Literal["unique", "exposure", "first", "frequency", "trim"]
Direct = Literal["kept", "dropped_beside_others"]

LOOKBACK_DAYS = 30.0
# The channel of visits that nothing led to.
DIRECT = "direct"
COUNTINGS: tuple[str, ...] = get_args(Counting)
TRANSFORMS: tuple[str, ...] = get_args(Transform)
DIRECTS: tuple[str, ...] = get_args(Direct)
MOST_DAYS = 3_650
MOST_TRIM_TOUCHES = 1_000


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


WHOLE = Lens()


def wrong_choices(lens: Lens) -> dict[str, list[str]]:
    """By field, what a lens cannot be made of; empty where all is well."""
    errors: dict[str, list[str]] = {}
    if not 0 < lens.lookback_days <= MOST_DAYS:
        errors["lookback_days"] = [f"This must be more than 0 and at most {MOST_DAYS:,} days."]
    for name, choices in (("counting", COUNTINGS), ("transform", TRANSFORMS), ("direct", DIRECTS)):
        if getattr(lens, name) not in choices:
            errors[name] = [f"Choose from {', '.join(choices)}."]
    if lens.transform == "trim" and not 1 <= lens.trim_touches <= MOST_TRIM_TOUCHES:
        errors["trim_touches"] = [f"Say how many touches to keep, from 1 to {MOST_TRIM_TOUCHES:,}."]
    return errors
