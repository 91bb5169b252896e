"""Records over the API."""

from django.utils import timezone

from apps.accounts.models import AuditEntry
from apps.integrations.models import SyncConflict, SyncRecord, SyncReport
from apps.integrations.sync import integrity, record_fields, records
from tests.conftest import api_client
from tests.factories import NOW
from tests.integrations.sync.conftest import connected, pulled, sent

ROOT = "/api/v1/integrations"
ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"}


def only():
    return SyncRecord.objects.get()


def test_records_are_listed_page_by_page(api, crm):
    for number in range(5):
        crm.system.add(first_name=f"B{number}", email=f"b{number}@example.com")
    pulled(crm)

    first = api.get(f"{ROOT}/sync/records?limit=3").json()
    rest = api.get(f"{ROOT}/sync/records?limit=3&before={first[-1]['id']}").json()

    assert len({row["id"] for row in first + rest}) == 5
    assert first[0]["values"].keys() == {"first_name", "email"}
    assert first[0]["places"][0]["state"] == "linked"
    assert AuditEntry.objects.filter(deed="sync.records_shown").count() == 2


def test_a_record_is_found_by_its_address(api, crm):
    crm.system.add(**ADA)
    pulled(crm)

    [found] = api.get(f"{ROOT}/sync/records", {"text": "Ada@Example.com", "entity": "contact"}).json()

    assert found["values"] == ADA
    assert api.get(f"{ROOT}/sync/records", {"text": "nobody@example.com"}).json() == []


def test_an_edit_goes_there_and_stands_in_the_trail(api, crm):
    key = crm.system.add(**ADA)
    pulled(crm)
    address = f"{ROOT}/sync/records/{only().public_id}"

    answer = api.patch(address, {"values": {"phone": "+447700900123"}, "version": 1}, format="json")
    sent()

    assert answer.json() == {"id": str(only().public_id), "version": 2}
    assert crm.system.fields_of(key)["phone"] == "+447700900123"
    told = api.get(f"{address}/trail").json()
    assert [step["kind"] for step in told["steps"]] == ["made", "edited", "pushed"]
    assert told["faults"] == []
    assert told["steps"][1]["changes"]["phone"]["after"] == "+447700900123"


def test_what_cannot_be_kept_is_refused_and_nothing_changes(api, crm):
    crm.system.add(**ADA)
    pulled(crm)
    address = f"{ROOT}/sync/records/{only().public_id}"

    for body in (
        {"values": {"stage": "booked"}},
        {"values": {"tags": "vip"}},
        {"values": {"marketing_opt_in": True}},
        {"values": {}},
    ):
        assert api.patch(address, body, format="json").status_code == 400, body
    stale = api.patch(address, {"values": {"phone": "+447700900123"}, "version": 9}, format="json")
    assert (stale.status_code, stale.json()["code"]) == (409, "out_of_date")
    assert record_fields.values_of(only()) == ADA


def test_a_yes_over_a_no_is_asked_for_its_words_and_its_moment(api, crm):
    crm.system.add(**ADA)
    pulled(crm)
    address = f"{ROOT}/sync/records/{only().public_id}"
    assert api.patch(address, {"values": {"marketing_opt_in": False}}, format="json").status_code == 200
    yes = {"values": {"marketing_opt_in": True}, "consent_source": "a form"}

    refused = api.patch(address, yes, format="json")
    proof = {"consent_wording": "May we write again?", "consent_occurred_at": timezone.now().isoformat()}
    taken = api.patch(address, yes | proof, format="json")

    assert (refused.status_code, set(refused.json()["errors"])) == (
        400,
        {"consent_wording", "consent_occurred_at"},
    )
    assert taken.status_code == 200
    assert record_fields.values_of(only())["marketing_opt_in"] is True


def test_a_key_that_may_write_sees_nobody(workspace, crm, now):
    crm.system.add(**ADA)
    pulled(crm)
    writer = api_client(workspace, ["write"], now)
    address = f"{ROOT}/sync/records/{only().public_id}"

    assert writer.get(address).status_code == 403
    assert writer.patch(address, {"values": {"first_name": "Adele"}}, format="json").status_code == 200
    trial = writer.post(
        f"{ROOT}/connections/{crm.public_id}/imports",
        {"entity": "contact", "name": "x.csv", "content": "first name,email\nAdele,ada@example.com\n"},
        format="json",
    ).json()
    assert trial["rows"] == []
    assert trial["file"]["counts"]["seen"] == 1


def test_a_new_record_is_sent_where_it_is_wanted(api, workspace, crm):
    other = connected(workspace, "model_two")
    made = api.post(f"{ROOT}/sync/records", {"entity": "contact", "values": ADA}, format="json").json()

    body = {"connection": str(other.public_id)}
    assert api.post(f"{ROOT}/sync/records/{made['id']}/send", body, format="json").status_code == 202
    sent()

    assert [row.fields["email"] for row in other.system.rows.values()] == ["ada@example.com"]
    assert api.post(f"{ROOT}/sync/records/{made['id']}/send", body, format="json").status_code == 409


def test_conflicts_are_listed_and_settled(api, crm, actor):
    key = crm.system.add(**ADA)
    pulled(crm)
    records.edit(actor, only(), {"email": "here@example.com"}, now=NOW)
    crm.system.edit(key, email="there@example.com")
    pulled(crm)

    [waits] = api.get(f"{ROOT}/sync/conflicts").json()
    assert (waits["field"], waits["here"], waits["there"]) == (
        "email",
        "here@example.com",
        "there@example.com",
    )
    address = f"{ROOT}/sync/conflicts/{waits['id']}/settle"
    assert api.post(address, {"choice": "neither"}, format="json").status_code == 400
    assert api.post(address, {"choice": "there"}, format="json").json()["state"] == "settled"
    assert api.post(address, {"choice": "here"}, format="json").status_code == 409

    assert record_fields.values_of(only())["email"] == "there@example.com"
    assert SyncConflict.objects.get().values_sealed is None


def test_streams_and_what_is_set_on_them(api, crm):
    pulled(crm)
    contact, job = api.get(f"{ROOT}/sync/streams").json()
    assert (contact["entity"], job["entity"], contact["policies"]["email"]) == ("contact", "job", "manual")

    address = f"{ROOT}/sync/streams/{contact['id']}"
    kept = api.patch(address, {"policies": {"email": "newest"}, "is_paused": True}, format="json").json()
    assert (kept["policies"]["email"], kept["is_paused"]) == ("newest", True)
    refused = api.patch(address, {"policies": {"marketing_opt_in": "newest"}}, format="json")
    assert refused.status_code == 400


def test_runs_reports_and_repairs_are_asked_for(api, crm):
    crm.system.add(**ADA)
    asked = f"{ROOT}/connections/{crm.public_id}"
    assert api.post(f"{asked}/check").status_code == 202

    report = next(one for one in api.get(f"{ROOT}/sync/reports").json() if one["missing"])
    assert (report["is_well"], report["findings"]) == (False, {"missing": ["r1"]})
    assert api.post(f"{ROOT}/sync/reports/{report['id']}/repair").status_code == 202
    integrity.repair(report_id=SyncReport.objects.get(public_id=report["id"]).pk)
    assert record_fields.values_of(only()) == ADA

    crm.system.edit("r1", phone="+447700900123")
    assert api.post(f"{asked}/sync", {"is_full": True}, format="json").status_code == 202
    assert record_fields.values_of(only())["phone"] == "+447700900123"


def test_a_file_over_the_api(api, workspace, crm):
    body = {
        "entity": "job",
        "name": "jobs.csv",
        "content": "Wedding,Date,Price\nSpring,2027-06-12,1200\n",
        "columns": {"name": "Wedding", "event_date": "Date", "total": "Price"},
    }
    made = api.post(f"{ROOT}/connections/{crm.public_id}/imports", body, format="json").json()
    assert made["rows"][0]["changes"]["total"] == [None, "1200"]

    address = f"{ROOT}/sync/imports/{made['file']['id']}"
    assert api.post(f"{address}/apply").json()["file"]["state"] == "applied"
    assert str(only().event_on) == "2027-06-12"
    assert api.post(f"{address}/apply").status_code == 409
    assert api.post(f"{address}/undo").json()["state"] == "undone"
    assert api.get(address).json()["undone_at"] is not None
