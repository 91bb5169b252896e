"""Days on which only what cannot wait is done: those of weddings, by the clock, and emergencies, by hand.

While one lasts the backfill lane waits, nothing is retrained or rewritten (jobs.work(is_heavy=True)), and
alert rules are quicker and louder. Which days are of weddings is the workspace's own setting, in its own
zone; an emergency has a reason and an end. Beat writes down when either begins and ends (`keep_up`); what
asks `active` does not wait for that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from math import ceil
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import audit, events, jobs, scoping, workspace_settings
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.accounts.tasks_base import workspace_task
from apps.integrations.events import ModeChanged
from apps.integrations.models import AlertRule, Call, ModeSpell
from apps.integrations.resilience.lanes import Lane

Kind, Severity = ModeSpell.Kind, AlertRule.Severity
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST_HOURS = 7 * 24
LONGEST_REASON = 300
# While one lasts a rule needs to hold for this share of its time, and this share of its values.
PATIENCE, EVIDENCE = 0.25, 0.5
# What on another day is a warning to the one on call wakes everybody on this one.
LOUDER: dict[str, str] = {Severity.ERROR: Severity.CRITICAL}


class AlreadyOn(DomainError):
    code = "mode_already_on"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Active:
    """The mode that is on."""

    kind: str
    until: datetime
    reason: str = ""

    @property
    def name(self) -> str:
        return str(Kind(self.kind).label)


def active(now: datetime) -> Active | None:
    """The mode of the workspace in scope, the emergency first; None on any other day."""
    emergency = _open(Kind.EMERGENCY).filter(until__gt=now).first()
    if emergency is not None:
        return Active(kind=Kind.EMERGENCY, until=emergency.until, reason=emergency.reason)
    until = scheduled_until(Workspace.objects.get(), now)
    if until is None or _was_ended(until):
        return None
    return Active(kind=Kind.SCHEDULED, until=until)


def scheduled_until(workspace: Workspace, now: datetime) -> datetime | None:
    """When the days of weddings that `now` is in end, by the workspace's clock; None when it is in none."""
    days, zone = days_of(workspace), workspace.zone
    today = now.astimezone(zone).date()
    length = next((n for n in range(7) if WEEKDAYS[(today + timedelta(days=n)).weekday()] not in days), 7)
    if length == 0:
        return None
    return datetime.combine(today + timedelta(days=length), time(), tzinfo=zone).astimezone(UTC)


def days_of(workspace: Workspace) -> list[str]:
    """Its days of weddings, or else those of the house."""
    return list(workspace.settings.get("wedding_days", settings.WEDDING_DAYS))


def templates_of(workspace: Workspace) -> frozenset[str]:
    """The messages that a wedding day cannot wait for: the workspace's own list, or else the house's."""
    return frozenset(workspace.settings.get("wedding_day_templates", settings.WEDDING_DAY_TEMPLATES))


@transaction.atomic
def begin_emergency(actor: Actor, *, reason: str, hours: float, now: datetime) -> ModeSpell:
    """Do only what cannot wait, for so long. Audited. Publishes ModeChanged. Raises Invalid, AlreadyOn."""
    require(actor, "incidents:act")
    if faults := _faults(reason, hours):
        raise Invalid(faults)
    keep_up(now=now)
    try:
        with transaction.atomic():
            return _begin(actor, Kind.EMERGENCY, until=now + timedelta(hours=hours), reason=reason, now=now)
    except IntegrityError as error:
        raise AlreadyOn("An emergency is on already. End it first to change when it ends.") from error


@transaction.atomic
def end(actor: Actor, *, reason: str = "", now: datetime) -> ModeSpell:
    """End what is on, an emergency before a wedding day; that day then is like any other. Audited. Raises
    NotHere.
    """
    require(actor, "incidents:act")
    keep_up(now=now)
    found = ModeSpell.objects.select_for_update().filter(ended_at__isnull=True)
    spell: ModeSpell | None = found.order_by("kind").first()
    if spell is None:
        raise NotHere("No mode is on.")
    _end(actor, spell, reason=reason, now=now)
    return spell


@shared_task(name="integrations.modes.sweep")
def sweep() -> int:
    """Start writing down, in each workspace where a mode begins or ends."""
    now = timezone.now()
    with scoping.across_workspaces("modes.sweep"):
        spells: dict[int, list[ModeSpell]] = {}
        for spell in ModeSpell.objects.filter(until__gt=now) | ModeSpell.objects.filter(ended_at=None):
            spells.setdefault(spell.workspace_id, []).append(spell)
        found = [row.pk for row in Workspace.objects.all() if _is_due(row, spells.get(row.pk, []), now)]
    for workspace_id in found:
        switch.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="integrations.modes.switch")
def switch() -> None:
    """Write down what begins and ends in this workspace."""
    keep_up(now=timezone.now())


@transaction.atomic
def keep_up(*, now: datetime) -> None:
    """Write down which modes began and ended, with their news; doing it again changes nothing. Locks the
    workspace.
    """
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=scoping.current_id())
    until = scheduled_until(workspace, now)
    _end_what_is_over(now, until)
    if until is None or _was_ended(until):
        return
    if not _open(Kind.SCHEDULED).update(until=until):
        days = ", ".join(day.capitalize() for day in days_of(workspace))
        _begin(system(workspace.pk), Kind.SCHEDULED, until=until, reason=f"Wedding days: {days}.", now=now)


def latest(*, most: int = 20) -> list[ModeSpell]:
    """The last ones, newest first."""
    return list(ModeSpell.objects.order_by("-began_at", "-pk")[:most])


def hold_back(now: datetime) -> bool:
    """Whether backfill waits; what was due of it is then due when the mode ends."""
    mode = active(now)
    if mode is not None:
        Call.objects.filter(lane=Lane.BACKFILL, due_at__lte=now).update(due_at=mode.until)
    return mode is not None


def needed_seconds(rule: AlertRule, mode: Active | None) -> float:
    """For how long a rule has to hold before it speaks."""
    return rule.for_seconds * (PATIENCE if mode else 1)


def needed_count(rule: AlertRule, mode: Active | None) -> int:
    """How many values a rule asks for."""
    return max(1, ceil(rule.least_count * EVIDENCE)) if mode else rule.least_count


def severity_of(rule: AlertRule, mode: Active | None) -> str:
    return LOUDER.get(rule.severity, rule.severity) if mode else rule.severity


@jobs.holds_heavy_work
def reason_to_wait(now: datetime) -> str:
    """Why nothing is trained or rewritten now, in a sentence; empty when it may be."""
    mode = active(now)
    if mode is None:
        return ""
    ends = mode.until.astimezone(Workspace.objects.get().zone)
    return f"Waits until {ends:%A %H:%M}: only what cannot wait is done ({mode.name})."


def _faults(reason: str, hours: float) -> dict[str, list[str]]:
    faults = {}
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        faults["reason"] = [f"Say why, in 1 to {LONGEST_REASON} characters."]
    if not 0 < hours <= LONGEST_HOURS:
        faults["hours"] = [f"More than 0 hours, at most {LONGEST_HOURS}."]
    return faults


def _open(kind: str) -> Any:
    return ModeSpell.objects.filter(kind=kind, ended_at__isnull=True)


def _was_ended(until: datetime) -> bool:
    """Whether a person ended the days of weddings that last until then."""
    ended = ModeSpell.objects.filter(kind=Kind.SCHEDULED, until=until, ended_at__isnull=False)
    return bool(ended.exists())


def _is_due(workspace: Workspace, spells: Iterable[ModeSpell], now: datetime) -> bool:
    until = scheduled_until(workspace, now)
    known = [one for one in spells if one.kind == Kind.SCHEDULED and one.until == until]
    is_new = until is not None and not known
    return is_new or any(one.ended_at is None and _is_over(one, now, until) for one in spells)


def _is_over(spell: ModeSpell, now: datetime, until: datetime | None) -> bool:
    return spell.until <= now or (spell.kind == Kind.SCHEDULED and until is None)


def _end_what_is_over(now: datetime, until: datetime | None) -> None:
    for spell in ModeSpell.objects.select_for_update().filter(ended_at__isnull=True):
        if _is_over(spell, now, until):
            _end(system(spell.workspace_id), spell, reason="It ends by itself.", now=now)


def _begin(actor: Actor, kind: str, *, until: datetime, reason: str, now: datetime) -> ModeSpell:
    spell: ModeSpell = ModeSpell.objects.create(
        workspace_id=actor.workspace_id,
        kind=kind,
        reason=reason,
        began_at=now,
        begun_by=actor.label[:200],
        until=until,
    )
    told = {"kind": kind, "until": until.isoformat()}
    audit.record(actor, "mode.began", spell, now=now, after=told, reason=reason)
    _tell(spell, is_on=True)
    return spell


def _end(actor: Actor, spell: ModeSpell, *, reason: str, now: datetime) -> None:
    """What waited for its end is due, unless another mode goes on."""
    spell.ended_at, spell.ended_by = now, actor.label[:200]
    spell.save(update_fields=["ended_at", "ended_by"])
    audit.record(actor, "mode.ended", spell, now=now, before={"kind": spell.kind}, reason=reason)
    _tell(spell, is_on=False)
    if active(now) is None:
        Call.objects.filter(lane=Lane.BACKFILL, due_at=spell.until).update(due_at=now)


def _tell(spell: ModeSpell, *, is_on: bool) -> None:
    events.publish(
        ModeChanged(
            workspace_id=spell.workspace_id, kind=spell.kind, is_on=is_on, until=spell.until.isoformat()
        )
    )


@workspace_settings.register("wedding_days")
def _check_days(actor: Actor, value: Any) -> None:
    if not isinstance(value, list) or not set(map(str, value)) <= set(WEEKDAYS):
        raise ValueError(f"Give a list of days out of {', '.join(WEEKDAYS)}; an empty one for none.")


@workspace_settings.register("wedding_day_templates")
def _check_templates(actor: Actor, value: Any) -> None:
    is_list = isinstance(value, list) and len(value) <= 50
    if not is_list or not all(isinstance(one, str) and 0 < len(one) <= 60 for one in value):
        raise ValueError("Give a list of at most 50 names of templates, each of at most 60 characters.")
