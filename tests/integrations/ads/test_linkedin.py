"""LinkedIn's whole story over HTTP, the raw bytes of requests, and each class of its errors."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from apps.integrations import errors
from apps.integrations.connectors.ads import linkedin
from apps.integrations.connectors.ads.linkedin import LinkedInAds
from apps.integrations.connectors.ads.platform import BudgetKind, Change, NewCampaign, Status
from apps.integrations.money import Money
from apps.integrations.resilience.outcomes import Kind
from tests.fakes.linkedin import TOKEN, error
from tests.fakes.linkedin import LinkedInAds as Fake
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore, Truncated
from tests.integrations.connected import client_of


@pytest.fixture
def there(settings):
    with Fake() as fake:
        settings.INTEGRATION_URLS = {"linkedin_ads": fake.url}
        yield fake


@pytest.fixture
def ads(workspace, there):
    secrets = {"access_token": TOKEN}
    return LinkedInAds(client_of(workspace, "linkedin_ads", account="1", secrets=secrets, campaign_group="2"))


def wanted(**changes):
    return NewCampaign(
        **{
            "name": "Spring",
            "objective": "LEAD_GENERATION",
            "budget": Money(Decimal("25.5"), "USD"),
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
    assert found[0].budget == Money(Decimal("25.50"), "GBP")
    assert len(there.seen) == 3
    first = there.seen[0]
    assert first.target == (
        "/rest/adAccounts/1/adCampaigns?q=search&search=(status:(values:List("
        "ACTIVE,PAUSED,DRAFT,COMPLETED,CANCELED,ARCHIVED)))&pageSize=100"
    )
    assert first.headers["linkedin-version"] == "202609"
    assert first.headers["x-restli-protocol-version"] == "2.0.0"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_new_campaign_as_it_goes_over_the_wire(ads, there):
    answer = ads.create(wanted(starts_at=datetime(2026, 12, 1, tzinfo=UTC)))

    assert there.seen[0].raw.startswith(b"POST /rest/adAccounts/1/adCampaigns HTTP/1.1\r\n")
    assert there.seen[0].body == (
        b'{"account":"urn:li:sponsoredAccount:1","name":"Spring [mg:0192]",'
        b'"objectiveType":"LEAD_GENERATION","status":"PAUSED","type":"SPONSORED_UPDATES","costType":"CPC",'
        b'"dailyBudget":{"amount":"25.50","currencyCode":"USD"},"runSchedule":{"start":1796083200000},'
        b'"campaignGroup":"urn:li:sponsoredCampaignGroup:2"}'
    )
    assert there.campaigns[answer.value]["name"] == "Spring [mg:0192]"


def test_a_change_is_a_partial_update(ads, there):
    key = there.add("Spring")

    assert ads.change(key, Change(status=Status.PAUSED, budget=Money(Decimal(30), "USD"))).outcome.is_good

    sent = there.seen[0]
    assert sent.headers["x-restli-method"] == "PARTIAL_UPDATE"
    assert sent.body == (
        b'{"patch":{"$set":{"status":"PAUSED","dailyBudget":{"amount":"30.00","currencyCode":"USD"}}}}'
    )
    assert there.campaigns[key]["status"] == "PAUSED"


def test_a_bid_is_the_campaigns_own(ads, there):
    key = there.add("Spring")

    assert ads.change(key, Change(bid=Money(Decimal("4"), "USD"))).outcome.is_good

    assert b'"unitCost":{"amount":"4.00","currencyCode":"USD"}' in there.seen[-1].body
    assert ads.read(key).bid == Money(Decimal(4), "USD")
    assert ads.change_group("1", Change(bid=Money(Decimal("4"), "USD"))).outcome.kind == Kind.REFUSED_HERE


@pytest.mark.parametrize("deed", ["create", "change"])
def test_what_it_cannot_check_it_is_not_asked(ads, there, deed):
    answer = (
        ads.create(wanted(), only_validate=True)
        if deed == "create"
        else ads.change("1", Change(), only_validate=True)
    )

    assert answer.outcome.kind == Kind.REFUSED_HERE
    assert there.seen == []


def test_a_report_asks_with_urns_escaped_and_lists_plain(ads, there):
    key = there.add("Spring")
    there.figures = {(key, "2026-11-02"): {"impressions": 100, "costInLocalCurrency": "12.34"}}
    there.later = {(key, "2026-11-02"): {"impressions": 101, "clicks": 3, "costInLocalCurrency": "12.50"}}

    [day] = ads.figures(date(2026, 11, 1), date(2026, 11, 7))
    [again] = ads.figures(date(2026, 11, 1), date(2026, 11, 7))

    sent = there.asked("GET", "/rest/adAnalytics")[0]
    assert sent.target == (
        "/rest/adAnalytics?q=analytics&pivot=CAMPAIGN&timeGranularity=DAILY"
        "&dateRange=(start:(year:2026,month:11,day:1),end:(year:2026,month:11,day:7))"
        f"&campaigns=List(urn%3Ali%3AsponsoredCampaign%3A{key})"
        "&fields=impressions,clicks,costInLocalCurrency,externalWebsiteConversions,"
        "conversionValueInLocalCurrency,dateRange,pivotValues"
    )
    assert (day.spend, day.impressions, day.clicks) == (Money(Decimal("12.34"), "GBP"), 100, None)
    assert (again.spend, again.clicks) == (Money(Decimal("12.50"), "GBP"), 3)


def test_a_report_is_asked_for_in_parts_that_are_not_cut_off(ads, there, monkeypatch):
    keys = [there.add(f"Campaign {number}") for number in range(3)]
    monkeypatch.setattr(linkedin, "MOST_ROWS", 9)
    there.most_rows = 9
    there.figures = {(key, f"2026-11-0{day}"): {"impressions": day} for key in keys for day in range(1, 8)}

    found = list(ads.figures(date(2026, 11, 1), date(2026, 11, 7)))

    assert len(found) == 21
    assert len(there.asked("GET", "/rest/adAnalytics")) == 4


def test_a_campaign_of_unknown_fate_is_found_by_its_tag(ads, there):
    there.misbehave(ResetAfter())

    assert ads.create(wanted()).outcome.kind == Kind.UNKNOWN

    assert len(there.asked("POST", r".*/adCampaigns")) == 1
    assert ads.find("0192").name == "Spring [mg:0192]"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(401, "INVALID_ACCESS_TOKEN", "Invalid access token", 65_600), Kind.AUTH_EXPIRED),
        (error(401, "REVOKED_ACCESS_TOKEN", "Revoked", 65_601), Kind.AUTH_EXPIRED),
        (error(403, "ACCESS_DENIED", "Not enough permissions"), Kind.PERMANENT_CONFIG),
        (error(426, "NONEXISTENT_VERSION", "Version 20250301 is not active"), Kind.PERMANENT_CONFIG),
        (error(422, "INVALID_VALUE", "amount"), Kind.PERMANENT_DATA),
        (error(429, "TOO_MANY_REQUESTS", "Resource level throttle"), Kind.THROTTLED),
        (error(500, "INTERNAL", "Internal error"), Kind.UNKNOWN),
        (Reply(503), Kind.RETRYABLE),
    ],
)
def test_each_class_of_error_of_a_creation(ads, there, fault, kind):
    there.misbehave(Answer(fault), times=3)

    assert ads.create(wanted()).outcome.kind == kind


@pytest.mark.parametrize("fault", [ResetBefore(), ResetAfter()])
def test_a_creation_that_is_cut_off_leaves_its_fate_open(ads, there, fault):
    there.misbehave(fault)

    assert ads.create(wanted()).outcome.kind == Kind.UNKNOWN


@pytest.mark.parametrize("fault", [Truncated(), NotJson()])
def test_a_list_that_is_spoiled_is_read_again(ads, there, fault):
    there.add("Spring")
    there.misbehave(fault)

    assert [one.name for one in ads.campaigns()] == ["Spring"]


def test_a_month_that_is_over_is_said_in_words(ads, there):
    there.versions = ("202701",)

    with pytest.raises(errors.Refused, match="202609 is not active"):
        list(ads.campaigns())
