"""Texts for some readers alone ({% if … %}), and the lot that lets them be measured.

A fifth of the people get a letter as somebody of whom is not known what its conditions ask for. Who that is
follows from the campaign and the person, so it is the same however often a letter is made, and whoever sums
up can ask the database for it (PLAIN). Nobody is spared of what a service topic has to say. Where a condition
holds for whoever nothing is known of ("not under 18"), the lot would hand out what is for other people: there
it is not drawn, and nothing is measured.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any

from jinja2 import nodes

from apps.campaigns.content import conditions, sandbox
from apps.campaigns.content.merge_fields import TRAITS, names
from apps.campaigns.models import Campaign, Content, Topic

CONTROL_SHARE = 0.2
_BELOW = round(CONTROL_SHARE * 2**32)
# Of the recipient `r`: whether the lot gives them what is for everybody, as `is_plain` says it.
PLAIN = f"""(('x' || encode(substring(sha256(convert_to(r.campaign_id || ':' || r.person_id, 'UTF8'))
    FROM 1 FOR 4), 'hex'))::bit(32)::bigint < {_BELOW})"""
_WORDS = ("subject", "preheader", "body", "cta_label")


class Lot(StrEnum):
    """Of a content. NONE: it says the same to all, or to people who wait for it. DRAWN: a fifth get what is
    for everybody. NEGATED: a condition asks what is not so; each gets what is for them, and none is measured.
    """

    NONE = ""
    DRAWN = "drawn"
    NEGATED = "negated"


def is_plain(campaign_id: int, person_id: int) -> bool:
    """Whether somebody gets what is for everybody."""
    drawn = sha256(f"{campaign_id}:{person_id}".encode()).digest()[:4]
    return int.from_bytes(drawn) < _BELOW


def asked_in(trees: Iterable[nodes.Template]) -> frozenset[str]:
    """What conditions ask for: names of fields and, as traits.plan, of traits. Not how somebody is called or
    reached, and not what is asked only to be said.
    """
    return conditions.asked([one for tree in trees for one in conditions.of(tree)])


def without(values: Mapping[str, Any], asked: frozenset[str]) -> dict[str, Any]:
    """The values as of somebody of whom nothing of that is known."""
    kept = {name: value for name, value in values.items() if name not in asked}
    if isinstance(traits := kept.get(TRAITS), dict):
        kept[TRAITS] = {key: value for key, value in traits.items() if f"{TRAITS}.{key}" not in asked}
    return kept


def mark(campaign: Campaign, contents: Sequence[Content]) -> None:
    """Write down, as it leaves, which contents have texts for some alone and are measured from then on, and
    which are not.
    """
    found = {one.pk: lot_of(campaign, one) == Lot.DRAWN for one in contents}
    for is_drawn in (True, False):
        marked = [key for key, drawn in found.items() if drawn == is_drawn]
        Content.objects.filter(pk__in=marked).update(has_blocks=is_drawn)


def lot_of(campaign: Campaign, content: Content) -> Lot:
    """Whether somebody gets what is for everybody in place of a text for some. Raises BadTemplate."""
    if campaign.topic is not None and campaign.topic.basis == Topic.Basis.SERVICE:
        return Lot.NONE
    found = [one for tree in _trees(content) for one in conditions.of(tree)]
    if not (asked := conditions.asked(found)):
        return Lot.NONE
    return Lot.DRAWN if conditions.are_positive(found, asked) else Lot.NEGATED


def _trees(content: Content) -> Iterator[nodes.Template]:
    return (sandbox.check(sandbox.cleaned(getattr(content, name)), names()) for name in _WORDS)
