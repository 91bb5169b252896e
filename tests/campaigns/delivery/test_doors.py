"""Providers by HTTP: keys, halves, failover, patience."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import ConsentRecord, Person
from apps.campaigns import delivery, message_tokens
from apps.campaigns.delivery import journal, reading, recovering, writing
from apps.campaigns.models import Campaign, Chunk, Content, LedgerEntry, Recipient, SendBatch, SendRun
from apps.integrations import bulk_mail
from apps.integrations.connectors.bulk_email import resend as bulk_resend
from apps.integrations.ids import uuid7
from apps.integrations.models import Suppression
from tests.campaigns.delivery.conftest import launch, two_seconds_pass, work
from tests.fakes.server import Answer, Killed, Reply, ResetAfter, ResetBefore, Slow, json_reply
from tests.integrations.connected import connection_to


def come_back(campaign):
    """Time passes: what waits is due, and what was lost is taken up."""
    two_seconds_pass()  # our own limit for Resend
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


EVENTS = "/v3/mg.studio.example/events"


def lost_at_mailgun(campaign, people, mailgun, *, fault, **given):
    people(4)
    made = campaign(**given)
    mailgun.misbehave(fault)
    launch(made, now=timezone.now())
    work()
    assert SendBatch.objects.filter(settled_at__isnull=True).count() == 1
    return made


def begun(minutes):
    """The batch was begun so long ago."""
    SendBatch.objects.update(begun_at=timezone.now() - timedelta(minutes=minutes))


def copies(mailgun):
    return Counter(address for address, _ in mailgun.taken)


@pytest.mark.parametrize("after_crash", ["resend", "hold"])
def test_mailgun_is_asked_what_it_had_before_anything_goes_again(
    workspace, campaign, people, mailgun, at_mailgun, after_crash
):
    made = lost_at_mailgun(campaign, people, mailgun, fault=ResetAfter(), after_crash=after_crash)
    assert len(mailgun.taken) == 1

    begun(minutes=13)
    come_back(made)

    assert delivery.progress(made) == delivery.Progress(sent=4)
    assert set(copies(mailgun).values()) == {1}
    assert set(LedgerEntry.objects.values_list("fate", flat=True)) == {"accepted"}
    assert list(delivery.faults(made)) == []


def test_while_its_events_may_still_come_nothing_goes_again(workspace, campaign, people, mailgun, at_mailgun):
    mailgun.lag_seconds = 300
    made = lost_at_mailgun(campaign, people, mailgun, fault=ResetAfter())

    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=3, to_send=1)
    assert len(mailgun.taken) == 4

    mailgun.lag_seconds = 0
    begun(minutes=13)
    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=4)
    assert set(copies(mailgun).values()) == {1}


def test_a_killed_worker_leaves_a_batch_that_mailgun_tells_of(
    workspace, campaign, people, mailgun, at_mailgun
):
    people(4)
    made = campaign()
    launch(made, now=timezone.now())
    mailgun.misbehave(Slow(0), times=2)
    mailgun.misbehave(Killed())
    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(mailgun.taken) == 3

    begun(minutes=13)
    come_back(made)

    assert delivery.progress(made) == delivery.Progress(sent=4)
    assert set(copies(mailgun).values()) == {1}
    assert list(delivery.faults(made)) == []


@pytest.mark.parametrize(("after_crash", "sent"), [("resend", 4), ("hold", 3)])
def test_where_mailgun_does_not_tell_the_campaign_says_what_becomes_of_them(
    workspace, campaign, people, mailgun, at_mailgun, after_crash, sent
):
    made = lost_at_mailgun(campaign, people, mailgun, fault=ResetAfter(), after_crash=after_crash)
    mailgun.misbehave(Answer(json_reply({"message": "Forbidden"}, status=403)), times=9, path=EVENTS)

    come_back(made)

    assert delivery.progress(made) == delivery.Progress(sent=sent, uncertain=4 - sent)
    assert list(delivery.faults(made)) == []


def test_what_a_cancelled_campaign_had_taken_is_known_as_well(
    workspace, campaign, people, mailgun, at_mailgun
):
    made = lost_at_mailgun(campaign, people, mailgun, fault=ResetAfter())
    delivery.cancel(made, now=timezone.now())

    begun(minutes=13)
    come_back_paused()

    assert delivery.progress(made) == delivery.Progress(sent=1, skipped={"cancelled": 3})
    assert len(mailgun.taken) == 1
    assert LedgerEntry.objects.get().fate == "accepted"
    assert list(delivery.faults(made)) == []


def test_who_was_not_reached_by_then_goes_by_the_next_provider_at_once(
    workspace, campaign, people, mailgun, at_mailgun, settings, sink
):
    settings.INTEGRATION_URLS = {"mailgun": mailgun.url, "smtp": sink.url}
    connection_to(workspace, "smtp", account="smtp.studio.example", secrets={})

    made = lost_at_mailgun(campaign, people, mailgun, fault=ResetAfter())

    assert delivery.progress(made) == delivery.Progress(sent=3, to_send=1)
    assert (len(mailgun.taken), len(sink.stored)) == (1, 3)
    begun(minutes=13)
    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=4)
    assert (len(mailgun.taken), len(sink.stored)) == (1, 3)


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


def lost(resend, made, people, count):
    """A batch of which nobody knows whether it left."""
    people(count)
    lose(resend, made)
    assert SendBatch.objects.filter(settled_at__isnull=True).count() == 1


def lose(resend, made):
    resend.misbehave(ResetAfter(), times=3)
    launch(made, now=timezone.now())
    work()
    resend.behave()


def test_a_batch_of_unknown_fate_holds_up_nobody_else(workspace, campaign, people, resend, at_resend):
    made = campaign()
    lost(resend, made, people, 120)

    two_seconds_pass()
    Chunk.objects.update(due_at=None)
    SendRun.objects.update(is_open=True, due_at=None)
    work()

    assert len(resend.sent) == 120
    assert delivery.progress(made) == delivery.Progress(sent=70, to_send=50)
    assert Campaign.objects.get().state == "running"
    come_back(made)
    assert len(resend.sent) == 120
    assert delivery.progress(made) == delivery.Progress(sent=120)
    assert Campaign.objects.get().state == "done"
    assert list(delivery.faults(made)) == []


def test_what_is_known_of_a_batch_does_not_wait_for_what_is_not(
    workspace, campaign, people, resend, at_resend
):
    people(12)
    made = campaign()
    launch(made, now=timezone.now())
    sides = {one: bulk_resend.side(message_tokens.issue(workspace.pk, one.pk), 0) for one in recipients()}
    parted = [one for one in sides if sides[one]]
    resend.refuses = {f"{parted[0].person.external_id}@example.com"}
    resend.misbehave(Slow(0), times=2)  # the whole is refused, and one part is taken
    resend.misbehave(ResetAfter(), times=3)

    work()
    assert delivery.progress(made) == delivery.Progress(sent=12 - len(parted), to_send=len(parted))

    resend.behave()
    come_back(made)
    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=11, refused=1)
    assert Counter(one["to"][0] for one in resend.sent.values()).most_common(1)[0][1] == 1
    assert LedgerEntry.objects.count() == 12
    assert list(delivery.faults(made)) == []


def test_nor_is_it_forgotten_when_it_was_asked_for_again(workspace, campaign, people, resend, at_resend):
    people(12)
    made = campaign()
    resend.misbehave(ResetBefore(), times=3)  # it never had them
    launch(made, now=timezone.now())
    work()
    resend.behave()
    parted = [one for one in recipients() if bulk_resend.side(message_tokens.issue(workspace.pk, one.pk), 0)]
    resend.refuses = {f"{parted[0].person.external_id}@example.com"}
    resend.misbehave(Slow(0), times=2)  # the whole is refused, and one part is taken
    resend.misbehave(ResetAfter(), times=3)

    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=12 - len(parted), to_send=len(parted))
    assert SendBatch.objects.get().settled_at is None

    resend.behave()
    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=11, refused=1)
    assert Counter(one["to"][0] for one in resend.sent.values()).most_common(1)[0][1] == 1
    assert LedgerEntry.objects.count() == 12
    assert list(delivery.faults(made)) == []


def recipients():
    return Recipient.objects.select_related("person").order_by("pk")


def test_a_paused_campaign_repeats_nothing_until_it_goes_on(workspace, campaign, people, resend, at_resend):
    made = campaign()
    lost(resend, made, people, 3)
    asked = len(resend.asked("POST", "/emails/batch"))

    delivery.pause(made, now=timezone.now())
    come_back_paused()
    assert len(resend.asked("POST", "/emails/batch")) == asked

    delivery.resume(made, now=timezone.now())
    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=3)


def come_back_paused():
    SendBatch.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    recovering.recover()


def test_nor_does_one_that_was_cancelled(workspace, campaign, people, resend, at_resend):
    made = campaign()
    lost(resend, made, people, 3)
    asked = len(resend.asked("POST", "/emails/batch"))

    delivery.cancel(made, now=timezone.now())
    come_back_paused()

    assert len(resend.asked("POST", "/emails/batch")) == asked
    assert delivery.progress(made) == delivery.Progress(uncertain=3)
    assert list(delivery.faults(made)) == []


def unsubscribes(workspace, person):
    ConsentRecord.objects.create(
        workspace=workspace,
        person=person,
        purpose="news",
        is_granted=False,
        source="page",
        occurred_at=timezone.now(),
    )


def test_who_unsubscribed_meanwhile_is_not_in_what_is_repeated(
    workspace, campaign, people, resend, at_resend
):
    made = campaign()
    people(3)
    resend.misbehave(ResetBefore(), times=3)  # it never had them
    launch(made, now=timezone.now())
    work()
    resend.behave()

    unsubscribes(workspace, Person.objects.get(external_id="p1"))
    come_back(made)

    assert {one["to"][0] for one in resend.sent.values()} == {"p0@example.com", "p2@example.com"}
    assert delivery.progress(made) == delivery.Progress(sent=2, skipped={"unsubscribed": 1})
    assert list(delivery.faults(made)) == []


def test_and_what_was_had_with_them_is_not_sent_again_without(workspace, campaign, people, resend, at_resend):
    made = campaign()
    lost(resend, made, people, 3)

    unsubscribes(workspace, Person.objects.get(external_id="p1"))
    come_back(made)

    assert len(resend.sent) == 3
    assert delivery.progress(made) == delivery.Progress(uncertain=3)


def test_nor_is_a_part_of_it_when_who_had_it_parted_is_left_out(
    workspace, campaign, people, resend, at_resend
):
    people(12)
    made = campaign()
    launch(made, now=timezone.now())
    parted = [one for one in recipients() if bulk_resend.side(message_tokens.issue(workspace.pk, one.pk), 0)]
    resend.refuses = {f"{parted[0].person.external_id}@example.com"}
    resend.misbehave(Slow(0), times=2)  # the whole is refused, and one part is taken
    resend.misbehave(ResetBefore(), times=3)
    work()
    assert delivery.progress(made) == delivery.Progress(sent=12 - len(parted), to_send=len(parted))
    resend.behave()

    unsubscribes(workspace, parted[0].person)
    come_back(made)

    assert Counter(one["to"][0] for one in resend.sent.values()).most_common(1)[0][1] == 1
    assert delivery.progress(made) == delivery.Progress(sent=11, skipped={"unsubscribed": 1})
    assert list(delivery.faults(made)) == []


@pytest.mark.parametrize("has_some", [True, False])
def test_a_batch_whose_worker_died_among_its_parts_is_asked_for_by_the_same_parts(
    workspace, campaign, people, resend, at_resend, has_some
):
    people(12)
    made = campaign()
    launch(made, now=timezone.now())
    sides = {one: bulk_resend.side(message_tokens.issue(workspace.pk, one.pk), 0) for one in recipients()}
    refused = next(one for one, side in sides.items() if side == has_some)
    resend.refuses = {f"{refused.person.external_id}@example.com"}
    resend.misbehave(Slow(0), times=1 + has_some)
    resend.misbehave(Killed())
    with pytest.raises(KeyboardInterrupt):
        work()
    assert bool(resend.sent) == has_some

    unsubscribes(workspace, refused.person)
    resend.refuses = set()
    come_back(made)

    assert Counter(one["to"][0] for one in resend.sent.values()).most_common(1)[0][1] == 1
    assert delivery.progress(made) == delivery.Progress(sent=11, skipped={"unsubscribed": 1})
    assert list(delivery.faults(made)) == []


def test_the_parts_of_a_batch_end_within_its_lease(
    workspace, campaign, people, resend, at_resend, monkeypatch
):
    monkeypatch.setattr(bulk_resend, "BATCH_SECONDS", 2.2)
    people(8)
    resend.refuses = {"p3@example.com"}
    resend.misbehave(Slow(0.4))
    made = campaign()
    launch(made, now=timezone.now())

    work()

    assert len(resend.asked("POST", "/emails/batch")) == 1
    assert SendBatch.objects.filter(settled_at__isnull=False).count() == 1
    assert delivery.progress(made) == delivery.Progress(to_send=8)
    monkeypatch.undo()
    come_back(made)
    assert delivery.progress(made) == delivery.Progress(sent=7, refused=1)


def test_nor_is_one_that_an_older_worker_parted_and_wrote_nothing_down(
    workspace, campaign, people, resend, at_resend
):
    """What the ledger has of a batch without an end says that there are parts of it."""
    people(12)
    made = campaign(after_crash="hold")
    launch(made, now=timezone.now())
    parted = [one for one in recipients() if bulk_resend.side(message_tokens.issue(workspace.pk, one.pk), 0)]
    resend.refuses = {f"{parted[0].person.external_id}@example.com"}
    resend.misbehave(Slow(0), times=2)  # the whole is refused, and one part is taken
    resend.misbehave(ResetBefore(), times=3)
    work()
    SendBatch.objects.update(parted=None)
    resend.behave()
    asked = len(resend.asked("POST", "/emails/batch"))

    unsubscribes(workspace, parted[0].person)
    come_back(made)

    assert len(resend.asked("POST", "/emails/batch")) == asked
    assert Counter(one["to"][0] for one in resend.sent.values()).most_common(1)[0][1] == 1
    assert delivery.progress(made) == delivery.Progress(sent=12 - len(parted), uncertain=len(parted))
    assert list(delivery.faults(made)) == []


def test_a_batch_that_cannot_be_written_again_stands_in_nobody_else_s_way(
    workspace, campaign, people, resend, at_resend
):
    people(3)
    broken, made = campaign(after_crash="hold"), campaign()
    lose(resend, broken)
    lose(resend, made)
    Content.objects.filter(campaign=broken).update(body="{{ 1 // traits.guests }}", changed_at=timezone.now())
    Person.objects.update(traits={"guests": 0})
    past = timezone.now() - timedelta(minutes=1)
    Chunk.objects.update(state="leased", leased_by=uuid7(), lease_until=past)
    two_seconds_pass()

    come_back_paused()

    assert delivery.progress(made) == delivery.Progress(sent=3)
    assert delivery.progress(broken) == delivery.Progress(to_send=3)
    assert not Chunk.objects.filter(state="leased").exists()
    SendBatch.objects.update(begun_at=timezone.now() - timedelta(days=2))
    come_back_paused()
    assert delivery.progress(broken) == delivery.Progress(uncertain=3)


def test_whoever_lost_a_batch_to_somebody_else_notes_no_parts_of_it(
    workspace, campaign, people, resend, at_resend
):
    made = campaign()
    lost(resend, made, people, 3)
    batch = SendBatch.objects.get()
    first = journal.parting(batch.key, held_until=batch.lease_until, clock=timezone.now)
    assert first.note("a")
    assert SendBatch.objects.get().lease_until > batch.lease_until

    SendBatch.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    taken = recovering._take(now=timezone.now())
    second = journal.parting(taken.key, taken.parted, held_until=taken.lease_until, clock=timezone.now)

    assert not first.note("b")
    assert second.note("c")
    assert SendBatch.objects.get().parted == ["a", "c"]
    SendBatch.objects.update(settled_at=timezone.now())
    assert not second.note("d")


def test_and_asks_for_none(workspace, campaign, people, resend, at_resend):
    people(8)
    resend.refuses = {"p3@example.com"}
    made = campaign()
    launch(made, now=timezone.now())
    writer = writing.writer(made, bulk_mail.sender(made.sender))
    letters = writer.letters(addressees(made))
    door = bulk_mail.door_of(at_resend.pk)

    answer = door.send(writer.envelope, letters, key="k", parting=bulk_mail.Parting(lambda part: False))

    assert {one.fate for one in answer.value} == {bulk_mail.Fate.UNKNOWN}
    assert len(resend.asked("POST", "/emails/batch")) == 1


def addressees(made):
    content = Content.objects.get(campaign=made)
    return [
        reading.Addressee(one.pk, one.person_id, content.pk, f"{one.person.external_id}@example.com", {})
        for one in recipients()
    ]
