"""The goals of a workspace: named lenses that its pages and its API are asked through.

One goal is always there without a row: all conversions, every one, with the workspace's look-back. It is the
default until somebody chooses another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.utils.text import slugify

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution.lenses import Lens, wrong_choices
from apps.attribution.models import Conversion, Goal
from apps.attribution.questions import LENS_FIELDS, lookback_of

ALL = "all"
MAX_GOALS = 50
MAX_TYPES = 50
REACH_DAYS = 90
FIELDS = ("key", "label", *LENS_FIELDS, "is_default", "position")


class GoalKeyTaken(DomainError):
    code = "goal_key_taken"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Of the conversions of the last days, how many a lens counts."""

    counted: int
    conversions: int
    days: int


def every(workspace: Workspace) -> Goal:
    """The goal that is always there: all conversions."""
    return Goal(workspace=workspace, key=ALL, label="All conversions", lookback_days=lookback_of(workspace))


def default(workspace: Workspace) -> Goal:
    """What a page shows before anybody chooses."""
    return Goal.objects.filter(is_default=True).first() or every(workspace)


def listed() -> list[Goal]:
    """The goals in use, in their order; without the one that is always there."""
    return list(Goal.objects.filter(archived_at=None).order_by("position", "pk"))


def named(workspace: Workspace, key: str) -> Goal:
    """Raises NotHere for a key that no goal in use has."""
    if key == ALL:
        return every(workspace)
    found = Goal.objects.filter(key=key, archived_at=None).first()
    if found is None:
        raise NotHere(f"There is no goal {key!r} in this workspace.")
    return found


def lens_of(workspace: Workspace, key: str | None = None, **chosen: Any) -> Lens:
    """The lens of the goal named, or of all conversions, with what was chosen beside it (None: nothing was).

    Raises Invalid for a goal that is not there.
    """
    try:
        goal = named(workspace, key or ALL)
    except NotHere as missing:
        raise Invalid({"goal": [missing.detail]}) from missing
    return replace(goal.lens, **{name: value for name, value in chosen.items() if value is not None})


def lenses(workspace: Workspace) -> list[Lens]:
    """Each lens that a goal looks through, once; the default's first."""
    found = [default(workspace).lens, every(workspace).lens, *(goal.lens for goal in listed())]
    return list(dict.fromkeys(found))


def reach(lens: Lens, *, now: datetime, days: int = REACH_DAYS) -> Reach:
    """Count the conversions of the last days that the lens counts."""
    lately = Conversion.objects.filter(is_counted=True, occurred_at__gt=now - timedelta(days=days))
    return Reach(counted=_counted(lately, lens).count(), conversions=lately.count(), days=days)


@transaction.atomic
def create(actor: Actor, *, now: datetime, reason: str = "", **given: Any) -> Goal:
    """Make a goal at the end of the list. Locks the workspace's row. Raises Invalid, GoalKeyTaken."""
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    last = Goal.objects.aggregate(last=Max("position"))["last"] or 0
    goal = Goal(workspace_id=actor.workspace_id, position=last + 1)
    goal.key = str(given.pop("key", "") or slugify(str(given.get("label", "")))[:60]).lower()
    _put(goal, given)
    if Goal.objects.filter(key=goal.key).exists():
        raise GoalKeyTaken(f"There is a goal {goal.key!r} already, or there was. Choose another key.")
    if Goal.objects.filter(archived_at=None).count() >= MAX_GOALS:
        raise Invalid({"label": [f"A workspace has at most {MAX_GOALS} goals. Archive one first."]})
    _save(goal)
    audit.record(actor, "goal.created", goal, now=now, after=as_plain(goal), reason=reason)
    return goal


@transaction.atomic
def change(actor: Actor, key: str, *, now: datetime, reason: str = "", **given: Any) -> Goal:
    """Change a goal; its key stays. Numbers that were read through it before are computed anew.

    Locks the workspace's row. Raises NotHere, Invalid.
    """
    goal = _locked(actor, key)
    before = as_plain(goal)
    _put(goal, given)
    _save(goal)
    after = as_plain(goal)
    if after != before:
        audit.record(actor, "goal.changed", goal, now=now, before=before, after=after, reason=reason)
    return goal


@transaction.atomic
def archive(actor: Actor, key: str, *, now: datetime, reason: str = "") -> Goal:
    """Take a goal out of use; it keeps its key and its history. Archived again, nothing changes."""
    goal = _locked(actor, key, is_in_use=False)
    if goal.archived_at is None:
        before = as_plain(goal)
        goal.archived_at, goal.is_default = now, False
        goal.save(update_fields=["archived_at", "is_default"])
        audit.record(actor, "goal.archived", goal, now=now, before=before, reason=reason)
    return goal


@transaction.atomic
def restore(actor: Actor, key: str, *, now: datetime, reason: str = "") -> Goal:
    """Bring an archived goal back, at its place in the list."""
    goal = _locked(actor, key, is_in_use=False)
    if goal.archived_at is not None:
        goal.archived_at = None
        goal.save(update_fields=["archived_at"])
        audit.record(actor, "goal.restored", goal, now=now, after=as_plain(goal), reason=reason)
    return goal


def as_plain(goal: Goal) -> dict[str, Any]:
    """What somebody chose, as JSON takes it."""
    return {name: getattr(goal, name) for name in FIELDS}


def _locked(actor: Actor, key: str, *, is_in_use: bool = True) -> Goal:
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    goals = Goal.objects.filter(archived_at=None) if is_in_use else Goal.objects.all()
    goal: Goal | None = goals.filter(key=key).first()
    if goal is None:
        raise NotHere(f"There is no goal {key!r} in this workspace.")
    return goal


def _put(goal: Goal, given: dict[str, Any]) -> None:
    """Set what was given, cleaned. Raises Invalid naming the fields."""
    for name in set(FIELDS) - {"key"}:
        if name in given:
            setattr(goal, name, given[name])
    goal.label = str(goal.label).strip()
    goal.conversion_types = _types(goal.conversion_types)
    if goal.transform != "trim":
        goal.trim_touches = 0
    errors = wrong_choices(goal.lens) | _wrong_names(goal)
    if errors:
        raise Invalid(errors)


def _types(given: Sequence[str]) -> list[str]:
    """As conversions are stored: lower case, each once."""
    return sorted({name.strip().lower() for name in given if name.strip()})


def _wrong_names(goal: Goal) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not 0 < len(goal.label) <= 80:
        errors["label"] = ["Give it a name of at most 80 characters."]
    elif not goal.key or goal.key != slugify(goal.key) or len(goal.key) > 60:
        errors["key"] = ["A key is up to 60 small letters, digits, - and _."]
    elif goal.key == ALL:
        errors["key"] = [f"{ALL!r} is the goal that is always there. Choose another key."]
    if len(goal.conversion_types) > MAX_TYPES or any(len(name) > 60 for name in goal.conversion_types):
        errors["conversion_types"] = [f"Name at most {MAX_TYPES} types, each of at most 60 characters."]
    return errors


def _save(goal: Goal) -> None:
    """A new default takes the place of the old one."""
    if goal.is_default:
        Goal.objects.filter(is_default=True).exclude(pk=goal.pk).update(is_default=False)
    goal.save()


def _counted(rows: QuerySet[Conversion], lens: Lens) -> QuerySet[Conversion]:
    if lens.conversion_types:
        rows = rows.filter(conversion_type__in=lens.conversion_types)
    if lens.counting == "every":
        return rows
    at = OuterRef("occurred_at")
    is_before = Q(occurred_at__lt=at) | Q(occurred_at=at, pk__lt=OuterRef("pk"))
    earlier = Conversion.objects.filter(is_before, person_id=OuterRef("person_id"), is_counted=True)
    if lens.conversion_types:
        earlier = earlier.filter(conversion_type__in=lens.conversion_types)
    return rows.exclude(Exists(earlier))
