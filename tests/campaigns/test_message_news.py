"""What providers tell of messages to many: signed, stored, projected."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.core.cache import cache

from apps.accounts import people, scoping
from apps.campaigns import message_news, reach
from apps.campaigns.models import (
    Campaign,
    Engagement,
    EverywhereComplaint,
    EverywhereSuppression,
    LedgerEntry,
)
from apps.integrations import reputation
from apps.integrations.connectors.email.provider import News
from apps.integrations.models import Connection, EmailDelivery, InboundRecord, Suppression
from tests.campaigns import messages
from tests.factories import NOW, WorkspaceFactory
from tests.fakes import mailgun as mailgun_fake
from tests.fakes import resend as resend_fake
from tests.integrations.email.conftest import connected

PERMANENT = {"bounce": {"type": "Permanent", "subType": "NoEmail", "message": "no such user"}}


@pytest.fixture
def resend(settings, workspace):
    with resend_fake.Resend(per_second=1_000) as fake:
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "resend": fake.url}
        fake.sent |= {key: {"id": key, "to": ["ada@example.com"]} for key in ("re_123", "re_9")}
        yield fake


@pytest.fixture
def at_resend(workspace, resend):
    keys = {"api_key": resend_fake.KEY, "webhook_secret": resend_fake.SECRET}
    return connected(workspace, "resend", "studio.example", keys)


@pytest.fixture
def sender(workspace):
    return connected(workspace, "mail", "hello@studio.example", from_name="The Studio")


@pytest.fixture
def sent(workspace, sender):
    of = messages.campaign(workspace, sender=sender)
    return messages.sent(workspace, campaign_=of, provider_id="re_123")


@pytest.fixture
def post(client, django_capture_on_commit_callbacks):
    def post(connection, body, headers=None):
        path = f"/hooks/{connection.service}/{connection.public_id}/"
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path, body, content_type="application/json", headers=headers or {}).status_code

    return post


def _kinds():
    return sorted(Engagement.objects.values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("kind", "more", "heard", "reason"),
    [
        ("email.delivered", {}, ["delivered"], []),
        ("email.bounced", PERMANENT, ["bounced"], ["bounced"]),
        ("email.bounced", {"bounce": {"type": "Transient", "subType": "MailboxFull"}}, [], []),
        ("email.complained", {}, ["complained"], ["complained"]),
        ("email.suppressed", {"suppressed": {"reason": "previous_bounce"}}, ["bounced"], ["suppressed"]),
        ("email.delivery_delayed", {}, [], []),
    ],
)
def test_news_of_resend_by_the_id_it_gave(post, resend, at_resend, sent, kind, more, heard, reason):
    document = resend.event(kind, "re_123", **more)

    assert post(at_resend, *resend.signed(document)) == 200

    assert _kinds() == heard
    assert [one.reason for one in Suppression.objects.all()] == reason
    assert InboundRecord.objects.get().state == InboundRecord.State.DONE
    assert reach.against(Campaign.objects.get(), [sent.person.pk], now=NOW) == (
        {sent.person.pk: reason[0]} if reason else {sent.person.pk: "no_consent"}
    )


def test_news_of_mailgun_by_the_token_in_the_message_id(post, settings, workspace, sent):
    with mailgun_fake.Mailgun() as fake:
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "mailgun": fake.url}
        keys = {"api_key": mailgun_fake.KEY, "webhook_signing_key": mailgun_fake.SIGNING_KEY}
        at_mailgun = connected(workspace, "mailgun", mailgun_fake.DOMAIN, keys, region="us")
        told = fake.happened(
            "failed",
            f"<{sent.token}@studio.example>",
            "ada@example.com",
            severity="permanent",
            reason="bounce",
        )
        assert post(at_mailgun, fake.signed(told)) == 200

    assert _kinds() == ["bounced"]
    assert Suppression.objects.get().told_by == "mailgun"


def test_a_token_of_another_workspace_is_nobodys_here(post, resend, at_resend, other_workspace):
    theirs = messages.sent(other_workspace, provider_id="re_9")
    document = resend.event("email.complained", "re_9", message_id=f"<{theirs.token}@studio.example>")

    assert post(at_resend, *resend.signed(document)) == 200

    assert InboundRecord.objects.get().said == "No message of ours is meant."
    assert not Suppression.objects.exists()


def test_news_that_is_faster_than_the_ledger_is_found_by_the_tag(post, resend, at_resend, sent):
    LedgerEntry.objects.all().delete()
    resend.sent["re_123"]["tags"] = [{"name": "message", "value": sent.token}]

    assert post(at_resend, *resend.signed(resend.event("email.delivered", "re_123"))) == 200

    assert _kinds() == ["delivered"]


def test_told_twenty_times_it_counts_once(post, resend, at_resend, sent):
    for _ in range(20):
        post(at_resend, *resend.signed(resend.event("email.complained", "re_123")))

    assert _kinds() == ["complained"]
    assert Suppression.objects.count() == 1


def test_a_bounce_of_whom_somebody_was_merged_into_suppresses_their_address(workspace, sent, actor):
    survivor = messages.person(workspace, "grace@example.com")
    people.merge(actor, survivor, sent.person, reason="same", now=NOW)

    message_news.project(
        sent.recipient.pk, News(state="bounced", suppresses="bounced"), NOW, told_by="resend"
    )

    survivor.refresh_from_db()
    assert bytes(Suppression.objects.get().address_index) == bytes(survivor.email_index)


def test_complaints_pause_the_sender_of_the_campaign(workspace, sender, sent):
    of = sent.recipient.campaign
    rows = [
        messages.sent(workspace, campaign_=of, to=messages.person(workspace, f"p{n}@example.com"))
        for n in range(3)
    ]
    cache.clear()
    sender.state_changed_at = NOW - timedelta(days=2)
    sender.save()

    with time_machine.travel(NOW, tick=False):
        assert reputation.standing(sender, now=NOW).sends == 4
        _crowd(of, 400)
        cache.clear()
        for one in rows:
            told = News(state="complained", suppresses="complained")
            message_news.project(one.recipient.pk, told, NOW, told_by="resend")

    standing = reputation.standing(sender, now=NOW)
    assert standing.sends == 404
    assert standing.complaints == pytest.approx(3 / 404)
    assert Connection.objects.get(pk=sender.pk).state == Connection.State.SWITCHED_OFF
    assert not EmailDelivery.objects.exists()


@pytest.mark.parametrize("left", [timedelta(days=-2), timedelta(minutes=1)])
def test_harm_of_messages_that_are_not_counted_as_sent_is_not_held_against_those_that_are(
    workspace, sender, left
):
    """Of a large campaign of the day before yesterday, or of what left since the sends were counted."""
    of = messages.campaign(workspace, sender=sender)
    sender.state_changed_at = NOW - timedelta(days=9)
    sender.save()
    _crowd(of, 300)
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        reputation.standing(sender, now=NOW)
    rows = [
        messages.sent(
            workspace, campaign_=of, to=messages.person(workspace, f"p{n}@example.com"), at=NOW + left
        )
        for n in range(9)
    ]

    with time_machine.travel(NOW + timedelta(seconds=5), tick=False):
        for one in rows:
            message_news.project(
                one.recipient.pk, News(state="bounced", suppresses="bounced"), NOW, told_by="resend"
            )

    assert Connection.objects.get(pk=sender.pk).is_usable
    assert reputation.standing(sender, now=NOW).bounces == 0


def _crowd(of, count):
    """So many more messages that were taken."""
    batch = uuid4()
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            workspace_id=of.workspace_id,
            campaign=of,
            recipient_id=10**9 + number,
            batch=batch,
            fate="accepted",
            at=NOW - timedelta(hours=1),
        )
        for number in range(count)
    )


def test_complaints_that_workspaces_sign_themselves_silence_nobody_elsewhere(
    workspace, other_workspace, sent
):
    theirs = messages.sent(other_workspace)
    told = News(state="complained", suppresses="complained")
    message_news.project(sent.recipient.pk, told, NOW, told_by="resend")
    message_news.project(sent.recipient.pk, told, NOW, told_by="resend")
    with scoping.workspace(other_workspace):
        message_news.project(theirs.recipient.pk, told, NOW, told_by="resend")

    assert not EverywhereSuppression.objects.exists()
    assert EverywhereComplaint.objects.filter(told_by="resend").count() == 2
    third = WorkspaceFactory()
    person = messages.person(third)
    with scoping.workspace(third):
        assert "everywhere" not in reach.against(messages.campaign(third), [person.pk], now=NOW).values()
