"""Light Blue's Inbox over HTTP: the raw bytes of a lead, and each code."""

from urllib.parse import parse_qsl

import pytest
from django.utils import timezone

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.resilience.outcomes import Kind
from tests.fakes.lightblue import KEY, LightBlue, code
from tests.fakes.server import (
    Answer,
    Drip,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Slow,
    Truncated,
    text_reply,
)
from tests.integrations.connected import Hasty, connection_to

LEAD = {
    "name": "Alice & Ben",
    "stage": "lead",
    "job_type": "Wedding",
    "lead_source": "Instagram",
    "event_date": "2027-06-02",
    "guest_count": 120,
    "people": [
        {
            "first_name": "Zoë",
            "last_name": "Hart",
            "email": "zoe@example.com",
            "phone": "+447700900123",
            "marketing_opt_in": True,
        },
        {"first_name": "Ben", "last_name": "Moore", "email": "ben@example.com"},
    ],
}


@pytest.fixture
def studio(settings):
    with LightBlue() as fake:
        settings.INTEGRATION_URLS = {"light_blue": fake.url}
        yield fake


@pytest.fixture
def connection(workspace, studio):
    return connection_to(workspace, "light_blue", account="", secrets={"api_key": KEY})


@pytest.fixture
def system_(connection):
    return systems.of(Client(connection))


def test_a_lead_as_it_goes_over_the_wire(system_, studio):
    answer = system_.create(Entity.JOB, "0193-lead", LEAD)

    [sent] = studio.seen
    assert sent.raw.startswith(b"POST /api.php HTTP/1.1\r\n")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    # Written by hand from the documentation: UTF-8, dd/mm/yyyy, an ID beside a Source.
    assert sent.body == (
        b"Key=lb-key&Type=contact+form&Source=Bellwether&ID=0193-lead"
        b"&Message=Event+date%3A+2+June+2027%0AGuests%3A+120%0AWith%3A+Ben+Moore+ben%40example.com"
        b"&ContactNameFirst=Zo%C3%AB&ContactNameLast=Hart&ContactEmail=zoe%40example.com"
        b"&ContactPhone=%2B447700900123&ContactMailingList=Yes&ContactSource=Instagram"
        b"&ShootTitle=Alice+%26+Ben&ShootType=Wedding&ShootDate=02%2F06%2F2027"
    )
    assert (answer.outcome.kind, answer.outcome.code) == (Kind.OK, "delivered_to_inbox")
    assert (answer.outcome.reference, answer.value.id) == ("0193-lead", "0193-lead")


def test_a_lead_of_which_little_is_known(system_, studio):
    fields = {"people": [{"email": "zoe@example.com", "marketing_opt_in": False}], "event_date": None}

    assert system_.create(Entity.JOB, "x", fields).outcome.is_good

    assert parse_qsl(studio.seen[0].body.decode()) == [
        ("Key", KEY),
        ("Type", "contact form"),
        ("Source", "Bellwether"),
        ("ID", "x"),
        ("ContactEmail", "zoe@example.com"),
    ]


def test_a_person_alone_is_a_lead_too(system_, studio):
    assert system_.create(Entity.CONTACT, "0193-zoe", LEAD["people"][0]).outcome.is_good

    assert studio.inbox == [
        {
            "Key": KEY,
            "Type": "contact form",
            "Source": "Bellwether",
            "ID": "0193-zoe",
            "ContactNameFirst": "Zoë",
            "ContactNameLast": "Hart",
            "ContactEmail": "zoe@example.com",
            "ContactPhone": "+447700900123",
            "ContactMailingList": "Yes",
        }
    ]


def test_the_same_lead_twice_is_there_once_and_both_times_delivered(system_, studio):
    answers = [system_.create(Entity.JOB, "0193-lead", LEAD) for _ in range(3)]

    assert {one.outcome.code for one in answers} == {"delivered_to_inbox"}
    assert len(studio.inbox) == 1


@pytest.mark.parametrize("fault", [ResetAfter(), ResetBefore(), Truncated(), NotJson(), Answer(code(1, "?"))])
def test_a_lost_answer_is_asked_for_again_and_there_is_one_lead(system_, studio, fault):
    studio.misbehave(fault)

    assert system_.create(Entity.JOB, "0193-lead", LEAD).outcome.code == "delivered_to_inbox"
    assert len(studio.inbox) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (code(0), Kind.OK),
        (code(-4, "This is a duplicate API request."), Kind.OK),
        (code(-3, "Invalid API request type"), Kind.PERMANENT_DATA),
        (code(-1, "Your API key was not recognised."), Kind.PERMANENT_DATA),
        (code(-99), Kind.PERMANENT_DATA),
        (code(-20, "You must use HTTPS"), Kind.PERMANENT_CONFIG),
        (code(0, status=500), Kind.OK),
        (code(-3, "No", status=500), Kind.PERMANENT_DATA),
        (text_reply("0\r\n"), Kind.OK),
        (text_reply(""), Kind.UNKNOWN),
        (text_reply("OK"), Kind.UNKNOWN),
        (text_reply("502 Bad Gateway"), Kind.UNKNOWN),
        (text_reply("00000"), Kind.UNKNOWN),
        (Reply(502, b"<html>502"), Kind.RETRYABLE),
        (Reply(503), Kind.RETRYABLE),
        (Reply(429, b"", {"Retry-After": "30"}), Kind.THROTTLED),
        (Reply(403), Kind.PERMANENT_CONFIG),
        (Reply(302, headers={"Location": "http://127.0.0.1/"}), Kind.PERMANENT_CONFIG),
    ],
)
def test_each_code(system_, studio, reply, kind):
    studio.misbehave(Answer(reply), times=3)

    assert system_.create(Entity.JOB, "x", LEAD).outcome.kind == kind


def test_an_unknown_code_is_told_in_their_words(system_, studio):
    studio.misbehave(Answer(code(-17, "Your subscription\rhas lapsed.")))

    outcome = system_.create(Entity.JOB, "x", LEAD).outcome

    assert (outcome.code, outcome.reason) == ("-17", "Light Blue -17: Your subscription has lapsed.")


def test_an_insecure_connection_switches_it_off(system_, studio):
    studio.is_secure = False

    assert system_.create(Entity.JOB, "x", LEAD).outcome.kind == Kind.PERMANENT_CONFIG
    assert studio.inbox == []


@pytest.mark.parametrize("fault", [Drip(0.05), Slow(1.0)])
def test_what_drips_is_cut_off_and_there_is_one_lead(connection, studio, fault):
    studio.misbehave(fault, times=3)
    hasty = systems.of(Hasty(connection))

    assert hasty.create(Entity.JOB, "x", LEAD).outcome.code == "timeout"
    studio.behave()
    assert systems.of(Client(connection)).create(Entity.JOB, "x", LEAD).outcome.is_good
    assert len(studio.inbox) == 1


def test_it_cannot_be_asked_or_told_of_changes(system_, studio):
    for ask in (lambda: system_.page(Entity.JOB, 1), lambda: system_.fetch(Entity.JOB, "x")):
        with pytest.raises(errors.Refused):
            ask()
    assert not system_.is_readable
    assert system_.find(Entity.JOB, "x", LEAD) is None
    refused = system_.update(Entity.JOB, "x", {"name": "y"}, modified_at=None)
    assert refused.outcome.kind == Kind.REFUSED_HERE
    assert studio.seen == []


def test_the_key_is_tried_at_a_door_of_its_own(connection, studio, workspace):
    service = services.get("light_blue")
    assert service.run_check(Client(connection)) == "Account confirmed: Studio North"
    assert studio.seen[0].raw.startswith(b"POST /apiCheck.php HTTP/1.1\r\n")
    assert studio.seen[0].body == b"Key=lb-key"
    wrong = connection_to(workspace, "light_blue", account="2", secrets={"api_key": "no"})

    with pytest.raises(errors.Refused, match="not recognised"):
        service.run_check(Client(wrong))
    assert studio.inbox == []


def test_the_page_says_what_becomes_of_a_lead(connection):
    [(label, words)] = services.get("light_blue").facts_of(connection, now=timezone.now())

    assert (label, "until somebody accepts it" in words) == ("What becomes of a lead", True)
