"""Meta's whole story over HTTP, the raw bytes of each request, and each class of its errors."""

from datetime import date
from decimal import Decimal

import pytest

from apps.integrations import errors, sealed_json
from apps.integrations.client import Client
from apps.integrations.connectors.ads.meta import MetaAds
from apps.integrations.connectors.ads.platform import BudgetKind, Change, NewCampaign, Status
from apps.integrations.models import Connection
from apps.integrations.money import Money
from apps.integrations.resilience.outcomes import Kind
from tests.factories import NOW
from tests.fakes.meta import TOKEN, Meta, error, throttled
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, json_reply


@pytest.fixture
def meta(settings):
    with Meta() as fake:
        settings.INTEGRATION_URLS = {"meta_ads": fake.url}
        yield fake


@pytest.fixture
def ads(workspace, meta):
    connection = Connection(
        workspace=workspace, service="meta_ads", account="act_1234", label="M", state_changed_at=NOW
    )
    sealed_json.put(connection, "credentials_sealed", {"access_token": TOKEN, "app_secret": "s3cret"})
    connection.save()
    return MetaAds(Client(connection))


def wanted(**changes):
    return NewCampaign(
        **{
            "name": "Spring",
            "objective": "OUTCOME_LEADS",
            "budget": Money(Decimal("25.50"), "GBP"),
            "budget_kind": BudgetKind.DAILY,
            "tag": "0192",
            **changes,
        }
    )


def test_every_campaign_of_every_page_is_read(ads, meta):
    for number in range(5):
        meta.add(f"Campaign {number}", daily_budget="2550" if number else None)

    found = list(ads.campaigns())

    assert [one.name for one in found] == [f"Campaign {number}" for number in range(5)]
    assert found[0].budget is None
    assert (found[1].budget, found[1].budget_kind) == (Money(Decimal("25.50"), "GBP"), BudgetKind.DAILY)
    assert len(meta.asked("GET", r".*/campaigns")) == 3


def test_a_new_campaign_as_it_goes_over_the_wire(ads, meta):
    answer = ads.create(wanted())

    sent = meta.asked("POST", r".*/campaigns")[0]
    assert meta.campaigns[answer.value]["name"] == "Spring [mg:0192]"
    # Written by hand from the documentation: minor units, form encoding, the nested list as JSON.
    assert sent.raw.startswith(b"POST /v26.0/act_1234/campaigns?appsecret_proof=")
    assert sent.body == (
        b"name=Spring+%5Bmg%3A0192%5D&objective=OUTCOME_LEADS&status=PAUSED"
        b"&special_ad_categories=%5B%5D&daily_budget=2550"
    )
    assert sent.headers["authorization"] == "Bearer EAAB-token"
    # printf %s EAAB-token | openssl dgst -sha256 -hmac s3cret
    assert sent.query["appsecret_proof"] == "6a3058a17f2c08a05f5c380e6933af5ef14900e4df55f632a3a3fcf06fae7794"


def test_a_check_alone_makes_nothing(ads, meta):
    answer = ads.create(wanted(), only_validate=True)

    assert answer.outcome.kind == Kind.OK
    assert meta.campaigns == {}
    assert b"execution_options=%5B%22validate_only%22%5D" in meta.seen[-1].body


def test_pausing_and_a_new_budget(ads, meta):
    key = meta.add("Spring")

    assert ads.change(key, Change(status=Status.PAUSED, budget=Money(Decimal("30"), "GBP"))).outcome.is_good

    assert (meta.campaigns[key]["status"], meta.campaigns[key]["daily_budget"]) == ("PAUSED", "3000")


def test_a_campaign_of_unknown_fate_is_found_by_its_tag(ads, meta):
    meta.misbehave(ResetAfter(), path="campaigns")

    answer = ads.create(wanted())

    assert answer.outcome.kind == Kind.UNKNOWN
    assert len(meta.asked("POST", r".*/campaigns")) == 1
    assert ads.find("0192").name == "Spring [mg:0192]"
    assert ads.find("other") is None


def test_figures_by_day_with_missing_ones_missing(ads, meta):
    meta.figures = [
        {
            "campaign_id": "1",
            "date_start": "2026-11-07",
            "spend": "12.34",
            "impressions": "100",
            "actions": [
                {"action_type": "lead", "value": "3"},
                {"action_type": "offsite_conversion.fb_pixel_lead", "value": "3"},
                {"action_type": "link_click", "value": "9"},
            ],
        },
        {"campaign_id": "1", "date_start": "2026-12-01", "spend": "99"},
    ]

    [day] = ads.figures(date(2026, 11, 1), date(2026, 11, 30))

    assert (day.spend, day.impressions, day.clicks) == (Money(Decimal("12.34"), "GBP"), 100, None)
    assert (day.conversions, day.conversion_value) == (Decimal(3), None)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(190, "expired", subcode=463, status=401), Kind.AUTH_EXPIRED),
        (error(200, "no permission", status=403), Kind.PERMANENT_CONFIG),
        (error(2635, "dead version"), Kind.PERMANENT_CONFIG),
        (error(100, "invalid parameter"), Kind.PERMANENT_DATA),
        (error(17, "too many", subcode=2446079), Kind.THROTTLED),
        (error(368, "blocked"), Kind.THROTTLED),
        (error(2, "temporary", status=500, is_transient=True), Kind.UNKNOWN),
        (error(1, "unknown", status=400, is_transient=True), Kind.RETRYABLE),
        (json_reply({"success": False}), Kind.PERMANENT_DATA),
        (Reply(502, b"<html>", {"Content-Type": "text/html"}), Kind.UNKNOWN),
        (Reply(503), Kind.RETRYABLE),
    ],
)
def test_each_class_of_error_of_a_write(ads, meta, fault, kind):
    meta.misbehave(Answer(fault), times=3)

    assert ads.change("1", Change(status=Status.PAUSED)).outcome.kind == kind


def test_a_page_with_status_200_leaves_the_fate_open(ads, meta):
    meta.misbehave(NotJson())

    assert ads.change(meta.add("x"), Change(status=Status.PAUSED)).outcome.kind == Kind.UNKNOWN


def test_a_throttled_account_waits_as_long_as_the_usage_header_says(ads, meta):
    meta.misbehave(throttled(minutes=3))

    with pytest.raises(errors.Unavailable) as caught:
        list(ads.campaigns())

    assert caught.value.outcome.retry_after_seconds == 180
    assert len(meta.seen) == 1


def test_the_fifth_budget_change_within_an_hour_is_throttled(ads, meta):
    key = meta.add("Spring")
    kinds = [ads.change(key, Change(budget=Money(Decimal(10 + n), "GBP"))).outcome.kind for n in range(5)]

    assert kinds == [Kind.OK] * 4 + [Kind.THROTTLED]
