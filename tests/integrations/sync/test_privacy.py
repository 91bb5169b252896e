"""Export and erasure of somebody whom a customer system knows."""

from apps.accounts import privacy
from apps.accounts.models import Person
from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import SyncExternal, SyncRecord, SyncTombstone
from apps.integrations.sync import integrity, record_fields, streams
from tests.factories import NOW
from tests.integrations.sync.conftest import pulled

ADA = {"first_name": "Ada", "email": "ada@example.com"}


def test_an_export_shows_what_records_say(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)

    told = privacy.export(actor, Person.objects.get(), now=NOW)

    [held] = told["held"]["integrations.SyncRecord.fields"]
    assert held["fields"] == ADA
    assert held["systems"] == [["model", key]]


def test_an_erased_contact_is_not_read_in_again(crm, actor):
    key = crm.system.add(**ADA)
    crm.system.add(Entity.JOB, name="Ada's wedding", contacts=[key])
    pulled(crm)
    streams_before = [one.stream for one in SyncRecord.objects.all()]

    privacy.erase(actor, Person.objects.get(), reason="asked", now=NOW)
    crm.system.edit(key, phone="+447700900123")
    pulled(crm, is_full=True)

    assert SyncTombstone.objects.count() == 2
    assert not SyncExternal.objects.exists()
    assert SyncRecord.objects.filter(erased_at=None).count() == 0
    for stream in streams_before:
        assert not list(trail.faults(stream))
        assert all("ada" not in str(step.data).lower() for step in trail.steps_of(stream))
    assert record_fields.values_of(SyncRecord.objects.all()[0]) == {}
    assert integrity.compare(streams.of(crm, "contact"), crm.system, now=NOW).is_well


def test_a_job_stays_while_the_other_of_a_couple_is_known(crm, actor):
    keys = [crm.system.add(**ADA), crm.system.add(first_name="Ben", email="ben@example.com")]
    crm.system.add(Entity.JOB, name="A wedding", contacts=keys)
    pulled(crm)
    ada = SyncExternal.objects.get(external_id=keys[0]).record

    privacy.erase(actor, Person.objects.get(pk=ada.person_id), reason="asked", now=NOW)

    assert set(SyncRecord.objects.filter(erased_at=None).values_list("entity", flat=True)) == {
        "contact",
        "job",
    }
