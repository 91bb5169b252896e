"""Stitching through the API: an anonymous past becomes a person's, whenever it is said."""

import pytest

from apps.accounts.models import Person
from apps.attribution.models import Conversion, Touchpoint
from tests.attribution import doors

IDENTIFY = "/api/v1/attribution/identify"
EVENT = "/api/v1/attribution/track/event"
CONVERSION = "/api/v1/attribution/track/conversion"
BATCH = "/api/v1/attribution/track/batch"
VISIT = {"event_type": "visit", "platform": "organic"}


@pytest.fixture(params=doors.NAMES)
def door(request):
    return request.param


@pytest.fixture
def api(door, workspace, now):
    """A client of either door with a key of scope admin."""
    return doors.client_of(door, workspace, ["admin"], now)


def post(client, url, body):
    return client.post(url, body, format="json")


def test_an_anonymous_past_becomes_the_persons(api):
    anonymous = post(api, EVENT, {**VISIT, "anonymous_id": "laptop"}).json()
    post(api, EVENT, {**VISIT, "anonymous_id": "phone"})
    post(api, CONVERSION, {"user_id": "anna", "conversion_type": "purchase", "revenue": 10})

    first = post(api, IDENTIFY, {"anonymous_id": "laptop", "user_id": "anna"})
    second = post(api, IDENTIFY, {"anonymous_id": "phone", "user_id": "anna"})

    assert (first.status_code, first.json()["merged"], second.json()["merged"]) == (200, True, True)
    assert first.json()["person_id"] == second.json()["person_id"] != anonymous["person_id"]
    person = Conversion.objects.get().person_id
    assert set(Touchpoint.objects.values_list("person_id", flat=True)) == {person}


def test_saying_it_again_changes_nothing(api):
    post(api, EVENT, {**VISIT, "anonymous_id": "laptop"})
    first = post(api, IDENTIFY, {"anonymous_id": "laptop", "user_id": "anna"}).json()

    again = post(api, IDENTIFY, {"anonymous_id": "laptop", "user_id": "anna"})

    assert again.json() == {**first, "merged": False}
    assert Touchpoint.objects.get().person.external_id == "anna"


def test_an_id_never_seen_may_be_identified_ahead(api):
    answer = post(api, IDENTIFY, {"anonymous_id": "new", "user_id": "anna"}).json()

    event = post(api, EVENT, {**VISIT, "anonymous_id": "new"}).json()

    assert (answer["merged"], event["person_id"]) == (False, answer["person_id"])


def test_traits_are_kept_and_personal_ones_sealed(door, workspace, now):
    client = doors.client_of(door, workspace, ["track"], now)

    post(client, IDENTIFY, {"user_id": "anna", "traits": {"email": "anna@example.com", "plan": "studio"}})

    person = Person.objects.get(external_id="anna")
    assert person.traits == {"plan": "studio"}
    assert b"anna@example.com" not in bytes(person.email_sealed)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"user_id"}),
        ({"user_id": ""}, {"user_id"}),
        ({"user_id": ["a"], "anonymous_id": "x" * 201}, {"user_id", "anonymous_id"}),
        ({"user_id": "a", "traits": "rich"}, {"traits"}),
        ({"user_id": "a", "traits": {"email": "not an address"}}, {"traits.email"}),
        ({"user_id": "a", "traits": {"a": "x" * 9_000}}, {"traits"}),
    ],
)
def test_faults_are_named_and_nobody_is_made(api, body, fields):
    answer = post(api, IDENTIFY, body)

    assert (answer.status_code, set(answer.json()["errors"])) == (400, fields)
    assert Person.objects.count() == 0


def test_on_a_shared_device_the_order_within_a_batch_decides(api):
    records = [
        {"type": "event", **VISIT, "anonymous_id": "tablet", "event_id": "1"},
        {"type": "identify", "anonymous_id": "tablet", "user_id": "anna"},
        {"type": "event", **VISIT, "anonymous_id": "tablet", "event_id": "2"},
        {"type": "identify", "anonymous_id": "tablet", "user_id": "bert"},
        {"type": "event", **VISIT, "anonymous_id": "tablet", "event_id": "3"},
    ]

    post(api, BATCH, {"events": records})

    owners = dict(Touchpoint.objects.values_list("event_id", "person__external_id"))
    assert owners == {"1": "anna", "2": "anna", "3": "bert"}


def test_an_event_with_both_ids_stitches_them(api):
    post(api, EVENT, {**VISIT, "anonymous_id": "laptop", "event_id": "1"})

    post(api, EVENT, {**VISIT, "anonymous_id": "laptop", "user_id": "anna", "event_id": "2"})

    assert set(Touchpoint.objects.values_list("person__external_id", flat=True)) == {"anna"}
