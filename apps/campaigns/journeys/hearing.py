"""What is heard, brought to whom it concerns: those who are to enter, and those in flight who wait for it.

News of people in flight is only written down and wakes them; what follows is decided as they move, under the
lock of their run, so that late or doubled news cannot lead anybody down two ways.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.events import Event
from apps.accounts.models import Delivery, OutboxEvent
from apps.campaigns.events import JourneyLeft
from apps.campaigns.journeys import entering, graph, sources, wheres
from apps.campaigns.journeys.sources import Happening, Source
from apps.campaigns.models import Journey, JourneyRun, JourneyVersion

# News may come so much later than it happened and still be in time: waits end so much after their end.
GRACE = timedelta(seconds=30)
REMEMBERED_SECONDS = 5.0
# By then every process knows what a version listens to that was published; for so long it is made sure that
# nothing was passed over before.
KNOWN_AFTER, LOOKED_AFTER = timedelta(seconds=2 * REMEMBERED_SECONDS), timedelta(minutes=2)
AT_ONCE = 2_000
# One row per run and cause, however often it is told; whoever is told of something is looked at soon.
WRITE_DOWN = """
    WITH heard AS (
        SELECT * FROM jsonb_to_recordset(%(heard)s::jsonb)
            AS h(person_id bigint, cause text, occurred_at timestamptz, facts jsonb)
    ), told AS (
        INSERT INTO campaigns_journeynews (workspace_id, run_id, source, cause, facts, occurred_at)
        SELECT r.workspace_id, r.id, %(source)s, h.cause, h.facts, h.occurred_at
        FROM heard AS h
        JOIN accounts_person AS p ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = h.person_id
        JOIN campaigns_journeyrun AS r
          ON r.workspace_id = p.workspace_id AND r.person_id = coalesce(p.merged_into_id, p.id)
        WHERE r.is_open AND h.occurred_at >= r.entered_at AND EXISTS (
            SELECT 1 FROM campaigns_journeyversion AS v
            WHERE v.workspace_id = r.workspace_id AND v.journey_id = r.journey_id AND v.number = r.version
              AND %(source)s = ANY(v.listens))
        ON CONFLICT (workspace_id, run_id, cause) DO NOTHING
        RETURNING run_id, occurred_at
    )
    UPDATE campaigns_journeyrun AS r SET due_at = told.at + %(grace)s
    FROM (SELECT run_id, min(occurred_at) AS at FROM told GROUP BY run_id) AS told
    WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = told.run_id AND r.is_open
      AND r.due_at > told.at + %(grace)s
"""
_known: dict[int, tuple[float, frozenset[str]]] = {}


def listening() -> frozenset[str]:
    """The sources that journeys of the workspace listen to. Asked with each event, so known for a moment."""
    workspace_id = scoping.current_id()
    at, found = _known.get(workspace_id, (float("-inf"), frozenset()))
    if time.monotonic() - at >= REMEMBERED_SECONDS:
        rows = versions_at_work().values_list("listens", flat=True)
        found = frozenset(name for row in rows for name in row)
        _known[workspace_id] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Once a journey was published or stopped."""
    _known.clear()


def versions_at_work() -> Any:
    """Those that people enter, and those that somebody is still on."""
    on_it = JourneyRun.objects.filter(journey=OuterRef("journey"), version=OuterRef("number"), is_open=True)
    going_on = Journey.objects.filter(state__in=[Journey.State.LIVE, Journey.State.PAUSED])
    entered = Exists(going_on.filter(pk=OuterRef("journey"), live=OuterRef("number")))
    return JourneyVersion.objects.filter(Q(entered) | Exists(on_it))


def _wants(kind: type[Event]) -> bool:
    named = {source.key for source in sources.of_event(kind.name)}
    return bool(named) and not named.isdisjoint(listening())


@events.follow(_wants)
def hear(event: Event, row: OutboxEvent) -> None:
    """In one transaction with its receipt: told twice, it is heard once."""
    for source in sources.of_event(event.name):
        if source.find is not None and source.key in listening():
            take(source, source.find(event, row, asked_for(source)), now=timezone.now())


HEAR = f"{hear.__module__}.{hear.__qualname__}"


def new_versions(*, now: datetime) -> Any:
    """Those that began so lately that a process may have passed over what they listen to."""
    began = (now - LOOKED_AFTER, now - KNOWN_AFTER)
    return versions_at_work().filter(published_at__range=began)


def hear_missed(*, now: datetime) -> int:
    """Have news delivered here that was published while somebody still remembered that nobody listens.

    How many; what was heard has its receipt, and is left.
    """
    found = 0
    for published_at, listens in new_versions(now=now).values_list("published_at", "listens"):
        names = {source.event for source in map(sources.get, listens) if source} - {""}
        until = published_at + KNOWN_AFTER
        for row in _published(names, since=published_at - LOOKED_AFTER, until=until):
            events.replay(row, subscriber=HEAR)
            found += 1
    return found


def _published(names: set[str], *, since: datetime, until: datetime) -> Iterator[OutboxEvent]:
    """Those that were not heard. Walks from the newest: no index on the time is needed."""
    heard = Delivery.objects.filter(event=OuterRef("pk"), subscriber=HEAR)
    rows = OutboxEvent.objects.annotate(is_heard=Exists(heard)).order_by("-pk").iterator(AT_ONCE)
    for row in takewhile(lambda row: row.created_at >= since, rows):
        if row.name in names and row.created_at <= until and not row.is_heard:
            yield row


def asked_for(source: Source) -> set[str] | None:
    """The values of its narrow field that anybody asks for; None where it has none."""
    if not source.narrow:
        return None
    return {
        value
        for version in versions_at_work().filter(listens__contains=[source.key])
        for one in _parts(version.graph)
        if one.get("source") == source.key
        for value in graph.narrowed(one, source.narrow)
    }


def _parts(published: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from published["entries"]
    yield from published["goals"]
    yield from published["steps"].values()


def take(source: Source, happenings: Iterable[Happening], *, now: datetime) -> None:
    """Bring them, however many, to those in flight first: what lets somebody in is no news of their way."""
    entries, is_ours = _ways_in(source), source.key == JourneyLeft.name
    stream = iter(happenings)
    while part := list(islice(stream, AT_ONCE)):
        _write_down(source, part)
        for journey_id, wanted in entries:
            chosen = [one for one in part if any(wheres.holds(where, one.facts) for where in wanted)]
            if chosen:
                entering.enter(journey_id, chosen, now=now, is_of_journeys=is_ours)


def _ways_in(source: Source) -> list[tuple[int, list[list[dict[str, Any]]]]]:
    """Journey → the conditions of each way in by this source."""
    live = Journey.objects.filter(pk=OuterRef("journey"), live=OuterRef("number"), state=Journey.State.LIVE)
    found = defaultdict(list)
    for version in JourneyVersion.objects.filter(Exists(live), listens__contains=[source.key]):
        for entry in version.graph["entries"]:
            if entry["kind"] == "event" and entry["source"] == source.key:
                found[version.journey_id].append(entry.get("where", []))
    return sorted(found.items())


def _write_down(source: Source, part: Sequence[Happening]) -> None:
    heard = [
        {
            "person_id": one.person_id,
            "cause": one.cause[:120],
            "occurred_at": one.occurred_at,
            "facts": one.facts,
        }
        for one in part
    ]
    given: dict[str, Any] = {
        "heard": json.dumps(heard, cls=DjangoJSONEncoder),
        "source": source.key,
        "workspace": scoping.current_id(),
        "grace": GRACE,
    }
    with connection.cursor() as cursor:
        cursor.execute(WRITE_DOWN, given)
