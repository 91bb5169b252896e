"""The people and journeys behind a number, and everything one person did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from apps.accounts import scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Person
from apps.attribution import channel_colours
from apps.attribution.channel_colours import ChannelName, Names
from apps.attribution.lenses import DIRECT, Lens
from apps.attribution.maths.assembly import MOST_TOUCHES
from apps.attribution.maths.models import NONE
from apps.attribution.models import Channel, Conversion, Source, Touchpoint
from apps.attribution.questions import Query

PAGE_SIZE = 50
MOST_ENTRIES = 1_000

# Walks the period's conversions from the newest and looks at each one's touches by index, as the lens shows
# them, until the page is full.
_BEHIND = """
    SELECT c.id, p.public_id, c.conversion_type, c.order_id, c.occurred_at, c.value,
        coalesce(j.path, '{{}}'), j.touches, j.first_at
    FROM attribution_conversion c
    JOIN accounts_person p ON p.id = c.person_id AND p.workspace_id = c.workspace_id
    CROSS JOIN LATERAL (
        SELECT array_agg(t.channel_id ORDER BY t.occurred_at, t.id) FILTER (WHERE t.is_change) AS path,
            count(*) AS touches, min(t.occurred_at) AS first_at,
            coalesce(bool_or(t.source_id = ANY(%(sources)s)), false) AS is_through
        FROM (
            SELECT t.*, lag(t.channel_id) OVER (ORDER BY t.occurred_at, t.id)
                IS DISTINCT FROM t.channel_id AS is_change
            FROM ({seen}) t
        ) t
    ) j
    WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.is_counted {conditions}
    ORDER BY c.occurred_at DESC, c.id DESC LIMIT %(limit)s
"""
# What a journey holds (maths.assembly): its last touches.
_IN_WINDOW = f"""
    SELECT t.id, t.occurred_at, t.source_id, s.channel_id FROM (
        SELECT id, occurred_at, source_id FROM attribution_touchpoint
        WHERE workspace_id = c.workspace_id AND person_id = c.person_id
        AND occurred_at > c.occurred_at - %(lookback)s AND occurred_at <= c.occurred_at
        ORDER BY occurred_at DESC, id DESC LIMIT {MOST_TOUCHES}
    ) t JOIN attribution_source s ON s.id = t.source_id
"""  # noqa: S608 - a constant
_WITHOUT_DIRECT = """
    SELECT * FROM (
        SELECT t.*, bool_and(t.channel_id = %(direct)s) OVER () AS is_all_direct FROM ({touches}) t
    ) t WHERE t.is_all_direct OR t.channel_id <> %(direct)s
"""
_FIRST_OF_CHANNEL = """
    SELECT * FROM (
        SELECT t.*, row_number() OVER (PARTITION BY t.channel_id ORDER BY t.occurred_at, t.id) AS nth
        FROM ({touches}) t
    ) t WHERE t.nth = 1
"""
# What each transform of maths.transforms keeps of a journey.
_KEPT = {
    "unique": "{touches}",
    "exposure": """
        SELECT * FROM (
            SELECT t.*, lag(t.channel_id) OVER (ORDER BY t.occurred_at, t.id) AS before FROM ({touches}) t
        ) t WHERE t.before IS DISTINCT FROM t.channel_id
    """,
    "first": _FIRST_OF_CHANNEL,
    "frequency": _FIRST_OF_CHANNEL,
    "trim": "SELECT * FROM ({touches}) t ORDER BY t.occurred_at DESC, t.id DESC LIMIT %(trim)s",
}
_IS_FIRST = """NOT EXISTS (
        SELECT FROM attribution_conversion e
        WHERE e.workspace_id = c.workspace_id AND e.person_id = c.person_id AND e.is_counted
        AND (%(types)s::text[] = '{}' OR e.conversion_type = ANY(%(types)s))
        AND (e.occurred_at, e.id) < (c.occurred_at, c.id)
    )"""


@dataclass(frozen=True, kw_only=True)
class JourneyRow:
    """A conversion and how its person came to it. days: from the first touch; None without one. path: repeats
    told once.
    """

    person_public_id: UUID
    conversion_id: int
    conversion_type: str
    order_id: str | None
    occurred_at: datetime
    value: Decimal
    touches: int
    days: float | None
    path: list[ChannelName]


@dataclass(frozen=True, kw_only=True)
class JourneyPage:
    """next: what to pass as `before` for the older ones; None on the last page."""

    rows: list[JourneyRow]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that a person did: a touch, or a conversion (then event_type is its type, value what it is
    worth now).
    """

    kind: str
    at: datetime
    label: str
    token: str
    event_type: str
    platform: str = ""
    campaign_id: str = ""
    creative_id: str = ""
    event_id: str = ""
    value: Decimal | None = None
    cost: Decimal | None = None
    is_counted: bool = True
    conversion_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Oldest first. is_cut: there are older entries than the last 1,000. revenue: of what counts."""

    person_public_id: UUID
    entries: list[Entry]
    touches: int
    conversions: int
    revenue: Decimal
    is_cut: bool


def journeys_behind(
    query: Query,
    *,
    channel: str = "",
    platform: str = "",
    campaign_id: str = "",
    creative_id: str = "",
    path: Sequence[str] = (),
    before: str | None = None,
    page_size: int = PAGE_SIZE,
) -> JourneyPage:
    """Conversions of the question whose journey went through the source named, or took the path; newest
    first.

    channel "none": those without a known touchpoint. Raises Invalid for a `before` that no page gave.
    """
    names = {"channel__key": channel, "platform": platform}
    names |= {"campaign_id": campaign_id, "creative_id": creative_id}
    chosen = {name: value for name, value in names.items() if value}
    conditions, params = _conditions(query, before)
    if channel == NONE and not Channel.objects.filter(key=NONE).exists():
        conditions.append("j.touches = 0")
    elif chosen:
        conditions.append("j.is_through")
    if path:
        ids = dict(Channel.objects.filter(key__in=path).values_list("key", "id"))
        conditions.append("j.path = %(path)s::bigint[]")
        params["path"] = [ids.get(key, 0) for key in path]
    params["sources"] = list(Source.objects.filter(**chosen).values_list("id", flat=True)) if chosen else []
    params["limit"] = page_size + 1
    return _page(_fetch(query.lens, conditions, params), page_size)


def person_timeline(public_id: UUID) -> Timeline:
    """All that a person did; of somebody who was merged, all that the survivor did. Raises NotHere."""
    person = Person.objects.filter(public_id=public_id).select_related("merged_into").first()
    if person is None:
        raise NotHere("There is no such person in this workspace.")
    person = person.merged_into or person
    names = channel_colours.names()
    touches = Touchpoint.objects.filter(person=person)
    orders = Conversion.objects.filter(person=person)
    newest = touches.select_related("source__channel").order_by("-occurred_at", "-id")[:MOST_ENTRIES]
    entries = [_of_touch(touch, names) for touch in reversed(newest)]
    entries += [_of_order(order) for order in reversed(orders.order_by("-occurred_at", "-id")[:MOST_ENTRIES])]
    count, counted = touches.count(), [order.value for order in orders if order.is_counted]
    entries.sort(key=lambda entry: (entry.at, entry.kind == "conversion"))
    return Timeline(
        person_public_id=person.public_id,
        entries=entries[-MOST_ENTRIES:],
        touches=count,
        conversions=len(counted),
        revenue=sum(counted, Decimal(0)),
        is_cut=count + orders.count() > MOST_ENTRIES,
    )


def _conditions(query: Query, before: str | None) -> tuple[list[str], dict[str, Any]]:
    params: dict[str, Any] = {
        "workspace": scoping.current_id(),
        "lookback": timedelta(days=query.lookback_days),
        "types": list(query.conversion_types),
        "trim": query.trim_touches,
        "direct": Channel.objects.filter(key=DIRECT).values_list("pk", flat=True).first() or 0,
    }
    limits = {
        "c.occurred_at >= %(start)s": ("start", query.start),
        "c.occurred_at < %(end)s": ("end", query.end),
    }
    conditions = [text for text, (_, value) in limits.items() if value is not None]
    params |= {name: value for name, value in limits.values() if value is not None}
    if query.conversion_types:
        conditions.append("c.conversion_type = ANY(%(types)s)")
    if query.counting == "once":
        conditions.append(_IS_FIRST)
    if before:
        conditions.append("(c.occurred_at, c.id) < (%(before_at)s, %(before_id)s)")
        params["before_at"], params["before_id"] = _read_cursor(before)
    return conditions, params


def _seen(lens: Lens) -> str:
    """The touches of a conversion as a lens shows them: direct visits are dropped before paths are cut."""
    touches = _IN_WINDOW
    if lens.direct == "dropped_beside_others":
        touches = _WITHOUT_DIRECT.format(touches=touches)
    return _KEPT[lens.transform].format(touches=touches)


def _fetch(lens: Lens, conditions: list[str], params: dict[str, Any]) -> list[tuple[Any, ...]]:
    query = _BEHIND.format(
        seen=_seen(lens),
        conditions="".join(f" AND {condition}" for condition in conditions),
    )
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())


def _page(found: list[tuple[Any, ...]], page_size: int) -> JourneyPage:
    keys, names = dict(Channel.objects.values_list("id", "key")), channel_colours.names()
    rows = [
        JourneyRow(
            conversion_id=id_,
            person_public_id=public_id,
            conversion_type=conversion_type,
            order_id=order_id,
            occurred_at=at,
            value=value,
            touches=touches,
            days=None if first_at is None else (at - first_at) / timedelta(days=1),
            path=[names[keys[channel]] for channel in path],
        )
        for id_, public_id, conversion_type, order_id, at, value, path, touches, first_at in found[:page_size]
    ]
    return JourneyPage(rows=rows, next=_cursor(rows[-1]) if len(found) > page_size else None)


def _cursor(row: JourneyRow) -> str:
    return f"{row.occurred_at.astimezone(UTC).isoformat()}~{row.conversion_id}"


def _read_cursor(before: str) -> tuple[datetime, int]:
    at, _, id_ = before.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not 0 < int(id_) < 2**63:
            raise ValueError
    except ValueError:
        raise Invalid({"before": ["This is not the place of a page. Start from the first one."]}) from None
    return moment, int(id_)


def _of_touch(touch: Touchpoint, names: Names) -> Entry:
    name = names[touch.source.channel.key]
    return Entry(
        kind="touch",
        at=touch.occurred_at,
        label=name.label,
        token=name.token,
        event_type=touch.event_type,
        platform=touch.source.platform,
        campaign_id=touch.source.campaign_id,
        creative_id=touch.source.creative_id,
        event_id=touch.event_id,
        cost=touch.cost,
    )


def _of_order(order: Conversion) -> Entry:
    return Entry(
        kind="conversion",
        at=order.occurred_at,
        label=order.order_id or order.conversion_type,
        token=channel_colours.MUTED,
        event_type=order.conversion_type,
        value=order.value,
        is_counted=order.is_counted,
        conversion_id=order.pk,
    )
