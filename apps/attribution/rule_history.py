"""Channel rules applied to what is here already: touches move to the channel that the rules in force give
them, and the spend of their campaigns goes with them.

Nothing is lost: put an earlier version in force again and apply it, and they move back.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import audit, jobs, permissions, scoping
from apps.accounts.errors import DomainError
from apps.accounts.figures import count
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import (
    channel_moves,
    channels,
    loading,
    rule_edits,
    rule_versions,
    sources,
    stale_people,
    stored_origins,
)
from apps.attribution.channel_moves import Move, Sorter
from apps.attribution.loading import SourceRow
from apps.attribution.models import RuleVersion
from apps.attribution.sources import SourceKey
from apps.attribution.stored_origins import Place

KIND = "attribution.channel_rules_history"
# Rules are read at most a second late (channels.book); what was stored by older ones is committed by then.
SETTLED = timedelta(seconds=5)
MOVE = """
    UPDATE attribution_touchpoint t SET source_id = r.target
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS r(id, source, target)
    WHERE t.workspace_id = (SELECT %s::bigint) AND t.id = r.id AND t.source_id = r.source
"""
LOCK = """
    SELECT id FROM attribution_touchpoint WHERE workspace_id = (SELECT %s::bigint) AND id = ANY(%s)
    ORDER BY id FOR NO KEY UPDATE
"""
# A day on which the campaign has spend there already stays: two bills of a day cannot be told apart again.
MOVE_SPEND = """
    UPDATE attribution_spend x SET source_id = r.target
    FROM unnest(%s::bigint[], %s::bigint[]) AS r(source, target)
    WHERE x.workspace_id = (SELECT %s::bigint) AND x.source_id = r.source AND x.is_channel_named IS NOT TRUE
    AND NOT EXISTS (SELECT FROM attribution_spend y
        WHERE y.workspace_id = x.workspace_id AND y.source_id = r.target AND y.day = x.day)
"""


class RulesMovedOn(DomainError):
    code = "rules_moved_on"
    status = 409


def start(actor: Actor, *, now: datetime, reason: str = "") -> Job:
    """Apply the rules in force to history in a worker; a job that is already on them is answered again."""
    channels.book()  # a workspace that never had rules gets them
    with transaction.atomic():
        version = _in_force(now)
        under_way = Job.objects.filter(kind=KIND, state__in=jobs.UNFINISHED, params__version=version.number)
        if known := under_way.first():
            return known
        touches = stored_origins.count(None)
        job = jobs.begin(
            actor,
            KIND,
            title=f"Apply version {version.number} of the channel rules to {touches:,} touchpoints",
            params={"version": version.number, "reason": reason, "by": actor.label},
            total=2 * touches,
        )
        version.job = job
        version.save(update_fields=["job"])
        audit.record(
            actor,
            "channel_rules.applied_to_history",
            version,
            now=now,
            after={"version": version.number},
            reason=reason,
        )
    return job


def latest() -> Job | None:
    """The last job that applied rules to history."""
    return Job.objects.filter(kind=KIND).order_by("-id").first()


@jobs.work(KIND, is_heavy=True)
def apply_in_job(job: Job) -> dict[str, Any]:
    """Look at all touches, move the spend, then the touches, slice by slice; it goes on where it stopped.

    Raises RulesMovedOn when other rules were put in force meanwhile.
    """
    version = _still_in_force(job)
    time.sleep(max((version.made_at + SETTLED - timezone.now()).total_seconds(), 0))
    table = loading.sources()
    sorter = channel_moves.sorter(version.rules, table)
    total = stored_origins.count(None)
    if "after" not in job.checkpoint:
        _move_spend(job, sorter, total)
    moved = _move_touches(job, channel_moves.sorter(version.rules, table), total)
    now = timezone.now()
    with transaction.atomic():
        RuleVersion.objects.filter(pk=version.pk).update(applied_at=now, touches_moved=moved)
        audit.record(
            permissions.system(job.workspace_id),
            "channel_rules.history_moved",
            version,
            now=now,
            after={"version": version.number, "touches": moved, "spend": job.checkpoint.get("spend", 0)},
        )
    what = count(moved, "touch", "touches")
    return {"touches": moved, "summary": f"{what} moved to the channel of version {version.number}."}


def _move_spend(job: Job, sorter: Sorter, total: int) -> None:
    """Survey all of history, since spend goes where its campaign's touches go, and move the spend."""
    for touches in stored_origins.slices(Place(stored_origins.START)):
        sorter.moves(touches)
        jobs.advance(job, done=sorter.looked_at, total=2 * total, message="looking at all touchpoints")
    found = channel_moves.spend_moves(sorter)
    rows = {row.id: row for row in sorter.table.rows}
    checkpoint = {"after": Place(stored_origins.START).as_plain(), "moved": 0, "spend": 0}
    with transaction.atomic():
        targets = _targets({(rows[source], to) for source, to in found.items()})
        with connection.cursor() as cursor:
            places = [targets[pair] for pair in found.items()]
            cursor.execute(MOVE_SPEND, [list(found), places, scoping.current_id()])
            checkpoint["spend"] = cursor.rowcount
        jobs.advance(job, done=total, total=2 * total, checkpoint=checkpoint)
    job.checkpoint = checkpoint


def _move_touches(job: Job, sorter: Sorter, total: int) -> int:
    """Each slice with its checkpoint in one transaction; answers how many moved since the job was begun."""
    moved: int = job.checkpoint["moved"]
    after = Place.of_plain(job.checkpoint["after"])
    for touches in stored_origins.slices(after):
        _still_in_force(job)
        with transaction.atomic():
            moved += _move(sorter.moves(touches))
            after = Place(touches[-1].occurred_at, touches[-1].id)
            checkpoint = job.checkpoint | {"after": after.as_plain(), "moved": moved}
            done = min(total + sorter.looked_at, 2 * total)
            jobs.advance(job, done=done, total=2 * total, message="moving touchpoints", checkpoint=checkpoint)
    return moved


def _move(moves: list[Move]) -> int:
    """Put touches into the source of their new channel, and their people's journeys out of the books."""
    if not moves:
        return 0
    targets = _targets({(move.source, move.to) for move in moves})
    places = [(move.touch.id, move.source.id, targets[move.source.id, move.to]) for move in moves]
    workspace_id = scoping.current_id()
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [workspace_id, [move.touch.id for move in moves]])
        cursor.execute(MOVE, [*map(list, zip(*places, strict=True)), workspace_id])
        moved: int = cursor.rowcount
    stale_people.mark(sorted({move.touch.person for move in moves}))
    return moved


def _targets(wanted: set[tuple[SourceRow, str]]) -> dict[tuple[int, str], int]:
    """The source in the other channel, made where it is missing, by source and channel."""
    keys = {(row.id, to): SourceKey(to, row.platform, row.campaign_id, row.creative_id) for row, to in wanted}
    ids = sources.ids(set(keys.values()), labels={})
    return {pair: ids[key] for pair, key in keys.items()}


def _in_force(now: datetime) -> RuleVersion:
    """The version in force, numbered first if need be. Locks the workspace's row."""
    Workspace.objects.select_for_update(no_key=True).get()
    rule_versions.begin(rule_edits.current(), note=rule_versions.BEFORE_NOTE, now=now)
    return rule_versions.latest()


def _still_in_force(job: Job) -> RuleVersion:
    version = rule_versions.latest()
    if version.number != job.params["version"]:
        raise RulesMovedOn(
            f"Version {version.number} was put in force meanwhile. What had moved until then is where "
            f"version {job.params['version']} puts it; apply the version in force to move all of it."
        )
    return version
