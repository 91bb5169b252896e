"""What stands between a recommendation and the platform, asked anew each time one is carried out."""

from datetime import datetime, timedelta
from decimal import Decimal

from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.campaigns.maths.budget_test import SIZE
from apps.campaigns.models import BudgetTest, BudgetTestArm, Change, Kind, PlanLine, Policy, Recommendation
from apps.campaigns.optimization import policies
from apps.integrations import modes
from apps.integrations.models import AdCampaign, AdDay

State = Recommendation.State


class NotPossibleNow(DomainError):
    """It cannot be done as things are. is_lasting: waiting does not help."""

    code = "not_possible_now"
    status = 409

    def __init__(self, detail: str, *, is_lasting: bool = False) -> None:
        super().__init__(detail)
        self.is_lasting = is_lasting


def require_open(policy: Policy, found: Recommendation, workspace: Workspace, *, now: datetime) -> None:
    """Raises Stopped or NotPossibleNow, with what stands in the way and what to do about it."""
    policies.require_running(policy)
    if found.is_auto:
        _require_hours(policy, workspace, now=now)
    _require_current(found, now=now)
    require_quiet(policy, now=now)
    require_fit(policy, found.campaign, now=now)
    _require_untested(found)
    require_unmoved(found, expected=found.before)
    _require_small(policy, found)


def require_fit(policy: Policy, campaign: AdCampaign, *, now: datetime) -> None:
    """That its figures are fresh and as usual, and its last change long enough ago. Raises NotPossibleNow."""
    _require_fresh(policy, campaign, now=now)
    _require_normal(campaign)
    _require_cool(policy, campaign, now=now)


def require_unmoved(found: Recommendation, *, expected: str) -> None:
    """Raises NotPossibleNow where what was last read of the platform is not what is to be changed."""
    if found.kind not in {Kind.BUDGET, Kind.BUDGET_TEST}:
        return  # nothing is read of it here; the call itself looks before it changes anything
    budget = found.campaign.budget
    if budget is None or budget != Decimal(expected):
        raise NotPossibleNow(
            f"Somebody changed it meanwhile: the budget is {_amount(budget)} {found.currency}, and not "
            f"{expected} as it was. The next run looks at it anew.",
            is_lasting=True,
        )


def require_reachable(campaign: AdCampaign) -> None:
    if not campaign.connection.is_usable:
        raise NotPossibleNow(
            f"{campaign.connection.label} is {campaign.connection.get_state_display()}. Connect it again."
        )


def _require_current(found: Recommendation, *, now: datetime) -> None:
    if not found.is_doable:
        raise NotPossibleNow(
            "The platform's interface does not offer this. Make the change in its own app.", is_lasting=True
        )
    if found.expires_at <= now:
        raise NotPossibleNow(
            "It has expired: its figures are no longer today's. The next run looks at it anew.",
            is_lasting=True,
        )
    if found.campaign.status == AdCampaign.Status.ENDED:
        raise NotPossibleNow("The campaign has ended.", is_lasting=True)
    if found.campaign.status == AdCampaign.Status.PAUSED:
        raise NotPossibleNow("The campaign is paused. It waits until it runs again.")
    require_reachable(found.campaign)


def require_quiet(policy: Policy, *, now: datetime) -> None:
    """Raises NotPossibleNow on a day on which nothing is changed."""
    mode = modes.active(now)
    if mode is not None and (policy.rests_on_wedding_days or mode.kind == modes.Kind.EMERGENCY):
        raise NotPossibleNow(f"Nothing is changed now: {mode.name}, until {mode.until:%Y-%m-%d %H:%M} UTC.")


def _require_fresh(policy: Policy, campaign: AdCampaign, *, now: datetime) -> None:
    """The campaign and its figures are read apart: one may come while the other fails."""
    oldest = now - timedelta(hours=policy.data_age_hours)
    last = AdDay.objects.filter(campaign=campaign).order_by("-on").first()
    read_at = campaign.read_at if last is None else min(campaign.read_at, last.read_at)
    if read_at < oldest:
        raise NotPossibleNow(
            f"The campaign was last read at {read_at:%Y-%m-%d %H:%M} UTC, more than "
            f"{policy.data_age_hours} hours ago. It waits for fresh figures."
        )


def _require_normal(campaign: AdCampaign) -> None:
    last = PlanLine.objects.filter(campaign=campaign).order_by("-pk").first()
    if last is not None and last.anomaly:
        raise NotPossibleNow(f"Its figures are unusual: {last.anomaly} It waits until they are understood.")


def _require_untested(found: Recommendation) -> None:
    arms = BudgetTestArm.objects.filter(
        campaign=found.campaign, test__state__in=BudgetTest.UNFINISHED
    ).exclude(test__recommendation=found)
    if arms.exists():
        raise NotPossibleNow("Its budget is being tested. It waits until the test has ended.")


def _require_cool(policy: Policy, campaign: AdCampaign, *, now: datetime) -> None:
    since = now - timedelta(hours=policy.cooldown_hours)
    recent = Change.objects.filter(campaign=campaign, created_at__gt=since)
    last = recent.exclude(state__in=[Change.State.FAILED, Change.State.CANCELLED]).order_by("-pk").first()
    if last is not None:
        free = last.created_at + timedelta(hours=policy.cooldown_hours)
        raise NotPossibleNow(
            f"It was changed at {last.created_at:%Y-%m-%d %H:%M} UTC, and platforms learn anew after each "
            f"change. It may be changed again from {free:%Y-%m-%d %H:%M} UTC."
        )


def _require_small(policy: Policy, found: Recommendation) -> None:
    if found.kind == Kind.BUDGET_TEST and not is_small_enough(policy):
        raise NotPossibleNow(
            f"A budget may change by {policy.largest_change_percent} % at once, and a test takes {SIZE:.0%}.",
            is_lasting=True,
        )
    if found.kind != Kind.BUDGET:
        return
    before, after = Decimal(found.before), Decimal(found.after)
    allowed = before * policy.largest_change_percent / 100
    if abs(after - before) > allowed:
        raise NotPossibleNow(
            f"A budget may change by {policy.largest_change_percent} % at once, {_amount(allowed)} "
            f"{found.currency} here. The next run proposes a smaller step.",
            is_lasting=True,
        )


def is_small_enough(policy: Policy) -> bool:
    """Whether the steps of a test of budgets are within the largest change."""
    return policy.largest_change_percent >= 100 * SIZE


def _require_hours(policy: Policy, workspace: Workspace, *, now: datetime) -> None:
    hour = now.astimezone(workspace.zone).hour
    if not policy.acts_from_hour <= hour < policy.acts_until_hour:
        raise NotPossibleNow(
            f"Changes are carried out by themselves from {policy.acts_from_hour}:00 to "
            f"{policy.acts_until_hour}:00 only."
        )


def _amount(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:.2f}"
