"""Providers by HTTP: keys, halves, failover, patience."""

from collections import Counter
from datetime import timedelta
from threading import Event

from django.utils import timezone

from apps.campaigns import delivery
from apps.campaigns.delivery import recovering
from apps.campaigns.models import Campaign, Chunk, Content, LedgerEntry, Recipient, SendBatch, SendRun
from apps.integrations.models import Suppression
from tests.campaigns.delivery.conftest import launch, work
from tests.fakes.server import Answer, Reply, ResetAfter, json_reply
from tests.integrations.connected import connection_to


def come_back(campaign):
    """Time passes: what waits is due, and what was lost is taken up."""
    Event().wait(2.1)  # our own limit for Resend, which Redis counts by its own clock
    past = timezone.now() - timedelta(minutes=1)
    Chunk.objects.filter(state="leased").update(lease_until=past)
    SendBatch.objects.filter(settled_at__isnull=True).update(lease_until=past)
    recovering.recover()
    Chunk.objects.filter(state="open").update(due_at=None)
    SendRun.objects.filter(finished_at__isnull=True).update(is_open=True, due_at=None)
    work()


def test_resend_takes_fifty_in_a_request_with_one_key(workspace, campaign, people, resend, at_resend):
    people(70)

    launch(campaign(), now=timezone.now())
    work()

    asked = resend.asked("POST", "/emails/batch")
    assert [len(one.json) for one in asked] == [50, 20]
    keys = {str(key) for key in SendBatch.objects.values_list("key", flat=True)}
    assert {one.headers["idempotency-key"] for one in asked} == keys
    assert set(LedgerEntry.objects.values_list("provider_id", flat=True)) == set(resend.sent)


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(
    workspace, campaign, people, resend, at_resend
):
    people(5)
    made = campaign()
    resend.misbehave(ResetAfter(), times=3)
    launch(made, now=timezone.now())
    work()
    assert SendBatch.objects.filter(settled_at__isnull=True).count() == 1

    resend.behave()
    come_back(made)

    assert len(resend.sent) == 5
    assert delivery.progress(made) == delivery.Progress(sent=5)
    assert set(LedgerEntry.objects.values_list("fate", flat=True)) == {"accepted"}
    assert list(delivery.faults(made)) == []


def test_who_changed_meanwhile_is_not_written_to_twice(workspace, campaign, people, resend, at_resend):
    people(2)
    made = campaign()
    resend.misbehave(ResetAfter(), times=3)
    launch(made, now=timezone.now())
    work()

    Content.objects.update(subject="Other words", changed_at=timezone.now())
    resend.behave()
    come_back(made)

    assert len(resend.sent) == 2
    assert delivery.progress(made) == delivery.Progress(uncertain=2)


def test_one_bad_address_does_not_stop_its_batch(workspace, campaign, people, resend, at_resend):
    people(8)
    resend.refuses = {"p3@example.com"}
    made = campaign()

    launch(made, now=timezone.now())
    work()

    assert delivery.progress(made) == delivery.Progress(sent=7, refused=1)
    assert Counter(one["to"][0] for one in resend.sent.values()).most_common(1)[0][1] == 1
    assert Suppression.objects.get().reason == "invalid"


def test_mailgun_gets_one_message_a_request_and_says_who_is_refused(
    workspace, campaign, people, mailgun, at_mailgun
):
    people(3)
    mailgun.misbehave(Answer(json_reply({"message": "to parameter is not a valid address"}, status=400)))
    made = campaign()

    launch(made, now=timezone.now())
    work()

    assert delivery.progress(made) == delivery.Progress(sent=2, refused=1)
    assert len(mailgun.mime) == 2
    assert all(b"Message-ID: <" in one for one in mailgun.mime)


def test_mailgun_asked_again_goes_on_with_those_it_has_not_had(
    workspace, campaign, people, mailgun, at_mailgun
):
    people(3)
    mailgun.misbehave(Answer(json_reply({"id": "<1@studio.example>", "message": "Queued."}), is_applied=True))
    mailgun.misbehave(Answer(Reply(429, b"{}", {"Retry-After": "1"})))
    made = campaign()

    launch(made, now=timezone.now())
    work()

    addressees = [one.partition(b"\r\nTo: ")[2].partition(b"\r\n")[0] for one in mailgun.mime]
    assert len(addressees) == len(set(addressees))
    assert delivery.progress(made).sent == len(addressees) >= 1


def test_a_provider_that_takes_nothing_is_passed_over(
    workspace, campaign, people, resend, at_resend, settings, sink
):

    settings.INTEGRATION_URLS = {"resend": resend.url, "smtp": sink.url}
    connection_to(workspace, "smtp", account="smtp.studio.example", secrets={})
    people(3)
    refusal = {"statusCode": 429, "name": "daily_quota_exceeded", "message": "Quota."}
    resend.misbehave(Answer(json_reply(refusal, status=429)), times=3)
    made = campaign()

    launch(made, now=timezone.now())
    work()

    assert len(sink.stored) == 3
    assert dict(SendBatch.objects.values_list("provider", "settled_at")).keys() == {"resend", "smtp"}
    assert set(LedgerEntry.objects.values_list("provider", flat=True)) == {"smtp"}


def test_a_provider_that_asks_to_wait_is_waited_for(workspace, campaign, people, resend, at_resend):
    people(3)
    made = campaign()
    resend.misbehave(Answer(Reply(429, b"{}", {"Retry-After": "30"})), times=3)
    launch(made, now=timezone.now())

    work()

    assert resend.sent == {}
    assert Chunk.objects.get().due_at > timezone.now() + timedelta(seconds=20)
    assert SendRun.objects.get().due_at > timezone.now() + timedelta(seconds=20)


def test_where_only_a_person_can_help_the_campaign_is_paused(workspace, campaign, people, resend, at_resend):
    people(3)
    made = campaign()
    refusal = {"statusCode": 403, "name": "invalid_api_key", "message": "No."}
    resend.misbehave(Answer(json_reply(refusal, status=403)), times=3)
    launch(made, now=timezone.now())

    work()

    paused = Campaign.objects.get()
    assert paused.state == "paused"
    assert "provider" in paused.state_reason
    assert SendRun.objects.get().is_paused
    assert Recipient.objects.filter(state="to_send").count() == 3
