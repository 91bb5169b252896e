"""Changes that no platform lets be made from here: a person makes them and says so, and they are measured."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts import audit, events
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require
from apps.campaigns.events import RecommendationSettled
from apps.campaigns.models import Change, Recommendation
from apps.campaigns.optimization import decisions, ledger
from apps.campaigns.optimization.gates import NotPossibleNow

State = Recommendation.State


@transaction.atomic
def done(actor: Actor, public_id: UUID | str, *, now: datetime) -> Recommendation:
    """Note that somebody has made it in the platform's own app. Audited. Raises NotPossibleNow."""
    require(actor, "optimization:approve")
    found = decisions.locked(public_id)
    if found.is_doable:
        raise NotPossibleNow("It can be carried out from here. Approve it, and it is.")
    if found.state != State.PROPOSED:
        raise NotPossibleNow(f"It is {found.get_state_display()} already.")
    change = Change.objects.create(
        workspace_id=found.workspace_id,
        recommendation=found,
        campaign=found.campaign,
        before=found.before,
        after=found.after,
        day=ledger.today(Workspace.objects.get(), now),
        state=Change.State.DONE,
        reason="Made by hand in the platform's own app.",
        ordered_by=actor.label[:200],
        created_at=now,
        settled_at=now,
    )
    found.decided_at = found.done_at = now
    decisions.step(found, State.DONE, now=now)
    audit.record(actor, "recommendation.done_by_hand", found, now=now, reason=change.reason)
    events.publish(
        RecommendationSettled(
            workspace_id=found.workspace_id, recommendation_id=found.pk, state=str(found.state)
        )
    )
    return found
