"""The figures that a run keeps beside its credits, as plain JSON: paths, flow, times to convert, channel
sets, revenue by day.

Channels stand by their keys, money in whole minor units. They are kept because they need the same journeys as
the credit does: a page then reads one row where it would otherwise load a million.
"""

from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Cast, Round, TruncDate

from apps.accounts.models import Workspace
from apps.attribution import costs, loading
from apps.attribution.loading import SourceTable
from apps.attribution.maths import shapes
from apps.attribution.maths.counts import JourneyCounts
from apps.attribution.maths.journeys import Journeys
from apps.attribution.models import Conversion
from apps.attribution.money import exponent
from apps.attribution.questions import Query

PATHS_KEPT = 100
CHANNELS_SHOWN = 8
SETS_KEPT = 50_000

POOLED = "(others)"
BETWEEN = "(nothing between)"


def gather(
    counts: JourneyCounts,
    table: SourceTable,
    *,
    touches: int,
    daily: list[list[Any]],
    before: dict[str, Any] | None,
    crowded: int,
) -> dict[str, Any]:
    """All figures of the journeys of a question. touches: how many were looked at. crowded: ids that do more
    than a person, whose journeys are cut.
    """
    keys, told = table.channels, counts.channel_paths
    return {
        "touches": touches,
        "crowded": crowded,
        "paths": _paths(told, keys),
        "flow": _flow(told, keys),
        "touches_to_convert": _spread(shapes.touches_to_convert(told)),
        "days_to_convert": _spread(shapes.days_to_convert(counts.days_to_convert)),
        "sets": [
            [[keys[code] for code in codes], conversions, nulls]
            for codes, conversions, nulls in shapes.sets_seen(told, most=SETS_KEPT)
        ],
        "daily": daily,
        "before": before,
    }


def _paths(told: Journeys, keys: tuple[str, ...]) -> list[list[Any]]:
    """[[keys…], journeys, conversions, revenue in minor units], best first."""
    found = shapes.top_paths(told, most=PATHS_KEPT)
    return [
        [[keys[code] for code in codes], int(journeys), int(conversions), round(value)]
        for codes, journeys, conversions, value in zip(
            found.codes, found.journeys, found.conversions, found.value.tolist(), strict=True
        )
    ]


def _flow(told: Journeys, keys: tuple[str, ...]) -> list[list[Any]]:
    """[first, middle, last, converted, missed]."""
    found = shapes.flow(told, pool=CHANNELS_SHOWN)
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


def before(query: Query, workspace: Workspace) -> dict[str, Any] | None:
    """What the period before came to; None for an open period. Looking it up takes longer than all the rest
    of a page.
    """
    if (period := query.before()) is None:
        return None
    days = daily(period, workspace, decimals=exponent(workspace.currency))
    spent = costs.by_source(workspace, loading.sources(), start=period.start, end=period.end)
    return {
        "conversions": sum(number for _, number, _ in days),
        "minor": sum(minor for *_, minor in days),
        "cost": str(sum(spent.values(), Decimal(0))),
    }


def counted(query: Query) -> QuerySet[Conversion]:
    """The conversions that a question counts."""
    rows: QuerySet[Conversion] = Conversion.objects.filter(is_counted=True)
    if query.counting == "once":
        rows = rows.exclude(Exists(_earlier(query)))
    if query.start is not None:
        rows = rows.filter(occurred_at__gte=query.start)
    if query.end is not None:
        rows = rows.filter(occurred_at__lt=query.end)
    return rows.filter(conversion_type__in=query.conversion_types) if query.conversion_types else rows


def _earlier(query: Query) -> QuerySet[Conversion]:
    """What a person converted to before: the first of each is all that counts once."""
    same = Q(occurred_at__lt=OuterRef("occurred_at")) | Q(
        occurred_at=OuterRef("occurred_at"), pk__lt=OuterRef("pk")
    )
    earlier = Conversion.objects.filter(same, person=OuterRef("person"), is_counted=True)
    if query.conversion_types:
        earlier = earlier.filter(conversion_type__in=query.conversion_types)
    return earlier
