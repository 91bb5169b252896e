"""TikTok's whole story over HTTP, the raw bytes of requests, and each class of its errors."""

import json
from datetime import date
from decimal import Decimal

import pytest

from apps.integrations import errors
from apps.integrations.connectors.ads.platform import BudgetKind, Change, NewCampaign, Status
from apps.integrations.connectors.ads.tiktok import TikTokAds, request_id_of
from apps.integrations.money import Money
from apps.integrations.resilience.outcomes import Kind
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore, Truncated
from tests.fakes.tiktok import TOKEN, said
from tests.fakes.tiktok import TikTokAds as Fake
from tests.integrations.connected import client_of


@pytest.fixture
def there(settings):
    with Fake() as fake:
        settings.INTEGRATION_URLS = {"tiktok_ads": fake.url}
        yield fake


@pytest.fixture
def ads(workspace, there):
    return TikTokAds(client_of(workspace, "tiktok_ads", account="6900", secrets={"access_token": TOKEN}))


def wanted(**changes):
    return NewCampaign(
        **{
            "name": "Spring",
            "objective": "LEAD_GENERATION",
            "budget": Money(Decimal("25.5"), "GBP"),
            "budget_kind": BudgetKind.DAILY,
            "tag": "0192",
            **changes,
        }
    )


def test_every_campaign_of_every_page_is_read(ads, there):
    for number in range(5):
        there.add(f"Campaign {number}")

    found = list(ads.campaigns())

    assert [one.name for one in found] == [f"Campaign {number}" for number in range(5)]
    assert found[0].budget == Money(Decimal("25.5"), "GBP")
    assert len(there.asked("GET", r".*/campaign/get/")) == 3
    info = there.asked("GET", r".*/advertiser/info/")[0]
    assert info.target.startswith("/open_api/v1.3/advertiser/info/?advertiser_ids=%5B%226900%22%5D&")
    assert info.headers["access-token"] == TOKEN


def test_a_new_campaign_as_it_goes_over_the_wire(ads, there):
    answer = ads.create(wanted())

    assert there.seen[0].raw.startswith(b"POST /open_api/v1.3/campaign/create/ HTTP/1.1\r\n")
    assert (
        there.seen[0].body
        == (
            b'{"advertiser_id":"6900","request_id":"%s","campaign_name":"Spring [mg:0192]",'
            b'"objective_type":"LEAD_GENERATION","budget_mode":"BUDGET_MODE_DAY","budget":25.5,'
            b'"operation_status":"DISABLE"}'
        )
        % request_id_of("0192").encode()
    )
    assert request_id_of("0192").isdigit()
    assert there.campaigns[answer.value]["campaign_name"] == "Spring [mg:0192]"


def test_the_same_request_twice_makes_one_campaign(ads, there):
    first, second = ads.create(wanted()), ads.create(wanted())

    assert first.value == second.value != ""
    assert len(there.campaigns) == 1


def test_an_answer_that_is_lost_is_asked_for_again_and_found_by_the_tag(ads, there):
    there.misbehave(ResetAfter(), path="create")

    answer = ads.create(wanted())

    assert answer.outcome.is_good
    assert list(there.campaigns) == [answer.value]


def test_pausing_and_a_new_budget(ads, there):
    key = there.add("Spring")

    assert ads.change(key, Change(status=Status.PAUSED, budget=Money(Decimal(30), "GBP"))).outcome.is_good

    assert (there.campaigns[key]["operation_status"], there.campaigns[key]["budget"]) == ("DISABLE", 30)
    assert there.seen[1].json == {
        "advertiser_id": "6900",
        "campaign_ids": [key],
        "operation_status": "DISABLE",
    }


def test_nothing_to_change_is_a_success(ads, there):
    key = there.add("Spring", budget=30)

    outcome = ads.change(key, Change(budget=Money(Decimal(30), "GBP"))).outcome

    assert (outcome.kind, outcome.code) == (Kind.OK, "40012")


def test_the_status_stays_where_the_budget_is_refused(ads, there):
    change = Change(status=Status.PAUSED, budget=Money(Decimal(30), "GBP"))

    assert ads.change("1", change).outcome.kind == Kind.PERMANENT_DATA
    assert len(there.seen) == 1


def test_a_bid_and_what_it_cannot_check(ads, there):
    assert ads.change_group("8", Change(bid=Money(Decimal("1.25"), "GBP"))).outcome.is_good
    assert there.seen[-1].body == b'{"advertiser_id":"6900","adgroup_id":"8","bid_price":1.25}'
    assert ads.create(wanted(), only_validate=True).outcome.kind == Kind.REFUSED_HERE
    assert ads.change("8", Change(), only_validate=True).outcome.kind == Kind.REFUSED_HERE


def test_a_status_that_is_refused_after_the_budget_says_what_was_done(ads, there):
    there.misbehave(Answer(said(40_002, "not now")), path="status/update")

    change = Change(budget=Money(Decimal(30), "GBP"), status=Status.PAUSED)
    outcome = ads.change(there.add("Spring"), change).outcome

    assert outcome.kind == Kind.PERMANENT_DATA
    assert outcome.reason == "Its amounts were changed, then: TikTok 40002: not now"


def test_figures_by_day_page_by_page_with_missing_ones_missing(ads, there):
    there.figures = {
        ("1", f"2026-11-0{day}"): {"spend": "12.34", "impressions": "100"} for day in range(1, 6)
    }
    there.later = {("1", "2026-11-05"): {"spend": "13.00", "clicks": "4", "conversion": "2"}}

    days = list(ads.figures(date(2026, 11, 1), date(2026, 11, 5)))
    again = list(ads.figures(date(2026, 11, 1), date(2026, 11, 5)))

    assert len(days) == 5
    assert (days[0].spend, days[0].impressions, days[0].clicks, days[0].conversions) == (
        Money(Decimal("12.34"), "GBP"),
        100,
        None,
        None,
    )
    assert (again[-1].spend.amount, again[-1].conversions) == (Decimal("13.00"), Decimal(2))
    asked = there.asked("GET", r".*/report/integrated/get/")
    assert len(asked) == 6
    assert json.loads(asked[0].query["metrics"]) == ["spend", "impressions", "clicks", "conversion"]


def test_a_long_report_is_asked_for_month_by_month(ads, there):
    list(ads.figures(date(2026, 9, 1), date(2026, 11, 5)))

    spans = [(one.query["start_date"], one.query["end_date"]) for one in there.asked("GET", ".*/get/")]
    assert spans == [
        ("2026-09-01", "2026-09-30"),
        ("2026-10-01", "2026-10-30"),
        ("2026-10-31", "2026-11-05"),
    ]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (said(40_105, "revoked"), Kind.AUTH_EXPIRED),
        (said(40_102, "expired"), Kind.AUTH_EXPIRED),
        (said(40_001, "no permission"), Kind.PERMANENT_CONFIG),
        (said(40_006, "version"), Kind.PERMANENT_CONFIG),
        (said(40_130, "scope"), Kind.PERMANENT_CONFIG),
        (said(40_002, "invalid"), Kind.PERMANENT_DATA),
        (said(40_062, "not hashed"), Kind.PERMANENT_DATA),
        (said(20_001, "in part"), Kind.PERMANENT_DATA),
        (said(40_100, "too frequent"), Kind.THROTTLED),
        (said(61_000, "too many"), Kind.THROTTLED),
        (said(60_001, "maintenance"), Kind.THROTTLED),
        (said(40_202, "conflict"), Kind.RETRYABLE),
        (said(50_000, "system"), Kind.UNKNOWN),
        (said(51_004, "inner"), Kind.UNKNOWN),
        (said(40_050, "duplicated"), Kind.OK),
        (Reply(504), Kind.UNKNOWN),
        (Reply(200, b"{}"), Kind.UNKNOWN),
    ],
)
def test_each_class_of_error_of_a_change(ads, there, fault, kind):
    there.misbehave(Answer(fault), times=3)

    assert ads.change("1", Change(status=Status.PAUSED)).outcome.kind == kind


@pytest.mark.parametrize("fault", [ResetBefore(), ResetAfter(), Truncated(), NotJson()])
def test_what_is_cut_off_is_asked_again_without_harm(ads, there, fault):
    there.misbehave(fault, path="create")

    assert ads.create(wanted()).outcome.is_good
    assert len(there.campaigns) == 1


def test_maintenance_holds_everybody_back(ads, there):
    there.misbehave(Answer(said(60_001, "maintenance")))

    with pytest.raises(errors.Unavailable) as caught:
        ads.account()

    assert caught.value.outcome.retry_after_seconds == 900
