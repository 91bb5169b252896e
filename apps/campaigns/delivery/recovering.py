"""What a worker that died had in hand: its chunk, and its batch.

A batch whose provider had said what became of it is entered into the ledger. One without an end may have
left. Where the provider drops what it has had under the same key it is sent again, word by word, under that
key, unless its campaign is paused or over; without those who may not be written to any more: a provider that
had it with them refuses it without them. What was parted, since the provider refused it as a whole, is asked
for by the same parts. Where the provider can be asked what it had (Mailgun), it is: what it had is accepted,
and what it never had goes as if it had not been tried. Elsewhere its messages are uncertain: they are in the
ledger as that, and then go again, by themselves, or stay, as the campaign says.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from apps.accounts import one_trip, scoping
from apps.accounts.one_trip import Statement
from apps.accounts.tasks_base import workspace_task
from apps.campaigns import message_tokens, reach
from apps.campaigns.delivery import (
    journal,
    leftovers,
    rooms,
    sending,
    waking,
    withdrawals,
    working,
    writing,
)
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.queueing import LEASE
from apps.campaigns.delivery.reading import Addressee
from apps.campaigns.models import Campaign, LedgerEntry, Recipient, SendBatch, SendRun
from apps.integrations import bulk_mail
from apps.integrations.bulk_mail import Fate

log = structlog.get_logger(__name__)

State, Entry = Recipient.State, LedgerEntry.Fate
LOST = "Its worker died, or its answer was lost."
# For so long a provider is asked again what it had, when it does not say.
ASKED_FOR = timedelta(hours=1)
# Who is in a batch without an end is passed over by whoever takes the chunk next. Runs are locked before
# their chunks, as whoever cancels one does.
REOPEN = """
    WITH silent AS (
        SELECT c.id, c.campaign_id FROM campaigns_chunk AS c
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.state = 'leased'
          AND c.lease_until <= %(now)s::timestamptz
    ), held AS (
        SELECT r.campaign_id FROM campaigns_sendrun AS r
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint)
          AND r.campaign_id IN (SELECT campaign_id FROM silent)
        ORDER BY r.campaign_id FOR NO KEY UPDATE
    ), freed AS (
        UPDATE campaigns_chunk AS c SET state = 'open', lease_until = NULL, leased_by = NULL
        FROM silent JOIN (SELECT DISTINCT campaign_id FROM held) AS held USING (campaign_id)
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = silent.id AND c.state = 'leased'
          AND c.lease_until <= %(now)s::timestamptz
        RETURNING c.campaign_id
    )
    UPDATE campaigns_sendrun AS r SET is_open = true, due_at = NULL
    WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id IN (SELECT campaign_id FROM freed)
      AND NOT r.is_paused AND r.finished_at IS NULL
    RETURNING r.id
"""


@workspace_task(name="campaigns.delivery.recover")
def recover() -> int:
    """Settle every batch whose lease ran out, then free the chunks. How many batches. One that fails
    is tried again when its new lease is over; the others do not wait for it.
    """
    settled = 0
    while (batch := _take(now=timezone.now())) is not None:
        settled += _is_settled(batch)
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


def _is_settled(batch: SendBatch) -> bool:
    try:
        _settle(batch, now=timezone.now())
        return True
    except Exception:
        log.exception("delivery.batch_not_recovered", campaign=batch.campaign_id, batch=str(batch.key))
        return False


def _settle(batch: SendBatch, *, now: datetime) -> None:
    campaign: Campaign = Campaign.objects.select_related("topic", "sender").get(pk=batch.campaign_id)
    run: SendRun = SendRun.objects.get(campaign=campaign)
    if batch.accepted_at is not None:
        _end(run, [journal.enter(campaign.pk, [batch.key], winner_id=run.winner_id, now=now)], now=now)
        return
    door = bulk_mail.door_of(batch.connection_id)
    if (recalls := bulk_mail.recalling(door)) is not None:
        _ask(batch, run, campaign, recalls, now=now)
        return
    repeats = door is not None and door.repeats and now - batch.begun_at < bulk_mail.KEY_KEPT
    if not repeats or door is None or run.finished_at is not None:
        _give_up(batch, run, campaign, now=now)
    elif not run.is_paused:
        _again(batch, run, campaign, door, now=now)


def _ask(
    batch: SendBatch, run: SendRun, campaign: Campaign, door: bulk_mail.Recalls, *, now: datetime
) -> None:
    """What it had of the batch. What it cannot tell yet is asked for under the next lease, for a while."""
    rows, sender = _rows(batch, is_open=True), bulk_mail.sender(campaign.sender).connection.account
    tokens = [message_tokens.issue(batch.workspace_id, key) for key, *_ in rows]
    ids = [bulk_mail.message_id(sender, one) for one in tokens]
    answer = door.look_up(ids, asked_at=batch.begun_at + LEASE, now=now)
    pairs = list(zip(rows, answer.value or [], strict=True))
    is_hopeless = now - batch.begun_at > ASKED_FOR or bulk_mail.needs_a_person(answer.outcome)
    is_over = is_hopeless or all(verdict.fate != Fate.UNKNOWN for _, verdict in pairs)
    is_resent = _is_resent(run, campaign)
    found = [_recalled(key, content, verdict, is_resent, now=now) for (key, _, content), verdict in pairs]
    told = [one for one in found if one.state == State.SENT or is_over]
    if told or is_over:
        _write(batch, run, told, is_over=is_over, now=now)


def _recalled(
    key: int, content: int | None, verdict: bulk_mail.Verdict, is_resent: bool, *, now: datetime
) -> Told:
    if verdict.fate == Fate.ACCEPTED:
        return Told(key, content, Entry.ACCEPTED, provider_id=verdict.provider_id, state=State.SENT)
    if verdict.fate == Fate.UNSENT:
        return Told(key, content, due_at=now)
    return _lost(key, content, is_resent, now=now)


def _again(
    batch: SendBatch, run: SendRun, campaign: Campaign, door: bulk_mail.Door, *, now: datetime
) -> None:
    """Under the same key. Whose fate stays open stays as they are, until they are asked for again."""
    writer = writing.writer(campaign, bulk_mail.sender(campaign.sender))
    people, barred = _people(batch, run, campaign, writer, now=now)
    if not people or (len(people) < len(batch.recipient_ids) and _is_parted_unnoted(batch)):
        _give_up(batch, run, campaign, now=now)
        return
    parting = journal.parting(batch.key, batch.parted or (), held_until=batch.lease_until, clock=timezone.now)
    answer = door.send(writer.envelope, writer.letters(people), key=str(batch.key), parting=parting)
    pairs = list(zip(people, answer.value or [], strict=False))
    known = [(one, verdict) for one, verdict in pairs if _is_known(verdict)]
    if not known:
        return
    is_over = len(known) == len(people)
    addressees, verdicts = [one for one, _ in known], [verdict for _, verdict in known]
    still = {key for key, *_ in _rows(batch, is_open=True)}
    found = sending.told_of(campaign, addressees, verdicts, now=now)
    told = [one for one in found if one.id in still and (one.state or is_over)]
    if is_over:
        told += _of_barred(barred, any(map(sending.is_had, verdicts)), now=now)
    sending.suppress_addresses(addressees, verdicts, told_by=batch.provider, now=now)
    _write(batch, run, told, is_over=is_over, now=now)


def _is_parted_unnoted(batch: SendBatch) -> bool:
    """Whether a worker that did not yet write down which keys it parted was among its parts."""
    if batch.parted is not None:
        return False
    written = LedgerEntry.objects.filter(campaign=batch.campaign_id, recipient_id__in=batch.recipient_ids)
    return bool(written.filter(batch=batch.key).exists())


def _is_known(verdict: bulk_mail.Verdict) -> bool:
    return verdict.fate not in sending.OPEN or sending.is_had(verdict)


def _of_barred(barred: dict[int, int | None], is_had: bool, *, now: datetime) -> list[Told]:
    """What was had may have been had with them; else they go the usual way, which says why not."""
    if is_had:
        return [
            Told(key, content, Entry.UNCERTAIN, LOST, state=State.UNCERTAIN)
            for key, content in barred.items()
        ]
    return [Told(key, content, due_at=now) for key, content in barred.items()]


def _give_up(batch: SendBatch, run: SendRun, campaign: Campaign, *, now: datetime) -> None:
    """Uncertain, each of them. One that goes again goes by themselves: its chunk may be over."""
    is_resent = _is_resent(run, campaign)
    rows = _rows(batch, is_open=True)
    told = [_lost(key, content, is_resent, now=now) for key, _, content in rows]
    _write(batch, run, told, now=now)


def _is_resent(run: SendRun, campaign: Campaign) -> bool:
    return campaign.after_crash == Campaign.AfterCrash.RESEND and run.finished_at is None


def _lost(key: int, content: int | None, is_resent: bool, *, now: datetime) -> Told:
    if is_resent:
        return Told(key, content, Entry.UNCERTAIN, LOST, due_at=now)
    return Told(key, content, Entry.UNCERTAIN, LOST, state=State.UNCERTAIN)


def _rows(batch: SendBatch, *, is_open: bool = False) -> list[tuple[int, int, int | None]]:
    """Recipient, person and content of each of the batch. is_open: of those whose fate is not known yet."""
    found = Recipient.objects.filter(pk__in=batch.recipient_ids)
    if is_open:
        found = found.filter(state__in=[State.TO_SEND, State.WAITING])
    return list(found.order_by("pk").values_list("pk", "person_id", "content_id"))


def _write(batch: SendBatch, run: SendRun, told: list[Told], *, is_over: bool = True, now: datetime) -> None:
    outcome = journal.settle(
        batch.campaign_id, told, key=batch.key, is_over=is_over, provider=batch.provider, now=now
    )
    _end(run, [*sending.given_back(told), outcome], now=now)


def _end(run: SendRun, statements: list[Statement], *, now: datetime) -> None:
    """And have the run looked at again: for those who go once more, or because this was the last of it."""
    one_trip.fetch_all(statements)
    waking.wake(run.pk, now, now=now)
    leftovers.skip_if_cancelled(run.campaign_id)


def _people(
    batch: SendBatch, run: SendRun, campaign: Campaign, writer: writing.Writer, *, now: datetime
) -> tuple[list[Addressee], dict[int, int | None]]:
    """Those of the batch who may still be written to, with the words of that day; and who may not, with
    their contents.

    Whose fate is known already stands with the others again: the provider knows them by the whole.
    """
    rows, still = _rows(batch), {key: person for key, person, _ in _rows(batch, is_open=True)}
    against = reach.against(campaign, list(still.values()), now=now)
    withdrawn = withdrawals.of(list(still))
    values = rooms.values_of([person for _, person, _ in rows], writer.compiled, now=batch.begun_at)
    people, barred = [], {}
    for key, person, content in rows:
        content_id = content or run.winner_id
        address = bulk_mail.deliverable(str(values.get(person, {}).get("email") or ""))
        is_barred = key in still and (person in against or key in withdrawn)
        if address and content_id is not None and not is_barred:
            people.append(Addressee(key, person, content_id, address, values[person]))
        elif key in still:
            barred[key] = content
    return people, barred
