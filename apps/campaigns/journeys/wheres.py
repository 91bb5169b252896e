"""Conditions on what news tells: a list of them, all of which must hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

MOST = 10
LONGEST = 200
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "is": lambda told, wanted: str(told) == str(wanted),
    "is_not": lambda told, wanted: str(told) != str(wanted),
    "at_least": lambda told, wanted: _number(told) >= _number(wanted),
    "at_most": lambda told, wanted: _number(told) <= _number(wanted),
    "contains": lambda told, wanted: str(wanted).casefold() in str(told).casefold(),
}
NAN = float("nan")


def holds(wheres: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> bool:
    """Whether what was told fits all of them. What was not told fits none but is_not."""
    return all(_holds(one, facts) for one in wheres)


def _holds(one: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    told = facts.get(one["field"])
    if told is None:
        return bool(one["test"] == "is_not")
    return TESTS[one["test"]](told, one["value"])


def _number(value: Any) -> float:
    """Not a number compares as false with everything."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return NAN


def faults(
    wheres: Any, fields: Sequence[str], values: Mapping[str, Sequence[str]] | None = None
) -> Iterator[str]:
    """What stands against the list, in words. fields: what such news tells; none: it is not known here.
    values: all that those of few can be.
    """
    if not isinstance(wheres, list) or len(wheres) > MOST:
        yield f"Conditions are a list of at most {MOST}."
        return
    for one in wheres:
        yield from list(_of_shape(one, fields)) or _of_value(one, values or {})


def _of_shape(one: Any, fields: Sequence[str]) -> Iterator[str]:
    if not isinstance(one, dict) or set(one) != {"field", "test", "value"}:
        yield "A condition has field, test and value, and nothing else."
    elif not isinstance(one["field"], str) or (fields and one["field"] not in fields):
        yield f"There is no field {str(one['field'])[:60]!r}. There are: {', '.join(fields) or 'none'}."
    elif not isinstance(one["test"], str) or one["test"] not in TESTS:
        yield f"There is no test {str(one['test'])[:60]!r}. There are: {', '.join(TESTS)}."


def _of_value(one: Mapping[str, Any], values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    field, test, value = one["field"], one["test"], one["value"]
    if not _is_plain(value):
        yield f"{field}: compare with a text of at most {LONGEST} characters, or a number."
    elif test in ("at_least", "at_most") and _number(value) != _number(value):
        yield f"{field}: {test} compares with a number."
    elif test in ("is", "is_not") and str(value) not in values.get(field, [str(value)]):
        yield f"{field} is one of {', '.join(values[field])}."


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST and "\x00" not in value
    return isinstance(value, int | float) and abs(value) < 1e15
