"""From the launch to the last entry in the ledger, over real SMTP."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy

import numpy as np
import pytest
from django.utils import timezone

from apps.accounts import one_trip, personal_fields
from apps.accounts.models import ConsentRecord, Person
from apps.attribution.models import Exposure
from apps.campaigns import delivery, message_tokens, splitting
from apps.campaigns.content import merge_fields
from apps.campaigns.delivery import journal, leftovers, recovering, sending, snapshotting, sweeping
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.opening import Openings
from apps.campaigns.delivery.queueing import LEASE, Queue
from apps.campaigns.models import (
    Audience,
    Campaign,
    Chunk,
    Content,
    LedgerEntry,
    Recipient,
    SendBatch,
    SendRun,
)
from apps.integrations.connectors.bulk_email import smtp as bulk_smtp
from apps.integrations.ids import uuid7
from apps.integrations.models import Connection, Suppression
from tests.campaigns.delivery.conftest import EVERYBODY, launch, work
from tests.conftest import committed

pytestmark = pytest.mark.usefixtures("at_smtp")


def parsed(message):
    return message_from_bytes(message, policy=policy.default)


def agrees(campaign):
    assert list(delivery.faults(campaign)) == []


def test_everybody_gets_it_once_and_the_ledger_says_so(workspace, campaign, people, sink):
    people(120)
    made = campaign()

    launch(made, now=timezone.now())
    work()

    assert Counter(address for address, _ in sink.stored) == {f"p{n}@example.com": 1 for n in range(120)}
    assert LedgerEntry.objects.filter(campaign=made, fate="accepted").count() == 120
    assert SendBatch.objects.filter(settled_at__isnull=False).count() == 3
    assert delivery.progress(made) == delivery.Progress(sent=120)
    assert Campaign.objects.get().state == "done"
    agrees(made)


def test_a_message_names_itself_and_how_to_end_it(workspace, campaign, people, sink):
    people(1)
    made = campaign()

    launch(made, now=timezone.now())
    work()

    recipient = Recipient.objects.get()
    token, way_out = message_tokens.both(workspace.pk, recipient.pk)
    [message] = sink.messages
    head = message.partition(b"\r\n\r\n")[0].decode()
    assert f"Message-ID: <{token}@studio.example>" in head
    assert f"List-Unsubscribe: <http://localhost:8000/u/{way_out}>" in head
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    assert f"List-Id: <news.{workspace.pk}.studio.example>" in head
    assert "From: The Studio <hello@studio.example>" in head


def test_a_message_says_what_was_written_to_whom(workspace, campaign, people, sink):
    [named] = people(1)
    personal_fields.set_personal(named, {"first_name": "Zoë"})
    named.save()
    people(1, first=1)
    made = campaign()

    launch(made, now=timezone.now())
    work()

    for recipient, name in zip(Recipient.objects.order_by("person_id"), ("Zoë", "there"), strict=True):
        token, way_out = message_tokens.both(workspace.pk, recipient.pk)
        [message] = [one for one in sink.messages if token.encode() in one]
        plain, rich = (part.get_content() for part in parsed(message).iter_parts())
        assert f"Hello {name}, the season opens." in plain
        assert f"Hello {name}, the season opens." in rich
        assert f'href="http://localhost:8000/c/{token}/1"' in rich
        assert f"http://localhost:8000/u/{way_out}" in plain
        assert "1 Barn Lane, Bath" in plain


def test_who_may_not_be_written_to_is_skipped_with_the_reason(workspace, campaign, people, sink, topic):
    first, second, _ = people(3)
    made = campaign()
    launch(made, now=timezone.now())

    ConsentRecord.objects.create(
        workspace=workspace,
        person=first,
        purpose="news",
        is_granted=False,
        source="page",
        occurred_at=timezone.now(),
    )
    Person.objects.filter(pk=second.pk).update(email_index=None, email_sealed=None)
    work()

    assert delivery.progress(made) == delivery.Progress(sent=1, skipped={"no_address": 1, "unsubscribed": 1})
    assert [address for address, _ in sink.stored] == ["p2@example.com"]
    agrees(made)


def test_what_the_server_says_of_an_address_is_its_fate_alone(workspace, campaign, people, sink):
    people(4)
    sink.answers = {"p1@example.com": "550 no such user", "p2@example.com": "451 greylisted"}
    made = campaign()

    launch(made, now=timezone.now())
    work()

    states = dict(Recipient.objects.values_list("person__external_id", "state"))
    assert states == {"p0": "sent", "p1": "refused", "p2": "to_send", "p3": "sent"}
    later = Recipient.objects.get(person__external_id="p2")
    assert later.due_at > timezone.now() + timedelta(minutes=14)

    assert Suppression.objects.get().reason == "invalid"
    agrees(made)


def test_whatever_a_provider_says_is_kept_as_it_is(workspace, campaign, people):
    people(2)
    made = campaign()
    launch(made, now=timezone.now())
    first, second = Recipient.objects.order_by("pk")
    said, named, later = r'No "such" user\, {really}, NULL', "<a,b\\@c>", timezone.now()

    told = [
        Told(first.pk, first.content_id, "refused", said, named, "refused"),
        Told(second.pk, None, "later", "", "", "", later),
    ]
    journal.write([journal.settle(made.pk, told, now=timezone.now())])

    kept = LedgerEntry.objects.get(recipient_id=first.pk)
    assert (kept.reason, kept.provider_id) == (said, named)
    second.refresh_from_db()
    assert (second.content_id, second.due_at, second.state) == (None, later, "to_send")


def test_a_server_without_pipelining(workspace, campaign, people, sink):
    sink.pipelining = False
    people(5)
    sink.answers = {"p1@example.com": "550 no such user"}
    made = campaign()

    launch(made, now=timezone.now())
    work()

    assert delivery.progress(made) == delivery.Progress(sent=4, refused=1)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_sign_in_that_takes_all_the_time_sends_nothing(
    workspace, campaign, people, sink, monkeypatch, pipelining
):
    monkeypatch.setattr(bulk_smtp, "BATCH_SECONDS", 1.0)
    sink.pipelining, sink.greets_after = pipelining, 0.7
    people(2)
    made = campaign()
    launch(made, now=timezone.now())

    work()

    assert (sink.connections, sink.stored) == (1, [])
    assert delivery.progress(made) == delivery.Progress(to_send=2)
    assert SendBatch.objects.get().settled_at


def test_a_session_is_kept_between_batches(workspace, campaign, people, sink):
    people(200)

    launch(campaign(), now=timezone.now())
    work()

    assert sink.connections == 1


def test_a_broken_session_leaves_one_message_uncertain(workspace, campaign, people, sink):
    people(10)
    sink.breaks_after = 4
    made = campaign(after_crash="hold")

    launch(made, now=timezone.now())
    work(1.0)
    sink.breaks_after = None
    Chunk.objects.update(due_at=None)
    SendRun.objects.update(is_open=True, due_at=None)
    work()

    assert delivery.progress(made) == delivery.Progress(sent=9, uncertain=1)
    assert len(sink.stored) == 10
    agrees(made)


def test_nothing_leaves_a_paused_campaign_and_all_of_a_resumed_one(workspace, campaign, people, sink):
    people(60)
    made = campaign()
    launch(made, now=timezone.now())

    delivery.pause(made, now=timezone.now())
    work(1.0)
    assert sink.stored == []

    delivery.resume(made, now=timezone.now())
    work()
    assert len(sink.stored) == 60


def test_an_audience_that_cannot_be_asked_any_more_pauses_the_campaign(workspace, campaign, people, sink):
    people(3)
    made = campaign()
    Audience.objects.update(rules={"field": "health.score", "op": "greater", "value": 3})

    launch(made, now=timezone.now())
    work(1.0)

    paused = Campaign.objects.get()
    assert paused.state == "paused"
    assert "The rules of the audience All 0 cannot be asked any more." in paused.state_reason
    assert sink.stored == []

    Audience.objects.update(rules=EVERYBODY)
    delivery.resume(made, now=timezone.now())
    snapshotting.take(run_id=SendRun.objects.get().pk)
    work()
    assert len(sink.stored) == 3


def test_a_cancelled_campaign_skips_who_is_left(workspace, campaign, people, sink):
    people(20)
    made = campaign()
    launch(made, now=timezone.now())

    delivery.cancel(made, now=timezone.now())

    leftovers.skip(campaign_id=made.pk)
    work(1.0)

    assert sink.stored == []
    assert delivery.progress(made) == delivery.Progress(skipped={"cancelled": 20})
    agrees(made)


def test_variants_hold_outs_and_those_who_wait(workspace, campaign, people, sink):
    everybody = np.array([one.pk for one in people(200)])
    made = campaign(contents=2, hold_out_share=0.1, test_share=0.5, goal="purchase")
    launch(made, now=timezone.now())
    lot = splitting.arms(made, everybody, now=timezone.now())
    held_out, waiting = int((lot == splitting.HELD).sum()), int((lot == splitting.WAITS).sum())
    assert 5 <= held_out <= 40
    assert 55 <= waiting <= 125

    work()

    assert delivery.progress(made) == delivery.Progress(
        sent=200 - held_out - waiting, waiting=waiting, held_out=held_out
    )
    assert drawn(made) == {person: max(arm, 0) for person, arm in zip(everybody, lot, strict=True)}
    assert Exposure.objects.filter(experiment=made.lift).count() == 200
    assert Campaign.objects.get().state == "running"

    winner = Content.objects.get(campaign=made, key="b")
    delivery.release_waiting(made, winner.pk, now=timezone.now())
    work()

    assert delivery.progress(made) == delivery.Progress(sent=200 - held_out, held_out=held_out)
    got_it = int((lot == winner.pk).sum()) + waiting
    assert Counter(subjects(sink)) == {"Subject b": got_it, "Subject a": 200 - held_out - got_it}
    assert Campaign.objects.get().state == "done"
    agrees(made)


def drawn(campaign):
    """What each person's row says of the content: 0 for none."""
    rows = Recipient.objects.filter(campaign=campaign).values_list("person_id", "content_id")
    return {person: content or 0 for person, content in rows}


def subjects(sink):
    return [parsed(one)["Subject"] for one in sink.messages]


def test_a_triggered_campaign_reaches_somebody_once_an_occurrence(workspace, campaign, people, sink):
    [one] = people(1)
    made = campaign(kind="triggered")
    delivery.start(made, now=timezone.now())

    for occurrence in ("1", "1", "2"):
        asked = delivery.Asked(campaign=made, person_id=one.pk, occurrence=occurrence)
        delivery.enqueue_many([asked], now=timezone.now())
    work()

    assert [address for address, _ in sink.stored] == ["p0@example.com"] * 2
    assert delivery.progress(made) == delivery.Progress(sent=2)
    agrees(made)


def test_a_batch_whose_worker_died_is_uncertain_and_goes_again(workspace, campaign, people, sink):
    people(3)
    made = campaign()
    launch(made, now=timezone.now())
    dies_with_a_batch_under_way(made)

    recovering.recover()
    work()

    assert len(sink.stored) == 3
    fates = Counter(LedgerEntry.objects.values_list("fate", flat=True))
    assert fates == {"uncertain": 3, "accepted": 3}
    agrees(made)


def test_or_stays_where_the_campaign_says_so(workspace, campaign, people, sink):
    people(3)
    made = campaign(after_crash="hold")
    launch(made, now=timezone.now())
    dies_with_a_batch_under_way(made)

    recovering.recover()
    work()

    assert sink.stored == []
    assert delivery.progress(made) == delivery.Progress(uncertain=3)
    agrees(made)


@pytest.mark.parametrize("is_after", [False, True])
def test_what_a_provider_took_before_the_worker_died_is_entered_and_not_sent_again(
    workspace, campaign, people, sink, is_after
):
    people(3)
    made = campaign()
    launch(made, now=timezone.now())
    key = dies_with_a_batch_under_way(made)
    journal.write([journal.note(key, None, now=timezone.now())])
    entered = journal.enter(made.pk, [key], winner_id=None, now=timezone.now())
    if is_after:
        journal.write([entered])

    recovering.recover()
    journal.write([entered])
    work()

    assert sink.stored == []
    assert delivery.progress(made) == delivery.Progress(sent=3)
    assert Counter(LedgerEntry.objects.values_list("fate", "batch")) == {("accepted", key): 3}
    agrees(made)


def test_of_a_batch_that_was_taken_in_part_the_others_go_on(workspace, campaign, people, sink):
    people(3)
    made = campaign()
    launch(made, now=timezone.now())
    key = dies_with_a_batch_under_way(made)
    first, second, _ = Recipient.objects.order_by("pk")
    refused = Told(second.pk, second.content_id, "refused", "550 no such user", state="refused")
    now = timezone.now()
    journal.write(
        [
            journal.note(key, [first.pk], now=now),
            journal.settle(made.pk, [refused], key=key, is_over=False, provider="smtp", now=now),
        ]
    )

    recovering.recover()
    work()

    assert [address for address, _ in sink.stored] == ["p2@example.com"]
    assert delivery.progress(made) == delivery.Progress(sent=2, refused=1)
    agrees(made)


def test_who_is_put_off_waits_for_no_note_of_the_others(workspace, campaign, people, sink):
    people(2)
    made = campaign()
    launch(made, now=timezone.now())
    key, now = dies_with_a_batch_under_way(made), timezone.now()
    first, second = Recipient.objects.order_by("pk")
    later = Told(second.pk, second.content_id, "later", "451 try again", due_at=now)
    journal.write(
        [
            journal.note(key, [first.pk], now=now),
            journal.settle(made.pk, [later], key=key, is_over=False, provider="smtp", now=now),
        ]
    )

    work()
    assert [address for address, _ in sink.stored] == ["p1@example.com"]

    recovering.recover()
    work()
    assert len(sink.stored) == 1
    assert delivery.progress(made) == delivery.Progress(sent=2)
    agrees(made)


def test_pages_are_told_of_a_slow_chunk_before_its_end(workspace, campaign, people, sink):
    people(200)
    made = campaign()
    launch(made, now=timezone.now())
    moment, entered = timezone.now(), set()

    def clock():
        nonlocal moment
        moment += timedelta(seconds=1)
        entered.add(LedgerEntry.objects.count())
        return moment

    sending.send(Queue().claim(now=moment), clock=clock)

    assert {0, 100} <= entered
    assert delivery.progress(made) == delivery.Progress(sent=200)
    agrees(made)


def dies_with_a_batch_under_way(campaign):
    past = timezone.now() - timedelta(minutes=10)
    claimed = Queue().claim(now=past + timedelta(minutes=9, seconds=59))
    ids = list(Recipient.objects.values_list("pk", flat=True))
    door, key = Connection.objects.exclude(service="mail").get(), uuid7()
    one_trip.fetch_all(
        [journal.begin(claimed, key, ids, provider=door.service, connection_id=door.pk, now=past)]
    )
    Chunk.objects.update(lease_until=past)
    return key


@dataclass
class Seat:
    """What fills in a field, and cannot be read while it is broken."""

    is_broken: bool = True

    def __str__(self):
        return str(1 // (not self.is_broken))


@committed
@pytest.mark.parametrize("rate", [None, 36_000])
def test_letters_that_cannot_be_written_leave_nobody_in_doubt(
    workspace, campaign, people, sink, monkeypatch, rate
):
    seat, now = Seat(), timezone.now()
    field = merge_fields.MergeField(
        name="seat", label="Seat", example="1", read=lambda people, *_: {one.pk: seat for one in people}
    )
    monkeypatch.setitem(merge_fields._known, "seat", field)
    people(3)
    made = campaign(rate_per_hour=rate, starts_at=now + timedelta(hours=1))
    Content.objects.update(body="Your seat: {{ seat }}")
    run = delivery.start(made, now=now)
    while snapshotting.step(run.pk, now=now):
        pass

    with pytest.raises(ZeroDivisionError):
        sending.send(Queue().claim(now=now))
    assert not SendBatch.objects.filter(settled_at__isnull=True).exists()
    assert delivery.progress(made) == delivery.Progress(to_send=3)

    seat.is_broken = False
    Chunk.objects.update(lease_until=now - timedelta(minutes=1))
    recovering.recover()
    work()
    assert len(sink.stored) == 3
    assert delivery.progress(made) == delivery.Progress(sent=3)
    assert set(LedgerEntry.objects.values_list("fate", flat=True)) == {"accepted"}
    agrees(made)


def test_the_sweep_starts_a_campaign_when_its_time_has_come(workspace, campaign, people, sink):
    people(2)
    made = campaign(starts_at=timezone.now() + timedelta(hours=1))
    run = delivery.start(made, now=timezone.now())
    assert sweeping.sweep() == 0
    assert not SendRun.objects.get().is_snapshotted
    SendRun.objects.filter(pk=run.pk).update(due_at=timezone.now())
    assert [pk for _, pk in sweeping._unwritten(timezone.now()).values_list("workspace_id", "pk")] == [run.pk]


def becomes(absorbed, survivor):
    Person.objects.filter(pk=absorbed.pk).update(merged_into=survivor)


def test_who_was_merged_is_written_to_as_the_survivor_once(workspace, campaign, people, sink):
    one, other, third, fourth = people(4)
    made = campaign()
    launch(made, now=timezone.now())
    late = people(1, first=9)[0]  # came after the snapshot
    becomes(one, survivor=other)
    becomes(third, survivor=late)
    becomes(fourth, survivor=late)

    work()

    got = Counter(address for address, _ in sink.stored)
    assert got == {"p1@example.com": 1, "p9@example.com": 1}
    assert delivery.progress(made) == delivery.Progress(sent=2, skipped={"merged": 2})
    assert Campaign.objects.get().state == "done"
    agrees(made)


@pytest.mark.parametrize("fits", [True, False])
def test_a_survivor_whom_the_snapshot_has_yet_to_look_at_gets_it_once(
    workspace, campaign, people, sink, fits
):
    absorbed, survivor = people(2)
    made, now = campaign(), timezone.now()
    run = delivery.start(made, now=now)
    snapshotting.step(run.pk, now=now, size=1)
    becomes(absorbed, survivor=survivor)

    work()
    if not fits:
        Audience.objects.update(rules={"field": "person.has_email", "value": False})
    snapshotting.take(run_id=run.pk)
    work()
    assert (len(sink.stored), Campaign.objects.get().state) == (int(fits), "running")

    Recipient.objects.filter(due_at__isnull=False).update(due_at=now)
    SendRun.objects.update(is_open=True, due_at=None)
    work()

    assert [address for address, _ in sink.stored] == ["p1@example.com"]
    assert delivery.progress(made) == delivery.Progress(sent=1, skipped={"merged": 1} if fits else {})
    assert Campaign.objects.get().state == "done"
    agrees(made)


def test_the_next_chunk_says_what_is_said_by_then(workspace, campaign, people, sink, at_smtp):
    """Of what a worker has open of a campaign nothing outlives its change."""
    everybody = people(3)
    made = campaign(kind="triggered")
    launch(made, now=timezone.now())
    openings, queue = Openings(), Queue()

    def send_to(one):
        delivery.enqueue_many(
            [delivery.Asked(campaign=made, person_id=one.pk, occurrence="x")], now=timezone.now()
        )
        return sending.send(queue.claim(now=timezone.now()), openings=openings)

    assert send_to(everybody[0]) == 1
    Content.objects.update(subject="Other words", changed_at=timezone.now())
    assert send_to(everybody[1]) == 1
    assert [parsed(one)["subject"] for one in sink.messages] == ["Subject a", "Other words"]

    Connection.objects.filter(pk=at_smtp.pk).update(state="paused")
    send_to(everybody[2])

    assert len(sink.messages) == 2
    assert Campaign.objects.get().state == "paused"


def test_a_lease_is_renewed_by_a_batch_once_it_is_no_longer_young(workspace, campaign, people, at_smtp):
    people(1)
    launch(campaign(), now=timezone.now())
    began = timezone.now()
    claimed = Queue().claim(now=began)

    def until_after(seconds):
        now = began + timedelta(seconds=seconds)
        ids, door = [Recipient.objects.get().pk], {"provider": "smtp", "connection_id": at_smtp.pk}
        [rows] = one_trip.fetch_all([journal.begin(claimed, uuid7(), ids, **door, now=now)])
        assert len(rows) == 1
        return Chunk.objects.get().lease_until - began

    assert until_after(3) == LEASE
    assert until_after(30) == LEASE + timedelta(seconds=30)
    assert until_after(31) == LEASE + timedelta(seconds=30)
