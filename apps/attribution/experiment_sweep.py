"""What beat does for experiments: planned looks, and new shares where the winner is sent."""

from datetime import datetime, timedelta

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.permissions import system
from apps.accounts.tasks_base import workspace_task
from apps.attribution import (
    experiment_decisions,
    experiment_outcomes,
    experiment_plans,
    experiment_readings,
)
from apps.attribution.events import ExperimentLookTaken
from apps.attribution.experiment_outcomes import MetricUnreadable
from apps.attribution.experiment_readings import Arms
from apps.attribution.maths.experiments.boundaries import LookTooSoon
from apps.attribution.maths.experiments.group_sequential import HorizonPassed
from apps.attribution.maths.experiments.readings import Reading, Standing, Verdict
from apps.attribution.models import Experiment, Look

log = structlog.get_logger(__name__)

SWEEP_BATCH = 1_000
# Shares that move less than this are left as they are.
WORTH_A_PHASE = 0.005
SENDER = "The sweep of experiments"
SAYS_NOTHING = (Verdict.NOT_ENOUGH_DATA, Verdict.SAMPLE_RATIO_MISMATCH)


@shared_task(name="attribution.experiments.sweep")
def sweep() -> int:
    """Start the turn of each experiment that is due."""
    with scoping.across_workspaces("experiments.sweep"):
        due = Experiment.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
        found = list(due.values_list("workspace_id", "pk")[:SWEEP_BATCH])
    for workspace_id, experiment_id in found:
        take_turn.delay(workspace_id=workspace_id, experiment_id=experiment_id)
    return len(found)


@workspace_task(name="attribution.experiments.take_turn")
def take_turn(*, experiment_id: int) -> None:
    experiment = Experiment.objects.filter(pk=experiment_id).first()
    if experiment is not None:
        turn(experiment, now=timezone.now())


def turn(experiment: Experiment, *, now: datetime) -> Look | None:
    """Take the look or the re-allocation that is due; delivered twice, it is taken once.

    Answers the look, None where none was due or nothing could be said yet. Publishes ExperimentLookTaken, and
    ExperimentReallocated or ExperimentDecided where the winner is sent.
    """
    if experiment.due_at is None or experiment.due_at > now:
        return None
    built = _built(experiment, now=now)
    with transaction.atomic():
        held = experiment_plans.lock(experiment)
        if held.due_at != experiment.due_at:
            return None  # another delivery of this turn got here first
        if held.reading == Experiment.Reading.SEND_WINNER:
            return _reallocate(held, built, now=now)
        return _look(held, built, now=now)


def _built(experiment: Experiment, *, now: datetime) -> Arms:
    """Nothing to read where the metric cannot be read: the turn passes, and comes again at its next step."""
    try:
        seen = experiment_outcomes.exposed(experiment)
        return experiment_readings.arms_of(experiment, experiment_outcomes.of(experiment, seen, now=now))
    except MetricUnreadable as fault:
        log.warning("experiment.metric_unreadable", experiment_id=experiment.pk, detail=fault.detail)
        return Arms()


def _look(held: Experiment, built: Arms, *, now: datetime) -> Look | None:
    """A look that could not end the experiment is none: it is neither kept nor counted."""
    past = list(Look.objects.filter(experiment=held).order_by("number"))
    reading, is_over = None, False
    try:
        reading = experiment_readings.look_reading(held, built, past)
    except LookTooSoon:
        pass
    except HorizonPassed:
        is_over = True
    if reading is None or reading.verdict in SAYS_NOTHING:
        _next(held, is_over=is_over, now=now)
        log.info("experiment.look_postponed", experiment_id=held.pk, verdict=reading and str(reading.verdict))
        return None
    look = _keep(held, reading, now=now, number=len(past) + 1)
    _next(held, is_over=_is_over(reading, look), now=now)
    return look


def _reallocate(held: Experiment, built: Arms, *, now: datetime) -> Look | None:
    reading = experiment_readings.live_reading(held, built)
    if reading is None or any(arm.next_share is None for arm in reading.arms):
        _next(held, is_over=False, now=now)
        return None
    actor = system(held.workspace_id, SENDER)
    look = _keep(held, reading, now=now, number=Look.objects.filter(experiment=held).count() + 1)
    if reading.winner is not None:
        experiment_decisions.settle(
            actor, held, winner=reading.winner, now=now, reason=reading.because, by_itself=True
        )
        return look
    shares = {arm.name: arm.next_share or 0.0 for arm in reading.arms}
    before = experiment_plans.current_shares(held)
    if max(abs(shares[key] - before[key]) for key in shares) >= WORTH_A_PHASE:
        experiment_plans.open_phase(actor, held, shares, now=now, reason=reading.because)
    _next(held, is_over=False, now=now)
    return look


def _keep(held: Experiment, reading: Reading, *, now: datetime, number: int) -> Look:
    is_conclusive = reading.verdict in (Verdict.WINNER, Verdict.NO_DIFFERENCE)
    settled = [arm.name for arm in reading.arms if arm.standing in (Standing.BETTER, Standing.WORSE)]
    look = Look.objects.create(
        workspace_id=held.workspace_id,
        experiment=held,
        number=number,
        taken_at=now,
        units=reading.units,
        information=reading.information,
        is_conclusive=is_conclusive,
        settled=settled,
        favours=reading.winner or "",
        verdict=reading.because,
        figures=experiment_readings.as_plain(reading),
    )
    events.publish(
        ExperimentLookTaken(
            workspace_id=held.workspace_id, experiment_id=held.pk, look=number, is_conclusive=is_conclusive
        )
    )
    return look


def _is_over(reading: Reading, look: Look) -> bool:
    """Nothing is left to find out: every variant is settled, or the horizon is reached."""
    everything = len(look.settled) == len(reading.arms) - 1
    return everything or (reading.information or 0.0) >= 1.0


def _next(held: Experiment, *, is_over: bool, now: datetime) -> None:
    """When the sweep comes again: steps are of the plan, not of when a worker was free."""
    is_last = is_over or held.state != Experiment.State.RUNNING
    if is_last or held.due_at is None:
        held.due_at = None
    else:
        step = (
            experiment_plans.look_step(held)
            if held.reading == Experiment.Reading.PROVE_LIFT
            else timedelta(hours=held.reallocate_hours)
        )
        held.due_at += step * (1 + max(0, (now - held.due_at) // step))
    held.save(update_fields=["due_at"])
