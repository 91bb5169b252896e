"""What attribution says on the first page of a workspace."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from apps.accounts import today
from apps.accounts.figures import ago, count
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, may
from apps.attribution import experiment_lists, goals, model_guide, questions, reports, wording
from apps.attribution.models import DeadLetter
from apps.attribution.questions import Query

DAYS = 90


@today.headline("attribution")
def overview_headline(actor: Actor, now: datetime) -> today.Headline | None:
    """The overview's first line, before anybody touches its filter; None while there is nothing to credit.

    A workspace too large to be computed at once is answered from its last run; None before the first.
    """
    if not may(actor, "attribution:read"):
        return None
    found = reports.overview(actor, _question(now), model=model_guide.DEFAULT, now=now)
    if found.state != "ready" or found.totals is None or found.computed_at is None:
        return None
    label = model_guide.label_of(model_guide.DEFAULT)
    size = wording.size(found)
    return today.Headline(
        sentence=wording.first_line(found, period=f"the last {DAYS} days").text,
        note=f"{label} over {size} of the last {DAYS} days, computed {ago(found.computed_at, now=now)}.",
        href=reverse("attribution:overview"),
        label="Who earned it",
    )


@today.headline("experiments")
def experiments_headline(actor: Actor, now: datetime) -> today.Headline | None:
    """The experiments that have an answer which nobody has acted on."""
    waiting = experiment_lists.decisions_due() if may(actor, "attribution:read") else 0
    if not waiting:
        return None
    return today.Headline(
        sentence=f"{count(waiting, 'experiment waits', 'experiments wait')} for your decision.",
        note="Their last planned look answered the question. Until somebody decides, all variants go on.",
        href=reverse("attribution:experiments"),
        label="Decide",
    )


@today.headline("dead letters")
def dead_letters_headline(actor: Actor, now: datetime) -> today.Headline | None:
    """What was accepted and could not be stored."""
    if not may(actor, "imports:write"):
        return None
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING).count()
    if not waiting:
        return None
    return today.Headline(
        sentence=f"{count(waiting, 'record waits', 'records wait')} to be mended.",
        note="They came in and could not be stored; no figure counts them yet.",
        href=reverse("attribution:data-health"),
        label="See why",
    )


def _question(now: datetime) -> Query:
    workspace: Workspace = Workspace.objects.get()
    day = timezone.localtime(now, workspace.zone).date()
    start, end = questions.period(workspace, day - timedelta(days=DAYS - 1), day)
    return Query(start=start, end=end, **vars(goals.default(workspace).lens))
