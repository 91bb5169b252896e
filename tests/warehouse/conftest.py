"""Tests of the engines, collected where these are installed: see `make warehouse`."""

import logging
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

MISSING = [name for name in ("ibis", "duckdb", "pyspark") if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []
# A session of this machine alone, for tables of a few thousand rows.
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_SUBMIT_ARGS"] = (
    "--master local[2] --driver-memory 1g --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2"
    " pyspark-shell"
)


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One session for all tests: starting one takes seconds."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java 17, which is not installed")
    from pyspark.sql import SparkSession  # noqa: PLC0415 - it may not be installed

    logging.getLogger("py4j").setLevel(logging.WARNING)
    session = SparkSession.builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
