"""Google's whole story over HTTP, the raw bytes of requests, and each class of its errors."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from apps.integrations import errors
from apps.integrations.connectors.ads.google import GoogleAds
from apps.integrations.connectors.ads.platform import BudgetKind, Change, NewCampaign, Status
from apps.integrations.money import Money, NotExact
from apps.integrations.resilience.outcomes import Kind, Scope
from tests.fakes.google_ads import TOKEN, error, one_error, partial
from tests.fakes.google_ads import GoogleAds as Fake
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore, Truncated, json_reply
from tests.integrations.connected import client_of

PAUSE = Change(status=Status.PAUSED)


@pytest.fixture
def google(settings):
    settings.GOOGLE_ADS_DEVELOPER_TOKEN = "dev-token"
    with Fake() as fake:
        fake.developer_token = "dev-token"
        settings.INTEGRATION_URLS = {"google_ads": fake.url}
        yield fake


@pytest.fixture
def ads(workspace, google):
    client = client_of(
        workspace,
        "google_ads",
        account="123-456-7890",
        secrets={"access_token": TOKEN},
        login_customer_id="111-222-3333",
    )
    return GoogleAds(client)


def wanted(**changes):
    return NewCampaign(
        **{
            "name": "Spring",
            "objective": "SEARCH",
            "budget": Money(Decimal("25.50"), "GBP"),
            "budget_kind": BudgetKind.DAILY,
            "tag": "0192",
            **changes,
        }
    )


def test_every_campaign_of_every_page_is_read(ads, google):
    for number in range(5):
        google.add(f"Campaign {number}")

    found = list(ads.campaigns())

    assert [one.name for one in found] == [f"Campaign {number}" for number in range(5)]
    assert (found[0].budget, found[0].budget_kind) == (Money(Decimal("25.50"), "GBP"), BudgetKind.DAILY)
    searches = google.asked("POST", r".*googleAds:search")
    assert [one.json.get("pageToken") for one in searches] == [None, "2", "4"]
    assert "pageSize" not in searches[0].json
    assert searches[0].headers["developer-token"] == "dev-token"
    assert searches[0].headers["login-customer-id"] == "1112223333"


def test_a_new_campaign_as_it_goes_over_the_wire(ads, google):
    answer = ads.create(wanted())

    sent = google.asked("POST", r".*googleAds:mutate")[0]
    assert sent.raw.startswith(b"POST /v26/customers/1234567890/googleAds:mutate HTTP/1.1\r\n")
    # Written by hand from the documentation: micros as text, a temporary id, the declaration of the EU.
    assert sent.body == (
        b'{"mutateOperations":[{"campaignBudgetOperation":{"create":{'
        b'"resourceName":"customers/1234567890/campaignBudgets/-1","name":"Spring [mg:0192]",'
        b'"deliveryMethod":"STANDARD","explicitlyShared":false,"amountMicros":"25500000"}}},'
        b'{"campaignOperation":{"create":{"name":"Spring [mg:0192]","status":"PAUSED",'
        b'"advertisingChannelType":"SEARCH","campaignBudget":"customers/1234567890/campaignBudgets/-1",'
        b'"containsEuPoliticalAdvertising":"DOES_NOT_CONTAIN_EU_POLITICAL_ADVERTISING",'
        b'"maximizeConversions":{}}}}],"partialFailure":false,"validateOnly":false}'
    )
    assert google.campaigns[answer.value]["name"] == "Spring [mg:0192]"


def test_times_are_told_in_the_zone_of_the_account(ads, google):
    ads.create(wanted(starts_at=datetime(2026, 7, 1, 8, tzinfo=UTC)))

    created = google.asked("POST", r".*mutate")[0].json["mutateOperations"][1]["campaignOperation"]["create"]
    assert created["startDateTime"] == "2026-07-01 09:00:00"


def test_a_check_alone_makes_nothing(ads, google):
    answer = ads.create(wanted(), only_validate=True)

    assert (answer.outcome.kind, answer.value) == (Kind.OK, "")
    assert google.campaigns == {}
    assert google.seen[-1].json["validateOnly"] is True


def test_pausing_and_a_new_budget_in_one_request(ads, google):
    key = google.add("Spring")

    change = Change(status=Status.PAUSED, budget=Money(Decimal("30"), "GBP"))
    assert ads.change(key, change).outcome.is_good

    assert google.campaigns[key]["status"] == "PAUSED"
    assert google.budgets[google.campaigns[key]["campaignBudget"]]["amountMicros"] == "30000000"
    sent = google.asked("POST", r".*mutate")[0].json
    assert [next(iter(one.values()))["updateMask"] for one in sent["mutateOperations"]] == [
        "status",
        "amountMicros",
    ]


def test_a_shared_budget_is_left_alone(ads, google):
    key = google.add("Spring", explicitlyShared=True)

    outcome = ads.change(key, Change(budget=Money(Decimal("30"), "GBP"))).outcome

    assert outcome.kind == Kind.REFUSED_HERE
    assert google.asked("POST", r".*mutate") == []


def test_of_several_operations_each_is_looked_at(ads, google):
    """A 200 that holds a throttle for one of two: what the other did stands, and the whole waits."""
    key = google.add("Spring")
    quota = {"rateScope": "ACCOUNT", "rateName": "Requests", "retryDelay": "30s"}
    fault = one_error(
        "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", "Retry in 30 seconds.", index=1, **quota
    )
    google.misbehave(partial(fault, size=2), path="mutate")

    outcome = ads.change(key, Change(status=Status.PAUSED, budget=Money(Decimal("30"), "GBP"))).outcome

    assert (outcome.kind, outcome.retry_after_seconds, outcome.scope) == (Kind.THROTTLED, 30, Scope.ACCOUNT)
    assert [one.kind for one in outcome.items] == [Kind.OK, Kind.THROTTLED]


def test_a_budget_that_is_no_whole_coin_is_refused_per_operation(ads, google):
    google.add("Spring")
    answer = ads.change("999", Change(status=Status.PAUSED))

    assert answer.outcome.kind == Kind.PERMANENT_DATA
    assert "RESOURCE_NOT_FOUND" in answer.outcome.reason
    with pytest.raises(NotExact):
        ads.create(wanted(budget=Money(Decimal("1.005"), "GBP")))


def test_a_bid_goes_into_the_field_that_the_campaigns_strategy_buys_by(ads, google):
    key = google.add("Spring")
    group = google.add_group(key, "Exact")

    assert ads.change_group(group, Change(bid=Money(Decimal("1.20"), "GBP"))).outcome.is_good

    # Written by hand from the documentation: micros as text, only what the mask names.
    assert google.seen[-1].body == (
        b'{"mutateOperations":[{"adGroupOperation":{"update":{"resourceName":'
        b'"customers/1234567890/adGroups/%s","cpcBidMicros":"1200000"},"updateMask":"cpcBidMicros"}}],'
        b'"partialFailure":false,"validateOnly":false}' % group.encode()
    )
    google.campaigns[key]["biddingStrategyType"] = "TARGET_CPA"
    ads.change_group(group, Change(bid=Money(Decimal(12), "GBP")))
    assert ads.read_group(group).bid == Money(Decimal(12), "GBP")
    google.campaigns[key]["biddingStrategyType"] = "TARGET_SPEND"
    refused = ads.change_group(group, Change(bid=Money(Decimal(12), "GBP"))).outcome
    assert (refused.kind, refused.reason) == (
        Kind.REFUSED_HERE,
        "There is no bid to set where Google bids by TARGET_SPEND.",
    )


def test_a_campaign_of_unknown_fate_is_found_by_its_tag(ads, google):
    google.misbehave(ResetAfter(), path="mutate")

    assert ads.create(wanted()).outcome.kind == Kind.UNKNOWN

    assert len(google.asked("POST", r".*mutate")) == 1
    assert ads.find("0192").name == "Spring [mg:0192]"
    assert ads.find("other") is None


def test_what_is_left_out_is_zero_and_figures_change_on_reading_again(ads, google):
    google.figures = {
        ("1", "2026-11-07"): {"costMicros": "12340000", "impressions": "100", "conversions": 1.5}
    }
    google.later = {("1", "2026-11-07"): {"costMicros": "12990000", "impressions": "101", "clicks": "7"}}

    [first] = ads.figures(date(2026, 11, 1), date(2026, 11, 7))
    [again] = ads.figures(date(2026, 11, 1), date(2026, 11, 7))

    assert (first.spend, first.impressions, first.clicks) == (Money(Decimal("12.34"), "GBP"), 100, 0)
    assert (first.conversions, first.conversion_value) == (Decimal("1.5"), Decimal(0))
    assert (again.spend, again.clicks) == (Money(Decimal("12.99"), "GBP"), 7)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error("authenticationError", "OAUTH_TOKEN_EXPIRED", status=401), Kind.AUTH_EXPIRED),
        (error("authorizationError", "DEVELOPER_TOKEN_NOT_APPROVED", status=403), Kind.PERMANENT_CONFIG),
        (error("requestError", "UNSUPPORTED_VERSION"), Kind.PERMANENT_CONFIG),
        (error("campaignBudgetError", "DUPLICATE_NAME"), Kind.PERMANENT_DATA),
        (error("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", status=429, retryDelay="30s"), Kind.THROTTLED),
        (error("quotaError", "RESOURCE_EXHAUSTED", status=429), Kind.QUOTA_EXHAUSTED),
        (error("databaseError", "CONCURRENT_MODIFICATION"), Kind.RETRYABLE),
        (error("internalError", "INTERNAL_ERROR", status=500), Kind.UNKNOWN),
        (Reply(502, b"<html>", {"Content-Type": "text/html"}), Kind.UNKNOWN),
        (json_reply([{"error": {"code": 400, "message": "wrapped", "status": "INVALID"}}], status=400),
         Kind.PERMANENT_DATA),
    ],
)  # fmt: skip
def test_each_class_of_error_of_a_change(ads, google, fault, kind):
    google.misbehave(Answer(fault), times=3)

    assert ads.change("1", PAUSE).outcome.kind == kind


def test_the_quota_of_a_day_is_not_asked_for_again(ads, google):
    google.misbehave(Answer(error("quotaError", "RESOURCE_EXHAUSTED", status=429)), times=3)

    assert ads.change("1", PAUSE).outcome.kind == Kind.QUOTA_EXHAUSTED
    assert len(google.seen) == 1


@pytest.mark.parametrize("fault", [ResetBefore(), ResetAfter(), Truncated(), NotJson()])
def test_a_creation_that_is_cut_off_leaves_its_fate_open(ads, google, fault):
    google.misbehave(fault, path="mutate")

    assert ads.create(wanted()).outcome.kind == Kind.UNKNOWN
    assert len(google.asked("POST", r".*mutate")) == 1


def test_a_throttled_account_waits_as_long_as_it_is_told(ads, google):
    google.misbehave(
        Answer(error("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", status=429, retryDelay="77s"))
    )

    with pytest.raises(errors.Unavailable) as caught:
        list(ads.campaigns())

    assert caught.value.outcome.retry_after_seconds == 77


def test_of_several_operations_all_are_done_or_none(ads, google):
    key = google.add("Spring")
    google.budgets.clear()

    change = Change(status=Status.PAUSED, budget=Money(Decimal(30), "GBP"))
    google.budgets[google.campaigns[key]["campaignBudget"]] = {
        "resourceName": "customers/1/campaignBudgets/9"
    }
    outcome = ads.change(key, change).outcome

    assert outcome.kind == Kind.PERMANENT_DATA
    assert google.campaigns[key]["status"] == "ENABLED"
    assert json.loads(google.seen[-1].body)["partialFailure"] is False
