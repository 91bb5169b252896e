"""A change is ordered: counted against the caps, written down, and its call with it, in one transaction."""

from datetime import datetime, timedelta
from decimal import Decimal

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import exchange
from apps.campaigns.models import Change, Kind, Recommendation
from apps.campaigns.optimization import ledger, policies, sending
from apps.campaigns.optimization.gates import NotPossibleNow
from apps.integrations import outbox
from apps.integrations.models import AdCampaign

Deed = Change.Deed
# A change that has not left by then is not made any more: its figures are old.
LEAVES_WITHIN = timedelta(hours=6)
# Kinds whose before and after are budgets of the campaign.
OF_BUDGET = {Kind.BUDGET, Kind.BUDGET_TEST}


def place(
    actor: Actor,
    found: Recommendation,
    campaign: AdCampaign,
    *,
    before: str,
    after: str,
    now: datetime,
    deed: str = Deed.DO,
    step: int = 0,
) -> Change:
    """Order it, in the open transaction, which must hold the policy's lock. Audited.

    Raises CapReached, and NotPossibleNow for a currency without a rate or another change on its way.
    """
    day = ledger.today(Workspace.objects.get(), now)
    wanted = wanted_of(found, campaign, before=before, after=after)
    ledger.check(policies.get(), wanted, day=day)
    if Change.objects.filter(campaign=campaign, state__in=Change.OPEN).exists():
        raise NotPossibleNow("Another change of the campaign is on its way. Wait until it is settled.")
    change = Change.objects.create(
        workspace_id=found.workspace_id,
        recommendation=found,
        campaign=campaign,
        deed=deed,
        step=step,
        before=before,
        after=after,
        increase=max(Decimal(0), wanted.increase),
        budget_after=wanted.budget_after,
        day=day,
        ordered_by=actor.label[:200],
        created_at=now,
    )
    change.call = outbox.enqueue(
        campaign.connection,
        policies.OPERATION,
        sending.payload_of(sending.move_of(found, campaign, before=before, after=after)),
        dedup_key=str(change.public_id),
        now=now,
        expires_at=now + LEAVES_WITHIN,
    )
    change.save(update_fields=["call"])
    told = {"campaign": campaign.name, "before": before, "after": after, "deed": str(deed)}
    audit.record(actor, "optimization.change_ordered", change, now=now, after=told)
    return change


def wanted_of(found: Recommendation, campaign: AdCampaign, *, before: str, after: str) -> ledger.Wanted:
    """A change as the caps see it. Raises NotPossibleNow for a currency without a rate."""
    if found.kind not in OF_BUDGET:
        return ledger.Wanted(campaign=campaign, increase=Decimal(0), budget_after=None)
    purse = exchange.purse()
    then = ledger.home_amount(purse, Decimal(after), campaign.currency)
    rise = ledger.home_amount(purse, Decimal(after) - Decimal(before), campaign.currency)
    if then is None or rise is None:
        raise NotPossibleNow(purse.what_is_missing(campaign.currency))
    return ledger.Wanted(campaign=campaign, increase=rise, budget_after=then)
