"""The end of an experiment: a winner that its reading supports, or none."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.accounts import audit, events
from apps.accounts.errors import DomainError, Invalid
from apps.accounts.permissions import Actor, require
from apps.attribution import experiment_plans, experiment_readings
from apps.attribution.events import ExperimentDecided
from apps.attribution.experiment_plans import NotNow
from apps.attribution.models import Experiment, Variant

OPEN = (Experiment.State.RUNNING, Experiment.State.STOPPED)


class NotProven(DomainError):
    """The reading does not name this winner."""

    code = "winner_not_proven"
    status = 409


class SampleRatioBroken(DomainError):
    code = "sample_ratio_mismatch"
    status = 409


def decide(
    actor: Actor,
    experiment: Experiment,
    *,
    winner: str | None,
    now: datetime,
    reason: str = "",
    despite_reading: bool = False,
) -> Experiment:
    """End it, with the winner that its reading names or with none.

    Needs experiments:write. despite_reading: a person takes a winner that is not proven; the reason is
    required and kept. Raises NotProven, SampleRatioBroken (which no reason overrides), NotNow, Invalid.
    Audited; publishes ExperimentDecided.
    """
    require(actor, "experiments:write")
    if winner is not None:
        _check(experiment, winner, now=now, reason=reason, despite_reading=despite_reading)
    return settle(
        actor,
        experiment,
        winner=winner,
        now=now,
        reason=reason,
        is_overridden=bool(winner) and despite_reading,
    )


@transaction.atomic
def settle(
    actor: Actor,
    experiment: Experiment,
    *,
    winner: str | None,
    now: datetime,
    reason: str,
    is_overridden: bool = False,
    by_itself: bool = False,
) -> Experiment:
    """Write the decision down. From now on `assign` answers the winner to everybody. Raises NotNow."""
    held = experiment_plans.lock(experiment)
    if held.state not in OPEN:
        raise NotNow(f"This experiment is {held.state}; only one that was started can be decided.")
    held.winner = None if winner is None else Variant.objects.get(experiment=held, key=winner)
    held.stopped_at = held.stopped_at or now
    held.state, held.decided_at, held.decided_by = Experiment.State.DECIDED, now, actor.label
    held.decision, held.is_overridden, held.due_at = reason, is_overridden, None
    held.save()
    after: dict[str, Any] = {"winner": winner, "overridden": is_overridden, "by_itself": by_itself}
    audit.record(actor, "experiment.decided", held, now=now, after=after, reason=reason)
    events.publish(
        ExperimentDecided(
            workspace_id=held.workspace_id, experiment_id=held.pk, winner=winner or "", by_itself=by_itself
        )
    )
    return held


def _check(experiment: Experiment, winner: str, *, now: datetime, reason: str, despite_reading: bool) -> None:
    if not Variant.objects.filter(experiment=experiment, key=winner).exists():
        raise Invalid({"winner": ["This experiment has no such variant."]})
    if despite_reading and not reason.strip():
        raise Invalid({"reason": ["Say why: the reading does not support this."]})
    if experiment.state not in OPEN:
        raise NotNow(f"This experiment is {experiment.state}; only one that was started can be decided.")
    shown = experiment_readings.read(experiment, now=now)
    if shown.is_broken:
        raise SampleRatioBroken(
            "Units did not go to the variants in the shares that were intended, so none of them can be said "
            "to have won. Find out why (a redirect that loses people, a bot), mend it, start anew."
        )
    named = (shown.reading or {}).get("winner")
    if named != winner and not despite_reading:
        raise NotProven(_not_proven(named, shown.reading))


def _not_proven(named: str | None, reading: dict[str, Any] | None) -> str:
    if named is not None:
        return f"The reading names {named}, and not this variant."
    if reading is None:
        return "There is no reading yet that could name a winner. Wait for the next look."
    return f"The reading names no winner: {reading['because']}"
