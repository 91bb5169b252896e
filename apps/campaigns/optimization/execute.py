"""Carrying out: the intent is a row before anything is sent, and what became of it is known or said to be
unknown.

A change counts against the caps under the lock of the policy, in the transaction that writes it down together
with its call. The outbox sends it once; where the answer was lost, it looks at the platform before anything
else is done (sending.py).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.accounts import audit, events
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.campaigns.events import RecommendationSettled
from apps.campaigns.models import Change, Kind, Policy, Recommendation
from apps.campaigns.optimization import budget_tests, decisions, gates, orders, policies
from apps.campaigns.optimization.gates import NotPossibleNow
from apps.integrations import call_deeds
from apps.integrations.connectors.ads import writes
from apps.integrations.models import AdCampaign, AdCreative, AdGroup, Call

State, Deed = Recommendation.State, Change.Deed
# A change of unknown fate that nobody can look at is let go by then; the next run looks at it anew.
LET_GO_AFTER = timedelta(hours=24)


@transaction.atomic
def begin(actor: Actor, public_id: UUID | str, *, now: datetime) -> Recommendation:
    """Have an approved recommendation carried out. Locks the policy. Audited.

    Raises Stopped, CapReached, NotPossibleNow.
    """
    require(actor, "optimization:approve")
    policy, workspace = policies.locked(), Workspace.objects.get()
    found = decisions.locked(public_id)
    if found.state != State.APPROVED:
        raise NotPossibleNow(f"It is {found.get_state_display()}; only what was approved is carried out.")
    decisions.require_covered(policy, found)
    gates.require_open(policy, found, workspace, now=now)
    if found.kind == Kind.BUDGET_TEST:
        budget_tests.begin(actor, found, now=now)
    else:
        orders.place(actor, found, found.campaign, before=found.before, after=found.after, now=now)
    decisions.step(found, State.EXECUTING, now=now)
    return found


@transaction.atomic
def roll_back(actor: Actor, public_id: UUID | str, *, now: datetime) -> Recommendation:
    """Have what was there restored, unless somebody has changed it since. Locks the policy. Audited.

    Raises Stopped, CapReached, NotPossibleNow.
    """
    require(actor, "optimization:approve")
    policy = policies.locked()
    found = decisions.locked(public_id)
    if found.kind == Kind.BUDGET_TEST:
        budget_tests.stop(actor, found, now=now)
        return found
    require_undoable(policy, found)
    orders.place(
        actor, found, found.campaign, before=found.after, after=found.before, now=now, deed=Deed.UNDO
    )
    decisions.step(found, State.ROLLING_BACK, now=now)
    return found


def require_undoable(policy: Policy, found: Recommendation) -> None:
    """Raises Stopped, or NotPossibleNow."""
    if found.state not in Recommendation.IN_FORCE or not found.is_doable:
        raise NotPossibleNow(f"It is {found.get_state_display()}; only what is in force is rolled back.")
    policies.require_running(policy)
    gates.require_reachable(found.campaign)
    gates.require_unmoved(found, expected=found.after)


@transaction.atomic
def settle(call_id: int, state: str, reason: str, *, now: datetime) -> None:
    """What became of the change of a call: a state of AdChangeSettled. Told twice, it settles once."""
    found = Change.objects.select_for_update(of=("self",)).filter(call_id=call_id, state__in=Change.OPEN)
    change: Change | None = found.select_related("recommendation").first()
    if change is None:
        return
    if state == "unknown":
        mark_unknown(change, reason, now=now)
    elif state == "cancelled":
        finish(change, Change.State.CANCELLED, "It was stopped before it left.", now=now)
    else:
        finish(change, Change.State.DONE if state == "done" else Change.State.FAILED, reason, now=now)


def mark_unknown(change: Change, reason: str, *, now: datetime) -> None:
    """Nothing more is done to the campaign until it is known what became of it."""
    change.state, change.reason = Change.State.UNKNOWN, reason[:300]
    change.save(update_fields=["state", "reason"])
    if change.recommendation.kind != Kind.BUDGET_TEST:
        words = f"It is not known whether the platform did it. {reason}"
        decisions.step(decisions.locked(change.recommendation.public_id), State.UNKNOWN, words, now=now)


@transaction.atomic
def finish(change: Change, state: str, reason: str = "", *, now: datetime) -> None:
    """The end of a change: what was done is in force, and its recommendation says so. Audited."""
    change.state, change.reason, change.settled_at = state, reason[:300], now
    change.save(update_fields=["state", "reason", "settled_at"])
    found = decisions.locked(change.recommendation.public_id)
    if state == Change.State.DONE and found.kind in orders.OF_BUDGET:
        _remember(change)
    actor = system(change.workspace_id)
    audit.record(actor, f"optimization.change_{state}", change, now=now, reason=change.reason)
    if found.kind == Kind.BUDGET_TEST:
        return
    _settle_recommendation(found, change, now=now)
    events.publish(
        RecommendationSettled(
            workspace_id=found.workspace_id, recommendation_id=found.pk, state=str(found.state)
        )
    )


def _remember(change: Change) -> None:
    """The budget that is in force now, unless the platform was read since: somebody may have changed it."""
    rows = AdCampaign.objects.filter(pk=change.campaign_id)
    if change.call is not None and change.call.settled_at is not None:
        rows = rows.filter(read_at__lte=change.call.settled_at)
    rows.update(budget=Decimal(change.after))


def _settle_recommendation(found: Recommendation, change: Change, *, now: datetime) -> None:
    is_done, is_undo = change.state == Change.State.DONE, change.deed == Deed.UNDO
    if is_undo:
        words = change.reason and f"It was not rolled back: {change.reason}"
        decisions.step(found, State.ROLLED_BACK if is_done else State.DONE, words, now=now)
    elif is_done:
        found.done_at = now
        decisions.step(found, State.DONE, now=now)
    else:
        decisions.step(found, State.FAILED, change.reason, now=now)


def reconcile(*, now: datetime) -> int:
    """Settle changes whose call is over though no news of it came, and hold those of unknown fate against
    what was read of the platform since. Returns how many it settled.

    And say of those whose call is still looked up that nobody knows yet.
    """
    settled = 0
    open_changes = Change.objects.filter(state__in=Change.OPEN).select_related("campaign", "call")
    for change in open_changes.select_related("recommendation"):
        settled += _reconcile(change, now=now)
    return settled


@transaction.atomic
def _reconcile(change: Change, *, now: datetime) -> int:
    change = (
        Change.objects.select_for_update(of=("self",)).select_related("campaign", "call").get(pk=change.pk)
    )
    if change.call is not None and change.state in Change.OPEN and _follow(change, change.call, now=now):
        return 1
    is_over = change.call is None or change.call.state in Call.TERMINAL
    if change.state != Change.State.UNKNOWN or not is_over:
        return 0
    last = (change.call and change.call.settled_at) or change.created_at
    seen = _seen(change)
    if seen is not None and seen[0] > last:
        is_done, said = seen[1], f"The platform has {seen[2]} now."
        finish(
            change, Change.State.DONE if is_done else Change.State.FAILED, "" if is_done else said, now=now
        )
        return 1
    if seen is None and last <= now - LET_GO_AFTER:
        finish(change, Change.State.FAILED, f"It is not known whether it was done. {change.reason}", now=now)
        return 1
    return 0


def _seen(change: Change) -> tuple[datetime, bool, str] | None:
    """When what a change is of was last read, whether it is as the change wanted it, and how it is; None for
    what is never read.
    """
    found, campaign = change.recommendation, change.campaign
    if found.kind in orders.OF_BUDGET and campaign.budget is not None:
        return campaign.read_at, campaign.budget == Decimal(change.after), f"{campaign.budget:.2f}"
    if found.kind == Kind.BID:
        group = AdGroup.objects.filter(campaign=campaign, external_id=found.target, bid__isnull=False).first()
        return group and (group.read_at, group.bid == Decimal(change.after), f"{group.bid:.2f}")
    if found.kind == Kind.CREATIVE:
        ad = AdCreative.objects.filter(campaign=campaign, external_id=found.target).first()
        return ad and (ad.read_at, ad.status == change.after, f"it {ad.status}")
    return None


def _follow(change: Change, call: Call, *, now: datetime) -> bool:
    """What the call itself says, where its news was lost; true once that settles the change.

    One that is held until it is too late to leave is let go: a connection may never be restored.
    """
    if call.state == Call.State.HELD and call.expires_at is not None and call.expires_at <= now:
        call = call_deeds.cancel(system(change.workspace_id), call.public_id, now=now)
    if call.state == Call.State.UNKNOWN and change.state == Change.State.SENT:
        mark_unknown(change, call.last_reason, now=now)
    if call.state not in Call.TERMINAL:
        return False
    news = writes.news_of_change(call)
    if news.state != "unknown":
        settle(call.pk, news.state, news.reason, now=now)
        return True
    if change.state == Change.State.SENT:
        mark_unknown(change, news.reason, now=now)
    return False
