"""What a scheduled run came to, by e-mail, to whom the policy names."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.figures import SPACE, count
from apps.accounts.models import Workspace
from apps.campaigns import wording
from apps.campaigns.models import Recommendation, Run
from apps.campaigns.optimization import policies, track_record, what_if
from apps.integrations import mail

log = structlog.get_logger(__name__)

TEMPLATE = "optimization_report"
MOST_LISTED = 10
# Totals that differ by less are the same money.
LEAST_TOLD = 0.005


def send(run: Run, made: Sequence[Recommendation], *, now: datetime) -> int:
    """Write to each address: weekly always, daily only where something is proposed. Returns to how many.

    A workspace without a sender is not written to; the run stands all the same.
    """
    to = policies.get().report_to
    if not to or (not made and run.cadence != Run.Cadence.WEEKLY):
        return 0
    workspace = Workspace.objects.get()
    try:
        sent = mail.send(
            workspace,
            to=to,
            # A header holds no space but the plain one.
            subject=_subject(run, made).replace(SPACE, " "),
            text=text_of(run, made),
            template=TEMPLATE,
            dedup_key=f"optimization:{run.public_id}",
            now=now,
        )
    except mail.NoSender as error:
        log.warning("optimization.report_not_sent", reason=error.detail)
        return 0
    return len(sent)


def text_of(run: Run, made: Sequence[Recommendation]) -> str:
    """The report in words."""
    context = {
        "run": run,
        "workspace": Workspace.objects.get(),
        "worth": _worth(run),
        "made": made[:MOST_LISTED],
        "more": max(0, len(made) - MOST_LISTED),
        "record": track_record.read(),
        "url": settings.SITE_URL + reverse("optimization:recommendations"),
    }
    return render_to_string("email/optimization_report.txt", context)


def _worth(run: Run) -> str:
    """What the plan would come to, in a sentence; empty without one."""
    if run.gain is None:
        return ""
    now, planned = what_if.curved(run).total, float(run.total_budget or 0)
    then, before = wording.amounts((planned, now), run.currency)
    is_same = abs(planned - now) < LEAST_TOLD * now
    money = "for the same money" if is_same else f"of {then} a day instead of {before}"
    brings = f"{'add' if run.gain >= 0 else 'cost'} {wording.amount(abs(run.gain), run.currency)}"
    ends = wording.span(run.gain_low, run.gain_high, run.currency)
    return f"The best plan {money} would {brings} of profit a day (95 % {ends})."


def _subject(run: Run, made: Sequence[Recommendation]) -> str:
    changes = count(len(made), "change") if made else "no change"
    if run.gain is None or run.gain <= 0 or not made:
        return f"Budgets and bids: {changes} proposed"
    return f"Budgets and bids: {changes} proposed, about {wording.amount(run.gain, run.currency)} a day"
