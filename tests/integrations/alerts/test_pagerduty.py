"""PagerDuty's whole story over HTTP: trigger, acknowledge, resolve by one key, each error, both regions."""

import pytest

from apps.integrations.connectors.alerts import pagerduty
from apps.integrations.models import Call
from apps.integrations.monitoring import incidents
from apps.integrations.resilience.outcomes import Kind
from tests.factories import NOW
from tests.fakes.pagerduty import ROUTING_KEY, PagerDuty, invalid
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore, Truncated
from tests.integrations.alerts.conftest import ID, alert, relayed


@pytest.fixture
def fake(settings):
    with PagerDuty() as one:
        settings.INTEGRATION_URLS = {"pagerduty": one.url}
        settings.SITE_URL = "https://bellwether.example"
        yield one


@pytest.fixture
def client(client_of, fake):
    return client_of("pagerduty", {"routing_key": ROUTING_KEY})


def test_a_trigger_as_it_goes_over_the_wire(client, fake):
    outcome = pagerduty.tell(client, alert(), None).outcome

    sent = fake.seen[0]
    assert (outcome.kind, outcome.reference) == (Kind.OK, f"mg:{ID}")
    assert sent.raw.startswith(b"POST /v2/enqueue HTTP/1.1\r\n")
    link = f"https://bellwether.example/integrations/incidents/{ID}/"
    # Written by hand from the schema of the Events API.
    assert sent.body.decode() == (
        f'{{"routing_key":"{ROUTING_KEY}","event_action":"trigger","dedup_key":"mg:{ID}",'
        f'"client":"Bellwether","client_url":"{link}","payload":{{'
        '"summary":"Critical: Calls fail. Mean of calls.success is 0.5, below 0.9.",'
        '"source":"bellwether","severity":"critical","timestamp":"2026-11-20T12:00:00+00:00",'
        '"component":"Calls fail",'
        '"custom_details":{"detail":"Mean of calls.success is 0.5, below 0.9.","tier":1}}}'
    )


def test_what_closes_it_is_three_fields(client, fake):
    for deed in ("trigger", "acknowledge", "resolve"):
        assert pagerduty.tell(client, alert(deed), None).outcome.is_good

    assert fake.seen[1].json == {
        "routing_key": ROUTING_KEY,
        "event_action": "acknowledge",
        "dedup_key": f"mg:{ID}",
    }
    assert fake.alerts == {f"mg:{ID}": ["resolved", 1]}


def test_the_key_makes_a_second_trigger_harmless(client, fake):
    fake.misbehave(ResetAfter())

    assert pagerduty.tell(client, alert(), None).outcome.is_good
    assert fake.alerts == {f"mg:{ID}": ["triggered", 2]}


def test_each_region_has_an_address():
    assert pagerduty.address({"region": "eu"}) == "https://events.eu.pagerduty.com/v2/enqueue"
    assert pagerduty.address({}) == "https://events.pagerduty.com/v2/enqueue"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (invalid("'payload.summary' is missing or blank"), Kind.PERMANENT_DATA),
        (invalid("'routing_key' is invalid: Invalid routing key"), Kind.PERMANENT_CONFIG),
        (Reply(429), Kind.THROTTLED),
        (Reply(429, b"", {"Retry-After": "12"}), Kind.THROTTLED),
        (Reply(403), Kind.PERMANENT_CONFIG),
        (Reply(500), Kind.RETRYABLE),
        (Reply(502, b"<html>", {"Content-Type": "text/html"}), Kind.RETRYABLE),
        (Reply(200, b'{"status":"throttled"}'), Kind.UNKNOWN),
    ],
)
def test_each_class_of_error(client, fake, reply, kind):
    fake.misbehave(Answer(reply), times=3)

    assert pagerduty.tell(client, alert(), None).outcome.kind == kind


@pytest.mark.parametrize("fault", [ResetBefore(), Truncated(), NotJson()])
def test_a_fault_of_the_line_is_tried_again(client, fake, fault):
    fake.misbehave(fault)

    assert pagerduty.tell(client, alert(), None).outcome.is_good
    assert len(fake.seen) == 2


def test_an_incident_from_its_opening_to_its_end(client, fake, opened, actor):
    incident = opened()
    assert relayed() == [("pagerduty", "done")]
    key = f"mg:{incident.public_id}"
    assert fake.alerts[key] == ["triggered", 1]

    incidents.acknowledge(actor, incident, now=NOW)
    relayed()
    assert fake.alerts[key] == ["acknowledged", 1]
    incidents.resolve_by_hand(actor, incident, why="", now=NOW)
    relayed()
    assert fake.alerts[key] == ["resolved", 1]


def test_what_is_over_before_it_could_be_told_wakes_nobody(client, fake, opened, actor):
    incident = opened()
    incidents.resolve_by_hand(actor, incident, why="", now=NOW)

    assert relayed() == [("pagerduty", "done"), ("pagerduty", "done")]
    assert [one.json["event_action"] for one in fake.seen] == ["resolve"]
    assert Call.objects.first().last_reason == "It was over before it could be told."


def test_a_wrong_key_stops_the_channel(client_of, fake, opened):
    client_of("pagerduty", {"routing_key": "0" * 32})
    opened()

    assert relayed() == [("pagerduty", "held")]
