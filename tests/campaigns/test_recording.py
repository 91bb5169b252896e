"""What was heard, kept once and counted in the same transaction."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.campaigns.engagement import Heard, Recorded, record
from apps.campaigns.engagement.corrections import call_machines
from apps.campaigns.models import Engagement, EngagementCount
from tests.campaigns import messages
from tests.factories import NOW


@pytest.fixture
def people(workspace):
    """Five messages of one campaign."""
    of = messages.campaign(workspace)
    return [
        messages.sent(workspace, campaign_=of, to=messages.person(workspace, f"p{number}@example.com"))
        for number in range(5)
    ]


def _click(sent, *, at=NOW, link=1, machine="", event_id=""):
    pk = sent.recipient.pk
    return Heard(pk, "clicked", event_id or f"c:{pk}:{link}:{at.timestamp()}", at, link, machine)


def _assert_counts_are_those_of_the_rows():
    rows = Engagement.objects.values_list("kind", "is_machine", "is_first", "occurred_at")
    expected = Counter()
    for kind, is_machine, is_first, at in rows:
        hour = at.replace(minute=0, second=0, microsecond=0)
        expected[(kind, hour, "machine" if is_machine else "events")] += 1
        expected[(kind, hour, "people")] += is_first
    found = Counter()
    for one in EngagementCount.objects.all():
        for name in ("events", "people", "machine"):
            found[(one.kind, one.hour, name)] += getattr(one, name)
    assert +found == +expected


def test_a_batch_is_stored_and_counted(people):
    told = record([_click(one) for one in people], now=NOW)

    assert told == Recorded(5, 5)
    count = EngagementCount.objects.get()
    assert (count.events, count.people, count.machine) == (5, 5, 0)
    assert count.hour == NOW.replace(minute=0)


def test_told_again_it_changes_nothing(people):
    batch = [_click(one) for one in people]
    record(batch, now=NOW)

    assert record([*batch, *batch], now=NOW) == Recorded(0, 0)
    assert EngagementCount.objects.get().events == 5


def test_twice_in_one_batch_it_is_stored_once_and_is_first(people):
    same = _click(people[0])

    assert record([same, same], now=NOW) == Recorded(1, 1)


def test_the_first_of_a_message_counts_its_person_once(people):
    later = [_click(people[0], at=NOW + timedelta(minutes=place), link=1 + place % 3) for place in range(6)]

    assert record(later, now=NOW) == Recorded(6, 1)
    assert record([_click(people[0], at=NOW + timedelta(hours=1))], now=NOW) == Recorded(1, 0)
    assert Engagement.objects.get(is_first=True).occurred_at == NOW


def test_a_machine_is_never_first_nor_a_person(people):
    record([_click(people[0], machine="scanner")], now=NOW)

    count = EngagementCount.objects.get()
    assert (count.events, count.people, count.machine) == (0, 0, 1)


def test_whose_message_is_not_there_is_left_out(people):
    assert record([Heard(10**12, "clicked", "x", NOW, 1)], now=NOW) == Recorded(0, 0)


def test_another_workspaces_message_is_not_there(people, other_workspace):
    theirs = messages.sent(other_workspace)

    assert record([_click(theirs)], now=NOW) == Recorded(0, 0)


def test_what_turned_out_a_machines_is_taken_out_of_the_counts_and_the_next_is_first(people):
    record([_click(people[0]), _click(people[0], at=NOW + timedelta(minutes=5))], now=NOW)
    first, second = Engagement.objects.order_by("occurred_at")

    call_machines({first.pk: "every link"})
    call_machines({first.pk: "every link"})

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.is_machine, first.reason, first.is_first, second.is_first) == (
        True,
        "every link",
        False,
        True,
    )
    _assert_counts_are_those_of_the_rows()


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["clicked", "opened", "delivered", "bounced"]),
        st.integers(0, 200),
        st.integers(1, 3),
        st.sampled_from(["", "", "scanner"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(EVENTS, st.randoms(), st.integers(1, 7))
def test_however_it_is_told_the_counts_are_those_of_the_rows(people, events, random, size):
    Engagement.objects.all().delete()
    EngagementCount.objects.all().delete()
    batch = [
        Heard(
            people[who].recipient.pk,
            kind,
            f"{who}:{kind}:{minutes}:{link}:{machine}",
            NOW + timedelta(minutes=minutes),
            link,
            machine,
        )
        for who, kind, minutes, link, machine in events
    ]
    told = [*batch, *random.sample(batch, len(batch) // 2)]
    random.shuffle(told)

    for start in range(0, len(told), size):
        record(told[start : start + size], now=NOW)

    assert Engagement.objects.count() == len({one.event_id for one in batch})
    firsts = Counter(Engagement.objects.filter(is_first=True).values_list("recipient_id", "kind"))
    human = {(one.recipient_id, one.kind) for one in batch if not one.machine}
    assert firsts == Counter(dict.fromkeys(human, 1))
    _assert_counts_are_those_of_the_rows()
