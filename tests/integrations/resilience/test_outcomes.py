"""The taxonomy is total: no status, header or exception is without a class, no class without a handling."""

from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.integrations import http
from apps.integrations.resilience import classify
from apps.integrations.resilience.lanes import Lane, WeddingDay, is_wedding_day, lane_of
from apps.integrations.resilience.outcomes import HANDLING, Again, Health, Kind, Then
from apps.integrations.resilience.retry_after import seconds_of

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def test_every_kind_has_a_handling():
    assert set(HANDLING) == set(Kind)


@given(st.integers(0, 999), st.booleans(), st.dictionaries(st.sampled_from(["retry-after"]), st.text()))
def test_every_status_has_an_outcome(status, is_idempotent, headers):
    outcome = classify.of_status(status, headers, is_idempotent=is_idempotent, now=NOW)

    assert outcome.is_good == (200 <= status < 300)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Kind.OK),
        (204, Kind.OK),
        (301, Kind.PERMANENT_CONFIG),
        (400, Kind.PERMANENT_DATA),
        (401, Kind.AUTH_EXPIRED),
        (403, Kind.PERMANENT_CONFIG),
        (404, Kind.PERMANENT_CONFIG),
        (408, Kind.RETRYABLE),
        (409, Kind.PERMANENT_DATA),
        (422, Kind.PERMANENT_DATA),
        (423, Kind.RETRYABLE),
        (426, Kind.PERMANENT_CONFIG),
        (429, Kind.THROTTLED),
        (500, Kind.UNKNOWN),
        (502, Kind.UNKNOWN),
        (503, Kind.RETRYABLE),
        (504, Kind.UNKNOWN),
        (599, Kind.RETRYABLE),
    ],
)
def test_what_a_status_means_for_a_write_that_must_not_be_repeated(status, kind):
    assert classify.of_status(status, {}, is_idempotent=False, now=NOW).kind == kind


@pytest.mark.parametrize(
    ("error", "kind", "was_sent"),
    [
        (http.NotSent("x"), Kind.RETRYABLE, False),
        (http.TooLate("x"), Kind.UNKNOWN, True),
        (http.Failed("x"), Kind.UNKNOWN, True),
        (http.Refused("x"), Kind.PERMANENT_CONFIG, False),
        (http.Unreadable("x"), Kind.UNKNOWN, True),
        (KeyError("x"), Kind.UNKNOWN, True),
        (RecursionError("x"), Kind.UNKNOWN, True),
    ],
)
def test_every_exception_has_an_outcome(error, kind, was_sent):
    outcome = classify.of_exception(error)

    assert (outcome.kind, outcome.was_sent) == (kind, was_sent)


def test_a_throttle_is_no_outage_and_a_refusal_shows_a_working_service():
    assert HANDLING[Kind.THROTTLED].health == Health.NOTHING
    assert HANDLING[Kind.PERMANENT_DATA].health == Health.WELL
    assert HANDLING[Kind.UNKNOWN].then == Then.LOOK_UP
    assert HANDLING[Kind.CIRCUIT_OPEN].again == Again.NEVER


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "30s"}, 30),
        ({"retry-after": "1m2.5s"}, 62.5),
        ({"retry-after": "250ms"}, 0.25),
        ({"retry-after": "2h"}, 7200),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0),
        ({"retry-after": str(int(NOW.timestamp()) + 45)}, 45),
        ({"retry-after": "999999999"}, 86_400),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-rate-limit-reset": str(int(NOW.timestamp()) + 7)}, 7),
        ({"x-account-rate-limit-reset": str(int(NOW.timestamp()) + 3), "x-rate-limit-reset": "1"}, 3),
        ({"ratelimit-reset": "2"}, 2),
        ({}, None),
    ],
)
def test_every_form_of_retry_after(headers, seconds):
    assert seconds_of(headers, now=NOW) == seconds


@given(st.text(max_size=40))
def test_rubbish_in_retry_after_is_no_error(text):
    seconds = seconds_of({"retry-after": text}, now=NOW)

    assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize(
    ("now", "is_near"),
    [
        ("2026-06-12T11:59:59+12:00", False),
        ("2026-06-12T12:00:00+12:00", True),
        ("2026-06-14T15:00:00+12:00", True),
        ("2026-06-15T11:59:59+12:00", True),
        ("2026-06-15T12:00:00+12:00", False),
    ],
)
def test_a_wedding_day_runs_from_36_hours_before_the_day_at_the_venue_to_12_after_it(now, is_near):
    day = WeddingDay(event_on=date(2026, 6, 14), zone=ZoneInfo("Pacific/Auckland"), template="timeline")

    found = is_wedding_day(day, now=datetime.fromisoformat(now), allowed_templates=frozenset({"timeline"}))

    assert found == is_near


def test_the_day_on_which_clocks_change_is_as_long_as_it_is():
    day = WeddingDay(event_on=date(2026, 10, 25), zone=ZoneInfo("Europe/London"), template="timeline")
    allowed = frozenset({"timeline"})

    # It begins at 23:00 UTC in summer time, lasts 25 hours, and the 12 hours after it end at noon UTC.
    assert is_wedding_day(day, now=datetime(2026, 10, 26, 11, 59, tzinfo=UTC), allowed_templates=allowed)
    assert not is_wedding_day(day, now=datetime(2026, 10, 26, 12, 0, tzinfo=UTC), allowed_templates=allowed)
    assert not is_wedding_day(day, now=datetime(2026, 10, 23, 10, 59, tzinfo=UTC), allowed_templates=allowed)
    assert is_wedding_day(day, now=datetime(2026, 10, 23, 11, 0, tzinfo=UTC), allowed_templates=allowed)


def test_a_newsletter_on_a_wedding_day_stays_in_its_lane():
    day = WeddingDay(event_on=date(2026, 11, 28), zone=ZoneInfo("Europe/London"), template="newsletter")

    assert lane_of(Lane.MARKETING, day, now=NOW, allowed_templates=frozenset({"timeline"})) == Lane.MARKETING
