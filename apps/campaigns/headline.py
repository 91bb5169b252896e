"""What optimisation says on the first page of a workspace."""

from datetime import datetime

from django.db.models import Sum
from django.urls import reverse

from apps.accounts import today
from apps.accounts.figures import ago, count
from apps.accounts.permissions import Actor, may
from apps.campaigns import wording
from apps.campaigns.models import Policy, Recommendation
from apps.campaigns.optimization import what_if

State = Recommendation.State


@today.headline("optimisation")
def waiting_headline(actor: Actor, now: datetime) -> today.Headline | None:
    """The changes that wait for a yes, and what they would bring."""
    if not may(actor, "optimization:read"):
        return None
    rows = Recommendation.objects.filter(state=State.PROPOSED, expires_at__gt=now)
    waiting = rows.count()
    run = what_if.latest() if waiting else None
    if run is None:
        return None
    gain = rows.aggregate(sum=Sum("gain"))["sum"]
    brings = f", worth about {wording.amount(gain, run.currency)} a day" if gain and gain > 0 else ""
    return today.Headline(
        sentence=f"{count(waiting, 'change', 'changes')} of budgets and bids "
        f"{'waits' if waiting == 1 else 'wait'} for a yes{brings}.",
        note=f"From {count(run.campaigns, 'campaign')}, computed {ago(run.started_at, now=now)}; each says "
        "how sure it is and what would make it wrong.",
        href=reverse("optimization:recommendations"),
        label="Decide",
    )


@today.headline("optimisation stopped")
def stopped_headline(actor: Actor, now: datetime) -> today.Headline | None:
    """That everything is stopped: nobody should find out by waiting."""
    if not may(actor, "optimization:read"):
        return None
    policy = Policy.objects.filter(stopped_at__isnull=False).first()
    if policy is None or policy.stopped_at is None:
        return None
    why = f" “{policy.stop_reason}”" if policy.stop_reason else ""
    return today.Headline(
        sentence="Changes of budgets and bids are stopped.",
        note=f"By {policy.stopped_by}, {ago(policy.stopped_at, now=now)}.{why}",
        href=reverse("optimization:plan"),
        label="See",
    )
