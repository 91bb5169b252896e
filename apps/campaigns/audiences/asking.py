"""Who may ask what of people: a count of rules that somebody chose answers whether a trait of theirs holds.

So rules on traits are for those who may see people, and so are the ids of whoever fits. A number of an
audience that is there already is for everybody who may see campaigns: its rules are not theirs to choose.
"""

from dataclasses import replace

from apps.accounts.errors import DomainError
from apps.accounts.permissions import Actor, may
from apps.campaigns.audiences import tree
from apps.campaigns.audiences.selecting import Found
from apps.campaigns.audiences.traits import TraitCondition
from apps.campaigns.audiences.tree import Node

RIGHT = "people:read"


class MayNotSeePeople(DomainError):
    code = "may_not_see_people"
    status = 403


def require_right(actor: Actor, node: Node) -> None:
    """Raise MayNotSeePeople for rules that look at what was told of people, by who may not see people."""
    if may(actor, RIGHT) or not any(isinstance(one, TraitCondition) for one in tree.conditions(node)):
        return
    raise MayNotSeePeople(
        f"Rules on traits need the right {RIGHT!r}: their number tells what is known of somebody. "
        "Ask an owner or admin of the workspace."
    )


def as_told(actor: Actor, found: Found) -> Found:
    """The number for everybody; who they are for who may see people."""
    return found if may(actor, RIGHT) else replace(found, sample=[])
