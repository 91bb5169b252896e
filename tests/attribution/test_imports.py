"""A file of events: stored, known already, or set aside with its line and the reasons."""

import csv
import gzip
import json
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts import jobs, scoping
from apps.accounts.models import Job, Person, Workspace
from apps.attribution import dead_letters, uploads
from apps.attribution.import_columns import guess_mapping
from apps.attribution.models import Conversion, DeadLetter, Touchpoint
from apps.attribution.row_files import UnreadableFile, rows

HEADER = "user_id,occurred_at,kind,channel,campaign,value\n"
LOG = (
    HEADER
    + "u1,2026-10-01T09:00:00Z,touch,email,spring,\n"
    + "u1,2026-10-02T09:00:00Z,touch,paid_social,,\n"
    + "u1,2026-10-03T09:00:00Z,conversion,,,99.99\n"
    + "u2,2026-10-03T10:00:00Z,touch,email,spring,\n"
)


@pytest.fixture
def log_file(tmp_path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(LOG)
    return path


def _mark_those_from_before():
    """As the database says it of every workspace that is there already."""
    Workspace.objects.update(row_ids_have_time=False)


def _opened_by_an_older_version():
    """It goes on while the new one is put in place, and knows nothing of the mark."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('accounts_workspace', 'id'))")
        [key] = cursor.fetchone()
    with scoping.workspace(key), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_workspace (id, slug, name, currency, time_zone, settings, is_demo)"
            " VALUES (%s, 'older', 'Older', 'GBP', 'Europe/London', '{}', false)",
            [key],
        )
        return Workspace.objects.get()


def _kinds_of_ids():
    return {one.partition("-")[0] for one in Touchpoint.objects.values_list("event_id", flat=True)}


def _import(workspace, path, *options):
    call_command("import_events", str(path), "--workspace", workspace.slug, *options)


def test_a_log_becomes_touchpoints_and_conversions(workspace, log_file):
    _import(workspace, log_file)

    touches = Touchpoint.objects.order_by("occurred_at").values_list(
        "person__external_id", "source__channel__key", "source__campaign_id"
    )
    assert list(touches) == [("u1", "email", "spring"), ("u1", "paid_social", ""), ("u2", "email", "spring")]
    assert [str(one.value) for one in Conversion.objects.all()] == ["99.9900"]


def test_importing_again_stores_nothing_twice(workspace, log_file, capsys):
    _import(workspace, log_file)
    call_command("import_events", str(log_file), "--workspace", workspace.slug)

    assert "4 rows: 0 stored, 4 known already, 0 set aside." in capsys.readouterr().out
    assert Touchpoint.objects.count() == 3


def test_a_file_that_a_workspace_knows_from_before_ids_began_with_their_time_stays_known(
    workspace, log_file, capsys
):
    """By the id that its first row was given then."""
    first = "row-966e8f783cb2019b86f8af19a1064a0a-1"
    path = log_file.with_name("given.csv")
    path.write_text(f"user_id,occurred_at,event_id,channel\nu1,2026-10-01T09:00:00Z,{first},email\n")
    _import(workspace, path)
    _mark_those_from_before()

    call_command("import_events", str(log_file), "--workspace", workspace.slug)

    assert "4 rows: 3 stored, 1 known already, 0 set aside." in capsys.readouterr().out
    assert _kinds_of_ids() == {"row"}


def test_a_workspace_from_before_goes_on_by_its_kind_though_it_holds_no_rows_yet(workspace, log_file):
    """Its letters wait by ids of that kind, and so do the rest of a file that is half read."""
    _mark_those_from_before()

    _import(workspace, log_file)

    assert _kinds_of_ids() == {"row"}


def test_an_id_that_a_customer_begins_in_the_old_way_changes_nothing(workspace, log_file, capsys):
    _import(workspace, log_file)
    path = log_file.with_name("given.csv")
    path.write_text("user_id,occurred_at,event_id,channel\nu1,2026-10-01T09:00:00Z,row-17,email\n")
    _import(workspace, path)

    call_command("import_events", str(log_file), "--workspace", workspace.slug)

    assert "4 rows: 0 stored, 4 known already, 0 set aside." in capsys.readouterr().out
    assert _kinds_of_ids() == {"at", "row"}


def test_a_workspace_that_an_older_version_opens_meanwhile_keeps_that_versions_ids(db, log_file):
    older = _opened_by_an_older_version()

    with scoping.workspace(older.pk):
        _import(older, log_file)
        assert _kinds_of_ids() == {"row"}


@pytest.mark.parametrize(
    ("event_id", "marks", "has_time"),
    [
        ("at-20261001090000-966e8f783cb2019b86f8af19-1", {}, True),
        ("row-966e8f783cb2019b86f8af19a1064a0a-1", {}, False),
        ("at-the-door", {}, False),
        ("at-20261001090000-966e8f783cb2019b86f8af19-1", {"row_ids_without_time": True}, False),
    ],
)
def test_of_the_workspaces_that_are_there_those_go_on_by_time_whose_rows_begin_with_it(
    workspace, tmp_path, event_id, marks, has_time
):
    path = tmp_path / "given.csv"
    path.write_text(f"user_id,occurred_at,event_id,channel\nu1,2026-10-01T09:00:00Z,{event_id},email\n")
    _import(workspace, path)
    Workspace.objects.update(row_ids_have_time=False, settings=marks)

    mark = import_module("apps.attribution.migrations.0014_workspaces_whose_row_ids_have_time").MARK
    with connection.cursor() as cursor:
        cursor.execute(mark)

    assert Workspace.objects.get().row_ids_have_time is has_time


def test_two_rows_that_say_the_same_are_two_events(workspace, tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text(HEADER + "u1,2026-10-01T09:00:00Z,touch,email,,\n" * 2)

    _import(workspace, path)

    assert Touchpoint.objects.count() == 2


def test_a_dry_run_stores_nothing_and_still_names_the_faults(workspace, tmp_path, capsys):
    path = tmp_path / "faulty.csv"
    path.write_text(LOG + "u3,yesterday,touch,email,,\n")

    call_command("import_events", str(path), "--workspace", workspace.slug, "--dry-run")

    assert Touchpoint.objects.count() == 0
    assert Person.objects.count() == 0
    assert "1 set aside" in capsys.readouterr().out
    rejected = list(csv.DictReader((tmp_path / "faulty.csv.rejects.csv").open()))
    assert [row["line"] for row in rejected] == ["6"]
    assert "occurred_at" in rejected[0]["errors"]


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_gives_the_same(workspace, tmp_path, ending):
    records = list(csv.DictReader(LOG.splitlines()))
    path = tmp_path / f"events.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        lines = "\n".join(json.dumps(one) for one in records)
        text = (LOG if "csv" in ending else lines).encode()
        path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)

    _import(workspace, path)

    assert (Touchpoint.objects.count(), Conversion.objects.count()) == (3, 1)


def test_a_column_can_be_mapped_by_hand(workspace, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("who,occurred_at,platform,event_type\nu1,2026-10-01T09:00:00Z,meta,click\n")

    with pytest.raises(CommandError, match="user_id or anonymous_id"):
        _import(workspace, path)
    _import(workspace, path, "--map", "user_id=who")

    assert Touchpoint.objects.get().person.external_id == "u1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"user_id,user_id\n1,2\n", "twice"),
        (b"\xd0\x1b\xcf,\xff\nu1,1\n", "not text"),
        (b"user_id,pr\xe9nom\nu1,1\n", "not text"),
        (b"user_id,a\x00\nu1,1\n", "not text"),
        (b"\x1f\x8bnot gzip at all", "cannot be read"),
        (b"PAR1 not parquet", "cannot be read"),
        (b"user_id,a\nu1," + b"a" * 1_000_001 + b"\n", "a row of more than 1,000,000 characters"),
        (b'user_id,a\nu1,"' + b'a\n","' * 300_000, "a row of more than 1,000,000 characters"),
        (b'{"a": "' + b"a" * 1_000_001 + b'"}', "a row of more than 1,000,000 characters"),
        (b",".join(b"c%d" % place for place in range(1_001)), "1,001 columns"),
        (gzip.compress(b"user_id,a\nu1,1\n" * 9_999, mtime=0)[:60] + b"\xff" * 99, "cannot be read"),
    ],
    ids=lambda value: "",
)
def test_a_file_that_cannot_be_read_is_refused_whole(tmp_path, content, words):
    path = tmp_path / "rubbish"
    path.write_bytes(content)

    with pytest.raises(UnreadableFile, match=words):
        list(rows(path))


def test_rows_that_cannot_be_read_are_set_aside_one_by_one(workspace, tmp_path, capsys):
    path = tmp_path / "mixed.csv"
    path.write_bytes(
        LOG.encode()
        + b"u4,2026-10-01T09:00:00Z,touch,email,,,too,many\n"
        + b"u\xff5,2026-10-01T09:00:00Z,touch,email,,\n"
        + b"u\x006,2026-10-01T09:00:00Z,touch,email,,\n"
        + b",2026-10-01T09:00:00Z,touch,email,,\n"
        + b"u7,2026-10-01T09:00:00Z,conversion,,,nan\n"
    )

    call_command("import_events", str(path), "--workspace", workspace.slug)

    assert "9 rows: 4 stored, 0 known already, 5 set aside" in capsys.readouterr().out


def _uploaded(actor, content, *, now):
    made = uploads.keep(actor, file_name="log.csv", chunks=[content.encode()])
    mapping = guess_mapping(HEADER.strip().split(","))
    return uploads.start(actor, made.pk, mapping=mapping, is_dry_run=False, now=now)


def test_an_upload_is_a_job_that_goes_on_where_it_stopped(workspace, actor, now, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    lines = [f"u{n},2026-10-01T09:00:00Z,touch,email,,\n" for n in range(25)]
    made = _uploaded(actor, HEADER + "".join(lines), now=now)
    job = Job.objects.get(pk=made.job_id)
    job.checkpoint = {"counts": {"rows": 10, "stored": 10, "duplicates": 0, "rejected": 0, "next_line": 12}}
    job.save()

    jobs.run(job_id=job.pk)

    made.refresh_from_db()
    assert (made.rows, made.stored) == (25, 25)
    assert Touchpoint.objects.count() == 15
    assert Job.objects.get(pk=job.pk).state == "done"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_upload_keeps_what_it_set_aside(workspace, actor, now, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    made = _uploaded(actor, LOG + "u3,yesterday,touch,email,,\n", now=now)

    jobs.run(job_id=made.job_id)

    rejected = DeadLetter.objects.get(file_import=made)
    assert (rejected.line, rejected.reason, rejected.kind) == (6, "unusable_fields", "event")
    assert list(dead_letters.content_of(rejected).errors) == ["occurred_at"]
    assert Job.objects.get(pk=made.job_id).result == {"rows": 5, "stored": 4, "duplicates": 0, "rejected": 1}


def test_another_workspace_is_not_touched(workspace, other_workspace, log_file):
    _import(workspace, log_file)

    with scoping.workspace(other_workspace):
        assert Touchpoint.objects.count() == 0
