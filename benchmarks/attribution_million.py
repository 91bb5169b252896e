"""Claim: a million touchpoints in PostgreSQL are attributed by all models in seconds, in a worker's
memory.

    PYTHONPATH=. .venv/bin/python benchmarks/attribution_million.py [--rows 1000000] [--fresh]

The data come from the simulator through the doors that real data take, and are kept for the next run unless
--fresh is given. The time to load is held against fetching the same rows with the driver's own cursor, in the
same run.
"""

import argparse
from datetime import UTC, datetime
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps, cpu_of

END = datetime(2026, 11, 20, tzinfo=UTC)
PEOPLE_PER_TOUCHPOINT = 0.2016  # of the simulator, over 180 days
LOAD, PEER, WHOLE = (
    "load touchpoints",
    "peer: the driver's cursor, row by row",
    "all of it: ask, compute, store, read",
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--fresh", action="store_true")
    chosen = arguments.parse_args()
    with benchmark_database(keep=not chosen.fresh):
        _measure(chosen.rows)


def _measure(touchpoints: int) -> None:
    """Imports wait for Django's settings."""
    from django.conf import settings  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415

    settings.ATTRIBUTION_INLINE_TOUCHES = 10**9
    [(backend,)] = _rows("SELECT pg_backend_pid()")
    steps, made = Steps(server=lambda: cpu_of(backend)), workspace(f"million-{touchpoints}", now=END)
    with scoping.workspace(made):
        _store(made, touchpoints, steps)
        [(stored,)] = _rows("SELECT count(*) FROM attribution_touchpoint")
        print(f"{stored:,} touchpoints")
        _step_by_step(made, stored, steps)
        _at_once(made, steps)
        _train(made, steps)
        with steps.step(PEER):
            _rows("SELECT id, person_id, occurred_at, source_id FROM attribution_touchpoint")
    load_of_peer = steps.done[LOAD].cpu / steps.done[PEER].cpu
    print(f"loading takes {load_of_peer:.0%} of the CPU of the driver's cursor")
    print(f"{stored / steps.done[WHOLE].cpu:,.0f} touchpoints a CPU second, from rows to stored credits")
    steps.keep(f"attribution_million-{touchpoints}", touchpoints=stored, load_of_peer=load_of_peer)


def _rows(query: str) -> list[tuple[Any, ...]]:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _store(made: Any, touchpoints: int, steps: Steps) -> None:
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.attribution import demo  # noqa: PLC0415
    from apps.attribution.models import Touchpoint  # noqa: PLC0415

    if Touchpoint.objects.exists():
        return
    count = round(touchpoints * PEOPLE_PER_TOUCHPOINT)
    with steps.step("simulate and store through the bulk doors"):
        demo.fill(
            system(made.pk), people_count=count, days=180, seed=1, now=END, progress=lambda name, rows: None
        )


def _step_by_step(made: Any, stored: int, steps: Steps) -> None:
    from apps.attribution import journeys, loading, run_figures  # noqa: PLC0415
    from apps.attribution.maths.ledger import ledger  # noqa: PLC0415
    from apps.attribution.questions import Query  # noqa: PLC0415

    query = Query()
    with steps.step(LOAD):
        loading.touches(start=None, end=None, expected=stored)
    with steps.step("load and assemble journeys"):
        gathered = journeys.of(query, decimals=2, expected=stored)
    print(
        f"{gathered.journeys.n_journeys:,} journeys, {int(gathered.journeys.conversions.sum()):,} converted"
    )
    with steps.step("count journeys"):
        counts = gathered.counts()
    for model in query.models:
        with steps.step(f"credit: {model}"):
            ledger(counts, model, levels=gathered.table.levels())
    with steps.step("paths, flow, times, sets, days"):
        daily = run_figures.daily(query, made, decimals=2)
        run_figures.gather(counts, gathered.table, touches=stored, daily=daily, before=None, crowded=0)


def _at_once(made: Any, steps: Steps) -> None:
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.attribution import analysis  # noqa: PLC0415
    from apps.attribution.models import ModelRun  # noqa: PLC0415
    from apps.attribution.questions import Query  # noqa: PLC0415

    ModelRun.objects.all().delete()
    for name in (WHOLE, "the same question again"):
        with steps.step(name):
            answer = analysis.ask(system(made.pk), Query(), now=END)
            assert answer.result is not None
            print(f"    {len(answer.result.rows):,} rows")


def _train(made: Any, steps: Steps) -> None:
    from apps.attribution import fingerprints, markov_training  # noqa: PLC0415

    for order in markov_training.ORDERS:
        question = markov_training.question(order)
        with steps.step(f"train markov_{order}, store and reload"):
            census = fingerprints.take(question, zone=made.zone)
            run = markov_training.train(question, order, census, workspace=made, job=None, now=END)
            markov_training.forget_loaded()
            markov_training.latest(order)
        print(f"    {run.figures['states']:,} states")


if __name__ == "__main__":
    main()
