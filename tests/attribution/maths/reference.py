"""Slow, plain implementations in exact fractions, for the fast ones to agree with."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations, pairwise, permutations

Row = tuple[tuple[str, ...], int, int, int]  # path, conversions, value, nulls


def shapley_by_permutations(rows: list[Row], *, measure: str = "conversions") -> dict[str, Fraction]:
    """v(S) = conversions (or value) of journeys whose channels lie in S, over every order of arrival."""
    players = sorted({channel for path, *_ in rows for channel in path})

    def worth(coalition: frozenset[str]) -> int:
        return sum(_amount(row, measure) for row in rows if row[0] and set(row[0]) <= coalition)

    return _shapley(players, worth)


def rate_game(rows: list[Row], members: list[str]) -> dict[str, Fraction]:
    """v(S) = conversions / journeys of journeys whose channels lie in S, over every order of arrival."""

    def worth(coalition: frozenset[str]) -> Fraction:
        inside = [row for row in rows if row[0] and set(row[0]) <= coalition]
        journeys = sum(row[1] + row[3] for row in inside)
        return Fraction(sum(row[1] for row in inside), journeys) if journeys else Fraction(0)

    return _shapley(members, worth)


def _shapley(players, worth):
    orders = list(permutations(players))
    values = dict.fromkeys(players, Fraction(0))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            values[player] += Fraction(worth(before | {player}) - worth(before))
    return {player: total / len(orders) for player, total in values.items()}


def shapley_by_subsets(rows: list[Row]) -> dict[str, Fraction]:
    """The same game by the weighted sum over coalitions."""
    players = sorted({channel for path, *_ in rows for channel in path})
    k = len(players)
    values = {}
    for player in players:
        others = [other for other in players if other != player]
        total = Fraction(0)
        for size in range(k):
            weight = Fraction(_factorial(size) * _factorial(k - size - 1), _factorial(k))
            for chosen in combinations(others, size):
                without = sum(c for path, c, _, _ in rows if path and set(path) <= set(chosen))
                with_it = sum(c for path, c, _, _ in rows if path and set(path) <= {*chosen, player})
                total += weight * (with_it - without)
        values[player] = total
    return values


def ordered_shapley(rows: list[Row]) -> dict[str, dict[int, Fraction]]:
    """Zhao et al. 2018: each journey's 1 / |S|, shared by the channel's touches, which count from 1."""
    values: dict[str, dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for path, conversions, _, _ in rows:
        times = Counter(path)
        for place, channel in enumerate(path, start=1):
            values[channel][place] += Fraction(conversions, len(times) * times[channel])
    return values


def markov(rows: list[Row], *, order: int, measure: str = "conversions") -> dict[str, Fraction]:
    """Removal effects by one exact solve per channel."""
    chain = _count(rows, order)
    whole = _expected(chain, frozenset(), measure)
    channels = sorted({channel for path, *_ in rows for channel in path})
    return {
        channel: 1 - _expected(chain, frozenset(s for s in chain["left"] if channel in s), measure) / whole
        for channel in channels
    }


def _count(rows: list[Row], order: int):
    chain = {key: defaultdict(Fraction) for key in ("starts", "moves", "left", "conversions", "value")}
    for path, conversions, value, nulls in rows:
        happened = conversions + nulls
        if not path or not happened:
            continue
        windows = [path[i : i + order] for i in range(max(1, len(path) - order + 1))]
        states = [s for i, s in enumerate(windows) if i == 0 or s != windows[i - 1]]
        chain["starts"][states[0]] += happened
        for here, there in pairwise(states):
            chain["moves"][here, there] += happened
        for state in states:
            chain["left"][state] += happened
        chain["conversions"][states[-1]] += conversions
        chain["value"][states[-1]] += value
    return chain


def _expected(chain, removed: frozenset, measure: str) -> Fraction:
    """s'x with x = r + Qx over the states that stay, by Gauss-Jordan elimination."""
    states = [state for state in chain["left"] if state not in removed]
    place = {state: i for i, state in enumerate(states)}
    rows = []
    for state in states:
        row = [Fraction(int(other == state)) for other in states]
        row.append(chain[measure][state] / chain["left"][state])
        rows.append(row)
    for (here, there), count in chain["moves"].items():
        if here in place and there in place:
            rows[place[here]][place[there]] -= count / chain["left"][here]
    solved = _eliminate(rows)
    journeys = sum(chain["starts"].values())
    return sum((chain["starts"][state] / journeys * solved[place[state]] for state in states), Fraction(0))


def _eliminate(rows: list[list[Fraction]]) -> list[Fraction]:
    for pivot in range(len(rows)):
        swap = next(i for i in range(pivot, len(rows)) if rows[i][pivot])
        rows[pivot], rows[swap] = rows[swap], rows[pivot]
        rows[pivot] = [entry / rows[pivot][pivot] for entry in rows[pivot]]
        for other in range(len(rows)):
            if other != pivot and rows[other][pivot]:
                factor = rows[other][pivot]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[pivot], strict=True)]
    return [row[-1] for row in rows]


def _amount(row: Row, measure: str) -> int:
    return row[1] if measure == "conversions" else row[2]


def _factorial(n: int) -> int:
    return 1 if n < 2 else n * _factorial(n - 1)
