"""A file over the page: looked at, mapped, checked, stored, and what was set aside."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.accounts import jobs
from apps.accounts.models import AuditEntry, Job
from apps.attribution import uploads
from apps.attribution.models import Conversion, DeadLetter, FileImport, Touchpoint
from tests import factories

IMPORT = reverse("attribution:import")
LOG = b"""customer,when,what,source,worth
u-1,2026-10-01T09:12:00Z,click,meta,
u-1,2026-10-04T18:41:00Z,purchase,,129.00
u-2,yesterday,click,=cmd(),
"""
MAPPING = {
    "user_id": "customer",
    "occurred_at": "when",
    "kind": "what",
    "platform": "source",
    "revenue": "worth",
}


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def _upload(page, content=LOG, name="log.csv"):
    return page.post(IMPORT, {"file": SimpleUploadedFile(name, content)})


@pytest.fixture
def brought(page):
    _upload(page)
    return FileImport.objects.get()


def _file(made):
    return reverse("attribution:import-file", args=[made.pk])


def _do(page, made, deed, **mapping):
    answer = page.post(_file(made), {**MAPPING, **mapping, "do": deed})
    made.refresh_from_db()
    return answer


def _work(made):
    jobs.run(job_id=made.job_id)
    made.refresh_from_db()


def test_an_upload_leads_to_its_mapping_and_stores_nothing(page):
    answer = _upload(page)

    made = FileImport.objects.get()
    assert (answer.status_code, answer.url) == (302, _file(made))
    assert made.job is None
    assert Touchpoint.objects.count() == 0


def test_the_mapping_shows_the_first_rows_and_a_guess(page):
    _upload(page, b"user_id,timestamp,channel,colour\nu-1,2026-10-01T09:12:00Z,meta,teal\n")

    answer = page.get(_file(FileImport.objects.get()))

    assert b"teal" in answer.content
    form = answer.context["form"]
    assert {name: form[name].value() for name in ("user_id", "occurred_at", "channel", "revenue")} == {
        "user_id": "user_id",
        "occurred_at": "timestamp",
        "channel": "channel",
        "revenue": None,
    }


def test_a_check_counts_and_stores_nothing(page, brought):
    _do(page, brought, "check")
    _work(brought)

    html = page.get(_file(brought)).content.decode()

    assert (brought.rows, brought.stored, brought.rejected) == (3, 2, 1)
    assert Touchpoint.objects.count() == 0
    assert "Store 2\N{NO-BREAK SPACE}rows" in html
    assert "Nothing is stored yet." in html


def test_after_the_check_it_is_stored(page, brought, media):
    _do(page, brought, "check")
    _work(brought)
    _do(page, brought, "store")
    _work(brought)

    html = page.get(_file(brought)).content.decode()

    assert (brought.stored, brought.rejected) == (2, 1)
    assert (Touchpoint.objects.count(), Conversion.objects.get().value) == (1, 129)
    assert DeadLetter.objects.get().state == "waiting"
    assert "See who earned it" in html
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_progress_is_polled_and_the_page_looks_again_when_it_is_over(page, brought):
    _do(page, brought, "check")

    html = page.get(_file(brought)).content.decode()

    assert f'id="job-{brought.job.public_id}"' in html
    assert 'hx-trigger="job-over from:body"' in html
    assert 'hx-disinherit="*"' in html


def test_what_was_guessed_can_be_taken_back(page):
    _upload(page, b"user_id,timestamp,campaign\nu-1,2026-10-01T09:12:00Z,spring\n")
    made = FileImport.objects.get()

    page.post(
        _file(made), {"user_id": "user_id", "occurred_at": "timestamp", "campaign_id": "", "do": "check"}
    )

    made.refresh_from_db()
    assert made.mapping == {"user_id": "user_id", "occurred_at": "timestamp"}


def test_a_mapping_without_a_person_is_refused_and_says_what_is_missing(page, brought):
    answer = page.post(_file(brought), {"occurred_at": "when", "do": "store"})

    assert answer.status_code == 400
    assert b"Which column is user_id or anonymous_id?" in answer.content
    assert Job.objects.count() == 0


def test_a_column_that_the_file_does_not_have_is_refused(page, brought):
    answer = page.post(_file(brought), {**MAPPING, "user_id": "shoe size", "do": "store"})

    assert answer.status_code == 400
    assert Job.objects.count() == 0


def test_the_rows_set_aside_come_as_a_file_without_formulas(page, brought):
    _do(page, brought, "check")
    _work(brought)

    answer = page.get(reverse("attribution:import-rejected", args=[brought.pk]))

    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert row["line"] == "4"
    assert row["reasons"].startswith("occurred_at: ")
    assert (row["customer"], row["source"]) == ("u-2", "'=cmd()")


def test_a_file_that_waits_can_be_thrown_away(page, brought, media, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        page.post(_file(brought), {"do": "discard"})

    assert [path for path in media.rglob("*") if path.is_file()] == []
    assert b"was thrown away" in page.get(_file(brought)).content
    assert AuditEntry.objects.filter(deed="import.discarded").count() == 1


def test_a_file_is_not_read_twice_at_once(page, brought):
    _do(page, brought, "store")
    page.post(_file(brought), {**MAPPING, "do": "store"})

    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", b"empty"), (b"a,a\n1,2\n", b"twice"), (b"\x1f\x8bnonsense", b"cannot be read")],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(page, media, content, says):
    answer = _upload(page, content)

    assert answer.status_code == 400
    assert says in answer.content
    assert FileImport.objects.count() == 0
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_past_imports_are_listed(page, brought):
    _do(page, brought, "store")
    _work(brought)

    html = page.get(IMPORT).content.decode()

    assert "log.csv" in html
    assert "stored, some set aside" in html


def test_a_viewer_brings_nothing(client, workspace):
    client.force_login(factories.member(workspace, "viewer"))

    assert _upload(client).status_code == 403
    assert FileImport.objects.count() == 0


def test_a_file_that_nobody_came_back_for_is_forgotten(page, brought, media):
    FileImport.objects.update(created_at=factories.NOW - 2 * uploads.KEPT)

    assert uploads.forget() == 1

    brought.refresh_from_db()
    assert brought.stored_as == ""
    assert [path for path in media.rglob("*") if path.is_file()] == []
