"""What a worker that died had in hand: its batch first, then its chunk.

A batch without an end may have left. Where the provider drops what it has had under the same key it is sent
again, word by word, under that key. Elsewhere its messages are uncertain: they are in the ledger as that, and
then go again or stay, as the campaign says.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts import one_trip, scoping
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.delivery import journal, rooms, sending, working, writing
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.queueing import LEASE
from apps.campaigns.delivery.reading import Addressee
from apps.campaigns.models import Campaign, LedgerEntry, Recipient, SendBatch, SendRun
from apps.integrations import bulk_mail
from apps.integrations.bulk_mail import Fate

State, Entry = Recipient.State, LedgerEntry.Fate
LOST = "Its worker died, or its answer was lost."
# Chunks whose batches are all settled go back into the queue.
REOPEN = """
    WITH freed AS (
        UPDATE campaigns_chunk AS c SET state = 'open', lease_until = NULL, leased_by = NULL
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.state = 'leased'
          AND c.lease_until <= %(now)s::timestamptz
          AND NOT EXISTS (
              SELECT FROM campaigns_sendbatch AS b
              WHERE b.workspace_id = (SELECT %(workspace)s::bigint) AND b.campaign_id = c.campaign_id
                AND b.chunk = c.number AND b.settled_at IS NULL)
        RETURNING c.campaign_id
    )
    UPDATE campaigns_sendrun AS r SET is_open = true, due_at = NULL
    WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id IN (SELECT campaign_id FROM freed)
      AND NOT r.is_paused AND r.finished_at IS NULL
    RETURNING r.id
"""


@workspace_task(name="campaigns.delivery.recover")
def recover() -> int:
    """Settle every batch whose lease ran out, then free the chunks. How many batches."""
    settled = 0
    while (batch := _take(now=timezone.now())) is not None:
        _settle(batch, now=timezone.now())
        settled += 1
    params = {"workspace": scoping.current_id(), "now": timezone.now()}
    if one_trip.fetch_all([(REOPEN, params)])[0]:
        working.deliver.delay_on_commit()
    return settled


@transaction.atomic
def _take(*, now: datetime) -> SendBatch | None:
    """The next of them, under a lease of its own."""
    lost = SendBatch.objects.filter(settled_at__isnull=True, lease_until__lte=now)
    batch: SendBatch | None = lost.order_by("lease_until").select_for_update(skip_locked=True).first()
    if batch is not None:
        batch.lease_until = now + LEASE
        batch.save(update_fields=["lease_until"])
    return batch


def _settle(batch: SendBatch, *, now: datetime) -> None:
    campaign: Campaign = Campaign.objects.select_related("topic", "sender").get(pk=batch.campaign_id)
    door = bulk_mail.door_of(batch.connection_id)
    if door is not None and door.repeats and now - batch.begun_at < bulk_mail.KEY_KEPT:
        writer = writing.writer(campaign, bulk_mail.sender(campaign.sender))
        people = _people(batch, writer)
        if people is not None:
            _again(batch, campaign, door, writer, people, now=now)
            return
    _give_up(batch, campaign, now=now)


def _again(
    batch: SendBatch,
    campaign: Campaign,
    door: bulk_mail.Door,
    writer: writing.Writer,
    people: list[Addressee],
    *,
    now: datetime,
) -> None:
    """Under the same key. While its fate stays open it stays as it is, until it is asked again."""
    answer = door.send(writer.envelope, writer.letters(people), key=str(batch.key))
    verdicts = answer.value
    if verdicts is None:
        return
    is_open = any(one.fate in {Fate.UNKNOWN, Fate.UNSENT} for one in verdicts)
    if is_open and not sending.seen_before(verdicts):
        return
    told = sending.told_of(campaign, people, verdicts, now=now)
    sending.suppress(people, verdicts, told_by=batch.provider, now=now)
    _write(batch, told, now=now)


def _give_up(batch: SendBatch, campaign: Campaign, *, now: datetime) -> None:
    """Uncertain, each of them. One that goes again goes with its chunk."""
    is_over = SendRun.objects.filter(campaign=campaign, finished_at__isnull=False).exists()
    is_resent = campaign.after_crash == Campaign.AfterCrash.RESEND and not is_over
    found = Recipient.objects.filter(pk__in=batch.recipient_ids).values_list("pk", "content_id", "due_at")
    told = [
        Told(key, content_id, Entry.UNCERTAIN, LOST, state="" if is_resent else State.UNCERTAIN, due_at=due)
        for key, content_id, due in found
    ]
    _write(batch, told, now=now)


def _write(batch: SendBatch, told: list[Told], *, now: datetime) -> None:
    one_trip.fetch_all(
        [journal.settle(batch.campaign_id, told, key=batch.key, provider=batch.provider, now=now)]
    )


def _people(batch: SendBatch, writer: writing.Writer) -> list[Addressee] | None:
    """Everybody of the batch with the words of that day, or None when somebody cannot be told any more."""
    rows: dict[int, Any] = {
        key: (person, content)
        for key, person, content in Recipient.objects.filter(pk__in=batch.recipient_ids).values_list(
            "pk", "person_id", "content_id"
        )
    }
    winner = SendRun.objects.get(campaign_id=batch.campaign_id).winner_id
    asked = [person for person, _ in rows.values()]
    values = rooms.values_of(asked, writer.compiled, now=batch.begun_at)
    found = []
    for key in batch.recipient_ids:
        person, content = rows.get(key, (0, None))
        address = bulk_mail.deliverable(str(values.get(person, {}).get("email") or ""))
        if not address or (content or winner) is None:
            return None
        found.append(Addressee(key, content or winner, address, values[person]))
    return found
