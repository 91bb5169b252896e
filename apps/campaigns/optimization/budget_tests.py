"""The micro-experiment: budgets moved a little by lot, in blocks of days, so that chance alone decides.

A test is a recommendation like any other: approved by a person, within the caps, stopped by the kill switch.
Its steps are changes; at its end budgets are put back and what it shows goes into every later fit.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import structlog
from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, system
from apps.attribution import exchange
from apps.campaigns.maths import budget_test as maths
from apps.campaigns.maths.response.bias import RandomisedSlopes
from apps.campaigns.models import BudgetTest, BudgetTestArm, Change, Kind, Policy, Recommendation
from apps.campaigns.optimization import decisions, figures, gates, ledger, orders, policies
from apps.campaigns.optimization.figures import Figures
from apps.campaigns.optimization.gates import NotPossibleNow
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.rounding import whole
from apps.integrations.models import AdCampaign

log = structlog.get_logger(__name__)

State = BudgetTest.State
BLOCKS, BLOCK_DAYS = maths.BLOCKS, maths.BLOCK_DAYS
# What a test showed counts for so long; people and markets change.
COUNTS_FOR = timedelta(days=180)
# After a budget could not be put back, so long passes until the next try.
TRIES_AGAIN_AFTER = timedelta(hours=1)
# Where a proposal is at least this sure, nothing needs a test.
SURE = 0.9


def propose(
    policy: Policy, known: Figures, may_move: Sequence[int], proposals: Sequence[Proposal]
) -> list[Proposal]:
    """A test of the campaigns that may move (rows of the figures), where what is proposed of their budgets is
    not sure, or nothing could be.
    """
    if len(may_move) < maths.LEAST_CAMPAIGNS or not gates.is_small_enough(policy):
        return []
    if _tested_lately(known.last_day):
        return []
    budgets = [one for one in proposals if one.kind == Kind.BUDGET]
    if budgets and max(one.confidence for one in budgets) >= SURE:
        return []
    campaigns = [known.campaigns[row] for row in may_move]
    anchor = max(campaigns, key=lambda one: one.budget or Decimal(0))
    days = BLOCKS * BLOCK_DAYS
    return [
        Proposal(
            kind=Kind.BUDGET_TEST,
            campaign=anchor,
            target="account",
            target_name=f"{len(campaigns)} campaigns",
            title=f"Test the budgets of {len(campaigns)} campaigns by ±{maths.SIZE:.0%} for {days} days",
            before=f"{(anchor.budget or Decimal(0)).normalize():f}",
            after=f"{(anchor.budget or Decimal(0)).normalize():f}",
            amount=_at_stake(campaigns),
            confidence=1.0,
            reasons=[
                "History alone cannot tell what more spend would bring: days with more demand may be days "
                "with more spend. Where chance decides who gets more and when, it can.",
                f"Every {BLOCK_DAYS} days half of the campaigns get {maths.SIZE:.0%} more and the others as "
                "much less, by lot and in turns; over the whole test each gets its own budget.",
                "What it shows goes into every later plan, at full confidence.",
            ],
            doubts=[
                f"It needs {days} days in which nobody else changes these budgets.",
                "Effects that last longer than a block are counted only in part.",
            ],
            evidence={
                "campaign_ids": [one.pk for one in campaigns],
                "campaigns": [one.name for one in campaigns],
                "size": maths.SIZE,
                "days": days,
            },
        )
    ]


def _at_stake(campaigns: Sequence[AdCampaign]) -> Decimal:
    """What a day costs more at the very most, in the workspace's currency: where all would rise at once."""
    purse = exchange.purse()
    budgets = (ledger.home_amount(purse, one.budget, one.currency) or Decimal(0) for one in campaigns)
    return (sum(budgets, Decimal(0)) * Decimal(repr(maths.SIZE))).quantize(ledger.CENT)


def _tested_lately(today: date) -> bool:
    if BudgetTest.objects.filter(state__in=BudgetTest.UNFINISHED).exists():
        return True
    return bool(BudgetTest.objects.filter(state=State.READ, starts_on__gte=today - COUNTS_FOR).exists())


def in_test() -> set[int]:
    """Keys of the campaigns whose budgets are being tested."""
    rows = BudgetTestArm.objects.filter(test__state__in=BudgetTest.UNFINISHED)
    return set(rows.values_list("campaign_id", flat=True))


def slopes(campaigns: Sequence[AdCampaign], *, today: date) -> RandomisedSlopes | None:
    """What tests have shown of these campaigns, the newest of each; None where there was none."""
    rows = BudgetTestArm.objects.filter(
        test__state=State.READ, test__starts_on__gte=today - COUNTS_FOR, slope__isnull=False
    ).order_by("pk")
    known = {one.campaign_id: (one.slope, one.slope_error) for one in rows}
    if not known:
        return None
    pairs = [known.get(one.pk, (0.0, np.inf)) for one in campaigns]
    found = np.array(pairs, dtype=np.float64)
    return RandomisedSlopes(slope=found[:, 0], error=found[:, 1])


@transaction.atomic
def begin(actor: Actor, found: Recommendation, *, now: datetime) -> BudgetTest:
    """Draw the lots and order the first block. The policy must be locked.

    Raises NotPossibleNow, CapReached.
    """
    campaigns = _able(found, now=now)
    drawn = maths.design(
        np.array([float(one.budget or 0) for one in campaigns]), rng=np.random.default_rng(found.pk)
    )
    test = BudgetTest.objects.create(
        workspace_id=found.workspace_id,
        recommendation=found,
        starts_on=_today(now),
        block_days=BLOCK_DAYS,
        blocks=BLOCKS,
    )
    BudgetTestArm.objects.bulk_create(
        BudgetTestArm(
            workspace_id=found.workspace_id,
            test=test,
            campaign=campaign,
            base=campaign.budget or Decimal(0),
            factors=drawn.factors[row].tolist(),
        )
        for row, campaign in enumerate(campaigns)
        if drawn.left[row] is None
    )
    audit.record(actor, "optimization.test_begun", test, now=now, after={"campaigns": len(campaigns)})
    _order_block(actor, test, 0, now=now)
    return test


def _able(found: Recommendation, *, now: datetime) -> list[AdCampaign]:
    """The campaigns that were proposed and still may be tested: each is fit to be changed, not only the one
    that the recommendation names. Raises NotPossibleNow.
    """
    rows = AdCampaign.objects.filter(
        pk__in=found.evidence.get("campaign_ids", []),
        status=AdCampaign.Status.ACTIVE,
        budget_kind=AdCampaign.BudgetKind.DAILY,
        budget__gt=0,
    ).select_related("connection")
    able = [one for one in rows.order_by("pk") if one.connection.is_usable]
    words = f"A test takes {maths.LEAST_CAMPAIGNS} campaigns with a daily budget"
    if len(able) < maths.LEAST_CAMPAIGNS:
        raise NotPossibleNow(f"{words}; {len(able)} are left.", is_lasting=True)
    policy, fit, why = policies.get(), [], ""
    for one in able:
        try:
            gates.require_fit(policy, one, now=now)
            fit.append(one)
        except NotPossibleNow as error:
            why = error.detail
    if len(fit) < maths.LEAST_CAMPAIGNS:
        raise NotPossibleNow(f"{words}; {len(fit)} may be changed now. {why}")
    return fit


def _order_block(actor: Actor, test: BudgetTest, block: int, *, now: datetime) -> None:
    """Falls before rises, so that the caps have room."""
    arms = list(BudgetTestArm.objects.filter(test=test).select_related("campaign__connection"))
    for arm in sorted(arms, key=lambda one: one.factors[block]):
        wanted = whole(
            arm.base * Decimal(repr(arm.factors[block])), towards=arm.base, currency=arm.campaign.currency
        )
        _order(actor, test, arm, wanted, step=block + 1, now=now)


def _order(
    actor: Actor, test: BudgetTest, arm: BudgetTestArm, wanted: Decimal, *, step: int, now: datetime
) -> None:
    budget = arm.campaign.budget
    if budget is None or budget == wanted:
        return
    before, after = f"{budget.normalize():f}", f"{wanted.normalize():f}"
    orders.place(actor, test.recommendation, arm.campaign, before=before, after=after, now=now, step=step)


def advance(*, now: datetime) -> None:
    """The clock's part: the next block, the end, putting back, reading. Nothing while all is stopped."""
    for pk in BudgetTest.objects.filter(state__in=BudgetTest.UNFINISHED).values_list("pk", flat=True):
        try:
            _advance(pk, now=now)
        except DomainError as error:
            log.warning("optimization.test_held", test=pk, reason=error.detail)
            _give_up(pk, error.detail, now=now)


@transaction.atomic
def _advance(pk: int, *, now: datetime) -> None:
    policy = policies.locked()
    test = BudgetTest.objects.select_for_update(of=("self",)).select_related("recommendation").get(pk=pk)
    changes = Change.objects.filter(recommendation=test.recommendation)
    if policy.stopped_at is not None or changes.filter(state__in=Change.OPEN).exists():
        return
    if _is_to_rest(policy, now):
        return
    actor = system(test.workspace_id, "Bellwether, as approved")
    if test.state == State.RUNNING and (why := _disturbed(test)):
        _end(test, why, now=now)
    block = (_today(now) - test.starts_on).days // test.block_days
    if test.state == State.RUNNING and block < test.blocks:
        if not changes.filter(step=block + 1).exists():
            _order_block(actor, test, block, now=now)
        return
    if _put_back(actor, test, now=now):
        _finish(test, now=now)


def _is_to_rest(policy: Policy, now: datetime) -> bool:
    """On a day on which nothing is changed the next step waits, and the test goes on afterwards."""
    try:
        gates.require_quiet(policy, now=now)
    except NotPossibleNow:
        return True
    return False


def _disturbed(test: BudgetTest) -> str:
    """Why the test cannot go on: a step that failed, or a budget that somebody else has changed."""
    failed = Change.objects.filter(
        recommendation=test.recommendation, state__in=[Change.State.FAILED, Change.State.CANCELLED]
    ).first()
    if failed is not None:
        return f"A step could not be made: {failed.reason or failed.get_state_display()}"
    last = _last_set(test)
    for arm in BudgetTestArm.objects.filter(test=test).select_related("campaign"):
        if arm.campaign.budget != last.get(arm.campaign_id, arm.base):
            return f"Somebody changed the budget of {arm.campaign.name}."
    return ""


def _last_set(test: BudgetTest) -> dict[int, Decimal]:
    """By campaign, the budget that the test set last."""
    done = Change.objects.filter(recommendation=test.recommendation, state=Change.State.DONE)
    return {one.campaign_id: Decimal(one.after) for one in done.order_by("pk")}


def _end(test: BudgetTest, why: str, *, now: datetime) -> None:
    test.state, test.state_reason = State.RESTORING, why[:300]
    test.save(update_fields=["state", "state_reason"])


def _put_back(actor: Actor, test: BudgetTest, *, now: datetime) -> bool:
    """Order the budgets of before; true once they are there, or somebody else's stand in their place.

    Falls before rises, and each by itself: a rise that a cap forbids keeps no other budget raised.
    """
    is_back = True
    last = _last_set(test)
    failed = Change.objects.filter(
        recommendation=test.recommendation,
        step=test.blocks + 1,
        state=Change.State.FAILED,
        created_at__gt=now - TRIES_AGAIN_AFTER,
    )
    arms = list(BudgetTestArm.objects.filter(test=test).select_related("campaign__connection"))
    for arm in sorted(arms, key=lambda one: one.base - (one.campaign.budget or Decimal(0))):
        is_ours = arm.campaign.budget == last.get(arm.campaign_id)
        if is_ours and arm.campaign.budget != arm.base:
            is_back = False
            if not failed.filter(campaign=arm.campaign).exists():
                _try_to_put_back(actor, test, arm, now=now)
    return is_back


def _try_to_put_back(actor: Actor, test: BudgetTest, arm: BudgetTestArm, *, now: datetime) -> None:
    """What stands in its way is said on the recommendation, and it is tried again."""
    try:
        _order(actor, test, arm, arm.base, step=test.blocks + 1, now=now)
    except DomainError as error:
        found = decisions.locked(test.recommendation.public_id)
        words = f"The budget of {arm.campaign.name} is not put back yet. {error.detail}"
        if found.state_reason != words[:300]:
            decisions.step(found, found.state, words, now=now)


def _finish(test: BudgetTest, *, now: datetime) -> None:
    """Read what it showed, if it ran to its end, and say so."""
    was_cut_short = test.state == State.RESTORING
    found = decisions.locked(test.recommendation.public_id)
    said = test.state_reason or _read(test, now=now)
    test.state = State.STOPPED if was_cut_short else State.READ
    test.save()
    found.done_at = now
    decisions.step(found, Recommendation.State.DONE, said, now=now)
    actor = system(test.workspace_id)
    audit.record(actor, "optimization.test_ended", test, now=now, reason=said[:300])


def _read(test: BudgetTest, *, now: datetime) -> str:
    """Keep the slopes; answers what they say in a sentence."""
    arms = list(BudgetTestArm.objects.filter(test=test).order_by("pk"))
    days = test.blocks * test.block_days
    known = figures.load(until=test.starts_on + timedelta(days=days - 1), days=days)
    rows = {one.pk: row for row, one in enumerate(known.campaigns)}
    mine = [arm for arm in arms if arm.campaign_id in rows]
    places = [rows[arm.campaign_id] for arm in mine]
    factors = np.array([arm.factors for arm in mine])
    base = np.array([float(arm.base) for arm in mine])
    drawn = maths.BudgetTest(
        factors=factors,
        budgets=np.repeat(base[:, None] * factors, test.block_days, axis=1),
        sizes=np.abs(factors[:, 0] - 1),
        block_days=test.block_days,
        left=(None,) * len(mine),
    )
    reading = maths.read(drawn, known.spend[places], known.conversion_value[places])
    test.read_at = now
    if not reading.enough:
        return f"Not enough data: {reading.because}"
    test.exponent, test.exponent_low, test.exponent_high = reading.k, reading.low, reading.high
    for place, arm in enumerate(mine):
        if np.isfinite(reading.slopes.error[place]):
            arm.slope = float(reading.slopes.slope[place])
            arm.slope_error = float(reading.slopes.error[place])
    BudgetTestArm.objects.bulk_update(mine, ["slope", "slope_error"])
    return f"Revenue grows with spend to the power {reading.k:.2f} ({reading.low:.2f} to {reading.high:.2f})."


@transaction.atomic
def stop(actor: Actor, found: Recommendation, *, now: datetime) -> BudgetTest:
    """End a test before its time; budgets are put back. Audited. Raises NotPossibleNow."""
    rows = BudgetTest.objects.select_for_update(of=("self",)).select_related("recommendation")
    test = rows.filter(recommendation=found, state=State.RUNNING).first()
    if test is None:
        raise NotPossibleNow("No test of it is running.")
    _end(test, f"Stopped by {actor.label}.", now=now)
    audit.record(actor, "optimization.test_stopped", test, now=now)
    return test


@transaction.atomic
def _give_up(pk: int, why: str, *, now: datetime) -> None:
    """What stands in the way of a step ends the test; budgets are put back as soon as that may be."""
    test = BudgetTest.objects.select_for_update().get(pk=pk)
    if test.state == State.RUNNING:
        _end(test, why, now=now)


def _today(now: datetime) -> date:
    return now.astimezone(Workspace.objects.get().zone).date()
