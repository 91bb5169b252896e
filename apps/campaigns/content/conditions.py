"""What the conditions of a template ask for, and whether they ask for what is so.

A condition asks positively where it holds for nobody of whom nothing is known. Then whoever gets a letter as
somebody unknown gets no text that stands under a condition for other people, but what is for everybody.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from apps.campaigns.content import sandbox, totals
from apps.campaigns.content.merge_fields import OWN, TRAITS, listed

# A name and what is picked of it; EACH stands for any one of a loop's.
Path = tuple[str, ...]
Loops = Mapping[str, Collection[Path]]
EACH = "*"
_PICKS = (nodes.Getattr, nodes.Getitem)
_NEGATED = {"ne", "notin"}


@dataclass(frozen=True)
class Condition:
    """test: what is asked. said: what stands there where it holds. loops: what its template goes through."""

    test: nodes.Expr
    said: Sequence[nodes.Node]
    loops: Loops

    @property
    def leaves(self) -> Iterator[nodes.Expr]:
        """Its parts between and's and or's."""
        return _leaves(self.test)

    def names(self) -> Iterator[str]:
        """What it asks for, but for what it asks only to say it."""
        said = {path for one in self.said for path in _said_by(one, self.loops)}
        for leaf in self.leaves:
            if not (_is_mere(leaf) and all(_is_said(path, said) for path in _paths(leaf, self.loops))):
                yield from names(leaf, self.loops)

    def is_negated(self) -> bool:
        return any(map(_is_negation, [self.test, *self.test.find_all(nodes.Node)]))


def of(tree: nodes.Template) -> list[Condition]:
    """In the order they stand in."""
    loops: dict[str, set[Path]] = {}
    for one in tree.find_all(nodes.For):
        found = {(*path, EACH) for path in _paths(one.iter, loops)}
        loops.setdefault(one.target.name, set()).update(found)  # type: ignore[attr-defined]
    return list(_under(tree, loops))


def asked(conditions: Sequence[Condition]) -> frozenset[str]:
    """Not how somebody is called or reached, and not what is asked only to be said: a greeting that asks for
    a name before it says it is no text for some readers.
    """
    return frozenset(name for one in conditions for name in one.names()) - OWN


def names(node: nodes.Node, loops: Loops) -> Iterator[str]:
    """Of fields and, as traits.plan, of traits: what a loop goes through stands for each one of it."""
    for path in _paths(node, loops):
        yield f"{TRAITS}.{path[1]}" if path[0] == TRAITS and len(path) > 1 else path[0]


def are_positive(conditions: Sequence[Condition], asked: frozenset[str]) -> bool:
    """Whether none of them holds by what is left out. Takes them apart: they serve nothing afterwards."""
    leaves: list[nodes.Expr] = []
    for one in conditions:
        of_asked = [leaf for leaf in one.leaves if not asked.isdisjoint(names(leaf, one.loops))]
        if of_asked and one.is_negated():
            return False
        if any(not asked.issuperset(names(leaf, one.loops)) for leaf in of_asked):
            return False
        leaves += of_asked
    unknown = {field.name: totals.Missing(field.fallback) for field in listed()}
    return not sandbox.any_holds(leaves, unknown)


def _under(node: nodes.Node, loops: Loops) -> Iterator[Condition]:
    test, said = _asked_by(node)
    if test is not None:
        yield Condition(test, said, loops)
    for child in node.iter_child_nodes():
        if child is not test:
            yield from _under(child, loops)


def _asked_by(node: nodes.Node) -> tuple[Any, Sequence[nodes.Node]]:
    """What decides there, and what stands there then."""
    if isinstance(node, nodes.If | nodes.For):
        return node.test, node.body
    if isinstance(node, nodes.CondExpr):
        return node.test, [node.expr1]
    if isinstance(node, nodes.And):
        return node.left, [node.right]
    return (node.left, [node.left]) if isinstance(node, nodes.Or) else (None, [])


def _leaves(test: nodes.Expr) -> Iterator[nodes.Expr]:
    if isinstance(test, nodes.And | nodes.Or):
        yield from _leaves(test.left)
        yield from _leaves(test.right)
    else:
        yield test


def _paths(node: nodes.Node, loops: Loops) -> Iterator[Path]:
    root, keys = node, []
    while isinstance(root, _PICKS):
        keys.append(root.attr if isinstance(root, nodes.Getattr) else str(getattr(root.arg, "value", "")))
        root = root.node
    if isinstance(root, nodes.Name):
        for begin in loops.get(root.name, [(root.name,)]):
            yield (*begin, *reversed(keys))
        return
    for child in node.iter_child_nodes():
        yield from _paths(child, loops)


def _said_by(node: nodes.Node, loops: Loops) -> Iterator[Path]:
    if isinstance(node, nodes.Output | nodes.Expr):
        return _paths(node, loops)
    return (path for one in node.find_all(nodes.Output) for path in _paths(one, loops))


def _is_mere(leaf: nodes.Expr) -> bool:
    """Whether it asks no more than whether there is anything."""
    asked: Any = leaf
    while isinstance(asked, nodes.Filter) or (isinstance(asked, nodes.Test) and asked.name == "defined"):
        asked = asked.node
    return isinstance(asked, (nodes.Name, *_PICKS))


def _is_said(path: Path, said: Collection[Path]) -> bool:
    """Whether it is said, or a part of it."""
    return any(one[: len(path)] == path for one in said)


def _is_negation(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Operand):
        return node.op in _NEGATED
    return isinstance(node, nodes.Not) or (isinstance(node, nodes.Test) and node.name == "undefined")
