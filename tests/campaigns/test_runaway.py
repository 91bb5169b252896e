"""Ways in which money might run away: two at once, news that comes late, a yes that no longer covers it."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
import time_machine
from django.db import connections, transaction
from django.utils import timezone

from apps.accounts import events, jobs, scoping
from apps.accounts.models import Job, OutboxEvent
from apps.accounts.permissions import system
from apps.campaigns.models import BudgetTest, Change, Kind, Outcome, PlanLine, Recommendation, Run, SpendCap
from apps.campaigns.optimization import (
    budget_tests,
    carrying_out,
    decisions,
    execute,
    ledger,
    outcomes,
    policies,
    runs,
    track_record,
)
from apps.campaigns.optimization.gates import NotPossibleNow
from apps.campaigns.optimization.policies import AutoTerms
from apps.integrations import ad_rows, call_deeds, modes, outbox
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.events import AdChangeSettled
from apps.integrations.models import AdCampaign, AdDay, AdGroup, Call
from apps.integrations.resilience.lanes import Lane
from tests.campaigns.conftest import person, recommend, with_history
from tests.conftest import committed
from tests.factories import NOW
from tests.fakes.server import ResetAfter

State = Recommendation.State
# So long the other one needs at most to come to the lock.
A_MOMENT = 1.5


ALONE = AutoTerms(is_on=True, least_confidence=0.9, most_amount=Decimal(10))


def send() -> None:
    """What the workers would do now."""
    outbox.relay(lane=int(Lane.MARKETING))
    tell()


def later(*minutes: int) -> None:
    """What the clock brings then, and the workers after it."""
    for number in minutes:
        with time_machine.travel(NOW + timedelta(minutes=number), tick=True):
            budget_tests.advance(now=timezone.now())
            send()


def tell() -> None:
    for row in OutboxEvent.objects.filter(name=AdChangeSettled.name, due_at__isnull=False):
        events.deliver(event_id=row.pk)


def unknown(found: Recommendation, *, now: datetime) -> Change:
    """A change whose fate nobody knows, and nobody looks up any more."""
    Recommendation.objects.filter(pk=found.pk).update(state=State.UNKNOWN)
    change: Change = Change.objects.create(
        workspace_id=found.workspace_id,
        recommendation=found,
        campaign=found.campaign,
        before=found.before,
        after=found.after,
        day=now.date(),
        state=Change.State.UNKNOWN,
        ordered_by="person-1",
        created_at=now,
    )
    return change


@pytest.fixture
def boss(workspace):
    return person(workspace)


@committed
def test_a_no_while_the_clock_looks_stays_a_no(account, workspace):
    boss = person(workspace)
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)

    def clock() -> None:
        try:
            with scoping.workspace(workspace):
                carrying_out.carry_out(now=NOW)
        finally:
            connections.close_all()

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            decisions.reject(boss, found.public_id, reason="Not this one.", now=NOW)
            ran = pool.submit(clock)
            time.sleep(A_MOMENT)
        ran.result()

    seen = decisions.get(found.public_id)
    assert (seen.state, seen.state_reason) == (State.REJECTED, "Not this one.")
    assert not Change.objects.exists()


def test_a_dead_letter_of_a_failed_change_sends_nothing_when_replayed(account, boss):
    """Its room under the caps was given back, and another change may have taken it."""
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "9900"
    execute.begin(boss, found.public_id, now=NOW)
    send()
    assert Change.objects.get().state == Change.State.FAILED
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "4000"

    call_deeds.replay(boss, Call.objects.get(operation=policies.OPERATION).public_id, now=NOW)
    send()

    assert account.budget_of(account.campaigns[0]) == Decimal("40.00")


def test_what_the_policy_approved_waits_for_a_person_once_it_may_not_any_more(account, boss):
    policies.set_auto(boss, "budget", ALONE, now=NOW)
    found = recommend(account.campaigns[0], "46")
    carrying_out.approve_what_policy_allows(now=NOW)
    assert decisions.get(found.public_id).state == State.APPROVED

    policies.set_auto(
        boss, "budget", AutoTerms(is_on=False, least_confidence=0.9, most_amount=Decimal(10)), now=NOW
    )
    carrying_out.carry_out(now=NOW)

    seen = decisions.get(found.public_id)
    assert (seen.state, seen.is_auto) == (State.PROPOSED, False)
    assert not Change.objects.exists()


def test_one_yes_is_not_enough_once_two_are_asked_for(account, boss, workspace):
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    policies.change(boss, {"four_eyes_above": Decimal(5)}, now=NOW)

    with pytest.raises(NotPossibleNow, match="more must approve"):
        execute.begin(boss, found.public_id, now=NOW)
    carrying_out.carry_out(now=NOW)
    assert decisions.get(found.public_id).state == State.PROPOSED
    decisions.approve(person(workspace, 2), found.public_id, now=NOW)
    execute.begin(boss, found.public_id, now=NOW)

    assert Change.objects.count() == 1


def test_a_paused_campaign_is_not_raised(account, boss):
    """It counts as nothing against the caps, and would start with the raised budget."""
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    AdCampaign.objects.filter(pk=account.campaigns[0].pk).update(status=AdCampaign.Status.PAUSED)

    with pytest.raises(NotPossibleNow, match="paused"):
        execute.begin(boss, found.public_id, now=NOW)


def test_a_listing_that_began_before_a_change_does_not_undo_it_here(account, boss):
    """Pulls take a while: what they read before the change was made is not what there is."""
    campaign = account.campaigns[0]
    pages = list(platforms.of(Client(account.connection)).campaigns())
    began = NOW + timedelta(seconds=1)
    found = decisions.approve(boss, recommend(campaign, "46").public_id, now=NOW)
    with time_machine.travel(NOW + timedelta(seconds=5), tick=True):
        execute.begin(boss, found.public_id, now=NOW)
        send()
        ad_rows.keep_campaigns(account.connection, pages, now=began)

    campaign.refresh_from_db()
    assert campaign.budget == Decimal(46)
    assert ledger.standings(day=NOW.date())[0].used == Decimal(126)


def test_news_that_comes_late_does_not_hide_what_somebody_set_since(account, boss):
    campaign = account.campaigns[0]
    found = decisions.approve(boss, recommend(campaign, "46").public_id, now=NOW)
    execute.begin(boss, found.public_id, now=NOW)
    outbox.relay(lane=int(Lane.MARKETING))
    account.fake.campaigns[campaign.external_id]["daily_budget"] = "9900"
    with time_machine.travel(NOW + timedelta(minutes=5), tick=True):
        account.read_again()
        tell()

    campaign.refresh_from_db()
    assert campaign.budget == Decimal(99)
    assert decisions.get(found.public_id).state == State.DONE


def test_nothing_is_changed_on_figures_that_are_old_though_the_campaign_was_read(account, boss):
    """The list of campaigns comes, their figures do not: the platform's reports are down."""
    AdDay.objects.create(
        workspace_id=account.campaigns[0].workspace_id,
        campaign=account.campaigns[0],
        on=NOW.date() - timedelta(days=4),
        currency="GBP",
        spend=Decimal(40),
        read_at=NOW - timedelta(days=3),
    )
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)

    with pytest.raises(NotPossibleNow, match="fresh figures"):
        execute.begin(boss, found.public_id, now=NOW)


def test_a_change_whose_news_was_lost_is_settled_by_its_call(account, boss):
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    execute.begin(boss, found.public_id, now=NOW)
    outbox.relay(lane=int(Lane.MARKETING))
    OutboxEvent.objects.all().delete()

    execute.reconcile(now=NOW)

    assert decisions.get(found.public_id).state == State.DONE


def test_a_change_that_is_held_too_long_is_let_go(account, boss):
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    execute.begin(boss, found.public_id, now=NOW)
    Call.objects.filter(operation=policies.OPERATION).update(state=Call.State.HELD, due_at=None)

    execute.reconcile(now=NOW + timedelta(hours=7))
    tell()

    assert Call.objects.get(operation=policies.OPERATION).state == Call.State.CANCELLED
    assert decisions.get(found.public_id).state == State.FAILED


def test_cancelling_the_letter_of_an_unknown_change_gives_no_room_back(account, boss):
    """Whether it was done is as unknown as before."""
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    account.fake.misbehave(ResetAfter(), method="POST")
    execute.begin(boss, found.public_id, now=NOW)
    send()
    calls = Call.objects.filter(operation=policies.OPERATION)
    calls.update(state=Call.State.DEAD, due_at=None, settled_at=timezone.now())
    execute.reconcile(now=NOW)
    assert Change.objects.get().state == Change.State.UNKNOWN

    call_deeds.cancel(boss, calls.get().public_id, now=NOW)
    tell()

    assert Change.objects.get().state == Change.State.UNKNOWN
    assert ledger.standings(day=NOW.date())[0].used == Decimal(126)
    with time_machine.travel(NOW + timedelta(minutes=5), tick=True):
        account.read_again()
        execute.reconcile(now=timezone.now())
    assert decisions.get(found.public_id).state == State.DONE


def test_an_unknown_change_of_a_bid_is_seen_in_what_was_read_since(account, boss):
    group = AdGroup.objects.create(
        workspace_id=account.campaigns[0].workspace_id,
        campaign=account.campaigns[0],
        external_id="77",
        name="Brides",
        status="active",
        currency="GBP",
        bid=Decimal("1.20"),
        read_at=NOW,
    )
    found = recommend(account.campaigns[0], "1.20", kind=Kind.BID, target="77", before="1.00")
    change = unknown(found, now=NOW)

    execute.reconcile(now=NOW)
    assert Change.objects.get(pk=change.pk).state == Change.State.UNKNOWN
    AdGroup.objects.filter(pk=group.pk).update(read_at=NOW + timedelta(hours=3))
    execute.reconcile(now=NOW + timedelta(hours=3))

    assert decisions.get(found.public_id).state == State.DONE


def test_what_nobody_can_look_at_is_let_go_after_a_day(account, boss):
    found = recommend(
        account.campaigns[0],
        "excluded",
        kind=Kind.TARGETING,
        target="device:mobile",
        before="reached",
    )
    unknown(found, now=NOW)

    execute.reconcile(now=NOW + timedelta(hours=23))
    assert decisions.get(found.public_id).state == State.UNKNOWN
    execute.reconcile(now=NOW + timedelta(hours=25))

    seen = decisions.get(found.public_id)
    assert seen.state == State.FAILED
    assert "not known whether" in seen.state_reason


@pytest.fixture
def tested(account, workspace) -> Recommendation:
    """A test of three campaigns of 40.00 a day, as the engine proposes it."""
    rng = np.random.default_rng(1)
    AdDay.objects.bulk_create(
        AdDay(
            workspace=workspace,
            campaign=campaign,
            on=NOW.date() - timedelta(days=ago),
            currency="GBP",
            spend=Decimal(40),
            conversions=Decimal(3),
            conversion_value=Decimal(f"{rng.gamma(100, 1):.2f}"),
            read_at=NOW,
        )
        for campaign in account.campaigns
        for ago in range(1, 61)
    )
    runs.make("daily", now=NOW)
    return Recommendation.objects.get(kind=Kind.BUDGET_TEST)


def test_a_test_of_budgets_counts_with_the_money_it_moves(account, boss, tested):
    """Half of 120.00 a day rises by 15 %, and in an odd number one more: at most 12.00 in a block."""
    assert tested.amount == Decimal("18.00")

    policies.change(boss, {"four_eyes_above": Decimal(5)}, now=NOW)

    assert decisions.approve(boss, tested.public_id, now=NOW).state == State.PROPOSED


def test_a_test_of_budgets_moves_none_by_more_than_is_allowed(account, boss, tested):
    decisions.approve(boss, tested.public_id, now=NOW)
    policies.change(boss, {"largest_change_percent": 10}, now=NOW)

    with pytest.raises(NotPossibleNow, match="10 % at once"):
        execute.begin(boss, tested.public_id, now=NOW)


def test_a_test_of_budgets_rests_while_nothing_is_to_be_changed(account, boss, workspace, tested):
    decisions.approve(boss, tested.public_id, now=NOW)
    execute.begin(boss, tested.public_id, now=NOW)
    send()
    before = Change.objects.count()
    last = NOW + timedelta(days=32)
    with time_machine.travel(last, tick=True):
        account.read_again()
        modes.begin_emergency(system(workspace.pk), reason="A bad day.", hours=2, now=last)
        budget_tests.advance(now=last)
        assert Change.objects.count() == before
        assert BudgetTest.objects.get().state == BudgetTest.State.RUNNING

    later_on = last + timedelta(hours=3)
    with time_machine.travel(later_on, tick=True):
        budget_tests.advance(now=later_on)

    assert Change.objects.count() > before


def test_every_campaign_of_a_test_is_fit_to_be_changed(account, boss, tested):
    """Not only the one that the recommendation names."""
    decisions.approve(boss, tested.public_id, now=NOW)
    other = next(one for one in account.campaigns if one.pk != tested.campaign_id)
    PlanLine.objects.filter(campaign=other).update(anomaly="Spend on 19 November was odd.")

    with pytest.raises(NotPossibleNow, match="unusual"):
        execute.begin(boss, tested.public_id, now=NOW)


@committed
def test_two_ticks_at_once_begin_one_run(account, workspace):
    def tick() -> None:
        try:
            with scoping.workspace(workspace):
                runs._begin(system(workspace.pk), Run.Cadence.DAILY)
        finally:
            connections.close_all()

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            runs._begin(system(workspace.pk), Run.Cadence.DAILY)
            ran = pool.submit(tick)
            time.sleep(A_MOMENT)
            begun = Job.objects.get(kind=runs.JOB)
            Job.objects.filter(pk=begun.pk).update(state=Job.State.RUNNING)
        ran.result()

    assert Job.objects.filter(kind=runs.JOB).count() == 1


def test_a_run_whose_worker_died_before_it_said_so_is_not_made_and_told_again(account, workspace):
    job = jobs.begin(system(workspace.pk), runs.JOB, title="Look", params={"cadence": "daily"})
    first = runs._work(job)

    assert runs._work(job) == first
    assert Run.objects.count() == 1


def test_what_somebody_decides_while_the_policy_does_holds_up_nothing_else(account, boss, workspace):
    """Two clocks at once: what the other has approved is not approved again, and the rest is."""
    policies.set_auto(boss, "budget", ALONE, now=NOW)
    _, second = (recommend(one, "46") for one in account.campaigns[:2])
    rows = list(Recommendation.objects.order_by("pk"))
    decisions.approve_by_policy(rows[0], "It may.", now=NOW)

    assert carrying_out._approve([(one, "It may.") for one in rows], now=NOW) == 1

    assert decisions.get(second.public_id).state == State.APPROVED


def test_a_rule_that_lets_less_sure_changes_run_is_judged_by_them_too(account, boss, workspace):
    policies.set_auto(
        boss, "budget", AutoTerms(is_on=True, least_confidence=0.6, most_amount=Decimal(10)), now=NOW
    )
    for number in range(12):
        measured = {"target": str(number), "state": State.MEASURED, "done_at": NOW}
        found = recommend(account.campaigns[0], "46", confidence=0.7, **measured)
        Outcome.objects.create(
            workspace=workspace,
            recommendation=found,
            after_days=28,
            measured_at=NOW,
            confidence=0.7,
            realised=-5.0,
            realised_low=-9.0,
            realised_high=-1.0,
            verdict=Outcome.Verdict.DID_NOT,
        )

    assert track_record.review(now=NOW) == ["budget"]


def test_what_is_being_rolled_back_is_not_made_measured_meanwhile(account, boss, workspace):
    with_history(account)
    found = recommend(account.campaigns[0], "46", state=State.DONE, done_at=NOW - timedelta(days=9))
    stale = Recommendation.objects.get(pk=found.pk)
    Recommendation.objects.filter(pk=found.pk).update(state=State.ROLLING_BACK)

    outcomes._measure(stale, 7, now=NOW)

    assert decisions.get(found.public_id).state == State.ROLLING_BACK


def test_a_rise_on_its_way_stays_here_once_a_cap_was_lowered(account, boss):
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)
    execute.begin(boss, found.public_id, now=NOW)

    ledger.set_cap(boss, SpendCap.Measure.DAILY_BUDGET, Decimal(121), now=NOW)
    send()

    assert account.budget_of(account.campaigns[0]) == Decimal("40.00")
    seen = decisions.get(found.public_id)
    assert (seen.state, "daily budgets may come to 121" in seen.state_reason) == (State.FAILED, True)


def test_budgets_of_a_test_that_fall_are_put_back_though_another_may_not_rise(account, boss, tested):
    decisions.approve(boss, tested.public_id, now=NOW)
    execute.begin(boss, tested.public_id, now=NOW)
    send()
    for campaign in account.campaigns:
        campaign.refresh_from_db()
    ledger.set_cap(boss, SpendCap.Measure.DAILY_BUDGET, Decimal(1), now=NOW)

    execute.roll_back(boss, tested.public_id, now=NOW)
    later(1, 2)

    assert {account.budget_of(one) for one in account.campaigns} == {Decimal("34.00"), Decimal("40.00")}
    assert BudgetTest.objects.get().state == BudgetTest.State.RESTORING
    assert "daily budgets may come to 1" in decisions.get(tested.public_id).state_reason

    ledger.set_cap(boss, SpendCap.Measure.DAILY_BUDGET, Decimal(200), now=NOW)
    later(3, 4, 5)

    assert {account.budget_of(one) for one in account.campaigns} == {Decimal("40.00")}
    assert BudgetTest.objects.get().state == BudgetTest.State.STOPPED
