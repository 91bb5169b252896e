"""What journeys ask of colleagues."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import audit
from apps.accounts.errors import NotHere
from apps.accounts.permissions import Actor, require
from apps.campaigns.journeys.drafts import NotNow
from apps.campaigns.models import JourneyTask

State = JourneyTask.State


def open_tasks() -> QuerySet[JourneyTask]:
    """Those that are due first come first."""
    return _listed().filter(state=State.OPEN).order_by("due_at", "pk")


def settled_tasks() -> QuerySet[JourneyTask]:
    return _listed().exclude(state=State.OPEN).order_by("-pk")


def _listed() -> QuerySet[JourneyTask]:
    return JourneyTask.objects.select_related("journey", "person")


@transaction.atomic
def settle(actor: Actor, task_id: UUID | str, *, is_done: bool, now: datetime) -> JourneyTask:
    """Say that it was done, or will not be. Needs campaigns:write. Raises NotHere, NotNow. Audited."""
    require(actor, "campaigns:write")
    task: JourneyTask | None = JourneyTask.objects.select_for_update().filter(public_id=task_id).first()
    if task is None:
        raise NotHere("There is no such task in this workspace.")
    if task.state != State.OPEN:
        raise NotNow(f"This task is {task.get_state_display()} already.")
    task.state = State.DONE if is_done else State.NOT_DONE
    task.settled_at, task.settled_by = now, actor.label[:200]
    task.save(update_fields=["state", "settled_at", "settled_by"])
    audit.record(actor, "journey.task_settled", task, now=now, after={"state": task.state})
    return task
