"""Many at once: fifty approvals against one cap never spend more than it."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import time_machine
from django.db import connections
from django.db.models import Sum

from apps.accounts import scoping
from apps.campaigns.models import Change, Recommendation, Run, SpendCap
from apps.campaigns.optimization import decisions, execute, ledger
from apps.campaigns.optimization.gates import NotPossibleNow
from apps.campaigns.optimization.ledger import CapReached
from apps.integrations.models import AdCampaign, Connection
from tests.campaigns.conftest import person, recommend
from tests.conftest import committed
from tests.factories import NOW

MANY = 50


@pytest.fixture
def crowd(workspace):
    """Fifty campaigns of 40.00 a day, each with a change to 45.00 that waits for a yes."""
    connection = Connection.objects.create(
        workspace=workspace, service="meta_ads", account="1234", label="Meta", state_changed_at=NOW
    )
    campaigns = AdCampaign.objects.bulk_create(
        AdCampaign(
            workspace=workspace,
            connection=connection,
            external_id=str(number),
            name=f"Campaign {number}",
            status="active",
            currency="GBP",
            budget=Decimal(40),
            budget_kind="daily",
            read_at=NOW,
        )
        for number in range(MANY)
    )
    ledger.set_cap(person(workspace), SpendCap.Measure.DAILY_BUDGET, Decimal(2_060), now=NOW)
    return [recommend(one, "45") for one in campaigns]


@committed
def test_fifty_approvals_at_once_never_break_a_cap(workspace, crowd):
    """2,000 are spent; the cap of 2,060 has room for twelve rises of 5."""
    boss = person(workspace)

    def say_yes(found: Recommendation) -> str:
        try:
            with scoping.workspace(workspace):
                decisions.approve(boss, found.public_id, now=NOW)
                execute.begin(boss, found.public_id, now=NOW)
        except CapReached:
            return "capped"
        finally:
            connections.close_all()
        return "begun"

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(16) as pool:
        said = list(pool.map(say_yes, crowd))

    assert said.count("begun") == 12
    assert Change.objects.aggregate(sum=Sum("increase"))["sum"] == Decimal(60)
    assert ledger.standings(day=NOW.date())[0].used == Decimal(2_060)


@committed
def test_one_recommendation_carried_out_by_ten_at_once_is_one_change(workspace, crowd):
    boss = person(workspace)
    [found, *_] = crowd
    decisions.approve(boss, found.public_id, now=NOW)

    def carry_out(_: int) -> str:
        try:
            with scoping.workspace(workspace):
                execute.begin(boss, found.public_id, now=NOW)
        except NotPossibleNow:
            return "refused"
        finally:
            connections.close_all()
        return "begun"

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(10) as pool:
        said = list(pool.map(carry_out, range(10)))

    assert said.count("begun") == 1
    assert Change.objects.count() == 1
    assert Run.objects.count() == MANY
