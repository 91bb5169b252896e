"""`manage.py attribute`, as a person runs it. No test here may touch the database."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from django.core.management import CommandError, call_command

from apps.attribution.credit_tables import as_tables
from apps.attribution.maths.models import MODELS, credit

from .maths.vectors import FOLDER, load, synthetic

ROOT = Path(__file__).parents[2]
SYNTHETIC = FOLDER / "synthetic_10k_paths.csv"
LOG = """user_id,occurred_at,kind,channel,value
user_123,2026-01-01T09:00:00Z,touch,meta,
user_123,2026-01-02T09:00:00Z,touch,google,
user_123,2026-01-02T10:00:00Z,purchase,,99.99
user_9,2026-01-02T10:00:00Z,touch,email,
user_7,2026-01-02T10:00:00Z,purchase,,10.01
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return path


def attribute(path, *options) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("attribute", str(path), *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def as_json(path, *options):
    return json.loads(attribute(path, "--format", "json", *options)[0])


def in_a_process(*arguments, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """With addresses where nothing listens: whoever asked for a database or Redis would fail."""
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    return subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "manage.py", "attribute", *map(str, arguments)],
        cwd=ROOT,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | nowhere | {"OWNER_DATABASE_URL": nowhere["DATABASE_URL"]} | environment,
    )


def test_json_holds_every_model_and_the_totals(log):
    answer = as_json(log)

    assert list(answer) == ["models", "totals"]
    assert list(answer["models"]) == list(MODELS)
    assert answer["totals"] == {"journeys": 3, "conversions": 2, "revenue": 110}
    assert answer["models"]["first_touch"] == {
        "email": {"conversions": 0, "revenue": 0, "share": 0},
        "google": {"conversions": 0, "revenue": 0, "share": 0},
        "meta": {"conversions": 1, "revenue": 99.99, "share": 0.5},
        "none": {"conversions": 1, "revenue": 10.01, "share": 0.5},
    }
    for channels in answer["models"].values():
        assert sum(row["conversions"] for row in channels.values()) == pytest.approx(2)
        assert sum(row["revenue"] for row in channels.values()) == pytest.approx(110)
        assert sum(row["share"] for row in channels.values()) == pytest.approx(1)


def test_the_10k_vectors_come_out_of_the_file():
    expected = load("synthetic_10k_expected.json")

    answer = as_json(SYNTHETIC)

    for name, key in (
        ("first_touch", "first"),
        ("last_touch", "last"),
        ("linear", "linear"),
        ("position_based", "pos"),
    ):
        check(answer["models"][name], expected["heuristics"][f"{key}_c"], expected["heuristics"][f"{key}_v"])
    check(answer["models"]["shapley"], expected["shapley_subset_count"], expected["shapley_subset_value"])
    for order in (1, 2, 3):
        case = expected[f"markov_order{order}"]
        check(answer["models"][f"markov_{order}"], case["conversions"], case["value"])
    assert answer["totals"] == {"journeys": 10_000, "conversions": 1_949, "revenue": pytest.approx(87_158.75)}


def check(rows, conversions, value):
    assert {channel: row["conversions"] for channel, row in rows.items()} == pytest.approx(
        conversions, abs=1e-9
    )
    assert {channel: row["revenue"] for channel, row in rows.items()} == pytest.approx(value, abs=1e-7)


def test_paths_leave_out_the_models_that_need_times_and_say_why():
    answer = as_json(SYNTHETIC)
    _, err = attribute(SYNTHETIC, "--format", "csv")

    assert "time_decay" not in answer["models"]
    assert answer["left_out"] == {
        "time_decay": "it needs the time of each touch, and aggregated paths have none"
    }
    assert "time_decay is left out: it needs the time of each touch" in err


def test_models_are_chosen_by_name_in_the_order_given(log):
    answer = as_json(log, "--model", "markov, linear,linear")

    assert list(answer["models"]) == ["markov_1", "linear"]


def test_the_settings_reach_the_models(log):
    decayed = as_json(log, "--model", "time_decay", "--half-life-days", "1")["models"]["time_decay"]
    cut = as_json(log, "--model", "linear", "--lookback-days", "0.5")["models"]["linear"]
    passed_over = as_json(log, "--model", "last_non_direct", "--direct-channel", "google")["models"]

    assert decayed["meta"]["conversions"] == pytest.approx(1 / 3)
    assert cut["google"]["conversions"] == 1
    assert passed_over["last_non_direct"]["meta"]["conversions"] == 1


def test_csv_is_one_row_for_each_model_and_channel(log):
    out, _ = attribute(log, "--format", "csv", "--model", "linear,shapley")

    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["model"], row["channel"]) for row in rows] == [
        (model, channel) for model in ("linear", "shapley") for channel in ("email", "google", "meta", "none")
    ]
    assert float(rows[2]["revenue"]) == pytest.approx(49.995)


def test_a_channel_named_like_a_formula_is_no_formula_in_the_csv(tmp_path):
    path = tmp_path / "paths.csv"
    path.write_text("path,total_conversions\n=1+1,1\n", encoding="utf-8")

    assert "'=1+1" in attribute(path, "--format", "csv", "--model", "linear")[0]


def test_one_model_is_one_table_whose_rows_add_up_to_the_penny(log):
    out, _ = attribute(log, "--model", "linear")

    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[0] == ["linear", "Conversions", "Revenue", "Share"]
    assert ["google", "0.50", "50.00", "25.0%"] in lines
    assert ["meta", "0.50", "49.99", "25.0%"] in lines
    assert lines[-2] == ["Total", "2.00", "110.00", "100.0%"]
    assert lines[-1] == ["Journeys:", "3"]


def test_several_models_stand_side_by_side_with_totals():
    out, err = attribute(SYNTHETIC)

    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[0] == ["Conversions", *(name for name in MODELS if name != "time_decay")]
    assert lines[2][:3] == ["direct", "627.00", "561.00"]
    assert ["Total", *["87,158.75"] * (len(MODELS) - 1)] in lines
    assert "time_decay is left out" in err


@pytest.mark.parametrize("width", [40, 80, 120])
def test_on_a_terminal_the_models_are_folded_to_its_width(width):
    journeys = synthetic()
    answers = {name: credit(journeys, name) for name in MODELS if name != "time_decay"}

    out = as_tables(answers, {"journeys": 10_000.0, "revenue": 1.0}, width=width)

    assert width < 80 or max(map(len, out.splitlines())) <= width
    assert all(out.count(f" {name} ") + out.count(f" {name}\n") == 2 for name in answers)


def test_markup_in_a_channel_name_is_only_text(tmp_path):
    path = tmp_path / "paths.csv"
    path.write_text("path,total_conversions\n[red]a[/red] > 広告,1\n", encoding="utf-8")

    out, _ = attribute(path, "--model", "linear,markov")

    assert "[red]a[/red]" in out
    assert "広告" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "magic"], 'model "magic" is not known; there are first_touch'),
        (["--model", ","], "--model names no model"),
        (["--lookback-days", "0"], "no number of days above 0"),
        (["--lookback-days", "nan"], "no number of days above 0"),
        (["--half-life-days", "inf"], "no number of days above 0"),
        (["--half-life-days", "soon"], "invalid _days value|soon"),
        (["--format", "xml"], "invalid choice"),
    ],
)
def test_options_that_mean_nothing_are_refused(log, options, message):
    with pytest.raises(CommandError, match=message):
        attribute(log, *options)


def test_only_models_that_cannot_be_computed_is_an_error():
    with pytest.raises(CommandError, match=r"No model could be computed\. time_decay is left out"):
        attribute(SYNTHETIC, "--model", "time_decay")


def test_a_file_without_conversions_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "".join(line for line in LOG.splitlines(keepends=True) if "purchase" not in line), "utf-8"
    )

    with pytest.raises(CommandError, match=r"log\.csv holds no conversions: there is nothing to credit\."):
        attribute(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LOG.replace("2026-01-02T09", "2026-01-99T09"), r"log\.csv: line 3: occurred_at: .*\."),
        (LOG.replace("99.99", "-1"), "line 4: value: .* is negative"),
        (LOG.replace("channel", "chanel"), 'line 1: the column "chanel" is not known: call it "channel"'),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path, content, message):
    path = tmp_path / "log.csv"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(CommandError, match=message):
        attribute(path)


def test_chains_too_large_to_solve_are_left_out(tmp_path):
    """5,000 channels in pairs that all differ: order 2 would have 30,000 states."""
    path = tmp_path / "paths.parquet"
    names = [
        f"c{i % 5_000} > c{(i * 7 + i // 5_000 + 1) % 5_000} > c{(i * 3) % 5_000}" for i in range(30_000)
    ]
    pa.parquet.write_table(pa.table({"path": names, "total_conversions": [1] * len(names)}), path)

    answer = as_json(path, "--model", "linear,markov_2")

    assert list(answer["models"]) == ["linear"]
    assert "lower the order or group the rare channels" in answer["left_out"]["markov_2"]


def test_it_runs_without_database_and_redis_on_the_standard_input():
    done = in_a_process("-", "--model", "linear", "--format", "json", given=LOG.encode())

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["revenue"] == 110
    assert done.stderr == b""


def test_a_terminal_without_the_characters_still_gets_its_table(log):
    done = in_a_process(log, "--model", "linear", PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert b"google" in done.stdout


def test_an_error_is_one_line_and_exit_code_1(tmp_path):
    done = in_a_process(tmp_path)

    assert done.returncode == 1
    assert done.stderr.decode() == f"CommandError: {tmp_path}: it is a directory: name one file.\n"


def test_a_pipe_is_read(log):
    reading, writing = os.pipe()
    os.write(writing, LOG.encode())
    os.close(writing)

    with os.fdopen(reading):
        assert as_json(f"/dev/fd/{reading}", "--model", "linear")["totals"]["journeys"] == 3


def test_a_reader_that_has_seen_enough_is_no_error(log):
    command = f"{sys.executable} manage.py attribute {log} | head -c 1"

    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=True)  # noqa: S603

    assert done.stderr == b""


def test_help_tells_the_columns_and_that_times_are_utc():
    done = in_a_process("--help", COLUMNS="200")

    help_text = " ".join(done.stdout.decode().split())
    assert "UTC where it names no zone" in help_text
    assert "total_conversion_value" in help_text
