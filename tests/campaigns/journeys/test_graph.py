"""What stands against a graph, and when waits end."""

import copy
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.campaigns.journeys import graph, patterns, steps, waits, wheres
from tests.campaigns.journeys.conftest import drawn, of_type

LONDON, HOWE = ZoneInfo("Europe/London"), ZoneInfo("Australia/Lord_Howe")
OUT = {"kind": "exit"}


def told(first, given, **more):
    return [str(one) for one in graph.faults(drawn(first, given, **more))]


def test_a_good_graph_has_no_faults():
    assert told("w", {"w": {"kind": "wait", "days": 1, "next": "out"}, "out": OUT}) == []


@pytest.mark.parametrize(
    ("given", "step", "word"),
    [
        ({"w": {"kind": "wait", "days": 0, "next": ""}}, "w", "at least a minute"),
        ({"w": {"kind": "wait", "days": -1, "next": ""}}, "w", "whole numbers"),
        ({"w": {"kind": "tag", "trait": "x", "name": "y", "next": ""}}, "w", "name means nothing here"),
        ({"w": {"kind": "wait", "days": 1, "next": "gone"}}, "w", "not there"),
        ({"w": OUT, "lost": OUT}, "lost", "No way leads"),
        ({"w": {"kind": "dance"}}, "w", "is one of"),
        ({"w": {"kind": "message", "campaign": "", "next": ""}}, "w", "Choose the campaign"),
        ({"w": {"kind": "wait_hour", "hour": 24, "next": ""}}, "w", "0 to 23"),
        ({"w": {"kind": "condition", "yes": "", "no": ""}}, "w", "either by rules"),
        ({"w": {"kind": "split", "arms": [{"key": "a", "share": 1}]}}, "w", "2 to 6 arms"),
        ({"w": {"kind": "task", "title": "", "next": ""}}, "w", "few words"),
        ({"w": {"kind": "wait_event", "source": "nobody", "days": 1}}, "w", "Nothing is heard"),
        ({"w": {"kind": "wait_event", "source": "churn.risk_rose", "days": 1}}, "w", "no source"),
        ({"w": {"kind": "wait_event", "source": "touchpoint.stored", "days": 1}}, "w", "say of which type"),
    ],
)
def test_a_fault_names_its_step(given, step, word):
    [fault] = graph.faults(drawn("w", given))
    assert fault.step == step
    assert word in fault.words


def test_a_loop_needs_a_pause_and_an_end():
    ring = {
        "tag": {"kind": "tag", "trait": "a", "value": "b", "next": "wait"},
        "wait": {"kind": "wait", "days": 1, "next": "tag"},
    }
    assert {fault.split(":")[1] for fault in told("tag", ring)} == {
        " From here no way leads to the end of the journey."
    }
    ring["wait"] = {"kind": "wait_event", **of_type("x"), "days": 1, "next": "tag", "otherwise": ""}
    assert any("round and round" in fault for fault in told("tag", ring))
    ring["wait"]["otherwise"], ring["wait"]["next"] = "pause", ""
    ring["pause"] = {"kind": "wait", "days": 1, "next": "tag"}
    assert told("tag", ring) == []


def test_patterns_lack_only_what_their_maker_must_choose():
    for pattern in patterns.PATTERNS.values():
        found = graph.faults(pattern.graph)
        assert found
        assert all("Choose the" in fault.words for fault in found), (pattern.key, found)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_step = st.builds(
    lambda kind, more: {"kind": kind, **more},
    st.sampled_from(list(steps.KINDS)),
    st.dictionaries(
        st.sampled_from(
            [
                "next",
                "yes",
                "no",
                "arms",
                "days",
                "hours",
                "where",
                "rules",
                "source",
                "hour",
                "title",
                "trait",
                "value",
                "campaign",
                "otherwise",
                "missing",
                "weekday",
                "goal",
                "label",
                "note",
                "due_days",
            ]
        ),
        _json,
        max_size=6,
    ),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), _step | _json, max_size=3), _json, _json)
def test_rubbish_is_refused_and_breaks_nothing(given, entries, goals):
    graph.faults(
        copy.deepcopy(graph.EMPTY) | {"steps": given, "entries": entries, "goals": goals, "first": "a"}
    )


@pytest.mark.parametrize(
    ("after", "hour", "zone", "expected"),
    [
        (datetime(2026, 11, 20, 12, tzinfo=UTC), 9, LONDON, datetime(2026, 11, 21, 9, tzinfo=UTC)),
        (datetime(2026, 11, 20, 9, tzinfo=UTC), 9, LONDON, datetime(2026, 11, 20, 9, tzinfo=UTC)),
        # The clocks go forward on 28 March 2027: nine is an hour earlier, and one o'clock is two.
        (datetime(2027, 3, 27, 10, tzinfo=UTC), 9, LONDON, datetime(2027, 3, 28, 8, tzinfo=UTC)),
        (datetime(2027, 3, 27, 10, tzinfo=UTC), 1, LONDON, datetime(2027, 3, 28, 1, tzinfo=UTC)),
        # They go back on 31 October: of two one o'clocks the first.
        (datetime(2027, 10, 30, 12, tzinfo=UTC), 1, LONDON, datetime(2027, 10, 31, 0, tzinfo=UTC)),
        # Half an hour is skipped.
        (datetime(2026, 10, 3, 10, tzinfo=UTC), 2, HOWE, datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ],
)
def test_an_hour_of_the_persons_day(after, hour, zone, expected):
    assert waits.next_hour(after, hour, None, zone) == expected


@given(
    st.integers(0, 4 * 365 * 86_400).map(lambda s: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.integers(0, 23),
    st.none() | st.integers(0, 6),
    st.sampled_from(
        ["Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
    ),
)
def test_the_next_hour_is_ahead_soon_and_on_that_day(after, hour, weekday, name):
    zone = ZoneInfo(name)
    found = waits.next_hour(after, hour, weekday, zone)
    assert after <= found <= after + timedelta(days=9)
    local = found.astimezone(zone)
    assert weekday in (None, local.weekday())
    assert timedelta(0) <= timedelta(hours=local.hour - hour, minutes=local.minute) <= timedelta(hours=1)


def test_a_date_that_is_none_has_no_moment():
    for value in (None, "", "soon", "2027-02-30", 7):
        assert waits.of_date(value, -14, 9, LONDON) is None
    assert waits.of_date("2027-06-19T00:00", -14, 9, LONDON) == datetime(2027, 6, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("test", "value", "holds"),
    [("is", "web", True), ("is_not", "web", False), ("contains", "WE", True), ("at_least", 3, False)],
)
def test_conditions_on_what_was_told(test, value, holds):
    assert wheres.holds([{"field": "type", "test": test, "value": value}], {"type": "web"}) == holds


def test_what_was_not_told_fits_only_a_not():
    assert not wheres.holds([{"field": "x", "test": "is", "value": "1"}], {})
    assert wheres.holds([{"field": "x", "test": "is_not", "value": "1"}], {})
