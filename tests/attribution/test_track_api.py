"""The tracking endpoints, from outside, through both of their doors."""

import gzip
import json
from decimal import Decimal

import pytest

from apps.accounts import scoping
from apps.attribution.models import Conversion, ConversionRecord, Spend, Touchpoint
from tests.attribution import doors

EVENT = "/api/v1/attribution/track/event"
CONVERSION = "/api/v1/attribution/track/conversion"
BATCH = "/api/v1/attribution/track/batch"
SPEND = "/api/v1/attribution/track/spend"
CHANNELS = "/api/v1/attribution/channels"
RULES = "/api/v1/attribution/channel-rules"
CLICK = {"user_id": "user_123", "event_type": "click", "platform": "meta"}
PURCHASE = {"user_id": "user_123", "conversion_type": "purchase", "revenue": 99.99}


@pytest.fixture(params=doors.NAMES)
def door(request):
    return request.param


@pytest.fixture
def api(door, workspace, now):
    """A client of either door with a key of scope admin."""
    return doors.client_of(door, workspace, ["admin"], now)


def repr_or_type(value):
    return repr(value)[:20] if not isinstance(value, int) or value < 10**9 else "a huge number"


def post(client, url, body):
    return client.post(url, body, format="json")


def test_an_event_is_stored_and_answered(api):
    answer = post(api, EVENT, {**CLICK, "campaign_id": "spring", "event_id": "click-1"})

    assert answer.status_code == 201
    touch = Touchpoint.objects.select_related("person", "source__channel").get()
    assert answer.json() == {
        "id": "click-1",
        "event_id": "click-1",
        "person_id": str(touch.person.public_id),
        "channel": "paid_social",
        "duplicate": False,
    }
    assert (touch.person.external_id, touch.source.campaign_id) == ("user_123", "spring")


def test_the_same_event_again_is_a_duplicate_with_the_original_answer(api):
    first = post(api, EVENT, {**CLICK, "event_id": "click-1"}).json()

    again = post(
        api, EVENT, {**CLICK, "user_id": "somebody-else", "platform": "google", "event_id": "click-1"}
    )

    assert again.status_code == 200
    assert again.json() == {**first, "duplicate": True}
    assert Touchpoint.objects.count() == 1


def test_the_two_touches_of_the_acceptance_story_are_two_channels(api):
    meta = post(api, EVENT, {**CLICK, "campaign_id": "camp_1"}).json()
    google = post(api, EVENT, {**CLICK, "platform": "google", "campaign_id": "camp_2"}).json()
    purchase = post(api, CONVERSION, PURCHASE)

    assert (meta["channel"], google["channel"]) == ("paid_social", "paid_search")
    assert meta["person_id"] == google["person_id"] == purchase.json()["person_id"]
    assert (purchase.status_code, purchase.json()["value"]) == (201, "99.99")


def test_fields_that_nobody_reads_are_named(api):
    answer = post(api, EVENT, {**CLICK, "utm_sorce": "newsletter"})

    assert answer.json()["ignored"] == ["utm_sorce"]


def test_all_faults_of_an_event_are_named_at_once(api):
    answer = post(api, EVENT, {"event_type": ["click"], "occurred_at": "tomorrow", "cost": -1})

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert set(answer.json()["errors"]) == {"user_id", "event_type", "platform", "occurred_at", "cost"}
    assert Touchpoint.objects.count() == 0


def test_a_conversion_is_stored_and_answered(api):
    answer = post(api, CONVERSION, {**PURCHASE, "order_id": "o-1", "event_id": "e-1"})

    conversion = Conversion.objects.select_related("person").get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": "e-1",
        "event_id": "e-1",
        "order_id": "o-1",
        "person_id": str(conversion.person.public_id),
        "kind": "conversion",
        "value": "99.99",
        "currency": "GBP",
        "duplicate": False,
    }


def test_the_same_order_again_is_a_duplicate(api):
    first = post(api, CONVERSION, {**PURCHASE, "order_id": "o-1"}).json()

    again = post(api, CONVERSION, {**PURCHASE, "order_id": "o-1", "event_id": "from-the-server"})

    assert again.status_code == 200
    assert again.json() == {**first, "duplicate": True}
    assert ConversionRecord.objects.count() == 1


def test_a_refund_and_a_correction_change_what_the_order_is_worth(api):
    post(api, CONVERSION, {**PURCHASE, "order_id": "o-1"})

    refund = post(api, CONVERSION, {**PURCHASE, "revenue": "-20", "order_id": "o-1"}).json()
    corrected = post(
        api, CONVERSION, {**PURCHASE, "revenue": 120, "order_id": "o-1", "replaces": True}
    ).json()

    assert (refund["kind"], refund["value"]) == ("refund", "79.99")
    assert (corrected["kind"], corrected["value"]) == ("correction", "100.00")
    assert Conversion.objects.get().value == Decimal("100")


@pytest.mark.parametrize("revenues", [("99.99", "-100"), ("-100", "99.99")])
def test_a_refund_beyond_the_order_takes_it_down_to_nothing_whichever_comes_first(api, revenues):
    answers = [post(api, CONVERSION, {**PURCHASE, "revenue": one, "order_id": "o-1"}) for one in revenues]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1].json()["value"] == "0.00"
    assert Conversion.objects.get().value == 0


def test_a_currency_without_a_rate_is_refused_saying_what_to_do(api):
    answer = post(api, CONVERSION, {**PURCHASE, "currency": "usd"})

    assert answer.status_code == 400
    assert "exchange_rates" in answer.json()["errors"]["currency"][0]
    assert Conversion.objects.count() == 0


def test_a_batch_has_a_verdict_for_each_record_in_its_order(api):
    records = [
        {"type": "event", **CLICK, "event_id": "a"},
        {"type": "event", "event_type": "click"},
        {"type": "conversion", **PURCHASE, "order_id": "o-1"},
        {"type": "identify", "user_id": "user_123", "anonymous_id": "browser-1", "traits": {"plan": "pro"}},
        {"type": "event", **CLICK, "event_id": "a"},
        {"type": "conversion", **PURCHASE, "revenue": -500, "order_id": "o-1"},
        {"type": "smoke signal", **CLICK},
        "rubbish",
    ]

    answer = post(api, BATCH, {"events": records})

    body = answer.json()
    assert answer.status_code == 207
    assert [one["status"] for one in body["results"]] == [201, 400, 201, 200, 200, 201, 400, 400]
    assert (body["accepted"], body["duplicates"], body["refused"]) == (4, 1, 3)
    assert set(body["results"][1]) == {"status", "detail", "code", "errors"}
    assert Touchpoint.objects.count() == 1
    assert Conversion.objects.get().value == 0


def test_a_batch_may_come_as_gzip(api):
    raw = gzip.compress(json.dumps({"events": [{"type": "event", **CLICK}]}).encode())

    answer = api.post(BATCH, raw, content_type="application/json", headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["accepted"]) == (207, 1)


def test_what_follows_the_packed_body_is_not_dropped_unseen(api):
    raw = gzip.compress(json.dumps({"events": [{"type": "event", **CLICK}]}).encode())

    answer = api.post(
        BATCH,
        raw + gzip.compress(b"{}"),
        content_type="application/json",
        headers={"Content-Encoding": "gzip"},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


RUBBISH = (
    b"",
    b"null",
    b"[]",
    b"7",
    b'{"events": []}',
    b'{"events": {}}',
    b'{"events": [' + b",".join([b"{}"] * 1001) + b"]}",
    b"{",
    b'{"a": "\xff"}',
    b"[" * 100_000,
    b'{"events": "' + b"x" * 2_000 + b'"}',
)


@pytest.mark.parametrize("url", [EVENT, CONVERSION, BATCH, SPEND, "/api/v1/attribution/identify"])
def test_rubbish_is_refused_in_the_one_shape(api, url):
    for body in RUBBISH:
        answer = api.post(url, body, content_type="application/json")

        refused = answer.status_code == 207 and answer.json()["refused"] == len(answer.json()["results"])
        assert refused or answer.status_code in (400, 413), (body[:40], answer.status_code)
        if answer.status_code != 207:
            assert set(answer.json()) == {"detail", "code", "errors"}, body[:40]
        assert Touchpoint.objects.count() == Conversion.objects.count() == 0, body[:40]


@pytest.mark.parametrize(
    "name",
    ["user_id", "event_type", "platform", "url", "cost", "properties", "occurred_at", "event_id", "sent_at"],
)
def test_no_value_breaks_the_event_endpoint(api, name):
    for value in ("a\x00b", [], {}, True, "x" * 9_000, 10**400, -1, [[[[[[]]]]]], {"a": "\x00"}):
        answer = post(api, EVENT, {**CLICK, name: value})

        assert answer.status_code in (200, 201, 400), (repr_or_type(value), answer.status_code)


@pytest.mark.parametrize("url", [EVENT, CONVERSION, BATCH, SPEND, "/api/v1/attribution/identify"])
def test_a_key_that_may_only_read_is_refused(door, workspace, now, url):
    answer = post(doors.client_of(door, workspace, ["read"], now), url, {**CLICK, **PURCHASE, "events": []})

    assert answer.status_code == 403
    assert Touchpoint.objects.count() == Conversion.objects.count() == 0


def test_a_tracking_key_may_track(door, workspace, now):
    assert post(doors.client_of(door, workspace, ["track"], now), EVENT, CLICK).status_code == 201


def test_nobody_is_refused(client, workspace):
    assert client.post(EVENT, CLICK, content_type="application/json").status_code == 401


def test_two_workspaces_may_use_the_same_ids(api, door, other_workspace, now):
    other = doors.client_of(door, other_workspace, ["track"], now)

    first = post(api, EVENT, {**CLICK, "event_id": "same"})
    second = post(other, EVENT, {**CLICK, "event_id": "same"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["person_id"] != second.json()["person_id"]
    with scoping.workspace(other_workspace):
        assert Touchpoint.objects.count() == 1


def test_spend_is_kept_per_source_and_day_and_replaced_when_sent_again(api):
    row = {"platform": "meta", "campaign_id": "spring", "day": "2026-01-05", "amount": "41.20", "clicks": 98}

    first = post(api, SPEND, {"spend": [row]})
    again = post(api, SPEND, [{**row, "amount": 42}, {**row, "day": "soon"}])

    assert [one["status"] for one in first.json()["results"]] == [201]
    assert [one["status"] for one in again.json()["results"]] == [200, 400]
    kept = Spend.objects.select_related("source__channel").get()
    assert (kept.amount, kept.clicks, kept.source.channel.key) == (Decimal("42"), 98, "paid_social")


def test_spend_follows_its_campaign_into_the_channel_its_touches_are_in(api):
    touch = {**CLICK, "platform": "google", "campaign_id": "c-9", "utm_medium": "display"}
    post(api, EVENT, touch)

    answer = post(
        api, SPEND, [{"platform": "google", "campaign_id": "c-9", "day": "2026-01-05", "amount": 5}]
    )

    assert answer.json()["results"][0]["channel"] == "display"


def test_spend_sent_again_replaces_even_when_the_campaign_moved(api):
    row = {"platform": "google", "campaign_id": "c-9", "day": "2026-01-05", "amount": 5}
    post(api, SPEND, [row])
    post(api, EVENT, {**CLICK, "platform": "google", "campaign_id": "c-9", "utm_medium": "display"})

    post(api, SPEND, [{**row, "amount": 6}])

    assert [one.amount for one in Spend.objects.all()] == [Decimal("6")]


def test_channels_and_rules_can_be_read_and_replaced(api):
    post(api, EVENT, CLICK)

    listed = api.get(CHANNELS).json()
    rules = api.get(RULES).json()["rules"]
    answer = api.put(
        RULES, {"rules": [{"channel_key": "Social Ads", "platform": "meta"}, *rules]}, format="json"
    )

    assert {"key": "paid_social", "label": "Paid social", "position": 1} in listed
    assert (answer.status_code, len(answer.json()["rules"])) == (200, len(rules) + 1)
    assert post(api, EVENT, CLICK).json()["channel"] == "social_ads"


def test_rules_are_refused_with_every_fault_named_and_nothing_changes(api):
    post(api, EVENT, CLICK)
    before = api.get(RULES).json()

    answer = api.put(
        RULES,
        {"rules": [{"channel_key": "", "platform": 7}, {"channel_key": "a", "color": "x"}]},
        format="json",
    )

    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"rules.0.channel_key", "rules.0.platform", "rules.1.color"}
    assert api.get(RULES).json() == before
