"""The three customer systems through the sync engine, over HTTP: what happens there comes in, what happens
here goes out, once.
"""

import json
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.permissions import system
from apps.integrations import modes, outbox
from apps.integrations.models import Call, SyncExternal, SyncRecord, SyncReport, SyncStream
from apps.integrations.resilience.lanes import Lane
from apps.integrations.sync import integrity, pull, record_fields, records, streams
from tests.fakes.honeybook import CATCH, HoneyBook, zap
from tests.fakes.lightblue import KEY as LIGHT_BLUE_KEY
from tests.fakes.lightblue import LightBlue
from tests.fakes.server import ResetAfter, Slow
from tests.fakes.vsco import KEY as VSCO_KEY
from tests.fakes.vsco import Vsco
from tests.integrations.connected import connection_to

ZOE = {"first_name": "Zoe", "last_name": "Hart", "email": "zoe@example.com", "phone": "+447700900124"}


@pytest.fixture
def fakes(settings):
    with Vsco() as vsco, HoneyBook() as honeybook, LightBlue() as light_blue:
        found = {"vsco": vsco, "honeybook": honeybook, "light_blue": light_blue}
        settings.INTEGRATION_URLS = {name: fake.url for name, fake in found.items()}
        yield found


@pytest.fixture
def connect(workspace, fakes):
    secrets = {
        "vsco": {"api_key": VSCO_KEY},
        "honeybook": {"catch_hook": CATCH},
        "light_blue": {"api_key": LIGHT_BLUE_KEY},
    }

    def make(service, *, makes_new=False):
        made = connection_to(workspace, service, account="", secrets=secrets[service])
        for one in streams.of_connection(made):
            streams.change(system(workspace.pk), one, now=timezone.now(), makes_new=makes_new)
        return made

    return make


@pytest.fixture
def send(django_capture_on_commit_callbacks):
    """Let the workers do what waits."""

    def run():
        with django_capture_on_commit_callbacks(execute=True):
            outbox.relay(lane=int(Lane.TRANSACTIONAL))

    return run


@pytest.fixture
def actor(workspace):
    return system(workspace.pk)


def values_of(external_id):
    return record_fields.values_of(SyncExternal.objects.get(external_id=external_id).record)


def of(entity):
    return SyncRecord.objects.filter(entity=entity)


def test_a_whole_studio_comes_in_and_a_second_time_nothing_is_written(connect, fakes):
    fakes["vsco"].furnish()
    connection = connect("vsco")

    pull.pull(connection_id=connection.pk)

    assert (of("contact").count(), of("job").count()) == (70, 32)
    before = list(SyncRecord.objects.order_by("pk").values_list("version", "changed_at"))
    calls = len(fakes["vsco"].seen)
    assert pull.pull(connection_id=connection.pk) == 0
    assert list(SyncRecord.objects.order_by("pk").values_list("version", "changed_at")) == before
    assert not fakes["vsco"].asked("PUT", r".*")
    assert not fakes["vsco"].asked("POST", r".*")
    assert len(fakes["vsco"].seen) - calls < 20


def test_changes_go_both_ways_and_meet(connect, fakes, actor, send):
    there = fakes["vsco"]
    alice = there.add("contact", kind="person", firstName="Alice", lastName="Hart", email="alice@example.com")
    job = there.add("job", name="Alice & Ben", stage="lead", guestCount=100, customFields=[{"fieldId": "f"}])
    there.add("link", jobId=job, contactId=alice, client=True)
    connection = connect("vsco")
    pull.pull(connection_id=connection.pk)
    later = there.now() + 5
    there.now = lambda: later
    there.change("job", job, stage="booked")

    record = SyncExternal.objects.get(external_id=job).record
    records.edit(actor, record, {"guest_count": 80}, now=timezone.now())
    send()
    pull.pull(connection_id=connection.pk)

    row = there.rows["job"][job]
    assert (row["guestCount"], row["stage"], row["customFields"]) == (80, "booked", [{"fieldId": "f"}])
    assert (values_of(job)["guest_count"], values_of(job)["stage"]) == (80, "booked")
    assert pull.pull(connection_id=connection.pk) == 0
    assert len(there.asked("PUT", r".*")) == 1


def test_one_made_here_is_made_there_once_though_its_answer_was_lost(connect, fakes, actor, send):
    there = fakes["vsco"]
    connect("vsco", makes_new=True)
    there.misbehave(Slow(0), path="address-book$")  # it is looked for first
    there.misbehave(ResetAfter(), path="address-book$")

    records.create(actor, "contact", ZOE, now=timezone.now())
    send()
    assert Call.objects.get().state == "unknown"
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        send()

    [row] = there.rows["contact"].values()
    assert (row["firstName"], row["email"]) == ("Zoe", "zoe@example.com")
    external = SyncExternal.objects.get()
    assert (external.external_id, external.state) == (row["id"], "linked")


def test_what_zaps_told_in_any_order_is_what_stands_last(connect, client, django_capture_on_commit_callbacks):
    connection = connect("honeybook")
    told = [
        zap("project_booked", stage=None, occurred_at="2026-11-22T09:00:00Z"),
        zap("new_inquiry", occurred_at="2026-11-20T09:00:00Z"),
        zap("payment_received", stage=None, occurred_at="2026-11-25T09:00:00Z", total="4,000"),
    ]

    with django_capture_on_commit_callbacks(execute=True):
        for message in [*told, *told]:
            path = f"/hooks/honeybook/{connection.public_id}/"
            client.post(path, json.dumps(message), content_type="application/json")

    assert (of("contact").count(), of("job").count()) == (1, 1)
    assert values_of("hb-501") == {
        "name": "Alice & Ben",
        "stage": "booked",
        "job_type": "Wedding",
        "event_date": "2027-06-12",
        "total": "4000",
    }
    assert len(SyncExternal.objects.get(external_id="hb-501").contact_ids) == 1


@pytest.mark.parametrize("service", ["honeybook", "light_blue"])
def test_a_lead_of_ours_is_delivered_once_and_told_no_changes(service, connect, fakes, actor, send):
    connect(service, makes_new=True)
    record = records.create(actor, "contact", ZOE, now=timezone.now())
    send()

    records.edit(actor, record, {"phone": "+447700900999"}, now=timezone.now())
    send()

    taken = fakes["honeybook"].caught or fakes["light_blue"].inbox
    assert len(taken) == 1
    assert SyncExternal.objects.get().state == "delivered"
    assert list(Call.objects.values_list("state", flat=True)) == ["done"]


def test_a_lead_whose_answers_were_lost_lies_in_the_inbox_once(connect, fakes, actor, send):
    connect("light_blue", makes_new=True)
    fakes["light_blue"].misbehave(ResetAfter(), times=3)
    records.create(actor, "contact", ZOE, now=timezone.now())

    send()
    assert Call.objects.get().state == "unknown"
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        send()
        send()

    assert len(fakes["light_blue"].inbox) == 1
    assert (Call.objects.get().state, SyncExternal.objects.get().state) == ("done", "delivered")


def test_a_wedding_at_vsco_goes_to_light_blue_with_its_people(connect, fakes, send, workspace, actor):
    there = fakes["vsco"]
    alice = there.add("contact", kind="person", firstName="Alice", lastName="Hart", email="alice@example.com")
    ben = there.add("contact", kind="person", firstName="Ben", lastName="Moore", email="ben@example.com")
    job = there.add("job", name="Alice & Ben", stage="lead", eventDate="2027-06-12")
    for person in (alice, ben):
        there.add("link", jobId=job, contactId=person, client=True)
    light_blue = connect("light_blue")
    streams.change(actor, streams.of(light_blue, "job"), now=timezone.now(), makes_new=True)

    pull.pull(connection_id=connect("vsco").pk)
    send()

    [form] = fakes["light_blue"].inbox
    assert (form["ShootTitle"], form["ShootDate"]) == ("Alice & Ben", "12/06/2027")
    assert form["ContactEmail"] == "alice@example.com"
    assert "With: Ben Moore ben@example.com" in form["Message"]


@pytest.fixture
def emergency(actor):
    """Begin a day on which only what cannot wait is done."""
    return lambda: modes.begin_emergency(actor, reason="a wedding", hours=4, now=timezone.now())


def test_on_a_wedding_day_changes_still_come_in_and_the_full_reading_waits(
    connect, fakes, emergency, django_capture_on_commit_callbacks
):
    there = fakes["vsco"]
    alice = there.add("contact", kind="person", firstName="Alice", lastName="Hart", email="alice@example.com")
    connection = connect("vsco")
    pull.pull(connection_id=connection.pk)
    long_ago = timezone.now() - timedelta(days=8)
    SyncStream.objects.update(full_at=long_ago)
    emergency()
    there.change("contact", alice, lastName="Byron")

    assert pull.pull(connection_id=connection.pk) == 1

    assert values_of(alice)["last_name"] == "Byron"
    assert set(SyncStream.objects.values_list("trouble", "full_at")) == {("", long_ago)}
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        pull.pull(connection_id=connection.pk)
    assert not SyncStream.objects.filter(full_at=long_ago).exists()


def test_on_a_wedding_day_a_person_gets_the_full_reading_that_they_ask_for(
    connect, fakes, emergency, actor, django_capture_on_commit_callbacks
):
    connection = connect("vsco")
    pull.pull(connection_id=connection.pk)
    long_ago = timezone.now() - timedelta(days=8)
    SyncStream.objects.update(full_at=long_ago)
    emergency()

    with django_capture_on_commit_callbacks(execute=True):
        pull.read_now(actor, connection, is_full=True, now=timezone.now())

    assert not SyncStream.objects.filter(full_at=long_ago).exists()


def test_what_is_connected_on_a_wedding_day_is_read_at_once(connect, fakes, emergency):
    fakes["vsco"].furnish()
    emergency()
    connection = connect("vsco")

    pull.pull(connection_id=connection.pk)

    assert (of("contact").count(), of("job").count()) == (70, 32)
    assert not SyncStream.objects.filter(full_at=None).exists()


def test_on_a_wedding_day_only_a_person_has_all_compared(connect, fakes, emergency, actor):
    connection = connect("vsco")
    pull.pull(connection_id=connection.pk)
    emergency()

    assert integrity.check(connection_id=connection.pk) == 0
    assert not SyncReport.objects.exists()

    integrity.check_now(actor, connection, now=timezone.now())
    assert SyncReport.objects.count() == 2
