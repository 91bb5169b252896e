"""One person behind many ids, whoever says what in which order, and how many at once."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import consent, held, identities, people, privacy, scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Alias, AuditEntry, OutboxEvent, Person, PersonMerge
from apps.accounts.permissions import Actor, system
from apps.attribution.models import Conversion, Touchpoint
from tests.conftest import committed
from tests.factories import NOW, ConversionFactory, TouchpointFactory, WorkspaceFactory

EARLIER = NOW - timedelta(days=3)


def resolve(workspace, *, user_id=None, anonymous_id=None, seen_at=NOW) -> Person:
    return people.resolve(
        workspace_id=workspace.pk, user_id=user_id, anonymous_id=anonymous_id, seen_at=seen_at
    )


def resolve_many(workspace, pairs, seen_at=NOW) -> list[int]:
    return people.resolve_many(pairs, workspace_id=workspace.pk, seen_at=seen_at).tolist()


def holder(anonymous_id: str) -> Person:
    return Alias.objects.select_related("person").get(anonymous_id=anonymous_id).person


# Finding and making


def test_a_user_id_makes_one_person_and_finds_them_again(workspace):
    made = resolve(workspace, user_id="u1")

    assert made.external_id == "u1"
    assert resolve(workspace, user_id="u1") == made
    assert Person.objects.count() == 1


def test_an_anonymous_id_makes_a_person_without_a_name(workspace):
    made = resolve(workspace, anonymous_id="a1")

    assert made.external_id is None
    assert resolve(workspace, anonymous_id="a1") == made
    assert Alias.objects.get().person == made


def test_two_workspaces_share_nobody(workspace, other_workspace):
    mine = resolve(workspace, user_id="u1")
    with scoping.workspace(other_workspace):
        theirs = resolve(other_workspace, user_id="u1")

    assert mine.pk != theirs.pk


def test_another_workspace_than_the_one_in_scope_is_refused(workspace, other_workspace):
    with pytest.raises(ValueError, match="in scope"):
        resolve(other_workspace, user_id="u1")


def test_seen_only_widens(workspace):
    resolve(workspace, user_id="u1", seen_at=NOW)
    resolve(workspace, user_id="u1", seen_at=EARLIER)
    person = resolve(workspace, user_id="u1", seen_at=NOW - timedelta(days=1))

    assert (person.first_seen_at, person.last_seen_at) == (EARLIER, NOW)


def test_a_batch_answers_in_the_order_of_its_pairs(workspace):
    known = resolve(workspace, user_id="u1")

    found = resolve_many(workspace, [("u2", None), ("u1", None), (None, "a"), ("u2", None), (None, "a")])

    assert found[1] == known.pk
    assert found[0] == found[3]
    assert found[2] == found[4]
    assert len(set(found)) == 3


def test_a_batch_notes_when_each_was_seen(workspace):
    moments = [NOW, EARLIER, NOW - timedelta(days=1)]
    [person_id, _, _] = resolve_many(workspace, [("u1", None)] * 3, seen_at=moments)

    person = Person.objects.get(pk=person_id)

    assert (person.first_seen_at, person.last_seen_at) == (EARLIER, NOW)


def test_the_time_last_seen_is_written_again_after_a_minute(workspace):
    said = []
    for seconds in (0, 59, 60, 90, 3_600):
        resolve_many(workspace, [("u1", None)], seen_at=NOW + timedelta(seconds=seconds))
        said.append((Person.objects.get(external_id="u1").last_seen_at - NOW).total_seconds())

    assert said == [0, 0, 60, 60, 3_600]


def test_the_time_first_seen_is_exact(workspace):
    for moment in (NOW, NOW - timedelta(microseconds=1)):
        resolve_many(workspace, [(None, "a")], seen_at=moment)

    assert holder("a").first_seen_at == NOW - timedelta(microseconds=1)


def test_a_batch_takes_numpy_times_as_utc(workspace):
    moments = np.array(["2026-11-20T12:00:00.123457", "2026-11-17T12:00:00"], dtype="datetime64[us]")
    resolve_many(workspace, [("u1", None), (None, "a")], seen_at=moments)

    assert Person.objects.get(external_id="u1").last_seen_at == NOW + timedelta(microseconds=123457)
    assert holder("a").first_seen_at == EARLIER


def test_who_was_met_is_looked_up_again_once_they_moved(workspace, actor):
    met: dict[str, int] = {}
    batch = identities.batch_of([("u1", None), ("u2", None)], NOW)
    first, second = people.resolve_batch(batch, workspace_id=workspace.pk, met=met).tolist()
    assert met == {"u1": first, "u2": second}
    people.merge(
        actor, Person.objects.get(pk=first), Person.objects.get(pk=second), reason="the same", now=NOW
    )

    again = people.resolve_batch(batch, workspace_id=workspace.pk, met=met)

    assert again.tolist() == [first, first]
    assert met == {"u1": first, "u2": first}


def test_whoever_was_met_in_a_transaction_that_came_to_nothing_is_made(workspace):
    met = {"u1": 2**62}

    found = people.resolve_batch(identities.batch_of([("u1", None)], NOW), workspace_id=workspace.pk, met=met)

    assert found.tolist() == [Person.objects.get(external_id="u1").pk]


def test_the_ids_outside_of_a_batch_tell_nothing_of_the_order_of_its_user_ids(workspace):
    people.resolve_many([(f"u{n:02}", None) for n in range(40)], workspace_id=workspace.pk, seen_at=NOW)

    made = list(Person.objects.order_by("external_id").values_list("public_id", flat=True))
    rising = sum(one < next_one for one, next_one in pairwise(made))
    assert 5 < rising < 34  # 19.5 at random; further off once in a hundred million batches
    assert {(one.version, one.variant) for one in made} == {(4, uuid.RFC_4122)}


def test_an_empty_batch_finds_nobody(workspace):
    assert resolve_many(workspace, [], seen_at=[]) == []


@pytest.mark.parametrize("bad", ["", "   ", "x" * 201, "a\0b", "\ud800", 7])
def test_an_id_that_cannot_be_kept_is_refused_and_named(workspace, bad):
    with pytest.raises(Invalid) as refused:
        resolve(workspace, anonymous_id=bad)
    with pytest.raises(Invalid) as refused_in_batch:
        resolve_many(workspace, [("fine", None), (bad, None)])

    assert list(refused.value.errors) == ["anonymous_id"]
    assert list(refused_in_batch.value.errors) == ["1.user_id"]
    assert Person.objects.count() == 0


def test_an_event_of_nobody_is_refused(workspace):
    with pytest.raises(Invalid) as refused:
        resolve(workspace)

    assert list(refused.value.errors) == ["user_id"]


def test_a_refusal_leaves_the_callers_transaction_usable(workspace):
    with transaction.atomic():
        with pytest.raises(Invalid):
            resolve(workspace, user_id="")
        resolve(workspace, user_id="u1")

    assert Person.objects.count() == 1


def test_find_makes_nobody(workspace):
    resolve(workspace, user_id="u1")
    resolve(workspace, anonymous_id="a1")

    assert people.find(user_id="u1").external_id == "u1"
    assert people.find(anonymous_id="a1") == holder("a1")
    with pytest.raises(NotHere):
        people.find(user_id="u2")
    with pytest.raises(NotHere):
        people.find(anonymous_id="a2")
    assert Person.objects.count() == 2


# Stitching


def test_an_unknown_device_becomes_the_users(workspace, actor):
    person = people.identify(actor, user_id="u1", anonymous_id="a1", now=NOW)

    assert person.external_id == "u1"
    assert holder("a1") == person
    assert Person.objects.count() == 1


def test_an_anonymous_person_becomes_the_new_user(workspace, actor):
    anonymous = resolve(workspace, anonymous_id="a1", seen_at=EARLIER)

    person = people.identify(actor, user_id="u1", anonymous_id="a1", now=NOW)

    assert person == anonymous
    assert person.external_id == "u1"
    assert (person.first_seen_at, person.last_seen_at) == (EARLIER, NOW)
    assert PersonMerge.objects.count() == 0


def test_an_anonymous_person_is_absorbed_by_a_known_one_with_all_they_did(workspace, actor):
    known = resolve(workspace, user_id="u1")
    anonymous = resolve(workspace, anonymous_id="a1", seen_at=EARLIER)
    touch = TouchpointFactory(workspace=workspace, person=anonymous)
    order = ConversionFactory(workspace=workspace, person=anonymous)

    person = people.identify(actor, user_id="u1", anonymous_id="a1", now=NOW)

    assert person == known
    assert person.first_seen_at == EARLIER
    assert Touchpoint.objects.get(pk=touch.pk).person == known
    assert Conversion.objects.get(pk=order.pk).person == known
    history = PersonMerge.objects.get()
    assert (history.kind, history.survivor, history.absorbed) == ("identified", known, anonymous)
    assert history.anonymous_id == "a1"
    assert history.moved == {"accounts.Alias": 1, "attribution.Touchpoint": 1, "attribution.Conversion": 1}


def test_identifying_tells_those_above(workspace, actor):
    known = resolve(workspace, user_id="u1")
    anonymous = resolve(workspace, anonymous_id="a1")

    people.identify(actor, user_id="u1", anonymous_id="a1", now=NOW)

    told = dict(OutboxEvent.objects.values_list("name", "payload"))
    assert told == {
        "accounts.people.merged": {"survivor_ids": [known.pk], "absorbed_ids": [anonymous.pk]},
        "accounts.people.identified": {"person_ids": [known.pk]},
    }


def test_identifying_twice_changes_nothing(workspace, actor):
    resolve(workspace, user_id="u1")
    resolve(workspace, anonymous_id="a1")
    people.identify(actor, user_id="u1", anonymous_id="a1", now=NOW)
    told = OutboxEvent.objects.count()

    again = people.identify(actor, user_id="u1", anonymous_id="a1", now=NOW)

    assert again.external_id == "u1"
    assert PersonMerge.objects.count() == 1
    assert OutboxEvent.objects.count() == told


def test_two_devices_of_one_user_are_one_person(workspace, actor):
    resolve(workspace, anonymous_id="phone")
    resolve(workspace, anonymous_id="laptop")
    people.identify(actor, user_id="u1", anonymous_id="phone", now=NOW)
    people.identify(actor, user_id="u1", anonymous_id="laptop", now=NOW)

    assert holder("phone") == holder("laptop")
    assert Person.objects.filter(merged_into=None).count() == 1


def test_a_shared_device_is_the_last_users_from_now_on(workspace, actor):
    first = people.identify(actor, user_id="u1", anonymous_id="tablet", now=EARLIER)
    TouchpointFactory(workspace=workspace, person=first)

    second = people.identify(actor, user_id="u2", anonymous_id="tablet", now=NOW)

    assert holder("tablet") == second
    assert resolve(workspace, anonymous_id="tablet") == second
    assert Touchpoint.objects.get().person == first
    history = PersonMerge.objects.get()
    assert (history.kind, history.survivor, history.absorbed) == ("device_handed_over", second, first)


def test_an_event_with_both_ids_stitches_too(workspace):
    anonymous = resolve(workspace, anonymous_id="a1")

    person = resolve(workspace, user_id="u1", anonymous_id="a1")

    assert person == anonymous


def test_a_batch_stitches_promotes_and_absorbs(workspace):
    browsing = resolve(workspace, anonymous_id="a1")
    known = resolve(workspace, user_id="u2")
    straying = resolve(workspace, anonymous_id="a2")
    TouchpointFactory(workspace=workspace, person=straying)

    found = resolve_many(
        workspace, [(None, "a1"), ("u1", "a1"), ("u2", "a2"), (None, "a2"), ("u3", "a3"), (None, "a3")]
    )

    assert found[:4] == [browsing.pk, browsing.pk, known.pk, known.pk]
    assert found[4] == found[5]
    assert Person.objects.get(pk=browsing.pk).external_id == "u1"
    assert Touchpoint.objects.get().person == known
    assert Person.objects.filter(merged_into=None).count() == 3


def test_a_batch_over_a_shared_device_gives_each_event_to_the_user_of_that_moment(workspace, actor):
    u0 = people.identify(actor, user_id="u0", anonymous_id="tablet", now=EARLIER)

    found = resolve_many(
        workspace,
        [(None, "tablet"), ("u1", "tablet"), (None, "tablet"), ("u2", "tablet"), (None, "tablet")],
    )

    assert found[0] == u0.pk
    assert found[1] == found[2]
    assert found[3] == found[4]
    assert len(set(found)) == 3
    assert holder("tablet").external_id == "u2"


def test_a_new_device_shared_within_one_batch(workspace):
    found = resolve_many(
        workspace, [(None, "tablet"), ("u1", "tablet"), (None, "tablet"), ("u2", "tablet"), (None, "tablet")]
    )

    assert found[0] == found[1] == found[2]
    assert found[3] == found[4] != found[0]


# Explicit merges


def test_merging_two_known_people_moves_everything_and_both_ids_lead_there(workspace, actor):
    first, second = resolve(workspace, user_id="u1"), resolve(workspace, user_id="u2")
    TouchpointFactory(workspace=workspace, person=second)

    merged = people.merge(actor, first, second, reason="same couple", now=NOW)

    assert merged == first
    assert Touchpoint.objects.get().person == first
    assert resolve(workspace, user_id="u2") == first
    assert people.find(user_id="u2") == first
    assert AuditEntry.objects.get(deed="person.merged").reason == "same couple"


def test_merging_twice_or_in_a_circle_changes_nothing_more(workspace, actor):
    a, b, c = (resolve(workspace, user_id=name) for name in "abc")
    people.merge(actor, a, b, reason="", now=NOW)
    people.merge(actor, b, c, reason="", now=NOW)
    people.merge(actor, a, b, reason="", now=NOW)

    last = people.merge(actor, c, a, reason="", now=NOW)

    assert last == a
    assert PersonMerge.objects.count() == 2
    assert set(Person.objects.exclude(pk=a.pk).values_list("merged_into", flat=True)) == {a.pk}


def test_a_merge_keeps_one_step_to_the_survivor(workspace, actor):
    a, b, c = (resolve(workspace, user_id=name) for name in "abc")
    people.merge(actor, b, c, reason="", now=NOW)

    people.merge(actor, a, b, reason="", now=NOW)

    assert Person.objects.get(pk=c.pk).merged_into == a
    assert resolve(workspace, user_id="c") == a


def test_a_merge_fills_what_the_survivor_lacks(workspace, actor):
    one = people.identify(actor, user_id="u1", traits={"email": "one@example.com", "plan": "gold"}, now=NOW)
    two = people.identify(
        actor,
        user_id="u2",
        traits={"email": "two@example.com", "phone": "+441632960001", "plan": "free", "city": "Leeds"},
        now=NOW,
    )

    merged = people.merge(actor, one, two, reason="", now=NOW)

    opened = people.reveal(actor, merged, now=NOW)
    assert (opened["email"], opened["phone"]) == ("one@example.com", "+441632960001")
    assert merged.traits == {"plan": "gold", "city": "Leeds"}
    assert people.find_by_email("two@example.com") == [merged]


def test_an_anonymous_survivor_of_a_known_person_is_known(workspace, actor):
    anonymous, known = resolve(workspace, anonymous_id="a"), resolve(workspace, user_id="u")

    merged = people.merge(actor, anonymous, known, reason="", now=NOW)

    assert merged == anonymous
    assert merged.external_id == "u"


def test_a_merge_needs_the_right_and_changes_nothing_without(workspace):
    first, second = resolve(workspace, user_id="u1"), resolve(workspace, user_id="u2")
    viewer = Actor(kind="user", id=1, label="v", workspace_id=workspace.pk, role="viewer")

    with pytest.raises(PermissionDenied):
        people.merge(viewer, first, second, reason="", now=NOW)

    assert Person.objects.filter(merged_into=None).count() == 2


def test_an_erased_person_cannot_be_merged(workspace, actor):
    first, second = resolve(workspace, user_id="u1"), resolve(workspace, user_id="u2")
    privacy.erase(actor, second, reason="asked", now=NOW)

    with pytest.raises(people.MergeRefused):
        people.merge(actor, first, second, reason="", now=NOW)


# Traits and what is sealed


def test_personal_traits_are_sealed_and_others_kept(workspace, actor):
    person = people.identify(
        actor,
        user_id="u1",
        traits={"email": " Ann@Example.com ", "firstName": "Ann", "last_name": "Lee", "plan": "gold", "n": 3},
        now=NOW,
    )

    assert person.traits == {"plan": "gold", "n": 3}
    opened = people.reveal(actor, person, now=NOW)
    assert opened["email"] == "Ann@Example.com"
    assert opened["name"] == "Ann Lee"


def test_null_takes_a_trait_away_and_silence_leaves_it(workspace, actor):
    people.identify(
        actor,
        user_id="u1",
        traits={"email": "a@example.com", "phone": "01632960001", "plan": "gold"},
        now=NOW,
    )

    person = people.identify(
        actor, user_id="u1", traits={"email": None, "plan": None, "city": "York"}, now=NOW
    )

    opened = people.reveal(actor, person, now=NOW)
    assert (opened["email"], opened["phone"]) == (None, "01632960001")
    assert person.traits == {"city": "York"}
    assert people.find_by_email("a@example.com") == []


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ([{"name": "Ann Lee"}], "Ann Lee"),
        ([{"first_name": "Ann"}, {"last_name": "Lee"}], "Ann Lee"),
        ([{"first_name": "Ann", "last_name": "Lee"}, {"last_name": "Shaw"}], "Ann Shaw"),
        ([{"name": "Ann Lee"}, {"first_name": "Ann", "last_name": "Shaw"}], "Ann Shaw"),
        ([{"first_name": "Ann", "last_name": "Lee"}, {"name": "Ann B. Shaw"}], "Ann B. Shaw"),
        ([{"name": "Ann Lee"}, {"name": None}], None),
    ],
)
def test_the_latest_name_counts(workspace, actor, said, name):
    for traits in said:
        person = people.identify(actor, user_id="u1", traits=traits, now=NOW)

    assert people.reveal(actor, person, now=NOW)["name"] == name


@pytest.mark.parametrize(
    ("traits", "field"),
    [
        ({"email": "not an address"}, "traits.email"),
        ({"email": 7}, "traits.email"),
        ({"phone": "12"}, "traits.phone"),
        ({"phone": "1" * 16}, "traits.phone"),
        ({"name": "x" * 321}, "traits.name"),
        ({"name": "a\0"}, "traits.name"),
        ({"name": "\ud800"}, "traits.name"),
        ({"k" * 61: 1}, "traits"),
        ({"": 1}, "traits"),
        ({"deep": [[[[[1]]]]]}, "traits.deep"),
        ({"nul": "a\0b"}, "traits.nul"),
        ({"half": "\ud800"}, "traits.half"),
        ({"nan": float("nan")}, "traits.nan"),
        ({"big": "x" * 20_000}, "traits"),
    ],
)
def test_a_trait_that_cannot_be_kept_is_named_and_nothing_changes(workspace, actor, traits, field):
    with pytest.raises(Invalid) as refused:
        people.identify(actor, user_id="u1", traits={"plan": "gold", **traits}, now=NOW)

    assert list(refused.value.errors) == [field]
    assert Person.objects.count() == 0


@pytest.mark.parametrize("spelling", ["ann@example.com", "ANN@EXAMPLE.COM ", "ann@\uff45xample.com"])
def test_an_email_is_found_in_any_spelling(workspace, actor, spelling):
    person = people.identify(actor, user_id="u1", traits={"email": "Ann@Example.com"}, now=NOW)
    people.identify(actor, user_id="u2", traits={"email": "bob@example.com"}, now=NOW)

    assert people.find_by_email(spelling) == [person]


@pytest.mark.parametrize("spelling", ["+44 (0)20 7946 0018"[:4] + "20 7946 0018", "0044 20-7946-0018"])
def test_a_phone_number_is_found_in_any_spelling(workspace, actor, spelling):
    person = people.identify(actor, user_id="u1", traits={"phone": "+442079460018"}, now=NOW)

    assert people.find_by_phone(spelling) == [person]


def test_the_same_email_in_two_workspaces_leaves_different_marks(workspace, actor, other_workspace):
    people.identify(actor, user_id="u1", traits={"email": "ann@example.com"}, now=NOW)
    with scoping.workspace(other_workspace):
        people.identify(
            system(other_workspace.pk), user_id="u1", traits={"email": "ann@example.com"}, now=NOW
        )

    with scoping.across_workspaces("house.check"):
        assert Person.objects.values("email_index").distinct().count() == 2


def test_a_sealed_field_copied_to_another_person_does_not_open(workspace, actor):
    ann = people.identify(actor, user_id="u1", traits={"email": "ann@example.com"}, now=NOW)
    bob = people.identify(actor, user_id="u2", traits={"email": "bob@example.com"}, now=NOW)
    Person.objects.filter(pk=bob.pk).update(email_sealed=ann.email_sealed, data_key=ann.data_key)

    with pytest.raises(people.personal_fields.sealing.SealBroken):
        people.reveal(actor, Person.objects.get(pk=bob.pk), now=NOW)


def test_revealing_is_written_down(workspace, actor):
    ann = people.identify(actor, user_id="u1", traits={"email": "ann@example.com"}, now=NOW)
    bob = people.identify(actor, user_id="u2", traits={"name": "Bob"}, now=NOW)

    people.reveal(actor, ann, now=NOW, reason="support call")
    opened = people.reveal_many(actor, [ann, bob], now=NOW)

    assert opened[ann.pk]["email"] == "ann@example.com"
    assert opened[bob.pk]["name"] == "Bob"
    one = AuditEntry.objects.get(deed="person.revealed")
    assert (one.target_id, one.reason) == (str(ann.pk), "support call")
    assert AuditEntry.objects.get(deed="people.revealed").after == {"count": 2, "people": [ann.pk, bob.pk]}


@pytest.mark.parametrize("role", ["viewer", "customer"])
def test_who_may_not_read_people_learns_nothing(workspace, actor, role):
    ann = people.identify(actor, user_id="u1", traits={"email": "ann@example.com"}, now=NOW)
    nosy = Actor(kind="user", id=1, label="n", workspace_id=workspace.pk, role=role)

    with pytest.raises(PermissionDenied):
        people.reveal(nosy, ann, now=NOW)
    with pytest.raises(PermissionDenied):
        people.reveal_many(nosy, [ann], now=NOW)

    assert AuditEntry.objects.filter(deed__contains="revealed").count() == 0


# Any order


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_identifying_ends_in_the_same_people(workspace, data):
    """Each device has one user: alone or in batches, in any order, the same ids are one person."""
    owner = {f"a{n}": data.draw(st.sampled_from(["u0", "u1", None])) for n in range(5)}
    facts: list[Any] = [(user, alias) for alias, user in owner.items()]
    facts += [(None, alias) for alias in owner] + [("u0", None), ("u1", None)]
    order = data.draw(st.permutations(facts))
    cuts = data.draw(st.sets(st.integers(1, len(order) - 1)))
    batches = [order[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(order)], strict=True)]

    with transaction.atomic():
        said: list[tuple[Any, int]] = []
        for batch in batches:
            found = resolve_many(workspace, batch)
            for pair, person_id in zip(batch, found, strict=True):
                said.append((pair, person_id))
                TouchpointFactory(
                    workspace=workspace,
                    person_id=person_id,
                    person=None,
                    event_type=pair[0] or owner[pair[1]] or pair[1],
                )
        parts: dict[int, set[str]] = {}
        for touch in Touchpoint.objects.all():
            parts.setdefault(touch.person_id, set()).add(touch.event_type)
        transaction.set_rollback(True)

    expected = {user or alias for alias, user in owner.items()} | {"u0", "u1"}
    assert sorted(map(sorted, parts.values())) == sorted([one] for one in expected)


# Many at once


def _at_once(workspace, calls: list[Callable[[], Any]]) -> list[Any]:
    def run(call: Callable[[], Any]) -> Any:
        try:
            with scoping.workspace(workspace):
                return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


@committed
def test_many_at_once_make_one_person_per_id():
    workspace = WorkspaceFactory()
    pairs: list[Any] = [(f"u{n}", None) for n in range(20)] + [(None, f"a{n}") for n in range(20)]

    answers = _at_once(
        workspace,
        [partial(resolve_many, workspace, pairs[k:] + pairs[:k]) for k in range(0, 40, 5)],
    )

    with scoping.workspace(workspace):
        assert Person.objects.count() == 40
        assert Alias.objects.count() == 20
    whole = [
        dict(zip(pairs[k:] + pairs[:k], one, strict=True))
        for k, one in zip(range(0, 40, 5), answers, strict=True)
    ]
    assert all(one == whole[0] for one in whole)


@committed
def test_many_at_once_identify_into_the_same_person_and_lose_nothing():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        for number in range(8):
            person = resolve(workspace, anonymous_id=f"a{number}")
            TouchpointFactory(workspace=workspace, person=person)
    actor = system(workspace.pk)

    def identify(number: int) -> None:
        people.identify(actor, user_id="u", anonymous_id=f"a{number % 8}", now=NOW)

    _at_once(workspace, [partial(identify, n) for n in range(12)])

    with scoping.workspace(workspace):
        survivor = Person.objects.get(external_id="u")
        assert set(Touchpoint.objects.values_list("person", flat=True)) == {survivor.pk}
        assert set(Alias.objects.values_list("person", flat=True)) == {survivor.pk}
        assert Person.objects.filter(merged_into=None).count() == 1
        assert PersonMerge.objects.count() == 7


@committed
def test_an_event_stored_during_a_merge_is_not_left_behind():
    workspace = WorkspaceFactory()
    actor = system(workspace.pk)

    def track(number: int) -> None:
        for turn in range(5):
            with transaction.atomic():
                person = resolve(workspace, anonymous_id=f"a{turn}")
                TouchpointFactory(workspace=workspace, person=person, event_id=f"e{number}-{turn}")

    def identify(number: int) -> None:
        for turn in range(5):
            people.identify(actor, user_id=f"u{turn}", anonymous_id=f"a{turn}", now=NOW)

    with scoping.workspace(workspace):
        TouchpointFactory(workspace=workspace, event_id="warm")  # the source exists before the race
        for turn in range(0, 5, 2):
            resolve(workspace, user_id=f"u{turn}")
    calls: list[Callable[[], Any]] = [partial(identify if n % 3 == 0 else track, n) for n in range(9)]
    _at_once(workspace, calls)

    with scoping.workspace(workspace):
        for turn in range(5):
            survivor = Person.objects.get(external_id=f"u{turn}")
            touches = Touchpoint.objects.filter(event_id__endswith=f"-{turn}")
            assert touches.count() == 6
            assert set(touches.values_list("person", flat=True)) == {survivor.pk}


@committed
def test_a_merge_waits_for_an_event_that_is_being_stored():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        known, anonymous = resolve(workspace, user_id="u"), resolve(workspace, anonymous_id="a")
    is_found, is_merged = Event(), Event()

    def track() -> None:
        with transaction.atomic():
            person = resolve(workspace, anonymous_id="a")
            is_found.set()
            is_merged.wait(0.5)  # in vain: the merge waits for this transaction
            TouchpointFactory(workspace=workspace, person=person)

    def identify() -> None:
        is_found.wait(5)
        people.identify(system(workspace.pk), user_id="u", anonymous_id="a", now=NOW)
        is_merged.set()

    _at_once(workspace, [track, identify])

    with scoping.workspace(workspace):
        assert Person.objects.get(pk=anonymous.pk).merged_into == known
        assert Touchpoint.objects.get().person == known


@committed
def test_merges_in_a_circle_at_once_end_in_one_person():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        circle = [resolve(workspace, user_id=f"u{n}") for n in range(4)]
    actor = system(workspace.pk)

    _at_once(
        workspace,
        [
            partial(people.merge, actor, circle[n % 4], circle[(n + 1) % 4], reason="", now=NOW)
            for n in range(8)
        ],
    )

    with scoping.workspace(workspace):
        survivor = Person.objects.get(merged_into=None)
        assert Person.objects.filter(merged_into=survivor).count() == 3


@committed
def test_erasing_and_tracking_at_once_leave_nothing_on_the_erased():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        person = resolve(workspace, user_id="u")
        TouchpointFactory(workspace=workspace, person=person, event_id="warm")
    actor = system(workspace.pk)

    def track(number: int) -> None:
        with transaction.atomic():
            TouchpointFactory(
                workspace=workspace,
                person=resolve(workspace, user_id="u"),
                event_id=f"e{number}",
                url="http://x",
            )

    calls: list[Callable[[], Any]] = [partial(track, n) for n in range(6)]
    calls.insert(3, partial(privacy.erase, actor, person, reason="asked", now=NOW))
    _at_once(workspace, calls)

    with scoping.workspace(workspace):
        assert Touchpoint.objects.filter(person=person).exclude(url="").count() == 0
        assert Touchpoint.objects.count() == 7


@committed
def test_a_batch_in_a_workspace_that_the_statistics_do_not_know_is_not_quadratic():
    known, unknown = WorkspaceFactory(), WorkspaceFactory()
    pairs = [(f"u{n}", f"a{n}") for n in range(2_500)]
    with scoping.workspace(known):
        resolve_many(known, pairs)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE accounts_person")
        cursor.execute("ANALYZE accounts_alias")

    with scoping.workspace(unknown), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '3s'")  # a tenth of a second is enough
        resolve_many(unknown, [(user, None) for user, _ in pairs])
        resolve_many(unknown, [(None, alias) for _, alias in pairs])
        resolve_many(unknown, pairs)

        assert PersonMerge.objects.count() == 2_500


# What apps hold


def test_what_upper_apps_hold_moves_through_the_registry(workspace, actor):
    survivor, absorbed = resolve(workspace, user_id="u1"), resolve(workspace, user_id="u2")
    consent.record(
        actor, absorbed, purpose="newsletter", is_granted=True, source="form", occurred_at=EARLIER, now=NOW
    )

    people.merge(actor, survivor, absorbed, reason="", now=NOW)

    for holding in held.holdings():
        if holding.moves:
            assert holding.about([absorbed.pk]).count() == 0
    assert consent.is_given(survivor, "newsletter")


def test_something_new_is_held_on_the_survivor(workspace, actor):
    survivor, absorbed = resolve(workspace, user_id="u1"), resolve(workspace, user_id="u2")
    people.merge(actor, survivor, absorbed, reason="", now=NOW)

    assert people.lock_survivor(absorbed.pk) == survivor
