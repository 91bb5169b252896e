"""Faults of our own, in a handler or while something is written down.

No call is lost, done twice or tried for ever, and none stands in the way of the others.
"""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.integrations import outbox, services, trail
from apps.integrations.http import Request
from apps.integrations.models import Call, Connection
from apps.integrations.outbox import Handler
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family, Service

S = Call.State
LANE = Lane.TRANSACTIONAL


class Fault(Exception):
    """Something that nobody thought of."""


class Clumsy:
    """A service whose connector has faults: what it does with a call is its payload's "does"."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.look_up: Outcome | None = Outcome(kind=Kind.PERMANENT_DATA)
        self.asked = 0

    def perform(self, client, dues):
        outcomes = [self._one(due) for due in dues]
        if len(outcomes) == 1:
            return Answer(outcome=outcomes[0])
        return Answer(outcome=Outcome(kind=Kind.PARTIAL, items=tuple(one for one in outcomes if one)))

    def _one(self, due):
        does = due.payload["does"]
        if does == "raises":
            raise Fault("nobody thought of that")
        self.done.append(due.call.dedup_key)
        if does == "answers too few":
            return None
        if does == "tells nonsense":
            return Outcome(kind=Kind.OK, reference="\ud800", reason="half a \udfff letter\0")
        if does == "tells a number":
            return Outcome(kind=Kind.OK, reference=7)
        return OK

    def ask(self, client, due):
        self.asked += 1
        if self.look_up is None:
            raise Fault("the question has a fault")
        return self.look_up


_clumsy = [Clumsy()]
services.register(Service(key="clumsy", name="Clumsy", family=Family.CRM, base_url="http://127.0.0.1:9"))
for _name, _options in {
    "asked": {"look_up": lambda client, due: _clumsy[0].ask(client, due)},
    "repeated": {"repeats_for": timedelta(days=30)},
    "batch": {"repeats_for": timedelta(days=30), "batch": 10},
}.items():
    outbox.handles(
        "clumsy", _name, Handler(perform=lambda client, dues: _clumsy[0].perform(client, dues), **_options)
    )


class Slow:
    """Asks its service four times in a row, and each answer takes its time."""

    def __init__(self) -> None:
        self.asked, self.seconds, self.clock = 0, 40, None

    def perform(self, client, dues):
        for _ in range(4):
            answer = client.ask("slow.ask", Request(method="GET", url="/parcels/none"), classify=self._taken)
        return answer

    def _taken(self, response, is_idempotent, now):
        self.asked += 1
        self.clock.shift(timedelta(seconds=self.seconds))
        relay()  # another worker looks meanwhile
        return OK


_slow = [Slow()]
outbox.handles(
    "clumsy",
    "asks four times",
    Handler(
        perform=lambda client, dues: _slow[0].perform(client, dues),
        look_up=lambda client, due: Outcome(kind=Kind.UNKNOWN),
    ),
)


@pytest.fixture
def slow(settings, post):
    settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "clumsy": post.url}
    _slow[0] = Slow()
    return _slow[0]


@pytest.fixture
def clumsy():
    _clumsy[0] = Clumsy()
    return _clumsy[0]


@pytest.fixture
def enqueue(workspace):
    place = Connection.objects.create(
        workspace=workspace, service="clumsy", account="c", label="C", state_changed_at=timezone.now()
    )

    def enqueue(key, does="well", operation="asked"):
        return outbox.enqueue(place, operation, {"does": does}, dedup_key=key, now=timezone.now(), lane=LANE)

    return enqueue


def relay():
    return outbox.relay(lane=int(LANE))


def fresh(call):
    return Call.objects.get(pk=call.pk)


def to_the_end(call, most=60):
    """Work on it whenever it is due; how often that was."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for times in range(most):
            found = fresh(call)
            if found.due_at is None:
                return times
            clock.move_to(max(found.due_at, timezone.now()) + timedelta(seconds=1))
            relay()
    raise AssertionError(f"it never ends: {fresh(call).state}, {fresh(call).attempts} attempts")


@pytest.mark.parametrize("operation", ["asked", "repeated"])
def test_a_handler_that_raises_ends_as_a_dead_letter_with_the_reason(enqueue, clumsy, operation):
    call = enqueue("n1", "raises", operation)

    to_the_end(call)

    found = fresh(call)
    assert (found.state, clumsy.done) == (S.DEAD, [])
    assert "nobody thought of that" in found.last_reason
    assert found.payload_sealed is not None  # a person may send it again


def test_a_look_up_that_raises_blocks_nobody_and_ends_too(enqueue, clumsy):
    first, second = enqueue("n1", "raises"), enqueue("n2")
    relay()
    clumsy.look_up = None

    to_the_end(first)

    assert fresh(first).state == S.DEAD
    assert "the question has a fault" in fresh(first).last_reason
    assert fresh(second).state == S.DONE


def test_one_that_raises_leaves_the_others_alone(enqueue, clumsy):
    bad = enqueue("n1", "raises", "repeated")
    good = [enqueue(f"n{number}", operation="repeated") for number in range(2, 6)]

    relay()

    assert {fresh(call).state for call in good} == {S.DONE}
    assert (fresh(bad).state, fresh(bad).due_at is None) == (S.WAITING, False)


def test_content_that_does_not_open_was_not_sent_and_is_given_up_in_the_end(enqueue, clumsy):
    bad, good = enqueue("n1", operation="batch"), enqueue("n2", operation="batch")
    Call.objects.filter(pk=bad.pk).update(payload_sealed=b"\x01" + bytes(40))

    relay()

    assert (fresh(good).state, clumsy.done) == (S.DONE, ["n2"])
    assert (fresh(bad).state, fresh(bad).sent_at) == (S.WAITING, None)
    to_the_end(bad)
    assert (fresh(bad).state, clumsy.done) == (S.DEAD, ["n2"])


def test_a_batch_that_is_answered_with_too_few_is_of_unknown_fate(enqueue, clumsy):
    calls = [enqueue("n1", "answers too few", "batch"), enqueue("n2", operation="batch")]

    relay()

    assert {fresh(call).state for call in calls} == {S.WAITING}  # dropped as duplicates, so sent again
    assert all(fresh(call).sent_at for call in calls)


def test_an_answer_that_cannot_be_written_as_it_is_is_written_as_it_can(enqueue, clumsy):
    calls = [enqueue("n1", operation="repeated"), enqueue("n2", "tells nonsense", "repeated")]

    relay()

    assert {fresh(call).state for call in calls} == {S.DONE}
    assert clumsy.done == ["n1", "n2"]
    assert [list(trail.faults(call.stream)) for call in calls] == [[], []]


def test_what_cannot_be_settled_with_the_others_is_settled_alone(enqueue, clumsy):
    """A handler that tells a number for its reference: all the same it was done, and so were the others."""
    calls = [
        enqueue("n1", operation="repeated"),
        enqueue("n2", "tells a number", "repeated"),
        enqueue("n3", operation="repeated"),
    ]

    relay()

    assert [fresh(call).state for call in calls] == [S.DONE] * 3
    assert "cannot be written down" in fresh(calls[1]).last_reason
    assert clumsy.done == ["n1", "n2", "n3"]


def test_one_that_is_at_work_for_longer_than_a_lease_is_not_overtaken(enqueue, post, slow):
    """A handler that asks four times, each time for nearly as long as it may."""
    call = enqueue("n1", operation="asks four times")

    with time_machine.travel(timezone.now(), tick=False) as clock:
        slow.clock = clock
        relay()

    assert fresh(call).state == S.DONE
    assert slow.asked == 4


def test_one_that_was_overtaken_asks_nothing_more(enqueue, post, slow):
    call = enqueue("n1", operation="asks four times")
    slow.seconds = 1_000

    with time_machine.travel(timezone.now(), tick=False) as clock:
        slow.clock = clock
        relay()

    assert fresh(call).state == S.UNKNOWN
    assert slow.asked == 1
