"""What templates may do with values. Every function here answers for every value: a message that is being
sent cannot fail over what somebody's trait happens to hold.
"""

import operator
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from jinja2 import Undefined

from apps.accounts import figures
from apps.campaigns.content.merge_fields import as_date

LONGEST_VALUE = 1_000
MOST_ITEMS = 20
LARGEST_NUMBER = 1e15
DAYS = {
    "long": lambda day: f"{day.day} {day:%B} {day.year}",
    "short": lambda day: f"{day.day} {day:%b}",
    "month": lambda day: f"{day:%B}",
    "weekday": lambda day: f"{day:%A}",
    "year": lambda day: str(day.year),
}
ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


class Missing(str):
    """A value that is not known. It reads as its fallback, is false, and equals nothing."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Nothing(Undefined):
    """A name without a value: empty wherever it stands."""

    __slots__ = ()
    __hash__ = Undefined.__hash__

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True


def is_missing(value: Any) -> bool:
    return value is None or isinstance(value, Missing | Undefined) or value == ""


def shown(value: Any) -> str:
    """The text of a value: one line, without control characters, cut at a thousand."""
    if type(value) is str and (cut := value[:LONGEST_VALUE]).isprintable():
        return cut
    return _cleaned(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, Undefined | Mapping):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _of_number(value)
    if isinstance(value, date):
        return str(DAYS["long"](value))
    if isinstance(value, list | tuple):
        return join(value)
    return str(value)


def _of_number(value: float) -> str:
    """A whole number without a point; what no page would show is left out."""
    if not -LARGEST_NUMBER < value < LARGEST_NUMBER:
        return ""
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _cleaned(text: str) -> str:
    """On one line. Half characters and what no reader sees but some programs obey are taken out."""
    spaced = "".join(_kept(character) for character in text[: 2 * LONGEST_VALUE])
    return " ".join(spaced.split(" "))[:LONGEST_VALUE]


def _kept(character: str) -> str:
    if character.isprintable():
        return character
    category = unicodedata.category(character)
    if category in {"Zs", "Zl", "Zp"} or character in "\t\r\n\v\f\x85":
        return " "
    # Joiners hold emoji and some scripts together.
    return character if category == "Cf" and character in "\u200c\u200d" else ""


def default(value: Any, fallback: Any = "", *_: Any) -> Any:
    """The fallback where nothing is known."""
    return fallback if is_missing(value) else value


def join(value: Any, between: Any = ", ") -> str:
    if not isinstance(value, list | tuple):
        return shown(value)
    return shown(between).join(shown(one) for one in value[:MOST_ITEMS] if not isinstance(one, list | tuple))


def first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else ("" if _is_list(value) else value)


def last(value: Any) -> Any:
    return value[-1] if isinstance(value, list | tuple) and value else ("" if _is_list(value) else value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def length(value: Any) -> int:
    if is_missing(value):
        return 0
    return len(value) if isinstance(value, list | tuple | str | Mapping) else 1


def truncate(value: Any, most: Any = 100) -> str:
    """Cut with an ellipsis."""
    text, room = shown(value), most if type(most) is int and 1 <= most <= LONGEST_VALUE else 100
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


def number(value: Any, decimals: Any = 0) -> str:
    """With thousands separated; what is no number stays as it is."""
    is_number = type(value) in {int, float} and -LARGEST_NUMBER < value < LARGEST_NUMBER
    places = decimals if type(decimals) is int and 0 <= decimals <= 6 else 0
    return figures.number(value, places) if is_number else shown(value)


def day(value: Any, form: Any = "long") -> Any:
    """A date in words: long, short, month, weekday or year; what is no date stays as it is."""
    found = as_date(value)
    if found is None:
        return value
    return DAYS[form](found) if isinstance(form, str) and form in DAYS else DAYS["long"](found)


def pick(value: Any, key: Any) -> Any:
    """One of a trait's values by name, or of a list by its place."""
    if isinstance(value, Mapping):
        return value.get(key, Missing()) if isinstance(key, str) else Missing()
    if isinstance(value, list | tuple) and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    return Missing()


def items(value: Any) -> list[Any]:
    """What a loop goes over: a list's first twenty, or nothing."""
    return list(value[:MOST_ITEMS]) if isinstance(value, list | tuple) else []


def compare(value: Any, order: str, other: Any) -> bool:
    """What cannot be compared is not."""
    if order in {"in", "notin"}:
        return _is_in(value, other) == (order == "in")
    if is_missing(value) or is_missing(other):
        return order == "ne"
    if order in {"eq", "ne"}:
        return bool(_dated(value) == _dated(other)) == (order == "eq")
    try:
        return bool(ORDERS[order](_dated(value), _dated(other)))
    except TypeError:
        return False


def _dated(value: Any) -> Any:
    """A date as ISO 8601 writes it, so that it compares with what a template or a trait says."""
    return value.isoformat()[:10] if isinstance(value, date) else value


def _is_in(value: Any, holder: Any) -> bool:
    if isinstance(holder, str):
        return not is_missing(value) and shown(value) in holder
    return isinstance(holder, list | tuple) and any(compare(value, "eq", one) for one in holder)


def _worded(change: Callable[[str], str]) -> Callable[[Any], str]:
    def words(value: Any) -> str:
        changed = change(shown(value))
        return Missing(changed) if isinstance(value, Missing) else changed

    return words


# What a template may say after a |.
FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": _worded(str.capitalize),
    "date": day,
    "default": default,
    "first": first,
    "join": join,
    "last": last,
    "length": length,
    "lower": _worded(str.lower),
    "number": number,
    "title": _worded(str.title),
    "trim": _worded(str.strip),
    "truncate": truncate,
    "upper": _worded(str.upper),
}
TESTS: dict[str, Callable[..., bool]] = {
    "defined": lambda value: not is_missing(value),
    "undefined": is_missing,
}
