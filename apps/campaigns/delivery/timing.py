"""When people get their message: within the campaign's hours where they are, and at their own best hour if it
asks for that.

A fifth of the people, by lot, stay with the default hour, so that what their own hour is worth can be read:
arm_figures.py compares the two, and leaves out who drew no hour (is_timed is None), such as those who wait
for a winner.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.campaigns import zones
from apps.campaigns.delivery.rooms import Ints
from apps.campaigns.maths.send_times import HOURS, best_hours
from apps.campaigns.maths.send_windows import opens_at
from apps.campaigns.models import Campaign, Topic

# How many of one's own clicks weigh as much as everybody's pattern.
STRENGTH = 3.0
LOOK_BACK = timedelta(days=180)
CONTROL_SHARE = 0.2
CLICKS = f"""
    SELECT asked.place - 1, {zones.SQL}, h.hour, h.clicks
    FROM unnest(%s::bigint[]) WITH ORDINALITY AS asked (person, place)
    JOIN accounts_person AS p ON p.workspace_id = (SELECT %s::bigint) AND p.id = asked.person
    LEFT JOIN LATERAL (
        SELECT extract(hour FROM e.occurred_at AT TIME ZONE 'UTC')::int AS hour, count(*) AS clicks
        FROM campaigns_engagement AS e
        WHERE e.workspace_id = p.workspace_id AND e.person_id = p.id AND e.occurred_at >= %s
          AND e.kind = 'clicked' AND NOT e.is_machine
        GROUP BY 1) AS h ON true
"""  # noqa: S608 - a fragment of ours


def hours_of(campaign: Campaign, people: Ints, *, now: datetime) -> tuple[Ints, NDArray[np.bool_]]:
    """For each of the people when it is due, in seconds since 1970, and whether that is their own hour.

    0: with the others, at the default hour.
    """
    with connection.cursor() as cursor:
        cursor.execute(CLICKS, [people.tolist(), scoping.current_id(), now - LOOK_BACK])
        rows = cursor.fetchall()
    default = Workspace.objects.get().zone
    clocks: list[ZoneInfo] = [default] * len(people)
    clicks = np.zeros((len(people), HOURS))
    for place, names, hour, number in rows:
        clocks[place] = zones.named(names, default)
        if hour is not None:
            offset = clocks[place].utcoffset(now) or timedelta()
            clicks[place, (hour + round(offset.total_seconds() / 3600)) % HOURS] += number
    window = {"from_hour": campaign.send_from_hour, "until_hour": campaign.send_until_hour}
    best = best_hours(clicks, strength=STRENGTH, **window)
    is_timed = _lot(campaign.pk, people) >= CONTROL_SHARE
    due = [
        round(opens_at(now, clocks[place], from_hour=hour, until_hour=hour + 1).timestamp()) if timed else 0
        for place, (hour, timed) in enumerate(zip(best.tolist(), is_timed.tolist(), strict=True))
    ]
    return np.array(due, dtype=np.int64), is_timed


def may_leave_at(campaign: Campaign, zone_names: str, default: ZoneInfo, *, now: datetime) -> datetime:
    """Now, or when the campaign's hours begin where the recipient is. Who waits for a message gets it now."""
    if campaign.topic is not None and campaign.topic.basis == Topic.Basis.SERVICE:
        return now
    return opens_at(
        now,
        zones.named(zone_names, default),
        from_hour=campaign.send_from_hour,
        until_hour=campaign.send_until_hour,
    )


def _lot(campaign_id: int, people: Ints) -> NDArray[np.float64]:
    """A number in [0, 1) for each, the same whenever it is drawn (splitmix64)."""
    salt = campaign_id * 0x9E3779B97F4A7C15 % 2**64
    mixed = people.astype(np.uint64) + np.uint64(salt)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))).astype(np.float64) / 2.0**64
