"""People whom no news brings: who come to fit an audience, and whose date comes near."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.campaigns import audiences
from apps.campaigns.journeys import entering, waits
from apps.campaigns.journeys.sources import Happening
from apps.campaigns.models import Audience, Journey, JourneyPresence, JourneyVersion

LOOKS_EVERY = timedelta(minutes=10)
# A day on which nothing ran is made up for.
MADE_UP = 2
AT_ONCE = 5_000
NEW = """
    SELECT f.id FROM ({fitting}) AS f
    WHERE NOT EXISTS (
        SELECT 1 FROM campaigns_journeypresence AS p
        WHERE p.workspace_id = (SELECT %s::bigint) AND p.journey_id = %s AND p.entry = %s
          AND p.person_id = f.id)
    ORDER BY f.id LIMIT %s
"""
NO_MORE = """
    DELETE FROM campaigns_journeypresence AS p
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.journey_id = %s AND p.entry = %s
      AND NOT EXISTS (SELECT 1 FROM ({fitting}) AS f WHERE f.id = p.person_id)
"""
ALL_PRESENT = """
    INSERT INTO campaigns_journeypresence (workspace_id, journey_id, entry, person_id)
    SELECT %s, %s, %s, f.id FROM ({fitting}) AS f
    ON CONFLICT (workspace_id, journey_id, entry, person_id) DO NOTHING
"""
WHOSE_DAY = """
    SELECT id, left(traits->>%s, 10) FROM accounts_person
    WHERE workspace_id = (SELECT %s::bigint) AND left(traits->>%s, 10) = ANY(%s)
      AND erased_at IS NULL AND merged_into_id IS NULL
"""


def is_due(journey: Journey, *, now: datetime) -> bool:
    return journey.looked_at is None or now - journey.looked_at >= LOOKS_EVERY


@transaction.atomic
def look(journey_id: int, *, now: datetime) -> int:
    """Let in who has come to fit, and whose day it is. Answers how many.

    Locks the journey against other entries.
    """
    journey = Journey.objects.select_for_update(no_key=True).get(pk=journey_id)
    if journey.state != Journey.State.LIVE or not is_due(journey, now=now):
        return 0
    graph = JourneyVersion.objects.get(journey=journey, number=journey.live).graph
    is_first = journey.looked_at is None
    journey.looked_at = now
    journey.save(update_fields=["looked_at"])
    entered = 0
    for place, entry in enumerate(graph["entries"]):
        if entry["kind"] == "audience":
            entered += _by_audience(journey, place, entry, is_first=is_first, now=now)
        elif entry["kind"] == "date":
            entered += _by_date(journey, place, entry, now=now)
    return entered


def _by_audience(
    journey: Journey, place: int, entry: Mapping[str, Any], *, is_first: bool, now: datetime
) -> int:
    audience = Audience.objects.get(public_id=entry["audience"])
    fitting, params = audiences.people_sql(audience, now=now)
    ours = [scoping.current_id(), journey.pk, place]
    with connection.cursor() as cursor:
        cursor.execute(NO_MORE.format(fitting=fitting), [*ours, *params])
        if is_first and not entry.get("includes_present"):
            cursor.execute(ALL_PRESENT.format(fitting=fitting), [*ours, *params])
            return 0
        room = max(0, journey.entries_a_day - entering.entered_today(journey, now=now))
        cursor.execute(NEW.format(fitting=fitting), [*params, *ours, min(room, AT_ONCE)])
        found = [person for (person,) in cursor.fetchall()]
    cause = f"audience:{place}:{int(now.timestamp())}"
    JourneyPresence.objects.bulk_create(
        (
            JourneyPresence(workspace_id=journey.workspace_id, journey=journey, entry=place, person_id=one)
            for one in found
        ),
        batch_size=1_000,
    )
    happenings = [Happening(person_id=one, cause=cause, occurred_at=now) for one in found]
    return len(entering.enter(journey.pk, happenings, now=now, is_asked=True).in_)


def _by_date(journey: Journey, place: int, entry: Mapping[str, Any], *, now: datetime) -> int:
    zone = Workspace.objects.get(pk=journey.workspace_id).zone
    today, days = now.astimezone(zone).date(), entry.get("days", 0)
    moments = {
        (on - timedelta(days=days)).isoformat(): waits.at_hour(on, entry.get("hour", 9), zone)
        for on in (today - timedelta(days=back) for back in range(MADE_UP))
    }
    since = journey.live_since or now
    come = {day: moment for day, moment in moments.items() if since <= moment <= now}
    if not come:
        return 0
    with connection.cursor() as cursor:
        asked = [entry["trait"], scoping.current_id(), entry["trait"], list(come)]
        cursor.execute(WHOSE_DAY, asked)
        found = cursor.fetchall()
    happenings = [
        Happening(person_id=person, cause=f"date:{place}:{day}", occurred_at=come[day], facts={"date": day})
        for person, day in found
    ]
    return len(entering.enter(journey.pk, happenings, now=now, is_asked=True).in_)
