"""What marketing brought: figures with their doubt, reasons where there are none, a report by e-mail."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection, connections
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import people, scoping
from apps.accounts.models import Person, Workspace
from apps.accounts.permissions import system
from apps.attribution.maths.experiments.proportions import wilson
from apps.attribution.models import Conversion, Experiment
from apps.campaigns.bi import figures, pdf, refreshing, schedule, words
from apps.campaigns.bi.summary import ChannelFigures, SegmentValue, lifetime_value, summary
from apps.campaigns.models import (
    ArmFigures,
    Campaign,
    CustomerValue,
    Engagement,
    Recipient,
    ReportSchedule,
    RoiDay,
)
from apps.integrations import metrics
from apps.integrations.models import Connection, EmailDelivery
from tests import factories
from tests.conftest import api_client, committed
from tests.factories import member

SUMMARY, HEALTH = "/api/v1/marketing/bi/summary", "/api/v1/marketing/health"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def person(workspace: Workspace, number: int) -> Any:
    return factories.PersonFactory(workspace=workspace, external_id=f"u{number}")


def bought(who: Any, value: str, *, days_ago: float = 1) -> Conversion:
    made: Conversion = Conversion.objects.create(
        workspace=who.workspace,
        person=who,
        conversion_type="purchase",
        occurred_at=NOW - timedelta(days=days_ago),
        value=Decimal(value),
    )
    return made


def test_without_data_each_figure_is_null_and_says_why(api: Any) -> None:
    answer = api.get(SUMMARY).json()

    first = ("roi", "attributedRevenue", "viralCoefficient", "conversionRate")
    assert [answer[name] for name in first] == [None] * 4
    assert all(answer["figures"][name]["because"] for name in ("roi", "conversion_rate", "viral_coefficient"))
    assert "0 of 100" in answer["figures"]["conversion_rate"]["because"]


@pytest.mark.parametrize("days", ["0", "401", "x", "-1", "1e3", "9" * 40, "²"])
def test_a_period_that_is_none_is_refused(api: Any, days: str) -> None:
    answer = api.get(SUMMARY, {"days": days})

    assert answer.status_code == 400
    assert "days" in answer.json()["errors"]


def test_return_on_spend_is_of_what_is_credited_to_channels(
    api: Any, workspace: Workspace, actor: Any
) -> None:
    for number in range(40):
        for kind in ("google", "direct")[: 1 + number % 2]:
            touch = {"user_id": f"u{number}", "event_type": "click", "platform": kind}
            api.post("/api/v1/attribution/track/event", touch, format="json")
        order = {
            "user_id": f"u{number}",
            "conversion_type": "purchase",
            "revenue": 100,
            "order_id": f"o{number}",
        }
        api.post("/api/v1/attribution/track/conversion", order, format="json")
    spend = {"spend": [{"platform": "google", "day": "2026-11-30", "amount": "500"}]}
    api.post("/api/v1/attribution/track/spend", spend, format="json")

    answer = api.get(SUMMARY).json()

    earned = answer["attributedRevenue"]
    assert 2_000 < earned <= 4_000
    assert answer["roi"] == pytest.approx((earned - 500) / 500 * 100)
    assert earned == round(earned, 2)
    channels = {one["key"]: Decimal(one["revenue"]) for one in answer["channels"]}
    assert sum(channels.values()) + Decimal(answer["uncreditedRevenue"]) == Decimal(answer["totalRevenue"])
    assert Decimal(answer["totalRevenue"]) == 4_000
    assert Decimal(str(earned)) == sum(value for key, value in channels.items() if key != "direct")
    assert answer["figures"]["spend"]["value"] == 500
    found = summary(actor, days=30, now=NOW)
    assert isinstance(found.figures["attributed_revenue"].value, Decimal)
    text = render_to_string("email/business_report.txt", schedule.context_of(found, workspace))
    assert "All revenue: £4,000.00" in text
    assert "Computed 30 Nov 2026, 12:00 (Europe/London)" in text
    assert pdf.render(found, name="Studio", zone=workspace.zone, now=NOW).startswith(b"%PDF-")
    assert answer["figures"]["attributed_revenue"]["n"] == 40
    assert "lift test" in answer["figures"]["attributed_revenue"]["doubt"]


def held_out_of(
    workspace: Workspace, name: str, *, days_ago: float, bought: int, each: int = 100
) -> Campaign:
    """Its last message left so long ago, and its windows are of a week. Of 2,000 people half were held out:
    50 of them bought, and of the others as many as given. Summed up an hour ago.
    """
    at = NOW - timedelta(days=days_ago)
    lift = Experiment.objects.create(workspace=workspace, key=name, name=name)
    made = Campaign.objects.create(
        workspace=workspace,
        name=name,
        state="done",
        lift=lift,
        hold_out_share=0.5,
        launched_at=at,
        finished_at=at,
        changed_at=at,
    )
    for kind, orders in (("message", bought), ("held_out", 50)):
        ArmFigures.objects.create(
            workspace=workspace,
            campaign=made,
            kind=kind,
            people=1_000,
            converted=orders,
            conversions=orders,
            conversions_squared=orders,
            revenue=orders * each,
            revenue_squared=orders * each * each,
            read_at=NOW - timedelta(hours=1),
        )
    return made


def test_what_campaigns_brought_on_top_of_nothing_is_in_the_report(
    api: Any, workspace: Workspace, actor: Any
) -> None:
    held_out_of(workspace, "spring", days_ago=20, bought=150)
    held_out_of(workspace, "summer", days_ago=10, bought=90)
    held_out_of(workspace, "open", days_ago=3, bought=400)
    held_out_of(workspace, "before", days_ago=40, bought=400)
    held_out_of(workspace, "silent", days_ago=12, bought=0)

    figure = api.get(SUMMARY).json()["figures"]["incremental_revenue"]

    assert (figure["value"], figure["n"]) == (14_000, 2)
    assert figure["low"] < 14_000 - 1_500 < 14_000 + 1_500 < figure["high"] < 19_000
    assert "1 more has its windows still open." in figure["doubt"]
    assert "Of 1 more too few were held out" in figure["doubt"]
    found = summary(actor, days=30, now=NOW)
    text = render_to_string("email/business_report.txt", schedule.context_of(found, workspace))
    assert "Incremental revenue: £14,000.00 (95 %: " in text


def test_without_a_group_held_out_or_before_its_time_it_says_why(api: Any, workspace: Workspace) -> None:
    def why() -> Any:
        figure = api.get(SUMMARY).json()["figures"]["incremental_revenue"]
        assert figure["value"] is None
        return figure["because"]

    assert "No campaign with a group held out" in why()
    held_out_of(workspace, "open", days_ago=3, bought=400)
    assert why() == "1 has its windows still open."
    Campaign.objects.update(finished_at=NOW - timedelta(days=9))
    ArmFigures.objects.update(conversions=0, revenue=0, revenue_squared=0)
    assert "Of 1 too few" in why()


def test_a_week_tells_of_campaigns_whose_windows_ended_in_it(workspace: Workspace, actor: Any) -> None:
    """Windows are of a week: by when a campaign left, no weekly report could ever say what it brought."""
    held_out_of(workspace, "spring", days_ago=10, bought=150)

    weeks = [
        summary(actor, days=7, until=date(2026, 11, day), now=NOW).figures["incremental_revenue"]
        for day in (22, 29)
    ]

    assert [one.value for one in weeks] == [None, Decimal("10000.00")]


def test_money_of_channels_and_days_is_a_decimal_in_quotes(api: Any, workspace: Workspace) -> None:
    event = {"user_id": "u1", "event_type": "click", "platform": "google"}
    api.post("/api/v1/attribution/track/event", event, format="json")
    order = {"user_id": "u1", "conversion_type": "purchase", "revenue": "12.30", "order_id": "o1"}
    api.post("/api/v1/attribution/track/conversion", order, format="json")

    answer = api.get(SUMMARY).json()

    assert answer["totalRevenue"] == "12.30"
    assert answer["uncreditedRevenue"] == "0.00"
    assert [one["revenue"] for one in answer["channels"]] == ["12.30"]


def test_conversion_of_clicks_leaves_machines_out_and_keeps_to_the_window(
    api: Any, workspace: Workspace
) -> None:
    campaign = Campaign.objects.create(workspace=workspace, name="News", goal_days=2, changed_at=NOW)
    for number in range(120):
        who = person(workspace, number)
        Engagement.objects.create(
            workspace=workspace,
            campaign=campaign,
            recipient_id=number,
            person=who,
            kind="clicked",
            event_id=f"e{number}",
            is_first=number < 110,
            is_machine=number >= 110,
            occurred_at=NOW - timedelta(days=10),
        )
        if number < 33:
            bought(who, "10", days_ago=9)
        elif number < 60:
            bought(who, "10", days_ago=7)

    figure = api.get(SUMMARY).json()["figures"]["conversion_rate"]

    assert figure["value"] == pytest.approx(30)
    assert figure["n"] == 110
    assert (figure["low"], figure["high"]) == pytest.approx([100 * end for end in wilson(33, 110)])


def clicked(campaign: Campaign, who: Any, number: int) -> None:
    Engagement.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        recipient_id=number,
        person=who,
        kind="clicked",
        event_id=f"{campaign.pk}-{number}",
        is_first=True,
        occurred_at=NOW - timedelta(days=10),
    )


def test_each_campaign_counts_by_its_own_goal_and_each_person_once(api: Any, workspace: Workspace) -> None:
    """Of 100 who clicked in two campaigns 20 reached the goal of one, and 30 another goal that none has."""
    sales, leads = (
        Campaign.objects.create(workspace=workspace, name=goal, goal=goal, goal_days=days, changed_at=NOW)
        for goal, days in (("purchase", 2), ("signup", 20))
    )
    crowd = [person(workspace, number) for number in range(100)]
    for number, who in enumerate(crowd):
        clicked(sales, who, number)
        clicked(leads, who, number)
    for who in crowd[:20]:
        bought(who, "10", days_ago=9)
    for who in crowd[20:50]:
        bought(who, "10", days_ago=3)  # after the window of the one that counts purchases

    figure = api.get(SUMMARY).json()["figures"]["conversion_rate"]

    assert (figure["value"], figure["n"]) == (20, 100)


def test_who_turned_out_to_be_somebody_else_converted_all_the_same(
    api: Any, workspace: Workspace, actor: Any
) -> None:
    news = Campaign.objects.create(workspace=workspace, name="News", goal_days=20, changed_at=NOW)
    for number in range(100):
        clicked(news, person(workspace, number), number)
    survivor, absorbed = person(workspace, 200), Person.objects.get(external_id="u7")
    bought(absorbed, "10", days_ago=5)
    people.merge(actor, survivor, absorbed, reason="the same", now=NOW)

    figure = api.get(SUMMARY).json()["figures"]["conversion_rate"]

    assert (figure["value"], figure["n"]) == (1, 100)


def test_the_rate_is_not_counted_anew_for_each_reader(api: Any, workspace: Workspace) -> None:
    first = api.get(SUMMARY).json()["figures"]["conversion_rate"]
    with CaptureQueriesContext(connection) as queries:
        api.get(SUMMARY)

    assert "0 of 100" in first["because"]
    assert not [one for one in queries.captured_queries if "campaigns_engagement" in one["sql"]]


@committed
def test_the_wide_figures_are_refreshed_and_nobody_sees_anothers(
    workspace: Workspace, other_workspace: Any
) -> None:
    for place, number in ((workspace, 0), (workspace, 1), (other_workspace, 2)):
        with scoping.workspace(place):
            who = factories.PersonFactory(workspace=place, external_id=f"u{number}")
            bought(who, "50", days_ago=1)
            bought(who, "25", days_ago=40)

    assert refreshing.refresh()

    with scoping.workspace(workspace):
        assert [(one.conversions, one.revenue) for one in RoiDay.objects.order_by("day")] == [
            (2, 50),
            (2, 100),
        ]
        assert [(one.channel, one.customers, one.recent) for one in CustomerValue.objects.all()] == [
            ("", 2, 0)
        ]
        assert lifetime_value(CustomerValue.objects.get(), "GBP", NOW).value == Decimal("75.00")
        [segment] = summary(system(workspace.pk), days=30, now=NOW).segments
        assert (segment.label, segment.customers) == ("No touch before", 2)
    with scoping.workspace(other_workspace):
        assert [one.conversions for one in RoiDay.objects.all()] == [1, 1]
    for wide in ("marketing_roi_summary", "marketing_customer_value"):
        with pytest.raises(Exception, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(f"TABLE {wide}")


@committed
def test_new_customers_are_those_of_the_days_whose_spend_is_counted(workspace: Workspace) -> None:
    """The first of thirty days began at midnight; what was a moment before is no part of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")  # the database's clock, which refreshes go by
        [(now,)] = cursor.fetchall()
    local = now.astimezone(workspace.zone)
    midnight = datetime.combine(local.date() - timedelta(days=29), time(), workspace.zone)
    with scoping.workspace(workspace):
        for number, at in enumerate((midnight - timedelta(seconds=1), midnight, now)):
            bought(person(workspace, number), "10", days_ago=(NOW - at) / timedelta(days=1))
    refreshing.refresh()

    with scoping.workspace(workspace):
        assert CustomerValue.objects.get().recent == 2


@committed
def test_a_refresh_while_another_runs_is_left_out(workspace: Workspace) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7721, 1)")
        assert refreshing.refresh() is False
        cursor.execute("SELECT pg_advisory_unlock(7721, 1)")
    assert refreshing.refresh() is True


def test_health_without_use_is_unknown_and_nothing_is_ill(api: Any) -> None:
    answer = api.get(HEALTH).json()

    assert answer["status"] == "healthy"
    assert set(answer["metrics"]) == {
        "campaignDelivery",
        "aiContent",
        "attribution",
        "viralCoefficient",
        "integrations",
    }
    assert answer["metrics"]["campaignDelivery"]["status"] == "unknown"
    assert answer["metrics"]["viralCoefficient"]["because"]


@pytest.mark.parametrize(
    ("known", "versioned"),
    [
        ("/health/marketing", "/api/v1/marketing/health"),
        ("/api/marketing/health", "/api/v1/marketing/health"),
        ("/api/marketing/bi/summary", "/api/v1/marketing/bi/summary"),
        ("/api/marketing/campaigns", "/api/v1/marketing/campaigns"),
        ("/api/marketing/attribution/health", "/api/v1/attribution/health"),
    ],
)
def test_addresses_that_programs_know_are_the_same_views(api: Any, known: str, versioned: str) -> None:
    answer = api.get(known)

    assert answer.status_code == 200
    assert answer.json() == api.get(versioned).json()
    assert APIClient().get(known).status_code == 401


@pytest.mark.parametrize(
    ("value", "said"), [("115823.93", "£115,824"), ("108.7", "£108.70"), ("999.99", "£999.99")]
)
def test_large_sums_at_the_head_of_the_page_have_no_coins(value: str, said: str) -> None:
    assert words.headline(figures.Figure(unit=figures.MONEY, value=Decimal(value)), "GBP") == said


def test_the_dashboard_is_the_business_report(page: Any) -> None:
    assert "What marketing brought" in page.get("/dashboard/marketing").content.decode()


@pytest.mark.parametrize(("failed", "said"), [(1, "degraded"), (5, "unhealthy")])
def test_one_request_that_failed_is_not_enough_to_be_unhealthy(
    api: Any, workspace: Workspace, failed: int, said: str
) -> None:
    with scoping.workspace(workspace):
        for _ in range(failed):
            metrics.observe("ai.success", 0.0, now=timezone.now())
        metrics.flush()

    answer = api.get(HEALTH).json()

    assert (answer["status"], answer["metrics"]["aiContent"]["status"]) == (said, said)
    assert answer["metrics"]["aiContent"]["n"] == failed


def test_delivery_is_judged_by_all_campaigns_of_the_day(api: Any, workspace: Workspace) -> None:
    """The first two hundred of them went well, and every one after that was refused."""
    who = person(workspace, 1)
    made = Campaign.objects.bulk_create(
        Campaign(
            workspace=workspace,
            name=f"News {number}",
            state="done",
            changed_at=NOW,
            finished_at=NOW - timedelta(hours=1),
        )
        for number in range(260)
    )
    Recipient.objects.bulk_create(
        Recipient(
            workspace=workspace,
            campaign=one,
            person=who,
            state="sent" if number < 200 else "refused",
            settled_at=NOW - timedelta(hours=2),
        )
        for number, one in enumerate(made)
    )

    told = api.get(HEALTH).json()["metrics"]["campaignDelivery"]

    assert (told["n"], told["status"]) == (260, "unhealthy")
    assert told["because"].startswith("60 of 260 messages")


def test_a_connection_that_needs_a_person_degrades_it(api: Any, workspace: Workspace) -> None:
    Connection.objects.create(
        workspace=workspace,
        service="slack",
        account="a",
        label="Post",
        state="needs_sign_in",
        state_changed_at=NOW,
    )

    answer = api.get(HEALTH).json()

    assert answer["status"] == "degraded"
    assert answer["metrics"]["integrations"]["all"] is False
    assert "Post" in answer["metrics"]["integrations"]["because"]


def test_a_floor_above_gives_a_figure(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_sources", {})
    figures.register("viral_coefficient")(lambda now: figures.Figure(unit="number", value=1.3, n=900))

    assert api.get(SUMMARY).json()["viralCoefficient"] == 1.3
    assert api.get(HEALTH).json()["metrics"]["viralCoefficient"]["value"] == 1.3


def sender(workspace: Workspace) -> Connection:
    made: Connection = Connection.objects.create(
        workspace=workspace, service="mail", account="hello@example.com", label="Hello", state_changed_at=NOW
    )
    return made


def plan(workspace: Workspace, **fields: Any) -> ReportSchedule:
    made: ReportSchedule = ReportSchedule.objects.create(
        workspace=workspace, **{"cadence": "weekly", "to": ["eve@example.com"], **fields}
    )
    return made


def test_a_report_goes_out_once_a_week(workspace: Workspace) -> None:
    """The thirtieth of November 2026 is a Monday."""
    sender(workspace)
    plan(workspace)

    assert schedule.send_due() is True
    assert schedule.send_due() is False
    assert EmailDelivery.objects.count() == 1
    with time_machine.travel(NOW + timedelta(days=7)):
        assert schedule.send_due() is True
    assert EmailDelivery.objects.count() == 2


@pytest.mark.parametrize(
    ("cadence", "day", "first"),
    [
        ("weekly", "2026-11-30", "2026-11-23"),
        ("monthly", "2026-12-01", "2026-11-01"),
        ("monthly", "2026-03-01", "2026-02-01"),
    ],
)
def test_a_report_is_of_the_whole_week_or_month_before(
    workspace: Workspace, actor: Any, cadence: str, day: str, first: str
) -> None:
    due = date.fromisoformat(day)

    start = schedule.period_before(due, cadence)
    found = summary(actor, days=(due - start).days, until=due - timedelta(days=1), now=NOW)

    assert (found.start.isoformat(), found.end) == (first, due - timedelta(days=1))


def test_its_hour_is_waited_for_and_a_missed_day_made_up(workspace: Workspace) -> None:
    sender(workspace)
    plan(workspace, at_hour=20, done_on=datetime(2026, 11, 23, tzinfo=UTC).date())

    assert schedule.send_due() is False
    with time_machine.travel(NOW + timedelta(days=2)):
        assert schedule.send_due() is True
    assert str(ReportSchedule.objects.get().done_on) == "2026-11-30"


def test_without_a_sender_the_plan_says_so(workspace: Workspace) -> None:
    plan(workspace)

    schedule.send_due()

    assert "sender" in ReportSchedule.objects.get().trouble


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cadence": "hourly", "to": ["a@example.com"]}, "cadence"),
        ({"cadence": "weekly", "to": []}, "to"),
        ({"cadence": "weekly", "to": ["eve"]}, "to"),
        ({"cadence": "weekly", "to": ["a@example.com"], "at_hour": 24}, "at_hour"),
    ],
)
def test_a_schedule_that_cannot_be_kept_names_the_field(api: Any, body: dict[str, Any], field: str) -> None:
    answer = api.put("/api/v1/marketing/bi/schedule", body, format="json")

    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert not ReportSchedule.objects.exclude(cadence="never").exists()


@pytest.mark.parametrize(("scope", "to"), [("read", []), ("write", []), ("admin", ["eve@example.com"])])
def test_whom_the_report_goes_to_learns_who_may_see_people(
    workspace: Workspace, scope: str, to: list[str]
) -> None:
    plan(workspace)

    told = api_client(workspace, [scope], NOW).get("/api/v1/marketing/bi/schedule").json()

    assert (told["to"], told["readers"], told["cadence"]) == (to, 1, "weekly")


def test_a_viewer_sees_no_address_on_the_report(client: Any, workspace: Workspace) -> None:
    plan(workspace)
    client.force_login(member(workspace, "viewer"))

    assert "eve@example.com" not in client.get("/campaigns/report/").content.decode()


def test_the_page_and_the_paper_show_the_same_without_data(page: Any) -> None:
    seen = page.get("/campaigns/report/")
    paper = page.get("/campaigns/report/pdf/")

    assert seen.status_code == 200
    assert "cannot be said yet" in seen.content.decode()
    assert paper.content.startswith(b"%PDF-")
    assert paper["Content-Type"] == "application/pdf"


def test_the_schedule_is_set_on_the_page(page: Any) -> None:
    form = {"cadence": "monthly", "at_hour": "9", "to": "eve@example.com\nada@example.com"}
    answer = page.post("/campaigns/report/schedule/", form, follow=True)

    assert answer.status_code == 200
    assert ReportSchedule.objects.get().to == ["eve@example.com", "ada@example.com"]


def test_a_usual_report_fills_one_sheet_and_its_notes_stand_together(
    workspace: Workspace, actor: Any
) -> None:
    found = summary(actor, days=30, now=NOW)
    none = found.figures["viral_coefficient"]
    worth = SegmentValue(channel="email", label="E-mail", customers=9, value=none)
    told = {"low": None, "high": None, "conversions": 3.0, "cost": None, "roas": None, "cpa": None}
    channel = ChannelFigures(key="email", label="E-mail", revenue=Decimal(9), **told)

    def sheets(many: int) -> int:
        full = replace(found, channels=[channel] * many, segments=[worth] * many)
        paper = pdf.render(full, name="Studio", zone=workspace.zone, now=NOW)
        return len(re.findall(rb"/Type /Page\b", paper))

    assert sheets(12) == 1
    assert sheets(17) == 2


def test_paper_takes_names_in_any_letters(workspace: Workspace, actor: Any) -> None:
    found = summary(actor, days=30, now=NOW)

    paper = pdf.render(found, name="Łódź ślub — 結婚 €", zone=workspace.zone, now=NOW)

    assert paper.startswith(b"%PDF-")
    assert pdf.latin("Łódź — 結 €5") == "?ódz - ? EUR 5"
