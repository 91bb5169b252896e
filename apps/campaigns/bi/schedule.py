"""The business report by e-mail: to whom, how often, and that it was sent once."""

from datetime import date, datetime, timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts import audit, scoping
from apps.accounts.errors import Invalid
from apps.accounts.figures import SPACE
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.bi import words
from apps.campaigns.bi.summary import Summary, summary
from apps.campaigns.models import ReportSchedule
from apps.integrations import mail

TEMPLATE = "business_report"
MOST_READERS = 20
Cadence = ReportSchedule.Cadence


def get() -> ReportSchedule:
    found, _ = ReportSchedule.objects.get_or_create(workspace_id=scoping.current_id())
    return found


@transaction.atomic
def change(actor: Actor, *, cadence: str, at_hour: int, to: list[str], now: datetime) -> ReportSchedule:
    """Audited. Raises Invalid."""
    require(actor, "campaigns:send")
    to = list(dict.fromkeys(address.strip() for address in to if address.strip()))
    if faults := _faults(cadence, at_hour, to):
        raise Invalid(faults)
    plan: ReportSchedule = ReportSchedule.objects.select_for_update().get(pk=get().pk)
    before = {"cadence": plan.cadence, "at_hour": plan.at_hour, "readers": len(plan.to)}
    plan.cadence, plan.at_hour, plan.to = cadence, at_hour, to
    plan.done_on = plan.done_on or timezone.localtime(now, Workspace.objects.get().zone).date()
    plan.save()
    after = {"cadence": cadence, "at_hour": at_hour, "readers": len(to)}
    audit.record(actor, "report.schedule_changed", plan, now=now, before=before, after=after)
    return plan


def _faults(cadence: str, at_hour: int, to: list[str]) -> dict[str, list[str]]:
    faults = {}
    if cadence not in Cadence.values:
        faults["cadence"] = [f"One of {', '.join(Cadence.values)}."]
    if not 0 <= at_hour <= 23:
        faults["at_hour"] = ["An hour from 0 to 23."]
    if len(to) > MOST_READERS or (cadence != Cadence.NEVER and not to):
        faults["to"] = [f"Name 1 to {MOST_READERS} addresses."]
    for address in to:
        try:
            validate_email(address)
        except ValidationError:
            faults["to"] = [f"{address[:60]!r} is not an e-mail address."]
    return faults


@shared_task(name="campaigns.reports.sweep")
def sweep() -> None:
    """Look in every workspace whether its report is due."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        send_due.delay(workspace_id=workspace_id)


@workspace_task(name="campaigns.reports.send_due")
def send_due() -> bool:
    """Send the report that is due. Run twice, it is sent once."""
    now = timezone.now()
    workspace: Workspace = Workspace.objects.get()
    local = timezone.localtime(now, workspace.zone)
    with transaction.atomic():
        plan = ReportSchedule.objects.select_for_update().exclude(cadence=Cadence.NEVER).first()
        day = None if plan is None else due_on(plan, local)
        if plan is None or day is None:
            return False
        first = period_before(day, plan.cadence)
        last = day - timedelta(days=1)
        found = summary(system(workspace.pk), days=(day - first).days, until=last, now=now)
        if found.is_computing:
            return False  # its figures are on their way: the next sweep asks again
        plan.trouble = _send(plan, workspace, found, day, now=now)
        plan.done_on = day
        plan.save(update_fields=["trouble", "done_on"])
    return True


def due_on(plan: ReportSchedule, local: datetime) -> date | None:
    """The day whose report is due and was not sent; later where its hour was missed."""
    today = local.date() if local.hour >= plan.at_hour else local.date() - timedelta(days=1)
    first = (
        today - timedelta(days=today.weekday()) if plan.cadence == Cadence.WEEKLY else today.replace(day=1)
    )
    return first if plan.done_on is None or plan.done_on < first else None


def period_before(day: date, cadence: str) -> date:
    """The first day of the whole week or month that is told of on that day: it ends the day before."""
    last = day - timedelta(days=1)
    return day - timedelta(days=7) if cadence == Cadence.WEEKLY else last.replace(day=1)


def _send(plan: ReportSchedule, workspace: Workspace, found: Summary, day: date, *, now: datetime) -> str:
    """Write to each reader. Answers why it could not be done, or nothing."""
    context = context_of(found, workspace)
    try:
        mail.send(
            workspace,
            to=plan.to,
            # A header holds no space but the plain one.
            subject=f"{workspace.name}: {' '.join(context['line'])}".replace(SPACE, " ")[:200],
            text=render_to_string("email/business_report.txt", context),
            html=render_to_string("email/business_report.html", context),
            template=TEMPLATE,
            dedup_key=f"report:{plan.cadence}:{day.isoformat()}",
            now=now,
        )
    except mail.NoSender as error:
        return error.detail
    return ""


def context_of(found: Summary, workspace: Workspace) -> dict[str, Any]:
    """What the report's templates show."""
    currency = found.currency
    return {
        "workspace": workspace,
        "found": found,
        "line": words.first_line(found.figures, currency),
        "rows": [
            (words.LABELS[key], words.value(one, currency), words.note(one, currency))
            for key, one in found.figures.items()
        ],
        "doubts": words.doubts(found.figures),
        "dates": words.dates(found.computed_at, found.refreshed_at, workspace.zone),
        "url": settings.SITE_URL + reverse("campaigns:report"),
        "pdf_url": settings.SITE_URL + reverse("campaigns:report-pdf"),
    }
