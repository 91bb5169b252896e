"""Audiences made, changed, counted and put away."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor, require
from apps.campaigns import names
from apps.campaigns.audiences import asking, selecting, tree
from apps.campaigns.audiences.reading import is_text
from apps.campaigns.audiences.selecting import Found
from apps.campaigns.models import Audience, Campaign

LONGEST_NAME = 120
NAME_TAKEN = "audience_name_once"
# States of a campaign that still needs its audience.
WAITING = (Campaign.State.DRAFT, Campaign.State.SCHEDULED, Campaign.State.RUNNING, Campaign.State.PAUSED)


class InUse(DomainError):
    code = "audience_in_use"
    status = 409


class IsArchived(DomainError):
    code = "audience_archived"
    status = 409


@transaction.atomic
def create(actor: Actor, *, name: str, kind: str, rules: Any = None, now: datetime) -> Audience:
    """Needs campaigns:write, and people:read for rules on traits. Raises MayNotSeePeople, and Invalid
    with faults of the rules under their paths.
    """
    require(actor, "campaigns:write")
    made = Audience(
        workspace_id=actor.workspace_id,
        name=_name(name),
        kind=kind,
        rules=_rules(actor, kind, rules),
        changed_at=now,
    )
    _save(made)
    audit.record(actor, "audience.created", made, now=now, after=_told(made))
    return made


@transaction.atomic
def change(
    actor: Actor, public_id: object, *, name: str | None = None, rules: Any = None, now: datetime
) -> Audience:
    """Another name, other rules. Needs campaigns:write, and people:read for rules on traits. Raises Invalid,
    IsArchived, MayNotSeePeople, NotHere.
    """
    require(actor, "campaigns:write")
    found = _locked(public_id)
    before = _told(found)
    if name is not None:
        found.name = _name(name)
    if rules is not None:
        checked = _rules(actor, found.kind, rules)
        if checked != found.rules:
            found.rules, found.people, found.counted_at = checked, None, None
    if _told(found) == before:
        return found
    found.changed_at = now
    _save(found)
    audit.record(actor, "audience.changed", found, now=now, before=before, after=_told(found))
    return found


@transaction.atomic
def archive(actor: Actor, public_id: object, *, now: datetime, reason: str = "") -> Audience:
    """Put away for good; campaigns that were sent keep it. Needs campaigns:write. Raises InUse, NotHere."""
    require(actor, "campaigns:write")
    found = _locked(public_id, archived_too=True)
    if found.archived_at is not None:
        return found
    if user := Campaign.objects.filter(audience=found, state__in=WAITING).first():
        raise InUse(f"The campaign “{user.name}” is for this audience. Give it another one, or end it first.")
    found.archived_at = now
    found.save(update_fields=["archived_at"])
    audit.record(actor, "audience.archived", found, now=now, reason=reason)
    return found


def count(audience: Audience, *, now: datetime, seconds: int = selecting.COUNT_SECONDS) -> Found:
    """How many are in it now, kept with the moment. Raises Invalid, TooSlow."""
    found = selecting.find(selecting.node_of(audience), now=now, seconds=seconds)
    audience.people, audience.counted_at = found.people, now
    audience.save(update_fields=["people", "counted_at"])
    return found


def get(public_id: object) -> Audience:
    """Raises NotHere."""
    found = Audience.objects.filter(public_id=public_id).first()
    if found is None:
        raise _missing()
    return found


def _locked(public_id: object, *, archived_too: bool = False) -> Audience:
    found = Audience.objects.select_for_update().filter(public_id=public_id).first()
    if found is None:
        raise _missing()
    if found.archived_at is not None and not archived_too:
        raise IsArchived("This audience was put away. Make a new one.")
    return found


def _missing() -> NotHere:
    return NotHere("There is no such audience in this workspace.")


def _name(name: str) -> str:
    told = name.strip() if isinstance(name, str) else ""
    if not is_text(told) or len(told) > LONGEST_NAME:
        raise Invalid({"name": [f"Give it a name of 1 to {LONGEST_NAME} characters."]})
    if not names.is_name(told):
        raise Invalid({"name": [names.FAULT]})
    return told


def _rules(actor: Actor, kind: str, rules: Any) -> dict[str, Any]:
    if kind == Audience.Kind.RULES:
        node = tree.read(rules)
        asking.require_right(actor, node)
        return node.as_json()
    if rules:
        raise Invalid({"rules": ["A list has no rules: who is on it is brought by a file."]})
    return {}


def _save(audience: Audience) -> None:
    try:
        with transaction.atomic():
            audience.save()
    except IntegrityError as error:
        if NAME_TAKEN not in str(error):
            raise
        raise Invalid({"name": ["Another audience has this name."]}) from error


def _told(audience: Audience) -> dict[str, Any]:
    """A name and rules: nothing of people."""
    return {"name": audience.name, "kind": audience.kind, "rules": audience.rules}
