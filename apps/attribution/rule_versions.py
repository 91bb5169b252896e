"""The channel rules as they stood: a numbered version for each change, the highest one in force."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from apps.accounts import scoping
from apps.accounts.errors import NotHere
from apps.accounts.permissions import Actor
from apps.attribution.models import RuleVersion

Rules = Sequence[dict[str, Any]]
LISTED = 100
# What a version that nobody made by hand is called.
FIRST_NOTE, BEFORE_NOTE = (
    "The rules that every workspace starts with.",
    "As they stood before versions were kept.",
)


def listed() -> list[RuleVersion]:
    """The last hundred, newest first, so the one in force at the head; empty where none was kept yet."""
    return list(RuleVersion.objects.select_related("job").order_by("-number")[:LISTED])


def latest() -> RuleVersion:
    """The version in force. Raises NotHere where none is known."""
    found = RuleVersion.objects.order_by("-number").first()
    if found is None:
        raise NotHere("No version of the channel rules is known in this workspace.")
    return found


def named(number: int) -> RuleVersion:
    """Raises NotHere."""
    found = RuleVersion.objects.filter(number=number).first()
    if found is None:
        raise NotHere(f"There is no version {number} of the channel rules in this workspace.")
    return found


def begin(rules: Rules, *, note: str = FIRST_NOTE, made_by: str = "Bellwether", now: datetime) -> None:
    """Number the rules that are there, if no version is known. The caller has locked the workspace's row."""
    if not RuleVersion.objects.exists():
        _add(1, rules, note=note, made_by=made_by, now=now)


def follow(actor: Actor, before: Rules, after: Rules, *, note: str, now: datetime) -> RuleVersion | None:
    """Number a change; None where nothing changed. The caller has locked the workspace's row."""
    if before:
        begin(before, note=BEFORE_NOTE, now=now)
    if list(before) == list(after):
        return None
    last = RuleVersion.objects.aggregate(last=Max("number"))["last"] or 0
    return _add(last + 1, after, note=note, made_by=actor.label, now=now)


def _add(number: int, rules: Rules, *, note: str, made_by: str, now: datetime) -> RuleVersion:
    return RuleVersion.objects.create(
        workspace_id=scoping.current_id(),
        number=number,
        rules=list(rules),
        note=note[:500],
        made_by=made_by[:120],
        made_at=now,
    )
