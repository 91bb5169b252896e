"""What is written before messages leave, and after: statements that go to the database in one trip.

A batch is committed before its first message leaves. What became of it is committed with the next batch, so
that a message costs one transaction in fifty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from apps.accounts import one_trip, scoping
from apps.accounts.one_trip import Statement
from apps.campaigns.delivery.queueing import LEASE, Claimed
from apps.campaigns.models import LedgerEntry, Recipient
from apps.integrations import bulk_mail

State, Fate = Recipient.State, LedgerEntry.Fate
# Half of a lease: for so long the worker's chunk is its own, whatever the database does.
PATIENCE_SECONDS = LEASE.total_seconds() / 2
# A lease this young is not renewed: a chunk's row stands in four indexes, which costs a batch more than the
# row of its journal.
YOUNG = timedelta(seconds=5)
# A worker whose chunk is another's by now, or whose campaign was paused or stopped, begins nothing.
BEGIN = """
    WITH mine AS (
        SELECT c.id FROM campaigns_chunk AS c
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = %(chunk_id)s AND c.state = 'leased'
          AND c.leased_by = %(worker)s::uuid
          AND EXISTS (SELECT FROM campaigns_sendrun AS r
                      WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = %(run)s
                        AND NOT r.is_paused AND r.finished_at IS NULL)
        FOR NO KEY UPDATE OF c
    ), renewed AS (
        UPDATE campaigns_chunk AS c SET lease_until = %(until)s::timestamptz
        FROM mine
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = mine.id
          AND c.lease_until < %(renewed_before)s::timestamptz
    )
    INSERT INTO campaigns_sendbatch (workspace_id, key, campaign_id, chunk, recipient_ids, provider,
        connection_id, begun_at, lease_until)
    SELECT (SELECT %(workspace)s::bigint), %(key)s::uuid, %(campaign)s, %(number)s, %(ids)s::bigint[],
        %(provider)s, %(connection)s, %(now)s::timestamptz, %(until)s::timestamptz
    FROM mine
    ON CONFLICT (workspace_id, key) DO UPDATE SET lease_until = excluded.lease_until RETURNING id
"""
# Whoever took the batch up meanwhile gave it a lease of their own, by which it is known whose it is. Said
# again because the answer was lost, its own lease is the renewed one.
PART = """
    UPDATE campaigns_sendbatch SET lease_until = %(until)s::timestamptz, parted = CASE
        WHEN coalesce(%(part)s = ANY(parted), false) THEN parted
        ELSE array_append(parted, %(part)s::varchar) END
    WHERE workspace_id = (SELECT %(workspace)s::bigint) AND key = %(key)s::uuid AND settled_at IS NULL
      AND lease_until IN (%(held_until)s::timestamptz, %(until)s::timestamptz)
    RETURNING id
"""
NARROW = """
    UPDATE campaigns_sendbatch SET recipient_ids = %(ids)s::bigint[]
    WHERE workspace_id = (SELECT %(workspace)s::bigint) AND key = %(key)s::uuid AND settled_at IS NULL
    RETURNING id
"""
ADD = """ON CONFLICT (workspace_id, campaign_id, state, reason)
    DO UPDATE SET people = kept.people + excluded.people RETURNING id"""
# Said again because the answer was lost, it says nothing twice.
SETTLE = """
    WITH told AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(contents)s::bigint[], %(fates)s::text[],
            %(reasons)s::text[], %(provider_ids)s::text[], %(states)s::text[], %(dues)s::timestamptz[])
            AS told (id, content_id, fate, reason, provider_id, state, due_at)
    ), batch AS (
        UPDATE campaigns_sendbatch SET settled_at = %(now)s::timestamptz
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND key = %(key)s::uuid AND settled_at IS NULL
          AND %(is_over)s
    ), written AS (
        INSERT INTO campaigns_ledgerentry
            (workspace_id, campaign_id, recipient_id, batch, fate, reason, provider, provider_id)
        SELECT (SELECT %(workspace)s::bigint), %(campaign)s, id, %(key)s::uuid, fate, reason, %(provider)s,
            provider_id FROM told WHERE fate <> '' AND NOT (%(is_again)s AND EXISTS (
                SELECT FROM campaigns_ledgerentry AS e
                WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.campaign_id = %(campaign)s
                  AND e.recipient_id = told.id AND e.fate = told.fate
                  AND e.batch IS NOT DISTINCT FROM %(key)s::uuid))
    ), moved AS (
        UPDATE campaigns_recipient AS r
        SET state = CASE WHEN told.state = '' THEN r.state ELSE told.state END,
            reason = left(told.reason, 60), content_id = told.content_id, due_at = told.due_at,
            chunk = CASE WHEN told.due_at IS NULL THEN r.chunk ELSE 0 END,
            settled_at = CASE WHEN told.state = '' THEN NULL ELSE %(now)s::timestamptz END
        FROM told JOIN campaigns_recipient AS was
            ON was.workspace_id = (SELECT %(workspace)s::bigint) AND was.id = told.id
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = told.id AND r.state <> 'sent'
        RETURNING was.state AS was, was.reason AS was_reason, r.state AS is_now, r.reason AS now_reason
    )
    INSERT INTO campaigns_sendcount AS kept (workspace_id, campaign_id, state, reason, people)
    SELECT (SELECT %(workspace)s::bigint), %(campaign)s, state, reason, sum(people) FROM (
        SELECT was AS state, CASE WHEN was = 'skipped' THEN was_reason ELSE '' END AS reason, -1 AS people
        FROM moved
        UNION ALL SELECT is_now, CASE WHEN is_now = 'skipped' THEN now_reason ELSE '' END, 1 FROM moved
    ) AS steps GROUP BY state, reason HAVING sum(people) <> 0 ORDER BY state, reason
    {add}
"""
# What a provider says of most: it took them, and told no number of theirs. Written down with the next batch,
# for what it says is not to be forgotten; said again it says nothing twice.
NOTE = """
    UPDATE campaigns_sendbatch
    SET accepted_at = %(now)s::timestamptz, recipient_ids = coalesce(%(ids)s::bigint[], recipient_ids)
    WHERE workspace_id = (SELECT %(workspace)s::bigint) AND key = %(key)s::uuid AND settled_at IS NULL
    RETURNING id
"""
# And entered into the ledger, the recipients and the counts for many batches at once, which costs less than
# half of what it costs for each. Who is in a batch without an end stays in the state they had.
ENTER = """
    WITH batch AS (
        UPDATE campaigns_sendbatch SET settled_at = %(now)s::timestamptz
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND key = ANY(%(keys)s::uuid[])
          AND accepted_at IS NOT NULL AND settled_at IS NULL
        RETURNING key, provider, accepted_at, recipient_ids
    ), told AS MATERIALIZED (
        SELECT key, provider, accepted_at, unnest(recipient_ids) AS id FROM batch
    ), written AS (
        INSERT INTO campaigns_ledgerentry
            (workspace_id, campaign_id, recipient_id, batch, fate, reason, provider, provider_id, at)
        SELECT (SELECT %(workspace)s::bigint), %(campaign)s, id, key, 'accepted', '', provider, '',
            accepted_at FROM told
    ), moved AS (
        UPDATE campaigns_recipient AS r
        SET state = 'sent', reason = '', content_id = coalesce(r.content_id, %(winner)s::bigint),
            due_at = NULL, settled_at = told.accepted_at
        FROM told
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = told.id AND r.state = 'to_send'
        RETURNING r.id
    ), released AS (
        UPDATE campaigns_recipient AS r
        SET state = 'sent', reason = '', content_id = coalesce(r.content_id, %(winner)s::bigint),
            due_at = NULL, settled_at = told.accepted_at
        FROM told
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = told.id AND r.state = 'waiting'
          AND EXISTS (
              SELECT FROM campaigns_sendcount AS c
              WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.campaign_id = %(campaign)s
                AND c.state = 'waiting' AND c.people > 0)
        RETURNING r.id
    )
    INSERT INTO campaigns_sendcount AS kept (workspace_id, campaign_id, state, reason, people)
    SELECT (SELECT %(workspace)s::bigint), %(campaign)s, state, '', sum(people) FROM (
        SELECT 'sent' AS state, count(*) AS people FROM moved UNION ALL SELECT 'sent', count(*) FROM released
        UNION ALL SELECT 'to_send', -count(*) FROM moved UNION ALL SELECT 'waiting', -count(*) FROM released
    ) AS steps GROUP BY state HAVING sum(people) <> 0 ORDER BY state
    {add}
"""
SETTLE, ENTER = SETTLE.format(add=ADD), ENTER.format(add=ADD)
# A run that was put to rest meanwhile is looked at once more: this may have been the last of it. It is locked
# before the chunk, as whoever cancels it does.
END = """
    WITH resting AS (
        SELECT id FROM campaigns_sendrun
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s AND NOT is_open
        FOR NO KEY UPDATE
    ), held AS (
        SELECT count(*) AS runs FROM resting
    ), chunk AS (
        UPDATE campaigns_chunk AS c
        SET state = %(state)s, due_at = %(due)s::timestamptz, lease_until = NULL, leased_by = NULL
        FROM held
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = %(chunk_id)s AND c.state = 'leased'
          AND c.leased_by = %(worker)s::uuid AND held.runs >= 0
        RETURNING c.id
    ), opened AS (
        UPDATE campaigns_sendrun SET is_open = true, due_at = NULL
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s AND NOT is_open AND NOT is_paused
          AND finished_at IS NULL AND EXISTS (SELECT FROM chunk)
    )
    SELECT finished_at IS NOT NULL FROM campaigns_sendrun
    WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s
"""
HOLD = """
    SELECT id FROM campaigns_sendrun
    WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s FOR NO KEY UPDATE
"""
# Nothing of it can leave before then.
REST = """
    UPDATE campaigns_sendrun SET is_open = false, due_at = %(until)s::timestamptz
    WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s AND is_open AND NOT is_paused
      AND finished_at IS NULL
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a recipient. fate: empty where nothing is to be said of it; state: empty where it stays
    to be sent, by due_at if that is set.
    """

    id: int
    content_id: int | None
    fate: str = ""
    reason: str = ""
    provider_id: str = ""
    state: str = ""
    due_at: datetime | None = None


def begin(
    claimed: Claimed, key: UUID, ids: Sequence[int], *, provider: str, connection_id: int, now: datetime
) -> Statement:
    """Answers a row when the batch may leave."""
    return BEGIN, {
        **_place(claimed),
        "key": key,
        "ids": one_trip.array(ids),
        "provider": provider,
        "connection": connection_id,
        "now": now,
        "until": now + LEASE,
        "renewed_before": now + LEASE - YOUNG,
    }


def parting(
    key: UUID, parted: Sequence[str] = (), *, held_until: datetime, clock: Callable[[], datetime]
) -> bulk_mail.Parting:
    """Of a batch under that key, whose lease is renewed with each part. parted: what is written down of it
    already. held_until: its lease, by which it is this worker's.
    """
    held = held_until

    def keep(part: str) -> bool:
        nonlocal held
        until = clock() + LEASE
        named = {"workspace": scoping.current_id(), "key": key, "part": part}
        [rows] = write([(PART, {**named, "held_until": held, "until": until})])
        held = until if rows else held
        return bool(rows)

    return bulk_mail.Parting(keep, set(parted))


def settle(
    campaign_id: int,
    told: Sequence[Told],
    *,
    key: UUID | None = None,
    is_over: bool = True,
    provider: str = "",
    now: datetime,
) -> Statement:
    """Into the ledger, the recipients and the counts. key: of the batch. is_over: all of it is known now."""
    return SETTLE, {
        "workspace": scoping.current_id(),
        "campaign": campaign_id,
        "is_again": False,
        "key": key,
        "is_over": is_over,
        "provider": provider,
        "now": now,
        "ids": one_trip.array([one.id for one in told]),
        "contents": one_trip.array([one.content_id for one in told]),
        "fates": one_trip.array([one.fate for one in told]),
        "reasons": one_trip.array([one.reason[:200] for one in told]),
        "provider_ids": one_trip.array([one.provider_id[:200] for one in told]),
        "states": one_trip.array([one.state for one in told]),
        "dues": one_trip.array([one.due_at for one in told]),
    }


def narrow(key: UUID, ids: Sequence[int]) -> Statement:
    """Leave in a batch only those whose fate is not known: the others may be in another."""
    return NARROW, {"workspace": scoping.current_id(), "key": key, "ids": one_trip.array(ids)}


def note(key: UUID, ids: Sequence[int] | None, *, now: datetime) -> Statement:
    """The batch's provider has taken these of it, and the others are in it no more; None: all. The ledger is
    told by enter().
    """
    listed = None if ids is None else one_trip.array(ids)
    return NOTE, {"workspace": scoping.current_id(), "key": key, "ids": listed, "now": now}


def enter(campaign_id: int, keys: Sequence[UUID], *, winner_id: int | None, now: datetime) -> Statement:
    """What was noted of these batches, into the ledger, the recipients and the counts: that ends them.

    winner_id: what those of them got who had been given no content of their own.
    """
    return ENTER, {
        "workspace": scoping.current_id(),
        "campaign": campaign_id,
        "keys": one_trip.array(keys),
        "winner": winner_id,
        "now": now,
    }


def end(claimed: Claimed, *, state: str, due_at: datetime | None = None) -> Statement:
    """Give the chunk back: done, or open for whoever comes after due_at. Answers whether the run is over."""
    return END, _place(claimed) | {"state": state, "due": due_at}


def hold(claimed: Claimed) -> Statement:
    """Lock the run, for what gives back a chunk and changes the run as well."""
    return HOLD, _place(claimed)


def rest(claimed: Claimed, *, until: datetime) -> Statement:
    """Take the campaign out of the queue until then."""
    return REST, _place(claimed) | {"until": until}


def write(
    statements: Sequence[Statement], *, meanwhile: Callable[[], Any] = one_trip.nothing
) -> list[list[tuple[Any, ...]]]:
    """All in one transaction. While the database is away it is asked again: what a provider has said is not
    to be forgotten. Raises what the database raises when it stays away.

    meanwhile: done while the database works, each time that it is asked.
    """
    ends_at = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return one_trip.fetch_all(statements, is_prepared=True, meanwhile=meanwhile)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or monotonic() > ends_at:
                raise
            connection.close()
            sleep(0.5)
            statements = [(text, {**params, "is_again": True}) for text, params in statements]


def _place(claimed: Claimed) -> dict[str, Any]:
    return {
        "workspace": claimed.workspace_id,
        "run": claimed.run_id,
        "campaign": claimed.campaign_id,
        "chunk_id": claimed.chunk_id,
        "number": claimed.number,
        "worker": claimed.worker,
    }
