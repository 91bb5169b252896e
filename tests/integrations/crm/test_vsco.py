"""VSCO Workspace's whole story over HTTP, the raw bytes of each request, and each class of its errors."""

import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from apps.accounts.permissions import system
from apps.integrations import connections, errors, outbox, services
from apps.integrations.client import Client
from apps.integrations.connectors.crm import systems, vsco
from apps.integrations.connectors.crm.system import Changed, Entity
from apps.integrations.http import Response
from apps.integrations.models import Call, Connection, InboundRecord, SyncExternal, SyncNudge
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind
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
from tests.fakes.vsco import KEY, READ_ONLY_KEY, Vsco, error, invalid, too_many
from tests.integrations.connected import Hasty, connection_to

ALICE = {
    "kind": "person",
    "firstName": "Alice",
    "lastName": "Hart",
    "email": "alice@example.com",
    "cellPhone": {"e164": "+447700900123", "formatted": "07700 900123"},
    "privacyOptIn": True,
}


@pytest.fixture
def studio(settings):
    with Vsco() as fake:
        settings.INTEGRATION_URLS = {"vsco": fake.url}
        yield fake


@pytest.fixture
def connection(workspace, studio):
    return connection_to(workspace, "vsco", account="", secrets={"api_key": KEY}, access="write")


@pytest.fixture
def system_(connection):
    return systems.of(Client(connection))


@pytest.fixture
def wedding(studio):
    """A job with a client and a venue."""
    alice = studio.add("contact", **ALICE)
    venue = studio.add("contact", kind="location", name="Elmore Court")
    job = studio.add(
        "job",
        name="Alice & Ben",
        stage="booked",
        jobTypeId=studio.types["Wedding"],
        leadSourceId=studio.sources["Referral"],
        eventDate="2027-06-12",
        guestCount=120,
        closed=False,
        totalRevenue=325_050,
        customFields=[{"id": "01h35ccwymj5ctckp8px1azhg6", "fieldId": "f1", "value": "no shellfish"}],
    )
    studio.add("link", jobId=job, contactId=alice, client=True)
    studio.add("link", jobId=job, contactId=venue, client=False)
    return {"alice": alice, "venue": venue, "job": job}


def test_contacts_in_our_words(system_, studio):
    studio.add("contact", **ALICE)
    studio.add("contact", kind="company", name="Wild & Stem", phone={"formatted": "ask Jo", "e164": None})

    found = {one.fields["kind"]: one.fields for one in system_.page(Entity.CONTACT, 1).records}

    assert found["person"] == {
        "kind": "person",
        "first_name": "Alice",
        "last_name": "Hart",
        "company": None,
        "email": "alice@example.com",
        "phone": "+447700900123",
        "marketing_opt_in": True,
    }
    assert (found["company"]["company"], found["company"]["phone"]) == ("Wild & Stem", "ask Jo")
    assert "marketing_opt_in" not in found["company"]


def test_a_job_in_our_words_with_its_clients_alone(system_, wedding):
    [job] = system_.page(Entity.JOB, 1).records

    assert job.fields == {
        "name": "Alice & Ben",
        "stage": "booked",
        "job_type": "Wedding",
        "lead_source": "Referral",
        "inquiry_date": None,
        "event_date": "2027-06-12",
        "booking_date": None,
        "guest_count": 120,
        "is_closed": False,
        "contacts": [wedding["alice"]],
        "total": "3250.50",
        "currency": "GBP",
    }
    assert job.modified_at.tzinfo is not None
    assert job.url == f"https://workspace.vsco.co/records/{wedding['job']}"
    assert system_.fetch(Entity.JOB, wedding["job"]) == job


def test_amounts_may_be_whole_units_and_have_the_studios_currency(system_, studio, wedding, settings):
    settings.VSCO_COUNTS_CENTS = False
    studio.studio["currencyCode"] = "JPY"

    assert system_.fetch(Entity.JOB, wedding["job"]).fields["total"] == "325050"


def test_pages_begin_with_the_latest_change(system_, studio):
    keys = [studio.add("contact", kind="person", firstName=f"P{number}") for number in range(150)]
    later = studio.now() + 60
    studio.now = lambda: later
    studio.change("contact", keys[3], firstName="Changed")

    first = system_.page(Entity.CONTACT, 1)
    second = system_.page(Entity.CONTACT, first.following)

    assert first.records[0].id == keys[3]
    assert {one.id for one in [*first.records, *second.records]} == set(keys)
    assert second.following is None
    # Written by hand from the description of the interface.
    asked = studio.seen[0]
    assert asked.raw.startswith(
        b"GET /api/v2/address-book?page=1&pageSize=100&sortBy=modified+desc&includeHidden=true HTTP/1.1\r\n"
    )
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["accept"] == "application/json"


def test_who_asks_for_the_next_page_of_an_exact_hundred_gets_none(system_, studio):
    for number in range(100):
        studio.add("contact", kind="person", firstName=f"P{number}")

    assert system_.page(Entity.CONTACT, 1).following is None


def test_what_did_not_change_since_is_left_out_and_no_page_follows(system_, studio):
    for number in range(120):
        studio.add("job", name=f"Job {number}", stage="lead")
    since, later = datetime.fromtimestamp(studio.now(), UTC), studio.now() + 60
    studio.now = lambda: later
    job = studio.add("job", name="New", stage="lead")
    alice = studio.add("contact", **ALICE)
    studio.add("link", jobId=job, contactId=alice, client=True)

    page = system_.page(Entity.JOB, 1, since=since)

    assert [(one.id, one.fields["contacts"], page.following) for one in page.records] == [
        (job, [alice], None)
    ]
    [asked] = studio.asked("GET", "/api/v2/job-contact")
    assert asked.query["jobId"] == job


def test_the_clients_of_many_jobs_are_asked_for_all_at_once(system_, studio):
    alice = studio.add("contact", **ALICE)
    for number in range(120):
        studio.add("link", jobId=studio.add("job", name=f"Job {number}"), contactId=alice, client=True)

    first = system_.page(Entity.JOB, 1)
    second = system_.page(Entity.JOB, first.following)

    assert {tuple(one.fields["contacts"]) for one in [*first.records, *second.records]} == {(alice,)}
    assert len(studio.asked("GET", "/api/v2/job-contact")) == 2


def test_one_asked_for_by_itself_is_as_it_was_on_its_page(system_, studio, wedding):
    [alice] = [one for one in system_.page(Entity.CONTACT, 1).records if one.id == wedding["alice"]]
    studio.rows["contact"][wedding["alice"]]["notes"] = [{"contentHtml": "Called."}]

    assert system_.fetch(Entity.CONTACT, wedding["alice"]) == alice


def test_the_hidden_and_the_closed_are_read_too(system_, studio, wedding):
    studio.change("contact", wedding["alice"], hidden=True)
    studio.change("job", wedding["job"], closed=True)

    assert wedding["alice"] in {one.id for one in system_.page(Entity.CONTACT, 1).records}
    assert system_.page(Entity.JOB, 1).records[0].fields["is_closed"] is True


def test_the_anonymised_say_nothing_and_are_never_written_to(system_, studio, wedding):
    studio.change("contact", wedding["alice"], anonymized=True, firstName="Anonymized")

    [alice] = [one for one in system_.page(Entity.CONTACT, 1).records if one.id == wedding["alice"]]
    assert (alice.is_gone, alice.fields) == (True, {})
    assert system_.fetch(Entity.CONTACT, wedding["alice"]) is None
    with pytest.raises(Changed):
        system_.update(Entity.CONTACT, wedding["alice"], {"first_name": "Alice"}, modified_at=None)
    assert not studio.asked("PUT", r".*")


def test_samples_are_not_read(system_, studio):
    sample = studio.add("job", name="A sample wedding", stage="lead", sample=True)

    assert system_.page(Entity.JOB, 1).records == ()
    assert system_.fetch(Entity.JOB, sample) is None


def test_a_new_contact_as_it_goes_over_the_wire(system_, studio, settings, connection):
    settings.SITE_URL = "https://bellwether.example"
    fields = {
        "kind": "person",
        "first_name": "Zoë",
        "last_name": "Hart",
        "email": "zoe@example.com",
        "phone": "+447700900124",
        "company": None,
        "marketing_opt_in": False,
    }

    answer = system_.create(Entity.CONTACT, "0193-ours", fields)

    [sent] = studio.asked("POST", "/api/v2/address-book")
    assert sent.raw.startswith(b"POST /api/v2/address-book HTTP/1.1\r\n")
    assert sent.headers["content-type"] == "application/json"
    # Written by hand from the description of the interface: a phone is an object, e164 is preferred.
    assert (
        sent.body
        == (
            '{"kind":"person","firstName":"Zoë","lastName":"Hart","email":"zoe@example.com","privacyOptIn":false,'
            '"cellPhone":{"e164":"+447700900124"},"externalMappings":[{"id":"0193-ours",'
            f'"url":"https://bellwether.example/integrations/{connection.public_id}/"}}]}}'
        ).encode()
    )
    assert answer.outcome.reference == answer.value.id
    assert (answer.value.our_id, answer.value.fields["first_name"]) == ("0193-ours", "Zoë")


def test_a_new_job_with_its_type_by_id_and_its_clients(system_, studio, wedding):
    fields = {
        "name": "Chloe & Dan",
        "stage": "lead",
        "job_type": "wedding",
        "lead_source": "Somewhere new",
        "event_date": "2027-09-01",
        "contacts": [wedding["alice"]],
    }

    answer = system_.create(Entity.JOB, "0193-job", fields)

    row = studio.rows["job"][answer.value.id]
    assert row["jobTypeId"] == studio.types["Wedding"]
    assert "leadSourceId" not in row
    assert answer.value.fields["contacts"] == [wedding["alice"]]
    assert json.loads(studio.asked("POST", "/api/v2/job-contact")[0].body) == {
        "contactId": wedding["alice"],
        "jobId": answer.value.id,
        "client": True,
    }


def test_a_client_who_could_not_be_linked_is_missing_in_the_answer(system_, studio, wedding):
    studio.misbehave(Answer(invalid(contactId="no")), path="job-contact")

    answer = system_.create(Entity.JOB, "0193-job", {"name": "X", "contacts": [wedding["alice"]]})

    assert (answer.outcome.kind, answer.value.fields["contacts"]) == (Kind.OK, [])


def test_a_change_leaves_all_else_as_it_was(system_, studio, wedding):
    before = dict(studio.rows["job"][wedding["job"]])

    answer = system_.update(
        Entity.JOB, wedding["job"], {"guest_count": 90, "stage": "fulfilment"}, modified_at=None
    )

    after = studio.rows["job"][wedding["job"]]
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed <= {"guestCount", "stage", "modified"}
    assert (after["guestCount"], after["stage"]) == (90, "fulfillment")
    assert after["customFields"] == before["customFields"]
    assert answer.value.fields["guest_count"] == 90
    [sent] = studio.asked("PUT", r"/api/v2/job/\w+")
    assert (
        not {"links", "id", "created", "modified", "title", "totalRevenue", "jobTypeName"} & sent.json.keys()
    )


def test_a_contacts_number_is_changed_where_it_stands(system_, studio):
    company = studio.add("contact", kind="company", name="Stem", phone={"e164": "+441", "id": None})
    person = studio.add("contact", kind="person", firstName="A", workPhone={"e164": "+442"})

    for key in (company, person):
        system_.update(Entity.CONTACT, key, {"phone": "+447700900999"}, modified_at=None)

    assert studio.rows["contact"][company]["phone"] == {"e164": "+447700900999"}
    assert studio.rows["contact"][person]["workPhone"] == {"e164": "+447700900999"}
    assert studio.rows["contact"][company]["name"] == "Stem"


def test_what_was_changed_there_meanwhile_is_not_written_over(system_, studio, wedding):
    seen = system_.fetch(Entity.CONTACT, wedding["alice"]).modified_at
    later = studio.now() + 60
    studio.now = lambda: later
    studio.change("contact", wedding["alice"], firstName="Alicia")

    with pytest.raises(Changed):
        system_.update(Entity.CONTACT, wedding["alice"], {"last_name": "Moore"}, modified_at=seen)

    assert studio.rows["contact"][wedding["alice"]]["lastName"] == "Hart"
    assert not studio.asked("PUT", r".*")


def test_clients_are_exchanged_and_nobody_is_thrown_out(system_, studio, wedding):
    ben = studio.add("contact", kind="person", firstName="Ben")

    answer = system_.update(
        Entity.JOB, wedding["job"], {"contacts": [ben, wedding["venue"]]}, modified_at=None
    )

    assert answer.value.fields["contacts"] == sorted([ben, wedding["venue"]])
    clients = {one["contactId"]: one["client"] for one in studio.rows["link"].values()}
    assert clients == {wedding["alice"]: False, wedding["venue"]: True, ben: True}
    assert not studio.asked("PUT", r"/api/v2/job/\w+")


def test_a_name_that_the_studio_does_not_have_is_refused_in_words(system_, studio, wedding):
    answer = system_.update(Entity.JOB, wedding["job"], {"job_type": "Elopement"}, modified_at=None)

    assert answer.outcome.kind == Kind.PERMANENT_DATA
    assert answer.outcome.reason == "The studio has no job type called 'Elopement'. Add it there."
    assert not studio.asked("PUT", r".*")


def test_what_was_deleted_there_cannot_be_changed(system_, studio, wedding):
    del studio.rows["contact"][wedding["alice"]]

    assert system_.fetch(Entity.CONTACT, wedding["alice"]) is None
    with pytest.raises(Changed):
        system_.update(Entity.CONTACT, wedding["alice"], {"last_name": "X"}, modified_at=None)
    assert not studio.asked("PUT", r".*")


def test_ids_that_are_none_are_not_asked_for(system_, studio):
    assert system_.fetch(Entity.JOB, "../studio/me") is None
    assert studio.seen == []


def test_ours_is_found_by_the_id_that_we_gave_it(system_, studio, wedding):
    ours = [{"id": "0193-ours", "url": "https://bellwether.example/"}]
    job = studio.add("job", name="Ours", externalMappings=ours, closed=True)
    contact = studio.add("contact", kind="person", firstName="Zoe", externalMappings=ours)

    assert system_.find(Entity.JOB, "0193-ours", {}).id == job
    assert system_.find(Entity.CONTACT, "0193-ours", {}).id == contact
    assert system_.find(Entity.JOB, "0193-other", {}) is None
    [asked, *_] = studio.asked("GET", "/api/v2/job")
    assert asked.query["externalMappingId"] == "0193-ours"


def test_a_contact_is_the_one_with_that_address_or_of_several_that_name(system_, studio, wedding):
    assert system_.find(Entity.CONTACT, "x", {"email": "ALICE@example.com"}).id == wedding["alice"]
    ben = studio.add("contact", **{**ALICE, "firstName": "Ben"})

    shared = {"email": "alice@example.com", "first_name": "ben", "last_name": "hart"}
    assert system_.find(Entity.CONTACT, "x", shared).id == ben
    assert system_.find(Entity.CONTACT, "x", {**shared, "first_name": "Cy"}) is None
    assert system_.find(Entity.CONTACT, "x", {"email": "lice@example.com"}) is None


def test_a_job_is_the_one_of_that_client_on_that_day(system_, wedding):
    fields = {"contacts": [wedding["alice"]], "event_date": "2027-06-12"}

    assert system_.find(Entity.JOB, "x", fields).id == wedding["job"]
    assert system_.find(Entity.JOB, "x", {**fields, "event_date": "2027-06-13"}) is None


def test_one_of_unknown_fate_is_found_instead_of_made_again(system_, studio):
    studio.misbehave(ResetAfter(), path="address-book")
    fields = {"kind": "person", "first_name": "Zoe"}

    answer = system_.create(Entity.CONTACT, "0193-ours", fields)

    assert answer.outcome.kind == Kind.UNKNOWN
    assert len(studio.asked("POST", "/api/v2/address-book")) == 1
    assert system_.find(Entity.CONTACT, "0193-ours", fields).fields["first_name"] == "Zoe"


def test_one_that_was_never_taken_is_not_found(system_, studio):
    studio.misbehave(ResetBefore(), path="address-book")

    answer = system_.create(Entity.CONTACT, "0193-ours", {"first_name": "Zoe"})

    assert answer.outcome.kind == Kind.UNKNOWN
    assert system_.find(Entity.CONTACT, "0193-ours", {"first_name": "Zoe"}) is None


def test_a_lost_answer_to_a_change_is_asked_for_again(system_, studio, wedding):
    studio.misbehave(ResetAfter(), path=f"address-book/{wedding['alice']}")
    studio.misbehave(ResetAfter(), path=f"address-book/{wedding['alice']}")

    answer = system_.update(Entity.CONTACT, wedding["alice"], {"last_name": "Moore"}, modified_at=None)

    assert answer.outcome.kind == Kind.OK
    assert studio.rows["contact"][wedding["alice"]]["lastName"] == "Moore"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (invalid(email="This value is not valid."), Kind.PERMANENT_DATA),
        (error("not-implemented", "Not Implemented", "x", status=501), Kind.PERMANENT_DATA),
        (error("unknown", "Unauthorized", "x", status=401), Kind.AUTH_EXPIRED),
        (error("unknown", "Forbidden", "x", status=403), Kind.PERMANENT_CONFIG),
        (error("unknown", "Server Error", "x", status=500), Kind.UNKNOWN),
        (error("unknown", "Bad Gateway", "x", status=502), Kind.UNKNOWN),
        (error("unknown", "Unavailable", "x", status=503), Kind.RETRYABLE),
        (error("unknown", "Something", "x", status=200), Kind.UNKNOWN),
        (error("quota-limit", "Too Many", "x", status=200), Kind.THROTTLED),
        (too_many(30), Kind.THROTTLED),
        (json_reply({"meta": {}}, status=201), Kind.UNKNOWN),
        (Reply(302, headers={"Location": "https://elsewhere.example/"}), Kind.PERMANENT_CONFIG),
        (Reply(413), Kind.PERMANENT_DATA),
    ],
)
def test_each_class_of_error_of_a_write(system_, studio, reply, kind):
    studio.misbehave(Answer(reply), times=3)

    assert system_.create(Entity.CONTACT, "x", {"first_name": "A"}).outcome.kind == kind


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (invalid(sortBy="x"), errors.Refused),
        (error("unknown", "Unauthorized", "x", status=401), errors.Refused),
        (error("unknown", "Server Error", "x", status=500), errors.Unavailable),
        (error("unknown", "Something", "x", status=200), errors.Unavailable),
        (json_reply({"items": "none"}), errors.Unavailable),
    ],
)
def test_each_class_of_error_of_a_read(system_, studio, reply, raised):
    studio.misbehave(Answer(reply), times=3)

    with pytest.raises(raised):
        system_.page(Entity.CONTACT, 1)


@pytest.mark.parametrize("fault", [Truncated(), NotJson(), ResetBefore(), ResetAfter()])
def test_a_spoilt_answer_to_a_read_is_asked_for_again(system_, studio, wedding, fault):
    studio.misbehave(fault)

    assert len(system_.page(Entity.CONTACT, 1).records) == 2
    assert len(studio.seen) == 2


@pytest.mark.parametrize("fault", [Truncated(), NotJson()])
def test_a_spoilt_answer_to_a_write_leaves_its_fate_open(system_, studio, fault):
    studio.misbehave(fault)

    assert system_.create(Entity.CONTACT, "x", {"first_name": "A"}).outcome.kind == Kind.UNKNOWN
    assert len(studio.rows["contact"]) == 1


@pytest.mark.parametrize("fault", [Drip(0.05), Slow(1.0)])
def test_what_drips_is_cut_off(connection, studio, fault):
    studio.misbehave(fault, times=4)
    hasty = systems.of(Hasty(connection))

    assert hasty.create(Entity.CONTACT, "x", {"first_name": "A"}).outcome.code == "timeout"
    with pytest.raises(errors.Unavailable):
        hasty.page(Entity.CONTACT, 1)


def test_the_words_of_an_error_name_fields_and_not_what_is_in_them(system_, studio):
    reply = error("validation-error", "Validation Error", {"email": "zoe@example is not valid"}, status=400)
    studio.misbehave(Answer(reply))

    outcome = system_.create(Entity.CONTACT, "x", {"email": "zoe@example"}).outcome

    assert outcome.reason == "VSCO Workspace validation-error: Validation Error (email)"
    assert outcome.trace == "0f3c9e1a-trace"


def test_a_used_up_quota_waits_as_long_as_it_says(system_, studio):
    studio.allowed, studio.retry_after = 1, 30
    studio.add("contact", **ALICE)
    system_.page(Entity.CONTACT, 1)

    with pytest.raises(errors.Unavailable) as caught:
        system_.page(Entity.CONTACT, 1)
    with pytest.raises(errors.Unavailable):
        system_.page(Entity.CONTACT, 1)

    assert caught.value.outcome.retry_after_seconds == 30
    assert len(studio.seen) == 2  # the last one was not even asked


def test_a_short_wait_is_waited(system_, studio):
    studio.misbehave(Answer(too_many(1)))

    assert system_.page(Entity.CONTACT, 1).records == ()


def test_a_wait_may_be_a_date_or_missing(studio, connection):
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    response = Answer(too_many("Mon, 30 Nov 2026 12:01:30 GMT")).reply
    judged = [
        vsco.classify(_response(one), True, at).retry_after_seconds
        for one in (response, Reply(429, response.body, {}))
    ]
    assert judged == [90.0, vsco.THROTTLE_SECONDS]


def _response(reply):
    return Response(reply.status, {name.lower(): text for name, text in reply.headers.items()}, reply.body)


def test_a_key_that_only_reads_writes_nothing(workspace, studio, wedding):
    reader = connection_to(workspace, "vsco", account="", secrets={"api_key": READ_ONLY_KEY}, access="read")

    read_only = systems.of(Client(reader))

    assert all(not fields.writable for fields in read_only.speaks.values())
    assert len(read_only.page(Entity.JOB, 1).records) == 1


def test_the_studio_says_who_it_is(connection, studio):
    assert services.get("vsco").run_check(Client(connection)) == "Studio North, GBP."
    studio.studio["readonlyEnabled"] = True
    assert services.get("vsco").run_check(Client(connection)).endswith("It is in read-only mode there.")


@pytest.fixture
def site(settings):
    settings.SITE_URL = "https://bellwether.example"


@pytest.fixture
def connected(workspace, studio, site, django_capture_on_commit_callbacks):
    """A studio that was connected on the page, once the workers have done their part."""
    with django_capture_on_commit_callbacks(execute=True):
        return connections.connect(
            system(workspace.pk),
            services.get("vsco"),
            values={"api_key": KEY, "access": "write"},
            now=timezone.now(),
        )


@pytest.fixture
def post(client, django_capture_on_commit_callbacks):
    def send(url, body):
        parts = urlsplit(url)
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(f"{parts.path}?{parts.query}", body, content_type="application/json")

    return send


def test_hooks_are_registered_once_and_taken_back(connected, studio, workspace):
    hooks = list(studio.rows["hook"].values())
    assert [one["event"] for one in hooks] == [
        "contact.created",
        "job.created",
        "order.booked",
        "payment.created",
    ]
    assert len({one["url"] for one in hooks}) == 4
    studio.add("hook", event="job.created", url="https://zapier.example/theirs")
    outbox.enqueue(connected, "hooks.register", {}, dedup_key="again", now=timezone.now())
    outbox.relay(lane=int(Lane.MARKETING))
    assert len(studio.rows["hook"]) == 5

    connections.disconnect(system(workspace.pk), connected, now=timezone.now())

    assert [one["url"] for one in studio.rows["hook"].values()] == ["https://zapier.example/theirs"]


def test_a_service_that_is_away_does_not_keep_us_connected(connected, studio, workspace):
    studio.misbehave(Answer(Reply(503)), times=20)

    connections.disconnect(system(workspace.pk), connected, now=timezone.now())

    connected.refresh_from_db()
    assert (connected.state, connected.credentials_sealed) == (Connection.State.DISCONNECTED, None)


def test_a_hook_is_a_reason_to_read_and_no_more(connected, studio, post):
    alice = studio.add("contact", **ALICE)
    job = studio.add("job", name="Alice & Ben")
    [about_alice, about_job] = studio.fired

    for url, body in (about_alice, about_job, about_alice):
        assert post(url, body).status_code == 200

    assert set(SyncExternal.objects.values_list("entity", "external_id")) == {
        ("contact", alice),
        ("job", job),
    }
    assert not SyncNudge.objects.exists()
    assert len(studio.asked("GET", f"/api/v2/address-book/{alice}")) == 1
    assert InboundRecord.objects.filter(state="done").count() == 2
    assert about_alice[1] == b'{"targetId": "' + alice.encode() + b'"}'


def test_an_order_and_a_payment_lead_to_their_job(connected, studio, post):
    job = studio.add("job", name="Alice & Ben")
    studio.add("order", jobId=job, status="open")
    studio.add("payment", jobId=job, amount=50_000)

    for url, body in studio.fired[1:]:
        post(url, body)
    outbox.relay(lane=int(Lane.MARKETING))

    assert list(SyncExternal.objects.values_list("entity", "external_id")) == [("job", job)]
    assert set(Call.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url, body: (url.replace("key=", "key=0"), body),
        lambda url, body: (url.partition("?")[0], body),
        lambda url, body: (url.replace("event=job.created", "event=studio.deleted"), body),
        lambda url, body: (url, b'{"targetId": "../studio/me"}'),
        lambda url, body: (url, b'{"targetId": ["x"]}'),
        lambda url, body: (url, b"[]"),
        lambda url, body: (url, b"\xff\xfe"),
    ],
)
def test_a_hook_without_its_key_or_its_id_is_refused(connected, studio, post, spoil):
    studio.add("job", name="Alice & Ben")
    [(url, body)] = studio.fired

    assert post(*spoil(url, body)).status_code == 401
    assert not SyncNudge.objects.exists()
    assert not InboundRecord.objects.exists()


def test_a_hook_of_a_studio_that_was_disconnected_meets_a_closed_door(connected, studio, post, workspace):
    studio.add("job", name="Alice & Ben")
    [(url, body)] = studio.fired
    connections.disconnect(system(workspace.pk), connected, now=timezone.now())

    assert post(url, body).status_code == 404


def test_a_key_that_only_reads_registers_no_hook(workspace, studio, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        connections.connect(
            system(workspace.pk),
            services.get("vsco"),
            values={"api_key": READ_ONLY_KEY, "access": "read"},
            now=timezone.now(),
        )

    assert not Call.objects.exists()
    assert studio.seen == []
