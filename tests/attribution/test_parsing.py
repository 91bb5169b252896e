"""One parser for every door: what is understood, what is refused, and that all faults are named at once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.errors import Invalid
from apps.attribution import parsing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOUCH = {"user_id": "user_123", "event_type": "click", "platform": "meta"}
CONVERSION = {"user_id": "user_123", "conversion_type": "purchase", "revenue": 99.99}


def touch(**fields):
    return parsing.touch({**TOUCH, **fields}, received_at=NOW)


def conversion(**fields):
    return parsing.conversion({**CONVERSION, **fields}, received_at=NOW)


def faults(parse, record):
    with pytest.raises(Invalid) as refusal:
        parse(record, received_at=NOW)
    return refusal.value.errors


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-19T10:30:00Z", datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),
        ("2026-11-19T10:30:00+02:00", datetime(2026, 11, 19, 8, 30, tzinfo=UTC)),
        ("2026-11-19 10:30:00.123456789-0500", datetime(2026, 11, 19, 15, 30, 0, 123456, tzinfo=UTC)),
        ("2026-11-19T10:30", datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),
        ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ("20261119T103000Z", datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),
        (1_795_084_200, datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),
        (1_795_084_200_500, datetime(2026, 11, 19, 10, 30, 0, 500_000, tzinfo=UTC)),
        (1_795_084_200.25, datetime(2026, 11, 19, 10, 30, 0, 250_000, tzinfo=UTC)),
        ("1795084200", datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),
        (1_795_084_200_000_000, datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),
        (datetime(2026, 11, 19, 10, 30), datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),  # noqa: DTZ001
        (date(2026, 11, 19), datetime(2026, 11, 19, tzinfo=UTC)),
    ],
)
def test_times_are_understood(value, expected):
    assert touch(occurred_at=value).occurred_at == expected


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "19/11/2026",
        "1999-12-31T23:59:59Z",
        0,
        -1,
        "2026-11-21T12:00:01Z",
        "2099-01-01",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        1e300,
        10**400,
        True,
        [],
        {"at": 1},
    ],
    ids=lambda value: str(value)[:30],
)
def test_absurd_times_are_refused_with_the_field_named(value):
    assert list(faults(parsing.touch, {**TOUCH, "occurred_at": value})) == ["occurred_at"]


def test_up_to_a_day_ahead_is_a_clock_that_runs_fast():
    ahead = NOW + timedelta(hours=24)

    assert touch(occurred_at=ahead.isoformat()).occurred_at == ahead


@pytest.mark.parametrize(
    ("skew", "moved"),
    [
        (timedelta(0), timedelta(0)),
        (timedelta(seconds=1.9), timedelta(0)),
        (timedelta(seconds=2), timedelta(seconds=2)),
        (timedelta(hours=-3), timedelta(hours=-3)),
        (timedelta(hours=24), timedelta(hours=24)),
        (timedelta(hours=24, seconds=1), timedelta(0)),
        (timedelta(days=-400), timedelta(0)),
    ],
)
def test_a_wrong_clock_is_corrected_by_sent_at(skew, moved):
    """Below 2 s it is the network, beyond 24 h no clock that is being read now."""
    said = NOW - timedelta(hours=5)

    found = touch(occurred_at=said.isoformat(), sent_at=(NOW - skew).isoformat())

    assert found.occurred_at == said + moved


def test_a_clock_that_runs_far_ahead_may_name_a_future_that_is_past():
    ahead = timedelta(hours=20)

    found = touch(occurred_at=(NOW + ahead).isoformat(), sent_at=(NOW + ahead).isoformat())

    assert found.occurred_at == NOW


def test_without_a_time_it_happened_when_it_arrived():
    assert touch(sent_at="2026-11-20T10:00:00Z").occurred_at == NOW
    assert conversion().has_own_time is False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (99.99, "99.99"),
        ("99.99", "99.99"),
        (" 1000 ", "1000"),
        (0, "0"),
        (-20.5, "-20.5"),
        ("-.5", "-0.5"),
        (Decimal("12.345"), "12.345"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_money_is_understood(value, expected):
    assert conversion(revenue=value, order_id="o").revenue == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    ["£5", "1,000.00", "1e5", "NaN", "Infinity", float("nan"), float("inf"), 10**11, -(10**11), True, [], {}],
    ids=str,
)
def test_what_is_no_money_is_refused(value):
    assert list(faults(parsing.conversion, {**CONVERSION, "order_id": "o", "revenue": value})) == ["revenue"]


def test_ids_may_be_numbers():
    found = touch(user_id=42, campaign_id=120_205, event_id=7)

    assert (found.user_id, found.campaign_id, found.event_id) == ("42", "120205", "7")


def test_empty_counts_as_absent():
    found = touch(anonymous_id="", campaign_id=None, cost="", occurred_at="", event_id="  ")

    assert (found.anonymous_id, found.campaign_id, found.cost, found.occurred_at) == (None, "", None, NOW)
    assert found.event_id


def test_names_are_equal_however_they_are_typed():
    found = touch(platform=" Meta ", event_type="Click")

    assert (found.platform, found.event_type) == ("meta", "click")


def test_ids_made_here_are_distinct_and_sort_by_time():
    later = parsing.touch(TOUCH, received_at=NOW + timedelta(seconds=1)).event_id
    ids = [touch().event_id for _ in range(100)]

    assert len(set(ids)) == 100
    assert max(ids) < later
    assert all(one[14] == "7" and one[19] in "89ab" for one in ids)


def test_labels_and_click_ids_are_read_from_the_address():
    found = touch(
        url="https://www.example.com/?utm_source=News%20Letter&utm_campaign=spring&gclid=C1&utm_content=v2"
    )

    assert (found.utm_source, found.click_ids) == ("News Letter", ("gclid",))
    assert (found.campaign_id, found.creative_id) == ("spring", "v2")
    assert found.properties is None


def test_labels_given_as_fields_go_before_the_address_and_are_kept():
    found = touch(url="https://example.com/?utm_source=a", utm_source="b", gclid="C1", properties={"x": 1})

    assert (found.utm_source, found.click_ids) == ("b", ("gclid",))
    assert found.properties == {"utm_source": "b", "gclid": "C1", "x": 1}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://a.example/?email=anna@b.example&x=1", "https://a.example/?email=removed&x=1"),
        ("https://a.example/?q=anna%40b.example", "https://a.example/?q=removed"),
        ("https://a.example/?q=anna%2540b.example", "https://a.example/?q=removed"),
        ("https://a.example/?user[email]=x", "https://a.example/?user[email]=removed"),
        ("https://a.example/?first_name=Anna&city=York", "https://a.example/?first_name=removed&city=York"),
        ("https://a.example/?n=%2B44%207700%20900123", "https://a.example/?n=removed"),
        ("https://a.example/?n=07700+900123", "https://a.example/?n=removed"),
        ("https://a.example/?n=555-123-4567", "https://a.example/?n=removed"),
        ("https://a.example/unsubscribe/anna@b.example/now", "https://a.example/unsubscribe/removed/now"),
        ("https://anna:secret@a.example/", "https://a.example/"),
        ("https://a.example/#token=1&email=a@b.example", "https://a.example/#token=1&email=removed"),
        ("mailto:anna@b.example", "mailto:removed"),
        # and what is no personal data stays
        ("https://a.example/?day=2026-11-20&id=120205678901234567", None),
        ("https://a.example/?utm_campaign=spring&campaign_name=x&gclid=CjwKCAjw", None),
        ("https://a.example/@anna/posts", None),
        ("/pricing?plan=studio", None),
    ],
)
def test_personal_data_is_taken_out_of_addresses(url, kept):
    found = touch(url=url, referrer=url)

    assert (found.url, found.referrer) == (kept or url, kept or url)


def test_unknown_fields_are_left_out_and_named():
    assert touch(utm_sorce="x", colour="red").ignored == ("utm_sorce", "colour")


def test_all_faults_of_a_record_are_named_at_once():
    record = {
        "anonymous_id": "x" * 201,
        "platform": ["meta"],
        "occurred_at": "tomorrow",
        "cost": "-1",
        "url": "https://" + "x" * 5_000,
        "event_id": "a\x00b",
        "properties": "not an object",
    }

    errors = faults(parsing.touch, record)

    assert set(errors) == {*record, "event_type"}
    assert errors["event_type"] == ["This is required."]
    assert all(len(messages) == 1 and messages[0].endswith(".") for messages in errors.values())


def test_somebody_must_be_named():
    assert list(faults(parsing.touch, {"event_type": "click", "platform": "meta"})) == ["user_id"]


@pytest.mark.parametrize("record", [None, [], "text", 7, True])
def test_a_record_is_an_object(record):
    for parse in (parsing.touch, parsing.conversion, parsing.identity, parsing.spend):
        assert list(faults(parse, record)) == ["non_field_errors"]


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x" * 8_192},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}},
        {"a": "\x00"},
        {"\x00": 1},
        {"a": float("nan")},
        {"a": "\ud800"},
        {"a": {1, 2}.__iter__()},
        [],
        "[1]",
        "{",
        7,
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode().replace("\0", "NUL"),
)
def test_properties_are_bounded(value):
    assert list(faults(parsing.touch, {**TOUCH, "properties": value})) == ["properties"]


def test_properties_may_be_a_text_from_a_file():
    assert touch(properties='{"a": [1, {"b": null}]}').properties == {"a": [1, {"b": None}]}


@pytest.mark.parametrize("name", ["user_id", "event_id", "platform", "event_type", "url", "campaign_id"])
@pytest.mark.parametrize(
    "value",
    ["a\x00b", "\ud800", 10**5_000, 1.5, True, [], {}],
    ids=["NUL", "half a character", "a huge number", "fraction", "flag", "list", "object"],
)
def test_texts_that_cannot_be_stored_are_refused(name, value):
    assert list(faults(parsing.touch, {**TOUCH, name: value})) == [name]


def test_a_name_that_grows_in_lower_case_is_measured_after():
    assert list(faults(parsing.touch, {**TOUCH, "event_type": "\u0130" * 40})) == ["event_type"]
    assert touch(event_type="\u0130" * 20).event_type == "i\u0307" * 20


def test_a_refund_or_replacement_names_its_order():
    assert list(faults(parsing.conversion, {**CONVERSION, "revenue": -1})) == ["order_id"]
    assert list(faults(parsing.conversion, {**CONVERSION, "replaces": True})) == ["order_id"]
    both = {**CONVERSION, "replaces": True, "revenue": -1, "order_id": "o"}
    assert list(faults(parsing.conversion, both)) == ["replaces"]


@pytest.mark.parametrize(("value", "expected"), [("gbp", "GBP"), (" EUR ", "EUR"), ("", "")])
def test_currencies(value, expected):
    assert conversion(currency=value).currency == expected


@pytest.mark.parametrize("value", ["pounds", "£", "GB", 826, "ÄÖÜ"])
def test_what_is_no_currency_is_refused(value):
    assert list(faults(parsing.conversion, {**CONVERSION, "currency": value})) == ["currency"]


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("true", True), ("0", False), (1, True), (0, False)]
)
def test_flags(value, expected):
    assert conversion(replaces=value, order_id="o").replaces is expected


def test_spend_is_understood():
    row = {"platform": "Meta", "day": "2026-11-19", "amount": "41.20", "clicks": "98", "impressions": 1000.0}

    found = parsing.spend(row, received_at=NOW)

    assert (found.platform, found.day, found.amount) == ("meta", date(2026, 11, 19), Decimal("41.20"))
    assert (found.clicks, found.impressions) == (98, 1000)


def test_bad_spend_is_refused():
    row = {"day": "2030-01-01", "amount": -1, "clicks": 1.5, "impressions": "many"}

    assert set(faults(parsing.spend, row)) == {"platform", "day", "amount", "clicks", "impressions"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({*parsing.TOUCH_FIELDS, *parsing.CONVERSION_FIELDS, *parsing.SPEND_FIELDS, "traits", "other"})


@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=8))
def test_a_record_is_either_used_or_refused_with_its_fields_named(record):
    for parse in (parsing.touch, parsing.conversion, parsing.identity, parsing.spend):
        errors = errors_of(parse, record)
        assert errors is None or (errors and set(errors) <= {*FIELDS})


def errors_of(parse, record):
    try:
        parse(record, received_at=NOW)
    except Invalid as refusal:
        return refusal.errors
    return None
