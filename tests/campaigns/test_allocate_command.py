"""`manage.py allocate`, as a person runs it. No test here may touch the database."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from .maths.allocations import cases

ROOT = Path(__file__).parents[2]
PLAN = """campaign,a,k,min_budget,max_budget,current_budget
search,30,0.8,100,,400
social,20,0.7,,500,300
mail,5,,,,300
"""


@pytest.fixture
def plan(tmp_path):
    def write(text, name="plan.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def run(path, *options) -> str:
    out = io.StringIO()
    call_command("allocate", str(path), *options, stdout=out)
    return out.getvalue()


def as_json(path, *options):
    return json.loads(run(path, "--format", "json", *options))


def refusal(path, *options) -> str:
    with pytest.raises(CommandError) as caught:
        run(path, "--total-budget", "1000", *options)
    return str(caught.value)


def in_a_process(*arguments, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """With addresses where nothing listens: whoever asked for a database or Redis would fail."""
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    return subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "manage.py", "allocate", *map(str, arguments)],
        cwd=ROOT,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | nowhere | {"OWNER_DATABASE_URL": nowhere["DATABASE_URL"]},
    )


def test_json_has_the_promised_shape(plan):
    answer = as_json(plan(PLAN), "--total-budget", "1000", "--max-change-percent", "20")

    assert list(answer) == [
        "allocations",
        "revenue",
        "marginal_return",
        "certified_gap",
        "infeasible",
        "notes",
    ]
    assert [row["campaign"] for row in answer["allocations"]] == ["search", "social", "mail"]
    assert [row["budget"] for row in answer["allocations"]] == pytest.approx([480, 280, 240])
    assert [row["binds"] for row in answer["allocations"]] == [
        "largest change up",
        "nothing",
        "largest change down",
    ]
    assert answer["allocations"][1]["marginal_return"] == pytest.approx(answer["marginal_return"])
    assert answer["revenue"] == pytest.approx(sum(row["revenue"] for row in answer["allocations"]))
    assert answer["certified_gap"] <= 1e-9
    assert answer["infeasible"] is None


def test_a_k_that_nobody_gave_is_said_to_be_the_fallback(plan):
    assert as_json(plan(PLAN), "--total-budget", "1000")["notes"] == [
        "k is 0.8 (the fallback) for 1 of 3 campaigns."
    ]
    assert "k is 0.8 (the fallback) for 2 of 2 campaigns." in run(
        plan("campaign,a\nx,1\ny,2\n"), "--total-budget", "33"
    )
    assert "notes" not in as_json(plan("campaign,a,k\nx,1,.8\ny,2,.8\n"), "--total-budget", "33")


@pytest.mark.parametrize("case", cases("alloc_power.json")[-4:], ids=lambda case: case["kind"][:11])
def test_the_vectors_come_out_of_the_file(plan, case):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["campaign", "a", "k", "min_budget", "max_budget"])
    columns = [case[name] for name in ("a", "k", "lower", "upper")]
    writer.writerows([f"c{place}", *row] for place, row in enumerate(zip(*columns, strict=True)))

    answer = as_json(plan(text.getvalue()), "--total-budget", repr(case["budget"]))

    assert [row["budget"] for row in answer["allocations"]] == pytest.approx(case["optimal"], rel=1e-8)
    assert answer["revenue"] == pytest.approx(case["revenue"], rel=1e-8)


def test_the_table_adds_up_to_the_penny(plan):
    text = run(plan("campaign,a\nx,1\ny,1\nz,1\n"), "--total-budget", "100")

    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    budgets = [Decimal(row[1]) for row in rows[1:]]
    assert budgets == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33"), Decimal("100.00")]
    revenues = [Decimal(row[2]) for row in rows[1:]]
    assert sum(revenues[:-1]) == revenues[-1]


def test_a_budget_of_nothing_has_no_number_for_its_first_penny(plan):
    path = plan("campaign,a,max_budget\nx,1,0\ny,1,\n")

    assert as_json(path, "--total-budget", "5")["allocations"][0]["marginal_return"] is None
    assert "| - " in " ".join(run(path, "--total-budget", "5").split())


def test_what_collides_is_an_answer(plan):
    path = plan("campaign,a,max_budget\nx,1,10\ny,1,20\n")

    answer = as_json(path, "--total-budget", "50")

    assert answer["allocations"] == []
    assert answer["revenue"] is None
    (reason,) = answer["infeasible"]
    assert reason["amount"] == pytest.approx(20)
    assert reason["constraints"][0] == "the total of 50.00"
    assert reason["least_change"].startswith("Lower the total to 30.00")
    assert "Lower the total to 30.00" in run(path, "--total-budget", "50")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty."),
        ("campaign,a\n", "It holds no campaign."),
        ("name,a\nx,1\n", "Line 1: the column campaign is missing."),
        ("campaign,k\nx,.8\n", "Line 1: the column a is missing."),
        ("campaign,a,min_budgets\nx,1,2\n", "Line 1: the column 'min_budgets' is not known."),
        ("campaign,a\nx,1\n,2\n", "Line 3: the campaign has no name."),
        ("campaign,a\nx,1\nx,2\n", "Line 3: 'x' is on line 2 already."),
        ("campaign,a\nx,\n", "Line 2: a is empty."),
        ("campaign,a\nx,1\ny,much\n", "Line 3: a is 'much', which is no number."),
        ("campaign,a\nx,nan\n", "Line 2: a is nan. Write a finite number of at least 0."),
        ("campaign,a\nx,-1\n", "Line 2: a is -1."),
        ("campaign,a\nx,1e999\n", "Line 2: a is 1e999."),
        ("campaign,a,k\nx,1,1\n", "Line 2: k is 1. Write a number between 0 and 1"),
        ("campaign,a,max_budget\nx,1,inf\n", "Line 2: max_budget is inf."),
        ("campaign,a\nx,1,2\n", "Line 2: This row has 3 cells"),
        ("campaign,date,spend,revenue\nx,1st of May,1,2\n", "Line 2: date is '1st of May'"),
        ("campaign,date,spend\nx,2026-01-01,1\n", "the column revenue is missing"),
        ("campaign,date,spend,revenue\nx,2026-01-01,1,2\nx,2026-01-01,1,3\n", "is on line 2 already"),
        ("campaign,date,spend,revenue\nx,1990-01-01,1,2\nx,2026-01-01,1,3\n", "Keep the last 1,100"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_what_to_do(plan, text, message):
    assert message in refusal(plan(text))


def test_every_line_at_fault_is_told_up_to_ten(plan):
    text = "campaign,a\n" + "".join(f"c{line},x\n" for line in range(15))

    told = refusal(plan(text))

    assert told.count("Line ") == 10
    assert "5 more lines have faults." in told


def test_a_largest_change_needs_to_know_what_is_spent_now(plan):
    told = refusal(plan("campaign,a,current_budget\nx,1,\ny,1,3\n"), "--max-change-percent", "20")

    assert "'x' has none" in told


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path):
    assert "cannot be" in refusal(tmp_path / "none.csv")


def test_names_are_shown_as_they_are_even_where_they_are_no_text(plan):
    answer = as_json(plan(b"campaign,a\nb\xe9b\x07,1\n"), "--total-budget", "1")

    (row,) = answer["allocations"]
    assert row["campaign"].isprintable()


def test_packed_files_and_json_lines_are_read_too(plan):
    lines = b'{"campaign": "x", "a": 1}\n{"campaign": "y", "a": 2, "k": null, "max_budget": 3.5}\n'

    for path in (plan(lines, "plan.jsonl"), plan(gzip.compress(lines), "plan.jsonl.gz")):
        assert len(as_json(path, "--total-budget", "10")["allocations"]) == 2


@pytest.mark.parametrize("wrong", ["-1", "nan", "inf", "much"])
def test_a_total_that_is_no_amount_is_refused(plan, wrong):
    with pytest.raises(CommandError, match="no finite number"):
        run(plan(PLAN), f"--total-budget={wrong}")


def test_the_file_alone_is_enough(plan):
    done = in_a_process(plan(PLAN), "--total-budget", "1000", "--format", "json")

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["allocations"]) == 3


def test_the_standard_input_will_do():
    done = in_a_process("-", "--total-budget", "1000", given=PLAN.encode())

    assert done.returncode == 0, done.stderr
    assert b"| Total    | 1,000.00 |" in done.stdout


def test_a_refusal_is_no_traceback(plan):
    done = in_a_process(plan("campaign,a\nx,y\n"), "--total-budget", "1")

    assert done.returncode == 1
    assert b"Line 2: a is 'y'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_curves_are_fitted_to_a_file_of_history(plan):
    """Two campaigns whose revenue truly grows with the power 0.5 and 0.7; the first earns far more."""
    rng = np.random.default_rng(5)
    lines = ["campaign,date,spend,revenue"]
    for name, scale, k in (("search", 60.0, 0.5), ("social", 4.0, 0.7), ("mail", 8.0, 0.6)):
        for day in range(90):
            spend = 50 * np.exp(rng.normal(0, 0.4))
            revenue = scale * spend**k * rng.gamma(100, 1 / 100)
            lines.append(f"{name},{date(2026, 6, 1) + timedelta(days=day)},{spend:.2f},{revenue:.2f}")

    found = as_json(plan("\n".join(lines)), "--total-budget", "150", "--max-change-percent", "20")

    budgets = {one["campaign"]: one for one in found["allocations"]}
    assert budgets["search"]["binds"] == "largest change up"
    assert sum(one["budget"] for one in budgets.values()) == pytest.approx(150)
    assert "Curves fitted to 2026-06-01 to 2026-08-29" in found["notes"][0]


def test_a_history_that_says_too_little_says_so(plan):
    text = "campaign,date,spend,revenue\nsearch,2026-06-01,50,100\nsocial,2026-06-01,50,100\n"

    found = as_json(plan(text), "--total-budget", "100")

    assert any("search: not enough data" in note for note in found["notes"])
