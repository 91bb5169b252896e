"""What a person may ask for: to see it all, and that it be gone."""

import json
import re
import time
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Sum

from apps.accounts import consent, held, people, privacy, scoping, tenancy
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import (
    Alias,
    AuditEntry,
    Erasure,
    Membership,
    OutboxEvent,
    Person,
    PersonMerge,
    User,
)
from apps.accounts.permissions import Actor
from apps.attribution import dead_letters
from apps.attribution.models import Conversion, ConversionRecord, DeadLetter, Reason, Touchpoint
from tests.factories import NOW, ConversionFactory, TouchpointFactory, UserFactory

EARLIER = NOW - timedelta(days=3)
TRACES = ["ann.lee@", "Ann", "Lee", "441632960018", "user_ann", "device_ann", "laptop_ann", "ann-orders"]


@pytest.fixture
def ann(workspace, actor):
    """Somebody with everything that the suite can hold on a person."""
    people.identify(actor, anonymous_id="laptop_ann", now=EARLIER)
    traits = {"email": "ann.lee@example.com", "phone": "+441632960018", "name": "Ann Lee", "city": "Leeds"}
    person = people.identify(actor, user_id="user_ann", anonymous_id="device_ann", traits=traits, now=NOW)
    for anonymous_id in ("laptop_ann", "shared_tablet"):
        people.identify(actor, user_id="user_ann", anonymous_id=anonymous_id, now=NOW)
    people.identify(actor, user_id="user_bob", anonymous_id="shared_tablet", now=NOW)
    TouchpointFactory(
        workspace=workspace,
        person=person,
        event_id="click:user_ann:1",
        url="https://example.com/?email=ann.lee@example.com",
        referrer="https://mail.example.com/Ann",
        properties={"device": "device_ann"},
    )
    ConversionFactory(
        workspace=workspace, person=person, order_id="ann-orders-device_ann", value=Decimal("99.99")
    )
    ConversionRecord.objects.update(properties={"ship to": "Ann Lee"})
    consent.record(
        actor, person, purpose="newsletter", is_granted=True, source="form", occurred_at=EARLIER, now=NOW
    )
    people.merge(
        actor,
        person,
        people.identify(actor, user_id="user_ann_old", traits={"email": "ann.lee@example.org"}, now=NOW),
        reason="one woman",
        now=NOW,
    )
    return person


# The registry


def our_models() -> list:
    return [model for model in apps.get_models() if model.__module__.startswith("apps.")]


def test_every_model_and_column_says_what_it_holds_on_people():
    assert held.unregistered(our_models()) == set()


def test_a_model_nobody_spoke_of_is_found(monkeypatch):
    monkeypatch.setattr(held, "_holdings", [one for one in held.holdings() if one.model is not Alias])

    assert held.unregistered(our_models()) == {"accounts.Alias", "accounts.Alias.person"}


def test_a_column_nobody_classified_is_found():
    forgetful = held.Holding(
        model=Touchpoint,
        person="person",
        export=("event_type",),
        on_erase="keep_pseudonymous",
        blank=("url", "referrer"),
        not_personal=("source", "event_type", "occurred_at", "received_at", "cost", "is_channel_named"),
    )

    assert forgetful.unclassified() == {"event_id", "properties"}


# Export


def test_an_export_holds_everything_and_is_plain_json(ann, actor):
    told = privacy.export(actor, ann, now=NOW, reason="asked")

    assert json.loads(json.dumps(told)) == told
    emails = [one["email"] for one in told["people"]]
    assert emails == ["ann.lee@example.com", None, "ann.lee@example.org"]
    assert {one["external_id"] for one in told["held"]["accounts.Person"]} == {
        "user_ann",
        None,
        "user_ann_old",
    }
    devices = [one["anonymous_id"] for one in told["held"]["accounts.Alias"]]
    assert sorted(devices) == ["device_ann", "laptop_ann"]
    touch = told["held"]["attribution.Touchpoint"][0]
    assert (touch["event_id"], touch["source__channel__key"]) == ("click:user_ann:1", "email")
    assert told["held"]["attribution.Conversion"][0]["value"] == "99.9900"
    assert told["held"]["attribution.ConversionRecord"][0]["properties"] == {"ship to": "Ann Lee"}
    assert told["held"]["accounts.ConsentRecord"][0]["purpose"] == "newsletter"


def test_an_export_holds_what_was_received_and_could_not_be_stored(ann, actor):
    _set_aside(actor, "user_ann", "user_annika")

    told = privacy.export(actor, ann, now=NOW)["held"]["attribution.DeadLetter"]

    assert [one["payload"] for one in told] == [{"who": "user_ann"}]


def _set_aside(actor, *user_ids):
    refusals = [
        dead_letters.Refusal(
            reason=Reason.UNUSABLE_FIELDS, payload={"who": one}, record={}, errors={}, identity=one[::-1]
        )
        for one in user_ids
    ]
    dead_letters.set_aside(actor, refusals, door="import", received_at=NOW)


def test_an_export_is_written_down(ann, actor):
    privacy.export(actor, ann, now=NOW, reason="asked")

    entry = AuditEntry.objects.get(deed="person.exported")
    assert entry.reason == "asked"
    assert entry.after["attribution.Touchpoint"] == 1


def test_an_export_needs_the_right(ann, workspace):
    nosy = Actor(kind="api_key", id=1, label="k", workspace_id=workspace.pk, scopes=frozenset(["write"]))

    with pytest.raises(PermissionDenied):
        privacy.export(nosy, ann, now=NOW)


def test_ten_thousand_events_are_exported_within_five_seconds(ann, actor, workspace):
    source = Touchpoint.objects.get().source
    Touchpoint.objects.bulk_create(
        Touchpoint(
            workspace=workspace,
            person=ann,
            source=source,
            event_id=f"e{n}",
            event_type="click",
            occurred_at=NOW,
        )
        for n in range(10_000)
    )

    started = time.perf_counter()
    told = privacy.export(actor, ann, now=NOW)

    assert time.perf_counter() - started < 5
    assert len(told["held"]["attribution.Touchpoint"]) == 10_001


# Erasure


def _dump() -> str:
    """Every row of every table that the application may see in this workspace, and every shared one."""
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table != "django_migrations":
                cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
                text += [f"{table}: {row[0]}" for row in cursor.fetchall()]
    return "\n".join(text)


def _traces() -> list[str]:
    dump = _dump()
    return [line for line in dump.splitlines() if any(re.search(rf"\b{one}", line) for one in TRACES)]


def test_the_search_for_traces_finds_them_before(ann):
    found = " ".join(_traces())

    for table in ("person", "alias", "touchpoint", "conversion", "conversionrecord", "personmerge"):
        assert f"_{table}:" in found


def test_nothing_personal_remains_after_an_erasure(ann, actor, workspace, caplog):
    _set_aside(actor, "user_ann", "user_bob")

    privacy.erase(actor, ann, reason="asked on the phone", now=NOW)

    assert _traces() == []
    erased = Person.objects.get(pk=ann.pk)
    assert (erased.data_key, erased.email_sealed, erased.email_index, erased.traits) == (None, None, None, {})
    assert erased.erased_at == NOW
    assert people.find_by_email("ann.lee@example.com") == []
    letters = {one.state: dead_letters.content_of(one).payload for one in DeadLetter.objects.all()}
    assert letters == {"dropped": {}, "waiting": {"who": "user_bob"}}
    assert not any(trace in caplog.text for trace in TRACES)


def test_money_still_adds_up_after_an_erasure(ann, actor):
    privacy.erase(actor, ann, reason="asked", now=NOW)

    assert Conversion.objects.aggregate(Sum("value"))["value__sum"] == Decimal("99.99")
    assert Conversion.objects.get().person == ann
    assert Touchpoint.objects.get().url == ""


def test_an_erasure_leaves_everybody_else_alone(ann, actor):
    bob = people.find(user_id="user_bob")
    people.identify(actor, user_id="user_bob", traits={"name": "Bob"}, now=NOW)

    privacy.erase(actor, ann, reason="asked", now=NOW)

    bob.refresh_from_db()
    assert people.reveal(actor, bob, now=NOW)["name"] == "Bob"
    assert bob.external_id == "user_bob"
    assert Alias.objects.get(person=bob).anonymous_id == "shared_tablet"


def test_an_erasure_is_written_down_and_told(ann, actor):
    privacy.erase(actor, ann, reason="asked", now=NOW)

    assert AuditEntry.objects.get(deed="person.erased").reason == "asked"
    assert OutboxEvent.objects.get(name="accounts.person.erased").payload == {"person_id": ann.pk}
    assert Erasure.objects.filter(public_id=ann.public_id).exists()


def test_erasing_again_changes_nothing(ann, actor):
    first = privacy.erase(actor, ann, reason="asked", now=NOW)

    again = privacy.erase(actor, ann, reason="asked", now=NOW + timedelta(days=1))

    assert again == first
    assert Person.objects.get(pk=ann.pk).erased_at == NOW
    assert AuditEntry.objects.filter(deed="person.erased").count() == 1


def test_erasing_one_who_was_absorbed_erases_the_survivor(ann, actor):
    absorbed = Person.objects.get(merged_into=ann, external_id="user_ann_old")

    privacy.erase(actor, absorbed, reason="asked", now=NOW)

    assert Person.objects.get(pk=ann.pk).erased_at == NOW
    assert not [line for line in _traces() if "_alias" in line or "_person:" in line]


def test_an_erasure_works_without_the_master_key(ann, actor, settings):
    settings.SEALING_KEYS = ["other:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="]

    privacy.erase(actor, ann, reason="asked", now=NOW)

    assert Person.objects.get(pk=ann.pk).data_key is None


@pytest.mark.parametrize("role", ["analyst", "operator", "viewer"])
def test_an_erasure_needs_the_right_and_changes_nothing_without(ann, workspace, role):
    who = Actor(kind="user", id=1, label="x", workspace_id=workspace.pk, role=role)

    with pytest.raises(PermissionDenied):
        privacy.erase(who, ann, reason="asked", now=NOW)

    assert Person.objects.get(pk=ann.pk).external_id == "user_ann"


def test_the_same_user_id_later_is_somebody_new(ann, actor):
    privacy.erase(actor, ann, reason="asked", now=NOW)

    later = people.identify(actor, user_id="user_ann", anonymous_id="device_ann", now=NOW)

    assert later != ann
    assert later.erased_at is None


def test_a_customers_sign_in_goes_with_them(ann, actor, workspace):
    user = UserFactory(email="ann.lee@example.com", name="Ann Lee")
    Membership.objects.create(workspace=workspace, user=user, role="customer", person=ann)

    privacy.erase(actor, ann, reason="asked", now=NOW)

    assert not User.objects.filter(pk=user.pk).exists()
    assert _traces() == []


def test_a_sign_in_to_other_workspaces_stays(ann, actor, workspace, other_workspace):
    user = UserFactory()
    Membership.objects.create(workspace=workspace, user=user, role="customer", person=ann)
    with scoping.workspace(other_workspace):
        Membership.objects.create(workspace=other_workspace, user=user, role="viewer")

    privacy.erase(actor, ann, reason="asked", now=NOW)

    assert User.objects.filter(pk=user.pk).exists()
    assert not Membership.objects.filter(person=ann).exists()


def test_an_erasure_is_repeated_after_a_restore(ann, actor):
    privacy.erase(actor, ann, reason="asked", now=NOW)
    Person.objects.filter(pk=ann.pk).update(external_id="user_ann", traits={"city": "Leeds"}, erased_at=None)
    Touchpoint.objects.update(url="https://example.com/Ann")

    count = privacy.replay_erasures(actor, now=NOW)

    assert count == 1
    assert _traces() == []


def test_an_erasure_that_the_backup_does_not_know_is_told_by_the_log(ann, actor):
    stranger = UUID("00000000-0000-4000-8000-000000000009")

    count = privacy.replay_erasures(actor, now=NOW, public_ids=[ann.public_id, stranger])

    assert count == 1
    assert _traces() == []


# Consent


def _say(actor, person, is_granted, at, purpose="newsletter"):
    return consent.record(
        actor, person, purpose=purpose, is_granted=is_granted, source="form", occurred_at=at, now=NOW
    )


def test_silence_is_no_consent(workspace, actor):
    person = people.identify(actor, user_id="u", now=NOW)

    assert not consent.is_given(person, "newsletter")


def test_the_latest_word_counts_whatever_order_it_arrives_in(workspace, actor):
    person = people.identify(actor, user_id="u", now=NOW)
    _say(actor, person, False, NOW)
    _say(actor, person, True, EARLIER)

    assert not consent.is_given(person, "newsletter")


@pytest.mark.parametrize("order", [[True, False], [False, True]])
def test_at_one_instant_the_withdrawal_counts(workspace, actor, order):
    person = people.identify(actor, user_id="u", now=NOW)
    for is_granted in order:
        _say(actor, person, is_granted, NOW)

    assert not consent.is_given(person, "newsletter")


def test_consent_is_per_purpose_and_per_person(workspace, actor):
    ann, bob = (people.identify(actor, user_id=name, now=NOW) for name in ("a", "b"))
    _say(actor, ann, True, EARLIER)
    _say(actor, ann, False, EARLIER, purpose="profiling")
    _say(actor, bob, False, EARLIER)

    assert consent.given_by([ann.pk, bob.pk], "newsletter") == {ann.pk}
    assert {name: one.is_granted for name, one in consent.latest(ann).items()} == {
        "newsletter": True,
        "profiling": False,
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"purpose": ""}, "purpose"),
        ({"purpose": "x" * 61}, "purpose"),
        ({"source": ""}, "source"),
        ({"occurred_at": NOW + timedelta(seconds=1)}, "occurred_at"),
    ],
)
def test_a_consent_that_cannot_count_is_refused(workspace, actor, change, field):
    person = people.identify(actor, user_id="u", now=NOW)
    said = {"purpose": "newsletter", "is_granted": True, "source": "form", "occurred_at": NOW, **change}

    with pytest.raises(Invalid) as refused:
        consent.record(actor, person, now=NOW, **said)

    assert list(refused.value.errors) == [field]


def test_consent_of_an_erased_person_is_refused(ann, actor):
    privacy.erase(actor, ann, reason="asked", now=NOW)

    with pytest.raises(NotHere):
        _say(actor, ann, True, EARLIER)


def test_tables_of_a_workspace_are_those_the_search_walks(workspace):
    """The search for traces sees each table that the second wall guards."""
    with connection.cursor() as cursor:
        seen = set(connection.introspection.table_names(cursor))

    assert {model._meta.db_table for model in tenancy.owned_models()} <= seen
    assert PersonMerge._meta.db_table in seen
