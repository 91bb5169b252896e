"""Journeys that begin with what changes in a customer system."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.campaigns.journeys import graph, streams
from apps.campaigns.models import JourneyRun
from apps.integrations.models import SyncExternal
from apps.integrations.sync import pull
from tests.conftest import committed
from tests.fakes.vsco import KEY, Vsco
from tests.integrations.connected import connection_to

WAIT = {"wait": {"kind": "wait", "days": 2, "next": ""}}


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
    """A couple, where they marry, and their job, which nobody has booked yet."""
    alice = studio.add("contact", kind="person", firstName="Alice", email="alice@example.com")
    ben = studio.add("contact", kind="person", firstName="Ben", email="ben@example.com")
    barn = studio.add("contact", kind="location", name="The Barn")
    job = studio.add("job", name="Alice & Ben", stage="lead", eventDate="2027-06-12")
    for one in (alice, ben):
        studio.add("link", jobId=job, contactId=one, client=True)
    studio.add("link", jobId=job, contactId=barn, client=False)
    return alice, ben, job


def entry(**facts):
    where = [{"field": name, "test": "is", "value": value} for name, value in facts.items()]
    return {"kind": "event", "source": "record.changed", "where": where}


def person_of(external_id):
    return SyncExternal.objects.select_related("record").get(external_id=external_id).record.person_id


def heard():
    now = timezone.now()
    for seconds in (10, 20, 30):
        streams.read_all(now=now + timedelta(seconds=seconds))


@committed
def test_a_job_that_is_booked_brings_its_couple_in(road, connection, studio, wedding):
    alice, ben, job = wedding
    pull.pull(connection_id=connection.pk)
    road("wait", WAIT, entries=[entry(entity="job", stage="booked")])

    studio.change("job", job, stage="booked")
    pull.pull(connection_id=connection.pk)
    heard()

    couple = {person_of(alice), person_of(ben)}
    assert set(JourneyRun.objects.values_list("person_id", flat=True)) == couple
    assert None not in couple


@committed
def test_a_contact_that_changes_brings_in_that_person_alone(road, connection, studio, wedding):
    alice, _, _ = wedding
    pull.pull(connection_id=connection.pk)
    road("wait", WAIT, entries=[entry(entity="contact")])

    studio.change("contact", alice, lastName="Hart-Moore")
    pull.pull(connection_id=connection.pk)
    heard()

    assert JourneyRun.objects.get().person_id == person_of(alice)


@committed
def test_a_page_that_ends_within_a_job_leaves_nobody_out(road, connection, studio, wedding, monkeypatch):
    alice, ben, job = wedding
    pull.pull(connection_id=connection.pk)
    road("wait", WAIT, entries=[entry(entity="job")])
    monkeypatch.setattr(streams, "ROWS", 2)

    studio.change("contact", alice, lastName="Hart-Moore")
    studio.change("job", job, stage="booked")
    pull.pull(connection_id=connection.pk)
    heard()

    assert set(JourneyRun.objects.values_list("person_id", flat=True)) == {person_of(alice), person_of(ben)}


@committed
def test_which_fields_changed_may_be_asked_for(road, connection, studio, wedding):
    alice, ben, job = wedding
    pull.pull(connection_id=connection.pk)
    became = [
        {"field": "what", "test": "is", "value": "changed"},
        {"field": "fields", "test": "contains", "value": "stage"},
        {"field": "stage", "test": "is", "value": "booked"},
    ]
    road("wait", WAIT, entries=[{"kind": "event", "source": "record.changed", "where": became}])

    studio.change("job", job, guestCount=90)
    pull.pull(connection_id=connection.pk)
    heard()
    assert not JourneyRun.objects.exists()

    studio.change("job", job, stage="booked")
    pull.pull(connection_id=connection.pk)
    heard()
    assert set(JourneyRun.objects.values_list("person_id", flat=True)) == {person_of(alice), person_of(ben)}


def test_a_word_that_is_never_told_is_refused_with_those_that_are():
    wrong = entry(what="pulled")
    draft = graph.EMPTY | {"entries": [wrong], "first": "wait", "steps": WAIT}

    [fault] = graph.faults(draft)

    assert fault.words == "what is one of made, changed, joined, gone."
