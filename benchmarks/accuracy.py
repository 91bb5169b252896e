"""Claim: the nightly measurement of accuracy of a million touchpoints fits a worker's memory, and no larger
workspace takes more.

    PYTHONPATH=. .venv/bin/python benchmarks/accuracy.py [--rows 1000000]

The data are those of attribution_ten_million.py. The peer is reading the same rows and doing nothing with
them, in the same run, in a process of its own.
"""

import argparse
import logging
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps, cpu_of, elsewhere
from benchmarks.attribution_ten_million import END, NAME, fill

READ, LOAD, NIGHT = "read the same rows", "load them as a past", "the whole night, a first version trained"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=100_000)
    rows = arguments.parse_args().rows
    with benchmark_database(name=NAME):
        fill(rows)
    steps = Steps(done=elsewhere(_measured, rows, [READ]) | elsewhere(_measured, rows, [LOAD, NIGHT]))
    read, night = steps.done[READ], steps.done[NIGHT]
    print(
        f"a night of {rows:,} touchpoints takes {night.cpu:.2f} CPU s ({night.cpu / read.cpu:.1f} x reading"
        f" them) and {night.peak_mb:.0f} MB ({read.peak_mb:.0f} MB to read them)"
    )
    steps.keep(f"accuracy-{rows}", touchpoints=rows, night_of_read=night.cpu / read.cpu)


def _measured(rows: int, names: list[str]) -> dict[str, Any]:
    """Imports wait for Django's settings."""
    with benchmark_database(name=NAME):
        from django.db import connection  # noqa: PLC0415

        from apps.accounts import scoping  # noqa: PLC0415

        logging.disable(logging.WARNING)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
        steps, made = Steps(server=lambda: cpu_of(backend)), workspace(f"crowd-{rows}", now=END)
        with scoping.workspace(made):
            for name, deed in _deeds(made).items():
                if name in names:
                    with steps.step(name):
                        deed()
        return steps.done


def _deeds(made: Any) -> dict[str, Any]:
    from apps.attribution import accuracy, goals, loading, past_journeys  # noqa: PLC0415
    from apps.attribution.models import AccuracyNight, ConversionModel  # noqa: PLC0415

    AccuracyNight.objects.all().delete()
    ConversionModel.objects.all().delete()
    goal, crowd = goals.default(made), past_journeys.learners()

    def read() -> None:
        loading.touches_of(crowd)
        loading.conversions(start=None, end=None, decimals=2, crowd=crowd)

    def night() -> None:
        found = accuracy.run_night(goal, workspace=made, now=END)
        if found.missing:
            raise RuntimeError(found.missing)

    return {
        READ: read,
        LOAD: lambda: past_journeys.load(goal.lens, workspace=made, crowd=crowd),
        NIGHT: night,
    }


if __name__ == "__main__":
    main()
