"""The recipients of a chunk that are still to be sent to, and which of them may be now."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.accounts import one_trip
from apps.accounts.models import Workspace
from apps.campaigns import reach
from apps.campaigns.delivery import limits, rooms, timing, withdrawals
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.queueing import Claimed
from apps.campaigns.models import Campaign, LedgerEntry, Recipient
from apps.integrations.bulk_mail import deliverable

State, Fate = Recipient.State, LedgerEntry.Fate
OF_CHUNK = """
    SELECT r.id, r.person_id, coalesce(r.content_id, %(winner)s::bigint), p.traits ->> 'time_zone',
        r.is_counted
    FROM campaigns_recipient AS r
    JOIN accounts_person AS p ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = r.person_id
    WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id = %(campaign)s AND {whose}
      AND r.chunk = %(number)s AND r.state IN ('to_send', 'waiting')
    ORDER BY r.id
"""
BETWEEN = OF_CHUNK.format(whose="r.person_id BETWEEN %(first)s AND %(last)s AND r.occurrence = ''")
NAMED = OF_CHUNK.format(whose="r.id = ANY(%(ids)s::bigint[])")


@dataclass(frozen=True, slots=True)
class Row:
    """A recipient of the chunk."""

    id: int
    person_id: int
    content_id: int | None
    time_zone: str | None
    is_counted: bool


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who is written to now. values: what fills in the words."""

    id: int
    content_id: int
    address: str
    values: dict[str, Any]


@dataclass
class Sorted:
    """now: who is written to; apart: what becomes of the others."""

    now: list[Addressee] = field(default_factory=list)
    apart: list[Told] = field(default_factory=list)


def rows_of(claimed: Claimed) -> list[Row]:
    params = {
        "workspace": claimed.workspace_id,
        "campaign": claimed.campaign_id,
        "number": claimed.number,
        "winner": claimed.winner_id,
        "first": claimed.first_person,
        "last": claimed.last_person,
        "ids": claimed.recipient_ids,
    }
    [found] = one_trip.fetch_all(
        [(BETWEEN if claimed.recipient_ids is None else NAMED, params)], is_prepared=True
    )
    return [Row(*one) for one in found]


def sort(
    campaign: Campaign,
    rows: Sequence[Row],
    compiled: rooms.Compiled,
    settings: limits.Settings,
    workspace: Workspace,
    *,
    now: datetime,
) -> Sorted:
    """Ask everything that may stand against a message, right before it leaves."""
    found = Sorted()
    left = _in_their_hours(campaign, rows, workspace, found, now=now)
    against = reach.against(campaign, [one.person_id for one in left], now=now)
    reasons = {one.id: against.get(one.person_id, "") if one.content_id else "no_content" for one in left}
    if campaign.kind == Campaign.Kind.TRIGGERED:
        reasons |= withdrawals.of([one.id for one in left])
    reachable = _apart(left, reasons, found)
    values = rooms.values_of([one.person_id for one in reachable], compiled, now=now)
    addresses = {one.id: str(values.get(one.person_id, {}).get("email") or "") for one in reachable}
    written = {key: deliverable(address) for key, address in addresses.items()}
    faults = {key: "" if written[key] else "invalid" if addresses[key] else "no_address" for key in written}
    valid = _apart(reachable, faults, found)
    paced = _within_domains(valid, written, settings, found, now=now)
    asked = {one.id: one.person_id for one in paced if not one.is_counted}
    allowed = limits.within_cap(campaign, asked, settings)
    capped = {one.id: "" if one.is_counted or one.id in allowed else "capped" for one in paced}
    found.now = [
        Addressee(one.id, one.content_id or 0, written[one.id], values[one.person_id])
        for one in _apart(paced, capped, found)
    ]
    return found


def _in_their_hours(
    campaign: Campaign, rows: Sequence[Row], workspace: Workspace, found: Sorted, *, now: datetime
) -> list[Row]:
    zones = {one.time_zone for one in rows}
    opens = {zone: timing.may_leave_at(campaign, zone or "", workspace.zone, now=now) for zone in zones}
    for one in rows:
        if opens[one.time_zone] > now:
            found.apart.append(Told(one.id, one.content_id, due_at=opens[one.time_zone]))
    return [one for one in rows if opens[one.time_zone] <= now]


def _apart(rows: Sequence[Row], reasons: dict[int, str], found: Sorted) -> list[Row]:
    """Skip those with a reason; the others are returned."""
    for one in rows:
        if reason := reasons[one.id]:
            found.apart.append(
                Told(one.id, one.content_id, fate=Fate.SKIPPED, reason=reason, state=State.SKIPPED)
            )
    return [one for one in rows if not reasons[one.id]]


def _within_domains(
    rows: Sequence[Row], written: dict[int, str], settings: limits.Settings, found: Sorted, *, now: datetime
) -> list[Row]:
    """Put off who would be too many for the server that receives for them."""
    if not settings.domains_per_hour:
        return list(rows)
    domain = {one.id: written[one.id].rpartition("@")[2].lower() for one in rows}
    granted = limits.of_domains(Counter(domain.values()), settings, now=now)
    left = {name: grant.number for name, grant in granted.items()}
    kept = []
    for one in rows:
        name = domain[one.id]
        if left.get(name, 1) > 0:
            kept.append(one)
            if name in left:
                left[name] -= 1
        else:
            found.apart.append(Told(one.id, one.content_id, due_at=granted[name].more_at))
    return kept
