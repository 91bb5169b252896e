"""One chunk, from its claim to its last entry in the ledger.

In batches of at most fifty: journalled, sent, and settled together with the journal of the next. Before each
the run is asked whether it still goes on. A provider that takes nothing is passed over for the next; one
whose answer is lost is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from apps.accounts import one_trip
from apps.accounts.models import Workspace
from apps.accounts.one_trip import Statement
from apps.campaigns.delivery import journal, leftovers, limits, reading, stopping, writing
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.queueing import Claimed
from apps.campaigns.delivery.reading import Addressee
from apps.campaigns.models import Campaign, Chunk, LedgerEntry, Recipient, SendRun
from apps.integrations import bulk_mail, suppressions
from apps.integrations.bulk_mail import Door, Fate, Verdict
from apps.integrations.ids import uuid7

BATCH = 50
# A server that asks for patience gets it, and so does a fate that may still become known.
LATER = timedelta(minutes=15)
MOST_TRIES = 6
SHORTEST_WAIT = timedelta(seconds=5)
DEFAULT_WAIT = timedelta(seconds=30)
Clock = Callable[[], datetime]
State, Entry = Recipient.State, LedgerEntry.Fate


@dataclass
class _Stop(Exception):
    """The chunk goes no further. again_at: when the rest is tried again; None: it is in other hands."""

    again_at: datetime | None = None
    is_mine: bool = True


@dataclass
class Chunked:
    """The chunk in hand. told: what the next transaction writes first."""

    claimed: Claimed
    campaign: Campaign
    sender: bulk_mail.Sender
    writer: writing.Writer
    doors: list[Door]
    settings: limits.Settings
    clock: Clock
    told: list[Statement] = field(default_factory=list)

    def send(self, people: Sequence[Addressee]) -> None:
        for some in batched_list(people, BATCH):
            self._send_some(some)

    def _send_some(self, people: list[Addressee]) -> None:
        while people:
            now = self.clock()
            granted = limits.grant(
                self.campaign, self.sender.connection.pk, len(people), self.settings, now=now
            )
            if not granted.number:
                raise _Stop(max(granted.more_at or now, now + SHORTEST_WAIT))
            self._through_doors(people[: granted.number])
            people = people[granted.number :]

    def _through_doors(self, people: list[Addressee]) -> None:
        """Raises _Stop while nobody takes what is left of them."""
        waits: list[datetime] = []
        trouble = "No e-mail provider can be used. Connect one, then resume the campaign."
        for door in self.doors:
            people, answer = self._through(door, people)
            if not people:
                return
            now = self.clock()
            bulk_mail.note(door, answer.outcome, now=now)
            if not bulk_mail.needs_a_person(answer.outcome):
                seconds = answer.outcome.retry_after_seconds
                wait = DEFAULT_WAIT if seconds is None else timedelta(seconds=seconds)
                waits.append(now + max(wait, SHORTEST_WAIT))
            if bulk_mail.needs_patience(answer):
                break
        if not waits:
            self._write()
            stopping.pause(self.campaign, reason=trouble, now=self.clock())
            raise _Stop(self.clock())
        raise _Stop(min(waits))

    def _through(
        self, door: Door, people: list[Addressee]
    ) -> tuple[list[Addressee], "bulk_mail.Answer[list[Verdict]]"]:
        """Journal them, send them, and keep what became of them. Answers those who may go elsewhere."""
        key = uuid7()
        letters = self.writer.letters(people)
        self._begin(key, door, people)
        answer = door.send(self.writer.envelope, letters, key=str(key))
        verdicts = answer.value or [Verdict(Fate.UNSENT, answer.outcome.reason)] * len(people)
        is_open = any(one.fate == Fate.UNKNOWN for one in verdicts)
        if door.repeats and is_open and not seen_before(verdicts):
            raise _Stop(is_mine=False)  # its lease runs out, and it is asked again under the same key
        provider = door.client.connection.service
        outcome = told_of(self.campaign, people, verdicts, now=self.clock())
        self.told.append(
            journal.settle(self.campaign.pk, outcome, key=key, provider=provider, now=self.clock())
        )
        suppress(people, verdicts, told_by=provider, now=self.clock())
        pairs = zip(people, verdicts, strict=True)
        return [one for one, verdict in pairs if verdict.fate == Fate.UNSENT], answer

    def _begin(self, key: UUID, door: Door, people: list[Addressee]) -> None:
        connection = door.client.connection
        begun = journal.begin(
            self.claimed,
            key,
            [one.id for one in people],
            provider=connection.service,
            connection_id=connection.pk,
            now=self.clock(),
        )
        if not self._write(begun):
            raise _Stop(self.clock())

    def _write(self, *more: Statement) -> bool:
        """In one transaction what has become of the batch before, and what follows. Whether that answered."""
        statements, self.told = [*self.told, *more], []
        if not statements:
            return False
        return bool(journal.write(statements)[-1])

    def end(self, state: str, *, due_at: datetime | None = None) -> None:
        self._write(journal.end(self.claimed, state=state, due_at=due_at))


def send(claimed: Claimed, *, clock: Clock = timezone.now) -> int:
    """Send the claimed chunk. How many were written to. Raises what the database or a bug raises: the lease
    then runs out.
    """
    campaign: Campaign = Campaign.objects.select_related("topic", "sender").get(pk=claimed.campaign_id)
    workspace, now = Workspace.objects.get(), clock()
    sender = bulk_mail.sender(campaign.sender)
    if sender.trouble:
        one_trip.fetch_all([journal.end(claimed, state=Chunk.State.OPEN)])
        stopping.pause(campaign, reason=sender.trouble, now=now)
        return 0
    settings = limits.of_workspace(workspace, now=now)
    writer = writing.writer(campaign, sender)
    rows = reading.rows_of(claimed)
    found = reading.sort(campaign, rows, writer.compiled, settings, workspace, now=now)
    chunk = Chunked(claimed, campaign, sender, writer, bulk_mail.doors(), settings, clock)
    if found.apart:
        chunk.told.append(journal.settle(campaign.pk, found.apart, now=now))
    try:
        chunk.send(found.now)
    except _Stop as stop:
        if stop.is_mine:
            chunk.end(Chunk.State.OPEN, due_at=stop.again_at)
        _skip_if_cancelled(claimed.campaign_id)
        return 0
    chunk.end(Chunk.State.DONE)
    _skip_if_cancelled(claimed.campaign_id)
    return len(found.now)


def _skip_if_cancelled(campaign_id: int) -> None:
    """What was put off while somebody cancelled is not to be sent any more."""
    if SendRun.objects.filter(campaign=campaign_id, finished_at__isnull=False).exists():
        leftovers.skip(campaign_id=campaign_id)


def told_of(
    campaign: Campaign, people: Sequence[Addressee], verdicts: Sequence[Verdict], *, now: datetime
) -> list[Told]:
    """What becomes of each: UNSENT ones stay as they are."""
    is_resent = campaign.after_crash == Campaign.AfterCrash.RESEND
    patient = [one.id for one, verdict in zip(people, verdicts, strict=True) if verdict.fate == Fate.LATER]
    tries = _tries(campaign, patient)
    found = []
    for one, verdict in zip(people, verdicts, strict=True):
        if verdict.fate == Fate.UNSENT:
            continue
        entry, state, due_at = _FATES.get(verdict.fate, (Entry.LATER, "", now + LATER))
        if verdict.fate == Fate.LATER and tries.get(one.id, 0) + 1 >= MOST_TRIES:
            entry, state, due_at = Entry.REFUSED, State.REFUSED, None
        elif verdict.fate == Fate.UNKNOWN and is_resent and not seen_before([verdict]):
            state, due_at = "", now + LATER
        found.append(Told(one.id, one.content_id, entry, verdict.reason, verdict.provider_id, state, due_at))
    return found


_FATES: dict[Fate, tuple[str, str, datetime | None]] = {
    Fate.ACCEPTED: (Entry.ACCEPTED, State.SENT, None),
    Fate.REFUSED: (Entry.REFUSED, State.REFUSED, None),
    Fate.UNKNOWN: (Entry.UNCERTAIN, State.UNCERTAIN, None),
}


def seen_before(verdicts: Sequence[Verdict]) -> bool:
    """Whether the provider says that it had the batch, with other words: sending it again is no help."""
    return any(one.reason == bulk_mail.ANOTHER_PAYLOAD for one in verdicts)


def suppress(
    people: Sequence[Addressee], verdicts: Sequence[Verdict], *, told_by: str, now: datetime
) -> None:
    """Nobody writes again to an address that does not exist."""
    for one, verdict in zip(people, verdicts, strict=True):
        if verdict.is_bad_address:
            suppressions.add_address(one.address, suppressions.Reason.INVALID, told_by=told_by, now=now)


def _tries(campaign: Campaign, ids: list[int]) -> dict[int, int]:
    if not ids:
        return {}
    entries = LedgerEntry.objects.filter(campaign=campaign, recipient_id__in=ids, fate=Entry.LATER)
    return dict(entries.values_list("recipient_id").annotate(tries=Count("id")))


def batched_list(people: Sequence[Addressee], size: int) -> list[list[Addressee]]:
    return [list(people[start : start + size]) for start in range(0, len(people), size)]
