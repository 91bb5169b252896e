"""`manage.py allocate FILE --total-budget B`: curves in, the best budgets out; no database is needed."""

import argparse
import json
import math
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.attribution.files.opening import seekable_path
from apps.campaigns.maths.allocation.curves import FALLBACK_EXPONENT, PowerCurves
from apps.campaigns.maths.allocation.problem import Problem
from apps.campaigns.maths.allocation.solve import allocate
from apps.campaigns.optimization.plan_cells import PlanFileRefused
from apps.campaigns.optimization.plan_files import PlanFile, read
from apps.campaigns.optimization.plan_tables import as_json, as_table


class Command(BaseCommand):
    help = (
        "Divide a total budget among campaigns so that it earns the most. FILE is CSV, JSON Lines or Parquet,"
        " also gzipped, or - for the standard input, with the columns campaign and a, and perhaps k,"
        " min_budget, max_budget, current_budget: a budget b earns a * b ** k;"
        f" k is {FALLBACK_EXPONENT} where none is given. Says what"
        " binds each budget, how far from the best the answer may be, and what collides if none is."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--total-budget", type=_amount, required=True, metavar="B")
        parser.add_argument(
            "--max-change-percent",
            type=_amount,
            metavar="P",
            help="how far a budget may rise or fall from its current_budget",
        )
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, **options: Any) -> None:
        name = options["file"]
        shown = "The standard input" if name == "-" else name
        try:
            with seekable_path(name, standard_input=lambda: sys.stdin.buffer) as path:
                plan = read(path)
            answer = allocate(_problem(plan, options))
        except PlanFileRefused as error:
            raise CommandError(f"{shown} cannot be used.\n{error}") from error
        except (ValueError, OSError) as error:
            raise CommandError(f"{shown}: {error}.") from error
        notes = _notes(plan)
        if options["format"] == "json":
            self._write(json.dumps(as_json(answer, notes), allow_nan=False))
        else:
            self._write(as_table(answer, notes))

    def _write(self, text: str) -> None:
        """A terminal that lacks a character gets a question mark."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        self.stdout.write(text.encode(encoding, "replace").decode(encoding))


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no finite number of at least 0")
    return amount


def _problem(plan: PlanFile, options: dict[str, Any]) -> Problem:
    percent = options["max_change_percent"]
    current = None
    if percent is not None:
        current = _known(plan)
    return Problem(
        curves=PowerCurves(plan.a, plan.k),
        names=plan.campaigns,
        total=options["total_budget"],
        lower=plan.lower,
        upper=plan.upper,
        current=current,
        max_change=None if percent is None else percent / 100,
    )


def _known(plan: PlanFile) -> list[float]:
    missing = [name for name, now in zip(plan.campaigns, plan.current, strict=True) if now is None]
    if missing:
        raise PlanFileRefused(
            f"--max-change-percent needs a current_budget for each campaign; {missing[0]!r} has none"
            f"{f', nor have {len(missing) - 1:,} more' if missing[1:] else ''}. Write it, or drop the option."
        )
    return [now for now in plan.current if now is not None]


def _notes(plan: PlanFile) -> list[str]:
    if not plan.guessed:
        return plan.notes
    return [
        f"k is {FALLBACK_EXPONENT} (the fallback) for {plan.guessed:,} of {len(plan.campaigns):,} campaigns."
    ]
