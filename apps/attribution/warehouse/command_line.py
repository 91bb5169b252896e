"""The part of `manage.py attribute` that counts with an engine: its options, and what to make of them.

It can be imported without the engines; they are looked for when one is asked for.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from apps.accounts import scoping
from apps.accounts.members import workspaces_for_staff
from apps.attribution.files.forms import Refused
from apps.attribution.lenses import COUNTINGS, DIRECTS, TRANSFORMS, Lens, wrong_choices
from apps.attribution.money import exponent

if TYPE_CHECKING:
    from apps.attribution.warehouse.engines import Engine
    from apps.attribution.warehouse.reading import Counted

ENGINES = ("postgres", "duckdb", "spark")
MISSING = (
    "The engines are not installed here ({package} is missing). `make warehouse` makes an environment that"
    " has them: then it is .venv-warehouse/bin/python manage.py attribute …; or install"
    " requirements/warehouse.txt beside the product."
)


def add_options(parser: CommandParser) -> None:
    group = parser.add_argument_group(
        "counting where the events lie",
        "With --engine instead of FILE. Touchpoints have the columns user_id, occurred_at (without a zone:"
        " UTC), channel and perhaps position, a whole number that orders equal times; conversions have"
        " user_id, occurred_at and perhaps value, conversion_type, position. Each of them counts: leave out"
        " what was refunded. See docs/how-to/scale.md.",
    )
    group.add_argument("--engine", choices=ENGINES)
    group.add_argument("--touchpoints", metavar="WHERE", help="'dir/*.parquet', or a table for postgres")
    group.add_argument("--conversions", metavar="WHERE", help="'dir/*.parquet', or a table for postgres")
    group.add_argument("--workspace", metavar="SLUG", help="postgres: the events of this workspace")
    group.add_argument("--database", metavar="URL", help="postgres: the tables of another database")
    group.add_argument("--decimals", type=int, choices=range(5), help="of the currency's unit (default 2)")
    group.add_argument("--memory", metavar="SIZE", help="duckdb: the most to use, such as 3GB")
    group.add_argument("--spill-to", type=Path, metavar="DIR", help="duckdb: for what does not fit memory")
    group.add_argument("--conversion-type", action="append", metavar="NAME", help="count these; repeatable")
    group.add_argument("--counting", choices=COUNTINGS, help="every conversion, or each person's first")
    group.add_argument("--transform", choices=TRANSFORMS, help="how paths are simplified")
    group.add_argument("--trim-touches", type=int, metavar="N", help="how many touches trim keeps")
    group.add_argument("--direct", choices=DIRECTS, help="whether direct stays beside other channels")


def check(options: dict[str, Any]) -> None:
    """Refuse options that do not go together, before anything is read."""
    given = [name for name in _OWN if options[name] is not None]
    if options["engine"] is None:
        if given:
            raise CommandError(f"{_option(given[0])} needs --engine.")
        if options["file"] is None:
            raise CommandError("Name a FILE, or an --engine.")
        return
    if options["file"] is not None:
        raise CommandError("Name a FILE or an --engine, not both.")
    places = {name for name in given if name in _PLACES}
    allowed = _PLACES_OF[options["engine"]]
    if places not in allowed:
        wanted = " or ".join(" and ".join(map(_option, sorted(one))) for one in allowed)
        raise CommandError(f"--engine {options['engine']} reads from {wanted}.")


def count(options: dict[str, Any], *, needs_times: bool) -> Counted:
    """Count the journeys with the engine that the options name. Raises CommandError, Refused."""
    lens = _lens(options)
    try:
        from apps.attribution.warehouse import reading  # noqa: PLC0415 - optional requirements
    except ModuleNotFoundError as error:
        raise CommandError(MISSING.format(package=error.name)) from error
    with ExitStack() as stack:
        return reading.count(
            stack.enter_context(_opened(options, stack)),
            lens,
            half_life_days=options["half_life_days"] if needs_times else None,
            direct_channel=options["direct_channel"],
        )


_PLACES = ("touchpoints", "conversions", "workspace", "database")
_OWN = (
    *_PLACES,
    *("decimals", "memory", "spill_to", "conversion_type", "counting", "transform", "trim_touches", "direct"),
)
_PLACES_OF: dict[str, tuple[set[str], ...]] = {
    "postgres": ({"workspace"}, {"database", "touchpoints", "conversions"}),
    "duckdb": ({"touchpoints", "conversions"},),
    "spark": ({"touchpoints", "conversions"},),
}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _lens(options: dict[str, Any]) -> Lens:
    chosen = {name: options[name] for name in ("counting", "transform", "trim_touches", "direct")}
    lens = Lens(
        conversion_types=tuple(options["conversion_type"] or ()),
        lookback_days=options["lookback_days"],
        **{name: value for name, value in chosen.items() if value is not None},
    )
    if wrong := wrong_choices(lens):
        raise CommandError(" ".join(f"{_option(name)}: {' '.join(why)}" for name, why in wrong.items()))
    return lens


def _opened(options: dict[str, Any], stack: ExitStack) -> AbstractContextManager[Engine]:
    from apps.attribution.warehouse import engines  # noqa: PLC0415 - optional requirements

    if options["workspace"] is not None:
        currency = _enter(options["workspace"], stack)
        return engines.postgres_workspace(decimals=_decimals(options, exponent(currency)))
    places = options["touchpoints"], options["conversions"]
    decimals = _decimals(options, 2)
    if options["engine"] == "postgres":
        return engines.postgres_database(options["database"], *places, decimals=decimals)
    if options["engine"] == "spark":
        return engines.spark_files(*places, decimals=decimals)
    memory, spill_to = options["memory"] or "", options["spill_to"]
    return engines.duckdb_files(*places, decimals=decimals, memory=memory, spill_to=spill_to)


def _decimals(options: dict[str, Any], usual: int) -> int:
    return usual if options["decimals"] is None else options["decimals"]


def _enter(slug: str, stack: ExitStack) -> str:
    """Into the scope of a workspace; its currency."""
    workspace = next((one for one in workspaces_for_staff() if one.slug == slug), None)
    if workspace is None:
        raise Refused(f"there is no workspace {slug!r}")
    stack.enter_context(scoping.workspace(workspace))
    return workspace.currency
