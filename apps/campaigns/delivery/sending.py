"""One chunk, from its claim to its last entry in the ledger.

In batches of at most fifty: journalled, sent, and what became of them written down together with the journal
of the next. Whom a provider took, and said no number of theirs, is noted with the batch; the ledger is told
of all batches of the chunk at once, or every few seconds. Before each batch the run is asked whether it still
goes on. A provider that takes nothing is passed over for the next; one whose answer is lost is not. No more
people are read than may be written to now.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from apps.accounts import one_trip
from apps.accounts.one_trip import Statement
from apps.campaigns import flags
from apps.campaigns.delivery import journal, leftovers, limits, paces, reading, stopping, writing
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.opening import Openings
from apps.campaigns.delivery.queueing import CHUNK, LEASE, Claimed
from apps.campaigns.delivery.reading import Addressee
from apps.campaigns.models import Campaign, Chunk, LedgerEntry, Recipient
from apps.integrations import bulk_mail, suppressions
from apps.integrations.bulk_mail import Door, Fate, Verdict
from apps.integrations.ids import uuid7

BATCH = 50
# A server that asks for patience gets it, and so does a fate that may still become known.
LATER = timedelta(minutes=15)
MOST_TRIES = 6
SHORTEST_WAIT = timedelta(seconds=5)
DEFAULT_WAIT = timedelta(seconds=30)
# So late at most the ledger, and with it every page, is told of what was noted.
TOLD_WITHIN = timedelta(seconds=3)
Clock = Callable[[], datetime]
State, Entry = Recipient.State, LedgerEntry.Fate
# Of these nothing is known yet.
OPEN = {Fate.UNKNOWN, Fate.UNSENT}


@dataclass
class _Stop(Exception):
    """The chunk goes no further. again_at: when the rest is tried again. is_for_all: nothing else of the
    campaign can leave before then either.
    """

    again_at: datetime
    is_for_all: bool = False


class _TakenMeanwhile(Exception):
    """Somebody else has used up what was to be taken of an allowance."""


@dataclass
class Chunked:
    """The chunk in hand. told: what the next transaction writes first. noted: the batches of which the ledger
    is not told yet, and since when. taken: those for whom an allowance is counted, and who have not been sent
    to.
    """

    claimed: Claimed
    campaign: Campaign
    sender: bulk_mail.Sender
    writer: writing.Writer
    doors: list[Door]
    settings: limits.Settings
    clock: Clock
    told: list[Statement] = field(default_factory=list)
    noted: dict[UUID, datetime] = field(default_factory=dict)
    taken: dict[int, str] = field(default_factory=dict)
    put_off: Counter[str] = field(default_factory=Counter)

    @cached_property
    def limits(self) -> list[paces.Limit]:
        return paces.of_run(self.campaign, self.sender.connection.pk, self.settings)

    def room(self, wanted: int) -> int:
        """How many of the wanted may leave now. Raises _Stop when none."""
        now = self.clock()
        granted = paces.room(self.limits, wanted, now=now) if self.limits else paces.Granted(wanted)
        if not granted.number:
            raise _Stop(max(granted.more_at or now, now + SHORTEST_WAIT), is_for_all=True)
        return granted.number

    def send(self, people: Sequence[Addressee]) -> None:
        for some in batched_list(people, BATCH):
            self._send_some(some)

    def _send_some(self, people: list[Addressee]) -> None:
        while people:
            people = self._within_domains(people)
            if not people:
                return
            number = self.room(len(people))
            with suppress(_TakenMeanwhile):
                self._through_doors(people[:number])
                people = people[number:]

    def _within_domains(self, people: list[Addressee]) -> list[Addressee]:
        """Put off who would be too many for the server that receives for them, each until their turn."""
        if not self.settings.domains_per_hour:
            return people
        now, kept, later = self.clock(), [], []
        by_domain: dict[str, list[Addressee]] = defaultdict(list)
        for one in people:
            by_domain[one.domain].append(one)
        for name, those in by_domain.items():
            limit = paces.of_domain(name, self.settings)
            granted = paces.Granted(len(those)) if limit is None else paces.room([limit], len(those), now=now)
            kept += those[: granted.number]
            for one in those[granted.number :]:
                seconds = self.put_off[name] * (limit.seconds if limit else 0.0)
                self.put_off[name] += 1
                due = (granted.more_at or now) + timedelta(seconds=seconds)
                later.append(Told(one.id, one.content_id, due_at=due))
        if later:
            self.told.append(journal.settle(self.campaign.pk, later, now=now))
        return kept

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
            self._write(*self._given_back())
            stopping.pause(self.campaign, reason=trouble, now=self.clock())
            raise _Stop(self.clock())
        raise _Stop(min(waits))

    def _through(
        self, door: Door, people: list[Addressee]
    ) -> tuple[list[Addressee], "bulk_mail.Answer[list[Verdict]]"]:
        """Journal them, send them, and keep what became of them. Answers those who may go elsewhere."""
        key, begun_at, pile = uuid7(), self.clock(), writing.Pile(self.writer, people)
        self._begin(key, door, pile, now=begun_at)
        parting = journal.parting(key, held_until=begun_at + LEASE, clock=self.clock)
        answer = door.send(self.writer.envelope, pile.letters, key=str(key), parting=parting)
        verdicts = answer.value or [Verdict(Fate.UNSENT, answer.outcome.reason)] * len(people)
        pairs = list(zip(people, verdicts, strict=True))
        lost = [one.id for one, verdict in pairs if verdict.fate == Fate.UNKNOWN and not is_had(verdict)]
        stays_open, is_recalled = bool(door.repeats and lost), bool(bulk_mail.recalling(door) and lost)
        self._settle(key, door, people, verdicts, is_over=not (stays_open or is_recalled))
        if is_recalled:  # it is asked what it had of them; the others go on
            self.told.append(journal.narrow(key, lost))
        unsent = [] if stays_open else [one for one, verdict in pairs if verdict.fate == Fate.UNSENT]
        if self.taken:
            self.taken = {one.id: self.taken[one.id] for one in unsent}
        if stays_open:  # it is asked again under the same key; the others do not wait for it
            raise _Stop(self.clock() + DEFAULT_WAIT)
        return unsent, answer

    def _settle(
        self, key: UUID, door: Door, people: list[Addressee], verdicts: list[Verdict], *, is_over: bool
    ) -> None:
        provider, now = door.client.connection.service, self.clock()
        if not is_over:
            known = [place for place, one in enumerate(verdicts) if one.fate not in OPEN]
            people, verdicts = [people[place] for place in known], [verdicts[place] for place in known]
        outcome = told_of(self.campaign, people, verdicts, now=now)
        self.told = [*given_back(outcome), *self.told]
        if is_over and (plain := [one for one in outcome if _is_plain(one)]):
            outcome, is_over = [one for one in outcome if not _is_plain(one)], False
            ids = [one.id for one in plain] if len(plain) < len(people) else None
            self.told.append(journal.note(key, ids, now=now))
            self.noted[key] = now
        if outcome or is_over:
            self.told.append(
                journal.settle(
                    self.campaign.pk, outcome, key=key, is_over=is_over, provider=provider, now=now
                )
            )
        suppress_addresses(people, verdicts, told_by=provider, now=now)

    def _begin(self, key: UUID, door: Door, pile: writing.Pile, *, now: datetime) -> None:
        """And write the letters. Where they cannot be written nothing is left begun."""
        connection, people = door.client.connection, list(pile.people)
        begun = journal.begin(
            self.claimed,
            key,
            [one.id for one in people],
            provider=connection.service,
            connection_id=connection.pk,
            now=now,
        )
        if self._is_paced:
            pile.write()
            is_begun = self._write_paced(begun, people)
        else:
            is_begun = self._write_with(pile, begun, key)
        if not is_begun:
            raise _Stop(self.clock())

    def _write_with(self, pile: writing.Pile, begun: Statement, key: UUID) -> bool:
        """The letters meanwhile; they may fail when it is on its way to be committed, so it is ended then."""
        try:
            return self._write(begun, meanwhile=pile.write)
        finally:
            if pile.is_broken:
                self._write(journal.settle(self.campaign.pk, [], key=key, now=self.clock()))

    @property
    def _is_paced(self) -> bool:
        return bool(self.limits or self.settings.domains_per_hour)

    def _write_paced(self, begun: Statement, people: list[Addressee]) -> bool:
        """With what it takes of each allowance, in one transaction."""
        self._write()
        asked = {one.id: one.domain for one in people if one.id not in self.taken}
        wanted = paces.of_people(self.limits, list(asked.values()), self.settings)
        with transaction.atomic():
            if not paces.take(wanted, now=self.clock()):
                raise _TakenMeanwhile
            [rows] = one_trip.fetch_all([begun])
            if not rows:
                transaction.set_rollback(True)
                return False
        self.taken |= asked
        return True

    def _given_back(self) -> list[Statement]:
        taken = paces.of_people(self.limits, list(self.taken.values()), self.settings)
        self.taken = {}
        return [paces.give_back(taken, self.settings.zone_day)] if taken else []

    def _write(self, *more: Statement, meanwhile: Callable[[], None] = one_trip.nothing) -> bool:
        """In one transaction what has become of the batch before, and what follows. Whether that answered."""
        is_time = bool(self.noted) and self.clock() - min(self.noted.values()) >= TOLD_WITHIN
        statements, self.told = [*self.told, *(self._entered() if is_time else []), *more], []
        if not statements:
            return False
        return bool(journal.write(statements, meanwhile=meanwhile)[-1])

    def _entered(self) -> list[Statement]:
        keys, self.noted = list(self.noted), {}
        winner, now = self.claimed.winner_id, self.clock()
        return [journal.enter(self.campaign.pk, keys, winner_id=winner, now=now)] if keys else []

    def end(self, state: str, *, due_at: datetime | None = None) -> None:
        """Apart from what became of people: whoever writes them down locks the run before the counts."""
        self._write(*self._entered(), *self._given_back())
        [rows] = journal.write([journal.end(self.claimed, state=state, due_at=due_at)])
        if rows == [(True,)]:  # no row: its workspace has been taken away meanwhile
            leftovers.skip(campaign_id=self.campaign.pk)

    def stop(self, stop: _Stop) -> None:
        """Give the chunk back; where nothing else can leave either, the campaign rests as well."""
        if not stop.is_for_all:
            self.end(Chunk.State.OPEN, due_at=stop.again_at)
            return
        self._write(*self._entered(), *self._given_back())  # apart, as at the end
        over = journal.end(self.claimed, state=Chunk.State.OPEN)
        self._write(journal.hold(self.claimed), over, journal.rest(self.claimed, until=stop.again_at))
        leftovers.skip_if_cancelled(self.campaign.pk)


def send(claimed: Claimed, *, openings: Openings | None = None, clock: Clock = timezone.now) -> int:
    """Send the claimed chunk. How many were written to. Raises what the database or a bug raises: the lease
    then runs out.

    openings: of the worker, who has had other chunks of the campaign.
    """
    opened, is_on = (openings or Openings()).of(claimed)
    campaign, workspace, now = opened.campaign, opened.workspace, clock()
    trouble = opened.sender.trouble if is_on else flags.SENDING_IS_OFF
    if trouble:
        one_trip.fetch_all([journal.end(claimed, state=Chunk.State.OPEN)])
        stopping.pause(campaign, reason=trouble, now=now)
        return 0
    settings = limits.of_workspace(workspace, now=now)
    writer = opened.writer
    chunk = Chunked(claimed, campaign, opened.sender, writer, opened.doors, settings, clock)
    sent = 0
    try:
        for rows in _parts(chunk):
            found = reading.sort(campaign, rows, writer.compiled, settings, workspace, now=now)
            if found.apart:
                chunk.told.append(journal.settle(campaign.pk, found.apart, now=now))
            chunk.send(found.now)
            sent += len(found.now)
    except _Stop as stop:
        chunk.stop(stop)
    else:
        chunk.end(Chunk.State.DONE)
    return sent


def _parts(chunk: Chunked) -> Iterator[list[reading.Row]]:
    """Those of the chunk who are still to be sent to, as many at a time as may be. Raises _Stop."""
    after = 0
    while True:
        most = chunk.room(CHUNK)
        rows = reading.rows_of(chunk.claimed, after=after, most=most, now=chunk.clock())
        if rows.here:
            yield rows.here
        if rows.is_all:
            return
        after = rows.through


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
        elif verdict.fate == Fate.UNKNOWN and is_resent and not is_had(verdict):
            state, due_at = "", now + LATER
        found.append(Told(one.id, one.content_id, entry, verdict.reason, verdict.provider_id, state, due_at))
    return found


_FATES: dict[Fate, tuple[str, str, datetime | None]] = {
    Fate.ACCEPTED: (Entry.ACCEPTED, State.SENT, None),
    Fate.REFUSED: (Entry.REFUSED, State.REFUSED, None),
    Fate.UNKNOWN: (Entry.UNCERTAIN, State.UNCERTAIN, None),
}


def _is_plain(told: Told) -> bool:
    """Whether there is nothing to say of it but that it was accepted."""
    return told.fate == Entry.ACCEPTED and not told.provider_id and not told.reason


def given_back(told: Sequence[Told]) -> list[Statement]:
    """Of the caps of those who are refused for good: they have got nothing."""
    refused = [one.id for one in told if one.state == State.REFUSED]
    return [limits.giving_back(refused)] if refused else []


def is_had(verdict: Verdict) -> bool:
    """Whether the provider says that it had it, with other words: sending it again is no help."""
    return verdict.reason == bulk_mail.ANOTHER_PAYLOAD


def suppress_addresses(
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
