"""What conversions come to: each once, whatever is repeated, refunded or corrected, in any order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import scoping
from apps.accounts.models import OutboxEvent
from apps.accounts.permissions import system
from apps.attribution import ingest, orders, parsing
from apps.attribution.models import Conversion, ConversionRecord
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory


def conversion(revenue=100, *, minutes=None, **fields):
    record = {"user_id": "anna", "conversion_type": "purchase", "revenue": revenue, **fields}
    if minutes is not None:
        record["occurred_at"] = (NOW - timedelta(days=1) + timedelta(minutes=minutes)).isoformat()
    return parsing.conversion(record, received_at=NOW)


def track(actor, *conversions):
    return orders.track_conversions(actor, conversions, now=NOW)


def one(actor, *args, **fields):
    return track(actor, conversion(*args, **fields))[0]


def standing(order_id="o"):
    return Conversion.objects.values_list("value", "is_counted").get(order_id=order_id)


def test_without_an_order_every_event_is_a_conversion(actor):
    verdicts = track(actor, conversion(10), conversion(10), conversion(10, event_id="e"))

    assert [verdict.is_duplicate for verdict in verdicts] == [False] * 3
    assert Conversion.objects.count() == ConversionRecord.objects.count() == 3


def test_without_an_order_an_event_counts_once(actor):
    track(actor, conversion(10, event_id="e"), conversion(10, event_id="e"))

    again = one(actor, 20, event_id="e", user_id="bert")

    assert (again.is_duplicate, again.value, again.event_id) == (True, Decimal(10), "e")
    assert Conversion.objects.get().value == Decimal(10)


def test_an_order_counts_once_and_answers_with_its_first_record(actor):
    first = one(actor, order_id="o", event_id="browser")

    again = one(actor, order_id="o", event_id="server")

    assert (again.is_duplicate, again.event_id, again.person_id) == (True, "browser", first.person_id)
    assert ConversionRecord.objects.count() == 1


def test_a_free_order_counts(actor):
    one(actor, 0, order_id="o", conversion_type="trial")

    assert standing() == (0, True)


def test_a_part_refund_takes_from_the_order(actor):
    one(actor, order_id="o")

    verdict = one(actor, -30, order_id="o", event_id="r1")

    assert (verdict.kind, verdict.value) == ("refund", Decimal(70))
    assert standing() == (Decimal(70), True)


def test_an_order_refunded_whole_is_no_conversion(actor):
    one(actor, order_id="o")
    one(actor, -30, order_id="o")

    one(actor, "-70", order_id="o")

    assert standing() == (0, False)


def test_a_refund_said_twice_without_an_event_id_counts_once(actor):
    one(actor, order_id="o")

    first, second = one(actor, -30, order_id="o"), one(actor, -30, order_id="o")

    assert (first.is_duplicate, second.is_duplicate, second.event_id) == (False, True, first.event_id)
    assert standing() == (Decimal(70), True)


def test_equal_refunds_with_ids_or_times_of_their_own_count_each(actor):
    one(actor, order_id="o", minutes=0)

    one(actor, -10, order_id="o", event_id="r1")
    one(actor, -10, order_id="o", event_id="r2")
    one(actor, -10, order_id="o", minutes=5)

    assert standing() == (Decimal(70), True)


def test_refunds_take_an_order_down_to_nothing_whichever_comes_first(actor):
    one(actor, order_id="o")
    verdict = one(actor, -500, order_id="o")
    one(actor, -500, order_id="p")
    one(actor, order_id="p")

    assert (verdict.errors, verdict.value) == ({}, 0)
    assert standing("o") == standing("p") == (0, False)


def test_a_copy_that_happened_earlier_says_whose_the_order_is_though_it_comes_late(actor):
    one(actor, order_id="o", minutes=60, user_id="bert")

    verdict = one(actor, order_id="o", minutes=0)

    order = Conversion.objects.select_related("person").get()
    assert (verdict.is_duplicate, order.value) == (True, Decimal(100))
    assert (order.person.external_id, order.occurred_at) == ("anna", NOW - timedelta(days=1))


@pytest.fixture
def numbers():
    return iter(range(10**9))


SAID = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.sampled_from([80, 100, 100, 250, -10, -100, -500]),
        st.sampled_from(["anna", "bert", "carl"]),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda one: one[0],
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=SAID, shuffled=st.randoms(use_true_random=False))
def test_whatever_is_said_of_an_order_comes_to_the_same_in_any_order(actor, numbers, said, shuffled):
    found = []
    for _ in range(2):
        order_id = f"o{next(numbers)}"
        for minutes, revenue, who in said:
            one(actor, revenue, order_id=order_id, minutes=minutes, user_id=who)
        order = Conversion.objects.get(order_id=order_id)
        is_bought = any(revenue >= 0 for _, revenue, _ in said)
        whose = (order.person_id, order.occurred_at) if is_bought else ()
        found.append((order.value, order.is_counted, whose))
        shuffled.shuffle(said)

    assert found[0] == found[1]


def test_a_refund_before_its_order_waits_for_it(actor):
    verdict = one(actor, -30, order_id="o", minutes=5)

    assert (verdict.kind, verdict.value) == ("refund", 0)
    assert standing() == (0, False)

    one(actor, 100, order_id="o", minutes=0, user_id="bert", conversion_type="subscription")

    order = Conversion.objects.select_related("person").get()
    assert (order.value, order.is_counted) == (Decimal(70), True)
    assert (order.person.external_id, order.conversion_type) == ("bert", "subscription")
    assert order.occurred_at == NOW - timedelta(days=1)


def test_another_total_corrects_the_order_and_leaves_its_time(actor):
    one(actor, order_id="o", minutes=0)

    verdict = one(actor, 80, order_id="o", minutes=60)

    order = Conversion.objects.get()
    assert (verdict.kind, verdict.value, order.value) == ("correction", Decimal(80), Decimal(80))
    assert order.occurred_at == NOW - timedelta(days=1)


def test_an_older_total_that_comes_late_changes_only_whose_the_order_is(actor):
    one(actor, 80, order_id="o", minutes=60, user_id="bert")

    verdict = one(actor, 100, order_id="o", minutes=0)

    order = Conversion.objects.select_related("person").get()
    assert (verdict.kind, verdict.value) == ("conversion", Decimal(80))
    assert (order.occurred_at, order.person.external_id) == (NOW - timedelta(days=1), "anna")


def test_a_late_copy_of_the_first_total_does_not_undo_a_correction(actor):
    one(actor, order_id="o", minutes=0)
    one(actor, 80, order_id="o", minutes=60)

    assert one(actor, order_id="o", minutes=1).is_duplicate
    assert standing() == (Decimal(80), True)


def test_a_replacement_holds_even_with_the_time_of_the_order(actor):
    one(actor, order_id="o", minutes=30)

    one(actor, 80, order_id="o", minutes=0, replaces=True)

    assert standing() == (Decimal(80), True)


def test_totals_can_go_back_and_forth(actor):
    for revenue in (100, 80, 100, 80):
        one(actor, revenue, order_id="o", replaces=True)

    assert standing() == (Decimal(80), True)


def test_refunds_stay_when_the_order_is_corrected(actor):
    one(actor, order_id="o")
    one(actor, -30, order_id="o")

    one(actor, 120, order_id="o", replaces=True)

    assert standing() == (Decimal(90), True)


def test_a_correction_below_what_was_refunded_leaves_nothing(actor):
    one(actor, order_id="o")
    one(actor, -30, order_id="o")

    one(actor, 20, order_id="o", replaces=True)

    assert standing() == (0, False)


def test_a_foreign_currency_goes_at_the_workspaces_rate_which_is_kept(actor, workspace):
    workspace.settings = {"exchange_rates": {"USD": "0.79"}}
    workspace.save()

    verdict = one(actor, "10.01", order_id="o", currency="USD")

    assert (verdict.value, verdict.currency) == (Decimal("7.91"), "GBP")
    record = ConversionRecord.objects.get()
    assert (record.revenue, record.currency, record.exchange_rate) == (
        Decimal("10.01"),
        "USD",
        Decimal("0.79"),
    )


def test_a_whole_refund_at_another_rate_leaves_nothing(actor, workspace):
    workspace.settings = {"exchange_rates": {"USD": "0.79"}}
    workspace.save()
    one(actor, order_id="o", currency="USD")
    workspace.settings = {"exchange_rates": {"USD": "0.85"}}
    workspace.save()

    one(actor, -100, order_id="o", currency="USD")

    assert standing() == (0, False)


@pytest.mark.parametrize("rates", [{}, {"USD": "0"}, {"USD": "-1"}, {"USD": "x"}, {"USD": None}, [], "0.79"])
def test_without_a_usable_rate_a_foreign_amount_is_refused(actor, workspace, rates):
    workspace.settings = {"exchange_rates": rates}
    workspace.save()

    verdict = one(actor, currency="USD")

    assert "exchange_rates" in verdict.errors["currency"][0]
    assert Conversion.objects.count() == 0


def test_amounts_are_kept_in_whole_units_of_their_currency(actor, workspace):
    workspace.settings = {"exchange_rates": {"JPY": "0.005"}}
    workspace.save()

    verdicts = track(actor, conversion("10.005"), conversion("999.6", currency="JPY"))

    assert [verdict.value for verdict in verdicts] == [Decimal("10.01"), Decimal("5.00")]


def test_an_amount_that_fits_no_column_is_refused(actor, workspace):
    workspace.settings = {"exchange_rates": {"KWD": "999"}}
    workspace.save()

    verdict = one(actor, 99_999_999_999, currency="KWD")

    assert list(verdict.errors) == ["revenue"]


def test_a_batch_about_one_order_is_taken_in_turn(actor):
    verdicts = track(
        actor,
        conversion(-10, order_id="o", event_id="r"),
        conversion(100, order_id="o"),
        conversion(100, order_id="o"),
        conversion(-95, order_id="o"),
        conversion(50, order_id="other"),
    )

    assert [verdict.kind for verdict in verdicts] == [
        "refund",
        "conversion",
        "conversion",
        "refund",
        "conversion",
    ]
    assert not any(verdict.errors for verdict in verdicts)
    assert [verdict.is_duplicate for verdict in verdicts] == [False, False, True, False, False]
    assert standing() == (0, False)


def test_news_tells_what_was_recorded_and_what_changed(actor):
    track(actor, conversion(order_id="o"), conversion(), conversion(-10, order_id="waits"))
    one(actor, order_id="o")
    one(actor, -10, order_id="o")
    one(actor, 30, order_id="waits")

    pk = dict(Conversion.objects.values_list("order_id", "pk"))
    told = [(row.name, row.payload["conversion_ids"]) for row in OutboxEvent.objects.order_by("pk")]
    assert told == [
        ("attribution.conversions.recorded", sorted([pk["o"], pk[None]])),
        ("attribution.conversions.changed", [pk["o"]]),
        ("attribution.conversions.recorded", [pk["waits"]]),
    ]


def test_the_bulk_door_says_the_same_in_numbers(actor):
    given = [
        conversion(order_id="o"),
        conversion(order_id="o"),
        conversion(-500, order_id="o"),
        conversion(7),
    ]

    stored = orders.store_conversions(actor, given, now=NOW)

    assert (stored.stored, stored.duplicates) == (3, 1)
    assert stored.refused == []


def test_touches_and_conversions_go_in_together(actor):
    touch = parsing.touch(
        {"user_id": "anna", "anonymous_id": "a", "event_type": "click", "platform": "x"}, received_at=NOW
    )

    touched, converted = ingest.track(actor, [touch], [conversion(anonymous_id="a", user_id=None)], now=NOW)

    assert touched[0].person_id == converted[0].person_id


STORIES = st.permutations(
    [
        {"revenue": 100, "minutes": 0, "event_id": "purchase"},
        {"revenue": 100, "minutes": 0, "event_id": "purchase"},
        {"revenue": 100, "minutes": 0, "event_id": "the server's copy"},
        {"revenue": -15, "minutes": 20, "event_id": "refund"},
        {"revenue": -15, "minutes": 20, "event_id": "refund"},
        {"revenue": -20, "minutes": 50, "event_id": "second refund"},
        {"revenue": 80, "minutes": 40, "event_id": "correction", "replaces": True},
        {"revenue": 80, "minutes": 40, "event_id": "correction", "replaces": True},
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORIES, cuts=st.sets(st.integers(1, 7)))
def test_any_order_of_arrival_comes_to_the_same(actor, numbers, story, cuts):
    number = next(numbers)
    given_ = [
        conversion(**{**one, "event_id": f"{number} {one['event_id']}"}, order_id=f"o{number}")
        for one in story
    ]
    edges = [0, *sorted(cuts), len(given_)]

    for start, stop in pairwise(edges):
        track(actor, *given_[start:stop])

    order = Conversion.objects.get(order_id=f"o{number}")
    assert (order.value, order.is_counted) == (Decimal(45), True)
    assert order.occurred_at == NOW - timedelta(days=1)


@committed
@pytest.mark.parametrize("order_id", ["o", ""])
def test_the_same_conversion_from_many_sides_at_once_is_stored_once(order_id):
    workspace = WorkspaceFactory()
    event_id = "" if order_id else "e"

    def send(number):
        with scoping.workspace(workspace):
            given = conversion(order_id=order_id, event_id=event_id or f"e{number}")
            verdict = orders.track_conversion(system(workspace.pk), given, now=NOW)
        connection.close()
        return verdict

    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(send, range(24)))

    assert sum(not verdict.is_duplicate for verdict in verdicts) == 1
    assert len({verdict.event_id for verdict in verdicts}) == 1
    with scoping.workspace(workspace):
        assert Conversion.objects.count() == ConversionRecord.objects.count() == 1


@committed
def test_refunds_at_once_are_all_taken_off():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        one(system(workspace.pk), order_id="o")

    def refund(number):
        with scoping.workspace(workspace):
            given = conversion(-5, order_id="o", event_id=f"r{number}")
            verdict = orders.track_conversion(system(workspace.pk), given, now=NOW)
        connection.close()
        return verdict

    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(refund, range(12)))

    assert not any(verdict.errors for verdict in verdicts)
    with scoping.workspace(workspace):
        assert standing() == (Decimal(40), True)
