"""The probability to convert learns: trained, calibrated, judged, and held back where it got no better."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.accounts import jobs
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import conversion_versions, goals, journey_books, loading, past_journeys
from apps.attribution.maths import accuracy, prediction, snapshots
from apps.attribution.maths.accuracy import Accuracy
from apps.attribution.maths.drift import Sums
from apps.attribution.maths.prediction import ConversionModel as Fitted
from apps.attribution.maths.snapshots import US_PER_DAY, Snapshots
from apps.attribution.models import ConversionModel, ConversionWeight, Goal, Recalibration
from apps.attribution.past_journeys import CALIBRATED, LEARNT, Past, Split

KIND = "attribution.conversion_training"
STEPS = 3
SIZES = ("learnt", "calibrated", "judged")
# How far back learning looks when the world has changed.
RECENT_DAYS = 120


@dataclass(frozen=True, eq=False, kw_only=True)
class _Lots:
    """Journeys to learn from, to calibrate on, and to judge by; newest: of the people who calibrate, on the
    days that are judged.
    """

    learnt: Snapshots
    calibrated: Snapshots
    judged: Snapshots
    newest: Snapshots


def start(actor: Actor, *, is_recent: bool = False, recalibration: Recalibration | None = None) -> Job:
    """Train in a worker, on the workspace's default goal; one job at a time."""
    waiting = Job.objects.filter(kind=KIND, state__in=jobs.UNFINISHED).order_by("-id").first()
    return waiting or jobs.begin(
        actor,
        KIND,
        title="Train the probability to convert",
        params={"is_recent": is_recent, "recalibration": recalibration and recalibration.pk},
        total=STEPS,
    )


@jobs.work(KIND, is_heavy=True)
def train_in_job(job: Job) -> dict[str, Any]:
    workspace, now = Workspace.objects.get(), timezone.now()
    goal = goals.default(workspace)
    past = past_journeys.load(goal.lens, workspace=workspace, crowd=past_journeys.learners())
    asked_by = job.params.get("recalibration")
    try:
        made = train(past, goal=goal, now=now, is_recent=bool(job.params.get("is_recent")), job=job)
    except (past_journeys.NotEnoughData, ArithmeticError) as reason:
        Recalibration.objects.filter(pk=asked_by).update(outcome=str(reason)[:300], finished_at=now)
        raise
    if asked_by:
        _compare(past, made, int(asked_by), now=now)
    learnt = made.sizes["learnt"]
    return {
        "version": made.version,
        "summary": f"Version {made.version} has learnt from {learnt[0]:,} journeys, {learnt[1]:,} of which "
        f"converted. {_said(made)}",
    }


def train(
    past: Past, *, goal: Goal, now: datetime, is_recent: bool = False, job: Job | None = None
) -> ConversionModel:
    """Learn, calibrate, judge, and store the next version.

    is_recent: the world has changed, so learn from what is newest and judge on the same days; else judge on
    later days than were learnt from. Never are people judged on who were learnt from. A version that is not
    shown to be calibrated is calibrated anew on the newest days; where that does not help either, the one
    before stays in force if it predicts the same journeys at least as well.
    Raises NotEnoughData saying how much is missing.
    """
    part = past_journeys.split(past, now=now)
    _tell(job, 1, "learning")
    lots = _lots(past, part, now=now, is_recent=is_recent)
    fitted = _fit(past, lots)
    _tell(job, 2, "judging")
    base_rate = float(lots.learnt.outcome.mean())
    judged = _judge(past, fitted, lots.judged, part, base_rate)
    if conversion_versions.doubt_of(asdict(judged)) and not is_recent:
        again = _calibrated_anew(past, fitted, lots)
        judged_again = _judge(past, again, lots.judged, part, base_rate)
        if not conversion_versions.doubt_of(asdict(judged_again)):
            fitted, judged = again, judged_again
            lots = replace(lots, calibrated=lots.newest)
    told = fitted.predict(conversion_versions.describe(past, lots.judged))
    reference = {
        "sums": asdict(Sums.of(told, lots.judged.outcome)),
        "mix": conversion_versions.mix_of(past, lots.judged),
    }
    with transaction.atomic():
        row = ConversionModel.objects.create(
            workspace=past.workspace,
            version=1 + (ConversionModel.objects.aggregate(last=Max("version"))["last"] or 0),
            goal_key=goal.key,
            lens=asdict(goal.lens) | {"conversion_types": list(goal.lens.conversion_types)},
            lens_digest=journey_books.digest(past.lens),
            intercept=fitted.intercept,
            penalty=fitted.penalty,
            slope=fitted.slope,
            shift=fitted.shift,
            since=past_journeys.moment(int(lots.learnt.at_us.min())),
            cut_at=past_journeys.moment(part.cut_us),
            until=past_journeys.moment(part.until_us),
            is_of_later_days=not is_recent,
            sizes={
                name: [len(lot), int(lot.outcome.sum())] for name, lot in vars(lots).items() if name in SIZES
            },
            figures=asdict(judged) | {"base_rate": base_rate},
            is_held_back=_is_held_back(past, lots.judged, judged, base_rate),
            reference=reference,
            job=job,
        )
        _keep_weights(row, fitted)
    return row


def _judge(past: Past, fitted: Fitted, lot: Snapshots, part: Split, base_rate: float) -> Accuracy:
    rng = np.random.default_rng(int(part.until_us))
    return accuracy.judge(
        fitted.predict(conversion_versions.describe(past, lot)), lot.outcome, base_rate=base_rate, rng=rng
    )


def _is_held_back(past: Past, lot: Snapshots, judged: Accuracy, base_rate: float) -> bool:
    before = conversion_versions.newest(past.lens) if conversion_versions.doubt_of(asdict(judged)) else None
    if before is None:
        return False
    told = conversion_versions.loaded(before).fitted.predict(conversion_versions.describe(past, lot))
    same = accuracy.judge(told, lot.outcome, base_rate=base_rate, rng=np.random.default_rng(0))
    return same.log_loss.value <= judged.log_loss.value


def _lots(past: Past, part: Split, *, now: datetime, is_recent: bool) -> _Lots:
    found = snapshots.sample(
        past.history, lookback_days=past.lens.lookback_days, is_delayed=True, is_spaced=False
    )
    group = snapshots.groups(found.person)
    calibrates = (group >= LEARNT) & (group < LEARNT + CALIBRATED)
    newest = found.select(calibrates & (found.at_us >= part.cut_us) & (found.at_us < part.until_us))
    learns = (
        (found.at_us < part.until_us) & (found.at_us >= part.until_us - RECENT_DAYS * US_PER_DAY)
        if is_recent
        else found.settled(part.cut_us)
    )
    lots = _Lots(
        learnt=found.select(learns & (group < LEARNT)),
        calibrated=newest if is_recent and _can_calibrate(newest) else found.select(calibrates & learns),
        judged=conversion_versions.judged_on(past, since_us=part.cut_us, until_us=part.until_us),
        newest=newest,
    )
    for what, lot, least, least_conversions in (
        ("to learn from", lots.learnt, past_journeys.LEAST_JOURNEYS, past_journeys.LEAST_CONVERSIONS),
        (
            "to calibrate on",
            lots.calibrated,
            past_journeys.LEAST_JUDGED,
            past_journeys.LEAST_JUDGED_CONVERSIONS,
        ),
        ("to judge by", lots.judged, past_journeys.LEAST_JUDGED, past_journeys.LEAST_JUDGED_CONVERSIONS),
    ):
        people, won = np.unique(lot.person), np.unique(lot.person[lot.has_converted])
        past_journeys.enough(what, len(people), len(won), least=least, least_conversions=least_conversions)
    return lots


def _fit(past: Past, lots: _Lots) -> Fitted:
    lot = snapshots.groups(lots.learnt.person)
    fold = (lot / LEARNT * prediction.FOLDS).astype(np.int64)
    fitted = prediction.train(conversion_versions.describe(past, lots.learnt), lots.learnt.outcome, fold=fold)
    return _calibrated(past, fitted, lots.calibrated)


def _calibrated(past: Past, fitted: Fitted, lot: Snapshots) -> Fitted:
    slope, shift = prediction.calibration(fitted.raw(conversion_versions.describe(past, lot)), lot.outcome)
    return replace(fitted, slope=slope, shift=shift)


def _calibrated_anew(past: Past, fitted: Fitted, lots: _Lots) -> Fitted:
    """By the newest days, where enough of those who calibrate converted in them; else as it was."""
    return _calibrated(past, fitted, lots.newest) if _can_calibrate(lots.newest) else fitted


def _can_calibrate(lot: Snapshots) -> bool:
    people, won = np.unique(lot.person), np.unique(lot.person[lot.has_converted])
    return len(people) >= past_journeys.LEAST_JUDGED and len(won) >= past_journeys.LEAST_JUDGED_CONVERSIONS


def _keep_weights(row: ConversionModel, fitted: Fitted) -> None:
    columns = zip(
        fitted.features, fitted.means.tolist(), fitted.scales.tolist(), fitted.weights.tolist(), strict=True
    )
    ConversionWeight.objects.bulk_create(
        ConversionWeight(
            workspace_id=row.workspace_id,
            conversion_model=row,
            position=position,
            kind=kind,
            key=key,
            mean=mean,
            scale=scale,
            weight=weight,
        )
        for position, ((kind, key), mean, scale, weight) in enumerate(columns)
    )


def _compare(past: Past, made: ConversionModel, recalibration_id: int, *, now: datetime) -> None:
    """Write down how the version before predicts the journeys that the new one was judged on."""
    row = Recalibration.objects.get(pk=recalibration_id)
    lot = conversion_versions.judged_on(
        past, since_us=loading.microseconds(made.cut_at), until_us=loading.microseconds(made.until)
    )
    figures = {"after": made.figures}
    if row.before is not None:
        figures["before"] = asdict(_judged_by(past, row.before, lot, made))
    Recalibration.objects.filter(pk=row.pk).update(
        after=made, figures=figures, finished_at=now, outcome=_said(made)[:300]
    )


def _said(made: ConversionModel) -> str:
    doubt = conversion_versions.doubt_of(made.figures)
    state = "is held back, the one before stays in force" if made.is_held_back else "is in force"
    return f"Version {made.version} {state}. {doubt}".strip()


def _judged_by(past: Past, row: ConversionModel, lot: Snapshots, made: ConversionModel) -> Accuracy:
    told = conversion_versions.loaded(row).fitted.predict(conversion_versions.describe(past, lot))
    rng = np.random.default_rng(made.version)
    return accuracy.judge(told, lot.outcome, base_rate=made.figures["base_rate"], rng=rng)


def _tell(job: Job | None, done: int, step: str) -> None:
    if job is not None:
        jobs.advance(job, done=done, total=STEPS, message=step)
