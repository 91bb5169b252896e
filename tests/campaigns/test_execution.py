"""What is carried out at the platform, and what never is: over real HTTP, to the fake's own state."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from apps.accounts import events
from apps.accounts.models import AuditEntry, OutboxEvent
from apps.accounts.permissions import system
from apps.campaigns.models import Change, Recommendation, SpendCap
from apps.campaigns.optimization import (
    carrying_out,
    decisions,
    execute,
    ledger,
    policies,
    previews,
)
from apps.campaigns.optimization.gates import NotPossibleNow
from apps.campaigns.optimization.ledger import CapReached
from apps.campaigns.optimization.policies import AutoTerms, Stopped
from apps.integrations import modes, outbox
from apps.integrations.events import AdChangeSettled
from apps.integrations.models import Call, Connection
from apps.integrations.resilience.lanes import Lane
from tests.campaigns.conftest import person, recommend
from tests.factories import NOW
from tests.fakes.server import ResetAfter, ResetBefore

State = Recommendation.State


@pytest.fixture
def boss(workspace):
    return person(workspace)


def send() -> None:
    """What the workers would do now: send what is due, and settle what came of it."""
    outbox.relay(lane=int(Lane.MARKETING))
    for row in OutboxEvent.objects.filter(name=AdChangeSettled.name, due_at__isnull=False):
        events.deliver(event_id=row.pk)


def writes_of(account) -> list:
    return [one for one in account.fake.seen if one.method == "POST" and b"daily_budget" in one.body]


def approved(account, after="46", **more):
    found = recommend(account.campaigns[0], after, **more)
    return decisions.approve(person(account.connection.workspace), found.public_id, now=NOW)


def test_an_approved_change_reaches_the_platform_once(account, boss):
    found = approved(account)

    execute.begin(boss, found.public_id, now=NOW)
    send()

    assert account.budget_of(account.campaigns[0]) == Decimal("46.00")
    assert decisions.get(found.public_id).state == State.DONE
    assert len(writes_of(account)) == 1
    change = Change.objects.get()
    assert (change.state, change.increase, change.ordered_by) == ("done", Decimal("6.00"), "person-1")
    deeds = set(AuditEntry.objects.values_list("deed", flat=True))
    assert {"optimization.change_ordered", "optimization.change_done", "recommendation.approved"} <= deeds


def test_what_was_not_approved_is_not_carried_out(account, boss):
    found = recommend(account.campaigns[0], "46")

    with pytest.raises(NotPossibleNow, match="only what was approved"):
        execute.begin(boss, found.public_id, now=NOW)

    assert not Change.objects.exists()


def test_a_reset_after_the_write_was_applied_changes_nothing_twice(account, boss):
    found = approved(account)
    account.fake.misbehave(ResetAfter(), method="POST")

    execute.begin(boss, found.public_id, now=NOW)
    send()
    assert Call.objects.get(operation=policies.OPERATION).state == Call.State.UNKNOWN
    execute.reconcile(now=NOW)
    assert decisions.get(found.public_id).state == State.UNKNOWN
    with time_machine.travel(NOW + timedelta(minutes=20)):
        send()

    assert decisions.get(found.public_id).state == State.DONE
    assert account.budget_of(account.campaigns[0]) == Decimal("46.00")
    assert len(writes_of(account)) == 1


def test_a_reset_before_the_write_is_seen_not_to_have_been_done_and_made_once(account, boss):
    found = approved(account)
    account.fake.misbehave(ResetBefore(), method="POST")

    execute.begin(boss, found.public_id, now=NOW)
    send()
    with time_machine.travel(NOW + timedelta(minutes=20)):
        send()
        send()

    assert decisions.get(found.public_id).state == State.DONE
    assert account.budget_of(account.campaigns[0]) == Decimal("46.00")


def test_a_campaign_that_somebody_changed_meanwhile_is_left_alone(account, boss):
    found = approved(account)
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "9900"

    execute.begin(boss, found.public_id, now=NOW)
    send()

    seen = decisions.get(found.public_id)
    assert seen.state == State.FAILED
    assert "changed since" in seen.state_reason
    assert account.budget_of(account.campaigns[0]) == Decimal("99.00")
    assert not writes_of(account)


def test_rolling_back_restores_what_was_there(account, boss):
    found = approved(account)
    execute.begin(boss, found.public_id, now=NOW)
    send()

    execute.roll_back(boss, found.public_id, now=NOW)
    send()

    assert account.budget_of(account.campaigns[0]) == Decimal("40.00")
    assert decisions.get(found.public_id).state == State.ROLLED_BACK


def test_rolling_back_refuses_when_the_world_moved(account, boss):
    found = approved(account)
    execute.begin(boss, found.public_id, now=NOW)
    send()
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "7000"

    execute.roll_back(boss, found.public_id, now=NOW)
    send()

    seen = decisions.get(found.public_id)
    assert seen.state == State.DONE
    assert "not rolled back" in seen.state_reason
    assert account.budget_of(account.campaigns[0]) == Decimal("70.00")


def test_rolling_back_refuses_at_once_what_was_read_as_moved(account, boss):
    found = approved(account)
    execute.begin(boss, found.public_id, now=NOW)
    send()
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "7000"
    account.read_again()

    with pytest.raises(NotPossibleNow, match="Somebody changed it"):
        execute.roll_back(boss, found.public_id, now=NOW)

    assert decisions.get(found.public_id).state == State.DONE


def test_the_cap_of_all_budgets_holds(account, boss):
    ledger.set_cap(boss, SpendCap.Measure.DAILY_BUDGET, Decimal("125"), now=NOW)
    found = approved(account)

    with pytest.raises(CapReached, match="daily budgets may come to 125"):
        execute.begin(boss, found.public_id, now=NOW)

    assert not Change.objects.exists()
    assert decisions.get(found.public_id).state == State.APPROVED


def test_the_cap_of_a_day_counts_what_is_on_its_way_and_gives_back_what_failed(account, boss):
    ledger.set_cap(boss, SpendCap.Measure.DAILY_INCREASE, Decimal("8"), now=NOW)
    ledger.set_cap(boss, SpendCap.Measure.DAILY_BUDGET, Decimal("1000"), now=NOW)
    first, second = (
        decisions.approve(boss, recommend(one, "46").public_id, now=NOW) for one in account.campaigns[:2]
    )
    execute.begin(boss, first.public_id, now=NOW)

    with pytest.raises(CapReached, match="may rise by 8"):
        execute.begin(boss, second.public_id, now=NOW)
    account.fake.campaigns[account.campaigns[0].external_id]["daily_budget"] = "9900"
    send()
    execute.begin(boss, second.public_id, now=NOW)

    assert Change.objects.get(recommendation=second).state == Change.State.SENT


def test_a_lower_budget_needs_no_room(account, boss):
    ledger.set_cap(boss, SpendCap.Measure.DAILY_BUDGET, Decimal("1"), now=NOW)
    found = approved(account, "34")

    execute.begin(boss, found.public_id, now=NOW)
    send()

    assert account.budget_of(account.campaigns[0]) == Decimal("34.00")


def test_without_any_cap_nothing_rises(account, boss):
    SpendCap.objects.all().delete()
    found = approved(account)

    with pytest.raises(CapReached, match="has no cap"):
        execute.begin(boss, found.public_id, now=NOW)


def test_the_kill_switch_stops_what_has_not_left(account, boss):
    found = approved(account)
    execute.begin(boss, found.public_id, now=NOW)

    policies.stop(boss, reason="Something is odd.", now=NOW)
    send()

    assert account.budget_of(account.campaigns[0]) == Decimal("40.00")
    assert decisions.get(found.public_id).state == State.FAILED
    assert not writes_of(account)


def test_the_kill_switch_is_asked_in_the_last_moment(account, boss):
    found = approved(account)
    execute.begin(boss, found.public_id, now=NOW)
    claimed = outbox.claim(lane=int(Lane.MARKETING), now=NOW)

    policies.stop(boss, reason="", now=NOW)
    outbox._send_all(claimed)

    assert not writes_of(account)


def test_while_stopped_nothing_begins_until_it_is_started_again(account, boss):
    found = approved(account)
    policies.stop(boss, reason="", now=NOW)

    with pytest.raises(Stopped, match="person-1"):
        execute.begin(boss, found.public_id, now=NOW)
    policies.restart(boss, now=NOW)
    execute.begin(boss, found.public_id, now=NOW)

    assert Change.objects.count() == 1


def test_a_step_larger_than_allowed_is_refused(account, boss):
    found = approved(account, "49")

    with pytest.raises(NotPossibleNow, match="20 % at once") as refusal:
        execute.begin(boss, found.public_id, now=NOW)

    assert refusal.value.is_lasting


def test_a_campaign_rests_after_a_change(account, boss):
    first = approved(account)
    execute.begin(boss, first.public_id, now=NOW)
    send()
    account.read_again()
    again = decisions.approve(boss, recommend(account.campaigns[0], "50").public_id, now=NOW)

    with pytest.raises(NotPossibleNow, match="learn anew"):
        execute.begin(boss, again.public_id, now=NOW)


def test_nothing_is_changed_on_old_figures(account, boss):
    found = approved(account)

    with pytest.raises(NotPossibleNow, match="last read"):
        execute.begin(boss, found.public_id, now=NOW + timedelta(hours=48))


def test_nothing_is_changed_on_a_wedding_day_unless_the_policy_says_so(account, boss, workspace):
    found = approved(account)
    modes.begin_emergency(system(workspace.pk), reason="A bad day.", hours=2, now=NOW)

    with pytest.raises(NotPossibleNow, match="emergency"):
        execute.begin(boss, found.public_id, now=NOW)


def test_a_disconnected_account_is_left_alone(account, boss):
    found = approved(account)
    Connection.objects.update(state=Connection.State.NEEDS_SIGN_IN)

    with pytest.raises(NotPossibleNow, match="Connect it again"):
        execute.begin(boss, found.public_id, now=NOW)


def test_two_must_approve_what_is_above_the_amount_for_one(account, boss, workspace):
    policies.change(boss, {"four_eyes_above": Decimal(5)}, now=NOW)
    found = recommend(account.campaigns[0], "46")

    once = decisions.approve(boss, found.public_id, now=NOW)
    assert once.state == State.PROPOSED
    assert decisions.approve(boss, found.public_id, now=NOW).state == State.PROPOSED
    twice = decisions.approve(person(workspace, 2), found.public_id, now=NOW)

    assert twice.state == State.APPROVED


def test_the_policy_carries_out_what_it_may(account, boss, workspace):
    policies.set_auto(
        boss, "budget", AutoTerms(is_on=True, least_confidence=0.9, most_amount=Decimal(10)), now=NOW
    )
    sure = recommend(account.campaigns[0], "46", confidence=0.95)
    unsure = recommend(account.campaigns[1], "46", confidence=0.85)
    large = recommend(account.campaigns[2], "60", confidence=0.99)

    carrying_out.approve_what_policy_allows(now=NOW)
    carrying_out.carry_out(now=NOW)
    send()

    states = [decisions.get(one.public_id).state for one in (sure, unsure, large)]
    assert states == [State.DONE, State.PROPOSED, State.PROPOSED]
    assert decisions.get(sure.public_id).is_auto


def test_by_itself_only_within_the_hours(account, boss):
    policies.set_auto(
        boss, "budget", AutoTerms(is_on=True, least_confidence=0.9, most_amount=Decimal(10)), now=NOW
    )
    found = recommend(account.campaigns[0], "46")
    night = NOW.replace(hour=23)

    carrying_out.approve_what_policy_allows(now=night)
    carrying_out.carry_out(now=night)

    seen = decisions.get(found.public_id)
    assert seen.state == State.APPROVED
    assert "from 7:00 to 20:00" in seen.state_reason


def test_a_dry_run_shows_the_call_and_sends_nothing(account):
    found = recommend(account.campaigns[0], "46")
    before = len(account.fake.seen)

    seen = previews.calls(found)

    [call] = seen.calls
    assert (call.method, call.path) == ("POST", f"/v26.0/{account.campaigns[0].external_id}")
    assert "daily_budget=4600" in call.body
    assert seen.is_good
    checks = [one for one in account.fake.seen[before:] if one.method == "POST"]
    assert all(b"validate_only" in one.body for one in checks)
    assert account.budget_of(account.campaigns[0]) == Decimal("40.00")


def test_an_obstacle_is_told_without_doing_anything(account):
    found = recommend(account.campaigns[0], "49")

    assert "20 % at once" in previews.obstacle(found, now=NOW)
    assert not Change.objects.exists()
