"""Records read from each connected system by beat: what changed since the last time, and all of it weekly.

A run goes page by page, the latest change first; each page's records and the place where to go on are one
transaction, so that a worker that dies costs a page. The watermark moves when a run is complete, to the
latest change it has seen. One worker at a time reads a connection, by an advisory lock of its session.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from celery import shared_task
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError
from apps.accounts.permissions import Actor
from apps.accounts.tasks_base import workspace_task
from apps.integrations import modes, services
from apps.integrations.connectors.crm.system import Entity, Page, Remote, System
from apps.integrations.models import Connection, SyncExternal, SyncStream
from apps.integrations.services import Family
from apps.integrations.sync import disputes, records, streams
from apps.integrations.sync.taking import Reading, gone, take

log = structlog.get_logger(__name__)

LOCK_SPACE = 0x5C4D
# A change that is seen twice costs nothing; clocks differ, and a page may move while it is read.
OVERLAP = timedelta(minutes=15)
FULL_EVERY = timedelta(days=7)
OUTAGE = timedelta(hours=24)
# A run that was left for so long begins anew: its pages have moved.
STALE_RUN = timedelta(hours=1)
PAGES_PER_TASK = 200
# The first page is read once more at the end, and those after it while they bring what nobody saw.
MOST_REPEATED = 5
# More missing than this go by nobody unseen.
MOST_GONE, MOST_GONE_SHARE, ALWAYS_GONE = 50, 0.05, 3


@shared_task(name="integrations.sync.sweep")
def sweep() -> int:
    """Start a pull of every customer system that is connected."""
    keys = [one.key for one in services.of_family(Family.CRM)]
    with scoping.across_workspaces("connections.sweep"):
        usable = Connection.objects.filter(service__in=keys, state=Connection.State.CONNECTED)
        found = list(usable.values_list("workspace_id", "pk"))
    for workspace_id, connection_id in found:
        pull.delay(workspace_id=workspace_id, connection_id=connection_id)
    return len(found)


@workspace_task(name="integrations.sync.pull")
def pull(*, connection_id: int, is_full: bool = False) -> int:
    """Read what changed. Returns how many records did. Does nothing while another worker reads it."""
    connection = Connection.objects.get(pk=connection_id)
    with only_one(connection_id) as is_mine:
        if not is_mine or not connection.is_usable:
            return 0
        records.obey_withdrawals(now=timezone.now())
        return sum(_pull(connection, one, is_full=is_full) for one in streams.of_connection(connection))


def read_now(actor: Actor, connection: Connection, *, is_full: bool, now: datetime) -> None:
    """Have it read at once. Audited. Raises NotSynced.

    A full reading is due until it was made: another worker may read the connection just now.
    """
    found = streams.of_connection(connection)
    if is_full:
        SyncStream.objects.filter(pk__in=[one.pk for one in found]).update(full_at=None)
    audit.record(actor, "sync.run_asked", connection, now=now, after={"is_full": is_full})
    pull.delay(workspace_id=connection.workspace_id, connection_id=connection.pk)


@contextmanager
def only_one(connection_id: int) -> Iterator[bool]:
    """Hold the connection's lock while the block runs; False where somebody else does. A lost session lets
    go of it.
    """
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, connection_id % 2**31])
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine:
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, connection_id % 2**31])


def _pull(connection: Connection, stream: SyncStream, *, is_full: bool) -> int:
    system = streams.system_of(connection)
    if stream.is_paused or stream.direction == SyncStream.Direction.OUT or not system.is_readable:
        return 0
    try:
        return run(stream, system, is_full=is_full)
    except DomainError as error:
        SyncStream.objects.filter(pk=stream.pk).update(trouble=error.detail[:300])
        log.warning("sync.pull_failed", connection_id=connection.pk, entity=stream.entity, code=error.code)
        return 0


def run(stream: SyncStream, system: System, *, is_full: bool = False) -> int:
    """Begin a run or go on with the one that was left, to its end or to the end of this task's share.

    Returns how many records changed. Raises errors.ServiceError; what was read until then is kept.
    """
    fresh = _begin(stream, is_full=is_full, now=timezone.now())
    changed = 0
    for _ in range(PAGES_PER_TASK):
        if fresh.page is None:
            break
        at = timezone.now()
        page = system.page(Entity(fresh.entity), fresh.page, since=fresh.window_from)
        counts, fresh = keep_page(fresh, page, at=at, now=timezone.now())
        changed += counts["made"] + counts["changed"]
    else:
        pull.delay(workspace_id=fresh.workspace_id, connection_id=fresh.connection_id)
        return changed
    return changed + _end(fresh, system)


@transaction.atomic
def _begin(stream: SyncStream, *, is_full: bool, now: datetime) -> SyncStream:
    fresh = _locked(stream)
    is_left = fresh.page is not None and fresh.began_at is not None and now - fresh.began_at < STALE_RUN
    if is_left and (fresh.is_full or not is_full):
        return fresh
    fresh.is_full = is_full or _is_full_due(fresh, now)
    fresh.window_from = fresh.watermark - OVERLAP if fresh.watermark and not fresh.is_full else None
    fresh.run, fresh.page, fresh.highest, fresh.counts = fresh.run + 1, 1, None, {}
    fresh.began_at = now
    fresh.save()
    return fresh


def _is_full_due(stream: SyncStream, now: datetime) -> bool:
    """The first, and one that a person asked for, at once; others not while only what cannot wait is done."""
    if stream.full_at is None:
        return True
    is_weekly = now - stream.full_at >= FULL_EVERY
    is_after_outage = stream.finished_at is not None and now - stream.finished_at >= OUTAGE
    return (is_weekly or is_after_outage) and modes.active(now) is None


@transaction.atomic
def keep_page(
    stream: SyncStream, page: Page, *, at: datetime, now: datetime
) -> tuple[Counter[str], SyncStream]:
    """Take a page in, and write down where to go on, in one. A page that another worker has kept is left."""
    fresh = _locked(stream)
    if (fresh.run, fresh.page) != (stream.run, stream.page):
        return Counter(), fresh
    counts = take(fresh, page.records, Reading(kind="pulled", at=at, now=now))
    times = [one.modified_at for one in page.records if one.modified_at is not None]
    fresh.highest = max([*times, *([fresh.highest] if fresh.highest else [])], default=None)
    fresh.page = None if _is_old(page, fresh.window_from) else page.following
    fresh.counts = dict(Counter(fresh.counts) + counts)
    fresh.save(update_fields=["page", "highest", "counts"])
    return counts, fresh


def _is_old(page: Page, window_from: datetime | None) -> bool:
    """Whether all that follows changed before the window. A system that says no times is read to its end."""
    times = [one.modified_at for one in page.records]
    told = [at for at in times if at is not None]
    return window_from is not None and len(told) == len(times) > 0 and min(told) < window_from


def _end(stream: SyncStream, system: System) -> int:
    """The pages are through: the first once more, whoever is missing, and the watermark."""
    changed = _repeat(stream, system)
    if stream.is_full:
        _look_for_missing(stream, system)
    with transaction.atomic():
        fresh, now = _locked(stream), timezone.now()
        if fresh.run != stream.run:
            return changed
        fresh.finished_at, fresh.trouble = now, ""
        fresh.watermark = max(filter(None, (fresh.watermark, fresh.highest)), default=None)
        if fresh.is_full:
            fresh.full_at = now
        fresh.save(update_fields=["finished_at", "trouble", "watermark", "full_at"])
    return changed


def _repeat(stream: SyncStream, system: System) -> int:
    """What changed while pages were read stands on the first ones."""
    changed = 0
    number: int | None = 1
    while number is not None and number <= MOST_REPEATED:
        at = timezone.now()
        page = system.page(Entity(stream.entity), number, since=stream.window_from)
        with transaction.atomic():
            reading = Reading(kind="pulled", at=at, now=timezone.now())
            counts = take(_scanning(_locked(stream)), page.records, reading)
        new = counts["made"] + counts["changed"]
        changed += new
        number = page.following if new and new == len(page.records) else None
    return changed


def _scanning(stream: SyncStream) -> SyncStream:
    """A repeated page marks what it sees, as those before it did."""
    stream.page = stream.page or 1
    return stream


def missing(stream: SyncStream, *, since: int | None = None) -> list[SyncExternal]:
    """Those that the run, a full one, has not seen. since: an earlier one, and none after it either."""
    rows = SyncExternal.objects.filter(
        connection=stream.connection_id, entity=stream.entity, gone_at=None, is_own_id=True
    )
    unseen = rows.filter(seen_run__lt=since or stream.run, state=SyncExternal.State.LINKED)
    return list(unseen.select_related("connection").order_by("pk"))


def is_too_many(count: int, total: int) -> bool:
    return count > MOST_GONE or count > max(ALWAYS_GONE, total * MOST_GONE_SHARE)


def _look_for_missing(stream: SyncStream, system: System) -> None:
    """Ask for each that was not seen, and believe it. So many at once are a fault more likely than the truth:
    then a person decides.
    """
    unseen = missing(stream)
    total = SyncExternal.objects.filter(
        connection=stream.connection_id, entity=stream.entity, gone_at=None, is_own_id=True
    ).count()
    if is_too_many(len(unseen), total):
        with transaction.atomic():
            disputes.vanished(_locked(stream), len(unseen), now=timezone.now())
        return
    for external in unseen:
        reread(stream, system, external.external_id, kind="pulled")


def reread(stream: SyncStream, system: System, external_id: str, *, kind: str) -> Counter[str]:
    """Fetch one record and take it in, or its absence. Raises errors.ServiceError."""
    at = timezone.now()
    remote: Remote | None = system.fetch(Entity(stream.entity), external_id)
    with transaction.atomic():
        fresh, now = _locked(stream), timezone.now()
        if remote is not None:
            return take(fresh, [remote], Reading(kind=kind, at=at, now=now))
        rows = SyncExternal.objects.select_related("connection").filter(
            connection=fresh.connection_id, entity=fresh.entity, external_id=external_id
        )
        return Counter(gone=gone(rows.first(), now=now))


def _locked(stream: SyncStream) -> SyncStream:
    found: SyncStream = (
        SyncStream.objects.select_for_update(of=("self",)).select_related("connection").get(pk=stream.pk)
    )
    return found
