"""Personal fields at rest: sealed to their place, found by blind index, under exchangeable master keys."""

import base64
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import checks, key_rotation, people, scoping, sealing
from apps.accounts.models import Person
from apps.accounts.permissions import system
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory

ROW = UUID("00000000-0000-4000-8000-000000000001")
OTHER_ROW = UUID("00000000-0000-4000-8000-000000000002")
EMAIL = sealing.Place("accounts_person", "email", ROW)
KEY = sealing.Place("accounts_person", "data_key", ROW)
OLD = "2026:" + base64.b64encode(bytes(range(100, 132))).decode()
NEW = "2027:" + base64.b64encode(bytes(range(200, 232))).decode()


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.SEALING_KEYS = [OLD]


def run(*args: str) -> str:
    out = StringIO()
    call_command("sealing", *args, stdout=out)
    return out.getvalue()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_in_its_place(text):
    key = sealing.DataKey.new()

    assert key.open(key.seal(text, EMAIL), EMAIL) == text


def test_the_same_text_never_seals_alike():
    key = sealing.DataKey.new()

    assert key.seal("ann@example.com", EMAIL) != key.seal("ann@example.com", EMAIL)


@pytest.mark.parametrize("position", [0, 1, 12, 13, 20, -1])
def test_one_changed_byte_is_noticed(position):
    key = sealing.DataKey.new()
    sealed = bytearray(key.seal("ann@example.com", EMAIL))
    sealed[position] ^= 1

    with pytest.raises(sealing.SealBroken):
        key.open(bytes(sealed), EMAIL)


@pytest.mark.parametrize("length", [0, 1, 5, 13, 28])
def test_a_text_cut_short_is_noticed(length):
    key = sealing.DataKey.new()

    with pytest.raises(sealing.SealBroken):
        key.open(key.seal("ann@example.com", EMAIL)[:length], EMAIL)


@pytest.mark.parametrize(
    "place",
    [
        sealing.Place("accounts_person", "email", OTHER_ROW),
        sealing.Place("accounts_person", "phone", ROW),
        sealing.Place("accounts_lead", "email", ROW),
    ],
)
def test_a_text_moved_elsewhere_does_not_open(place):
    key = sealing.DataKey.new()

    with pytest.raises(sealing.SealBroken, match="moved"):
        key.open(key.seal("ann@example.com", EMAIL), place)


def test_another_key_does_not_open_it():
    with pytest.raises(sealing.SealBroken):
        sealing.DataKey.new().open(sealing.DataKey.new().seal("ann@example.com", EMAIL), EMAIL)


def test_a_wrapped_key_says_which_master_key_sealed_it():
    wrapped = sealing.DataKey.new().wrap(KEY)

    assert wrapped[0] == sealing.VERSION
    assert sealing.master_key_id(wrapped) == "2026"


def test_a_wrapped_key_moved_to_another_row_does_not_open():
    wrapped = sealing.DataKey.new().wrap(KEY)

    with pytest.raises(sealing.SealBroken):
        sealing.DataKey.unwrap(wrapped, sealing.Place("accounts_person", "data_key", OTHER_ROW))


def test_a_missing_master_key_is_named(settings):
    wrapped = sealing.DataKey.new().wrap(KEY)
    settings.SEALING_KEYS = [NEW]

    with pytest.raises(sealing.KeyMissing, match="'2026'"):
        sealing.DataKey.unwrap(wrapped, KEY)


def test_a_master_key_with_the_same_id_and_other_bytes_is_refused(settings):
    wrapped = sealing.DataKey.new().wrap(KEY)
    settings.SEALING_KEYS = ["2026:" + NEW.partition(":")[2]]

    with pytest.raises(sealing.SealBroken):
        sealing.DataKey.unwrap(wrapped, KEY)


def test_a_blind_index_depends_on_workspace_field_and_key(settings):
    settings.BLIND_INDEX_KEY = "one key of thirty-two characters"
    index = sealing.blind_index(1, "email", "ann@example.com")

    assert len(index) == 16
    assert index == sealing.blind_index(1, "email", "ann@example.com")
    assert index != sealing.blind_index(2, "email", "ann@example.com")
    assert index != sealing.blind_index(1, "phone", "ann@example.com")
    settings.BLIND_INDEX_KEY = "another one of thirty-two letters"
    assert index != sealing.blind_index(1, "email", "ann@example.com")


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ([], "empty"),
        (["nocolon"], 'not "key-id:base64"'),
        (["a:not base64!"], "not base64"),
        (["a:" + base64.b64encode(b"short").decode()], "5 bytes"),
        (["bad id:" + OLD.partition(":")[2]], "letters, digits and dashes"),
        ([OLD, OLD], "twice"),
        ([OLD, "2027:" + OLD.partition(":")[2]], "repeats"),
        (["example:" + base64.b64encode(bytes(32)).decode()], "not random"),
        (["example:" + base64.b64encode(b"change-me-32-bytes-example-key!!").decode()], "not random"),
    ],
)
def test_the_deploy_check_refuses_a_key_that_protects_nobody(settings, keys, complaint):
    settings.SEALING_KEYS = keys

    found = [one for one in checks.sealing_keys() if one.id == "accounts.E001"]

    assert complaint in " ".join(one.msg for one in found)
    assert all(OLD.partition(":")[2] not in one.msg for one in found)


@pytest.mark.parametrize("key", ["short", "a" * 40])
def test_the_deploy_check_refuses_a_weak_index_key(settings, key):
    settings.SEALING_KEYS = [sealing.new_key("k1")]
    settings.BLIND_INDEX_KEY = key

    assert [one.id for one in checks.sealing_keys()] == ["accounts.E002"]


def test_a_new_key_passes_the_check(settings):
    settings.SEALING_KEYS = [run("new-key", "2027-01").strip()]
    settings.BLIND_INDEX_KEY = "wq8Zs0mJ3hTn5RfLxV7yKc2bPdGe9uAo"

    assert checks.sealing_keys() == []


def test_a_key_id_that_cannot_be_used_is_refused():
    with pytest.raises(CommandError, match="letters, digits and dashes"):
        run("new-key", "2027:01")


def test_reading_without_any_key_says_so(settings):
    settings.SEALING_KEYS = []

    with pytest.raises(sealing.KeyUnusable):
        sealing.DataKey.new().wrap(KEY)


def _people_in(workspace, count: int) -> None:
    with scoping.workspace(workspace):
        for number in range(count):
            traits = {"email": f"p{number}@example.com", "name": "Ann"}
            people.identify(system(workspace.pk), user_id=f"u{number}", traits=traits, now=NOW)


def _emails(workspace) -> list[str | None]:
    with scoping.workspace(workspace):
        everyone = list(Person.objects.order_by("pk"))
        opened = people.reveal_many(system(workspace.pk), everyone, now=NOW)
        return [opened[person.pk]["email"] for person in everyone]


@committed
def test_after_a_rotation_the_old_key_can_be_removed(settings, monkeypatch):
    first, second = WorkspaceFactory(), WorkspaceFactory()
    _people_in(first, 5)
    _people_in(second, 2)
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    settings.SEALING_KEYS = [NEW, OLD]

    said = run("rotate")
    settings.SEALING_KEYS = [NEW]

    assert f"workspace {first.pk}: 5 data keys" in said
    assert "7 data keys sealed under 2027" in said
    assert _emails(first) == [f"p{number}@example.com" for number in range(5)]
    assert _emails(second) == ["p0@example.com", "p1@example.com"]


@committed
def test_a_rotation_cut_short_goes_on_where_it_stopped(settings, monkeypatch):
    workspace = WorkspaceFactory()
    _people_in(workspace, 5)
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    settings.SEALING_KEYS = [NEW, OLD]
    with scoping.workspace(workspace):
        assert next(key_rotation.rotate()) == 2

    with scoping.workspace(workspace):
        assert key_rotation.sealed_by() == {"2027": 2, "2026": 3}
        assert sum(key_rotation.rotate()) == 3
        assert sum(key_rotation.rotate()) == 0


@committed
def test_status_shows_a_key_that_is_needed_and_gone(settings):
    _people_in(WorkspaceFactory(), 1)
    settings.SEALING_KEYS = [NEW]

    assert run("status").splitlines() == [
        "2027: 0 data keys (seals and opens)",
        "2026: 1 data keys (NOT IN SEALING_KEYS)",
    ]
    with pytest.raises(CommandError, match="2026"):
        run("rotate")


def test_no_plain_text_of_a_personal_field_is_stored(workspace, actor):
    person = people.identify(
        actor, user_id="u1", traits={"email": "Ann@Example.com", "phone": "+44 20 7946 0018"}, now=NOW
    )

    row = Person.objects.filter(pk=person.pk).values().get()

    stored = b" ".join(
        bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode() for one in row.values()
    )
    for plain in (b"ann", b"Ann", b"example.com", b"7946", b"442079460018"):
        assert plain not in stored
