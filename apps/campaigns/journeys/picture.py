"""The picture of a journey: where each step, end and line goes. Pure; no browser lays anything out.

Steps stand in rows by how far they are from the start, ends in a row under the step that they end. A line
that crosses rows bends in each, so that none runs behind a step; one that leads back up goes round the side.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

from apps.campaigns.journeys import steps
from apps.campaigns.journeys.steps import END

WIDTH, HEIGHT = 200, 62
ACROSS, DOWN = 226, 138
MARGIN = 14
PASSES = 4
START = ""


@dataclass
class Place:
    """key: of the step, else of an end or a bend. x, y: the middle of its top edge."""

    key: str
    row: int
    kind: str
    x: float = 0.0

    @property
    def y(self) -> float:
        return MARGIN + self.row * DOWN

    @property
    def left(self) -> float:
        return self.x - WIDTH / 2


@dataclass(frozen=True)
class Line:
    """path: SVG. The label stands in the middle of its first stretch."""

    step: str
    way: str
    path: str
    label_x: float
    label_y: float
    is_back: bool = False


@dataclass
class Picture:
    width: float
    height: float
    places: list[Place] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


Edge = tuple[str, str, str]
NONE: Edge = ("", "", "")


def draw(graph: Mapping[str, Any]) -> Picture:
    """Of a graph whose ways lead to steps that are there."""
    edges = _edges(graph)
    back = _back_edges(graph["first"], edges)
    rows = _rows(graph["first"], [edge for edge in edges if edge not in back])
    places = {START: Place(START, 0, "start")}
    for key, row in rows.items():
        places[key] = Place(key, row, "step" if key in graph["steps"] else "end")
    chains = {edge: _chain(edge, places) for edge in edges if edge not in back}
    _spread(places, chains.values())
    return _drawn(places, chains, back)


def _edges(graph: Mapping[str, Any]) -> list[Edge]:
    """(from, way, to); each way to the end has an end of its own, each step without a way one as well."""
    found: list[Edge] = [(START, "enter", graph["first"])] if graph["first"] in graph["steps"] else []
    for key, step in graph["steps"].items():
        ways = steps.ways_of(step)
        for way, to in ways.items():
            is_there = to != END and to in graph["steps"]
            found.append((key, way, to if is_there else f"{key}|{way}"))
    return found


def _back_edges(first: str, edges: Sequence[Edge]) -> set[Edge]:
    """Those that lead to a step that one has come through."""
    out: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        out[edge[0]].append(edge)
    back: set[Edge] = set()
    state: dict[str, str] = {}
    for root in [START, *(edge[0] for edge in edges)]:
        stack = [(root, iter(out[root]))] if root not in state else []
        state.setdefault(root, "open")
        while stack:
            key, rest = stack[-1]
            edge = next(rest, NONE)
            if edge is NONE:
                state[key] = "done"
                stack.pop()
            elif state.get(edge[2]) == "open" and any(edge[2] == on for on, _ in stack):
                back.add(edge)
            elif edge[2] not in state:
                state[edge[2]] = "open"
                stack.append((edge[2], iter(out[edge[2]])))
    return back


def _rows(first: str, edges: Sequence[Edge]) -> dict[str, int]:
    """Each as far down as its longest way from the start."""
    before: dict[str, set[str]] = defaultdict(set)
    for source, _, target in edges:
        before[target].add(source)
    rows = {START: 0}
    for key in TopologicalSorter(before).static_order():
        rows[key] = max((rows[one] + 1 for one in before[key]), default=rows.get(key, 1))
    del rows[START]
    return rows


def _chain(edge: Edge, places: dict[str, Place]) -> list[str]:
    """The places that a line passes; a bend in each row between is made for it."""
    source, way, target = edge
    chain = [source]
    for row in range(places[source].row + 1, places[target].row):
        key = f"{source}|{way}|{row}"
        places[key] = Place(key, row, "bend")
        chain.append(key)
    return [*chain, target]


def _spread(places: dict[str, Place], chains: Iterable[Sequence[str]]) -> None:
    """Order each row by where its neighbours stand, then set each as near to them as there is room."""
    above, below = _neighbours(chains)
    rows: dict[int, list[Place]] = defaultdict(list)
    for place in places.values():
        rows[place.row].append(place)
    for row in rows.values():
        for slot, place in enumerate(row):
            place.x = slot * ACROSS
    for turn in range(PASSES):
        is_down = turn % 2 == 0
        for number in sorted(rows, reverse=not is_down):
            _settle(rows[number], above if is_down else below, places)
    least = min(place.x for place in places.values())
    for place in places.values():
        place.x += WIDTH / 2 + MARGIN - least


def _neighbours(chains: Iterable[Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Of each place, those in the rows above and below that a line leads to."""
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for chain in chains:
        for one, other in pairwise(chain):
            below[one].append(other)
            above[other].append(one)
    return above, below


def _settle(row: list[Place], neighbours: Mapping[str, list[str]], places: Mapping[str, Place]) -> None:
    wanted = {
        place.key: sum(places[one].x for one in neighbours[place.key]) / len(neighbours[place.key])
        if neighbours.get(place.key)
        else place.x
        for place in row
    }
    row.sort(key=lambda place: wanted[place.key])
    at = float("-inf")
    for place in row:
        place.x = at = max(wanted[place.key], at + ACROSS)
    # Pushed only to the right: brought back as a whole.
    shift = sum(wanted[place.key] - place.x for place in row) / len(row)
    for place in row:
        place.x += shift


def _drawn(places: dict[str, Place], chains: Mapping[Edge, Sequence[str]], back: set[Edge]) -> Picture:
    right = max(place.x for place in places.values()) + WIDTH / 2
    lines = [_line(edge, [places[key] for key in chain]) for edge, chain in chains.items()]
    for number, edge in enumerate(sorted(back)):
        lines.append(_back(edge, places, right + 24 + 18 * number))
    bottom = max(place.y for place in places.values()) + HEIGHT
    width = right + MARGIN + (24 + 18 * len(back) if back else 0)
    shown = [place for place in places.values() if place.kind != "bend"]
    return Picture(width=round(width), height=round(bottom + MARGIN), places=shown, lines=lines)


def _line(edge: Edge, stops: Sequence[Place]) -> Line:
    x, y = stops[0].x, stops[0].y + _depth(stops[0])
    path = [f"M{x:.0f} {y:.0f}"]
    label = (0.0, 0.0)
    for place in stops[1:]:
        middle = (y + place.y) / 2
        path.append(f"C{x:.0f} {middle:.0f} {place.x:.0f} {middle:.0f} {place.x:.0f} {place.y:.0f}")
        if not label[1]:
            label = ((x + 3 * place.x) / 4 if x != place.x else x, y + 0.66 * (place.y - y))
        x, y = place.x, place.y + _depth(place)
        if place.kind == "bend":
            path.append(f"L{x:.0f} {y:.0f}")
    return Line(edge[0], edge[1], "".join(path), round(label[0]), round(label[1]))


def _back(edge: Edge, places: Mapping[str, Place], side: float) -> Line:
    one, other = places[edge[0]], places[edge[2]]
    start, end = one.y + HEIGHT / 2, other.y + HEIGHT / 2
    path = (
        f"M{one.x + WIDTH / 2:.0f} {start:.0f}C{side:.0f} {start:.0f} {side:.0f} {start:.0f} {side:.0f} "
        f"{start - 20:.0f}L{side:.0f} {end + 20:.0f}C{side:.0f} {end:.0f} {side:.0f} {end:.0f} "
        f"{other.x + WIDTH / 2:.0f} {end:.0f}"
    )
    return Line(edge[0], edge[1], path, round(side), round((start + end) / 2), is_back=True)


def _depth(place: Place) -> float:
    return {"start": 34.0, "end": 0.0}.get(place.kind, float(HEIGHT))
