"""Is the world still the one that the probability to convert has learnt from? If not: say so, and learn anew.

The charts and the test of the mix, with their rates of false alarms, are maths.drift.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.accounts import audit, events, jobs
from apps.accounts.errors import DomainError
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor, system
from apps.attribution import conversion_training, conversion_versions, goals, loading, markov_training
from apps.attribution.events import Drifted
from apps.attribution.maths import drift
from apps.attribution.maths.drift import Charts, Shift, Sums
from apps.attribution.models import ConversionModel, DriftCheck, Recalibration
from apps.attribution.past_journeys import Past

SENDER = "The nightly measurement of accuracy"
# Never learnt anew more often than this, by itself or by hand.
AT_MOST_EVERY = timedelta(days=7)

Mix = dict[str, dict[str, int]]


class RecalibratedLately(DomainError):
    code = "recalibrated_lately"
    status = 409


def check(past: Past, *, now: datetime) -> DriftCheck | None:
    """Move the charts of the version in force by the journeys that have settled since, and learn anew on an
    alarm.

    None where there is no version for this lens, or too few journeys for a step: they wait for the next
    night. Publishes Drifted. Delivered twice, it steps once.
    """
    row = conversion_versions.newest(past.lens)
    if row is None:
        return None
    last = _last(row)
    until = now - timedelta(days=past.lens.lookback_days)
    since = last.until if last else row.until
    found = conversion_versions.judged_on(
        past, since_us=loading.microseconds(since), until_us=loading.microseconds(until)
    )
    design = conversion_versions.describe(past, found)
    told = conversion_versions.loaded(row).fitted.predict(design)
    # By what was told and not by what happened: waiting for conversions would bend the charts.
    if len(found) < drift.LEAST_JOURNEYS or told.sum() < drift.LEAST_CONVERSIONS:
        return None
    charts = drift.step(_charts(row, last), Sums.of(told, found.outcome))
    mix, shifts = _mix(row, last, conversion_versions.mix_of(past, found))
    alarms = [*charts.alarms, *(f"mix: {one.name}" for one in shifts if one.is_drift)]
    with transaction.atomic():
        ConversionModel.objects.select_for_update().get(pk=row.pk)
        if _number(_last(row)) != _number(last):
            return None  # another delivery of this night got here first
        kept: DriftCheck = DriftCheck.objects.create(
            workspace=past.workspace,
            conversion_model=row,
            number=_number(last) + 1,
            since=since,
            until=until,
            journeys=len(found),
            conversions=int(found.outcome.sum()),
            predicted=float(told.mean()),
            charts=asdict(charts),
            mix=mix,
            shifts=[asdict(one) for one in shifts],
            alarms=alarms,
        )
        if alarms:
            _alarm(kept, last, now=now)
    return kept


def recalibrate(
    actor: Actor, *, now: datetime, reason: str = "", alarms: list[str] | None = None
) -> Recalibration:
    """Learn anew from what is newest: the probability to convert, and each Markov chain that was trained.

    Locks the workspace's row. Raises RecalibratedLately within AT_MOST_EVERY of the last time that it came to
    a version, and while one is being trained.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
        if reason_to_wait := _reason_to_wait(now):
            raise RecalibratedLately(reason_to_wait)
        goal = goals.default(workspace)
        row: Recalibration = Recalibration.objects.create(
            workspace=workspace,
            reason=reason[:500],
            alarms=alarms or [],
            by_itself=alarms is not None,
            before=conversion_versions.newest(),
            markov_jobs={},
            created_at=now,
        )
        orders = [order for order in markov_training.ORDERS if markov_training.newest(order)] or [1]
        since = now - timedelta(days=conversion_training.RECENT_DAYS + goal.lens.lookback_days)
        row.markov_jobs = {
            str(order): markov_training.start(actor, order, start=since, end=now, lens=goal.lens).pk
            for order in orders
        }
        row.save(update_fields=["markov_jobs"])
        conversion_training.start(actor, is_recent=True, recalibration=row)
        after = {"alarms": row.alarms, "markov_orders": orders}
        audit.record(actor, "attribution.recalibrated", row, now=now, after=after, reason=reason)
    return row


def newest() -> DriftCheck | None:
    """The last step of the version in force."""
    return DriftCheck.objects.select_related("conversion_model").order_by("-id").first()


def recalibrations(*, most: int = 10) -> list[Recalibration]:
    """The last ones, newest first."""
    return list(Recalibration.objects.select_related("before", "after").order_by("-id")[:most])


def _alarm(kept: DriftCheck, last: DriftCheck | None, *, now: datetime) -> None:
    """Say what is new, and learn anew unless that was done lately. In the transaction of the check."""
    new = sorted(set(kept.alarms) - set(last.alarms if last else []))
    actor = system(kept.workspace_id, SENDER)
    if new:
        events.publish(
            Drifted(
                workspace_id=kept.workspace_id,
                conversion_model_id=kept.conversion_model_id,
                drift_check_id=kept.pk,
                alarms=list(kept.alarms),
            )
        )
        after = {"alarms": kept.alarms, "version": kept.conversion_model.version}
        audit.record(actor, "attribution.drifted", kept, now=now, after=after)
    if not _reason_to_wait(now):
        recalibrate(actor, now=now, reason="Drift was detected.", alarms=list(kept.alarms))


def _reason_to_wait(now: datetime) -> str:
    """Why not to learn anew now; empty where nothing speaks against it. One that failed is none."""
    recent = Recalibration.objects.filter(created_at__gt=now - AT_MOST_EVERY)
    if recent.filter(after__isnull=False).exists():
        return (
            f"This was done less than {AT_MOST_EVERY.days} days ago. What has changed since has not settled "
            "yet; wait until then."
        )
    training = Job.objects.filter(kind=conversion_training.KIND, state__in=jobs.UNFINISHED).first()
    asked_by = training and training.params.get("recalibration")
    if training is None or (asked_by and not recent.filter(pk=asked_by).exists()):
        return ""
    return "The probability to convert is being trained at this moment. Wait until that is done."


def _last(row: ConversionModel) -> DriftCheck | None:
    return DriftCheck.objects.filter(conversion_model=row).order_by("-number").first()


def _number(last: DriftCheck | None) -> int:
    return 0 if last is None else int(last.number)


def _charts(row: ConversionModel, last: DriftCheck | None) -> Charts:
    if last is None:
        return Charts(known=Sums(**row.reference["sums"]))
    return Charts(**(last.charts | {"known": Sums(**last.charts["known"])}))


def _mix(row: ConversionModel, last: DriftCheck | None, added: Mix) -> tuple[Mix, tuple[Shift, ...]]:
    """What waits for the next test, and what this one found: one test for each MIX_STEPS steps."""
    waiting = _summed(last.mix if last else {}, added)
    if (_number(last) + 1) % drift.MIX_STEPS:
        return waiting, ()
    return {}, drift.shifts(row.reference["mix"], waiting)


def _summed(one: Mix, other: Mix) -> Mix:
    return {name: _added(one.get(name, {}), other.get(name, {})) for name in {*one, *other}}


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in {*one, *other}}
