"""What each source cost over a period: recorded spend, and the price of single touches where no spend covers
them.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncDate

from apps.accounts.models import Workspace
from apps.attribution.loading import SourceRow, SourceTable
from apps.attribution.models import Spend, Touchpoint
from apps.attribution.questions import days_of

Key = tuple[date, str, str, str, str]


def by_source(
    workspace: Workspace, table: SourceTable, *, start: datetime | None, end: datetime | None
) -> dict[int, Decimal]:
    """Cost of each source id that has one, over the days of the workspace's clock that the period touches.

    Spend wins over the cost of touches: it is what was billed. A spend row covers the touches of its platform
    and campaign on its day, whatever the creative when it names none; spend without a campaign covers its own
    channel on that platform.
    """
    known = {row.id: row for row in table.rows}
    spent = list(_spend(workspace, start, end))
    covered = {_cover(known[source], day) for source, day, _ in spent}
    totals: dict[int, Decimal] = defaultdict(Decimal)
    for source, _, amount in spent:
        totals[source] += amount
    for source, day, amount in _touch_costs(workspace, start, end):
        if covered.isdisjoint(_covers_of(known[source], day)):
            totals[source] += amount
    return dict(totals)


def _cover(source: SourceRow, day: date) -> Key:
    channel = "" if source.campaign_id else source.channel
    return day, channel, source.platform, source.campaign_id, source.creative_id


def _covers_of(source: SourceRow, day: date) -> Iterable[Key]:
    """The spend that would pay for a touch of this source."""
    for creative in {source.creative_id, ""}:
        yield day, "", source.platform, source.campaign_id, creative
        yield day, source.channel, source.platform, "", creative


def _spend(
    workspace: Workspace, start: datetime | None, end: datetime | None
) -> Iterable[tuple[int, date, Decimal]]:
    first, last = days_of(start, end, workspace.zone)
    rows = Spend.objects.all()
    if first is not None:
        rows = rows.filter(day__gte=first)
    if last is not None:
        rows = rows.filter(day__lte=last)
    return rows.values_list("source_id", "day", "amount")


def _touch_costs(
    workspace: Workspace, start: datetime | None, end: datetime | None
) -> Iterable[tuple[int, date, Decimal]]:
    rows = Touchpoint.objects.filter(cost__isnull=False)
    if start is not None:
        rows = rows.filter(occurred_at__gte=start)
    if end is not None:
        rows = rows.filter(occurred_at__lt=end)
    daily = rows.values("source_id", day=TruncDate("occurred_at", tzinfo=workspace.zone))
    return daily.annotate(amount=Sum("cost")).values_list("source_id", "day", "amount")
