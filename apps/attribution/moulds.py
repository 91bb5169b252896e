"""Touches that differ in nothing but whose they are and when they were: cleaned once, then poured.

Few campaigns bring most touches: of a record whose other fields were met before, letter by letter, only ids
and time need to be looked at (measured: half of the time of cleaning all of it). Whatever is not plain goes
the long way, which has the last word on every field.
"""

from copy import copy
from datetime import datetime
from itertools import count
from typing import Any

from apps.attribution.records import Touch

REMEMBERED = 2_048
# Letters of names and values together: longer records are too many to be met again, and would fill memory.
LONGEST = 1_000
LONGEST_ID = 200

Likeness = tuple[str, ...]

_moulds: dict[Likeness, Touch] = {}
_numbers = count(1)


def likeness(rest: dict[str, Any]) -> Likeness | None:
    """What is equal for touches of one mould; None for a record that holds more than texts: 1, 1.0 and True
    are equal, and are not cleaned alike.
    """
    try:
        length = len("".join(rest.values()))
    except TypeError:
        return None
    return (*rest, *rest.values()) if length <= LONGEST else None


def keep(alike: Likeness, touch: Touch) -> None:
    """Remember what became of a record; all of it but its ids and times, which are overwritten."""
    if len(_moulds) >= REMEMBERED:
        _moulds.clear()
    mould = _moulds[alike] = copy(touch)
    mould.user_id = mould.anonymous_id = None
    touch.mould = mould.mould = next(_numbers)


def pour(
    alike: Likeness, user_id: Any, anonymous_id: Any, event_id: Any, *, occurred_at: datetime, now: datetime
) -> Touch | None:
    """A touch of a remembered mould; None when there is none or its ids are not plain."""
    mould = _moulds.get(alike)
    if (
        mould is None
        or not _is_plain(event_id)
        or not (user_id is None or _is_plain(user_id))
        or not (_is_plain(anonymous_id) if anonymous_id is not None else user_id is not None)
    ):
        return None
    touch: Touch = copy(mould)
    touch.user_id, touch.anonymous_id, touch.event_id = user_id, anonymous_id, event_id
    touch.occurred_at, touch.received_at = occurred_at, now
    return touch


def _is_plain(one: Any) -> bool:
    """Whether cleaning would change nothing of an id."""
    return (
        type(one) is str
        and 0 < len(one) <= LONGEST_ID
        and one.isascii()
        and one.isprintable()
        and one[0] != " " != one[-1]
    )
