"""The engine's runs: when they are due, what they find, and what they leave behind when something fails."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from apps.accounts import jobs
from apps.accounts.models import Job, OutboxEvent
from apps.campaigns.models import (
    Change,
    Kind,
    Outcome,
    PlanLine,
    Policy,
    Recommendation,
    Run,
    RunForecast,
    SpendCap,
)
from apps.campaigns.optimization import (
    decisions,
    mail_reports,
    outcomes,
    policies,
    runs,
    track_record,
    what_if,
)
from apps.integrations.models import AdCampaign, AdDay, AdGroup
from tests.campaigns.conftest import person, with_history
from tests.campaigns.conftest import recommend as recommended
from tests.factories import NOW

TRACK = "/api/v1/attribution/track"
Cadence, State = Run.Cadence, Recommendation.State


def make(cadence=Cadence.DAILY, now=NOW) -> Run:
    return runs.make(cadence, now=now)


def tick() -> None:
    """The clock's turn, and the job that it begins."""
    runs.tick()
    for job in Job.objects.filter(kind=runs.JOB, state=Job.State.QUEUED):
        jobs.run(job_id=job.pk)


def test_money_moves_from_where_it_earns_little_to_where_it_earns_much(account):
    with_history(account)

    run = make()

    assert (run.campaigns, run.gap < 1e-9) == (3, True)
    assert run.gain_low < run.gain < run.gain_high
    found = {one.campaign.name: one for one in Recommendation.objects.filter(kind=Kind.BUDGET)}
    raised = found["Spring brides"]
    assert (raised.before, raised.after, raised.amount) == ("40", "48", Decimal("8.00"))
    assert raised.confidence > 0.9
    assert raised.gain_low < raised.gain < raised.gain_high
    assert [one.amount < 0 for name, one in found.items() if name != "Spring brides"] == [True]
    assert all("£" in one.reasons[0] and one.doubts for one in found.values())
    total = sum(one.budget_planned for one in PlanLine.objects.filter(run=run))
    assert total == pytest.approx(120)


def test_a_run_that_is_made_again_replaces_what_nobody_decided_on(account):
    with_history(account)
    make()
    first = set(Recommendation.objects.values_list("pk", flat=True))

    make(now=NOW + timedelta(hours=1))

    old = Recommendation.objects.filter(pk__in=first)
    assert set(old.values_list("state", flat=True)) == {State.EXPIRED}
    assert Recommendation.objects.filter(state=State.PROPOSED).count() == len(first)


def test_what_was_rejected_is_not_proposed_again_for_two_weeks(account, workspace):
    with_history(account)
    make()
    one = Recommendation.objects.get(campaign__name="Spring brides", kind=Kind.BUDGET)
    decisions.reject(person(workspace), one.public_id, reason="Not now.", now=NOW)
    make(now=NOW + timedelta(days=1))
    assert not Recommendation.objects.filter(state=State.PROPOSED, campaign=one.campaign).exists()


def test_too_little_data_is_an_answer(account):
    with_history(account, days=5)

    run = make()

    assert not Recommendation.objects.filter(kind=Kind.BUDGET).exists()
    assert "Fewer than two campaigns" in run.note
    assert PlanLine.objects.exclude(silent_because="").count() == 3


def test_without_campaigns_a_run_says_so(workspace):
    assert "No campaign" in make().note


def test_a_currency_without_a_rate_is_left_out_and_told(account):
    with_history(account)
    AdCampaign.objects.filter(name="Albums").update(currency="EUR")

    make()

    line = PlanLine.objects.get(campaign__name="Albums")
    assert "no exchange rate from EUR" in line.silent_because
    assert line.budget_planned is None


def test_a_paused_campaign_keeps_its_place_and_is_not_planned(account):
    with_history(account)
    AdCampaign.objects.filter(name="Albums").update(status="paused")

    make()

    assert PlanLine.objects.get(campaign__name="Albums").silent_because == "It is paused."


def test_a_budget_that_is_not_used_up_is_not_the_bound(account):
    with_history(account)
    AdCampaign.objects.filter(name="Spring brides").update(budget=Decimal(200))

    make()

    assert "of its budget only" in PlanLine.objects.get(campaign__name="Spring brides").silent_because


def test_the_cap_of_a_campaign_holds_the_plan(account, workspace):
    with_history(account)
    SpendCap.objects.create(
        workspace=workspace,
        measure="daily_budget",
        campaign=AdCampaign.objects.get(name="Spring brides"),
        amount=Decimal(42),
    )

    run = make()

    line = PlanLine.objects.get(run=run, campaign__name="Spring brides")
    assert line.budget_planned == pytest.approx(42)
    assert line.binds == "maximum"


def test_the_first_run_is_due_once_there_are_figures(account, workspace):
    policy = policies.get()
    assert runs.due(policy, workspace, now=NOW) == ""

    with_history(account)

    assert runs.due(policy, workspace, now=NOW) == Cadence.WEEKLY


def test_a_day_has_one_run_and_a_week_one_report(account, workspace):
    with_history(account)
    tick()
    assert Run.objects.get().cadence == Cadence.WEEKLY

    tick()
    assert Run.objects.count() == 1
    with time_machine.travel(NOW + timedelta(days=1), tick=True):
        tick()

    assert list(Run.objects.order_by("pk").values_list("cadence", flat=True)) == ["weekly", "daily"]


def test_before_its_hour_the_day_has_no_run(account, workspace):
    with_history(account)
    Policy.objects.update_or_create(workspace=workspace, defaults={"daily_done_on": "2026-11-19"})

    assert runs.due(policies.get(), workspace, now=NOW.replace(hour=5)) == ""
    assert runs.due(policies.get(), workspace, now=NOW.replace(hour=6)) != ""


def test_switched_off_no_run_is_made(account, workspace):
    with_history(account)
    policies.change(person(workspace), {"is_on": False}, now=NOW)

    tick()

    assert not Run.objects.exists()


def test_after_a_run_that_failed_the_schedule_waits_an_hour(account, workspace):
    with_history(account)
    Job.objects.create(workspace=workspace, kind=runs.JOB, title="Look", state="failed")
    Job.objects.update(created_at=NOW - timedelta(minutes=10))

    assert runs.due(policies.get(), workspace, now=NOW) == ""
    assert runs.due(policies.get(), workspace, now=NOW + timedelta(hours=1)) != ""


def test_who_asks_while_a_run_is_under_way_gets_that_one(account, actor, workspace):
    job = Job.objects.create(workspace=workspace, kind=runs.JOB, title="Look", state="running")

    assert runs.ask(actor) == job


def test_a_run_is_asked_for_by_a_job(account, actor):
    with_history(account)

    job = runs.ask(actor)
    if job.state != job.State.DONE:
        jobs.run(job_id=job.pk)

    job.refresh_from_db()
    assert job.result == {"run": str(Run.objects.get().public_id)}
    assert OutboxEvent.objects.filter(name="campaigns.run.finished").count() == 1


def test_a_change_is_measured_after_a_week_against_the_others(account):
    """Spring brides earned 100 a day; raised 8 days ago, it earns 150, and the others as before."""
    rows = []
    today = NOW.date()
    for campaign in account.campaigns:
        for ago in range(1, 61):
            is_raised = campaign.name == "Spring brides" and ago <= 8
            wobble = ago % 3 - 1
            rows.append(
                AdDay(
                    workspace_id=campaign.workspace_id,
                    campaign=campaign,
                    on=today - timedelta(days=ago),
                    currency="GBP",
                    spend=Decimal(48 if is_raised else 40),
                    conversion_value=Decimal((150 if is_raised else 100) + wobble),
                    read_at=NOW,
                )
            )
    AdDay.objects.bulk_create(rows)
    found = recommended(
        account.campaigns[0], "48", state=State.DONE, done_at=NOW - timedelta(days=9), gain=30.0
    )

    assert outcomes.measure_due(now=NOW) == 1

    outcome = Outcome.objects.get()
    assert (outcome.after_days, outcome.claimed) == (7, 30.0)
    assert outcome.realised == pytest.approx(42, abs=2)
    assert outcome.realised_low < outcome.realised < outcome.realised_high
    assert outcome.verdict == Outcome.Verdict.CAME_TRUE
    found.refresh_from_db()
    assert found.state == State.MEASURED
    assert outcomes.measure_due(now=NOW) == 0
    assert track_record.read().came_true == 1


def test_a_kind_whose_claims_do_not_come_true_loses_the_right_to_act_alone(account, workspace):
    boss = person(workspace)
    policies.set_auto(
        boss,
        "budget",
        policies.AutoTerms(is_on=True, least_confidence=0.9, most_amount=Decimal(50)),
        now=NOW,
    )
    for number in range(12):
        found = recommended(account.campaigns[0], "48", state=State.MEASURED, done_at=NOW, confidence=0.95)
        Outcome.objects.create(
            workspace=workspace,
            recommendation=found,
            after_days=7,
            measured_at=NOW,
            confidence=0.95,
            claimed=5.0,
            realised=-5.0 if number < 6 else 5.0,
            realised_low=-6.0,
            realised_high=6.0,
            verdict=Outcome.Verdict.DID_NOT if number < 6 else Outcome.Verdict.CAME_TRUE,
        )

    assert track_record.review(now=NOW) == ["budget"]

    rule = policies.auto_rules()["budget"]
    assert not rule.is_on
    assert "6 came true" in rule.demoted_because
    assert OutboxEvent.objects.filter(name="campaigns.auto_rule.demoted").count() == 1


def test_the_frontier_rises_and_flattens(account):
    with_history(account)
    found = what_if.curved(make())

    points = what_if.frontier_of(found)

    assert len(points) == 50
    revenue = [one.revenue for one in points]
    returns = [one.marginal_return for one in points]
    assert revenue == sorted(revenue)
    assert returns == sorted(returns, reverse=True)


def test_the_next_weeks_are_foreseen_with_and_without_the_plan(account):
    """Of about 120 a day, at curves that are known; the plan earns more for the same spend."""
    with_history(account)

    now, planned = RunForecast.objects.filter(run=make()).order_by("scenario")

    assert (now.scenario, planned.scenario) == ("now", "planned")
    assert now.spend == pytest.approx(planned.spend, rel=0.02)
    assert now.spend == pytest.approx(28 * 120, rel=0.1)
    truth = 28 * (30 + 9 + 8) * 40**0.6
    assert now.revenue_low < truth < now.revenue_high
    assert now.revenue == pytest.approx(truth, rel=0.1)
    assert planned.revenue > now.revenue
    assert now.roi == pytest.approx(now.profit / now.spend, rel=0.01)


def test_too_few_days_are_no_forecast(account):
    with_history(account, days=5)

    [found] = RunForecast.objects.filter(run=make())

    assert found.revenue is None
    assert "Not enough data" in found.because


def test_revenue_may_be_what_attribution_credits(account, api, workspace):
    """Albums claims sales that others earned: of its revenue attribution knows nothing."""
    with_history(account)
    spring, venues, _ = account.campaigns
    for campaign, revenue in ((spring, 20_000), (venues, 7_000)):
        person_id, at = f"ada-{campaign.pk}", NOW - timedelta(days=10)
        event = {
            "user_id": person_id,
            "event_type": "click",
            "platform": "meta",
            "campaign_id": campaign.external_id,
            "occurred_at": at.isoformat(),
        }
        bought = {
            "user_id": person_id,
            "conversion_type": "purchase",
            "revenue": revenue,
            "order_id": f"o-{campaign.pk}",
            "occurred_at": (at + timedelta(days=1)).isoformat(),
        }
        assert api.post(f"{TRACK}/event", event, format="json").status_code < 300
        assert api.post(f"{TRACK}/conversion", bought, format="json").status_code < 300
    policies.change(person(workspace), {"counts_revenue_by": "attribution"}, now=NOW)

    run = make()

    assert "what attribution credits" in run.note
    lines = {one.campaign.name: one for one in PlanLine.objects.filter(run=run)}
    assert "no revenue" in lines["Albums"].silent_because
    assert lines["Spring brides"].scale > lines["Venues near you"].scale
    claimed = sum(float(day.conversion_value) for day in AdDay.objects.filter(campaign=spring))
    raised = Recommendation.objects.filter(campaign=spring, kind=Kind.BUDGET).first()
    assert raised is None or raised.evidence["revenue_factor"] == pytest.approx(20_000 / claimed, rel=0.01)
    assert lines["Spring brides"].revenue_now == pytest.approx(20_000 / 90, rel=0.2)


def test_a_total_that_is_further_away_than_one_step_is_gone_towards(account, workspace):
    with_history(account)
    policies.change(person(workspace), {"total_daily_budget": Decimal(60)}, now=NOW)

    run = make()

    assert run.total_budget == Decimal("96.00")  # three campaigns of 40, a fifth less each
    assert "£60 a day that was set is further away than one step: this plan goes to £96" in run.note


def test_a_paused_campaign_takes_nothing_of_the_total(account, workspace):
    with_history(account)
    AdCampaign.objects.filter(name="Albums").update(status="paused")
    policies.change(person(workspace), {"total_daily_budget": Decimal(84)}, now=NOW)

    run = make()

    assert (run.total_budget, run.note) == (Decimal("84.00"), "")


def test_as_much_as_pays_stays_within_the_cap_of_an_account(account, workspace):
    with_history(account)
    SpendCap.objects.create(
        workspace=workspace, measure="daily_budget", connection=account.connection, amount=Decimal(122)
    )
    policies.change(person(workspace), {"spends_what_pays": True}, now=NOW)

    run = make()

    assert run.total_budget == Decimal("122.00")


def test_what_stays_as_it_is_counts_against_the_caps_of_a_plan(account, workspace):
    """Albums may not be moved and has 40 of the 124 that the account may spend, of which 84 are left."""
    with_history(account)
    AdDay.objects.filter(campaign__name="Albums").update(spend=Decimal(40))
    SpendCap.objects.create(
        workspace=workspace, measure="daily_budget", connection=account.connection, amount=Decimal(124)
    )
    policies.change(person(workspace), {"spends_what_pays": True}, now=NOW)

    assert make().total_budget == Decimal("84.00")


def test_the_plan_stays_within_the_cap_of_all_campaigns(account, workspace):
    with_history(account)
    SpendCap.objects.filter(measure="daily_budget").update(amount=Decimal(121))
    policies.change(person(workspace), {"spends_what_pays": True}, now=NOW)

    assert make().total_budget == Decimal("121.00")


def test_where_the_next_pound_earns_itself_nothing_is_said_of_spending_less(account, workspace):
    with_history(account)
    policies.change(person(workspace), {"spends_what_pays": True}, now=NOW)
    Policy.objects.update(largest_change_percent=100, margin=Decimal("0.3"))

    run = make()

    assert run.marginal_return * 0.3 == pytest.approx(1)
    assert run.note == ""


def test_money_that_is_new_is_not_said_to_come_from_another_campaign(account, workspace):
    with_history(account)
    policies.change(person(workspace), {"total_daily_budget": Decimal(125)}, now=NOW)

    make()

    said = Recommendation.objects.get(campaign__name="Spring brides", kind=Kind.BUDGET).reasons[0]
    assert "% of the money comes from Venues near you" in said
    assert "the rest is new" in said


def test_a_name_of_any_length_leaves_room_for_the_amounts(account):
    with_history(account)
    AdCampaign.objects.filter(name="Spring brides").update(name="Bride " * 66)

    make()

    title = Recommendation.objects.get(campaign__name__startswith="Bride", kind=Kind.BUDGET).title
    assert title.endswith("… from £40.00 to £48.00")


def test_the_report_says_profit_counts_in_words_and_is_never_certain(account, workspace):
    with_history(account)
    run = make()
    made = list(Recommendation.objects.filter(run=run).order_by("pk"))
    for one in made:
        one.confidence = 1.0

    text = mail_reports.text_of(run, made)

    assert "The best plan for the same money would add £" in text
    assert "of profit a day (95 % £" in text
    assert "over 99" in text
    assert not re.search(r"\b100\b", text)


def test_the_report_of_another_total_does_not_call_it_the_same_money(account, workspace):
    with_history(account)
    policies.change(person(workspace), {"total_daily_budget": Decimal(60)}, now=NOW)
    run = make()

    text = mail_reports.text_of(run, [])

    assert "The best plan of £96.00 a day instead of £120.00 would cost £" in text
    assert "further away than one step" in text


def test_a_target_cost_is_no_estimate_and_another_currency_is_told_in_ours(account, workspace):
    with_history(account)
    campaign = account.campaigns[0]
    AdGroup.objects.create(
        workspace=workspace, campaign=campaign, external_id="g1", name="Brides", status="active",
        bid=Decimal(20), currency="GBP", bid_strategy="COST_CAP", read_at=NOW,
    )  # fmt: skip
    policies.change(person(workspace), {"target_cost_per_conversion": Decimal(40)}, now=NOW)

    make()

    found = Recommendation.objects.get(kind=Kind.BID, target="g1")
    assert "A conversion may cost £40.00, and the bid is £20.00." in found.reasons[0]


def test_a_rule_that_acts_on_less_is_judged_by_what_it_acts_on(account, workspace):
    terms = policies.AutoTerms(is_on=True, least_confidence=0.7, most_amount=Decimal(50))
    policies.set_auto(person(workspace), "budget", terms, now=NOW)
    for number in range(12):
        found = recommended(account.campaigns[0], "48", state=State.MEASURED, done_at=NOW, confidence=0.75)
        Outcome.objects.create(
            workspace=workspace, recommendation=found, after_days=7, measured_at=NOW, confidence=0.75,
            verdict=Outcome.Verdict.DID_NOT if number else Outcome.Verdict.CAME_TRUE,
        )  # fmt: skip

    assert track_record.review(now=NOW) == ["budget"]
    assert "1 came true" in policies.auto_rules()["budget"].demoted_because


def test_a_campaign_that_was_just_changed_rests_and_the_plan_does_not_count_on_it(account, workspace):
    with_history(account)
    found = recommended(account.campaigns[0], "48", state=State.DONE, done_at=NOW)
    change = Change.objects.create(
        workspace=workspace, recommendation=found, campaign=found.campaign, before="40", after="48",
        day=NOW.date(), state=Change.State.DONE, ordered_by="ada@example.com", created_at=NOW,
    )  # fmt: skip

    run = make(now=NOW + timedelta(days=7))
    line = PlanLine.objects.get(run=run, campaign=found.campaign)
    assert line.silent_because == "It was changed on 20 November and rests until 28 November."
    assert not Recommendation.objects.filter(campaign=found.campaign, state=State.PROPOSED, kind="budget")

    Change.objects.filter(pk=change.pk).update(day=NOW.date() - timedelta(days=1))
    run = make(now=NOW + timedelta(days=7))
    assert PlanLine.objects.get(run=run, campaign=found.campaign).silent_because == ""
