"""The pages of optimisation, as somebody who decides about money uses them."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import AuditEntry, Job
from apps.campaigns.models import Change, Outcome, PlanLine, Policy, Recommendation, Run, SpendCap
from apps.campaigns.optimization import decisions, execute, policies, runs, what_if
from apps.campaigns.reports import plan as plans
from apps.integrations.models import AdCampaign, AdDay
from tests.campaigns.conftest import person, recommend, with_history
from tests.factories import NOW, MembershipFactory, PersonFactory, UserFactory, member

State = Recommendation.State
PAGES = ("plan", "engine", "recommendations", "log", "track-record", "limits")
DEEDS = ("run", "stop", "start", "approve-many", "limits", "auto", "cap")
DEEDS_OF_ONE = ("approve", "reject", "by-hand", "carry-out", "roll-back", "calls")


def at(name, *args):
    return reverse(f"optimization:{name}", args=args)


def text_of(answer):
    """What is read: without tags, on one line."""
    words = re.sub(r"<(script|style).*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", words).replace("\N{NO-BREAK SPACE}", " ").split())


def as_(workspace, role):
    client = Client()
    client.force_login(member(workspace, role))
    return client


def htmx(client, address, data=None):
    return client.get(address, data or {}, headers={"HX-Request": "true"})


@pytest.fixture
def planned(account):
    """A run with a plan and its proposals."""
    with_history(account)
    return runs.make(Run.Cadence.DAILY, now=NOW)


@pytest.fixture
def proposed(account):
    return recommend(account.campaigns[0], "46", gain_low=2.0, gain_high=9.0, doubts=["It may rain."])


def done(found, *, days_ago=10):
    """As it stands once it was carried out."""
    moment = NOW - timedelta(days=days_ago)
    Recommendation.objects.filter(pk=found.pk).update(
        state=State.DONE, done_at=moment, decided_at=moment, changed_at=moment
    )
    change = Change.objects.create(
        workspace_id=found.workspace_id, recommendation=found, campaign=found.campaign, before=found.before,
        after=found.after, increase=Decimal(6), budget_after=Decimal(46), day=moment.date(),
        state=Change.State.DONE, ordered_by="ada@example.com", created_at=moment, settled_at=moment,
    )  # fmt: skip
    AdCampaign.objects.filter(pk=found.campaign_id).update(budget=Decimal(found.after))
    found.refresh_from_db()
    return change


# Doors


@pytest.mark.parametrize("role", ["owner", "admin", "analyst", "operator", "viewer"])
def test_whoever_may_read_sees_every_page_and_the_switch(workspace, role):
    client = as_(workspace, role)

    for name in PAGES:
        shown = client.get(at(name))
        assert shown.status_code == 200, name
        assert (at("stop") in shown.content.decode()) == (role != "viewer"), name
        assert "Nothing is on its way at this moment." in text_of(shown), name


@pytest.mark.parametrize("name", PAGES)
def test_a_customer_sees_none(workspace, name):
    client, user = Client(), UserFactory()
    person = PersonFactory(workspace=workspace)
    MembershipFactory(workspace=workspace, user=user, role="customer", person=person)
    client.force_login(user)

    assert client.get(at(name)).status_code == 403


@pytest.mark.parametrize("name", DEEDS)
def test_a_viewer_does_nothing(workspace, name):
    answer = as_(workspace, "viewer").post(at(name), {"reason": "x", "is_on": "on"})

    assert answer.status_code == 403
    assert not AuditEntry.objects.filter(deed__startswith="optimization.").exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", DEEDS_OF_ONE)
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_whoever_may_not_decide_decides_nothing(workspace, proposed, name, role):
    answer = as_(workspace, role).post(at(name, proposed.public_id))

    assert answer.status_code == 403
    proposed.refresh_from_db()
    assert proposed.state == State.PROPOSED
    assert not Change.objects.exists()


@pytest.mark.parametrize("name", ["recommendation", *DEEDS_OF_ONE])
def test_another_workspaces_recommendation_is_not_there(page, name):
    address = at(name, "019ac000-0000-7000-8000-000000000000")
    answer = page.get(address) if name == "recommendation" else page.post(address)

    assert answer.status_code == 404


def test_the_rail_leads_there(page):
    assert f'href="{at("plan")}"' in page.get("/jobs/").content.decode()


# The plan


def test_without_an_account_the_plan_says_what_to_connect(page):
    shown = text_of(page.get(at("plan")))

    assert "No ad account is connected yet." in shown
    assert "Connect an account" in shown


def test_without_enough_days_the_plan_says_how_many_there_are(page, account):
    AdDay.objects.create(
        workspace_id=account.connection.workspace_id, campaign=account.campaigns[0],
        on=NOW.date() - timedelta(days=1), currency="GBP", spend=Decimal(40), read_at=NOW,
    )  # fmt: skip

    shown = text_of(page.get(at("plan")))

    assert "The first plan needs 14 days of figures; 1 is there." in shown
    assert "Run it now" in shown


def test_a_run_without_a_plan_says_why(page, account):
    runs.make(Run.Cadence.DAILY, now=NOW)

    shown = text_of(page.get(at("plan")))

    assert "There is no plan yet." in shown
    assert "Fewer than two campaigns may be moved; each of the others says why." in shown
    assert "Not enough data" in shown  # of each campaign that is left out


def test_the_plan_is_a_sentence_with_its_interval_its_sample_and_its_date(page, planned):
    shown = text_of(page.get(at("plan")))

    assert re.search(r"£\d+\.\d\d a day more from the same money: move £\d+\.\d\d from .* to Spring", shown)
    assert re.search(r"with 95 % between £[\d.]+ and £[\d.]+, learnt from 3 campaigns", shown)
    assert "computed just now" in shown
    assert "It may not rise further in one step." in shown
    assert "proven: by these curves no other within the limits earns more" in shown


def test_a_total_that_costs_profit_is_not_called_the_best_there_is(page, account, workspace):
    with_history(account)
    policies.change(person(workspace), {"total_daily_budget": Decimal(60)}, now=NOW)
    runs.make(Run.Cadence.DAILY, now=NOW)

    shown = text_of(page.get(at("plan")))

    assert "Spending £96.00 a day instead of £120.00 perhaps costs £" in shown
    assert "already lies" not in shown


def test_a_plan_of_before_says_whose_budgets_have_changed(page, planned):
    assert "since this plan was made" not in text_of(page.get(at("plan")))

    AdCampaign.objects.filter(name="Albums").update(budget=Decimal(48))
    AdCampaign.objects.filter(name="Spring brides").update(status="paused")

    shown = text_of(page.get(at("plan")))
    assert "Spring brides and Albums have been changed or paused since this plan was made." in shown


def test_budgets_in_whole_coins_add_up_to_their_total(planned):
    found = what_if.curved(planned)
    for total, currency in ((100.01, "GBP"), (133.33, "GBP"), (101, "JPY")):
        shown = plans.for_total(policies.get(), found, total, currency=currency)
        coin = Decimal("0.01") if currency == "GBP" else Decimal(1)
        coins = [Decimal(row.planned).quantize(coin) for row in shown.rows]
        assert sum(coins) == Decimal(total).quantize(coin)
        assert [float(one) for one in coins] == [row.planned for row in shown.rows]


def test_what_the_plan_leaves_alone_says_why(page, planned):
    line = PlanLine.objects.filter(run=planned).first()
    line.silent_because, line.anomaly = "It is paused.", "Its spend tripled."
    line.save()

    shown = text_of(page.get(at("plan")))

    assert "Left as they are" in shown
    assert "It is paused." in shown
    assert "Its spend tripled." in shown


def test_another_total_is_answered_as_part_of_the_page(page, planned):
    answer = htmx(page, at("plan-for"), {"total": "150"})

    shown = text_of(answer)
    assert "<html" not in answer.content.decode()
    assert re.search(
        r"£150 a day at its best would (perhaps )?bring £[\d.]+ a day more of revenue than today\.", shown
    )
    assert re.search(r"It (adds|costs) £[\d.]+ of profit a day 95 % .*to", shown)
    assert "At this total" in shown
    assert "£150.00" in shown  # the budgets add up to what was asked


def test_no_budget_goes_where_its_curve_is_a_guess(planned):
    found = what_if.curved(planned)

    shown = plans.for_total(policies.get(), found, 3 * 60.0, currency="GBP")

    assert all(0.2 * row.now - 0.01 <= row.planned <= 3 * row.now + 0.01 for row in shown.rows)
    assert "Three times today's: above that its curve is a guess." in {row.binds for row in shown.rows}


def test_another_total_works_as_a_plain_link_too(page, planned):
    answer = page.get(at("plan-for"), {"total": "150"})
    assert answer.headers["Location"] == f"{at('plan')}?total=150"

    shown = text_of(page.get(answer.headers["Location"]))

    assert "£150 a day at its best would" in shown
    assert "Where the next pound goes" in shown


@pytest.mark.parametrize("total", ["", "much", "nan", "inf", "-5", "0", "1e9", "9" * 400])
def test_a_total_that_the_curves_cannot_speak_of_is_named(page, planned, total):
    answer = htmx(page, at("plan-for"), {"total": total})

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert "At this total" not in text_of(answer)
    assert page.get(at("plan"), {"total": total}).status_code == 200


def test_before_there_is_a_plan_another_total_leads_back(page):
    assert htmx(page, at("plan-for"), {"total": "9"}).status_code == 302


# The engine at work


def test_a_run_is_asked_for_once(page, account):
    page.post(at("run"))
    answer = page.post(at("run"), follow=True)

    assert Job.objects.filter(kind=runs.JOB).count() == 1
    assert "It is looking already." in text_of(answer)


def test_the_engine_is_asked_again_only_while_something_is_under_way(page, planned):
    assert "every 3s" not in htmx(page, at("engine")).content.decode()

    page.post(at("run"))
    busy = htmx(page, at("engine")).content.decode()

    assert "every 3s" in busy
    assert "<html" not in busy
    assert "starts as soon as a worker is free" in busy


def test_what_waits_for_its_hour_is_not_asked_for_again_and_again(page, proposed):
    page.post(at("approve", proposed.public_id))
    assert "every 3s" in htmx(page, at("engine")).content.decode()

    Recommendation.objects.update(decided_at=NOW - timedelta(hours=3))

    shown = htmx(page, at("engine"))
    assert "every 3s" not in shown.content.decode()
    assert "1 approved change waits until nothing stands in the way." in text_of(shown)


def test_a_run_under_way_is_shown(page, workspace):
    page.post(at("run"))
    Job.objects.update(state=Job.State.RUNNING, started_at=NOW)

    assert "It is looking at the campaigns." in text_of(page.get(at("engine")))
    assert "Looking at all campaigns: reading figures" in htmx(page, at("engine")).content.decode()
    assert "The first plan" not in text_of(page.get(at("engine")))


def test_whoever_looked_on_is_led_to_the_new_plan(page, planned):
    assert "See the new plan" in htmx(page, at("engine")).content.decode()
    assert "See the new plan" not in page.get(at("engine")).content.decode()


def test_a_run_that_did_not_end_says_so(page, account):
    page.post(at("run"))
    Job.objects.update(state=Job.State.FAILED, finished_at=NOW, message="Something went wrong on our side.")

    shown = text_of(page.get(at("plan")))

    assert "The first look at the campaigns did not end." in shown
    assert "Something went wrong on our side." in shown


def test_the_engine_says_when_it_looks_again(page, planned):
    assert "looks again 21 Nov 2026, 06:00" in text_of(page.get(at("engine")))


# The switch


def test_everything_is_stopped_and_started_again_from_any_page(page, workspace, owner):
    answer = page.post(at("stop"), {"reason": "Wrong prices.", "next": at("log")}, follow=True)

    assert answer.redirect_chain == [(at("log"), 302)]
    shown = text_of(answer)
    assert "Everything is stopped since 20 Nov 2026, 12:00, by" in shown
    assert "“Wrong prices.”" in shown
    assert Policy.objects.get().stopped_at is not None
    for name in PAGES:
        assert "Start again" in text_of(page.get(at(name)))

    shown = text_of(page.post(at("start"), follow=True))

    assert Policy.objects.get().stopped_at is None
    assert "Everything is stopped" not in shown
    assert AuditEntry.objects.filter(deed__in=["optimization.stopped", "optimization.restarted"]).count() == 2


def test_an_operator_stops_and_an_owner_starts(workspace):
    operator = as_(workspace, "operator")

    operator.post(at("stop"))

    assert "An owner or admin starts it again." in text_of(operator.get(at("plan")))
    assert operator.post(at("start")).status_code == 403
    assert Policy.objects.get().stopped_at is not None


def test_a_reason_of_any_length_does_not_keep_anybody_from_stopping(page):
    page.post(at("stop"), {"reason": "x" * 5_000})

    assert Policy.objects.get().stopped_at is not None


def test_what_is_on_its_way_is_named_beside_the_switch(page, workspace, account, proposed):
    decisions.approve(person(workspace), proposed.public_id, now=NOW)
    execute.begin(person(workspace), proposed.public_id, now=NOW)

    shown = text_of(page.get(at("limits")))

    assert "1 change on its way at this moment." in shown
    assert proposed.title in shown


# Recommendations


def test_a_proposal_says_what_it_brings_how_sure_it_is_and_what_it_waits_for(page, proposed):
    shown = text_of(page.get(at("recommendations")))

    assert "1 change waits for a yes or a no." in shown
    assert "£5.00 £2.00 to £9.00" in shown
    assert "Sure 95 %" in shown
    assert "It pays." in shown
    assert "It waits for a yes." in shown


def test_the_three_empty_lists_say_three_things(page, workspace, account):
    assert "See the plan" in text_of(page.get(at("recommendations")))
    assert "an owner or admin decides" in text_of(as_(workspace, "viewer").get(at("recommendations")))
    assert "Nothing matches this filter." in text_of(page.get(at("recommendations"), {"kind": "bid"}))


def test_a_filter_that_is_none_is_none(page, proposed):
    shown = page.get(at("recommendations"), {"state": "../", "kind": "x", "before": "y"})

    assert shown.status_code == 200
    assert proposed.title in shown.content.decode()


def test_states_and_kinds_filter(page, account, proposed):
    other = recommend(account.campaigns[1], "30", kind="bid", title="Lower a bid", state=State.REJECTED)

    over = text_of(page.get(at("recommendations"), {"state": "over"}))
    bids = text_of(page.get(at("recommendations"), {"kind": "bid"}))

    assert (other.title in over, proposed.title in over) == (True, False)
    assert (other.title in bids, proposed.title in bids) == (True, False)
    assert proposed.title in text_of(page.get(at("recommendations"), {"state": "to_decide"}))


def test_a_yes_counts_once(page, proposed):
    page.post(at("approve", proposed.public_id))
    again = page.post(at("approve", proposed.public_id), follow=True)

    proposed.refresh_from_db()
    assert proposed.state == State.APPROVED
    assert "It is Approved already." in text_of(again)
    assert AuditEntry.objects.filter(deed="recommendation.approved").count() == 1


def test_several_are_approved_at_once_and_what_cannot_be_says_why(page, account):
    first, second = (recommend(one, "46") for one in account.campaigns[:2])
    gone = recommend(account.campaigns[2], "46", expires_at=NOW - timedelta(hours=1))
    chosen = [first.public_id, second.public_id, second.public_id, gone.public_id, "rubbish"]

    shown = text_of(page.post(at("approve-many"), {"chosen": chosen}, follow=True))

    states = dict(Recommendation.objects.values_list("pk", "state"))
    assert states == {first.pk: "approved", second.pk: "approved", gone.pk: "proposed"}
    assert "You said yes to 2 recommendations." in shown
    assert "1 recommendation: It has expired." in shown


def test_nothing_ticked_approves_nothing(page, proposed):
    shown = text_of(page.post(at("approve-many"), follow=True))

    assert "Tick what you approve first." in shown
    assert not AuditEntry.objects.filter(deed="recommendation.approved").exists()


def test_above_the_amount_for_one_two_people_must_say_yes(page, workspace, proposed):
    policies.change(person(workspace), {"four_eyes_above": Decimal(1)}, now=NOW)

    assert "two people must say yes" in text_of(page.get(at("recommendations")))
    page.post(at("approve", proposed.public_id))
    proposed.refresh_from_db()
    assert proposed.state == State.PROPOSED
    as_(workspace, "admin").post(at("approve", proposed.public_id))

    proposed.refresh_from_db()
    assert proposed.state == State.APPROVED


def test_a_no_keeps_its_reason(page, proposed):
    page.post(at("reject", proposed.public_id), {"reason": "The fair is over."})

    proposed.refresh_from_db()
    assert (proposed.state, proposed.state_reason) == (State.REJECTED, "The fair is over.")
    assert "The fair is over." in text_of(page.get(at("recommendation", proposed.public_id)))


def test_what_only_a_person_can_do_is_not_approved_here(page, account):
    found = recommend(account.campaigns[0], "46", is_doable=False)

    shown = page.get(at("recommendation", found.public_id))

    assert "make it in the platform&#x27;s own app" in text_of(shown)
    assert at("approve", found.public_id) not in shown.content.decode()


def test_a_recommendation_shows_all_that_stands_behind_it(page, planned):
    found = Recommendation.objects.get(campaign__name="Spring brides", kind="budget")

    shown = page.get(at("recommendation", found.public_id))

    seen, text = shown.content.decode(), text_of(shown)
    assert all(words in text for words in [*found.reasons, *found.doubts])
    assert "£48.00 instead of £40.00" in text
    assert 'id="curve"' in seen
    assert 'id="daily"' in seen
    assert "95 % interval" in text
    assert "Stands until 27 Nov 2026, 12:00" in text


def test_evidence_of_any_shape_is_shown(page, account):
    told = {
        "cost_each": 61.25, "is_sure": True, "nothing": None, "name": "<b>tablets</b>", "nested": {"a": 1},
        "segments": [{"segment": "tablet", "spend": 12.5}, {"segment": "mobile", "conversions": 3}],
        "odd": [1, 2], "scale": "x", "exponent": None, "until": "never",
    }  # fmt: skip
    found = recommend(account.campaigns[0], "46", kind="targeting", target="device:tablet", evidence=told)

    shown = page.get(at("recommendation", found.public_id))

    assert shown.status_code == 200
    assert "<b>tablets</b>" not in shown.content.decode()
    assert "Cost each 61.25" in text_of(shown)
    assert "tablet\N{EN DASH}12.50" in text_of(shown).replace(" ", "")


def test_what_a_person_made_in_the_platforms_own_app_is_noted_and_measured(page, account):
    found = recommend(account.campaigns[0], "30", kind="targeting", target="age:18-24", is_doable=False)
    assert "I made it myself" in text_of(page.get(at("recommendations")))

    shown = text_of(page.post(at("by-hand", found.public_id), follow=True))
    again = text_of(page.post(at("by-hand", found.public_id), follow=True))

    found.refresh_from_db()
    assert (found.state, found.done_at is not None) == (State.DONE, True)
    change = Change.objects.get()
    assert (change.state, change.call, change.increase) == (Change.State.DONE, None, 0)
    assert AuditEntry.objects.filter(deed="recommendation.done_by_hand").count() == 1
    assert "measured for the first time after" in shown
    assert "Roll it back" not in shown
    assert "It is Done already." in again


def test_what_can_be_done_from_here_is_not_noted_as_done_by_hand(page, proposed):
    assert "Approve it, and it is." in text_of(page.post(at("by-hand", proposed.public_id), follow=True))
    assert not Change.objects.exists()


def test_a_dry_run_shows_the_exact_calls_and_changes_nothing(page, account, proposed):
    before = account.budget_of(account.campaigns[0])

    answer = page.post(at("calls", proposed.public_id), headers={"HX-Request": "true"})

    shown = text_of(answer)
    assert "POST" in shown
    assert "daily_budget" in shown
    assert "4600" in shown
    assert "access_token" not in shown
    assert "Nothing was changed." in shown
    assert account.budget_of(account.campaigns[0]) == before
    assert not Change.objects.exists()
    assert "A dry run" in page.post(at("calls", proposed.public_id)).content.decode()


def test_what_was_approved_is_carried_out_at_once_and_once(page, proposed):
    page.post(at("approve", proposed.public_id))

    page.post(at("carry-out", proposed.public_id))
    again = page.post(at("carry-out", proposed.public_id), follow=True)

    assert Change.objects.count() == 1
    assert "only what was approved is carried out" in text_of(again)


def test_what_is_in_force_is_rolled_back(page, proposed):
    done(proposed)
    shown = text_of(page.get(at("recommendation", proposed.public_id)))
    assert "Roll it back to £40.00" in shown

    page.post(at("roll-back", proposed.public_id))

    proposed.refresh_from_db()
    assert proposed.state == State.ROLLING_BACK
    assert Change.objects.filter(deed="undo").count() == 1
    assert "roll-back ordered" in text_of(page.get(at("recommendation", proposed.public_id)))


def test_what_came_of_it_stands_beside_what_was_claimed(page, proposed):
    done(proposed)
    outcome_of(proposed, realised=4.0)

    shown = text_of(page.get(at("recommendation", proposed.public_id)))

    assert "Claimed and realised" in shown
    assert "7 days £5.00 £4.00 £2.00 to £6.00 came true" in shown
    assert "measured After 7 days: came true." in shown


def outcome_of(found, *, realised, verdict="came_true", confidence=0.95):
    return Outcome.objects.create(
        workspace_id=found.workspace_id, recommendation=found, after_days=7, measured_at=NOW,
        confidence=confidence, claimed=5.0, realised=realised, realised_low=realised - 2,
        realised_high=realised + 2, verdict=verdict, note="7 days after against 28 before.",
    )  # fmt: skip


# The log


def test_an_empty_log_says_what_will_stand_there(page):
    shown = text_of(page.get(at("log")))

    assert "Nothing was changed yet." in shown
    assert "Changes will stand here." in shown


def test_the_log_says_what_was_changed_by_whom_and_what_came_of_it(page, proposed):
    done(proposed)

    shown = text_of(page.get(at("log")))

    assert "1 change was made." in shown
    assert "£40.00 £46.00 carried out" in shown
    assert "ada@example.com" in shown
    assert "Nothing matches this filter." in text_of(page.get(at("log"), {"state": "not_done"}))
    assert "ada@example.com" in text_of(page.get(at("log"), {"state": "done", "kind": "budget"}))


def test_the_whole_history_is_a_file_in_which_no_cell_is_a_formula(page, account, proposed):
    AdCampaign.objects.update(name="=HYPERLINK(1)")
    decisions.approve(person(proposed.workspace), proposed.public_id, now=NOW - timedelta(days=11))
    done(proposed)
    outcome_of(proposed, realised=4.0)
    turned_down = recommend(account.campaigns[1], "30", title="@SUM(1)")
    decisions.reject(person(proposed.workspace), turned_down.public_id, reason="-2+3", now=NOW)

    answer = page.get(at("export"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    steps = {row["step"] for row in rows}
    assert steps == {"proposed", "approved", "ordered", "settled", "measured after 7 days", "rejected"}
    assert {row["campaign"] for row in rows} == {"'=HYPERLINK(1)"}
    assert [row["at_utc"] for row in rows] == sorted(row["at_utc"] for row in rows)
    [rejected] = [row for row in rows if row["step"] == "rejected"]
    assert (rejected["what"], rejected["reason"]) == ("'@SUM(1)", "'-2+3")
    [ordered] = [row for row in rows if row["step"] == "ordered"]
    assert (ordered["before"], ordered["after"], ordered["by"]) == ("40", "46", "ada@example.com")


# The track record


def test_before_anything_was_measured_the_record_says_so(page):
    assert "Nothing was measured yet." in text_of(page.get(at("track-record")))


def test_the_record_holds_what_was_claimed_against_what_came_true(page, account):
    for number, campaign in enumerate(account.campaigns):
        found = recommend(campaign, "46")
        done(found)
        true = number < 2
        outcome_of(found, realised=4.0 if true else -3.0, verdict="came_true" if true else "did_not")

    shown = page.get(at("track-record"))

    text = text_of(shown)
    assert "2 of 3 claims came true, and together they bring £5.00 a day." in text
    assert re.search(r"95 % between £1\.54 and £8\.46 of profit a day; claimed were £15\.00", text)
    assert 'id="reliability"' in shown.content.decode()


def test_money_that_chance_explains_is_not_claimed_for_sure(page, proposed):
    done(proposed)
    outcome_of(proposed, realised=0.5, verdict="cannot_tell")

    assert "chance alone could still explain what came of it." in text_of(page.get(at("track-record")))


def test_what_lost_the_right_to_act_alone_says_why(page, workspace):
    rule = policies.set_auto(person(workspace), "bid", terms(), now=NOW)
    rule.is_on, rule.demoted_at, rule.demoted_because = False, NOW, "Of 12, 6 came true."
    rule.save()

    shown = text_of(page.get(at("track-record")))

    assert "Bid changes are no longer made without a person" in shown
    assert "Of 12, 6 came true." in shown
    assert "Of 12, 6 came true." in text_of(page.get(at("limits")))


def terms(**more):
    given = {"is_on": True, "least_confidence": 0.9, "most_amount": Decimal(10)} | more
    return policies.AutoTerms(**given)


# Limits


def policy_form(**more):
    return {
        "is_on": "on", "counts_revenue_by": "platform",
        "daily_at_hour": "5", "weekly_on_weekday": "2", "margin": "35", "cooldown_hours": "48",
        "largest_change_percent": "15", "data_age_hours": "24", "acts_from_hour": "8",
        "acts_until_hour": "18",
        "four_eyes_above": "25", "report_to": "ada@example.com\n\nada@example.com\nbob@example.com",
        "total_daily_budget": "", "target_cost_per_conversion": "30.50",
    } | more  # fmt: skip


def test_limits_are_set_and_audited(page):
    page.post(at("limits"), policy_form())

    policy = Policy.objects.get()
    assert (policy.margin, policy.largest_change_percent, policy.four_eyes_above) == (
        Decimal("0.35"), 15, Decimal(25),
    )  # fmt: skip
    assert policy.report_to == ["ada@example.com", "bob@example.com"]
    assert (policy.rests_on_wedding_days, policy.total_daily_budget) == (False, None)
    assert AuditEntry.objects.filter(deed="optimization.policy_changed").count() == 1
    shown = text_of(page.get(at("limits")))
    assert "Above £25.00 a day two people must say yes." in shown
    assert 'value="35"' in page.get(at("limits")).content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"largest_change_percent": "101"}, "A percentage from 1 to 100."),
        ({"margin": "0"}, "A percentage above 0 and at most 100."),
        ({"margin": "much"}, "Write a percentage like 35 or 12.50."),
        ({"total_daily_budget": "1e400"}, "Write an amount like 1234.56."),
        ({"acts_from_hour": "18", "acts_until_hour": "8"}, "An hour from 1 to 24, after the first."),
        ({"report_to": "nobody"}, "nobody: this is no e-mail address."),
    ],
)
def test_a_limit_that_cannot_be_is_named_at_its_field_and_nothing_is_kept(page, wrong, said):
    answer = page.post(at("limits"), policy_form(**wrong))

    assert answer.status_code == 400
    assert said in text_of(answer)
    assert not AuditEntry.objects.filter(deed="optimization.policy_changed").exists()


def test_a_kind_may_be_made_without_a_person(page):
    given = {"kind": "budget", "is_on": "on", "least_confidence": "92.5", "most_amount": "12.50"}

    page.post(at("auto"), given)

    rule = policies.auto_rules()["budget"]
    assert (rule.is_on, rule.least_confidence, rule.most_amount) == (True, 0.925, Decimal("12.50"))


@pytest.mark.parametrize(
    "wrong", [{"least_confidence": "20"}, {"least_confidence": "x"}, {"most_amount": "-1"}, {"kind": "all"}]
)
def test_terms_that_cannot_be_are_refused(page, wrong):
    given = {"kind": "budget", "is_on": "on", "least_confidence": "92", "most_amount": "12"}

    answer = page.post(at("auto"), given | wrong)

    assert answer.status_code == 400
    assert not policies.auto_rules()["budget"].is_on


def test_caps_show_what_is_used_and_are_set_and_taken_away(page, account):
    shown = text_of(page.get(at("limits")))
    assert "Every cap has room." in shown
    assert "£120.00 £30.00" in shown  # three campaigns of 40 under 150

    of = f"account:{account.connection.public_id}"
    page.post(at("cap"), {"of": of, "measure": "daily_budget", "amount": "100"})
    assert SpendCap.objects.get(connection=account.connection).amount == Decimal(100)
    assert "1 cap is reached." in text_of(page.get(at("limits")))

    page.post(at("cap"), {"of": of, "measure": "daily_budget", "amount": "100", "remove": "1"})
    assert not SpendCap.objects.filter(connection=account.connection).exists()
    assert AuditEntry.objects.filter(deed="optimization.cap_removed").count() == 1


def test_a_cap_of_one_campaign_is_its_own(page, account):
    mine = account.campaigns[0]

    page.post(at("cap"), {"of": f"campaign:{mine.pk}", "measure": "daily_increase", "amount": "5.50"})

    assert SpendCap.objects.get(campaign=mine).amount == Decimal("5.50")


@pytest.mark.parametrize(
    "wrong", [{"of": "campaign:999999999"}, {"amount": ""}, {"amount": "-1"}, {"measure": "x"}]
)
def test_a_cap_that_cannot_be_is_refused(page, account, wrong):
    before = SpendCap.objects.count()

    answer = page.post(at("cap"), {"of": "all", "measure": "daily_budget", "amount": "5"} | wrong)

    assert answer.status_code == 400
    assert SpendCap.objects.count() == before


def test_the_cap_of_all_is_not_taken_away(page, account):
    answer = page.post(at("cap"), {"of": "all", "measure": "daily_budget", "amount": "", "remove": "1"})

    assert answer.status_code == 400
    assert "can be changed, not removed" in text_of(answer)


# The first page


def test_the_first_page_says_what_waits_for_a_yes(page, workspace, planned):
    PersonFactory(workspace=workspace)

    shown = text_of(page.get("/"))

    assert re.search(r"\d changes of budgets and bids wait for a yes\.", shown)
    assert re.search(r"The plan is worth £[\d.]+ a day \(95 % £[\d.]+ to £[\d.]+\), from 3 campaigns", shown)


def test_the_first_page_says_that_everything_is_stopped(page, workspace):
    PersonFactory(workspace=workspace)
    policies.stop(person(workspace), reason="Wrong prices.", now=NOW)

    shown = text_of(page.get("/"))

    assert "Changes of budgets and bids are stopped." in shown
    assert "“Wrong prices.”" in shown


# As many queries for many rows as for few


@pytest.mark.parametrize("name", ["recommendations", "log", "track-record", "plan", "engine"])
def test_more_rows_need_no_more_queries(page, account, planned, name):
    def fill(number):
        for count in range(number):
            found = recommend(account.campaigns[count % 3], "46", state=State.REJECTED, title=f"No {count}")
            done(found)
            outcome_of(found, realised=3.0)
        for campaign in account.campaigns:
            recommend(campaign, "47", kind="bid", target=f"group-{number}-{campaign.pk}")

    fill(2)
    page.get(at(name))
    with CaptureQueriesContext(connection) as few:
        assert page.get(at(name)).status_code == 200
    fill(12)
    with CaptureQueriesContext(connection) as many:
        assert page.get(at(name)).status_code == 200

    assert len(many) == len(few), [one["sql"][:120] for one in many.captured_queries]
    assert len(many) < 40


# A budget test


def test_a_test_by_lot_shows_its_blocks_and_can_be_stopped(page, account, workspace):
    ids = [one.pk for one in account.campaigns]
    found = recommend(
        account.campaigns[0], "40", kind="budget_test", target="account", target_name="3 campaigns",
        confidence=1.0, gain=None, evidence={"campaign_ids": ids, "campaigns": ["Spring brides", "Albums"]},
    )  # fmt: skip
    address = at("recommendation", found.public_id)
    assert "Show the exact calls" not in text_of(page.get(address))
    page.post(at("approve", found.public_id))
    page.post(at("carry-out", found.public_id))

    shown = text_of(page.get(address))

    assert "20 Nov to 21 Dec 2026" in shown
    assert re.search(r"Spring brides 40\.00 GBP ([+\N{MINUS SIGN}]15 % ?){8}", shown)
    assert "20 Nov now" in shown
    assert "Campaigns Spring brides, Albums" in shown
    page.post(at("roll-back", found.public_id))
    assert "putting budgets back" in text_of(page.get(address))
    assert "Stop the test" not in text_of(page.get(address))
