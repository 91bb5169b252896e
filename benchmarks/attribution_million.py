"""Claim: a million touchpoints in PostgreSQL are attributed by all models in seconds, in a worker's
memory.

    PYTHONPATH=. .venv/bin/python benchmarks/attribution_million.py [--rows 1000000] [--fresh]

The data come from the simulator through the doors that real data take, and are kept for the next run unless
--fresh is given. The time to load is held against fetching the same rows with the driver's own cursor, in the
same run.
"""

import argparse
from datetime import UTC, datetime

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps, cpu_of

END = datetime(2026, 11, 20, tzinfo=UTC)
PEOPLE_PER_TOUCHPOINT = 0.2016  # of the simulator, over 180 days


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
    from django.db import connection  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.attribution import (  # noqa: PLC0415
        analysis,
        costs,
        demo,
        fingerprints,
        journeys,
        loading,
        markov_training,
        run_figures,
        runs,
    )
    from apps.attribution.maths.ledger import ledger  # noqa: PLC0415
    from apps.attribution.models import Touchpoint  # noqa: PLC0415
    from apps.attribution.questions import Query  # noqa: PLC0415

    settings.ATTRIBUTION_INLINE_TOUCHES = 10**9
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    steps = Steps(server=lambda: cpu_of(backend))
    made = workspace(f"million-{touchpoints}", now=END)
    actor = system(made.pk)
    with scoping.workspace(made):
        if not Touchpoint.objects.exists():
            count = round(touchpoints * PEOPLE_PER_TOUCHPOINT)
            with steps.step("simulate and store through the bulk doors"):
                demo.fill(
                    actor, people_count=count, days=180, seed=1, now=END, progress=lambda name, rows: None
                )
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM attribution_touchpoint")
            stored = cursor.fetchone()[0]
        print(f"{stored:,} touchpoints")
        query = Query()
        with steps.step("fingerprint of the data"):
            census = fingerprints.take(query, zone=made.zone)
        with steps.step("load touchpoints"):
            loading.touches(start=None, end=None, expected=census.touches)
        with steps.step("load and assemble journeys"):
            gathered = journeys.of(query, decimals=2, expected=census.touches)
        print(
            f"{gathered.journeys.n_journeys:,} journeys,"
            f" {int(gathered.journeys.conversions.sum()):,} conversions"
        )
        with steps.step("count journeys"):
            counts = gathered.counts()
        levels = gathered.table.levels()
        for model in query.models:
            with steps.step(f"credit: {model}"):
                ledger(counts, model, levels=levels)
        with steps.step("paths, flow, times, sets, days"):
            daily = run_figures.daily(query, made, decimals=2)
            run_figures.gather(
                counts, gathered.table, touches=gathered.touches_read, daily=daily, before=None
            )
        with steps.step("costs"):
            costs.by_source(made, gathered.table, start=None, end=None)
        del gathered
        analysis.ModelRun.objects.all().delete()
        with steps.step("all of it: ask, compute, store, read"):
            analysis.ask(actor, query, now=END)
        with steps.step("the same question again"):
            analysis.ask(actor, query, now=END)
        for order in markov_training.ORDERS:
            with steps.step(f"train markov_{order}, store and reload"):
                question = markov_training.question(order)
                run = markov_training.train(question, order, census, workspace=made, job=None, now=END)
                markov_training.forget_loaded()
                markov_training.latest(order)
            print(f"    {run.figures['states']:,} states")
        assert runs.latest(query) is not None
        with steps.step("peer: the driver's cursor, row by row"), connection.cursor() as cursor:
            cursor.execute("SELECT id, person_id, occurred_at, source_id FROM attribution_touchpoint")
            rows = cursor.fetchall()
        del rows
    load, peer = steps.done["load touchpoints"], steps.done["peer: the driver's cursor, row by row"]
    whole = steps.done["all of it: ask, compute, store, read"]
    print(f"loading takes {load.cpu / peer.cpu:.0%} of the CPU of the driver's cursor")
    print(f"{stored / whole.cpu:,.0f} touchpoints a CPU second, from rows to stored credits of all models")
    steps.keep(f"attribution_million-{touchpoints}", touchpoints=stored, load_of_peer=load.cpu / peer.cpu)


if __name__ == "__main__":
    main()
