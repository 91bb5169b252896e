"""What daily budgets come to, at worst, and the caps that no change may break.

Everything here is counted under the lock of the workspace's policy, so that of many changes at once none sees
room that another has taken. A change on its way counts as if it had been made and, where it lowers, as if it
had not: the caps hold however it ends.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet, Sum

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.attribution import exchange
from apps.attribution.exchange import Purse
from apps.campaigns.models import Change, Policy, SpendCap
from apps.campaigns.optimization import policies
from apps.integrations.models import AdCampaign, Connection

Measure = SpendCap.Measure
# What a workspace begins with, as a share of what its campaigns may spend a day when first seen.
FIRST_BUDGET_CAP, FIRST_INCREASE_CAP = Decimal("1.25"), Decimal("0.20")
CENT = Decimal("0.01")
LARGEST = Decimal(10) ** 12


class CapReached(DomainError):
    code = "cap_reached"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A change as the caps see it, in the workspace's currency: by how much a day's budget rises, to what."""

    campaign: AdCampaign
    increase: Decimal
    budget_after: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A cap, and what counts against it now."""

    cap: SpendCap
    used: Decimal
    name: str

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.cap.amount - self.used)


def today(workspace: Workspace, now: datetime) -> date:
    """The day that a change counts for."""
    return now.astimezone(workspace.zone).date()


def home_amount(purse: Purse, amount: Decimal | None, currency: str) -> Decimal | None:
    """In the workspace's currency, rounded up to a cent; None where there is no amount, or no rate."""
    rate = None if amount is None else purse.rate(currency or purse.home)
    if amount is None or rate is None:
        return None
    return (amount * rate).quantize(CENT, rounding="ROUND_CEILING")


def check(policy: Policy, wanted: Wanted, *, day: date) -> None:
    """Raises CapReached unless every cap that covers the campaign has room. `policy` must be locked."""
    if wanted.increase <= 0:
        return
    caps = [cap for cap in _caps() if _covers(cap, wanted.campaign)]
    if not any(_is_whole(cap) for cap in caps):
        raise CapReached(
            "The workspace has no cap on its daily budgets yet, so nothing may rise. Set one on the page of "
            "limits."
        )
    for cap in caps:
        used = _used(cap, day=day, leave_out=wanted.campaign.pk)
        then = used + _added(cap, wanted)
        if then > cap.amount:
            raise CapReached(_refusal(cap, wanted, used=used))


def what_is_broken(change: Change) -> str:
    """The cap that a rise on its way would break now, in a sentence; empty where none. Caps may have been
    lowered, and budgets raised by people, since it was ordered and counted.
    """
    if change.increase <= 0:
        return ""
    for cap in _caps():
        used = _used(cap, day=change.day) if _covers(cap, change.campaign) else Decimal(0)
        if used > cap.amount:
            raised = cap.measure == Measure.DAILY_INCREASE
            bound = "may rise in one day by" if raised else "may come to"
            return f"{name_of(cap)}: daily budgets {bound} {cap.amount}, and with this it would be {used}."
    return ""


def standings(*, day: date) -> list[Standing]:
    """Every cap with what counts against it."""
    return [Standing(cap=cap, used=_used(cap, day=day), name=name_of(cap)) for cap in _caps()]


def name_of(cap: SpendCap) -> str:
    if cap.campaign is not None:
        return str(cap.campaign.name)
    return "All campaigns" if cap.connection is None else str(cap.connection.label)


@transaction.atomic
def ensure_caps(*, now: datetime) -> None:
    """The first caps, once campaigns are known; what a person has set is left alone. Audited."""
    policies.locked()
    if SpendCap.objects.filter(connection=None, campaign=None).exists():
        return
    total = sum(_budgets(exchange.purse(), AdCampaign.objects.all()).values(), Decimal(0))
    if not total:
        return
    shares = {Measure.DAILY_BUDGET: FIRST_BUDGET_CAP, Measure.DAILY_INCREASE: FIRST_INCREASE_CAP}
    for measure, share in shares.items():
        amount = (total * share).quantize(Decimal(1), rounding="ROUND_CEILING")
        actor = system(policies.get().workspace_id)
        _set(actor, measure, connection=None, campaign=None, amount=amount, now=now)


@transaction.atomic
def set_cap(
    actor: Actor,
    measure: str,
    amount: Decimal | None,
    *,
    now: datetime,
    connection: Connection | None = None,
    campaign: AdCampaign | None = None,
) -> SpendCap | None:
    """Set a cap, or without an amount remove one of an account or a campaign. Audited.

    Raises Invalid, NotHere.
    """
    require(actor, "optimization:approve")
    policies.locked()
    if measure not in Measure.values:
        raise Invalid({"measure": [f"One of {', '.join(Measure.values)}."]})
    if amount is not None:
        if not amount.is_finite() or not 0 <= amount < LARGEST or amount != round(amount, 2):
            raise Invalid({"amount": ["An amount from 0 up, with at most two decimals."]})
        return _set(actor, measure, connection=connection, campaign=campaign, amount=amount, now=now)
    if connection is None and campaign is None:
        raise Invalid({"amount": ["The cap of all campaigns can be changed, not removed."]})
    found = SpendCap.objects.filter(measure=measure, connection=connection, campaign=campaign).first()
    if found is None:
        raise NotHere("There is no such cap.")
    audit.record(actor, "optimization.cap_removed", found, now=now, before={"amount": str(found.amount)})
    found.delete()
    return None


def _set(
    actor: Actor,
    measure: str,
    *,
    connection: Connection | None,
    campaign: AdCampaign | None,
    amount: Decimal,
    now: datetime,
) -> SpendCap:
    cap = SpendCap.objects.filter(measure=measure, connection=connection, campaign=campaign).first()
    before = None if cap is None else {"amount": str(cap.amount)}
    if cap is None:
        cap = SpendCap(
            workspace_id=actor.workspace_id, measure=measure, connection=connection, campaign=campaign
        )
    cap.amount = amount
    cap.save()
    after = {"measure": measure, "of": name_of(cap), "amount": str(amount)}
    audit.record(actor, "optimization.cap_set", cap, now=now, before=before, after=after)
    return cap


def _caps() -> list[SpendCap]:
    return list(SpendCap.objects.select_related("connection", "campaign").order_by("pk"))


def _is_whole(cap: SpendCap) -> bool:
    return cap.connection_id is None and cap.campaign_id is None and cap.measure == Measure.DAILY_BUDGET


def _covers(cap: SpendCap, campaign: AdCampaign) -> bool:
    if cap.campaign_id is not None:
        return bool(cap.campaign_id == campaign.pk)
    return cap.connection_id is None or bool(cap.connection_id == campaign.connection_id)


def _used(cap: SpendCap, *, day: date, leave_out: int | None = None) -> Decimal:
    if cap.measure == Measure.DAILY_INCREASE:
        return _raised(cap, day)
    budgets = _budgets(exchange.purse(), _campaigns_of(cap))
    return sum((amount for key, amount in budgets.items() if key != leave_out), Decimal(0))


def _added(cap: SpendCap, wanted: Wanted) -> Decimal:
    if cap.measure == Measure.DAILY_INCREASE:
        return wanted.increase
    return wanted.budget_after or Decimal(0)


def _campaigns_of(cap: SpendCap) -> QuerySet[AdCampaign]:
    rows = AdCampaign.objects.all()
    if cap.campaign_id is not None:
        return rows.filter(pk=cap.campaign_id)
    return rows if cap.connection_id is None else rows.filter(connection_id=cap.connection_id)


def _budgets(purse: Purse, campaigns: QuerySet[AdCampaign]) -> dict[int, Decimal]:
    """The worst that each active campaign's daily budget may be, by its key.

    A currency without a rate counts as it stands: better too high than nothing.
    """
    pending = {
        change.campaign_id: change.budget_after
        for change in Change.objects.filter(state__in=Change.OPEN, budget_after__isnull=False)
    }
    found = {}
    # Rows without models: every change counts all campaigns under the policy's lock.
    for key, status, kind, budget, currency in campaigns.values_list(
        "pk", "status", "budget_kind", "budget", "currency"
    ):
        is_spending = status == AdCampaign.Status.ACTIVE and kind == AdCampaign.BudgetKind.DAILY
        now = (home_amount(purse, budget, currency) or budget) if is_spending and budget else Decimal(0)
        worst = max(now, pending.get(key) or Decimal(0))
        if worst:
            found[key] = worst
    return found


def _raised(cap: SpendCap, day: date) -> Decimal:
    """What was raised on a day, and what is being raised; a change that failed gave its room back."""
    rows = Change.objects.filter(day=day, increase__gt=0).exclude(
        state__in=[Change.State.FAILED, Change.State.CANCELLED]
    )
    if cap.campaign_id is not None:
        rows = rows.filter(campaign_id=cap.campaign_id)
    elif cap.connection_id is not None:
        rows = rows.filter(campaign__connection_id=cap.connection_id)
    return rows.aggregate(sum=Sum("increase"))["sum"] or Decimal(0)


def _refusal(cap: SpendCap, wanted: Wanted, *, used: Decimal) -> str:
    name = name_of(cap)
    if cap.measure == Measure.DAILY_INCREASE:
        return (
            f"{name}: budgets may rise by {cap.amount} in one day, {used} were raised today, and this would "
            f"add {wanted.increase}. Raise the cap, or wait until tomorrow."
        )
    return (
        f"{name}: daily budgets may come to {cap.amount}. The others come to {used}, and this one would be "
        f"{wanted.budget_after}. Raise the cap, or lower another budget first."
    )
