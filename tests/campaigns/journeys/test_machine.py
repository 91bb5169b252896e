"""However ticks, late news and doubled news come upon one another, everybody goes one way, once."""

from dataclasses import dataclass
from datetime import timedelta
from threading import Barrier, Thread

from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import scoping
from apps.campaigns.journeys import hearing, moving
from apps.campaigns.journeys.travellers import LATE
from apps.campaigns.models import JourneyCount, JourneyMove, JourneyRun, Recipient
from tests.campaigns.journeys.conftest import of_type
from tests.conftest import committed
from tests.factories import NOW, PersonFactory

END_SECONDS = 2_000
GRACE = int(hearing.GRACE.total_seconds())
LONGEST_GAP = int(LATE.total_seconds()) - GRACE


@dataclass(frozen=True)
class Heard:
    """kind happened at `at` seconds and is told `delay` later, so many times."""

    kind: str
    at: int
    delay: int
    times: int


news = st.lists(
    st.builds(
        Heard,
        st.sampled_from(["booking", "cancelled", "enquiry"]),
        st.integers(1, END_SECONDS - 100),
        st.integers(0, GRACE - 1),
        st.integers(1, 3),
    ),
    max_size=4,
    unique_by=lambda one: one.kind,
)
gaps = st.lists(st.integers(1, LONGEST_GAP), min_size=5, max_size=30)


def _graph(message):
    return {
        "wait": {
            "kind": "wait_event",
            **of_type("booking"),
            "minutes": 10,
            "next": "thanks",
            "otherwise": "remind",
        },
        "thanks": message("rest"),
        "remind": message("rest"),
        "rest": {"kind": "wait", "minutes": 15, "next": "last"},
        "last": message(),
    }


def _lived(way, told, ticks):
    """The path of somebody who enters, of whom this is heard, and who is looked at by these ticks."""
    person = PersonFactory(workspace=way.workspace, email_index=b"1")
    way.now = NOW
    way.enter(person)
    moments = [(tick, None) for tick in ticks]
    moments += [(one.at + one.delay, one) for one in told for _ in range(one.times)]
    for second, one in sorted(moments, key=lambda moment: moment[0]):
        way.now = NOW + timedelta(seconds=second)
        if one is None:
            way.tick()
        else:
            way.hear(person, one.kind, at=NOW + timedelta(seconds=one.at))
    return way.path_of(person), way.sent_to(person)


def _ticks(between):
    """From 0 to the end, the gaps over and over."""
    found, at, place = [0], 0, 0
    while at < END_SECONDS:
        at += between[place % len(between)]
        place += 1
        found.append(at)
    return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=news, between=gaps, data=st.data())
def test_every_interleaving_leads_down_the_same_way(road, message, told, between, data):
    way = road("wait", _graph(message), goals=[of_type("cancelled")])
    delays = [data.draw(st.integers(0, GRACE - 1)) for _ in told]
    otherwise = [
        Heard(one.kind, one.at, delay, 1 + delay % 2) for one, delay in zip(told, delays, strict=True)
    ]

    path, sent = _lived(way, told, _ticks([60]))
    other_path, other_sent = _lived(way, otherwise, _ticks(between))

    assert other_path == path
    assert other_sent == sent
    assert len(sent) == len(set(sent))
    _is_what_was_meant(told, sent)


def _is_what_was_meant(told, sent):
    """The rule in plain words: booked within ten minutes or not; cancelled before a message: no more."""
    at = {one.kind: one.at for one in told}
    first_at = at["booking"] if at.get("booking", 600) < 600 else 600
    expected = [(first_at, "thanks" if first_at < 600 or at.get("booking") == first_at < 600 else "remind")]
    expected.append((first_at + 900, "last"))
    stop = at.get("cancelled", END_SECONDS)
    assert sent == [step for moment, step in expected if moment < stop]


@committed
def test_workers_side_by_side_share_the_work_and_do_nothing_twice(road, message):
    way = road(
        "hello",
        {"hello": message("wait"), "wait": {"kind": "wait", "days": 1, "next": "last"}, "last": message()},
    )
    crowd = [way.person(email_index=b"1") for _ in range(300)]
    way.enter(*crowd)
    way.now += timedelta(seconds=1)
    start = Barrier(4)

    def work():
        try:
            with scoping.workspace(way.workspace):
                start.wait()
                for later in (0, 86_400, 90_000):
                    moving.move_due(way.journey.pk, now=way.now + timedelta(seconds=later))
        finally:
            connection.close()

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    moving.move_due(way.journey.pk, now=way.now + timedelta(seconds=90_000))
    assert Recipient.objects.count() == 600
    assert JourneyRun.objects.filter(outcome="finished").count() == 300
    assert JourneyMove.objects.count() == 300 * 5
    assert JourneyCount.objects.get(step="hello", way="then").moves == 300
