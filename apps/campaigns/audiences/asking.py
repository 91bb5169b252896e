"""Who may ask what of people: a count of rules that somebody chose answers whether a trait of theirs holds.

So rules on traits are for those who may see people, and so are the ids of whoever fits. Whoever can put one
person on a list learns by it whatever else is asked of the list: so are such rules. A number of an audience
that is there already is for everybody who may see campaigns: its rules are not theirs to choose.
"""

from dataclasses import replace

from apps.accounts.errors import DomainError
from apps.accounts.permissions import Actor, lacking, may
from apps.campaigns.audiences import tree
from apps.campaigns.audiences.belonging import ListCondition
from apps.campaigns.audiences.conditions import Condition
from apps.campaigns.audiences.fields import FieldCondition
from apps.campaigns.audiences.selecting import Found
from apps.campaigns.audiences.traits import TraitCondition
from apps.campaigns.audiences.tree import Node

RIGHT = "people:read"


class MayNotSeePeople(DomainError):
    code = "may_not_see_people"
    status = 403


def require_right(actor: Actor, node: Node) -> None:
    """Raise MayNotSeePeople for rules that tell what is known of somebody, by who may not see people."""
    if may(actor, RIGHT):
        return
    conditions = list(tree.conditions(node))
    if any(isinstance(one, TraitCondition) for one in conditions):
        raise _refusal(actor, "Rules on traits tell")
    if len(conditions) > 1 and any(_picks_out(one) for one in conditions):
        raise _refusal(actor, "A list, or a moment of people, together with other rules tells")


def _picks_out(condition: Condition) -> bool:
    """Whether it can be made to hold for one person that somebody has in mind."""
    return isinstance(condition, ListCondition) or (
        isinstance(condition, FieldCondition) and condition.field.kind == "moment"
    )


def _refusal(actor: Actor, what: str) -> MayNotSeePeople:
    return MayNotSeePeople(f"{what} what is known of somebody. {lacking(actor, RIGHT)}")


def as_told(actor: Actor, found: Found) -> Found:
    """The number for everybody; who they are for who may see people."""
    return found if may(actor, RIGHT) else replace(found, sample=[])
