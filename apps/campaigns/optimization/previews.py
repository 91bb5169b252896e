"""A dry run: the exact calls of a change, and what stands in its way. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.campaigns.models import Recommendation
from apps.campaigns.optimization import execute, gates, ledger, orders, policies, sending
from apps.integrations import errors
from apps.integrations.connectors.ads import writes
from apps.integrations.rehearsal import Planned


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """The calls in their order. said: the platform's own check, or ours where it has none."""

    calls: Sequence[Planned]
    said: str
    is_good: bool


def calls(found: Recommendation, *, is_undo: bool = False) -> Rehearsed:
    """What would be sent; the platform is asked to check it where it can."""
    before, after = (found.after, found.before) if is_undo else (found.before, found.after)
    move = sending.move_of(found, found.campaign, before=before, after=after)
    try:
        seen = writes.preview(found.campaign.connection, move.target, move.wanted)
    except errors.ServiceError as error:
        return Rehearsed(calls=(), said=str(error), is_good=False)
    is_good = seen.verdict.is_good
    whose = "The platform has checked it" if seen.is_checked else "The platform has no check of its own"
    said = f"{whose}: it would be done." if is_good else seen.verdict.reason
    return Rehearsed(calls=seen.requests, said=said, is_good=is_good)


@transaction.atomic
def obstacle(found: Recommendation, *, now: datetime, is_undo: bool = False) -> str:
    """What stands in its way this moment, in a sentence; empty when nothing does."""
    policy, workspace = policies.locked(), Workspace.objects.get()
    try:
        if is_undo:
            execute.require_undoable(policy, found)
        else:
            gates.require_open(policy, found, workspace, now=now)
        before, after = (found.after, found.before) if is_undo else (found.before, found.after)
        wanted = orders.wanted_of(found, found.campaign, before=before, after=after)
        ledger.check(policy, wanted, day=ledger.today(workspace, now))
    except DomainError as error:
        return error.detail
    return ""
