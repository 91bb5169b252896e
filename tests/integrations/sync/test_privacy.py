"""Export and erasure of somebody whom a customer system knows."""

import re
from itertools import count

from apps.accounts import privacy
from apps.accounts.models import Person
from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import SyncConflict, SyncExternal, SyncRecord, SyncTombstone
from apps.integrations.sync import integrity, record_fields, records, settling, streams
from tests.factories import NOW
from tests.integrations.sync.conftest import connected, pulled

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
        told = " ".join(str(step.data) for step in trail.steps_of(stream))
        assert not re.search(r"\bada\b", told, re.IGNORECASE)  # ids may hold the letters
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


def nothing_tells_of(word):
    """Neither a record, nor a place of one, nor a step of a trail that can still be opened."""
    for record in SyncRecord.objects.all():
        told = [record_fields.values_of(record)]
        told += [record_fields.changes_in(record, step) for step in trail.steps_of(record.stream)]
        assert word not in str(told).lower()
        assert not list(trail.faults(record.stream))
    return True


def test_a_firm_that_goes_by_the_persons_address_is_erased_with_them(crm, actor):
    person = crm.system.add(**ADA)
    firm = crm.system.add(kind="company", company="Byron Photography", email="Ada@Example.com")
    other = crm.system.add(kind="company", company="Petal House", email="hello@petal.example")
    pulled(crm)

    told = privacy.export(actor, Person.objects.get(), now=NOW)["held"]["integrations.SyncRecord.fields"]
    assert sorted(one["systems"][0][1] for one in told) == sorted([person, firm])
    privacy.erase(actor, Person.objects.get(), reason="asked", now=NOW)
    crm.system.edit(firm, phone="+447700900123")
    pulled(crm, is_full=True)

    assert [one.external_id for one in SyncExternal.objects.all()] == [other]
    assert nothing_tells_of("byron")


def test_what_was_joined_with_the_persons_record_is_erased_with_it(crm, actor):
    crm.system.add(**ADA)
    pulled(crm)
    two = connected(crm.workspace, "model_two")
    two.system.add(kind="company", company="Byron Photography", phone="+447700900001")
    pulled(two)
    record, other = SyncRecord.objects.order_by("pk")
    waits = SyncConflict.objects.create(
        workspace=crm.workspace,
        sync_stream=streams.of(two, "contact"),
        external=SyncExternal.objects.get(record=other),
        record=other,
        other=record,
        kind="same",
        opened_at=NOW,
    )
    settling.settle(actor, waits, "same", now=NOW)

    privacy.erase(actor, Person.objects.get(), reason="asked", now=NOW)

    assert not SyncRecord.objects.filter(erased_at=None).exists()
    assert nothing_tells_of("byron")


def test_nothing_of_somebody_who_was_erased_waits_to_be_decided(crm, actor):
    crm.system.add(**ADA)
    pulled(crm)
    two = connected(crm.workspace, "model_two")
    two.system.add(first_name="Eve", email="ada@example.com", phone="+447700900001")
    pulled(two)
    ada = SyncRecord.objects.order_by("pk")[0]
    eve = SyncRecord.objects.order_by("pk")[1]
    other = Person.objects.create(workspace=crm.workspace)
    SyncRecord.objects.filter(pk=eve.pk).update(person=other)
    [waits] = settling.waiting_ones()
    assert waits.other_id == ada.pk

    privacy.erase(actor, Person.objects.get(pk=ada.person_id), reason="asked", now=NOW)

    assert not settling.waiting_ones().exists()
    assert SyncRecord.objects.filter(erased_at=None).get() == eve


def test_no_trail_keeps_the_id_of_somebody_who_was_erased(crm, actor):
    crm.system.numbers = count(9_000_000)
    keys = [crm.system.add(**ADA), crm.system.add(first_name="Ada", last_name="B", email="ada@example.com")]
    pulled(crm)
    crm.system.delete(keys[0])
    pulled(crm, is_full=True)

    for person in Person.objects.all():
        privacy.erase(actor, person, reason="asked", now=NOW)

    steps = [step for one in SyncRecord.objects.all() for step in trail.steps_of(one.stream)]
    assert [step.kind for step in steps].count("gone") == 1
    assert not [step for step in steps if any(key in str(step.data) for key in keys)]


def test_somebody_who_was_erased_while_they_were_made_there_is_not_read_in(crm, actor):
    record = records.create(actor, "contact", ADA, now=NOW)
    records.send(actor, record, crm, now=NOW)
    person = Person.objects.get()
    crm.system.add(our_id=str(record.public_id), **ADA)  # it was made, and the answer was lost

    privacy.erase(actor, person, reason="asked", now=NOW)
    pulled(crm)
    pulled(crm, is_full=True)

    assert not SyncExternal.objects.exists()
    assert not SyncRecord.objects.filter(erased_at=None).exists()
    assert integrity.compare(streams.of(crm, "contact"), crm.system, now=NOW).is_well
