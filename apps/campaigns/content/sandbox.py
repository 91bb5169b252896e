"""The part of Jinja that messages are written in: fields, filters, if and for; no calls, no arithmetic.

A template is read into its tree first. Whatever is not on the list below is refused with its line, before
anything is compiled; then what could fail or reach an object's insides (attributes, comparisons, loops) is
replaced by functions of totals.py, which answer for every value. So a template that was accepted neither
fails, nor runs long, nor reads anything but the values that it is given. Jinja's immutable sandbox stands
behind this as a second wall.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from apps.accounts.errors import DomainError
from apps.campaigns.content import totals
from apps.campaigns.content.merge_fields import TRAITS

LONGEST_SOURCE = 60_000
MOST_OUTPUTS = 300
MOST_NODES = 4_000
DEEPEST = 30
MOST_NESTED_BLOCKS = 8
# Not in the source of any template; whatever is marked with them is ours.
MARKS = "\x00\x01\x1d\x1e\x1f\ue000\ue001"
BLOCKS = (nodes.If, nodes.For)
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.List,
    nodes.Tuple,
    *BLOCKS,
)


class BadTemplate(DomainError):
    """A template that is not taken. line: where, from 1."""

    code = "bad_template"
    status = 400

    def __init__(self, words: str, line: int = 1) -> None:
        super().__init__(f"Line {line}: {words}")
        self.words, self.line = words, line


@dataclass(frozen=True)
class Piece:
    """A part of a source: text, something printed, or a statement with its first word."""

    kind: str
    source: str
    word: str = ""


def environment() -> ImmutableSandboxedEnvironment:
    """Without globals, and with our filters and tests alone."""
    made = ImmutableSandboxedEnvironment(
        undefined=totals.Nothing, finalize=totals.shown, keep_trailing_newline=True, autoescape=False
    )
    made.globals.clear()
    ours = {"_pick": totals.pick, "_items": totals.items, "_is": totals.compare, "_shown": totals.shown}
    made.filters = {**totals.FILTERS, **ours}
    made.tests = dict(totals.TESTS)
    return made


ENVIRONMENT = environment()


def cleaned(source: str) -> str:
    """Without what stands for something of ours, and with one kind of line end."""
    plain = source.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        one for one in plain if one not in MARKS and (one in "\n\t" or one >= " ") and not _is_half(one)
    )


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def pieces(source: str) -> list[Piece]:
    """The source taken apart; comments are left out. Raises BadTemplate."""
    if len(source) > LONGEST_SOURCE:
        raise BadTemplate(f"A text may have {LONGEST_SOURCE:,} characters; this has {len(source):,}.")
    found: list[Piece] = []
    inside: list[str] = []
    try:
        for line, token, text in ENVIRONMENT.lex(source):
            if token == "raw_begin":  # noqa: S105
                raise BadTemplate("raw is not supported.", line)
            _add(found, inside, token, text)
    except TemplateSyntaxError as error:
        raise BadTemplate(str(error.message), error.lineno) from error
    return found


def _add(found: list[Piece], inside: list[str], token: str, text: str) -> None:
    if token == "data":  # noqa: S105
        found.append(Piece("text", text))
    elif not token.startswith("comment"):
        inside.append(_without_signs(token, text))
    if token in {"variable_end", "block_end"}:
        source = "".join(inside)
        words = source.strip("{%-+} \n\t").split(None, 1)
        kind = "print" if token == "variable_end" else "block"  # noqa: S105
        found.append(Piece(kind, source, words[0] if words else ""))
        inside.clear()


def _without_signs(token: str, text: str) -> str:
    """Without the - or + of {{- and -}}: the text beside them was cut already, and our marks, which stand
    there in the end, are white space to Jinja.
    """
    if token in {"variable_begin", "block_begin"}:
        return text[:2]
    return text.rstrip()[-2:] if token in {"variable_end", "block_end"} else text


def check(source: str, known: frozenset[str]) -> nodes.Template:
    """The tree of a template whose every part is on the list. Raises BadTemplate."""
    if len(source) > LONGEST_SOURCE:
        raise BadTemplate(f"A text may have {LONGEST_SOURCE:,} characters; this has {len(source):,}.")
    tree = _parsed(source)
    loops = frozenset(one.target.name for one in _loops(tree))
    outputs = 0
    for node in _walk(tree):
        if not isinstance(node, ALLOWED):
            raise BadTemplate(f"{_said(node)} cannot be used in a message.", node.lineno)
        _check_node(node, known, loops)
        outputs += isinstance(node, nodes.Output)
    if outputs > MOST_OUTPUTS:
        raise BadTemplate(f"More than {MOST_OUTPUTS} places are filled in. Say it in fewer.")
    return tree


def _parsed(source: str) -> nodes.Template:
    try:
        return ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        raise BadTemplate(str(error.message), error.lineno) from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise BadTemplate("It is nested too deeply, or holds a number that is too long.") from error


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node, without recursion. Raises BadTemplate for a tree that is too deep or too large."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    count = 0
    while waiting:
        node, depth, blocks = waiting.pop()
        count += 1
        if depth > DEEPEST or blocks > MOST_NESTED_BLOCKS or count > MOST_NODES:
            raise BadTemplate("It is nested too deeply, or too long.", node.lineno)
        yield node
        below = blocks + isinstance(node, BLOCKS)
        waiting.extend((child, depth + 1, below) for child in node.iter_child_nodes())


def _loops(tree: nodes.Template) -> Iterator[Any]:
    for node in _walk(tree):
        if isinstance(node, nodes.For):
            if not isinstance(node.target, nodes.Name) or node.recursive:
                raise BadTemplate("A loop is written {% for one in traits.… %}.", node.lineno)
            if any(isinstance(inner, nodes.For) for one in node.body for inner in _walk(one)):
                raise BadTemplate("A loop cannot hold another.", node.lineno)
            yield node


def _check_node(node: nodes.Node, known: frozenset[str], loops: frozenset[str]) -> None:
    if isinstance(node, nodes.Name):
        _check_name(node, known, loops)
    elif isinstance(node, nodes.Filter):
        _check_filter(node)
    elif isinstance(node, nodes.Test) and (node.name not in totals.TESTS or node.args):
        raise BadTemplate(f"There is no test {node.name!r}; use 'is defined'.", node.lineno)
    elif isinstance(node, nodes.Getattr | nodes.Getitem):
        _check_pick(node, loops)
    elif isinstance(node, nodes.Const) and not _is_plain(node.value):
        raise BadTemplate("Use texts and plain numbers.", node.lineno)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | None) or abs(value) < totals.LARGEST_NUMBER


def _check_name(node: nodes.Name, known: frozenset[str], loops: frozenset[str]) -> None:
    if node.ctx == "store" and node.name in known:
        raise BadTemplate(f"{node.name!r} is a field; name the loop's item otherwise.", node.lineno)
    if node.ctx == "load" and node.name not in known and node.name not in loops:
        raise BadTemplate(f"There is no merge field {node.name!r}.", node.lineno)


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in totals.FILTERS:
        choices = ", ".join(sorted(totals.FILTERS))
        raise BadTemplate(f"There is no filter {node.name!r}. Choose from {choices}.", node.lineno)
    if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > 2:
        raise BadTemplate(f"The filter {node.name!r} takes one plain value.", node.lineno)


def _check_pick(node: nodes.Getattr | nodes.Getitem, loops: frozenset[str]) -> None:
    root: nodes.Node = node
    while isinstance(root, nodes.Getattr | nodes.Getitem):
        root = root.node
    if not isinstance(root, nodes.Name) or root.name not in {TRAITS, *loops}:
        raise BadTemplate("Only traits have parts: traits.plan.", node.lineno)
    key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
    if not isinstance(key, str | int) or (isinstance(key, str) and key.startswith("_")):
        raise BadTemplate("A trait's name is a plain text that does not begin with _.", node.lineno)


def _said(node: nodes.Node) -> str:
    return {"Call": "A call", "Assign": "set", "Macro": "macro", "Include": "include"}.get(
        type(node).__name__, type(node).__name__
    )


class _Total(NodeTransformer):
    """Puts functions that cannot fail where Jinja's own could."""

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        return _filtered(self.visit(node.node), "_pick", nodes.Const(node.attr))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        return _filtered(self.visit(node.node), "_pick", self.visit(node.arg))

    def visit_For(self, node: nodes.For) -> nodes.Node:
        node = self.generic_visit(node)  # type: ignore[assignment]
        node.iter = _filtered(node.iter, "_items")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        """Each part as it is shown on its own: nothing of all traits at once, and a thousand characters."""
        node = self.generic_visit(node)  # type: ignore[assignment]
        node.nodes = [_filtered(one, "_shown") for one in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        """a < b < c is (a < b) and (b < c)."""
        left: Any = self.visit(node.expr)
        whole: Any = None
        for operand in node.ops:
            right = self.visit(operand.expr)
            one = _filtered(left, "_is", nodes.Const(operand.op), right)
            whole = one if whole is None else nodes.And(whole, one)
            left = right
        return whole if whole is not None else left


def _filtered(node: Any, name: str, *arguments: Any) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None)


def compiled(source: str) -> Template:
    """The program of a source whose parts were checked."""
    return _program(ENVIRONMENT.parse(source))


def any_holds(tests: Sequence[nodes.Expr], values: Mapping[str, Any]) -> bool:
    """Whether one of the tests, taken out of checked trees, holds for such values. Takes them apart: they
    serve nothing afterwards.
    """
    marked: list[nodes.Expr] = [
        nodes.CondExpr(one, nodes.Const("1"), nodes.Const(""), lineno=1) for one in tests
    ]
    return bool(_program(nodes.Template([nodes.Output(marked, lineno=1)], lineno=1)).render(values))


def _program(checked: nodes.Template) -> Template:
    tree = _Total().visit(checked)
    tree.set_environment(ENVIRONMENT)
    code = ENVIRONMENT.compile(tree, "message", "message")
    return Template.from_code(ENVIRONMENT, code, {}, None)


def fields_in(tree: nodes.Template) -> frozenset[str]:
    """Names of fields and, as traits.plan, of traits."""
    names = {one.name for one in tree.find_all(nodes.Name) if one.ctx == "load"}
    picked = {
        f"{TRAITS}.{one.attr}"
        for one in tree.find_all(nodes.Getattr)
        if isinstance(one.node, nodes.Name) and one.node.name == TRAITS
    }
    return frozenset(names | picked)
