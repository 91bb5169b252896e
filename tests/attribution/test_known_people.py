"""The one statement for touches of known people: when it stores, when not, and what it says."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from apps.accounts import one_trip, people, scoping
from apps.accounts.models import OutboxEvent, Person
from apps.attribution import ingest, known_people, moulds, parsing, sources
from apps.attribution.models import Door, IntakeCount, StalePerson, Touchpoint
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory

CLICK = {"event_type": "click", "platform": "meta"}


def touch(at=NOW, **said):
    return parsing.touch({**CLICK, **said}, received_at=at)


def stored(*touches, at=NOW):
    return known_people.store(touches, sources.of_touches(touches), door=Door.API, at=at)


@pytest.fixture
def met(workspace, actor):
    """Anna by her user id, with a phone of hers, and a visitor of no name."""
    people.identify(actor, user_id="anna", anonymous_id="phone", now=NOW)
    touches = [touch(user_id="anna"), touch(anonymous_id="tablet")]
    ingest.track_events(actor, touches, now=NOW)
    # The process remembers sources once they are committed, which those of this test never are.
    found = sources.ids(sources.of_touches(touches), labels={})
    sources._remembered.update({(workspace.pk, key): pk for key, pk in found.items()})
    Touchpoint.objects.all().delete()
    StalePerson.objects.all().delete()
    OutboxEvent.objects.all().delete()
    IntakeCount.objects.all().delete()
    yield {
        "anna": Person.objects.get(external_id="anna"),
        "tablet": people.find(anonymous_id="tablet"),
    }
    sources._remembered.clear()


def test_known_people_take_one_statement(met):
    later = NOW + timedelta(hours=1)
    ids = [{"user_id": "anna"}, {"anonymous_id": "phone"}, {"user_id": "anna", "anonymous_id": "phone"}]
    touches = [touch(later, **one) for one in (*ids, {"anonymous_id": "tablet"})]
    keys = sources.of_touches(touches)

    with CaptureQueriesContext(connection) as asked:
        answer = known_people.store(touches, keys, door=Door.API, at=later)

    assert len([one for one in asked if "SAVEPOINT" not in one["sql"]]) == 1
    anna, tablet = (str(met[name].public_id) for name in ("anna", "tablet"))
    assert (answer.people, answer.known) == ([anna, anna, anna, tablet], [])
    assert set(StalePerson.objects.values_list("person_id", flat=True)) == {met["anna"].pk, met["tablet"].pk}
    assert Person.objects.get(pk=met["anna"].pk).last_seen_at == later
    assert Person.objects.get(pk=met["anna"].pk).first_seen_at == met["anna"].first_seen_at
    counted = IntakeCount.objects.get()
    assert (counted.accepted, counted.stored, counted.duplicates) == (4, 4, 0)
    ids = Touchpoint.objects.order_by("pk").values_list("pk", flat=True)
    assert OutboxEvent.objects.get().payload == {"first_id": ids[0], "last_id": ids[3], "count": 4}


@pytest.mark.parametrize(
    "said",
    [
        {"user_id": "nobody"},
        {"anonymous_id": "nobody"},
        {"user_id": "anna", "anonymous_id": "tablet"},
        {"user_id": "anna", "anonymous_id": "new"},
        {"user_id": "nobody", "anonymous_id": "phone"},
    ],
    ids=str,
)
def test_one_who_is_to_be_made_or_stitched_leaves_all_to_the_long_way(met, said):
    assert stored(touch(user_id="anna"), touch(**said)) is None

    for model in (Touchpoint, StalePerson, OutboxEvent, IntakeCount):
        assert not model.objects.exists()


def test_who_was_merged_is_the_survivor_and_who_was_erased_is_left_alone(met, actor):
    people.merge(actor, met["anna"], met["tablet"], reason="", now=NOW)
    assert stored(touch(anonymous_id="tablet")).people == [str(met["anna"].public_id)]

    Person.objects.filter(pk=met["anna"].pk).update(erased_at=NOW)
    assert stored(touch(anonymous_id="tablet")) is None


def test_what_is_known_already_is_named(met):
    first = touch(user_id="anna", event_id="1")
    stored(first)

    assert stored(first).known == ["1"]
    assert stored(first, touch(user_id="anna", event_id="2")).known == ["1"]
    assert [(one.accepted, one.stored, one.duplicates) for one in IntakeCount.objects.order_by("pk")] == [
        (1, 1, 0),
        (1, 0, 1),
        (2, 1, 1),
    ]
    assert OutboxEvent.objects.count() == 2


def test_who_was_seen_within_the_minute_is_not_written_again(met):
    before = Person.objects.get(pk=met["anna"].pk).last_seen_at

    stored(touch(NOW + timedelta(seconds=59), user_id="anna"))
    assert Person.objects.get(pk=met["anna"].pk).last_seen_at == before
    stored(touch(NOW - timedelta(days=1), user_id="anna"))
    assert Person.objects.get(pk=met["anna"].pk).first_seen_at == NOW - timedelta(days=1)


def test_another_workspace_has_no_part_in_it(met, other_workspace):
    with scoping.workspace(other_workspace):
        assert stored(touch(user_id="anna")) is None
        assert not Touchpoint.objects.exists()


@committed
class TestOneTrip:
    @pytest.fixture
    def workspace(self):
        return WorkspaceFactory()

    def test_it_is_committed_in_its_workspace_and_leaves_no_scope_behind(self, workspace):
        statement = "SELECT current_setting('app.ws'), txid_current_if_assigned()"
        with scoping.workspace(workspace):
            assert one_trip.fetch_one(statement, ()) == (str(workspace.pk), None)

        assert connection.connection.execute("SELECT current_setting('app.ws', true)").fetchone() == ("",)

    def test_a_key_that_is_missed_at_commit_is_an_error_and_the_next_goes_on(self, workspace):
        statement = """
            INSERT INTO accounts_alias (workspace_id, anonymous_id, person_id) VALUES (%s, %s, -1)
            RETURNING id
        """
        with scoping.workspace(workspace):
            for _ in range(2):
                with pytest.raises(IntegrityError):
                    one_trip.fetch_one(statement, (workspace.pk, uuid.uuid4().hex))
            assert one_trip.fetch_one("SELECT count(*) FROM accounts_alias", ()) == (0,)


def test_a_poured_touch_is_what_cleaning_would_have_made():
    record = {
        **CLICK,
        "url": "https://shop.example/?utm_source=google&email=a@b.example",
        "utm_term": "shoes",
        "nobody_reads": "this",
    }
    moulds._moulds.clear()
    own = [
        {"user_id": "a", "event_id": "1"},
        {"anonymous_id": "b", "event_id": "2", "occurred_at": "2026-11-01T10:00:00Z"},
        {"user_id": " c ", "anonymous_id": "d", "event_id": "3"},
        {"user_id": "é", "event_id": "4"},
    ]
    for one in own:
        poured = touch(**{**record, **one})
        cleaned = parsing._cleaned_touch({**CLICK, **record, **one}, NOW)
        assert {name: getattr(poured, name) for name in poured.__struct_fields__ if name != "mould"} == {
            name: getattr(cleaned, name) for name in cleaned.__struct_fields__ if name != "mould"
        }
    assert len(moulds._moulds) == 1


def test_equal_numbers_of_other_types_are_no_likeness():
    assert moulds.likeness({"cost": 1}) is None
    assert moulds.likeness({"a": "b", "c": "d"}) != moulds.likeness({"a": "c", "b": "d"})
    assert moulds.likeness({"url": "x" * (moulds.LONGEST + 1)}) is None
