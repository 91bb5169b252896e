"""Pulled, edited on both sides, pushed, disputed and settled: the engine against a system in memory."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections

from apps.accounts import consent
from apps.accounts.errors import Invalid
from apps.accounts.models import ConsentRecord, Person
from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import (
    Call,
    SyncConflict,
    SyncExternal,
    SyncRecord,
    SyncStream,
    TrailEntry,
)
from apps.integrations.sync import integrity, pull, record_fields, records, settling, streams
from apps.integrations.sync.consents import Proof
from tests.conftest import committed
from tests.factories import NOW
from tests.integrations.sync.conftest import connected, pulled, sent

ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "tags": ["vip"]}


def only():
    return SyncRecord.objects.get()


def values():
    return record_fields.values_of(only())


def steps():
    return [one.kind for one in trail.steps_of(only().stream)]


def test_the_first_pull_brings_every_page_and_its_people(crm):
    for number in range(25):
        crm.system.add(first_name=f"Bride {number}", email=f"b{number}@example.com")

    pulled(crm)

    assert SyncRecord.objects.count() == SyncExternal.objects.count() == 25
    assert Person.objects.filter(email_index__isnull=False).count() == 25
    stream = SyncStream.objects.get(entity="contact")
    assert (stream.page, stream.watermark, stream.counts["made"]) == (None, crm.system.clock, 25)


def test_nothing_personal_lies_open(crm):
    crm.system.add(**ADA)
    pulled(crm)

    row = SyncRecord.objects.values().get() | SyncExternal.objects.values().get()
    steps = str(list(TrailEntry.objects.values_list("data", flat=True)))
    assert "byron" not in (steps + str(row)).lower()
    assert "ada@example" not in (steps + str(row)).lower()


def test_a_second_pull_writes_nothing(crm):
    for number in range(25):
        crm.system.add(first_name=f"Bride {number}", email=f"b{number}@example.com")
    pulled(crm)
    before = list(TrailEntry.objects.values_list("pk", flat=True))
    rows = (
        list(SyncRecord.objects.order_by("pk").values()),
        list(SyncExternal.objects.order_by("pk").values()),
    )

    assert pulled(crm) == 0

    assert list(TrailEntry.objects.values_list("pk", flat=True)) == before
    assert rows == (
        list(SyncRecord.objects.order_by("pk").values()),
        list(SyncExternal.objects.order_by("pk").values()),
    )
    assert (crm.system.writes, Call.objects.count()) == (0, 0)


@pytest.mark.parametrize("key", ["x" * 201, "nul\0", ""])
def test_a_record_whose_id_cannot_be_kept_holds_up_no_other(crm, key):
    crm.system.add(**ADA)
    crm.system._put(Entity.CONTACT, key, {"first_name": "Eve"}, "")

    pulled(crm)

    assert values()["first_name"] == "Ada"
    stream = SyncStream.objects.get(entity="contact")
    assert (stream.trouble, stream.counts["refused"]) == ("", 1)


@committed
def test_a_full_reading_that_is_asked_for_while_another_worker_reads_comes_next(crm, actor):
    gone, _ = crm.system.add(**ADA), crm.system.add(first_name="Bea")
    pulled(crm)
    crm.system.delete(gone)

    with connections["owner"].cursor() as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s, %s)", [pull.LOCK_SPACE, crm.pk])
        pull.read_now(actor, crm, is_full=True, now=NOW)
        elsewhere.execute("SELECT pg_advisory_unlock(%s, %s)", [pull.LOCK_SPACE, crm.pk])
    pulled(crm)

    assert SyncExternal.objects.get(external_id=gone).gone_at is not None


def test_a_change_there_comes_here(crm):
    key = crm.system.add(**ADA)
    pulled(crm)
    crm.system.edit(key, phone="+447700900123")

    assert pulled(crm) == 1

    assert values()["phone"] == "+447700900123"
    assert steps() == ["made", "pulled"]


def test_a_change_here_goes_there_and_its_echo_is_no_news(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)

    records.edit(actor, only(), {"phone": "+447700900123"}, now=NOW)
    assert SyncExternal.objects.get().unpushed_since is not None
    sent()

    assert crm.system.fields_of(key) == ADA | {"phone": "+447700900123"}
    assert SyncExternal.objects.get().unpushed_since is None
    assert pulled(crm) == 0
    assert steps() == ["made", "edited", "pushed"]
    assert crm.system.writes == 1


def test_both_changed_another_field(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)
    records.edit(actor, only(), {"last_name": "Lovelace"}, now=NOW)
    crm.system.edit(key, phone="+447700900123")

    sent()  # finds that it changed there, merges, and goes on

    assert crm.system.fields_of(key)["last_name"] == values()["last_name"] == "Lovelace"
    assert crm.system.fields_of(key)["phone"] == values()["phone"] == "+447700900123"


def test_what_loses_stands_in_the_trail(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)
    crm.system.edit(key, first_name="Theirs")
    records.edit(actor, only(), {"first_name": "Ours"}, now=NOW)  # later than their clock
    sent()

    assert crm.system.fields_of(key)["first_name"] == "Ours"
    merged = trail.steps_of(only().stream)[2]
    assert merged.data["how"] == {"first_name": "ours_by_policy"}
    assert record_fields.changes_in(only(), merged)["first_name"].theirs == "Theirs"


def test_both_changed_one_field_and_a_person_decides(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)
    records.edit(actor, only(), {"email": "here@example.com"}, now=NOW)
    crm.system.edit(key, email="there@example.com")
    sent()

    [waits] = settling.waiting_ones()
    assert settling.values_of(waits) == {"here": "here@example.com", "there": "there@example.com"}
    assert crm.system.fields_of(key)["email"] == "there@example.com"

    settling.settle(actor, waits, "here", now=NOW)
    sent()

    assert crm.system.fields_of(key)["email"] == values()["email"] == "here@example.com"
    assert pulled(crm) == 0
    assert not settling.waiting_ones().exists()


@pytest.mark.parametrize(
    ("choice", "value", "email"),
    [
        ("there", None, "there@example.com"),
        ("other", "third@example.com", "third@example.com"),
    ],
)
def test_other_ways_to_settle(crm, actor, choice, value, email):
    key = crm.system.add(**ADA)
    pulled(crm)
    records.edit(actor, only(), {"email": "here@example.com"}, now=NOW)
    crm.system.edit(key, email="there@example.com")
    pulled(crm)

    settling.settle(actor, settling.waiting_ones().get(), choice, value=value, now=NOW)
    sent()

    assert crm.system.fields_of(key)["email"] == values()["email"] == email


def test_tags_of_both_sides_are_kept(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)
    records.edit(actor, only(), {"tags": ["vip", "here"]}, now=NOW)
    crm.system.edit(key, tags=["there"])
    sent()
    pulled(crm)
    sent()

    assert crm.system.fields_of(key)["tags"] == values()["tags"] == ["here", "there"]


def test_a_withdrawal_there_reaches_the_person(crm):
    key = crm.system.add(**ADA, marketing_opt_in=True)
    pulled(crm)
    assert not ConsentRecord.objects.exists()  # what a system says is no grant

    crm.system.edit(key, marketing_opt_in=False)
    pulled(crm)

    told = ConsentRecord.objects.get()
    assert (told.purpose, told.is_granted, told.person_id) == ("marketing", False, only().person_id)


def test_a_no_of_somebody_new_counts_against_their_yes_to_us(crm, actor):
    records.create(actor, "contact", {"email": "ada@example.com"}, now=NOW)
    records.edit(actor, only(), {"marketing_opt_in": True}, proof=Proof(source="a form"), now=NOW)
    crm.system.add(**ADA, marketing_opt_in=False)

    pulled(crm)

    assert values()["marketing_opt_in"] is False
    assert ConsentRecord.objects.order_by("-pk")[0].is_granted is False


def test_a_withdrawal_here_counts_against_a_change_there(crm, actor):
    key = crm.system.add(**ADA, marketing_opt_in=True)
    pulled(crm)
    records.edit(actor, only(), {"marketing_opt_in": False}, now=NOW)
    crm.system.edit(key, marketing_opt_in=True, phone="+447700900123")
    pulled(crm)
    sent()

    assert values()["marketing_opt_in"] is False
    assert crm.system.fields_of(key)["marketing_opt_in"] is False


def test_who_withdrew_elsewhere_is_marked_in_every_system(crm, actor):
    key = crm.system.add(**ADA, marketing_opt_in=True)
    pulled(crm)
    consent.record(
        actor,
        Person.objects.get(),
        purpose="marketing",
        is_granted=False,
        source="unsubscribe",
        occurred_at=NOW,
        now=NOW,
    )

    pulled(crm)
    sent()

    assert values()["marketing_opt_in"] is False
    assert crm.system.fields_of(key)["marketing_opt_in"] is False


def test_a_yes_there_after_a_no_waits_for_its_source(crm, actor):
    key = crm.system.add(**ADA, marketing_opt_in=False)
    pulled(crm)
    crm.system.edit(key, marketing_opt_in=True)
    pulled(crm)

    waits = settling.waiting_ones().get()
    with pytest.raises(Exception, match="Some fields"):
        settling.settle(actor, waits, "there", now=NOW)
    settling.settle(actor, waits, "there", proof=Proof(source="signed form of 3 May"), now=NOW)

    assert values()["marketing_opt_in"] is True
    assert ConsentRecord.objects.order_by("-pk")[0].source == "signed form of 3 May"


def left(actor, record, at):
    person = Person.objects.get(pk=record.person_id)
    no = {"purpose": "marketing", "is_granted": False, "source": "unsubscribe"}
    consent.record(actor, person, occurred_at=at, now=NOW, **no)


WORDS = "May we write to you again?"
EARLIER, LATER = NOW - timedelta(hours=2), NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "proof", "lacking"),
    [
        ("user", {}, {"consent_wording"}),
        ("user", {"wording": WORDS}, set()),
        ("api_key", {"wording": WORDS}, {"consent_occurred_at"}),
        ("api_key", {"wording": WORDS, "occurred_at": EARLIER - timedelta(1)}, {"consent_occurred_at"}),
        ("api_key", {"occurred_at": LATER}, {"consent_wording"}),
        ("api_key", {"wording": WORDS, "occurred_at": LATER}, set()),
    ],
    ids=["wordless", "in words", "undated", "older", "dated, wordless", "proven"],
)
def test_a_yes_of_a_record_undoes_a_no_with_its_proof_alone(crm, actor, kind, proof, lacking):
    crm.system.add(**ADA)
    pulled(crm)
    record = only()
    left(actor, record, EARLIER)
    teller = replace(actor, kind=kind, role="owner", scopes=frozenset({"write"}))
    told = Proof(source="a form", **proof)

    with pytest.raises(Invalid) if lacking else nullcontext() as refusal:
        records.edit(teller, record, {"marketing_opt_in": True}, proof=told, now=NOW)

    if refusal is not None:
        assert set(refusal.value.errors) == lacking
        assert "They said no on 20 November 2026." in str(refusal.value.errors)
    assert consent.is_given(Person.objects.get(), "marketing") == (not lacking)
    assert (values().get("marketing_opt_in") is True) == (not lacking)


def test_a_yes_that_is_pulled_leaves_a_no_standing(crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)
    left(actor, only(), EARLIER)
    crm.system.edit(key, marketing_opt_in=True, phone="+447700900123")

    for _ in range(2):
        pulled(crm)
        sent()

    assert not consent.is_given(Person.objects.get(), "marketing")
    assert values()["phone"] == "+447700900123"
    assert values()["marketing_opt_in"] is False
    assert crm.system.fields_of(key)["marketing_opt_in"] is False
    assert "withdrawn" in steps()


def test_a_deleted_record_is_marked_by_the_full_scan(crm):
    keys = [crm.system.add(first_name=f"B{n}", email=f"b{n}@example.com") for n in range(5)]
    pulled(crm)
    crm.system.delete(keys[2])

    pulled(crm)
    assert SyncExternal.objects.filter(gone_at=None).count() == 5
    pulled(crm, is_full=True)

    assert SyncExternal.objects.get(external_id=keys[2]).gone_at is not None
    assert SyncRecord.objects.filter(gone_at=None).count() == 4


def test_many_missing_at_once_wait_for_a_person(crm, actor):
    keys = [crm.system.add(first_name=f"B{n}", email=f"b{n}@example.com") for n in range(20)]
    pulled(crm)
    for key in keys[:10]:
        crm.system.delete(key)
    pulled(crm, is_full=True)

    notice = settling.waiting_ones().get()
    assert (notice.kind, notice.count) == ("vanished", 10)
    assert SyncRecord.objects.filter(gone_at=None).count() == 20

    settling.settle(actor, notice, "gone", now=NOW)

    assert SyncRecord.objects.filter(gone_at=None).count() == 10


def test_a_record_that_comes_back_is_back(crm):
    key = crm.system.add(**ADA)
    pulled(crm)
    row = crm.system.rows[Entity.CONTACT, key]
    crm.system.delete(key)
    pulled(crm, is_full=True)
    crm.system.rows[Entity.CONTACT, key] = row

    pulled(crm, is_full=True)

    assert only().gone_at is None
    assert SyncExternal.objects.get().gone_at is None


def test_a_record_made_here_is_made_there_once(crm, actor):
    made = records.create(actor, "contact", ADA, now=NOW)
    records.send(actor, made, crm, now=NOW)
    sent()

    assert [row.our_id for row in crm.system.rows.values()] == [str(made.public_id)]
    assert SyncExternal.objects.get().state == "linked"
    assert pulled(crm) == 0
    assert SyncRecord.objects.count() == 1


def test_a_record_of_one_system_goes_to_another_that_wants_it(workspace, crm, actor):
    other = connected(workspace, "model_two")
    streams.change(actor, streams.of(other, "contact"), makes_new=True, now=NOW)
    key = crm.system.add(**ADA)

    pulled(crm)
    sent()
    crm.system.edit(key, phone="+447700900123")
    pulled(crm)
    sent()

    [there] = other.system.rows.values()
    assert there.fields["phone"] == "+447700900123"
    assert pulled(other) == 0
    assert SyncRecord.objects.count() == 1


def test_two_systems_with_one_person_are_a_suggestion(workspace, crm, actor):
    other = connected(workspace, "model_two")
    crm.system.add(**ADA)
    other.system.add(**ADA, phone="+447700900123")
    pulled(crm)
    pulled(other)

    assert SyncRecord.objects.count() == 2
    waits = settling.waiting_ones().get()
    assert waits.kind == "same"
    settling.settle(actor, waits, "same", now=NOW)

    kept = SyncRecord.objects.get(merged_into=None)
    assert record_fields.values_of(kept)["phone"] == "+447700900123"
    assert SyncExternal.objects.filter(record=kept).count() == 2
    sent()
    assert next(iter(crm.system.rows.values())).fields["phone"] == "+447700900123"


def test_a_couple_with_one_address_stays_two(crm, actor):
    records.create(actor, "contact", ADA, now=NOW)
    crm.system.add(**ADA | {"first_name": "Ben"})

    pulled(crm)

    assert SyncRecord.objects.count() == 2
    assert SyncConflict.objects.get().kind == "same"


def test_one_who_was_known_here_is_recognised(crm, actor):
    made = records.create(actor, "contact", ADA, now=NOW)
    crm.system.add(**ADA | {"email": "ADA@Example.com", "company": "Analytical"})

    pulled(crm)

    assert only().pk == made.pk
    assert values()["company"] == "Analytical"


def test_a_report_finds_what_differs_and_mends_it(crm, actor):
    keys = [crm.system.add(first_name=f"B{n}", email=f"b{n}@example.com") for n in range(30)]
    pulled(crm)
    stream = streams.of(crm, "contact")
    assert integrity.compare(stream, crm.system, now=NOW).is_well

    SyncExternal.objects.filter(external_id=keys[3]).delete()
    crm.system.edit(keys[4], phone="+447700900123")
    crm.system.delete(keys[5])
    report = integrity.compare(stream, crm.system, now=NOW)
    assert (report.missing, report.extra, report.different) == (1, 1, 1)
    assert 1 <= report.buckets_differing <= 3

    integrity.repair(report_id=report.pk)
    assert integrity.compare(stream, crm.system, now=NOW).is_well


def test_a_record_that_is_not_what_its_trail_says_is_found(crm, actor):
    crm.system.add(**ADA)
    pulled(crm)
    record = only()
    record_fields.put(record, {}, now=NOW)
    record.save()

    report = integrity.compare(streams.of(crm, "contact"), crm.system, now=NOW)

    assert (report.replay_faults, report.chain_faults, report.is_well) == (1, 0, False)
