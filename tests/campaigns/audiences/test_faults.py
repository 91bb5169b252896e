"""What is wrong with rules is told under its path, and nothing else happens."""

from uuid import uuid4

import pytest

from apps.accounts.errors import Invalid
from apps.accounts.models import Person
from apps.campaigns.audiences import Field, fields, keeping, register_field, selecting, tree
from apps.campaigns.models import Audience
from tests.factories import NOW, PersonFactory

HAS = {"field": "person.has_email"}


def errors_of(rules):
    with pytest.raises(Invalid) as refusal:
        tree.read(rules)
    return refusal.value.errors


def nested(levels):
    return HAS if levels == 0 else {"and": [nested(levels - 1)]}


@pytest.mark.parametrize(
    ("rules", "path", "says"),
    [
        (None, "rules", "This is an object"),
        ([], "rules", "This is an object"),
        ({}, "rules.field", "Choose one of"),
        ({"and": []}, "rules.and", "This is a list with at least one"),
        ({"or": {}}, "rules.or", "This is a list with at least one"),
        ({"and": [HAS], "or": [HAS]}, "rules", "A group has one key"),
        ({"and": [HAS, {"not": 3}]}, "rules.and[1].not", "This is an object"),
        (nested(7), "rules" + ".and[0]" * 6, "Groups may be nested 6 levels deep."),
        ({"or": [HAS] * 51}, "rules.or", "There are 51 parts; at most 50"),
        ({"or": [{"and": [HAS] * 26}] * 2}, "rules", "There are 52 conditions; at most 50"),
        ({"field": "person.shoe_size"}, "rules.field", "Choose one of trait, touchpoint"),
        ({"field": ["trait"]}, "rules.field", "Choose one of"),
        ({"field": "health.score", "op": "exists"}, "rules.field", "Health score cannot be asked for yet."),
        ({"field": "referrals.invited", "op": "exists"}, "rules.field", "People they invited cannot"),
        ({**HAS, "purpose": "x"}, "rules.purpose", "This means nothing here. There are field, op, value."),
        ({**HAS, "value": "yes"}, "rules.value", "This is true or false."),
        (
            {"and": [HAS, {"field": "touchpoint", "count": 0}]},
            "rules.and[1].count",
            "Give a whole number from 1",
        ),
        ({"field": "touchpoint", "count": True}, "rules.count", "Give a whole number"),
        ({"field": "touchpoint", "count": "3"}, "rules.count", "Give a whole number"),
        ({"field": "touchpoint", "op": "never"}, "rules.op", "Choose one of at_least, at_most"),
        ({"field": "touchpoint", "channel": []}, "rules.channel", "Give 1 to 100 texts"),
        ({"field": "touchpoint", "channel": "a\0"}, "rules.channel", "Give 1 to 100 texts"),
        ({"field": "touchpoint", "channel": ["\ud800"]}, "rules.channel", "Give 1 to 100 texts"),
        ({"field": "touchpoint", "window": {}}, "rules.window", "Give last_days, or from and until."),
        ({"field": "touchpoint", "window": 3}, "rules.window", "This is an object."),
        (
            {"field": "touchpoint", "window": {"last_days": 0}},
            "rules.window.last_days",
            "Give a whole number",
        ),
        ({"field": "touchpoint", "window": {"from": "soon"}}, "rules.window.from", "Give a day like"),
        (
            {"field": "touchpoint", "window": {"last_days": 3, "from": "2026-01-01"}},
            "rules.window.from",
            "This",
        ),
        (
            {"field": "touchpoint", "window": {"from": "2026-02-01", "until": "2026-01-01"}},
            "rules.window.until",
            "This is before from.",
        ),
        ({"field": "conversion", "op": "revenue_at_least"}, "rules.revenue", "Give a number from 0.01"),
        (
            {"field": "conversion", "op": "revenue_at_most", "revenue": "1e999"},
            "rules.revenue",
            "Give a number",
        ),
        (
            {"field": "conversion", "op": "revenue_at_most", "revenue": "NaN"},
            "rules.revenue",
            "Give a number",
        ),
        ({"field": "engagement"}, "rules.kind", "Choose one of sent, delivered"),
        ({"field": "engagement", "kind": "opened", "campaign": "x"}, "rules.campaign", "This is not an id."),
        (
            {"field": "engagement", "kind": "opened", "campaign": str(uuid4())},
            "rules.campaign",
            "There is no such campaign",
        ),
        ({"field": "list", "list": str(uuid4())}, "rules.list", "There is no such list"),
        ({"field": "trait", "key": "E-Mail", "op": "exists"}, "rules.key", "The email is sealed"),
        ({"field": "trait", "key": "a\0", "op": "exists"}, "rules.key", "Give a text"),
        ({"field": "trait", "key": "a", "op": "equals"}, "rules.value", "Give a text"),
        ({"field": "trait", "key": "a", "op": "in", "value": [{}]}, "rules.value", "Give a list"),
        ({"field": "trait", "key": "a", "op": "greater", "value": "tall"}, "rules.value", "Give a number"),
        ({"field": "trait", "key": "a", "op": "before", "value": "2026-02-31"}, "rules.value", "Give a day"),
        ({"field": "person.last_seen", "op": "in_last", "value": 1.5}, "rules.value", "Give a whole number"),
        ({"field": "person.last_seen"}, "rules.op", "Choose one of in_last"),
        ({"field": "consent", "purpose": " "}, "rules.purpose", "Give a text"),
        ({"field": "consent", "purpose": "x" * 61}, "rules.purpose", "A purpose is a text of 1 to 60"),
    ],
)
def test_a_fault_stands_under_its_path(workspace, rules, path, says):
    errors = errors_of(rules)

    assert path in errors, errors
    assert errors[path][0].startswith(says), errors


def test_all_faults_are_told_at_once(workspace):
    rules = {"and": [{"field": "touchpoint", "count": 0}, {"or": [{"field": "x"}, HAS]}]}

    assert set(errors_of(rules)) == {"rules.and[0].count", "rules.and[1].or[0].field"}


def test_another_workspaces_list_is_not_there(workspace, other_workspace):
    theirs = Audience(workspace=other_workspace, name="x", kind="list", changed_at=NOW)

    assert "rules.list" in errors_of({"field": "list", "list": str(theirs.public_id)})


def test_an_audience_of_rules_is_no_list(workspace, actor):
    ruled = keeping.create(actor, name="x", kind="rules", rules=HAS, now=NOW)

    assert "rules.list" in errors_of({"field": "list", "list": str(ruled.public_id)})


def test_a_lower_floor_gives_a_field_its_source(workspace, monkeypatch):
    monkeypatch.setattr(fields, "_fields", fields.registered())
    young, old = PersonFactory(workspace=workspace), PersonFactory(workspace=workspace)
    scores = {young.pk: 20, old.pk: 80}
    register_field(
        Field(
            key="health.score",
            label="Health score",
            what="health score",
            group="Success",
            kind="number",
            source=lambda question: (
                "SELECT s.id, s.value FROM unnest(%s::bigint[], %s::numeric[]) AS s (id, value)",
                [list(scores), list(scores.values())],
            ),
        )
    )
    PersonFactory(workspace=workspace)

    def sample(rules):
        return set(selecting.find(tree.read(rules), now=NOW).sample)

    assert sample({"field": "health.score", "op": "less", "value": 50}) == {young.public_id}
    assert sample({"not": {"field": "health.score", "op": "exists"}}).isdisjoint(
        {young.public_id, old.public_id}
    )
    told = selecting.sentence(tree.read({"field": "health.score", "op": "less", "value": 50}))
    assert told == "People who have a health score below 50."
    with pytest.raises(ValueError, match="registered already"):
        register_field(Field(key="health.score", label="", what="", group="", kind="number", because="x"))


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            {
                "and": [
                    {"field": "consent", "purpose": "newsletter"},
                    {"or": [HAS, {"field": "trait", "key": "plan", "op": "in", "value": ["gold", "silver"]}]},
                    {"field": "conversion", "op": "did_not", "window": {"last_days": 30}},
                ]
            },
            "People who allowed “newsletter” and (have an e-mail address or have a “plan” of “gold” or "
            "“silver”) and had no conversion in the last 30 days.",
        ),
        (
            {"not": {"or": [HAS, {"field": "engagement", "kind": "opened"}]}},
            "People who have no e-mail address and did not open a message.",
        ),
        (
            {"field": "touchpoint", "channel": ["email", "direct"], "event_type": "click", "count": 3},
            "People who had at least 3\xa0touches of type “click” through “email” or “direct”.",
        ),
        (
            {"field": "conversion", "type": "purchase", "op": "revenue_at_least", "revenue": 99.5},
            "People who spent at least £99.50 of type “purchase”.",
        ),
        (
            {"field": "person.last_seen", "op": "before", "value": "2026-05-01"},
            "People who were last seen before 1 May 2026.",
        ),
        (
            {"not": {"field": "engagement", "kind": "clicked", "op": "at_least", "count": 2}},
            "People who clicked in a message fewer than 2\xa0times.",
        ),
    ],
)
def test_rules_as_a_sentence(workspace, rules, sentence):
    assert selecting.sentence(tree.read(rules)) == sentence


def test_hostile_texts_are_texts(workspace):
    evil = "x'); DROP TABLE accounts_person; --"
    PersonFactory(workspace=workspace, traits={evil: evil, "%s": "%(now)s"})

    for key, value in [(evil, evil), ("%s", "%(now)s")]:
        for op in ("equals", "contains"):
            rule = {"field": "trait", "key": key, "op": op, "value": value}
            assert selecting.find(tree.read(rule), now=NOW).people == 1
    rules = {"or": [{"field": "touchpoint", name: evil} for name in ("channel", "platform", "event_type")]}
    assert selecting.find(tree.read(rules), now=NOW).people == 0
    assert Person.objects.count() == 1
