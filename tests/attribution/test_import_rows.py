"""Reading a table by columns says what reading its rows one by one says."""

import csv
import io
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.attribution import row_files
from apps.attribution.import_rows import Reader
from apps.attribution.made_up_ids import MadeUpIds
from apps.attribution.records import Touch
from apps.attribution.row_files import Table, UnreadableFile, blocks, rows
from tests.factories import NOW

TIMES = [
    "",
    "2026-10-01T09:00:00Z",
    "2026-10-01T09:00:00.123456+02:00",
    "2026-10-01 09:00",
    "2026-10-01",
    "20261001",
    "2026-W40-4",
    "1790000000",
    "1790000000000",
    " 2026-10-01T09:00:00Z ",
    "2026-10-01T24:00:00Z",
    "2026-02-30",
    "1999-12-31T23:59:59Z",
    "2026-11-21T12:00:00Z",
    "2026-11-21T12:00:01Z",
    "9999-12-31T23:59:59-23:59",
    "yesterday",
    "\ud83d",
]
TEXTS = [
    "",
    " ",
    "a",
    "A ",
    "email",
    "Ünïcode",
    'q"uote',
    "back\\slash",
    "tab\tline\n",
    "\x00",
    "\ud83d",
    "x" * 201,
]
COLUMNS = {
    "user_id": TEXTS,
    "anonymous_id": TEXTS,
    "kind": ["", "touch", "Click ", "conversion", "refund", "EVENT"],
    "event_type": ["", "click", "e" * 41],
    "platform": TEXTS,
    "channel": ["", "Paid Search", "email"],
    "campaign_id": TEXTS,
    "occurred_at": TIMES,
    "event_id": ["", "", "e-1", " ", "\x00", "y" * 201],
    "url": ["", "https://a.example/?utm_source=x&email=a@b.co", "no url", "u" * 4_097],
    "utm_source": ["", "google"],
    "cost": ["", "1.5", "-1", "1E+2"],
    "conversion_type": ["", "", "buy"],
    "revenue": ["", "9.99", "nan"],
    "order_id": ["", "o1"],
    "properties": ["", '{"a": 1}', "[1]"],
}


@st.composite
def tables(draw):
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True, min_size=1))
    # Few values a column, so that plain columns come up as well as odd ones.
    kept = {name: draw(st.lists(st.sampled_from(COLUMNS[name]), min_size=1, max_size=3)) for name in names}
    count = draw(st.integers(1, 8))
    cells = [[draw(st.sampled_from(kept[name])) for name in names] for _ in range(count)]
    return Table(names, list(range(2, count + 2)), cells)


def _touches(batch):
    found = {}
    columns = batch.touches
    at = columns.occurred_at.tolist()
    for line, user, anon, event_id, moment, kind in zip(
        batch.lines,
        columns.users.to_pylist(),
        columns.anons.to_pylist(),
        columns.events.to_pylist(),
        at,
        columns.kind.tolist(),
        strict=True,
    ):
        found[line] = (user, anon, event_id, moment, _rest(columns.kinds[kind]))
    for one in batch.parsed:
        if isinstance(one.given, Touch):
            given = one.given
            micros = (given.occurred_at - NOW) // timedelta(microseconds=1) + round(NOW.timestamp() * 1e6)
            found[one.row.line] = (
                given.user_id,
                given.anonymous_id,
                given.event_id,
                micros,
                _rest(given),
            )
    return found


def _rest(touch):
    return tuple(
        getattr(touch, name)
        for name in touch.__struct_fields__
        if name not in {"user_id", "anonymous_id", "event_id", "occurred_at", "ignored", "mould"}
    )


@settings(max_examples=400, deadline=None)
@given(tables(), st.integers(0, 10), st.booleans())
def test_columns_say_what_rows_say(table, start_line, is_timeless):
    mapping = {name: name for name in table.names}
    one, other = (Reader(mapping, NOW, MadeUpIds(is_timeless=is_timeless)) for _ in range(2))
    by_columns = one.read([table], start_line=start_line)
    by_rows = other.read([[table.row(place) for place in range(len(table))]], start_line=start_line)

    assert not len(by_rows.touches)
    made = {one.row.line for one in by_rows.parsed if isinstance(one.given, Touch) and _is_made_up(one)}
    told, expected = _touches(by_columns), _touches(by_rows)
    assert {line: one for line, one in told.items() if line not in made} == {
        line: one for line, one in expected.items() if line not in made
    }
    assert told.keys() == expected.keys()
    assert _others(by_columns) == _others(by_rows)
    assert (by_columns.rows, by_columns.next_line) == (by_rows.rows, by_rows.next_line)


def _is_made_up(parsed):
    """A blank event id is none: the parser makes one up, another each time."""
    return not parsed.identity.strip()


def _others(batch):
    return [
        (one.row, one.kind, one.record, one.identity, one.errors, type(one.given))
        for one in batch.parsed
        if not isinstance(one.given, Touch)
    ]


def test_plain_rows_are_read_by_columns():
    """Or the test above would compare rows with rows."""
    table = Table(["user_id", "occurred_at", "channel"], [2, 3], [["u1", "2026-10-01", "email"]] * 2)
    batch = Reader({name: name for name in table.names}, NOW, MadeUpIds()).read([table])

    assert (len(batch.touches), batch.parsed) == (2, [])
    first, second = batch.touches.events.to_pylist()
    assert first.startswith("at-20261001000000-")
    assert (first[-2:], second) == ("-1", f"{first[:-2]}-2")
    assert batch.touches.kind.tolist() == [0, 0]


def test_a_table_ends_where_a_row_is_short_and_lines_are_counted_through_quotes(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'a,b\r\n1,"x\r\ny"\r\n\r\n2,3\r4\n5,6,7\n8,9\n')

    assert [(row.line, row.values, bool(row.fault)) for row in rows(path)] == [
        (2, {"a": "1", "b": "x\r\ny"}, False),
        (5, {"a": "2", "b": "3"}, False),
        (6, {"a": "4"}, False),
        (7, {"a": "5", "b": "6"}, True),
        (8, {"a": "8", "b": "9"}, False),
    ]


def test_a_file_is_read_the_same_however_it_is_cut(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("a,b\r\n" + "".join(f'{n},"line\r\n{n}"\r\n' for n in range(50)), newline="")
    whole = list(rows(path))

    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr("apps.attribution.row_files.READ_CHARACTERS", size)
        monkeypatch.setattr("apps.attribution.row_files.READ_BYTES", size)
        assert list(rows(path)) == whole
    assert [len(block) for block in blocks(path, size=20)] == [20, 20, 10]


CELLS = ["a", "", '""', '"a"', '"a,b"', '"a""b"', '"""a"', '"a\n"', '"a\r\n\n"', " b", "é", "x" * 90]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.sampled_from([1, 64, 1 << 14]),
    st.booleans(),
)
def test_lines_that_are_rows_are_read_as_python_reads_them(tmp_path_factory, cells, end, size, is_ended):
    text = "p,q" + end + end.join(",".join(row) for row in cells) + end * is_ended
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text(text, newline="", encoding="utf-8")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    expected, line = [], 1
    for row in reader:
        expected += [(line, row)] * bool(row)
        line = reader.line_num + 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_files, "READ_BYTES", size)
        found = [(row.line, list(row.values.values())) for row in rows(path)]
    assert found == [(line, row[:2]) for line, row in expected[1:]]


def test_a_row_that_never_ends_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'a,b\n1,"' + b"y\n" * 2_000_000)

    with pytest.raises(UnreadableFile, match=r"field larger|1,000,000 characters"):
        list(rows(path))
