"""The figures that a run keeps beside its credits, as plain JSON: paths, flow, times to convert, channel
sets, revenue by day.

Channels stand by their keys, money in whole minor units. They are kept because they need the same journeys as
the credit does: a page then reads one row where it would otherwise load a million.
"""

from typing import Any

from django.db.models import BigIntegerField, Count, F, QuerySet, Sum
from django.db.models.functions import Cast, Round, TruncDate

from apps.accounts.models import Workspace
from apps.attribution.journeys import JourneySet
from apps.attribution.maths import shapes
from apps.attribution.models import Conversion
from apps.attribution.questions import Query

PATHS_KEPT = 100
CHANNELS_SHOWN = 8
SETS_KEPT = 50_000

POOLED = "(others)"
BETWEEN = "(nothing between)"


def gather(gathered: JourneySet, query: Query, workspace: Workspace, *, decimals: int) -> dict[str, Any]:
    """All figures of the journeys of a question."""
    keys = gathered.table.channels
    return {
        "touches": gathered.touches_read,
        "paths": _paths(gathered, keys),
        "flow": _flow(gathered, keys),
        "touches_to_convert": _spread(shapes.touches_to_convert(gathered.journeys)),
        "days_to_convert": _spread(shapes.days_to_convert(gathered.journeys)),
        "sets": [
            [[keys[code] for code in codes], conversions, nulls]
            for codes, conversions, nulls in shapes.sets_seen(gathered.journeys, most=SETS_KEPT)
        ],
        "daily": daily(query, workspace, decimals=decimals),
    }


def _paths(gathered: JourneySet, keys: tuple[str, ...]) -> list[list[Any]]:
    """[[keys…], journeys, conversions, revenue in minor units], best first."""
    found = shapes.top_paths(gathered.journeys, most=PATHS_KEPT)
    return [
        [[keys[code] for code in codes], int(journeys), int(conversions), round(value)]
        for codes, journeys, conversions, value in zip(
            found.codes, found.journeys, found.conversions, found.value.tolist(), strict=True
        )
    ]


def _flow(gathered: JourneySet, keys: tuple[str, ...]) -> list[list[Any]]:
    """[first, middle, last, converted, missed]."""
    found = shapes.flow(gathered.journeys, pool=CHANNELS_SHOWN)
    names = (*keys, POOLED, BETWEEN)  # codes n_channels and -1
    return [
        [names[first], names[middle], names[last], int(converted), int(missed)]
        for (first, middle, last), converted, missed in zip(
            found.steps.tolist(), found.converted, found.missed, strict=True
        )
    ]


def _spread(found: shapes.Spread) -> dict[str, Any]:
    return {
        "bins": list(found.bins),
        "counts": [int(count) for count in found.counts],
        "median": found.median,
        "mean": found.mean,
    }


def daily(query: Query, workspace: Workspace, *, decimals: int) -> list[list[Any]]:
    """[day, conversions, revenue in minor units], days of the workspace's clock, each order rounded by
    itself.
    """
    minor = Cast(Round(F("value") * 10**decimals), BigIntegerField())
    days = counted(query).annotate(day=TruncDate("occurred_at", tzinfo=workspace.zone)).values("day")
    found = days.annotate(orders=Count("pk"), revenue=Sum(minor)).order_by("day")
    return [[day.isoformat(), n, int(sum_)] for day, n, sum_ in found.values_list("day", "orders", "revenue")]


def counted(query: Query) -> QuerySet[Conversion]:
    """The conversions that a question counts."""
    rows: QuerySet[Conversion] = Conversion.objects.filter(is_counted=True)
    if query.start is not None:
        rows = rows.filter(occurred_at__gte=query.start)
    if query.end is not None:
        rows = rows.filter(occurred_at__lt=query.end)
    return rows if query.conversion_type is None else rows.filter(conversion_type=query.conversion_type)
