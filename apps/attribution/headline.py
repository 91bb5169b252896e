"""What attribution says on the first page of a workspace."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from apps.accounts import today
from apps.accounts.figures import ago, count
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, may
from apps.attribution import goals, model_guide, questions, reports, wording
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
    size = f"{count(found.totals.journeys, 'journey')} and {count(found.totals.conversions, 'conversion')}"
    return today.Headline(
        sentence=wording.first_line(found, period=f"the last {DAYS} days").text,
        note=f"{label} over {size} of the last {DAYS} days, computed {ago(found.computed_at, now=now)}.",
        href=reverse("attribution:overview"),
        label="Who earned it",
    )


def _question(now: datetime) -> Query:
    workspace: Workspace = Workspace.objects.get()
    day = timezone.localtime(now, workspace.zone).date()
    start, end = questions.period(workspace, day - timedelta(days=DAYS - 1), day)
    return Query(start=start, end=end, **vars(goals.default(workspace).lens))
