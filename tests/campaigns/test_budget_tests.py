"""The micro-experiment, from its proposal to what it changes, at the platform's own state."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
import time_machine
from django.utils import timezone

from apps.accounts import events
from apps.accounts.models import OutboxEvent
from apps.campaigns.models import BudgetTest, BudgetTestArm, Change, Kind, Recommendation
from apps.campaigns.optimization import budget_tests, decisions, execute, ledger, policies, runs
from apps.integrations import outbox
from apps.integrations.events import AdChangeSettled
from apps.integrations.models import AdDay
from apps.integrations.resilience.lanes import Lane
from tests.campaigns.conftest import person, with_history
from tests.factories import NOW

State = Recommendation.State


def send() -> None:
    outbox.relay(lane=int(Lane.MARKETING))
    for row in OutboxEvent.objects.filter(name=AdChangeSettled.name, due_at__isnull=False):
        events.deliver(event_id=row.pk)


def budgets(account) -> list[Decimal]:
    return [account.budget_of(one) for one in account.campaigns]


@pytest.fixture
def proposed(account, workspace) -> Recommendation:
    """Campaigns that always spent the same, so that history tells nothing; the test is approved."""
    today = NOW.date()
    rng = np.random.default_rng(1)
    AdDay.objects.bulk_create(
        AdDay(
            workspace=workspace,
            campaign=campaign,
            on=today - timedelta(days=ago),
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
    found = Recommendation.objects.get(kind=Kind.BUDGET_TEST)
    return decisions.approve(person(workspace), found.public_id, now=NOW)


def advance_to(day: int) -> None:
    with time_machine.travel(NOW + timedelta(days=day), tick=True):
        budget_tests.advance(now=timezone.now())
        send()


def test_where_history_tells_nothing_a_test_is_proposed(proposed):
    assert not Recommendation.objects.filter(kind=Kind.BUDGET).exists()
    assert "3 campaigns by ±15%" in proposed.title


def test_where_changes_are_sure_none_is(account):
    with_history(account)
    runs.make("daily", now=NOW)

    assert not Recommendation.objects.filter(kind=Kind.BUDGET_TEST).exists()


def test_from_the_first_block_to_full_confidence(account, workspace, proposed):
    execute.begin(person(workspace), proposed.public_id, now=NOW)
    send()
    first = budgets(account)
    assert set(first) == {Decimal("46.00"), Decimal("34.00")}

    seen = [first]
    for block in range(1, 8):
        advance_to(4 * block)
        seen.append(budgets(account))
    for arm, column in zip(
        BudgetTestArm.objects.order_by("campaign_id"), zip(*seen, strict=True), strict=True
    ):
        assert [float(one) / 40 for one in column] == pytest.approx(arm.factors)
        assert sum(column) == 8 * 40
    rng = np.random.default_rng(2)
    AdDay.objects.bulk_create(
        AdDay(
            workspace=workspace,
            campaign=arm.campaign,
            on=NOW.date() + timedelta(days=4 * block + day),
            currency="GBP",
            spend=Decimal(f"{40 * factor:.2f}"),
            conversions=Decimal(3),
            conversion_value=Decimal(f"{20 * (40 * factor) ** 0.6 * rng.gamma(400, 1 / 400):.2f}"),
            read_at=NOW,
        )
        for arm in BudgetTestArm.objects.select_related("campaign")
        for block, factor in enumerate(arm.factors)
        for day in range(4)
    )
    advance_to(32)
    assert budgets(account) == [Decimal("40.00")] * 3
    advance_to(33)

    test = BudgetTest.objects.get()
    assert test.state == BudgetTest.State.READ
    assert test.exponent_low < 0.6 < test.exponent_high
    assert decisions.get(proposed.public_id).state == State.DONE
    slopes = budget_tests.slopes(account.campaigns, today=NOW.date() + timedelta(days=33))
    assert np.isfinite(slopes.error).all()


def test_a_campaign_under_test_is_left_alone_by_the_plan(account, workspace, proposed):
    execute.begin(person(workspace), proposed.public_id, now=NOW)
    send()

    assert budget_tests.in_test() == {one.pk for one in account.campaigns}


def test_a_change_by_somebody_else_ends_the_test_and_is_left_alone(account, workspace, proposed):
    ledger.set_cap(person(workspace), "daily_budget", Decimal(1_000), now=NOW)
    execute.begin(person(workspace), proposed.public_id, now=NOW)
    send()
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "9900"

    with time_machine.travel(NOW + timedelta(days=1), tick=True):
        account.read_again()
    advance_to(2)
    advance_to(3)

    test = BudgetTest.objects.get()
    assert test.state == BudgetTest.State.STOPPED
    assert test.state_reason == "Somebody changed the budget of Spring brides."
    assert budgets(account) == [Decimal("99.00"), Decimal("40.00"), Decimal("40.00")]


def test_a_person_stops_it_and_budgets_are_put_back(account, workspace, proposed):
    boss = person(workspace)
    execute.begin(boss, proposed.public_id, now=NOW)
    send()

    execute.roll_back(boss, proposed.public_id, now=NOW)
    advance_to(1)
    advance_to(2)

    assert budgets(account) == [Decimal("40.00")] * 3
    assert BudgetTest.objects.get().state == BudgetTest.State.STOPPED


def test_the_kill_switch_freezes_it_until_started_again(account, workspace, proposed):
    boss = person(workspace)
    execute.begin(boss, proposed.public_id, now=NOW)
    send()
    policies.stop(boss, reason="", now=NOW)
    before = budgets(account)

    advance_to(4)

    assert budgets(account) == before
    assert Change.objects.count() == 3


def test_a_change_by_somebody_else_that_was_not_read_yet_fails_its_step_and_ends_the_test(
    account, workspace, proposed
):
    execute.begin(person(workspace), proposed.public_id, now=NOW)
    send()
    for campaign in account.campaigns:
        account.fake.campaigns[campaign.external_id]["daily_budget"] = "9900"

    for day in range(4, 20, 4):
        advance_to(day)
        advance_to(day + 1)

    assert BudgetTest.objects.get().state != BudgetTest.State.RUNNING
    assert budgets(account) == [Decimal("99.00")] * 3
