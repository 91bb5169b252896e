"""`manage.py attribute FILE`: a file in, the credit of each channel out; no database is needed.

With --engine the events are counted where they lie: see docs/how-to/scale.md.
"""

import argparse
import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.attribution.credit_tables import as_json, as_rows, as_tables
from apps.attribution.files.event_log import CONVERSION_WORDS, TOUCH_WORDS
from apps.attribution.files.forms import Refused
from apps.attribution.files.opening import seekable_path
from apps.attribution.files.reading import Reading, read
from apps.attribution.maths import rules
from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.journeys import Journeys, NoConversions
from apps.attribution.maths.models import MODELS, Credit, credit, resolve
from apps.attribution.maths.removal import DidNotConverge
from apps.attribution.reports import csv_lines
from apps.attribution.warehouse import command_line

CreditOf = Callable[[str], Credit]


class Command(BaseCommand):
    help = (
        "Credit the conversions of a file to channels. FILE is CSV, JSON Lines or Parquet, also gzipped, or"
        " - for the standard input. Either an event log with the columns user_id, occurred_at (ISO 8601, UTC"
        f" where it names no zone, or an epoch), kind ({', '.join(TOUCH_WORDS)};"
        f" {', '.join(CONVERSION_WORDS)}), channel and perhaps value, event_id, order_id, currency, campaign;"
        ' or aggregated paths with the columns path ("email > search"), total_conversions and perhaps'
        " total_conversion_value, total_null."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", nargs="?")
        parser.add_argument(
            "--model", default="all", help=f"all, or names separated by commas, of {', '.join(MODELS)}"
        )
        parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
        parser.add_argument(
            "--lookback-days",
            type=_days,
            default=30.0,
            metavar="N",
            help="how long before a conversion a touch still counts (default 30)",
        )
        parser.add_argument(
            "--half-life-days",
            type=_days,
            default=rules.HALF_LIFE_DAYS,
            metavar="N",
            help="after how long time_decay halves the weight of a touch (default 7)",
        )
        parser.add_argument(
            "--direct-channel",
            default=rules.DIRECT_CHANNEL,
            metavar="NAME",
            help="the channel that last_non_direct passes over (default direct)",
        )
        parser.add_argument(
            "--ignore-column",
            action="append",
            default=[],
            metavar="NAME",
            help="pass over a column; repeatable",
        )
        command_line.add_options(parser)

    def handle(self, **options: Any) -> None:
        names = _names(options["model"])
        command_line.check(options)
        if options["engine"]:
            journeys, models = self._count(names, options)
        else:
            journeys, models = self._read(options)
        answers, left_out = _answers(models, names, options)
        if left_out and options["format"] != "json":
            self.stderr.write(_sentence(left_out))
        if not answers:
            raise CommandError(f"No model could be computed. {_sentence(left_out)}")
        totals = {
            "journeys": float((journeys.conversions + journeys.nulls).sum()),
            "conversions": float(journeys.conversions.sum()),
            "revenue": float(journeys.value.sum()),
        }
        width = shutil.get_terminal_size().columns if self.stdout.isatty() else None
        self._write(_rendered(options["format"], answers, totals, left_out, width=width))

    def _read(self, options: dict[str, Any]) -> tuple[Journeys, CreditOf]:
        name = options["file"]
        try:
            with seekable_path(name, standard_input=lambda: sys.stdin.buffer) as path:
                reading = read(path, lookback_days=options["lookback_days"], ignored=options["ignore_column"])
        except (Refused, OSError) as error:
            raise CommandError(f"{_shown(options)}: {error}.") from error
        if reading.repeats:
            self.stderr.write(f"{reading.repeats:,} rows repeat an event_id and were left out.")
        return reading.journeys, _from_file(reading, options)

    def _count(self, names: list[str], options: dict[str, Any]) -> tuple[Journeys, CreditOf]:
        needs_times = any(MODELS[name].needs_times for name in names)
        try:
            counted = command_line.count(options, needs_times=needs_times)
        except Refused as error:
            raise CommandError(f"{_shown(options)}: {error}.") from error
        direct_channel = options["direct_channel"]
        return counted.journeys, lambda name: counted.credit(name, direct_channel=direct_channel)

    def _write(self, text: str) -> None:
        """A reader that has seen enough (head, less) is no error, nor a terminal that lacks a character."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        try:
            self.stdout.write(text.encode(encoding, "replace").decode(encoding))
            self.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _days(text: str) -> float:
    days = float(text)
    if not (days > 0 and math.isfinite(days)):
        raise argparse.ArgumentTypeError(f"{text} is no number of days above 0")
    return days


def _names(given: str) -> list[str]:
    wanted = [name.strip() for name in given.split(",") if name.strip()]
    if not wanted:
        raise CommandError("--model names no model.")
    try:
        found = [name for one in wanted for name in (MODELS if one == "all" else [resolve(one).name])]
    except ValueError as error:
        raise CommandError(f"--model: {error}.") from error
    return list(dict.fromkeys(found))


def _shown(options: dict[str, Any]) -> str:
    """What was read, as a message calls it."""
    if options["engine"]:
        return str(options["workspace"] or options["touchpoints"])
    return "The standard input" if options["file"] == "-" else str(options["file"])


def _from_file(reading: Reading, options: dict[str, Any]) -> CreditOf:
    """Each model from journeys; for the chains their paths are merged once. Rows without times are paths."""
    settings = {name: options[name] for name in ("half_life_days", "direct_channel")}
    has_times = reading.journeys.age_days is not None
    merged = cache(lambda: unique_paths(reading.journeys).journeys if has_times else reading.journeys)

    def credit_of(name: str) -> Credit:
        if MODELS[name].needs_times and not has_times:
            raise ValueError(f"it needs the time of each touch, and {reading.form} have none")
        return credit(reading.journeys, name, merged=merged() if MODELS[name].order else None, **settings)

    return credit_of


def _answers(
    credit_of: CreditOf, names: list[str], options: dict[str, Any]
) -> tuple[dict[str, Credit], dict[str, str]]:
    """What each model credits, and why a model was left out."""
    answers, left_out = {}, {}
    for name in names:
        try:
            answers[name] = credit_of(name)
        except NoConversions as error:
            raise CommandError(
                f"{_shown(options)} holds no conversions: there is nothing to credit."
            ) from error
        except (ValueError, DidNotConverge) as error:
            left_out[name] = str(error)
    return answers, left_out


def _sentence(left_out: dict[str, str]) -> str:
    return "\n".join(f"{name} is left out: {why}." for name, why in left_out.items())


def _rendered(
    form: str,
    answers: dict[str, Credit],
    totals: dict[str, float],
    left_out: dict[str, str],
    *,
    width: int | None,
) -> str:
    if form == "json":
        answer = as_json(answers, totals)
        return json.dumps(answer | ({"left_out": left_out} if left_out else {}), allow_nan=False)
    if form == "csv":
        return "".join(csv_lines(as_rows(answers))).rstrip()
    return as_tables(answers, totals, width=width)
