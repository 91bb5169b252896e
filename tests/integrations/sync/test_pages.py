"""The pages of records as a browser uses them."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models import AuditEntry
from apps.integrations.models import (
    Connection,
    SyncConflict,
    SyncExternal,
    SyncImport,
    SyncRecord,
    SyncStream,
)
from apps.integrations.sync import integrity, record_fields, records, streams
from tests import factories
from tests.factories import NOW
from tests.integrations.sync.conftest import pulled, sent

ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"}


@pytest.fixture
def ada(crm):
    """The key of a contact there, who is here as well."""
    key = crm.system.add(**ADA)
    pulled(crm)
    return key


def shown(page, address):
    answer = page.get(address)
    assert answer.status_code == 200, answer.content[:2_000]
    return " ".join(answer.content.decode().split())


def only():
    return SyncRecord.objects.get()


def test_an_empty_workspace_says_what_will_be_here(page):
    assert "No contact or job has come in yet." in shown(page, "/integrations/records/")
    assert "Nothing waits to be decided." in shown(page, "/integrations/conflicts/")


def test_the_streams_of_a_connection(page, crm, ada):
    said = shown(page, f"/integrations/{crm.public_id}/records/")

    assert "<em>1 record</em> of model, in step." in said
    assert "1 seen, 1 new, 0 changed" in said
    assert "Ada Byron" not in said
    assert "ada@" not in said


def test_a_record_is_found_by_its_address_and_that_is_written_down(page, crm, ada):
    assert "Ada Byron" in shown(page, "/integrations/records/?text=ADA@example.com")
    assert "Ada Byron" not in shown(page, "/integrations/records/?text=ada@example")
    assert "Ada Byron" in shown(page, f"/integrations/records/?text={ada}")

    told = AuditEntry.objects.filter(deed="sync.records_shown")[0]
    assert told.after == {"count": 1, "records": [str(only().public_id)]}


def test_a_record_is_edited_and_goes_out(page, crm, ada):
    address = f"/integrations/records/{only().public_id}/"
    form = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "version": 1}

    answer = page.post(address, form)
    sent()

    assert answer.status_code == 302
    assert crm.system.fields_of(ada)["last_name"] == "Lovelace"
    said = shown(page, address)
    assert "Last name: Byron → Lovelace" in said
    assert "the chain holds" in said


def test_an_edit_of_what_has_changed_since_is_refused(page, crm, ada):
    form = {"first_name": "Ada", "email": "ada@example.com", "version": 7}

    answer = page.post(f"/integrations/records/{only().public_id}/", form)

    assert answer.status_code == 400
    assert "has changed since you opened it" in answer.content.decode()
    assert record_fields.values_of(only())["last_name"] == "Byron"


def test_nobody_is_marked_as_willing_without_a_source(page, crm, ada):
    form = ADA | {"marketing_opt_in": "yes"}
    address = f"/integrations/records/{only().public_id}/"

    assert "Say where they allowed it" in page.post(address, form).content.decode()
    assert page.post(address, form | {"consent_source": "form of 3 May"}).status_code == 302


def test_over_a_no_a_colleague_is_asked_for_the_words_and_for_nothing_that_the_page_has_not(page, crm, ada):
    address = f"/integrations/records/{only().public_id}/"
    page.post(address, ADA | {"marketing_opt_in": "yes", "consent_source": "form of 3 May"})
    page.post(address, ADA | {"marketing_opt_in": "no"})
    yes = ADA | {"marketing_opt_in": "yes", "consent_source": "the fair"}

    shown = page.post(address, yes).content.decode()

    assert "Say in which words they were asked since, and said yes." in shown
    assert "occurred_at" not in shown
    assert page.post(address, yes | {"consent_wording": "Yes, write to me."}).status_code == 302


def test_a_conflict_is_decided_on_its_page(page, crm, ada, actor):
    records.edit(actor, only(), {"email": "here@example.com"}, now=NOW)
    crm.system.edit(ada, email="there@example.com")
    pulled(crm)

    said = shown(page, "/integrations/conflicts/")
    assert "here@example.com" in said
    assert "there@example.com" in said
    page.post(f"/integrations/conflicts/{SyncConflict.objects.get().public_id}/", {"choice": "there"})

    assert record_fields.values_of(only())["email"] == "there@example.com"
    assert "Nothing waits" in shown(page, "/integrations/conflicts/")


def test_a_stream_is_paused_and_goes_on(page, crm, ada):
    stream = streams.of(crm, "contact")
    page.post(f"/integrations/streams/{stream.public_id}/", {"is_paused": "yes"})
    crm.system.edit(ada, first_name="Adele")

    assert pulled(crm) == 0
    assert "paused" in shown(page, f"/integrations/{crm.public_id}/records/")
    page.post(f"/integrations/streams/{stream.public_id}/", {"is_paused": "no"})
    assert pulled(crm) == 1
    assert AuditEntry.objects.filter(deed="sync.changed").count() == 2


def test_policies_are_chosen_on_the_page(page, crm, ada):
    stream = streams.of(crm, "contact")
    chosen = {
        f"policy_{name}": "remote_wins" for name in ("kind", "first_name", "last_name", "company", "email")
    }
    chosen |= {"policy_phone": "manual", "policy_tags": "union", "policy_marketing_opt_in": "withdrawal_wins"}

    page.post(f"/integrations/streams/{stream.public_id}/", {"direction": "in", "makes_new": "on"} | chosen)

    kept = SyncStream.objects.get(pk=stream.pk)
    assert (kept.direction, kept.makes_new, kept.policies["email"]) == ("in", True, "remote_wins")


def test_a_file_is_tried_applied_and_undone(page, workspace):
    sheet = Connection.objects.create(
        workspace=workspace, service="spreadsheet", label="Our list", state_changed_at=NOW
    )
    file = SimpleUploadedFile("clients.csv", b"Name of bride,Mail\nAda,ada@example.com\n")
    answer = page.post(f"/integrations/{sheet.public_id}/records/file/", {"entity": "contact", "file": file})
    assert "Say which column holds what." in answer.content.decode()

    file = SimpleUploadedFile("clients.csv", b"First name,Mail\nAda,ada@example.com\n")
    there = page.post(f"/integrations/{sheet.public_id}/records/file/", {"entity": "contact", "file": file})
    address = there.headers["Location"]
    assert "would make <em>1</em> new" in shown(page, address)
    page.post(address, {"first_name": "First name", "email": "Mail"})
    assert "ada@example.com" in shown(page, address)
    assert not SyncRecord.objects.exists()

    page.post(f"{address}apply/")
    assert record_fields.values_of(only()) == {"first_name": "Ada", "email": "ada@example.com"}
    assert "made <em>1</em> new" in shown(page, address)
    page.post(f"{address}undo/")
    assert only().gone_at is not None
    assert SyncImport.objects.get().state == "undone"


def test_a_report_is_shown_with_its_repair(page, crm, ada):
    SyncExternal.objects.all().delete()
    integrity.compare(streams.of(crm, "contact"), crm.system, now=NOW)

    assert "1 missing here" in shown(page, f"/integrations/{crm.public_id}/records/")
    report = streams.of(crm, "contact")
    answer = page.post(f"/integrations/reports/{integrity.latest(report).public_id}/repair/")
    assert answer.status_code == 302


def test_who_may_not_see_people_sees_none(client, workspace, crm, ada):
    client.force_login(factories.member(workspace, "viewer"))

    for address in ("records/", "conflicts/", f"records/{only().public_id}/"):
        assert client.get(f"/integrations/{address}").status_code == 403
    client.post(f"/integrations/records/{only().public_id}/", {"first_name": "Eve"})
    assert record_fields.values_of(only())["first_name"] == "Ada"
