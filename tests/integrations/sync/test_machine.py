"""Two sides that change as they like, hooks that are lost or come twice, pages that move while they are read,
workers that die, answers that are lost, people who withdraw or are erased: in any order. Once it is quiet
both sides say the same, nothing was overwritten that no trail tells of, nobody is marked as willing who has
said no since, nobody came back who was erased, so many never vanish unasked, and one more run writes nothing.
"""

from contextlib import suppress

import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.accounts import consent, privacy
from apps.accounts.models import Person
from apps.accounts.permissions import system as system_actor
from apps.integrations import outbox, trail
from apps.integrations.connectors.crm import nudges
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import Call, SyncExternal, SyncRecord, SyncTombstone, TrailEntry
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.sync import digests, integrity, nudged, pull, record_fields, records, settling, streams
from apps.integrations.sync.consents import Proof
from apps.integrations.sync.fields import KINDS
from tests.integrations.sync.conftest import connected
from tests.integrations.sync.model_system import ACCOUNTS, Down, ModelSystem

CONTACT = Entity.CONTACT
FIELDS = {
    "first_name": st.sampled_from(["Ada", "Bea", "Cleo", None]),
    "phone": st.sampled_from(["+447700900001", "+447700900002", None]),
    "email": st.sampled_from(["a@example.com", "b@example.com", "c@example.com", None]),
    "tags": st.sampled_from([["x"], ["x", "y"], ["z"], [], None]),
    "kind": st.sampled_from(["person", "company"]),
    "marketing_opt_in": st.sampled_from([True, False, None]),
}
CHANGE = st.one_of(*(st.tuples(st.just(name), values) for name, values in FIELDS.items()))
# These are a new one each time, so that a trail that lost one cannot know it from another.
SERIAL = {"first_name": "{} the {}", "phone": "+4477009{1:05d}", "email": "n{1}.{0}"}
WHICH = st.integers(0, 50)
DEATHS = st.sampled_from(["page", "fetch", "create", "created", "update", "updated", "find"])


LOST = Outcome(kind=Kind.UNKNOWN, reason="The answer was lost.")


class Told(ModelSystem):
    """Remembers what of its own was overwritten from here. loses: how many answers of writes are lost, after
    they were done.
    """

    def __init__(self, time, **options):
        super().__init__(**options)
        self.time, self.overwritten, self.loses = time, [], 0

    def tick(self):
        self.time.shift(1)
        self.clock = timezone.now()
        return self.clock

    def update(self, entity, external_id, fields, *, modified_at):
        before = self.rows.get((entity, external_id))
        answer = super().update(entity, external_id, fields, modified_at=modified_at)
        if before is not None:
            self.overwritten += [(external_id, name, before.fields.get(name)) for name in fields]
        return self._heard(answer)

    def create(self, entity, our_id, fields):
        return self._heard(super().create(entity, our_id, fields))

    def _heard(self, answer):
        if not self.loses:
            return answer
        self.loses -= 1
        return Answer(outcome=LOST)


class Sync(RuleBasedStateMachine):
    workspace = None

    def __init__(self):
        super().__init__()
        self.time = time_machine.travel(timezone.now(), tick=False)
        self.clock = self.time.start()
        self.connection = connected(self.workspace)
        self.remote = self.connection.system = Told(self.clock, page_size=3)
        ACCOUNTS[self.connection.account] = self.remote
        self.actor = system_actor(self.workspace.pk)
        self.edits, self.withdrawn = [], set()
        self.serial = 0
        self.stream = streams.of(self.connection, "contact")

    def teardown(self):
        self.everything_settles()
        self.time.stop()

    def _new(self, *changes):
        return {name: self._made(name, value) for name, value in changes}

    def _made(self, name, value):
        if value is None or name not in SERIAL:
            return value
        self.serial += 1
        return SERIAL[name].format(value, self.serial)

    # There

    @rule(change=CHANGE, other=CHANGE)
    def somebody_is_added_there(self, change, other):
        self.remote.add(**self._new(change, other))

    @rule(which=WHICH, change=CHANGE)
    def something_changes_there(self, which, change):
        if key := self._there(which):
            self.remote.edit(key, **self._new(change))

    @rule(which=WHICH)
    def somebody_is_deleted_there(self, which):
        if key := self._there(which):
            self.remote.delete(key)

    @rule(which=WHICH)
    def nearly_all_are_deleted_there(self, which):
        for key in sorted(key for _, key in self.remote.rows)[which % 4 :]:
            self.remote.delete(key)

    # Here

    @rule(which=WHICH, change=CHANGE)
    def something_changes_here(self, which, change):
        mine = self._records()
        if mine:
            record = mine[which % len(mine)]
            self.clock.shift(1)
            given = self._new(change)
            records.edit(self.actor, record, given, proof=self._proof(), now=timezone.now())
            self.edits += [(record.pk, name, value) for name, value in given.items()]
            said = given.get("marketing_opt_in", "nothing")
            if said is False:
                self.withdrawn.add(record.pk)
            elif said is True:
                self.withdrawn.discard(record.pk)

    @rule(which=WHICH)
    def somebody_withdraws_by_themselves(self, which):
        mine = [one for one in self._records() if one.person_id is not None]
        if mine:
            record = mine[which % len(mine)]
            self.clock.shift(1)
            now, person = timezone.now(), Person.objects.get(pk=record.person_id)
            consent.record(
                self.actor,
                person,
                purpose="marketing",
                is_granted=False,
                source="their own page",
                occurred_at=now,
                now=now,
            )
            self.withdrawn.add(record.pk)

    @rule(which=WHICH)
    def somebody_is_erased(self, which):
        mine = [one for one in self._records() if one.person_id is not None]
        if mine:
            person = Person.objects.get(pk=mine[which % len(mine)].person_id)
            privacy.erase(self.actor, person, reason="asked", now=timezone.now())

    @rule(change=CHANGE)
    def somebody_is_added_here(self, change):
        name, value = change
        if value and name != "marketing_opt_in":
            made = records.create(self.actor, "contact", self._new(change), now=timezone.now())
            records.send(self.actor, made, self.connection, now=timezone.now())

    # Between

    @rule(full=st.booleans())
    def read(self, full):
        gone = SyncExternal.objects.filter(gone_at__isnull=False).count()
        total = SyncExternal.objects.filter(gone_at=None).count()
        with suppress(Down):
            pull.pull(connection_id=self.connection.pk, is_full=full)
        vanished = SyncExternal.objects.filter(gone_at__isnull=False).count() - gone
        assert vanished <= max(3, total * 0.05)

    @rule(which=WHICH, times=st.integers(1, 3), is_read=st.booleans())
    def a_hook_comes_once_or_more(self, which, times, is_read):
        for _ in range(times):
            if key := self._there(which):
                nudges.nudge(self.connection, CONTACT, key, now=timezone.now())
        if is_read:
            with suppress(Down):
                nudged.read(connection_id=self.connection.pk)

    @rule()
    def calls_go_out(self):
        outbox.relay(lane=int(Lane.TRANSACTIONAL))

    @rule(times=st.integers(1, 2))
    def the_next_answers_are_lost(self, times):
        self.remote.loses = times

    @rule(at=DEATHS)
    def the_next_worker_dies(self, at):
        def die(what):
            if what == at:
                self.remote.before = lambda what: None
                raise Down

        self.remote.before = die

    @rule(which=WHICH, change=CHANGE, is_deleted=st.booleans())
    def a_page_moves_while_it_is_read(self, which, change, is_deleted):
        def move(what):
            key = self._there(which)
            if what == "page" and key:
                self.remote.before = lambda what: None
                if is_deleted:
                    self.remote.delete(key)
                else:
                    self.remote.edit(key, **self._new(change))

        self.remote.before = move

    @rule(which=WHICH, change=CHANGE)
    def something_is_pushed_while_a_page_is_on_its_way(self, which, change):
        def push(what):
            if what == "paged":
                self.remote.before = lambda what: None
                self.clock.shift(1)
                self.something_changes_here(which, change)
                outbox.relay(lane=int(Lane.TRANSACTIONAL))

        self.remote.before = push

    @rule(minutes=st.sampled_from([0, 1, 20, 200, 1_600]))
    def time_passes(self, minutes):
        self.clock.shift(minutes * 60)

    @invariant()
    def one_place_per_record(self):
        live = SyncExternal.objects.filter(connection=self.connection, gone_at=None)
        owners = list(live.values_list("record_id", flat=True))
        assert len(owners) == len(set(owners))

    def _proof(self):
        return Proof(source="a form", wording="Shall we write to you?", occurred_at=timezone.now())

    def _there(self, which):
        keys = sorted(key for _, key in self.remote.rows)
        return keys[which % len(keys)] if keys else None

    def _records(self):
        linked = SyncExternal.objects.filter(connection=self.connection, gone_at=None).values("record")
        return list(SyncRecord.objects.filter(pk__in=linked).order_by("pk"))

    def everything_settles(self):
        self.remote.before, self.remote.loses = lambda what: None, 0
        for _ in range(6):
            self.clock.shift(90_000)
            pull.pull(connection_id=self.connection.pk, is_full=True)
            for waits in settling.waiting_ones():
                choice = {"field": "here", "vanished": "gone", "deleted": "gone", "same": "different"}
                settling.settle(
                    self.actor, waits, choice[waits.kind], proof=self._proof(), now=timezone.now()
                )
            for _ in range(4):
                self.clock.shift(40_000)
                outbox.relay(lane=int(Lane.TRANSACTIONAL))
        self.both_sides_say_the_same()
        self.nobody_is_willing_who_has_said_no()
        self.nobody_came_back()
        self.nothing_was_overwritten_untold()
        self.one_more_run_writes_nothing()

    def both_sides_say_the_same(self):
        calls = Call.objects.filter(connection=self.connection)
        assert {call.state for call in calls} <= {"done", "dead", "cancelled"}
        live = SyncExternal.objects.filter(connection=self.connection, gone_at=None).select_related("record")
        assert {one.external_id for one in live} == self._known_there()
        for one in live:
            here = record_fields.values_of(one.record)
            there = self.remote.fields_of(one.external_id)
            for name in KINDS[CONTACT]:
                assert (here.get(name) or None) == (there.get(name) or None), (name, one.external_id)

    def nobody_is_willing_who_has_said_no(self):
        for record in SyncRecord.objects.filter(pk__in=self.withdrawn):
            assert record.is_opted_in is not True
            assert record_fields.values_of(record).get("marketing_opt_in") is not True

    def nobody_came_back(self):
        erased = SyncRecord.objects.filter(erased_at__isnull=False)
        assert not erased.filter(fields_sealed__isnull=False).exists()
        assert not SyncExternal.objects.filter(record__in=erased).exists()
        live = {
            str(one) for one in SyncRecord.objects.filter(erased_at=None).values_list("public_id", flat=True)
        }
        places = SyncExternal.objects.filter(connection=self.connection, gone_at=None)
        for key in places.values_list("external_id", flat=True):
            our_id = self.remote.rows[CONTACT, key].our_id
            assert not our_id or our_id in live

    def _known_there(self):
        """All but those of people who were erased."""
        hashes = {
            bytes(one)
            for one in SyncTombstone.objects.filter(connection=self.connection).values_list(
                "id_hash", flat=True
            )
        }
        erased = SyncRecord.objects.filter(erased_at__isnull=False).values_list("public_id", flat=True)
        gone = {str(one) for one in erased}
        return {
            key
            for (_, key), row in self.remote.rows.items()
            if digests.of_id(key) not in hashes and row.our_id not in gone
        }

    def nothing_was_overwritten_untold(self):
        owners = dict(
            SyncExternal.objects.filter(connection=self.connection).values_list("external_id", "record_id")
        )
        told = [(owners.get(key), name, value) for key, name, value in self.remote.overwritten]
        for record_id, name, value in [*told, *self.edits]:
            if record_id is None or value in (None, []):
                continue
            record = SyncRecord.objects.get(pk=record_id)
            if record.erased_at is not None:
                continue
            said = [
                record_fields.changes_in(record, step).get(name) for step in trail.steps_of(record.stream)
            ]
            known = [one for change in said if change for one in (change.before, change.after, change.theirs)]
            assert value in known, (name, value, known)
        assert integrity.verified(self.stream) == ([], [])

    def one_more_run_writes_nothing(self):
        before = self.remote.writes, TrailEntry.objects.count(), Call.objects.count()
        rows = list(SyncRecord.objects.order_by("pk").values())
        assert pull.pull(connection_id=self.connection.pk) == 0
        outbox.relay(lane=int(Lane.TRANSACTIONAL))
        assert (self.remote.writes, TrailEntry.objects.count(), Call.objects.count()) == before
        assert list(SyncRecord.objects.order_by("pk").values()) == rows
        assert integrity.compare(self.stream, self.remote, now=timezone.now()).is_well


def test_two_sides_in_any_order(workspace):
    Sync.workspace = workspace
    run_state_machine_as_test(
        Sync,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
