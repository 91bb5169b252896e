"""A Markov chain as rows, and back: one row for each arrow between states, exact to the last bit of the
counts.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from apps.accounts.errors import DomainError
from apps.attribution.maths.transitions import ABSENT, TransitionCounts

START, CONVERSION, NULL = "(start)", "(conversion)", "(null)"
ENDS = {START, CONVERSION, NULL}
# The columns that keep a state.
MOST_CHARACTERS = 300

Arrow = tuple[str, str, float, float]  # from, to, count, value


class NamesTooLong(DomainError):
    code = "channel_names_too_long"
    status = 409


def arrows(counts: TransitionCounts, channels: Sequence[str]) -> Iterator[Arrow]:
    """Every arrow of the chain. channels: the keys of its channel codes. Raises NamesTooLong."""
    names = [state_name([channels[code] for code in state if code != ABSENT]) for state in counts.states]
    for name, starts, conversions, value, nulls in zip(
        names, counts.starts, counts.conversions, counts.value, counts.nulls, strict=True
    ):
        if starts:
            yield START, name, float(starts), 0.0
        if conversions:
            yield name, CONVERSION, float(conversions), float(value)
        if nulls:
            yield name, NULL, float(nulls), 0.0
    for source, target, count in zip(counts.source, counts.target, counts.count, strict=True):
        yield names[source], names[target], float(count), 0.0


def counts_of(rows: Iterable[Arrow], *, channels: Sequence[str], order: int) -> TransitionCounts:
    """Rebuild what `arrows` wrote."""
    found = list(rows)
    inner = (name for source, target, *_ in found for name in (source, target) if name not in ENDS)
    place = {name: number for number, name in enumerate(dict.fromkeys(inner))}
    code = {key: number for number, key in enumerate(channels)}
    totals = {end: np.zeros(len(place)) for end in ENDS}
    value = np.zeros(len(place))
    moves = []
    for source, target, count, worth in found:
        if source == START:
            totals[START][place[target]] = count
        elif target in ENDS:
            totals[target][place[source]] = count
            value[place[source]] += worth
        else:
            moves.append((place[source], place[target], count))
    return TransitionCounts(
        channels=tuple(channels),
        order=order,
        states=np.array([_padded(name, code, order) for name in place], dtype=np.int32).reshape(-1, order),
        starts=totals[START],
        conversions=totals[CONVERSION],
        value=value,
        nulls=totals[NULL],
        source=np.array([move[0] for move in moves], dtype=np.int64),
        target=np.array([move[1] for move in moves], dtype=np.int64),
        count=np.array([move[2] for move in moves], dtype=np.float64),
    )


def state_name(keys: Sequence[str]) -> str:
    """Keys joined by " > ". A ">", a backslash or a leading "(" of a key is escaped by a backslash."""
    name = " > ".join(_escape(key) for key in keys)
    if len(name) > MOST_CHARACTERS:
        raise NamesTooLong(f"The names of {', '.join(keys)} are too long for this order. Shorten them.")
    return name


def keys_of(name: str) -> list[str]:
    """The keys of a state's name."""
    parts = re.findall(r"(?:\\.|[^\\>])+", name, flags=re.DOTALL)
    inner = [part[place > 0 : len(part) - (place < len(parts) - 1)] for place, part in enumerate(parts)]
    return [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in inner]


def _escape(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace(">", "\\>")
    return "\\" + escaped if escaped.startswith("(") else escaped


def _padded(name: str, code: dict[str, int], order: int) -> list[int]:
    codes = [code[key] for key in keys_of(name)]
    return codes + [ABSENT] * (order - len(codes))
