"""The options of `manage.py attribute` that name an engine, where none is installed or reached."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).parents[2]
FILES = ("--touchpoints", "t/*.parquet", "--conversions", "c/*.parquet")


def attribute(*options):
    call_command("attribute", *options, stdout=io.StringIO(), stderr=io.StringIO())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Name a FILE, or an --engine"),
        (("log.csv", "--engine", "duckdb", *FILES), "a FILE or an --engine, not both"),
        (("log.csv", *FILES), "--touchpoints needs --engine"),
        (("log.csv", "--counting", "once"), "--counting needs --engine"),
        (("--engine", "duckdb"), "--engine duckdb reads from --conversions and --touchpoints"),
        (("--engine", "spark", "--workspace", "demo"), "reads from --conversions and --touchpoints"),
        (("--engine", "postgres", *FILES), "reads from --workspace or --conversions and --database and"),
        (("--engine", "duckdb", *FILES, "--transform", "trim"), "--trim-touches: Say how many touches"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(CommandError, match=message):
        attribute(*options)


def test_without_the_requirements_it_says_what_is_missing_and_how_to_get_it(tmp_path):
    """An ibis that cannot be found stands before one that may be installed."""
    (tmp_path / "ibis.py").write_text("raise ModuleNotFoundError(name='ibis')\n", encoding="utf-8")

    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "manage.py", "attribute", "--engine", "duckdb", *FILES],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )

    assert done.returncode == 1
    told = done.stderr.decode()
    assert told.startswith("CommandError: The engines are not installed here (ibis is missing)")
    assert "make warehouse" in told
