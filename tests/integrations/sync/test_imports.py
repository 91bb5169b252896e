"""Files: tried without a trace, applied like anything read, undone by steps that say so."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.accounts.errors import Invalid
from apps.accounts.models import ConsentRecord, Person
from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import Call, Connection, SyncExternal, SyncRecord, TrailEntry
from apps.integrations.sync import imports, integrity, record_fields, records, settling, streams
from apps.integrations.sync.csv_rows import guessed, read
from tests.factories import NOW
from tests.integrations.sync.conftest import connected, pulled

FILE = (
    b"First Name,Last Name,E-mail,Mobile,Tags,Newsletter\n"
    b"Ada,Byron,ada@example.com,+44 7700 900123,vip; spring,no\n"
    b"Ben,Moore,ben@example.com,,,\n"
)


@pytest.fixture
def sheet(workspace):
    return Connection.objects.create(
        workspace=workspace, service="spreadsheet", label="Our list", state_changed_at=NOW
    )


def brought(actor, connection, content=FILE, entity="contact", **options):
    return imports.begin(actor, connection, entity, name="clients.csv", content=content, now=NOW, **options)


def test_a_trial_shows_what_would_be_and_writes_nothing(actor, sheet):
    batch, trial = brought(actor, sheet)

    assert (trial.counts["made"], trial.counts["refused"]) == (2, 0)
    assert [row.title for row in trial.rows] == ["Ada Byron", "Ben Moore"]
    assert not SyncRecord.objects.exists()
    assert not TrailEntry.objects.exists()
    assert b"ada@" not in bytes(batch.content_sealed)


def test_applied_undone_and_applied_again(actor, sheet):
    batch, _ = brought(actor, sheet)
    imports.apply(actor, batch, now=NOW)
    assert SyncRecord.objects.filter(gone_at=None).count() == 2
    assert not ConsentRecord.objects.exists()  # a no of somebody new is what silence is

    counts = imports.undo(actor, batch, now=NOW)
    assert counts["gone"] == 1  # Ada's withdrawal stays, and she with it
    assert SyncRecord.objects.filter(gone_at=None).count() == 1

    again, _ = brought(actor, sheet)
    imports.apply(actor, again, now=NOW)
    assert SyncRecord.objects.filter(gone_at=None).count() == 2
    assert integrity.compare(streams.of(sheet, "contact"), streams.system_of(sheet), now=NOW).is_well


def test_the_same_file_twice_changes_nothing(actor, sheet):
    imports.apply(actor, brought(actor, sheet)[0], now=NOW)
    before = TrailEntry.objects.count()

    trial = imports.apply(actor, brought(actor, sheet)[0], now=NOW)

    assert trial.counts == {"seen": 2, "unchanged": 2, "refused": 0}
    assert TrailEntry.objects.count() == before


def test_what_was_changed_since_is_not_undone(actor, crm):
    crm.system.add(first_name="Ada", email="ada@example.com")
    pulled(crm)
    batch, _ = brought(
        actor, crm, b"first name,email,phone,company\nAda,ada@example.com,+447700900123,Engines\n"
    )
    imports.apply(actor, batch, now=NOW)
    record = SyncRecord.objects.get()
    records.edit(actor, record, {"company": "Analytical"}, now=NOW)

    counts = imports.undo(actor, batch, now=NOW)

    values = record_fields.values_of(SyncRecord.objects.get())
    assert (values["phone"], values["company"]) == (None, "Analytical")
    assert (counts["back"], counts["kept"]) == (1, 1)
    assert [one.kind for one in trail.steps_of(record.stream)][-1] == "undone"
    assert SyncExternal.objects.get(is_own_id=True).external_id == "r1"


def test_a_bad_row_is_refused_with_its_reason(actor, sheet):
    content = b'Project Name,Event Date,Total\nSpring,12/06/2027,"1.250,00 \xe2\x82\xac"\nSummer,soon,5\n'
    _, trial = brought(actor, sheet, content, entity="job")

    assert trial.counts["made"] == 1
    assert trial.refused == {3: "event_date: 'soon' is no day that can be read."}
    values = {name: one.after for name, one in trial.rows[0].changes.items()}
    assert values == {"name": "Spring", "event_date": "2027-06-12", "total": "1250"}


@pytest.mark.parametrize(
    ("text", "currency", "total"),
    [
        ("1,250", "GBP", "1250"),
        ("1.250", "EUR", "1250"),
        ("1.250", "KWD", "1.25"),
        ("1,250.500", "KWD", "1250.5"),
        ("1.250,500", "", "1250.5"),
        ("1,250,000", "KWD", "1250000"),
        ("0.125", "GBP", "0.125"),
        ("12.3456", "GBP", "12.3456"),
        ("-1,250.00", "GBP", "-1250"),
        ("KD 84.750", "", "84.75"),
    ],
)
def test_thousands_and_places_are_told_apart_by_the_currency(text, currency, total):
    content = f'name;total;currency\nSpring;"{text}";{currency}\n'.encode()

    rows = read(Entity.JOB, content, guessed(Entity.JOB, ["name", "total", "currency"]), currency="KWD")

    assert (rows.refused, rows.remotes[0].fields["total"]) == ({}, total)


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\0\1", b"x\n1\n", b"a" * 6_000_000])
def test_what_is_no_file_of_records(actor, sheet, content):
    with pytest.raises(Invalid):
        brought(actor, sheet, content)


def test_two_rows_of_one_address_are_two_people():
    rows = read(
        Entity.CONTACT,
        b"first name;email\nAda;us@example.com\nBen;us@example.com\n",
        guessed(Entity.CONTACT, ["first name", "email"]),
    )

    assert len({one.id for one in rows.remotes}) == 2


def test_though_one_person_to_write_to_whether_they_come_together_or_not(actor, sheet):
    rows = [b"Ada;us@example.com;\n", b"Ben;us@example.com;\n", b"Cleo;;+44 7700 900123\n"]
    head = b"first name;email;phone\n"

    imports.apply(actor, brought(actor, sheet, head + b"".join(rows))[0], now=NOW)
    imports.apply(actor, brought(actor, sheet, head + b"Dan;us@example.com;\n")[0], now=NOW)

    assert SyncRecord.objects.count() == 4
    assert SyncRecord.objects.filter(person=None).count() == 0
    assert Person.objects.count() == 2


def test_a_policy_that_asks_a_person_asks_about_files_too(actor, crm):
    crm.system.add(first_name="Ada", email="ada@example.com", phone="+447700900123")
    pulled(crm)
    record = SyncRecord.objects.get()
    batch, _ = brought(actor, crm, b"first name,email,phone\nAda,ada@example.com,+447700900999\n")
    imports.apply(actor, batch, now=NOW)

    assert record_fields.values_of(SyncRecord.objects.get())["phone"] == "+447700900999"
    assert record.pk == SyncRecord.objects.get().pk
    assert not settling.waiting_ones().exists()


def test_a_large_file_is_written_in_as_many_statements_as_a_small_one(crm, actor):
    streams.change(
        actor, streams.of(connected(crm.workspace, "model_two"), "contact"), now=NOW, makes_new=True
    )
    counts = []
    for letter, size in (("a", 10), ("b", 90)):
        lines = [f"{letter}{number},{letter}{number}@example.com" for number in range(size)]
        content = "\n".join(["First name,E-mail", *lines]).encode()
        with CaptureQueriesContext(database) as asked:
            batch, _ = imports.begin(actor, crm, "contact", name="a.csv", content=content, now=NOW)
            imports.apply(actor, batch, now=NOW)
        counts.append(len(asked))

    assert SyncExternal.objects.filter(state="making").count() == Call.objects.count() == 100
    assert counts[1] - counts[0] < 20
