"""The recipients of a chunk that are still to be sent to, and which of them may be now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.accounts import one_trip
from apps.accounts.models import Workspace
from apps.campaigns import reach, zones
from apps.campaigns.delivery import limits, rooms, timing, withdrawals
from apps.campaigns.delivery.journal import Told
from apps.campaigns.delivery.queueing import Claimed
from apps.campaigns.models import Campaign, LedgerEntry, Recipient
from apps.integrations.bulk_mail import deliverable

State, Fate = Recipient.State, LedgerEntry.Fate
# Who is in a batch without an end waits for its end. Picked out first: sorted by their keys they would be
# looked for in all of the table. What is asked for stands in scalar queries, so that one plan does for every
# chunk: with the values in it PostgreSQL would make a new one each time.
OF_CHUNK = """
    WITH mine AS MATERIALIZED (
        SELECT r.id, r.person_id, coalesce(r.content_id, %(winner)s::bigint) AS content_id, r.is_counted
        FROM campaigns_recipient AS r
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint)
          AND r.campaign_id = (SELECT %(campaign)s::bigint) AND {whose}
          AND r.chunk = (SELECT %(number)s::integer) AND r.state IN ('to_send', 'waiting')
    ), under_way AS MATERIALIZED (
        SELECT unnest(b.recipient_ids) AS id FROM campaigns_sendbatch AS b
        WHERE b.workspace_id = (SELECT %(workspace)s::bigint) AND b.settled_at IS NULL
          AND b.campaign_id = (SELECT %(campaign)s::bigint)
    )
    SELECT m.id, m.person_id, m.content_id, m.is_counted, m.person_id IN (
        SELECT p.id FROM accounts_person AS p
        WHERE p.workspace_id = (SELECT %(workspace)s::bigint) AND p.merged_into_id IS NOT NULL
          AND p.id = ANY(ARRAY(SELECT person_id FROM mine))) AS is_merged
    FROM mine AS m WHERE m.id > %(after)s AND m.id NOT IN (SELECT id FROM under_way)
    ORDER BY m.id LIMIT %(most)s
"""
BETWEEN = OF_CHUNK.format(
    whose="r.person_id BETWEEN (SELECT %(first)s::bigint) AND (SELECT %(last)s::bigint) AND r.occurrence = ''"
)
NAMED = OF_CHUNK.format(whose="r.id = ANY(%(ids)s::bigint[])")
# Who has become one with somebody else is written to as the survivor: by themselves, since chunks go by
# people; unless the survivor has a message of this occasion already. Two at once that meet here are told
# apart by the constraint, and the one that comes second looks again when its lease has run out. Where the
# snapshot has yet to look at the survivor it goes first: who is put off by a minute is asked about again.
# What was counted was so against the cap of who they were: it is counted again, as the survivor's.
FOLLOW = """
    WITH moving AS (
        SELECT DISTINCT ON (p.merged_into_id, r.occurrence) r.id, p.merged_into_id AS survivor,
            EXISTS (
                SELECT FROM campaigns_sendrun AS s
                WHERE s.workspace_id = (SELECT %(workspace)s::bigint) AND s.campaign_id = r.campaign_id
                  AND (s.is_snapshotted OR s.through_person >= p.merged_into_id)) AS is_looked_at
        FROM campaigns_recipient AS r
        JOIN accounts_person AS p ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = r.person_id
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = ANY(%(merged)s::bigint[])
          AND p.merged_into_id IS NOT NULL AND r.state IN ('to_send', 'waiting')
          AND EXISTS (
              SELECT FROM campaigns_chunk AS c
              WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = %(chunk_id)s
                AND c.state = 'leased' AND c.leased_by = %(worker)s::uuid)
          AND NOT EXISTS (
              SELECT FROM campaigns_recipient AS o
              WHERE o.workspace_id = (SELECT %(workspace)s::bigint) AND o.campaign_id = r.campaign_id
                AND o.person_id = p.merged_into_id AND o.occurrence = r.occurrence)
        ORDER BY p.merged_into_id, r.occurrence, r.id
    )
    UPDATE campaigns_recipient AS r
    SET person_id = CASE WHEN moving.is_looked_at THEN moving.survivor ELSE r.person_id END, chunk = 0,
        is_counted = r.is_counted AND NOT moving.is_looked_at,
        counted_on = CASE WHEN moving.is_looked_at THEN NULL ELSE r.counted_on END,
        due_at = %(now)s::timestamptz
            + CASE WHEN moving.is_looked_at THEN interval '0' ELSE interval '1 minute' END
    FROM moving WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = moving.id
    RETURNING r.id
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A recipient of the chunk."""

    id: int
    person_id: int
    content_id: int | None
    is_counted: bool
    is_merged: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Some of a chunk. through: the last that was looked at. is_all: nobody comes after."""

    here: list[Row]
    through: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who is written to now. values: what fills in the words."""

    id: int
    person_id: int
    content_id: int
    address: str
    values: dict[str, Any]

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].lower()


@dataclass
class Sorted:
    """now: who is written to; apart: what becomes of the others."""

    now: list[Addressee] = field(default_factory=list)
    apart: list[Told] = field(default_factory=list)


def rows_of(claimed: Claimed, *, after: int, most: int, now: datetime) -> Rows:
    """At most so many, after a recipient. Those who were merged are left to their survivors."""
    params = {
        "workspace": claimed.workspace_id,
        "campaign": claimed.campaign_id,
        "number": claimed.number,
        "winner": claimed.winner_id,
        "first": claimed.first_person,
        "last": claimed.last_person,
        "ids": claimed.recipient_ids,
        "after": after,
        "most": most + 1,
    }
    sql = BETWEEN if claimed.recipient_ids is None else NAMED
    [found] = one_trip.fetch_all([(sql, params)], is_prepared=True, is_binary=True)
    rows = [Row(*one) for one in found[:most]]
    merged = [one for one in rows if one.is_merged]
    moved = _follow(claimed, [one.id for one in merged], now=now) if merged else set()
    here = [one for one in rows if one.id not in moved]
    return Rows(here, rows[-1].id if rows else after, len(found) <= most)


def _follow(claimed: Claimed, merged: list[int], *, now: datetime) -> set[int]:
    params = {
        "workspace": claimed.workspace_id,
        "chunk_id": claimed.chunk_id,
        "worker": claimed.worker,
        "merged": merged,
        "now": now,
    }
    [moved] = one_trip.fetch_all([(FOLLOW, params)])
    return {key for (key,) in moved}


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
    people = [one.person_id for one in rows]
    met = reach.met(campaign, people, columns=rooms.columns(compiled), now=now)
    known = {key: rooms.known(key, told) for key, told in met.columns.items()}
    clocks = {key: zones.names(one.traits) for key, one in known.items()}
    left = _in_their_hours(campaign, rows, clocks, workspace, found, now=now)
    reasons = {one.id: _reason(one, met.against) for one in left}
    if campaign.kind == Campaign.Kind.TRIGGERED:
        reasons |= withdrawals.of([one.id for one in left])
    reachable = _apart(left, reasons, found)
    theirs = [known[key] for key in dict.fromkeys(one.person_id for one in reachable)]
    values = rooms.values_in(theirs, compiled, now=now, workspace=workspace)
    addresses = {one.id: str(values.get(one.person_id, {}).get("email") or "") for one in reachable}
    written = {key: deliverable(address) for key, address in addresses.items()}
    faults = {key: "" if written[key] else "invalid" if addresses[key] else "no_address" for key in written}
    valid = _apart(reachable, faults, found)
    if back := {one.id for one in left if one.is_counted} - {one.id for one in valid}:
        limits.give_back(sorted(back))
    asked = {one.id: one.person_id for one in valid if not one.is_counted}
    allowed = limits.within_cap(campaign, asked, settings)
    capped = {one.id: "" if one.is_counted or one.id in allowed else "capped" for one in valid}
    found.now = [
        Addressee(one.id, one.person_id, one.content_id or 0, written[one.id], values[one.person_id])
        for one in _apart(valid, capped, found)
    ]
    return found


def _reason(one: Row, against: dict[int, str]) -> str:
    if one.is_merged:
        return "merged"
    return against.get(one.person_id, "") if one.content_id else "no_content"


def _in_their_hours(
    campaign: Campaign,
    rows: Sequence[Row],
    clocks: Mapping[int, str],
    workspace: Workspace,
    found: Sorted,
    *,
    now: datetime,
) -> list[Row]:
    """clocks: the names of their zones, by Person.pk."""
    house = workspace.zone
    opens = {names: timing.may_leave_at(campaign, names, house, now=now) for names in {"", *clocks.values()}}
    left = []
    for one in rows:
        due_at = opens[clocks.get(one.person_id, "")]
        if due_at > now:
            found.apart.append(Told(one.id, one.content_id, due_at=due_at))
        else:
            left.append(one)
    return left


def _apart(rows: Sequence[Row], reasons: dict[int, str], found: Sorted) -> list[Row]:
    """Skip those with a reason; the others are returned."""
    for one in rows:
        if reason := reasons[one.id]:
            found.apart.append(
                Told(one.id, one.content_id, fate=Fate.SKIPPED, reason=reason, state=State.SKIPPED)
            )
    return [one for one in rows if not reasons[one.id]]
