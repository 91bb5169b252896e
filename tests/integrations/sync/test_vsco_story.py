"""One studio over HTTP: connected, read, changed on each side, disputed, settled; then nothing more to do."""

import pytest
from django.utils import timezone

from apps.integrations import outbox
from apps.integrations.connectors.crm import nudges
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import Call, SyncConflict, SyncExternal, SyncRecord, TrailEntry
from apps.integrations.resilience.lanes import Lane
from apps.integrations.sync import integrity, nudged, pull, record_fields, records, settling, streams
from tests.fakes.vsco import KEY, Vsco
from tests.integrations.connected import connection_to


@pytest.fixture
def studio(settings):
    with Vsco() as fake:
        settings.INTEGRATION_URLS = {"vsco": fake.url}
        yield fake


@pytest.fixture
def connection(workspace, studio):
    return connection_to(workspace, "vsco", account="", secrets={"api_key": KEY}, access="write")


@pytest.fixture
def wedding(studio):
    """Keys of a couple and of their job."""
    alice = studio.add(
        "contact", kind="person", firstName="Alice", lastName="Hart", email="alice@example.com"
    )
    ben = studio.add("contact", kind="person", firstName="Ben", lastName="Moore", email="ben@example.com")
    job = studio.add("job", name="Alice & Ben", stage="booked", eventDate="2027-06-12", totalRevenue=250000)
    for one in (alice, ben):
        studio.add("link", jobId=job, contactId=one, client=True)
    return alice, ben, job


def read(connection, **options):
    return pull.pull(connection_id=connection.pk, **options)


def send():
    Call.objects.filter(state="waiting").update(due_at=timezone.now())
    outbox.relay(lane=int(Lane.TRANSACTIONAL))


def of(external_id):
    return SyncExternal.objects.select_related("record").get(external_id=external_id).record


def writes(studio):
    return [one for one in studio.seen if one.method in {"POST", "PUT", "DELETE"}]


def test_the_whole_story(connection, studio, wedding, actor):
    alice, ben, job = wedding

    assert read(connection) == 3
    assert record_fields.values_of(of(alice))["email"] == "alice@example.com"
    assert str(of(job).event_on) == "2027-06-12"
    assert writes(studio) == []

    # Changed there, changed here.
    studio.change("contact", ben, lastName="Moore-Hart")
    assert read(connection) == 1
    assert record_fields.values_of(of(ben))["last_name"] == "Moore-Hart"
    records.edit(actor, of(job), {"guest_count": 120}, now=timezone.now())
    send()
    assert studio.rows["job"][job]["guestCount"] == 120

    # Changed on both sides, and decided.
    records.edit(actor, of(alice), {"email": "here@example.com"}, now=timezone.now())
    studio.change("contact", alice, email="there@example.com")
    send()
    waits = SyncConflict.objects.get(state="open")
    assert settling.values_of(waits) == {"here": "here@example.com", "there": "there@example.com"}
    assert studio.rows["contact"][alice]["email"] == "there@example.com"
    settling.settle(actor, waits, "here", now=timezone.now())
    send()
    assert studio.rows["contact"][alice]["email"] == "here@example.com"

    # One that begins here.
    made = records.create(
        actor, "contact", {"first_name": "Cleo", "email": "cleo@example.com"}, now=timezone.now()
    )
    records.send(actor, made, connection, now=timezone.now())
    send()
    place = SyncExternal.objects.get(record=made)
    assert (place.state, studio.rows["contact"][place.external_id]["firstName"]) == ("linked", "Cleo")

    # And then there is nothing more to do.
    assert {call.state for call in Call.objects.all()} == {"done"}
    before = len(writes(studio)), TrailEntry.objects.count(), SyncRecord.objects.count()
    assert read(connection) == 0
    assert read(connection, is_full=True) == 0
    send()
    assert (len(writes(studio)), TrailEntry.objects.count(), SyncRecord.objects.count()) == before
    for stream in streams.of_connection(connection):
        report = integrity.compare(stream, streams.system_of(connection), now=timezone.now())
        assert report.is_well, report.findings
        assert report.sums["there"] == report.sums["here"]


def test_a_nudge_reads_one(connection, studio, wedding):
    read(connection)
    studio.change("contact", wedding[0], firstName="Alicia")
    nudges.nudge(connection, Entity.CONTACT, wedding[0], now=timezone.now())

    assert nudged.read(connection_id=connection.pk) == 1
    assert record_fields.values_of(of(wedding[0]))["first_name"] == "Alicia"


def test_a_deleted_contact_is_marked(connection, studio, wedding):
    read(connection)
    del studio.rows["contact"][wedding[1]]

    read(connection, is_full=True)

    assert of(wedding[1]).gone_at is not None
