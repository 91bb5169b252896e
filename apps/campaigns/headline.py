"""What optimisation says on the first page of a workspace."""

from datetime import datetime

from django.urls import reverse

from apps.accounts import today
from apps.accounts.figures import ago, count
from apps.accounts.permissions import Actor, may
from apps.campaigns import wording
from apps.campaigns.models import Policy, Recommendation, Run
from apps.campaigns.optimization import what_if

State = Recommendation.State


@today.headline("optimisation")
def waiting_headline(actor: Actor, now: datetime) -> today.Headline | None:
    """The changes that wait for a yes, and what they would bring."""
    if not may(actor, "optimization:read"):
        return None
    waiting = Recommendation.objects.filter(state=State.PROPOSED, expires_at__gt=now).count()
    run = what_if.latest() if waiting else None
    if run is None:
        return None
    size, age = count(run.campaigns, "campaign"), ago(run.started_at, now=now)
    wait = "waits" if waiting == 1 else "wait"
    brings = "" if run.gain is None else f"The plan is worth {_worth(run)}, from "
    return today.Headline(
        sentence=f"{count(waiting, 'change')} of budgets and bids {wait} for a yes.",
        note=f"{brings or 'From '}{size}, computed {age}. Each says what would make it wrong.",
        href=reverse("optimization:recommendations"),
        label="Decide",
    )


def _worth(run: Run) -> str:
    ends = wording.span(run.gain_low, run.gain_high, run.currency)
    return f"{wording.amount(run.gain, run.currency)} a day (95 % {ends})"


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
