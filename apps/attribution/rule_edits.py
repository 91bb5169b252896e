"""One change at a time to the ordered channel rules, as a page makes it: move, pause, put, remove.

Each names the version of the list that it was made on: two people never undo each other unseen.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import channels, rule_versions
from apps.attribution.models import ChannelRule

Rules = list[dict[str, Any]]
Edit = Callable[[Rules], Rules]


class RulesChanged(DomainError):
    code = "rules_changed"
    status = 409


def current() -> Rules:
    """The rules as the verbs take them, in order."""
    return channels.as_plain(ChannelRule.objects.order_by("position"))


@transaction.atomic
def apply(actor: Actor, edit: Edit, *, version: str, now: datetime, reason: str = "") -> Rules:
    """Change the list; answers the list before it. Locks the workspace's row.

    Raises RulesChanged when the list is no longer the one of that version, Invalid for a bad rule.
    """
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    before = current()
    if channels.version_of(before) != version:
        raise RulesChanged("Somebody changed the rules meanwhile. Look at them, then repeat your change.")
    channels.replace_rules(actor, edit([*before]), now=now, reason=reason)
    return before


@transaction.atomic
def restore(actor: Actor, number: int, *, now: datetime, reason: str = "") -> Rules:
    """Put an earlier version in force again, as a new one; answers the list before it. Raises NotHere."""
    rules = rule_versions.named(number).rules
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    before = current()
    channels.replace_rules(actor, rules, now=now, reason=reason or f"Version {number} again.")
    return before


def moved(place: int, *, by: int) -> Edit:
    """The rule at the place (from 1) some places further down."""

    def edit(rules: Rules) -> Rules:
        rule = _take(rules, place)
        rules.insert(max(place - 1 + by, 0), rule)
        return rules

    return edit


def switched(place: int, *, is_active: bool) -> Edit:
    def edit(rules: Rules) -> Rules:
        rules.insert(place - 1, _take(rules, place) | {"is_active": is_active})
        return rules

    return edit


def without(place: int) -> Edit:
    def edit(rules: Rules) -> Rules:
        _take(rules, place)
        return rules

    return edit


def put(rule: dict[str, Any], *, at: int | None, instead_of: int | None = None) -> Edit:
    """The rule at a place; without one at the end, or where the rule was that it replaces."""

    def edit(rules: Rules) -> Rules:
        old = {} if instead_of is None else _take(rules, instead_of)
        place = at or instead_of or len(rules) + 1
        rules.insert(place - 1, {"is_active": old.get("is_active", True)} | rule)
        return rules

    return edit


def back_to(rules: Rules) -> Edit:
    return lambda _: rules


def _take(rules: Rules, place: int) -> dict[str, Any]:
    if not 1 <= place <= len(rules):
        raise NotHere(f"There is no rule {place}.")
    return rules.pop(place - 1)
