"""Payloads as pure functions, byte by byte against the documentation, and laws that hold for any event."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.integrations.connectors.conversions import destination as destinations
from apps.integrations.connectors.conversions import ga4, google, linkedin, meta, sending, tiktok, x
from apps.integrations.conversion_events import PURPOSES, Click, ConversionEvent, from_json

AT = datetime(2026, 11, 7, 15, 0, tzinfo=UTC)
EMAIL = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"
PHONE = "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8"
BARE_PHONE = "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
OPTIONS = {"account": "123", "customer": "123-456-7890", "pixel": "o1"}


def event(**changes):
    return ConversionEvent(
        **{
            "event_id": "order-1",
            "kind": "purchase",
            "at": AT,
            "value": Decimal("199.00"),
            "currency": "USD",
            "order_id": "ORDER-1",
            "person_key": "p1",
            "email": " Jane.Doe@Example.COM ",
            "phone": "+1 (650) 555-1212",
            "allows": frozenset(PURPOSES),
            "clicks": {
                name: Click(value=f"{name}-1", at=AT - timedelta(days=1))
                for name in ("gclid", "fbclid", "ttclid", "twclid", "li_fat_id")
            },
            "browser": {
                "url": "https://studio.example/thanks",
                "client_ip_address": "203.0.113.9",
                "client_user_agent": "Mozilla/5.0",
                "fbp": "fb.1.1.2",
                "ga_client_id": "123.456",
                "ga_session_id": "77",
            },
            **changes,
        }
    )


def body(module, *events, **options):
    request = module.build(events or [event()], {**OPTIONS, **options})
    return request.url, request.json


def test_meta():
    url, said = body(meta, test_event_code="TEST1")

    assert url == "/123/events"
    assert said == {
        "data": [
            {
                "event_name": "Purchase",
                "event_time": 1794063600,
                "action_source": "website",
                "event_source_url": "https://studio.example/thanks",
                "event_id": "order-1",
                "user_data": {
                    "em": [EMAIL],
                    "ph": [BARE_PHONE],
                    "client_ip_address": "203.0.113.9",
                    "client_user_agent": "Mozilla/5.0",
                    "fbp": "fb.1.1.2",
                    "fbc": "fb.1.1793977200000.fbclid-1",
                },
                "custom_data": {"value": 199.0, "currency": "USD", "order_id": "ORDER-1"},
            }
        ],
        "test_event_code": "TEST1",
    }


def test_meta_without_a_browser_and_without_personalisation():
    _, said = body(meta, event(browser={}, allows=frozenset({"ad_user_data"})))

    [one] = said["data"]
    assert (one["action_source"], one["opt_out"]) == ("system_generated", True)
    assert "event_source_url" not in one


def test_analytics():
    url, said = body(ga4)

    assert url == "/mp/collect"
    assert said == {
        "client_id": "123.456",
        "timestamp_micros": "1794063600000000",
        "consent": {"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"},
        "events": [
            {
                "name": "purchase",
                "params": {
                    "currency": "USD",
                    "value": 199.0,
                    "transaction_id": "ORDER-1",
                    "session_id": "77",
                    "engagement_time_msec": 1,
                },
            }
        ],
    }


def test_analytics_takes_an_order_back():
    back = event(value=Decimal("149.00"), taken_back=Decimal("50.00"), changed_at=AT + timedelta(hours=1))
    _, said = body(ga4, back)

    assert said["events"] == [
        {
            "name": "refund",
            "params": {
                "currency": "USD",
                "value": 50.0,
                "transaction_id": "ORDER-1",
                "session_id": "77",
                "engagement_time_msec": 1,
            },
        }
    ]
    assert said["timestamp_micros"] == "1794067200000000"
    assert ga4.retraction(back, {}) == ""
    assert "order" in ga4.retraction(event(order_id="", taken_back=Decimal(1)), {})
    assert "higher" in ga4.retraction(event(taken_back=Decimal(-1)), {})


def test_google():
    url, said = body(google, event(allows=frozenset({"ad_user_data"})), login_customer_id="111-222-3333")

    assert url == "/events:ingest"
    assert said == {
        "destinations": [
            {
                "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"},
                "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "1112223333"},
                "productDestinationId": "123",
                "reference": "d1",
            }
        ],
        "encoding": "HEX",
        "validateOnly": False,
        "events": [
            {
                "destinationReferences": ["d1"],
                "transactionId": "ORDER-1",
                "eventTimestamp": "2026-11-07T15:00:00Z",
                "currency": "USD",
                "conversionValue": 199.0,
                "eventSource": "WEB",
                "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED"},
                "adIdentifiers": {"gclid": "gclid-1"},
                "userData": {"userIdentifiers": [{"emailAddress": EMAIL}, {"phoneNumber": PHONE}]},
            }
        ],
    }


def test_an_address_goes_to_google_whole_or_not_at_all():
    names = {"first_name": "Jane", "last_name": "Doe", "country": "us"}

    assert len(google.identifiers(event(**names), {})) == 2
    [*_, address] = google.identifiers(event(**names, postal_code="94035"), {})
    assert address["address"]["regionCode"] == "US"
    assert address["address"]["postalCode"] == "94035"
    assert re.fullmatch("[0-9a-f]{64}", address["address"]["givenName"])


def test_tiktok():
    url, said = body(tiktok)

    assert url == "/event/track/"
    assert said == {
        "event_source": "web",
        "event_source_id": "123",
        "data": [
            {
                "event": "CompletePayment",
                "event_time": 1794063600,
                "event_id": "order-1",
                "user": {
                    "email": EMAIL,
                    "phone": PHONE,
                    "ttclid": "ttclid-1",
                    "ip": "203.0.113.9",
                    "user_agent": "Mozilla/5.0",
                },
                "page": {"url": "https://studio.example/thanks"},
                "properties": {"currency": "USD", "value": 199.0, "order_id": "ORDER-1"},
            }
        ],
    }


def test_linkedin():
    url, said = body(linkedin)

    assert url == "/conversionEvents"
    assert said == {
        "elements": [
            {
                "conversion": "urn:lla:llaPartnerConversion:123",
                "conversionHappenedAt": 1794063600000,
                "conversionValue": {"currencyCode": "USD", "amount": "199.00"},
                "eventId": "order-1",
                "user": {
                    "userIds": [
                        {"idType": "SHA256_EMAIL", "idValue": EMAIL},
                        {"idType": "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID", "idValue": "li_fat_id-1"},
                    ]
                },
            }
        ]
    }


def test_x():
    url, said = body(x)

    assert url == "/measurement/conversions/o1"
    assert said == {
        "conversions": [
            {
                "conversion_time": "2026-11-07T15:00:00.000Z",
                "event_id": "123",
                "identifiers": [
                    {"twclid": "twclid-1"},
                    {"hashed_email": EMAIL},
                    {"hashed_phone_number": PHONE},
                    {"ip_address": "203.0.113.9", "user_agent": "Mozilla/5.0"},
                ],
                "value": "199.00",
                "price_currency": "USD",
                "conversion_id": "order-1",
            }
        ]
    }


STRANGER = {
    "email": "",
    "phone": "07911 123456",
    "clicks": {},
    "browser": {"client_ip_address": "203.0.113.9"},
}


@pytest.mark.parametrize("module", [meta, google, tiktok, linkedin, x])
def test_somebody_nobody_could_recognise_is_not_sent(module):
    assert module.refusal(event(**STRANGER), OPTIONS) == "Nothing in it says who it was."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "x" * 41}, "no name"),
        ({"kind": "1st booking"}, "no name"),
        ({"kind": "日本"}, "no name"),
        ({"kind": "session start"}, "for itself"),
        ({"kind": "ga something"}, "for itself"),
        ({"order_id": "9" * 101}, "transaction_id has more"),
        ({"browser": {"ga_client_id": "a b"}}, "client id"),
    ],
)
def test_what_analytics_would_drop_without_a_word_is_not_sent(changes, words):
    assert words in ga4.refusal(event(**changes), {})


@pytest.mark.parametrize(
    ("service", "limit"),
    [
        ("meta_conversions", timedelta(days=7)),
        ("ga4", timedelta(hours=72)),
        ("google_conversions", timedelta(days=90)),
        ("linkedin_conversions", timedelta(days=90)),
        ("tiktok_conversions", timedelta(days=7)),
        ("x_conversions", timedelta(days=7)),
    ],
)
def test_ages(service, limit):
    destination = sending.of_service(service)
    on_the_edge = event(at=AT - limit)

    assert destinations.obstacle(destination, on_the_edge, OPTIONS, now=AT) == ""
    later = AT + timedelta(seconds=1)
    assert "older" in destinations.obstacle(destination, on_the_edge, OPTIONS, now=later)
    assert "future" in destinations.obstacle(destination, event(at=AT + timedelta(hours=1)), OPTIONS, now=AT)
    nothing_allowed = event(allows=frozenset())
    assert "allowed" in destinations.obstacle(destination, nothing_allowed, OPTIONS, now=AT)


def test_an_age_is_a_setting(settings):
    settings.CONVERSION_AGE_DAYS = {"tiktok_conversions": 28}
    destination = sending.of_service("tiktok_conversions")

    assert destinations.obstacle(destination, event(at=AT - timedelta(days=20)), OPTIONS, now=AT) == ""


def test_a_connection_may_be_for_some_types_only():
    assert destinations.wants({}, "lead")
    assert destinations.wants({"kinds": "Purchase, lead"}, "LEAD")
    assert not destinations.wants({"kinds": "purchase"}, "lead")


TEXT = st.text(max_size=30)
EVENTS = st.builds(
    event,
    kind=st.text(min_size=1, max_size=60),
    value=st.integers(0, 10**9).map(lambda pence: Decimal(pence).scaleb(-2)),
    email=st.one_of(st.just(""), st.emails()),
    phone=st.one_of(st.just(""), st.just("+16505551212"), TEXT),
    first_name=TEXT,
    last_name=TEXT,
    external_id=TEXT,
    city=TEXT,
    postal_code=TEXT,
    country=st.one_of(st.just("GB"), TEXT),
    allows=st.frozensets(st.sampled_from(PURPOSES)),
)


@given(EVENTS)
def test_an_event_survives_the_outbox(one):
    assert from_json(json.loads(json.dumps(one.to_json()))) == one


@given(EVENTS, st.sampled_from([meta, ga4, google, tiktok, linkedin, x]))
def test_any_event_becomes_json_in_which_nobody_is_named(one, module):
    """Names go to LinkedIn alone, which takes no others; e-mail and phone go to nobody."""
    request = module.build([one], OPTIONS)
    said = json.dumps(request.json, ensure_ascii=False)

    assert json.loads(said) == request.json
    assert not one.email or one.email not in said
    assert (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" not in said
    )  # the hash of nothing


@given(EVENTS, st.sampled_from([meta, tiktok, google, x]))
def test_every_hash_is_one(one, module):
    user = json.dumps(module.build([one], OPTIONS).json)
    for name in ("em", "ph", "email", "phone", "emailAddress", "phoneNumber", "hashed_email"):
        for value in re.findall(rf'"{name}": \[?"([^"]*)"', user):
            assert re.fullmatch("[0-9a-f]{64}", value)


@given(st.text(min_size=1, max_size=50))
def test_a_client_id_that_is_made_up_is_one_and_stays_the_same(key):
    made = ga4.client_id_of(event(person_key=key, browser={}))

    assert re.fullmatch(r"\d+\.\d+", made)
    assert made == ga4.client_id_of(event(person_key=key, browser={}))
