"""Variants as people write, approve and try them."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor
from apps.campaigns.content import preview, variants
from apps.campaigns.content.sandbox import BadTemplate
from apps.campaigns.models import Campaign, Content
from apps.campaigns.subscriptions import everywhere
from apps.integrations import suppressions
from apps.integrations.models import Call, EmailDelivery
from tests.factories import NOW, PersonFactory

GOOD = {
    "subject": "Hello {{ first_name }}",
    "preheader": "News",
    "body": "Five words are quite enough. [Our barn](https://a.example)",
}


def deeds():
    return list(AuditEntry.objects.order_by("pk").values_list("deed", flat=True))


def test_variants_are_added_under_the_next_letter(person, campaign):
    first = variants.add(person, campaign, now=NOW, **GOOD)
    second = variants.add(person, campaign, now=NOW, **GOOD | {"subject": "Other"})
    variants.remove(person, first, now=NOW)
    third = variants.add(person, campaign, now=NOW, **GOOD)

    assert [(one.key, one.made_by) for one in (second, third)] == [("b", "person"), ("a", "person")]
    assert [one.key for one in variants.of(campaign)] == ["b", "a"]
    assert campaign.version == 5
    assert [one for one in deeds() if one.startswith("content")] == [
        "content.added", "content.added", "content.removed", "content.added"
    ]  # fmt: skip


def test_a_campaign_has_ten_at_most(person, campaign):
    for _ in range(variants.MOST):
        variants.add(person, campaign, now=NOW, **GOOD)

    with pytest.raises(Invalid):
        variants.add(person, campaign, now=NOW, **GOOD)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"subject": " "}, "subject"),
        ({"body": "x" * 60_001}, "body"),
        ({"cta_label": "x" * 121}, "cta_label"),
    ],
)
def test_words_that_do_not_fit(person, campaign, words, name):
    with pytest.raises(Invalid) as caught:
        variants.add(person, campaign, now=NOW, **GOOD | words)

    assert list(caught.value.errors) == [name]
    assert variants.of(campaign) == []


def test_a_person_approves_and_a_change_withdraws_it(person, campaign):
    made = variants.add(person, campaign, now=NOW, **GOOD)

    approved = variants.approve(person, made, now=NOW)
    assert (approved.approved_at, approved.approved_by) == (NOW, person.label)
    assert approved.prediction["is_prior_only"]
    assert approved.prediction["click"]["low"] < approved.prediction["click"]["high"]

    same = variants.change(person, approved, now=NOW, subject=approved.subject, angle="plain")
    assert same.approved_at == NOW
    changed = variants.change(person, same, now=NOW, subject="Other words")
    assert (changed.approved_at, changed.approved_by, changed.prediction) == (None, "", {})
    assert deeds()[-3:] == ["content.approved", "content.changed", "content.changed"]


def test_no_yes_to_words_that_somebody_replaced_meanwhile(person, campaign):
    seen = variants.add(person, campaign, now=NOW, **GOOD)
    other = variants.change(person, seen, now=NOW, subject="Text B")

    with pytest.raises(variants.ChangedMeanwhile) as approved:
        variants.approve(person, seen, now=NOW)
    with pytest.raises(variants.ChangedMeanwhile):
        variants.change(person, seen, now=NOW, subject="Text C")
    with pytest.raises(variants.ChangedMeanwhile):
        variants.remove(person, seen, now=NOW)

    assert f"{person.label} changed variant a (subject) meanwhile" in approved.value.detail
    kept = variants.get(campaign, "a")
    assert (kept.subject, kept.approved_at) == ("Text B", None)
    assert variants.change(person, seen, now=NOW, subject="Text B").version == other.version
    assert variants.approve(person, other, now=NOW).approved_at == NOW


def test_no_yes_to_another_text_under_the_same_letter(person, campaign):
    seen = variants.add(person, campaign, now=NOW, **GOOD)
    variants.remove(person, seen, now=NOW)
    variants.add(person, campaign, now=NOW, **GOOD | {"subject": "Another text"})

    with pytest.raises(variants.ChangedMeanwhile):
        variants.approve(person, seen, now=NOW)

    assert variants.get(campaign, "a").approved_at is None


def test_an_approval_can_be_taken_back(person, campaign):
    made = variants.approve(person, variants.add(person, campaign, now=NOW, **GOOD), now=NOW)

    variants.unapprove(person, made, now=NOW, reason="a typing error")

    assert variants.get(campaign, "a").approved_at is None
    assert AuditEntry.objects.get(deed="content.unapproved").reason == "a typing error"


def test_a_program_approves_nothing(actor, person, campaign):
    made = variants.add(person, campaign, now=NOW, **GOOD)

    with pytest.raises(PermissionDenied):
        variants.approve(actor, made, now=NOW)
    assert variants.get(campaign, "a").approved_at is None


def test_what_the_checks_hold_against_it_is_not_approved(person, campaign):
    made = variants.add(person, campaign, now=NOW, **GOOD | {"body": "[x](ftp://a.example)"})

    with pytest.raises(Invalid, match="ftp"):
        variants.approve(person, made, now=NOW)
    assert variants.get(campaign, "a").approved_at is None


@pytest.mark.parametrize("state", ["scheduled", "running", "done"])
def test_words_of_a_campaign_that_left_the_draft_stay(person, campaign, state):
    made = variants.add(person, campaign, now=NOW, **GOOD)
    Campaign.objects.filter(pk=campaign.pk).update(state=state)

    for deed in (
        lambda: variants.add(person, campaign, now=NOW, **GOOD),
        lambda: variants.change(person, made, now=NOW, subject="x"),
        lambda: variants.remove(person, made, now=NOW),
        lambda: variants.approve(person, made, now=NOW),
        lambda: variants.unapprove(person, made, now=NOW),
    ):
        with pytest.raises(variants.NotADraft):
            deed()
    assert Content.objects.get().subject == GOOD["subject"]


def test_there_is_no_such_variant(campaign):
    with pytest.raises(NotHere):
        variants.get(campaign, "z")


# Before it is sent


def test_a_preview_leads_straight_there_and_counts_nothing(workspace, campaign, content_of):
    ada = PersonFactory(workspace=workspace, traits={"plan": "gold"})
    one = content_of(body="{{ traits.plan }} {{ first_name }} [x](https://a.example)")

    whole, mine, other = (
        preview.preview(campaign, one, whose, now=NOW)
        for whose in (None, ada, {"first_name": "Tim", "traits": {"plan": "tin"}})
    )

    assert b"gold Ada x (https://a.example)" in whole.text
    assert b"gold there x" in mine.text
    assert b"tin Tim x" in other.text
    assert b"/c/" not in whole.html + whole.text
    assert b"/o/" not in whole.html
    assert b"/u/" not in whole.html


def test_a_bad_text_has_no_preview(campaign, content_of):
    with pytest.raises(BadTemplate):
        preview.preview(campaign, content_of(body="{{ nope }}"), now=NOW)


def test_a_test_message_goes_through_the_outbox(person, campaign, content_of):
    one = content_of(subject="Hi {{ first_name }}")

    delivery = preview.send_test(person, campaign, one, "me@studio.example", now=NOW)

    assert (delivery.template, delivery.is_bulk) == ("campaign-test", False)
    assert Call.objects.get().operation == "messages.send"
    told = AuditEntry.objects.filter(deed=preview.DEED).values().get()
    assert "me@studio" not in str(told)
    assert told["after"]["delivery"] == str(delivery.public_id)


def test_test_messages_are_limited(person, campaign, content_of):
    one = content_of()
    for _ in range(preview.TESTS_AN_HOUR):
        preview.send_test(person, campaign, one, "me@studio.example", now=NOW)

    with pytest.raises(preview.TooManyTests):
        preview.send_test(person, campaign, one, "me@studio.example", now=NOW)
    assert EmailDelivery.objects.count() == preview.TESTS_AN_HOUR
    preview.send_test(person, campaign, one, "me@studio.example", now=NOW + timedelta(hours=1))


def test_a_day_has_a_limit_of_its_own(person, campaign, content_of):
    one = content_of()
    for number in range(preview.TESTS_A_DAY):
        preview.send_test(person, campaign, one, "me@studio.example", now=NOW + timedelta(minutes=4 * number))

    with pytest.raises(preview.TooManyTests, match="a day"):
        preview.send_test(person, campaign, one, "me@studio.example", now=NOW + timedelta(hours=12))


def test_whoever_only_writes_sends_no_test(workspace, campaign, content_of):
    one = content_of()
    key = Actor(kind="api_key", id=1, label="k", workspace_id=workspace.pk, scopes=frozenset({"write"}))

    with pytest.raises(PermissionDenied):
        preview.send_test(key, campaign, one, "me@studio.example", now=NOW)
    assert not EmailDelivery.objects.exists()


@pytest.mark.parametrize("reason", ["unsubscribed", "complained", "everywhere"])
def test_who_is_not_written_to_is_sent_no_test_either(person, campaign, content_of, reason):
    one = content_of()
    if reason == "everywhere":
        everywhere.put("eve@example.com", reason="reported", told_by="staff", now=NOW)
    else:
        suppressions.add_address("eve@example.com", reason, told_by="x", now=NOW)

    with pytest.raises(preview.NotWrittenTo):
        preview.send_test(person, campaign, one, "Eve@Example.com", now=NOW)
    assert not EmailDelivery.objects.exists()
    assert not AuditEntry.objects.filter(deed=preview.DEED).exists()


def test_a_test_message_needs_an_address(person, campaign, content_of):
    with pytest.raises(Invalid):
        preview.send_test(person, campaign, content_of(), "nobody", now=NOW)
    assert not AuditEntry.objects.filter(deed=preview.DEED).exists()
