"""Claim: 100 million touchpoints in Parquet are attributed on one machine in less than 4 GB of memory.

    PYTHONPATH=. .venv/bin/python benchmarks/warehouse_hundred_million.py --duckdb 100000000

Without options: DuckDB on 1 and 10 million, PostgreSQL and Spark on 1 million. What the engines do is held
against the floor under any way to find journeys: one sort of the same rows by person and time, in the same
engine and run. `make warehouse` installs the engines; without them this says so and measures nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._measure import Spent, Steps, cpu_of, elsewhere, keep, peak_of

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-warehouse" / "bin" / "python"
MEMORY = "2GB"  # DuckDB's; what the process holds beside it is measured
MOST_MB = 4_096
ROOM_BYTES = 300  # on disk for each touch: files, what DuckDB spills, what PostgreSQL stores
SCHEMA = "warehouse_benchmark"
CHOOSER = "markov_auto"  # holds each path out under every order: told by itself
SORT = """
    SELECT sum(place) FROM (
        SELECT row_number() OVER (PARTITION BY user_id ORDER BY occurred_at) AS place FROM {rows}
    ) AS sorted"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--duckdb", type=int, nargs="*", default=[1_000_000, 10_000_000])
    arguments.add_argument("--postgres", type=int, nargs="*", default=[1_000_000])
    arguments.add_argument("--spark", type=int, nargs="*", default=[1_000_000])
    arguments.add_argument("--home", type=Path, help="where the files go, and stay; else they are removed")
    chosen = arguments.parse_args()
    most = max([*chosen.duckdb, *chosen.postgres, *chosen.spark, 0])
    with _home(chosen.home, room=most * ROOM_BYTES) as home:
        for engine, measure in (("duckdb", _duckdb), ("postgres", _postgres), ("spark", _spark)):
            for touches in getattr(chosen, engine):
                _tell(engine, touches, elsewhere(measure, home, touches))


def _duckdb(home: Path, touches: int) -> dict[str, Any]:
    import duckdb  # noqa: PLC0415 - in the environment of the engines only

    from apps.attribution.warehouse.engines import duckdb_files  # noqa: PLC0415

    places, spill, steps = _places(home, touches), home / "spill", Steps()
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill)}) as database:
        rows = f"read_parquet('{places[0]}')"
        with steps.step("floor: one sort by person and time"):
            database.execute(SORT.format(rows=rows)).fetchall()
    with duckdb_files(*places, memory=MEMORY, spill_to=spill) as engine, _spilling(spill) as spilled:
        counted = _count(engine, steps)
    _credit(counted, steps)
    with steps.step(f"{CHOOSER}, which tries every order"):
        counted.credit(CHOOSER, direct_channel="direct")
    found = _found(counted, steps)
    del counted
    whole = _command(places, spill)
    peak = max(spent["peak_mb"] for spent in [*found["steps"].values(), whole])
    assert peak < MOST_MB, f"{peak:.0f} MB"
    return found | {"peak_mb": peak, "spilled_mb": spilled(), "command": whole}


def _command(places: tuple[str, str], spill: Path) -> dict[str, float]:
    """The same question as somebody would ask it, every model, in a process of its own."""
    asked = ["manage.py", "attribute", "--engine", "duckdb", "--model", "all", "--memory", MEMORY]
    where = ["--touchpoints", places[0], "--conversions", places[1], "--spill-to", str(spill)]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *asked, *where], cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603
    _, state, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(state)
    assert process.returncode == 0, process.returncode
    cpu = used.ru_utime + used.ru_stime
    return {"wall": time.perf_counter() - started, "client": cpu, "peak_mb": used.ru_maxrss / 1024}


def _spark(home: Path, touches: int) -> dict[str, Any]:
    from pyspark.sql import SparkSession  # noqa: PLC0415

    from apps.attribution.warehouse.engines import spark_files  # noqa: PLC0415

    places = _places(home, touches)
    builder: Any = SparkSession.builder
    session = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    machine = session.sparkContext._gateway.proc.pid
    steps = Steps(server=lambda: cpu_of(machine))
    session.read.parquet(places[0]).createOrReplaceTempView("rows")
    with steps.step("first query: Spark warms up"):
        session.sql("SELECT count(DISTINCT channel) FROM rows").collect()
    with steps.step("floor: one sort by person and time"):
        session.sql(SORT.format(rows="rows")).collect()
    with spark_files(*places) as engine:
        counted = _count(engine, steps)
    _credit(counted, steps)
    return _found(counted, steps) | {"peak_mb": peak_of(machine)}


def _postgres(home: Path, touches: int) -> dict[str, Any]:
    """Two plain tables without an index, read by one process, whose CPU can be seen."""
    import psycopg  # noqa: PLC0415

    from benchmarks._database import benchmark_database  # noqa: PLC0415

    with benchmark_database(name="bench_warehouse"):
        from django.db import connections  # noqa: PLC0415 - Django is set up by then

        from apps.attribution.warehouse.engines import postgres_database  # noqa: PLC0415

        given = connections["owner"].get_connection_params()
        known: dict[str, Any] = {
            name: given.get(name) for name in ("host", "port", "user", "password", "dbname")
        }
        url = psycopg.conninfo.make_conninfo(**known, options="-c max_parallel_workers_per_gather=0")
        with psycopg.connect(url, autocommit=True) as database:
            names = _filled(database, home, touches)
        with postgres_database(url, *names) as engine:
            backend = engine.fetch("SELECT pg_backend_pid() AS pid").to_pylist()[0]["pid"]
            steps = Steps(server=lambda: cpu_of(backend))
            with steps.step("floor: one sort by person and time"):
                engine.fetch(SORT.format(rows=names[0]))
            counted = _count(engine, steps)
            _credit(counted, steps)
            peak = peak_of(backend)
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
        return _found(counted, steps) | {"peak_mb": peak}


def _filled(database: Any, home: Path, touches: int) -> tuple[str, str]:
    import duckdb  # noqa: PLC0415

    tables = {
        f"{SCHEMA}.touchpoints": "user_id bigint, occurred_at timestamptz, channel text, position bigint",
        f"{SCHEMA}.conversions": "user_id bigint, occurred_at timestamptz, conversion_type text,"
        " value numeric(12, 2), position bigint",
    }
    database.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    database.execute(f"CREATE SCHEMA {SCHEMA}")
    for (name, columns), files in zip(tables.items(), _places(home, touches), strict=True):
        database.execute(f"CREATE UNLOGGED TABLE {name} ({columns})")
        text = home / "rows.csv"
        duckdb.sql(f"COPY (FROM read_parquet('{files}')) TO '{text}' (HEADER false)")
        with database.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy, text.open("rb") as rows:
            while part := rows.read(1 << 20):
                copy.write(part)
        text.unlink()
        database.execute(f"ANALYZE {name}")
    first, second = tables
    return first, second


def _count(engine: Any, steps: Steps) -> Any:
    from apps.attribution.lenses import Lens  # noqa: PLC0415
    from apps.attribution.warehouse import reading  # noqa: PLC0415

    with steps.step("journeys to path counts and time decay"):
        return reading.count(engine, Lens(), half_life_days=7.0, direct_channel="direct")


def _credit(counted: Any, steps: Steps) -> None:
    from apps.attribution.maths.models import MODELS  # noqa: PLC0415

    models = [model for model in MODELS if model != CHOOSER]
    with steps.step(f"credit of {len(models)} models from the path counts"):
        for model in models:
            counted.credit(model, direct_channel="direct")


def _found(counted: Any, steps: Steps) -> dict[str, Any]:
    journeys = counted.journeys
    return {
        "journeys": int((journeys.conversions + journeys.nulls).sum()),
        "conversions": int(journeys.conversions.sum()),
        "paths": journeys.n_journeys,
        "steps": {name: vars(spent) for name, spent in steps.done.items()},
    }


def _tell(engine: str, touches: int, found: dict[str, Any]) -> None:
    steps = {name: Spent(**spent) for name, spent in found["steps"].items()}
    floor = next(spent for name, spent in steps.items() if name.startswith("floor"))
    count = next(spent for name, spent in steps.items() if name.startswith("journeys"))
    millions = touches / 1_000_000
    limit = f" (limit {MOST_MB:,})" if engine == "duckdb" else ""
    spilled = f", {found['spilled_mb']:,.0f} MB spilled" if "spilled_mb" in found else ""
    print(
        f"{engine}, {touches:,} touchpoints: {found['journeys']:,} journeys, {found['conversions']:,}"
        f" conversions, {found['paths']:,} paths\n  {count.wall / millions:.2f} s wall and"
        f" {count.cpu / millions:.2f} s CPU a million, {count.cpu / floor.cpu:.1f} x one sort of the same"
        f" rows; peak {found['peak_mb']:,.0f} MB{limit}{spilled}",
        flush=True,
    )
    if whole := found.get("command"):
        print(
            f"  manage.py attribute, every model: {whole['wall']:.0f} s wall, {whole['client']:.0f} s CPU,"
            f" peak {whole['peak_mb']:,.0f} MB"
        )
    for name, spent in steps.items():
        print(f"  {name}: {spent.cpu:.1f} s CPU, {spent.peak_mb:,.0f} MB", flush=True)
    of_floor = count.cpu / floor.cpu
    keep(f"warehouse-{engine}-{touches}", touches=touches, of_one_sort=of_floor, **found)


def _places(home: Path, touches: int) -> tuple[str, str]:
    from benchmarks._parquet import write_parquet  # noqa: PLC0415

    return elsewhere(write_parquet, home / f"{touches}", touches=touches)


@contextmanager
def _home(given: Path | None, *, room: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as fresh:
        home = given or Path(fresh)
        home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(home).free
        if free < room:
            sys.exit(
                f"{home} has {free / 1e9:.0f} GB left, {room / 1e9:.0f} are wanted: name a place with --home."
            )
        yield home


@contextmanager
def _spilling(folder: Path) -> Iterator[Callable[[], float]]:
    """The most megabytes that lay in the folder at once, looked at twice a second."""
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            most[0] = max(most[0], sum(_size(one) for one in folder.glob("*")) / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: most[0]
    finally:
        done.set()
        watcher.join()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    if find_spec("duckdb") is not None:
        main()
    elif PYTHON.exists():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606 - our own command line
    else:
        print("The warehouse engines are not installed: `make warehouse` does that. Nothing was measured.")
