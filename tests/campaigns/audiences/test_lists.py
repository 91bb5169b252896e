import gzip
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.exceptions import PermissionDenied

from apps.accounts import jobs, people, personal_fields, privacy
from apps.accounts.errors import Invalid
from apps.accounts.models import Job, Person
from apps.accounts.permissions import Actor
from apps.attribution.row_files import UnreadableFile
from apps.campaigns.audiences import keeping, list_files, list_rows, merging, people_sql
from apps.campaigns.models import Audience, AudienceMember, ListFile, RefusedRow
from tests.factories import NOW, PersonFactory


@pytest.fixture(autouse=True)
def _media(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def fair(actor):
    return keeping.create(actor, name="Spring fair", kind="list", now=NOW)


def known(workspace, **told):
    user_id = told.pop("user_id", None)
    person = PersonFactory(workspace=workspace, external_id=user_id)
    personal_fields.set_personal(person, told)
    person.save()
    return person


def brought(actor, audience, text, **options):
    """A file as its job leaves it."""
    content = text if isinstance(text, bytes) else text.encode()
    made = list_files.bring(actor, audience, file_name="a.csv", chunks=[content], now=NOW, **options)
    jobs.run(job_id=made.job_id)
    made.refresh_from_db()
    return made


def members(audience):
    return set(AudienceMember.objects.filter(audience=audience).values_list("person_id", flat=True))


def refused(made):
    return list(RefusedRow.objects.filter(list_file=made).order_by("line").values_list("line", "reason"))


def test_people_are_found_by_user_id_then_address_then_number(workspace, actor, fair):
    ada = known(workspace, user_id="ada", email="ada@example.com")
    bob = known(workspace, email="bob@example.com")
    cai = known(workspace, phone="+44 20 7946 0018")
    known(workspace, user_id="dan", email="dan@example.com")

    made = brought(
        actor,
        fair,
        "user_id,email,phone\nada,bob@example.com,\nnobody, BOB@Example.com,\n,,00442079460018\nada,,\n",
    )

    assert members(fair) == {ada.pk, bob.pk, cai.pk}
    assert (made.rows, made.added, made.known, made.refused, made.made) == (4, 3, 1, 0, 0)
    fair.refresh_from_db()
    assert fair.people == 3
    assert Job.objects.get().state == "done"


def test_each_row_that_puts_nobody_on_the_list_is_told(workspace, actor, fair):
    ada = known(workspace, email="ada@example.com")
    long_id = "x" * 201

    made = brought(
        actor,
        fair,
        f"email,customer_id,phone\nada@example.com,,\nno address,,\n,{long_id},\n,,1\n,,\nx@example.com,,\n"
        "a,b\na,b,c,d\n,nobody,\n",
    )

    assert members(fair) == {ada.pk}
    assert refused(made) == [
        (3, "bad_email"),
        (4, "bad_user_id"),
        (5, "bad_phone"),
        (6, "empty"),
        (7, "unknown"),
        (8, "unknown"),
        (9, "unreadable"),
        (10, "unknown"),
    ]
    assert (made.rows, made.added, made.refused) == (9, 1, 8)


@pytest.mark.parametrize(
    ("content", "about"),
    [
        (b"email\nada@example.com\nbob@example.com\n", 2),
        (gzip.compress(b"email\nada@example.com\n"), None),
        (b'{"email": "ada@example.com"}\n{"email": "bob@example.com"}\n{"email": "cai@example.com"}\n', 2),
    ],
    ids=["lines", "packed", "without a heading"],
)
def test_how_many_rows_there_are_to_come_is_known_of_lines(actor, fair, content, about):
    made = list_files.bring(actor, fair, file_name="a.csv", chunks=[content], now=NOW)

    assert made.job.total == about


def test_the_file_is_gone_once_it_is_read(actor, fair):
    made = brought(actor, fair, "user_id\nnobody\n")

    assert made.stored_as == ""
    assert not [one for one in Path(configured.MEDIA_ROOT).rglob("*") if one.is_file()]


def test_a_second_time_changes_nothing(workspace, actor, fair):
    known(workspace, user_id="ada")
    text = "user_id,email\nada,\nnew,new@example.com\n,other@example.com\n"
    first = brought(actor, fair, text, makes_people=True)
    before = members(fair), Person.objects.count()

    second = brought(actor, fair, text, makes_people=True)

    assert (first.added, first.made) == (3, 2)
    assert (second.added, second.made, second.known) == (0, 0, 3)
    assert (members(fair), Person.objects.count()) == before


def test_who_is_unknown_is_made_once_however_many_rows_mean_them(actor, fair):
    made = brought(
        actor,
        fair,
        "user_id,email,phone\nu1,a@example.com,\n,A@example.com,\n,b@example.com,+441234567\n,,00441234567\n"
        "u2,b@example.com,\n,,\n",
        makes_people=True,
    )

    assert (made.made, made.added, made.known, made.refused) == (3, 3, 2, 1)
    told = {one.external_id: personal_fields.personal(one) for one in Person.objects.all()}
    assert told["u1"]["email"] == "a@example.com"
    assert told["u2"]["email"] == "b@example.com"
    assert told[None]["phone"] == "+441234567"


def test_of_two_people_with_one_address_one_is_on_the_list(workspace, actor, fair):
    known(workspace, email="a@example.com")
    later = known(workspace, email="a@example.com")
    Person.objects.filter(pk=later.pk).update(last_seen_at=NOW)

    brought(actor, fair, "email\na@example.com\n")

    assert members(fair) == {later.pk}


def test_other_formats_and_names_of_columns(workspace, actor, fair):
    ada = known(workspace, user_id="7")
    lines = gzip.compress(b'{"Client": 7}\n{"Client": true}\n')

    made = brought(actor, fair, lines, mapping={"user_id": "Client"})

    assert members(fair) == {ada.pk}
    assert refused(made) == [(2, "empty")]


@pytest.mark.parametrize(
    ("text", "mapping", "says"),
    [
        ("name,age\nAda,3\n", None, "Which column is user_id, email or phone? The file has name, age."),
        ("a\n1\n", {"user_id": "b"}, "The file has no column b; it has a."),
        ("a\n1\n", {"name": "a"}, "Unknown field name."),
    ],
)
def test_a_file_of_which_nobody_knows_who_is_meant(actor, fair, text, mapping, says):
    with pytest.raises(Invalid) as refusal:
        list_files.bring(actor, fair, file_name="a.csv", chunks=[text.encode()], mapping=mapping, now=NOW)

    assert refusal.value.errors["columns"][0].startswith(says)
    assert not ListFile.objects.exists()
    assert not [one for one in Path(configured.MEDIA_ROOT).rglob("*") if one.is_file()]


@pytest.mark.parametrize("content", [b"email\n", b'{"\\ud800": 1}\n', bytes(range(128, 256)) * 400])
def test_a_file_without_rows_or_words(actor, fair, content):
    with pytest.raises(UnreadableFile, match=r"^The file holds no rows|^Line 1 is not text"):
        list_files.bring(actor, fair, file_name="a.csv", chunks=[content], now=NOW)

    assert not ListFile.objects.exists()


def test_an_empty_file(actor, fair):
    with pytest.raises(UnreadableFile):
        list_files.bring(actor, fair, file_name="a.csv", chunks=[b""], now=NOW)


def test_people_are_not_brought_to_rules(actor):
    ruled = keeping.create(actor, name="x", kind="rules", rules={"field": "person.has_email"}, now=NOW)

    with pytest.raises(list_files.NotAList):
        list_files.bring(actor, ruled, file_name="a.csv", chunks=[b"user_id\n1\n"], now=NOW)


def test_a_key_that_may_not_change_people_makes_none(workspace, fair):
    viewer = Actor(kind="user", id=1, label="x", workspace_id=workspace.pk, role="viewer")

    with pytest.raises(PermissionDenied):
        list_files.bring(viewer, fair, file_name="a.csv", chunks=[b"user_id\n1\n"], now=NOW)
    assert not ListFile.objects.exists()


def test_a_file_goes_on_where_its_reading_stopped(actor, fair, monkeypatch):
    monkeypatch.setattr(list_rows, "BATCH", 1_000)
    rows = "".join(f"u{number},{'x' * 40}\n" for number in range(5_000))
    whole = gzip.compress(f"user_id,note\n{rows}{'u' * 201},\n".encode(), mtime=0)
    made = list_files.bring(
        actor, fair, file_name="a.csv.gz", chunks=[whole[:-4_000]], makes_people=True, now=NOW
    )
    with pytest.raises(UnreadableFile):
        list_files.work(Job.objects.get(pk=made.job_id))
    made.refresh_from_db()
    stopped_at = made.rows
    assert 0 < stopped_at < 5_000
    assert len(members(fair)) == made.added == made.made == stopped_at

    (Path(configured.MEDIA_ROOT) / made.stored_as).write_bytes(whole)
    list_files.work(Job.objects.get(pk=made.job_id))

    made.refresh_from_db()
    assert (made.rows, made.added, made.made, made.known, made.refused) == (5_001, 5_000, 5_000, 0, 1)
    assert refused(made) == [(5_002, "bad_user_id")]


def test_a_list_when_two_people_on_it_turn_out_to_be_one(workspace, actor, fair):
    other = keeping.create(actor, name="Other", kind="list", now=NOW)
    ada, twin, bob = (known(workspace, user_id=name) for name in ("ada", "twin", "bob"))
    for audience, person in [(fair, ada), (fair, twin), (other, twin), (other, bob)]:
        AudienceMember.objects.create(workspace=workspace, audience=audience, person=person)

    people.merge(actor, ada, twin, reason="one person", now=NOW)

    assert members(fair) == {ada.pk}
    assert members(other) == {ada.pk, bob.pk}


def test_a_member_who_was_absorbed_meanwhile_counts_as_the_survivor(workspace, actor, fair):
    ada, twin = known(workspace, user_id="ada"), known(workspace, user_id="twin")
    people.merge(actor, ada, twin, reason="one person", now=NOW)
    AudienceMember.objects.create(workspace=workspace, audience=fair, person=twin)

    assert keeping.count(fair, now=NOW).sample == [ada.public_id]
    merging.move({twin.pk: ada.pk})
    assert members(fair) == {ada.pk}


def test_who_is_erased_is_on_no_list(workspace, actor, fair):
    ada = known(workspace, user_id="ada")
    AudienceMember.objects.create(workspace=workspace, audience=fair, person=ada)

    privacy.erase(actor, ada, now=NOW, reason="asked")

    assert members(fair) == set()
    assert keeping.count(fair, now=NOW).people == 0


def test_files_that_were_left_are_forgotten(actor, fair, settings):
    made = list_files.bring(actor, fair, file_name="a.csv", chunks=[b"user_id\n1\n"], now=NOW)
    path = Path(settings.MEDIA_ROOT) / made.stored_as
    assert path.is_file()
    assert list_files.forget() == 0
    ListFile.objects.update(created_at="2026-01-01T00:00:00Z")

    assert list_files.forget() == 1

    assert not path.exists()
    made.refresh_from_db()
    assert made.stored_as == ""


def test_a_list_is_a_select_like_any_other(workspace, actor, fair):
    sql, params = people_sql(fair, now=NOW)

    assert "%s" in sql
    assert fair.public_id in params
    assert Audience.objects.count() == 1
