"""Shuffled, repeated, cut, delayed, by wrong clocks: however batches arrive, the end is the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import consent
from apps.accounts.models import Person
from apps.accounts.permissions import Actor
from apps.attribution.models import Conversion, Touchpoint
from apps.campaigns.models import DeviceEvent
from apps.campaigns.offline import batches, events

START = datetime(2026, 11, 30, 8, tzinfo=UTC)
SKEWS = {"phone": timedelta(hours=3), "tablet": timedelta(minutes=-47), "kiosk": timedelta(0)}
PURPOSES, FIELDS, USERS = ("news", "offers"), ("venue", "season"), ("eve", "ada")


@dataclass(frozen=True)
class Done:
    """What somebody did at a device, and when by a good clock."""

    device: str
    kind: str
    minute: int
    lamport: int
    payload: dict[str, Any]
    number: int

    def as_sent(self) -> dict[str, Any]:
        by_its_clock = START + timedelta(minutes=self.minute) + SKEWS[self.device]
        return {
            "id": str(UUID(int=self.number + (7 << 76))),
            "type": self.kind,
            "original_timestamp": by_its_clock.isoformat(),
            "lamport": self.lamport,
            "payload": self.payload,
        }


users = st.sampled_from(USERS)
payloads = st.one_of(
    st.tuples(
        st.just("consent"),
        st.fixed_dictionaries(
            {"user_id": users, "purpose": st.sampled_from(PURPOSES), "granted": st.booleans()}
        ),
    ),
    st.tuples(
        st.just("profile"),
        st.fixed_dictionaries(
            {"user_id": users, "field": st.sampled_from(FIELDS), "value": st.integers(0, 3) | st.none()}
        ),
    ),
    st.tuples(
        st.just("event"),
        st.fixed_dictionaries(
            {"user_id": users, "event_type": st.just("visit"), "platform": st.just("fair")}
        ),
    ),
    st.tuples(
        st.just("conversion"),
        st.fixed_dictionaries({"user_id": users, "conversion_type": st.just("lead"), "revenue": st.just(9)}),
    ),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Done]:
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(SKEWS)), st.integers(0, 90), st.integers(0, 6), payloads),
            min_size=1,
            max_size=10,
        )
    )
    return [
        Done(device, kind, minute, lamport, payload, number)
        for number, (device, minute, lamport, (kind, payload)) in enumerate(rows)
    ]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Done], list[list[int]], list[list[int]]]:
    """A history, and two ways in which it arrives: batches of places, each place at least once."""
    history = draw(histories())
    places = list(range(len(history)))

    def way() -> list[list[int]]:
        order = draw(st.permutations(places)) + draw(st.lists(st.sampled_from(places), max_size=5))
        cut = draw(st.integers(1, 5))
        return [list(order[start : start + cut]) for start in range(0, len(order), cut)]

    return history, way(), way()


def deliver(actor: Actor, history: Sequence[Done], way: Sequence[Sequence[int]]) -> None:
    for turn, places in enumerate(way):
        received_at = START + timedelta(hours=2, minutes=7 * turn)
        for device, skew in SKEWS.items():
            mine = [history[place].as_sent() for place in places if history[place].device == device]
            if not mine:
                continue
            sent = {"device_id": device, "seq_from": turn, "sent_at": (received_at + skew).isoformat()}
            batch = events.read({**sent, "events": mine}, received_at=received_at)
            taken = batches.take(actor, batch, now=received_at)
            assert all(verdict.verdict != "rejected" for _, verdict in taken.verdicts), taken.verdicts


def state() -> dict[str, Any]:
    """All that the product would answer with."""
    people = {one.external_id: one for one in Person.objects.filter(external_id__in=USERS)}
    return {
        "traits": {name: one.traits for name, one in people.items()},
        "consent": {
            (name, purpose): consent.is_given(one, purpose)
            for name, one in people.items()
            for purpose in PURPOSES
        },
        "touches": sorted(Touchpoint.objects.values_list("event_id", "occurred_at", "person__external_id")),
        "orders": Conversion.objects.count(),
        "events": sorted(DeviceEvent.objects.values_list("event_id", "occurred_at")),
    }


def ending(actor: Actor, history: Sequence[Done], way: Sequence[Sequence[int]]) -> dict[str, Any]:
    """How it ends when it arrives in this way; nothing of it stays."""
    with transaction.atomic():
        deliver(actor, history, way)
        found = state()
        transaction.set_rollback(True)
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries())
def test_every_delivery_of_a_history_ends_in_the_same_state(
    actor: Actor, delivery: tuple[list[Done], list[list[int]], list[list[int]]]
) -> None:
    history, first, second = delivery
    assert ending(actor, history, first) == ending(actor, history, second)
