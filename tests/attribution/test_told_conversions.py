"""A conversion that is tracked is told to those who sent the buyer: the whole way, over HTTP, once."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.accounts import consent, events, people, privacy
from apps.accounts.models import OutboxEvent
from apps.attribution import told_conversions
from apps.attribution.models import Conversion
from apps.integrations import calling, outbox
from apps.integrations.conversion_events import PURPOSES
from apps.integrations.models import Call, ForwardedConversion
from apps.integrations.resilience.lanes import Lane
from tests.fakes import analytics
from tests.fakes.analytics import opened
from tests.fakes.town import Town

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TRACK = "/api/v1/attribution/track"
PURCHASE = {
    "user_id": "user_123",
    "conversion_type": "purchase",
    "revenue": 99.5,
    "order_id": "order-1001",
    "event_id": "buy-1",
    "occurred_at": "2026-11-20T11:59:00Z",
    "properties": {
        "url": "https://studio.example/thanks",
        "client_user_agent": "Mozilla/5.0",
        "client_ip_address": "203.0.113.9",
        "ga_client_id": "123.456",
    },
}
CLICK = {
    "user_id": "user_123",
    "event_type": "click",
    "platform": "meta",
    "event_id": "click-1",
    "occurred_at": "2026-11-19T12:00:00Z",
    "url": "https://studio.example/?fbclid=IwAR1",
}


@pytest.fixture(autouse=True)
def _at_noon():
    calling.reset()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def town(settings, page):
    """Meta and Analytics, connected on the pages."""
    with Town() as one:
        settings.FAKES_URL = one.url
        for fake in one.fakes.values():
            fake.now = NOW.timestamp
        for service, values in {
            "meta_conversions": {"account": "777", "access_token": "EAAB-capi"},
            "ga4": {"account": "G-1", "api_secret": "s3"},
        }.items():
            assert page.post(f"/integrations/connect/{service}/", values).status_code == 302
        yield one


@pytest.fixture
def send(api, django_capture_on_commit_callbacks):
    """Track it, and let everything follow that follows."""

    def send(path, body):
        with django_capture_on_commit_callbacks(execute=True):
            answer = api.post(f"{TRACK}/{path}", body, format="json")
        assert answer.status_code in {200, 201}, answer.content
        return answer

    return send


@pytest.fixture
def ada(actor, send):
    """Somebody who came by an advertisement and allows everything."""
    send("event", CLICK)
    traits = {"email": " Jane.Doe@Example.COM ", "phone": "+1 (650) 555-1212"}
    person = people.identify(actor, user_id="user_123", traits=traits, now=NOW)
    allow(actor, person)
    return person


def allow(actor, person, *purposes, is_granted=True):
    for purpose in purposes or PURPOSES:
        consent.record(
            actor,
            person,
            purpose=purpose,
            is_granted=is_granted,
            source="test",
            occurred_at=timezone.now(),
            now=timezone.now(),
        )


def bodies(town, service):
    return [one.body for one in town.fakes[service].seen if one.method == "POST"]


def test_a_tracked_conversion_becomes_the_documented_bytes(town, send, ada):
    send("conversion", PURCHASE)

    [meta] = [one for one in town.fakes["meta_conversions"].seen if one.method == "POST"]
    assert meta.target == "/v26.0/777/events"
    assert meta.headers["authorization"] == "Bearer EAAB-capi"
    assert meta.body == (
        b'{"data":[{"event_name":"Purchase","event_time":1795175940,"action_source":"website",'
        b'"event_source_url":"https://studio.example/thanks","event_id":"buy-1","user_data":{'
        b'"em":["86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"],'
        b'"ph":["e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"],'
        # printf %s user_123 | openssl dgst -sha256
        b'"external_id":["80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b"],'
        b'"client_ip_address":"203.0.113.9","client_user_agent":"Mozilla/5.0",'
        b'"fbc":"fb.1.1795089600000.IwAR1"},"custom_data":{"value":99.5,"currency":"GBP",'
        b'"order_id":"order-1001"}}]}'
    )
    [analytics] = [one for one in town.fakes["ga4"].seen if one.method == "POST"]
    assert analytics.target == "/mp/collect?measurement_id=G-1&api_secret=s3"
    assert analytics.body == (
        b'{"client_id":"123.456","timestamp_micros":"1795175940000000","consent":{"ad_user_data":"GRANTED",'
        b'"ad_personalization":"GRANTED"},"events":[{"name":"purchase","params":{"currency":"GBP","value":99.5,'
        b'"transaction_id":"order-1001","engagement_time_msec":1}}]}'
    )


@pytest.fixture
def product_analytics(town, page):
    """Mixpanel, which hears of clicks as well, and Amplitude, which does not."""
    for service, values in {
        "mixpanel": {
            "account": "123",
            "residency": "eu",
            "user": analytics.USER,
            "secret": analytics.SECRET,
            "steps": "yes",
        },
        "amplitude": {"account": "1", "residency": "us", "api_key": analytics.API_KEY},
    }.items():
        assert page.post(f"/integrations/connect/{service}/", values).status_code == 302
    return town.fakes["mixpanel"], town.fakes["amplitude"]


def test_product_analytics_hears_of_conversions_and_of_clicks_where_it_is_to(product_analytics, send, ada):
    mixpanel, amplitude = product_analytics
    send("event", {**CLICK, "event_id": "click-2"})
    send("conversion", PURCHASE)

    heard = [(key[0], one["properties"]["event_id"]) for key, one in mixpanel.events.items()]
    assert sorted(heard) == [("click", "click-2"), ("purchase", "buy-1")]
    assert [one["event_type"] for one in amplitude.events] == ["purchase"]
    assert {key[2] for key in mixpanel.events} == {str(ada.public_id)}
    assert b"Jane" not in b"".join(opened(one) for one in (*mixpanel.seen, *amplitude.seen))


def test_product_analytics_hears_nothing_of_those_who_do_not_allow_it(product_analytics, send, actor):
    person = people.identify(actor, user_id="user_123", traits={}, now=NOW)
    allow(actor, person, "ad_user_data")
    send("event", CLICK)
    send("conversion", PURCHASE)

    assert [len(one.seen) for one in product_analytics] == [0, 0]


def test_delivered_twice_it_is_told_once(town, send, ada, django_capture_on_commit_callbacks):
    send("conversion", PURCHASE)
    send("conversion", PURCHASE)
    with django_capture_on_commit_callbacks(execute=True):
        for row in OutboxEvent.objects.filter(name="attribution.conversions.recorded"):
            for subscriber in events.subscribers_of(row.name).values():
                subscriber(events.REGISTRY[row.name](workspace_id=row.workspace_id, **row.payload))

    assert [len(bodies(town, one)) for one in ("meta_conversions", "ga4")] == [1, 1]
    assert set(ForwardedConversion.objects.values_list("repeats", flat=True)) == {1}


def test_a_refund_takes_back_what_can_be_taken_back(town, send, ada):
    send("conversion", PURCHASE)
    send("conversion", {**PURCHASE, "revenue": -20, "event_id": "refund-1", "occurred_at": NOW.isoformat()})

    assert bodies(town, "ga4")[1] == (
        b'{"client_id":"123.456","timestamp_micros":"1795176000000000","consent":{"ad_user_data":"GRANTED",'
        b'"ad_personalization":"GRANTED"},"events":[{"name":"refund","params":{"currency":"GBP","value":20.0,'
        b'"transaction_id":"order-1001","engagement_time_msec":1}}]}'
    )
    assert len(bodies(town, "meta_conversions")) == 1
    change = ForwardedConversion.objects.get(connection__service="meta_conversions", stage="change")
    assert "no way to take it back" in change.kept_back


def test_without_consent_nothing_leaves(town, send, actor):
    people.identify(actor, user_id="user_123", traits={"email": "ada@example.com"}, now=NOW)

    send("conversion", PURCHASE)

    assert [bodies(town, one) for one in ("meta_conversions", "ga4")] == [[], []]
    reasons = set(ForwardedConversion.objects.values_list("kept_back", flat=True))
    assert reasons == {
        "The person has not allowed ad_user_data.",
        "The person has not allowed analytics_storage.",
    }
    assert Call.objects.count() == 0


def test_what_is_allowed_for_one_purpose_goes_there_alone(town, send, actor):
    person = people.identify(actor, user_id="user_123", traits={"email": "ada@example.com"}, now=NOW)
    allow(actor, person, "analytics_storage")

    send("conversion", PURCHASE)

    assert [len(bodies(town, one)) for one in ("meta_conversions", "ga4")] == [0, 1]
    assert b'"ad_user_data":"DENIED"' in bodies(town, "ga4")[0]


def test_an_erasure_stops_what_waits(town, api, actor, ada):
    """The event is delivered, the call waits, the person is erased, the worker comes."""
    api.post(f"{TRACK}/conversion", PURCHASE, format="json")
    row = OutboxEvent.objects.get(name="attribution.conversions.recorded")
    events.deliver(event_id=row.pk)
    assert Call.objects.filter(state=Call.State.WAITING).count() == 2

    privacy.erase(actor, ada, reason="asked", now=NOW)
    outbox.relay(lane=int(Lane.MARKETING))

    assert [bodies(town, one) for one in ("meta_conversions", "ga4")] == [[], []]
    assert set(Call.objects.values_list("state", "payload_sealed")) == {(Call.State.CANCELLED, None)}


def test_nothing_is_told_while_nobody_is_connected(send, ada):
    send("conversion", PURCHASE)

    assert ForwardedConversion.objects.count() == 0


def test_click_ids_come_from_addresses_and_from_beside_them(send, ada):
    send(
        "event", {**CLICK, "event_id": "c2", "url": "", "gclid": "G7", "occurred_at": "2026-11-19T13:00:00Z"}
    )
    send("event", {**CLICK, "event_id": "c3", "url": "https://studio.example/?fbclid=older",
                   "occurred_at": "2026-11-18T12:00:00Z"})  # fmt: skip
    send("event", {**CLICK, "event_id": "c4", "url": "https://studio.example/?ttclid=stale",
                   "occurred_at": (NOW - timedelta(days=100)).isoformat()})  # fmt: skip
    send("event", {**CLICK, "event_id": "c5", "url": "https://studio.example/?twclid=after",
                   "occurred_at": "2026-11-20T11:59:30Z"})  # fmt: skip
    send("conversion", PURCHASE)

    [event] = told_conversions.events_of([Conversion.objects.get().pk])

    assert {name: one.value for name, one in event.clicks.items()} == {"fbclid": "IwAR1", "gclid": "G7"}


def test_somebody_who_allows_nothing_is_not_even_opened(send, actor):
    people.identify(actor, user_id="user_123", traits={"email": "ada@example.com"}, now=NOW)
    send("event", CLICK)
    send("conversion", PURCHASE)

    [event] = told_conversions.events_of([Conversion.objects.get().pk])

    assert (event.email, event.external_id, dict(event.clicks)) == ("", "", {})
