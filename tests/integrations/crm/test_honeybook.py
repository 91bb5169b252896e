"""The bridge to HoneyBook: what Zaps tell us, in whatever order and however often; what we hand to a Zap."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.errors import Invalid
from apps.accounts.permissions import system
from apps.integrations import connections, errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.crm import honeybook, nudges, systems
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import InboundRecord
from apps.integrations.resilience.outcomes import Kind
from tests.conftest import committed
from tests.fakes.honeybook import CATCH, OFF, HoneyBook, zap
from tests.fakes.server import (
    Answer,
    Drip,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Slow,
    Truncated,
    json_reply,
)
from tests.integrations.connected import Hasty, connection_to

LEAD = {
    "name": "Alice & Ben",
    "stage": "lead",
    "job_type": "Wedding",
    "lead_source": "Instagram",
    "event_date": "2027-06-12",
    "guest_count": None,
    "people": [
        {
            "first_name": "Alice",
            "last_name": "Hart",
            "email": "alice@example.com",
            "phone": "+447700900123",
        },
        {"first_name": "Ben", "last_name": "Moore"},
    ],
}


@pytest.fixture
def zapier(settings):
    with HoneyBook() as fake:
        settings.INTEGRATION_URLS = {"honeybook": fake.url}
        yield fake


@pytest.fixture
def connection(workspace, zapier):
    return connection_to(workspace, "honeybook", account="", secrets={"catch_hook": CATCH})


@pytest.fixture
def system_(connection):
    return systems.of(Client(connection))


@pytest.fixture
def told(monkeypatch):
    """Whoever listens to what systems push."""
    heard = []
    monkeypatch.setattr(nudges, "_takes", [lambda connection, remote, now: heard.append(remote) or "Taken."])
    return heard


@pytest.fixture
def post(client, connection, django_capture_on_commit_callbacks):
    def send(message, *, to=None, as_form=False, **headers):
        body = urlencode(message) if as_form else message
        body = body if isinstance(body, str | bytes) else json.dumps(body)
        kind = "application/x-www-form-urlencoded" if as_form else "application/json"
        with django_capture_on_commit_callbacks(execute=True):
            path = f"/hooks/honeybook/{(to or connection).public_id}/"
            return client.post(path, body, content_type=kind, headers=headers)

    return send


def test_a_message_becomes_a_client_and_a_project(post, told):
    assert post(zap("project_booked", stage=None)).status_code == 200

    client, project = told
    assert (client.entity, client.fields) == (
        Entity.CONTACT,
        {
            "kind": "person",
            "first_name": "Alice",
            "last_name": "Hart",
            "email": "alice.hart@example.com",
            "phone": "+447700900123",
        },
    )
    assert (project.entity, project.id, project.fields) == (
        Entity.JOB,
        "hb-501",
        {
            "name": "Alice & Ben",
            "stage": "booked",
            "job_type": "Wedding",
            "event_date": "2027-06-12",
            "total": "3250.00",
            "contacts": [client.id],
        },
    )
    assert client.modified_at == project.modified_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert "alice" not in client.id
    record = InboundRecord.objects.get()
    assert (record.state, record.said) == ("done", "Taken. Taken.")


def test_a_form_says_the_same_as_json(post, told):
    post(zap())
    post(zap(id="other"), as_form=True)

    assert [one.fields for one in told[:2]] == [one.fields for one in told[2:]]


@pytest.mark.parametrize("again", [{}, {"as_form": True}])
def test_one_message_is_taken_once_by_what_it_says(post, told, again):
    for _ in range(3):
        assert post(zap()).status_code == 200
    reordered = dict(reversed(zap().items()))
    assert post(reordered, **again).status_code == 200

    assert len(told) == 2
    assert InboundRecord.objects.count() == 1


def test_one_message_is_taken_once_by_the_zaps_id(post, told):
    post(zap(id="zap-1"))
    post(zap(id="zap-1", total="1"))
    post(zap(id="zap-2"))

    assert InboundRecord.objects.count() == 2


def test_without_a_time_the_same_words_are_news_an_hour_later(post, told):
    at = datetime(2026, 11, 30, 12, 1, tzinfo=UTC)
    for minutes in (0, 20, 70):
        with time_machine.travel(at + timedelta(minutes=minutes), tick=False):
            post(zap("project_stage_changed", occurred_at=None))

    assert InboundRecord.objects.count() == 2
    assert told[-1].modified_at == at + timedelta(minutes=70)


def test_two_connections_do_not_take_each_others_messages_for_their_own(post, told, workspace):
    other = connection_to(workspace, "honeybook", account="second", secrets={})

    post(zap())
    post(zap(), to=other)

    assert InboundRecord.objects.count() == 2


def test_which_is_the_later_one_is_told_with_each(post, told):
    post(zap("project_booked", stage="Booked", occurred_at="2026-11-22T09:00:00+01:00"))
    post(zap("new_inquiry", stage="Inquiry", occurred_at="2026-11-20T09:00:00"))

    late, early = told[1], told[3]
    assert (late.fields["stage"], early.fields["stage"]) == ("booked", "lead")
    assert late.modified_at == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert early.modified_at == datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("missing", "fields"),
    [
        ("client_name", {"kind": "person", "email": "alice.hart@example.com", "phone": "+447700900123"}),
        ("phone", {"kind": "person", "first_name": "Alice", "last_name": "Hart"}),
    ],
)
def test_what_is_missing_is_not_said(post, told, missing, fields):
    post(zap(**{missing: None}))

    assert missing not in told[0].fields
    assert fields.items() <= told[0].fields.items()


def test_a_client_is_the_same_whatever_else_is_said(post, told):
    post(zap(client_email="Alice.Hart@Example.com"))
    post(zap("new_client", phone=None, project_id=None, client_name="A. Hart"))

    assert len({one.id for one in told if one.entity == Entity.CONTACT}) == 1
    assert sum(one.entity == Entity.JOB for one in told) == 1


def test_without_an_address_a_number_or_the_project_stands_for_the_client(post, told):
    post(zap(client_email=None, phone="07700 900123"))
    post(zap(client_email=None, phone="(07700) 900-123"))
    post(zap(client_email=None, phone=None))

    by_phone, again, by_project = [one.id for one in told if one.entity == Entity.CONTACT]
    assert by_phone == again
    assert by_phone.startswith("phone-")
    assert by_project.startswith("project_id-")


def test_a_project_without_an_id_is_known_by_client_day_and_kind(post, told):
    post(zap(project_id=None))
    post(zap("project_booked", project_id=None, total="4,000"))
    post(zap(project_id=None, event_date="2027-07-01"))

    jobs = [one.id for one in told if one.entity == Entity.JOB]
    assert jobs[0] == jobs[1] != jobs[2]


def test_a_message_about_nobody_is_kept_and_nothing_is_done(post, told):
    assert post({"event": "new_inquiry", "project_type": "Wedding"}).status_code == 200

    assert told == []
    record = InboundRecord.objects.get()
    assert record.said == "It names neither a client nor a project: nothing could be done."


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"\xff\xfe", b'{"event": null}', b'{"client_email": {"a": 1}}', b'{"other": "x"}'],
)
def test_what_is_no_message_is_refused(post, told, body):
    assert post(body).status_code == 401
    assert not InboundRecord.objects.exists()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("3250", "3250.00"),
        ("£3,250.5", "3250.50"),
        ("1,234,567.89 USD", "1234567.89"),
        ("-20", "-20.00"),
        ("1.234,50", None),
        ("12,34", None),
        ("about 3 or 4", None),
        ("NaN", None),
        (3250.5, "3250.50"),
        ("9" * 40, "9" * 40 + ".00"),
    ],
)
def test_amounts_that_can_be_read_in_two_ways_are_not_guessed(post, told, text, amount):
    post(zap(total=text))

    assert told[1].fields.get("total") == amount


@pytest.mark.parametrize(
    ("text", "day"),
    [("2027-06-12T10:00:00Z", "2027-06-12"), ("12/06/2027", None), ("soon", None), ("2027-13-01", None)],
)
def test_days_that_can_be_read_in_two_ways_are_not_guessed(post, told, text, day):
    post(zap(event_date=text))

    assert told[1].fields.get("event_date") == day


def test_a_stage_of_the_studios_own_is_kept_as_it_is_said(post, told):
    post(zap("project_stage_changed", stage="Album design"))

    assert told[1].fields["stage"] == "Album design"


def test_the_header_is_asked_for_where_it_was_agreed_on(post, told, workspace):
    guarded = connection_to(workspace, "honeybook", account="2", secrets={"header_secret": "s3cret"})

    assert post(zap(), to=guarded).status_code == 401
    assert post(zap(), to=guarded, **{"X-Bellwether-Secret": "s3creT"}).status_code == 401
    assert not InboundRecord.objects.exists()
    assert post(zap(), to=guarded, **{"X-Bellwether-Secret": "s3cret"}).status_code == 200
    assert len(told) == 2


def test_a_new_lead_as_it_goes_to_the_zap(system_, zapier):
    answer = system_.create(Entity.JOB, "0193-lead", LEAD)

    [sent] = zapier.seen
    assert sent.raw.startswith(b"POST /hooks/catch/1234567/abc123/ HTTP/1.1\r\n")
    assert sent.headers["content-type"] == "application/json"
    # Written by hand from docs/how-to/customer-systems.md: flat, and nothing that is not known.
    assert sent.body == (
        b'{"event":"create_project","id":"0193-lead","client_name":"Alice Hart","client_first_name":"Alice",'
        b'"client_last_name":"Hart","client_email":"alice@example.com","client_phone":"+447700900123",'
        b'"project_name":"Alice & Ben","project_type":"Wedding","lead_source":"Instagram",'
        b'"event_date":"2027-06-12"}'
    )
    assert (answer.outcome.kind, answer.outcome.reference) == (Kind.OK, "0193-0001")
    assert (answer.value.id, answer.value.our_id) == ("0193-lead", "0193-lead")


@pytest.mark.parametrize(
    "hook", ["", "https://hooks.zapier.com.evil.example/hooks/catch/1/a/", "http://127.0.0.1:9/"]
)
def test_nothing_goes_to_another_address(workspace, zapier, hook):
    client = Client(connection_to(workspace, "honeybook", account="", secrets={"catch_hook": hook}))

    assert systems.of(client).create(Entity.JOB, "x", LEAD).outcome.kind == Kind.REFUSED_HERE
    assert zapier.seen == []


def test_a_person_alone_is_a_lead_too(system_, zapier):
    assert system_.create(Entity.CONTACT, "0193-ada", LEAD["people"][0]).outcome.is_good

    assert zapier.caught == [
        {
            "event": "create_project",
            "id": "0193-ada",
            "client_name": "Alice Hart",
            "client_first_name": "Alice",
            "client_last_name": "Hart",
            "client_email": "alice@example.com",
            "client_phone": "+447700900123",
        }
    ]


def test_a_catch_hook_must_be_zapiers(workspace):
    with pytest.raises(Invalid) as caught:
        connections.connect(
            system(workspace.pk),
            services.get("honeybook"),
            values={"catch_hook": "https://evil.example/"},
            now=timezone.now(),
        )

    assert list(caught.value.errors) == ["catch_hook"]


def test_it_cannot_be_asked_or_told_of_changes(system_, zapier):
    for ask in (lambda: system_.page(Entity.JOB, 1), lambda: system_.fetch(Entity.JOB, "hb-501")):
        with pytest.raises(errors.Refused):
            ask()
    assert not system_.is_readable
    assert system_.find(Entity.JOB, "x", LEAD) is None
    refused = system_.update(Entity.JOB, "x", {"name": "y"}, modified_at=None)
    assert refused.outcome.kind == Kind.REFUSED_HERE
    assert zapier.seen == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Answer(json_reply({"status": "error"})), Kind.PERMANENT_DATA),
        (Answer(Reply(429, b"{}", {"Retry-After": "30"})), Kind.THROTTLED),
        (Answer(Reply(404)), Kind.PERMANENT_CONFIG),
        (Answer(Reply(410)), Kind.PERMANENT_CONFIG),
        (Answer(Reply(401)), Kind.AUTH_EXPIRED),
        (Answer(Reply(400)), Kind.PERMANENT_DATA),
        (Answer(Reply(500)), Kind.UNKNOWN),
        (Answer(Reply(502, b"<html>")), Kind.UNKNOWN),
        (Answer(Reply(503)), Kind.RETRYABLE),
        (Answer(Reply(302, headers={"Location": "http://127.0.0.1/"})), Kind.PERMANENT_CONFIG),
        (ResetBefore(), Kind.UNKNOWN),
        (ResetAfter(), Kind.UNKNOWN),
        (Truncated(), Kind.UNKNOWN),
        (NotJson(), Kind.UNKNOWN),
    ],
)
def test_each_class_of_error_of_a_lead_and_none_is_sent_twice(system_, zapier, fault, kind):
    zapier.misbehave(fault)

    assert system_.create(Entity.JOB, "x", LEAD).outcome.kind == kind
    assert len(zapier.seen) == 1


def test_a_hook_that_was_deleted_needs_a_person(workspace, zapier):
    client = Client(connection_to(workspace, "honeybook", account="", secrets={"catch_hook": OFF}))

    assert systems.of(client).create(Entity.JOB, "x", LEAD).outcome.kind == Kind.PERMANENT_CONFIG
    assert zapier.caught == []


@pytest.mark.parametrize("fault", [Drip(0.05), Slow(1.0)])
def test_what_drips_is_cut_off_and_not_sent_again(connection, zapier, fault):
    zapier.misbehave(fault, times=3)

    assert systems.of(Hasty(connection)).create(Entity.JOB, "x", LEAD).outcome.code == "timeout"
    assert len(zapier.caught) == 1


def test_the_lead_form_carries_the_campaign(connection):
    form = "https://www.honeybook.com/widget/studio/cf_id/1?x=1&utm_source=own"

    assert honeybook.lead_form(form, {"utm_source": "b", "utm_campaign": "spring & co", "other": "no"}) == (
        "https://www.honeybook.com/widget/studio/cf_id/1?x=1&utm_source=own&utm_campaign=spring+%26+co"
    )


def test_the_page_says_how_fresh_it_is(connection, post, told):
    service = services.get("honeybook")
    assert "15 minutes" in service.honest
    assert service.facts_of(connection, now=timezone.now())[0] == (
        "Freshness",
        "Zapier looks every 1 to 15 minutes, by your plan there. Nothing yet.",
    )
    post(zap())

    assert "Last news 0\xa0minutes ago." in service.facts_of(connection, now=timezone.now())[0][1]
    assert service.run_check(Client(connection)) == (
        "1 message has come in. Leads go out to your catch hook."
    )


@committed
def test_a_year_of_messages_over_real_http(live_server, connection, zapier, told):
    """The simulator posts to the door as Zapier does, out of order and twice."""
    to = f"{live_server.url}/hooks/honeybook/{connection.public_id}/"
    messages = zapier.year()

    statuses = [zapier.deliver(to, one) for one in [*reversed(messages), *messages]]

    assert set(statuses) == {200}
    assert InboundRecord.objects.count() == len(messages)
