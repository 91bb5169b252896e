"""Texts for some readers alone ({% if … %}), and the lot that lets them be measured.

A fifth of the people get a letter as somebody of whom is not known what its conditions ask for. Who that is
follows from the campaign and the person, so it is the same however often a letter is made, and whoever sums
up can ask the database for it (PLAIN). Nobody is spared of what a service topic has to say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from jinja2 import nodes

from apps.campaigns.content import sandbox
from apps.campaigns.content.merge_fields import OWN, TRAITS, names
from apps.campaigns.models import Campaign, Content, Topic

CONTROL_SHARE = 0.2
_BELOW = round(CONTROL_SHARE * 2**32)
# Of the recipient `r`: whether the lot gives them what is for everybody, as `is_plain` says it.
PLAIN = f"""(('x' || encode(substring(sha256(convert_to(r.campaign_id || ':' || r.person_id, 'UTF8'))
    FROM 1 FOR 4), 'hex'))::bit(32)::bigint < {_BELOW})"""
_WORDS = ("subject", "preheader", "body", "cta_label")


def is_plain(campaign_id: int, person_id: int) -> bool:
    """Whether somebody gets what is for everybody."""
    drawn = sha256(f"{campaign_id}:{person_id}".encode()).digest()[:4]
    return int.from_bytes(drawn) < _BELOW


def asked_in(trees: Iterable[nodes.Template]) -> frozenset[str]:
    """What conditions ask for: names of fields and, as traits.plan, of traits. Not how somebody is called or
    reached: a greeting that asks for a name before it says it is no text for some readers.
    """
    return frozenset(name for tree in trees for test in _tests(tree) for name in _names(test)) - OWN


def without(values: Mapping[str, Any], asked: frozenset[str]) -> dict[str, Any]:
    """The values as of somebody of whom nothing of that is known."""
    kept = {name: value for name, value in values.items() if name not in asked}
    if isinstance(traits := kept.get(TRAITS), dict):
        kept[TRAITS] = {key: value for key, value in traits.items() if f"{TRAITS}.{key}" not in asked}
    return kept


def mark(campaign: Campaign, contents: Sequence[Content]) -> None:
    """Write down, as it leaves, which contents have texts for some alone: they are measured from then on."""
    found = [one.pk for one in contents if is_measured(campaign, one)]
    Content.objects.filter(pk__in=found).update(has_blocks=True)


def is_measured(campaign: Campaign, content: Content) -> bool:
    """Whether it has texts for some alone that not everybody has to get. Raises BadTemplate."""
    is_service = campaign.topic is not None and campaign.topic.basis == Topic.Basis.SERVICE
    return not is_service and bool(asked_in(_trees(content)))


def _trees(content: Content) -> Iterator[nodes.Template]:
    return (sandbox.check(sandbox.cleaned(getattr(content, name)), names()) for name in _WORDS)


def _tests(tree: nodes.Template) -> Iterator[nodes.Node]:
    yield from (one.test for one in tree.find_all(nodes.If))
    yield from (one.test for one in tree.find_all(nodes.CondExpr))


def _names(test: nodes.Node) -> Iterator[str]:
    found = [test, *test.find_all(nodes.Node)]
    picked = {id(one.node): _picked(one) for one in found if isinstance(one, nodes.Getattr | nodes.Getitem)}
    for one in found:
        if isinstance(one, nodes.Name):
            yield picked.get(id(one), one.name)


def _picked(node: nodes.Getattr | nodes.Getitem) -> str:
    key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", "")
    return f"{TRAITS}.{key}"
