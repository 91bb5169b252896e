"""Campaigns before they leave: written, changed, copied, put away. Their words are the room of content."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor, require
from apps.campaigns import names, splitting
from apps.campaigns.content.variants import COUNTED, WEIGHTS
from apps.campaigns.models import Audience, Campaign, Topic
from apps.integrations import mail
from apps.integrations.models import Connection

State = Campaign.State
# Deeds that leave the version as it is.
NOT_COUNTED = ("campaign.created", "campaign.duplicated", "campaign.archived")
FIELDS = frozenset(
    {
        "name",
        "kind",
        "audience",
        "topic",
        "sender",
        "goal",
        "goal_days",
        "starts_at",
        "send_from_hour",
        "send_until_hour",
        "is_time_optimised",
        "hold_out_share",
        "test_share",
        "test_hours",
        "weight",
        "rate_per_hour",
        "after_crash",
    }
)
LIMITS: dict[str, tuple[float, float]] = {
    "goal_days": (0.01, 90),
    "hold_out_share": (0, 0.5),
    "test_share": (0.01, 1),
    "test_hours": (0.02, 168),
    "weight": WEIGHTS,
    "send_from_hour": (0, 23),
    "send_until_hour": (1, 24),
}
# Of a conflict, how many deeds are told at most.
MOST_TOLD = 50
# Outside of them a clock on the wall cannot show the moment.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
COPIED = FIELDS - {"starts_at"}


class NotInThatState(DomainError):
    """The campaign is in another state than the deed needs."""

    code = "campaign_not_in_that_state"
    status = 409


class ChangedMeanwhile(DomainError):
    """Somebody else has changed it since it was read."""

    code = "campaign_changed_meanwhile"
    status = 409


def find(public_id: Any) -> Campaign:
    """Raises NotHere."""
    known = Campaign.objects.select_related("audience", "topic", "sender", "experiment", "lift")
    found: Campaign | None = known.filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such campaign in this workspace.")
    return found


def locked(campaign: Campaign) -> Campaign:
    """The campaign as it is now, and nobody else changes it until the transaction ends.

    Taken before its run and its chunks. Rows that refer to it may still be written.
    """
    held: Campaign = (
        Campaign.objects.select_related("audience", "topic", "sender", "experiment", "lift")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=campaign.pk)
    )
    return held


def expect(held: Campaign, *states: str) -> None:
    """Raise NotInThatState unless it is in one of them."""
    if held.state not in states:
        wanted = " or ".join(states)
        raise NotInThatState(f"This campaign is {held.state}; only one that is {wanted} can do that.")


@transaction.atomic
def create(actor: Actor, *, name: str, now: datetime, **chosen: Any) -> Campaign:
    """Write a campaign down as a draft. Needs campaigns:write. Raises Invalid. Audited."""
    require(actor, "campaigns:write")
    made = Campaign(
        workspace_id=actor.workspace_id, name=name, changed_at=now, created_by=actor.label, **_known(chosen)
    )
    if "sender" not in chosen:
        made.sender = _only(Connection.objects.filter(service=mail.SENDER))
    if "topic" not in chosen:
        made.topic = _only(Topic.objects.all())
    _clean(made)
    made.save(force_insert=True)
    audit.record(actor, "campaign.created", made, now=now, after={"name": name, "kind": made.kind})
    return made


@transaction.atomic
def change(actor: Actor, campaign: Campaign, *, version: int, now: datetime, **changes: Any) -> Campaign:
    """Change a draft. version: the one that was read; where another one stands by now and something would
    change, ChangedMeanwhile names what was changed. Needs campaigns:write. Raises Invalid, NotInThatState.
    Audited.
    """
    require(actor, "campaigns:write")
    held = locked(campaign)
    expect(held, State.DRAFT)
    before = {name: _plain(getattr(held, name)) for name in _known(changes)}
    for name, value in changes.items():
        setattr(held, name, value)
    if any(_plain(getattr(held, name)) != before[name] for name in changes):
        guard(held, version)
    _clean(held)
    after = {name: _plain(getattr(held, name)) for name in changes}
    changed = {name for name in after if after[name] != before[name]}
    if changed:
        touch(held, now=now)
        held.save()
        audit.record(
            actor,
            "campaign.changed",
            held,
            now=now,
            before={name: before[name] for name in sorted(changed)},
            after={**{name: after[name] for name in sorted(changed)}, "version": held.version},
        )
    return held


@transaction.atomic
def duplicate(actor: Actor, campaign: Campaign, *, now: datetime) -> Campaign:
    """A draft with the same settings, and words that wait for a yes again. Needs campaigns:write. Audited."""
    require(actor, "campaigns:write")
    copied = {name: getattr(campaign, name) for name in COPIED}
    made = Campaign(
        workspace_id=campaign.workspace_id,
        changed_at=now,
        created_by=actor.label,
        **{**copied, "name": f"{campaign.name[:112]} (copy)"},
    )
    made.save(force_insert=True)
    for one in splitting.contents_of(campaign):
        one.pk, one.campaign, one.changed_at, one.version = None, made, now, made.version
        one._state.adding = True
        one.approved_at, one.approved_by, one.prediction, one.has_blocks = None, "", {}, False
        one.save(force_insert=True)
    after = {"from": campaign.pk, "name": made.name}
    audit.record(actor, "campaign.duplicated", made, now=now, after=after)
    return made


@transaction.atomic
def archive(actor: Actor, campaign: Campaign, *, now: datetime) -> Campaign:
    """Put away what is over, or a draft that nobody wants. Needs campaigns:write. Audited."""
    require(actor, "campaigns:write")
    held = locked(campaign)
    expect(held, State.DRAFT, State.DONE, State.CANCELLED)
    if held.archived_at is None:
        held.archived_at = held.changed_at = now
        held.save(update_fields=["archived_at", "changed_at"])
        audit.record(actor, "campaign.archived", held, now=now)
    return held


def touch(held: Campaign, *, now: datetime) -> None:
    """A change counts the version up; unsaved."""
    held.version += 1
    held.changed_at = now


def guard(held: Campaign, version: int) -> None:
    """Raise ChangedMeanwhile with what was changed since, and by whom."""
    if held.version == version:
        return
    since = _deeds(held, max(0, min(held.version - version, MOST_TOLD)))
    names = sorted({name for one in since for name in _fields_of(one)})
    who = " and ".join(sorted({one.actor_label for one in since})) or "Somebody"
    what = ", ".join(names).replace("_", " ") or "it"
    raise ChangedMeanwhile(
        f"{who} changed {what} meanwhile. Load it again, and make your change on top.",
        errors={name: ["Changed meanwhile."] for name in names},
    )


def _deeds(held: Campaign, many: int) -> list[AuditEntry]:
    """The newest deeds that counted the version up, each of them by one."""
    of_it = Q(target_kind="campaign", target_id=str(held.pk)) & ~Q(deed__in=NOT_COUNTED)
    of_words = Q(target_kind="content", after__campaign=held.pk, deed__in=COUNTED)
    return list(AuditEntry.objects.filter(of_it | of_words).order_by("-pk")[:many])


def _fields_of(one: AuditEntry) -> set[str]:
    after = one.after or {}
    if one.deed == "campaign.changed":
        return set(after) - {"version"}
    if one.target_kind == "content":
        return {f"variant {after.get('key', '')}"}
    return {"state"}


def _known(chosen: dict[str, Any]) -> dict[str, Any]:
    strange = set(chosen) - FIELDS
    if strange:
        raise Invalid({name: ["A campaign has no such field."] for name in sorted(strange)})
    return chosen


def _clean(made: Campaign) -> None:
    """Raises Invalid."""
    errors = _out_of_limits(made)
    if not names.is_name(made.name):
        errors["name"] = [names.FAULT]
    try:
        made.full_clean(validate_unique=False, validate_constraints=not errors, exclude={"workspace"})
    except ValidationError as error:
        errors = {**error.message_dict, **errors}
    if errors:
        raise Invalid({_named(name): texts for name, texts in errors.items()})


def _named(name: str) -> str:
    return "non_field_errors" if name == "__all__" else name


def _out_of_limits(made: Campaign) -> dict[str, list[str]]:
    errors = {
        name: [f"Give a number from {low:g} to {high:g}."]
        for name, (low, high) in LIMITS.items()
        if not low <= getattr(made, name) <= high
    }
    if made.starts_at is not None and not EARLIEST <= made.starts_at <= LATEST:
        errors["starts_at"] = [f"Give a time from {EARLIEST.year} to {LATEST.year}."]
    if not errors and made.send_from_hour >= made.send_until_hour:
        errors["send_until_hour"] = ["The window ends after it begins, on the same day."]
    if made.kind == Campaign.Kind.TRIGGERED and made.test_share < 1:
        errors["test_share"] = ["A triggered campaign tries its variants on everybody: nobody can wait."]
    if made.sender is not None and made.sender.service != mail.SENDER:
        errors["sender"] = ["Choose an e-mail sender."]
    return errors


def _only(rows: Any) -> Any:
    """The one row there is; with several, somebody has to choose."""
    found = list(rows[:2])
    return found[0] if len(found) == 1 else None


def _plain(value: Any) -> Any:
    """As the audit keeps it."""
    if isinstance(value, Audience | Topic | Connection):
        return value.pk
    return value.isoformat() if isinstance(value, datetime) else value
