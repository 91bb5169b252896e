"""What a scheduled run came to, by e-mail, to whom the policy names."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.models import Workspace
from apps.campaigns.models import Recommendation, Run
from apps.campaigns.optimization import policies, track_record
from apps.integrations import mail

log = structlog.get_logger(__name__)

TEMPLATE = "optimization_report"
MOST_LISTED = 10


def send(run: Run, made: Sequence[Recommendation], *, now: datetime) -> int:
    """Write to each address: weekly always, daily only where something is proposed. Returns to how many.

    A workspace without a sender is not written to; the run stands all the same.
    """
    to = policies.get().report_to
    if not to or (not made and run.cadence != Run.Cadence.WEEKLY):
        return 0
    workspace = Workspace.objects.get()
    context = {
        "run": run,
        "workspace": workspace,
        "made": made[:MOST_LISTED],
        "more": max(0, len(made) - MOST_LISTED),
        "record": track_record.read(),
        "url": settings.SITE_URL + reverse("optimization:recommendations"),
    }
    try:
        sent = mail.send(
            workspace,
            to=to,
            subject=_subject(run, made),
            text=render_to_string("email/optimization_report.txt", context),
            template=TEMPLATE,
            dedup_key=f"optimization:{run.public_id}",
            now=now,
        )
    except mail.NoSender as error:
        log.warning("optimization.report_not_sent", reason=error.detail)
        return 0
    return len(sent)


def _subject(run: Run, made: Sequence[Recommendation]) -> str:
    changes = "no change" if not made else "1 change" if len(made) == 1 else f"{len(made)} changes"
    if run.gain is None:
        return f"Budgets and bids: {changes} proposed"
    return f"Budgets and bids: {changes} proposed, about {run.gain:,.0f} {run.currency} a day"
