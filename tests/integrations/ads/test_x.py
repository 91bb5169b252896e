"""X's whole story over HTTP, its signatures, the raw bytes of requests, and each class of its errors."""

import time
from datetime import date
from decimal import Decimal

import pytest

from apps.integrations import errors
from apps.integrations.connectors.ads.platform import BudgetKind, Change, NewCampaign, Status
from apps.integrations.connectors.ads.x import XAds
from apps.integrations.money import Money
from apps.integrations.resilience.outcomes import Kind
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore, Truncated
from tests.fakes.x import SECRETS, error
from tests.fakes.x import XAds as Fake
from tests.integrations.connected import client_of


@pytest.fixture
def there(settings):
    with Fake() as fake:
        settings.INTEGRATION_URLS = {"x_ads": fake.url}
        yield fake


@pytest.fixture
def ads(workspace, there):
    secrets = {name: value for name, value in SECRETS.items() if name != "consumer_key"}
    return XAds(client_of(workspace, "x_ads", account="18ce", secrets=secrets, consumer_key="ck"))


def wanted(**changes):
    return NewCampaign(
        **{
            "name": "Spring & more",
            "objective": "",
            "budget": Money(Decimal("25.5"), "GBP"),
            "budget_kind": BudgetKind.DAILY,
            "tag": "0192",
            **changes,
        }
    )


def test_every_campaign_of_every_page_is_read_signed(ads, there):
    for number in range(5):
        there.add(f"Campaign {number}")

    found = list(ads.campaigns())

    assert [one.name for one in found] == [f"Campaign {number}" for number in range(5)]
    assert found[0].budget == Money(Decimal("25.50"), "GBP")
    assert [one.target for one in there.seen] == [
        "/12/accounts/18ce/campaigns?count=1000",
        "/12/accounts/18ce/campaigns?count=1000&cursor=2",
        "/12/accounts/18ce/campaigns?count=1000&cursor=4",
    ]
    assert there.seen[0].headers["authorization"].startswith("OAuth ")
    assert "cs" not in there.seen[0].headers["authorization"].split('"')


def test_a_new_campaign_as_it_goes_over_the_wire(ads, there):
    answer = ads.create(wanted())

    sent = there.asked("POST", r".*/campaigns")[0]
    assert sent.raw.startswith(
        b"POST /12/accounts/18ce/campaigns?funding_instrument_id=lygyi&name=Spring%20%26%20more"
        b"%20%5Bmg%3A0192%5D&entity_status=PAUSED&daily_budget_amount_local_micro=25500000 HTTP/1.1\r\n"
    )
    assert there.campaigns[answer.value]["name"] == "Spring & more [mg:0192]"


def test_another_secret_is_refused(workspace, there):
    secrets = {"access_token": "at", "token_secret": "other", "consumer_secret": "cs"}
    ads = XAds(client_of(workspace, "x_ads", account="18ce", secrets=secrets, consumer_key="ck"))

    with pytest.raises(errors.ServiceError) as caught:
        list(ads.campaigns())

    assert caught.value.outcome.kind == Kind.AUTH_EXPIRED


def test_pausing_and_a_new_budget(ads, there):
    key = there.add("Spring")

    assert ads.change(key, Change(status=Status.PAUSED, budget=Money(Decimal(30), "GBP"))).outcome.is_good

    row = there.campaigns[key]
    assert (row["entity_status"], row["daily_budget_amount_local_micro"]) == ("PAUSED", 30_000_000)
    assert ads.change(key, Change(status=Status.ENDED)).outcome.is_good
    assert row["deleted"] is True
    assert next(ads.campaigns()).status == Status.ENDED


def test_a_batch_is_done_whole_or_not_at_all(ads, there):
    keys = [there.add("One"), there.add("Two")]
    pause = Change(status=Status.PAUSED)

    refused = ads.change_all({keys[0]: pause, "nobody": pause}).outcome
    assert [there.campaigns[key]["entity_status"] for key in keys] == ["ACTIVE", "ACTIVE"]
    done = ads.change_all(dict.fromkeys(keys, pause)).outcome

    assert refused.kind == Kind.PERMANENT_DATA
    assert [one.kind for one in refused.items] == [Kind.RETRYABLE, Kind.PERMANENT_DATA]
    assert (done.kind, len(done.items)) == (Kind.OK, 2)
    assert [there.campaigns[key]["entity_status"] for key in keys] == ["PAUSED", "PAUSED"]
    assert there.seen[0].body.startswith(b'[{"operation_type":"Update","params":{"campaign_id":')
    assert ads.change_all(dict.fromkeys(map(str, range(41)), pause)).outcome.kind == Kind.REFUSED_HERE


def test_a_bid_and_what_it_cannot_check(ads, there):
    assert ads.change_group("8u94t", Change(bid=Money(Decimal("1.5"), "GBP"))).outcome.is_good
    assert there.seen[-1].target.endswith("?bid_strategy=MAX&bid_amount_local_micro=1500000")
    assert ads.create(wanted(), only_validate=True).outcome.kind == Kind.REFUSED_HERE
    assert ads.change("1", Change(), only_validate=True).outcome.kind == Kind.REFUSED_HERE


def test_figures_come_in_windows_of_seven_days_added_over_placements(ads, there):
    key = there.add("Spring")
    spent = {"billed_charge_local_micro": 1_500_000, "impressions": 10}
    there.figures = {
        (key, "2026-11-01", "ALL_ON_TWITTER"): spent,
        (key, "2026-11-01", "TREND"): spent,
        (key, "2026-11-09", "SPOTLIGHT"): spent,
    }
    there.later = {(key, "2026-11-09", "SPOTLIGHT"): {**spent, "billed_charge_local_micro": 2_000_000}}

    first = {one.on: one for one in ads.figures(date(2026, 11, 1), date(2026, 11, 10))}
    again = {one.on: one for one in ads.figures(date(2026, 11, 1), date(2026, 11, 10))}

    assert first[date(2026, 11, 1)].spend == Money(Decimal("3"), "GBP")
    assert (first[date(2026, 11, 1)].impressions, first[date(2026, 11, 2)].impressions) == (20, 0)
    assert again[date(2026, 11, 9)].spend == Money(Decimal("2"), "GBP")
    stats = there.asked("GET", r"/12/stats/accounts/18ce")
    assert len(stats) == 12
    # Whole days of Los Angeles; on the first of them clocks are set back.
    assert (stats[0].query["start_time"], stats[0].query["end_time"]) == (
        "2026-11-01T07:00:00Z",
        "2026-11-08T08:00:00Z",
    )


def test_a_campaign_of_unknown_fate_is_found_by_its_tag(ads, there):
    there.misbehave(ResetAfter(), path="campaigns")

    assert ads.create(wanted()).outcome.kind == Kind.UNKNOWN

    assert len(there.asked("POST", r".*/campaigns")) == 1
    assert ads.find("0192").name == "Spring & more [mg:0192]"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(401, "UNAUTHORIZED_ACCESS"), Kind.AUTH_EXPIRED),
        (error(403, "UNAUTHORIZED_CLIENT_APPLICATION"), Kind.PERMANENT_CONFIG),
        (error(404, "CAMPAIGN_NOT_FOUND"), Kind.PERMANENT_CONFIG),
        (error(410, "VERSION_SUNSET"), Kind.PERMANENT_CONFIG),
        (error(400, "INVALID_PARAMETER"), Kind.PERMANENT_DATA),
        (error(423, "LOCK_ACQUISITION_TIMEOUT"), Kind.RETRYABLE),
        (error(408, "CANCELLED_REQUEST"), Kind.RETRYABLE),
        (error(503, "OVER_CAPACITY", headers={"retry-after": "1"}), Kind.RETRYABLE),
        (error(500, "INTERNAL_ERROR"), Kind.UNKNOWN),
        (Reply(502, b"<html>"), Kind.UNKNOWN),
    ],
)
def test_each_class_of_error_of_a_change(ads, there, fault, kind):
    there.misbehave(Answer(fault), times=3)

    assert ads.change("1", Change(status=Status.PAUSED)).outcome.kind == kind


def test_the_limit_of_the_account_counts_before_that_of_the_application(ads, there):
    now = int(time.time())
    headers = {"x-rate-limit-reset": str(now + 900), "x-account-rate-limit-reset": str(now + 60)}
    there.misbehave(Answer(error(429, "TOO_MANY_REQUESTS", headers=headers)))

    with pytest.raises(errors.Unavailable) as caught:
        list(ads.campaigns())

    assert 50 < caught.value.outcome.retry_after_seconds <= 60


@pytest.mark.parametrize("fault", [ResetBefore(), ResetAfter(), Truncated(), NotJson()])
def test_a_creation_that_is_cut_off_leaves_its_fate_open(ads, there, fault):
    there.misbehave(fault, path="campaigns")

    assert ads.create(wanted()).outcome.kind == Kind.UNKNOWN
