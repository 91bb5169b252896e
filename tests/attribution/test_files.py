import gzip
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from apps.attribution.files.forms import Refused
from apps.attribution.files.reading import Reading, read

LOG = """user_id,occurred_at,kind,channel,campaign,value
u1,2026-01-01T09:00:00Z,touch,email,spring,
u1,2026-01-02T10:00:00Z,touch,search,,
u2,2026-01-02T11:00:00Z,touch,social,,
u1,2026-01-03T12:00:00Z,conversion,,,99.99
u3,2026-01-04T12:00:00Z,purchase,,,10
"""
PATHS = """path,total_conversions,total_conversion_value,total_null
email > search,2,30.5,1
search,0,0,4
 , 1,5,0
"""


def written(tmp_path: Path, content: str | bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def paths_of(reading: Reading) -> list[tuple[list[str], float, float, float]]:
    journeys = reading.journeys
    bounds = zip(journeys.offsets[:-1], journeys.offsets[1:], strict=True)
    names = [[journeys.channels[code] for code in journeys.codes[start:end]] for start, end in bounds]
    ends = (journeys.conversions.tolist(), journeys.value.tolist(), journeys.nulls.tolist())
    return list(zip(names, *ends, strict=True))


EXPECTED = [(["email", "search"], 1, 99.99, 0), ([], 1, 10, 0), (["social"], 0, 0, 1)]


def as_rows(content: str) -> list[dict[str, str]]:
    table = arrow_csv.read_csv(
        io.BytesIO(content.encode()), convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True)
    )
    return table.to_pylist()


def as_json_lines(content: str) -> str:
    rows = ({key: value for key, value in row.items() if value is not None} for row in as_rows(content))
    return "\n\n".join(json.dumps(row, default=str) for row in rows)


def as_parquet(content: str) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(as_rows(content)), out)
    return out.getvalue()


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "form",
    [str.encode, lambda text: as_json_lines(text).encode(), as_parquet],
    ids=["csv", "jsonl", "parquet"],
)
def test_an_event_log_is_the_same_journeys_in_every_format(tmp_path, form, pack):
    reading = read(written(tmp_path, pack(form(LOG))))

    assert paths_of(reading) == EXPECTED
    assert reading.journeys.channels == ("email", "search", "social")
    assert reading.journeys.age_days.tolist() == pytest.approx([51 / 24, 26 / 24, 0])
    assert reading.form == "an event log"


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip"])
def test_aggregated_paths_are_counted_as_they_say(tmp_path, pack):
    reading = read(written(tmp_path, pack(PATHS.encode())))

    assert paths_of(reading) == [(["email", "search"], 2, 30.5, 1), (["search"], 0, 0, 4), ([], 1, 5, 0)]
    assert reading.journeys.age_days is None


def test_paths_may_come_without_value_and_nulls_and_as_json(tmp_path):
    lines = '{"path": "a>b", "total_conversions": 2}\n{"path": "b", "total_conversions": "1"}'

    assert paths_of(read(written(tmp_path, lines))) == [(["a", "b"], 2, 0, 0), (["b"], 1, 0, 0)]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_seen_in_the_header(tmp_path, delimiter):
    assert paths_of(read(written(tmp_path, LOG.replace(",", delimiter)))) == EXPECTED


def test_marks_cases_blanks_quotes_and_line_ends_do_not_matter(tmp_path):
    content = "\ufeff" + LOG.replace("user_id", '"User_ID "').replace("email", '" email "').replace(
        "touch", "TOUCH "
    )

    reading = read(written(tmp_path, content.replace("\n", "\r\n\r\n")))

    assert paths_of(reading) == EXPECTED


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("2026-01-01T00:00:00", "2026-01-02 00:00:00"),
        ("2026-01-01", "2026-01-02"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T19:00:00-0500"),
        ("2026-01-01T00:00:00.000001Z", "2026-01-02T00:00:00.000001Z"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-02T00:00:00.123456Z"),
        ("2026-01-01", "2026-01-02T00:00:00Z"),
        ("1767225600", "1767312000"),
        ("1767225600.5", "1767312000.5"),
        ("1767225600000", "1767312000000"),
        ("1767225600000000", "1767312000000000"),
        ("1767225600000000000", "1767312000000000000"),
        ("1767225600", "2026-01-02T00:00:00Z"),
    ],
)
def test_times_are_read_however_they_are_written(tmp_path, first, last):
    content = f"user_id,occurred_at,kind,channel\nu,{first},touch,a\nu,{last},conversion,\n"

    assert read(written(tmp_path, content)).journeys.age_days.tolist() == pytest.approx([1.0], abs=1e-9)


@pytest.mark.parametrize(
    "times",
    [
        [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)],
        pa.array([1767225600, 1767312000], pa.timestamp("s")),
        [date(2026, 1, 1), date(2026, 1, 2)],
        pa.array([1767225600 * 10**9, 1767312000 * 10**9], pa.timestamp("ns", "Europe/Paris")),
        pa.array([1767225600, 1767312000], pa.int32()),
        pa.array([1767225600.0, 1767312000.0]),
        pa.array(["2026-01-01", "2026-01-02"]).dictionary_encode(),
    ],
    ids=["aware", "naive", "dates", "nanoseconds", "epoch", "float epoch", "encoded text"],
)
def test_parquet_times_of_every_type_are_read(tmp_path, times):
    table = pa.table(
        {"user_id": [7, 7], "occurred_at": times, "kind": ["touch", "sale"], "channel": ["a", None]}
    )
    parquet.write_table(table, tmp_path / "file")

    assert read(tmp_path / "file").journeys.age_days.tolist() == [1.0]


def test_json_takes_numbers_for_ids_and_times_and_rows_without_every_key(tmp_path):
    lines = """{"user_id": 1, "occurred_at": 1767312000, "kind": "conversion", "value": 5}
{"user_id": "1", "occurred_at": "2026-01-01", "kind": "touch", "channel": "a", "properties": {"x": [1]}}"""

    assert paths_of(read(written(tmp_path, lines))) == [(["a"], 1, 5, 0)]


def test_the_look_back_cuts_old_touches(tmp_path):
    assert paths_of(read(written(tmp_path, LOG), lookback_days=1.5))[0] == (["search"], 1, 99.99, 0)


def test_a_repeated_event_id_counts_once(tmp_path):
    content = """event_id,user_id,occurred_at,kind,channel,value
e1,u,2026-01-01,touch,a,
e1,u,2026-01-01,touch,a,
,u,2026-01-01,touch,b,
,u,2026-01-01,touch,b,
e2,u,2026-01-02,order,,7
e2,u,2026-01-02,order,,7
"""
    reading = read(written(tmp_path, content))

    assert paths_of(reading) == [(["a", "b", "b"], 1, 7, 0)]
    assert reading.repeats == 2


def test_unknown_columns_are_passed_over_when_told(tmp_path):
    with_extra = LOG.replace("campaign", "Mood")
    path = written(tmp_path, with_extra)

    assert paths_of(read(path, ignored=["Mood"])) == EXPECTED
    assert paths_of(read(written(tmp_path, as_json_lines(with_extra)), ignored=["Mood"])) == EXPECTED


def test_text_in_quotes_may_hold_delimiters_and_lines(tmp_path):
    header = "user_id,occurred_at,kind,channel,url\n"
    content = header + '"u\n1",2026-01-01,touch,"a, b","x\ny"\n"u\n1",2026-01-02,sale,,\n'

    assert paths_of(read(written(tmp_path, content))) == [(["a, b"], 1, 0, 0)]


HEADER = "user_id,occurred_at,kind,channel,value\n"
GOOD = "u,2026-01-01,touch,a,\n"
SALE = "u,2026-01-02,sale,,1\n"
JSON_ROW = '{"path": "a", "total_conversions": 1}\n'
PATH_HEADER = "path,total_conversions,total_conversion_value,total_null\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        (gzip.compress(b"", mtime=0), "it is empty"),
        ("\nuser_id,occurred_at\n", "line 1 is empty"),
        ("a,b,c\n1,2,3\n", "line 1: the columns a, b, c are neither an event log"),
        ("user_id,kind,channel\nu,touch,a\n", "line 1: an event log needs the column occurred_at"),
        ("path,total_null\na,1\n", "line 1: aggregated paths needs the column total_conversions"),
        (HEADER.replace("value", "valeu"), 'line 1: the column "valeu" is not known: call it "value"'),
        (HEADER.replace("value", "revenue"), 'the column "revenue" is not known: call it "value"'),
        (HEADER.replace("value", "xyz"), '"xyz" is not known: leave it out with --ignore-column "xyz"'),
        (HEADER.replace("value", "channel"), 'line 1: the column "channel" stands there twice'),
        (HEADER.replace("value", "Channel "), 'the column "channel" stands there twice'),
        (HEADER + GOOD + "\n\nu,yesterday,touch,a,\n", 'line 5: occurred_at: "yesterday" is no time'),
        (HEADER + "u,,touch,a,\n", "line 2: occurred_at: is empty"),
        (HEADER + "u,20260131,touch,a,\n", 'line 2: occurred_at: "20260131" is no time'),
        (HEADER + "u,2026-13-01,touch,a,\n", "line 2: occurred_at"),
        (HEADER + "u,1850-01-01,touch,a,\n", "line 2: occurred_at: .* is not a time between 1970 and 2200"),
        (HEADER + "u,9999-01-01,touch,a,\n", "line 2: occurred_at: .* is not a time between 1970 and 2200"),
        (HEADER + "u,nan,touch,a,\n", "line 2: occurred_at"),
        (HEADER + "u,inf,touch,a,\n", "line 2: occurred_at"),
        (HEADER + "u,-5,touch,a,\n", "line 2: occurred_at"),
        (HEADER + GOOD + ",2026-01-01,touch,a,\n", "line 3: user_id: is empty"),
        (HEADER + GOOD + "u,2026-01-01,touch, ,\n", "line 3: channel: is empty: a touch needs a channel"),
        (HEADER + GOOD + "u,2026-01-01,wave,a,\n", 'line 3: kind: "wave" is neither a touch'),
        (HEADER + "u,2026-01-01,refund,,5\n", "line 2: kind: .* take refunds off the value of their order"),
        (HEADER + GOOD + "u,2026-01-01,sale,,nan\n", "line 3: value: .* is not a finite number"),
        (HEADER + "u,2026-01-01,sale,,inf\n", 'line 2: value: "inf" is not a finite number'),
        (HEADER + "u,2026-01-01,sale,,-3\n", 'line 2: value: "-3" is negative'),
        (HEADER + "u,2026-01-01,sale,,1e300\n", 'line 2: value: "1e300" is too large'),
        (HEADER + 'u,2026-01-01,sale,,"1,200.50"\n', 'line 2: value: "1,200.50" is not a number'),
        (HEADER + "u,2026-01-01,touch,a,5\n", "line 2: value: belongs to a conversion"),
        (HEADER + GOOD + "u,2026-01-01,touch\n", "line 3 has 3 cells, the header 5"),
        (HEADER + GOOD + "u,2026-01-01,touch,a,,,\n", "line 3 has 7 cells, the header 5"),
        ((HEADER + GOOD).encode() + b"u,2026-01-01,touch,\xff\xfe,\n", r"line 3 is not UTF-8 \(byte 20\)"),
        ("\ufeff".encode("utf-16") + HEADER.encode("utf-16-le"), "line 1 is not UTF-8"),
        (HEADER + "u,2026-01-01,touch,a\x1b[31m,\n", "line 2: channel: .*cannot be shown"),
        (HEADER + "u,\x1b[31m,touch,a,\n", r"line 2: occurred_at: .\\x1b\[31m. is no time"),
        (HEADER + "u,2026-01-01,touch,a\x00,\n", "line 2: channel: .*cannot be shown"),
        (HEADER + GOOD + "u,2026-01-01,touch,none,\n", 'line 3: channel: "none" stands for'),
        (HEADER + f"u,2026-01-01,touch,{'x' * 300},\n", "line 2: channel: .* is longer than 200 characters"),
        (f"currency,{HEADER}EUR,{GOOD}GBP,{SALE}EUR,{SALE}", "line 4: currency: EUR beside GBP"),
        (f"order_id,{HEADER}o,{SALE}o,{SALE}", 'line 3: order_id: "o" stands there twice'),
        (PATH_HEADER + "a > b,1,1,0\na >  > b,1,1,0\n", "line 3: path: has an empty step"),
        (PATH_HEADER + "a,-1,0,0\n", 'line 2: total_conversions: "-1" is negative'),
        (PATH_HEADER + "a,0,5,0\n", "line 2: total_conversion_value: has no conversion"),
        (PATH_HEADER + "a,1,5,x\n", 'line 2: total_null: "x" is not a number'),
        (PATH_HEADER + "a,1,5,0\nb > none,1,5,0\n", 'line 3: channel: "none" stands for'),
        ("[{}]", "it is one JSON array"),
        ('{"user_id": 1', "line 1: not a JSON object"),
        ('{"a": 1}', "the columns a are neither an event log"),
        (f'{JSON_ROW}\n{{"path": "a", "total_conversions": [1]}}', "line 3: .*total_conversions"),
        (f"{JSON_ROW}nonsense", "line 2: not a JSON object"),
        (f'{JSON_ROW}{{"path": "a", "totl_null": 1}}', 'line 2: .*"totl_null" .* call it "total_null"'),
        ('{"path": "a", "total_conversions": NaN}', "line 1"),
        (b'{"path": "a\xff", "total_conversions": 1}', "line 1"),
        (gzip.compress(b"path,total_conversions\na,1\n" * 500, mtime=0)[:-20], "it cannot be read"),
        (b"\x1f\x8bnonsense", "it cannot be read"),
        (b"PAR1nonsensePAR1", "it cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(Refused, match=message):
        read(written(tmp_path, content))


def test_a_row_far_into_the_file_is_named_by_its_line(tmp_path):
    content = HEADER + GOOD * 300_000 + "u,2026-01-01,touch,a,\nu,never,touch,a,\n"

    with pytest.raises(Refused, match='line 300003: occurred_at: "never" is no time'):
        read(written(tmp_path, content))


def test_a_bad_parquet_cell_is_named_by_its_row(tmp_path):
    table = pa.table({"path": ["a", "b"], "total_conversions": [1.0, -1.0]})
    parquet.write_table(table, tmp_path / "file")

    with pytest.raises(Refused, match=r"row 2: total_conversions: -1\.0 is negative"):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": [["a"], ["b"]], "total_conversions": [1, 1]}, "row 1: path: holds list"),
        ({"path": ["a", "b"], "total_conversions": [[1], [1]]}, "row 1: total_conversions"),
        ({"path": ["a", "b"], "total_conversions": [1, 1], "extra": [1, 1]}, 'column "extra" is not known'),
    ],
)
def test_parquet_of_other_types_is_refused(tmp_path, columns, message):
    parquet.write_table(pa.table(columns), tmp_path / "file")

    with pytest.raises(Refused, match=message):
        read(tmp_path / "file")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(Refused, match="it is a directory"):
        read(tmp_path)
    with pytest.raises(Refused, match="there is no such file"):
        read(tmp_path / "absent")
    with pytest.raises(Refused, match="it is not a file"):
        read(Path("/dev/null"))


def test_only_a_header_gives_no_journeys(tmp_path):
    assert read(written(tmp_path, HEADER)).journeys.n_journeys == 0
    assert read(written(tmp_path, PATH_HEADER)).journeys.n_journeys == 0
