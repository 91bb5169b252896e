"""Each night: how well models predict journeys that they have not seen, and whether the world has drifted.

Learnt from: journeys, as known at the cut, of people who are not held out, that had ended a look-back before.
Predicted: the journeys so far of held-out people, right after a touch, from the cut on, once their window has
passed. So no model sees a person, or a day, that it is judged by; an open journey is never taken for one that
did not convert. docs/models/accuracy.md.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

import numpy as np
import structlog
from celery import shared_task
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from numpy.typing import NDArray

from apps.accounts import jobs, scoping
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.attribution import (
    conversion_training,
    conversion_versions,
    drift_watch,
    goals,
    journey_books,
    past_journeys,
)
from apps.attribution.maths import accuracy, model_predictions, snapshots
from apps.attribution.maths.accuracy import Accuracy
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.snapshots import Snapshots
from apps.attribution.models import AccuracyNight, Conversion, Goal, ModelAccuracy
from apps.attribution.past_journeys import NotEnoughData, Past, Split

log = structlog.get_logger(__name__)

# On the workspace's clock: the day before is over, and its late events are mostly in.
HOUR = 3
# A version of the probability to convert is replaced when it is this old, drift or not.
LEARN_ANEW_AFTER = timedelta(days=28)
PROBABILITY = "conversion_probability"
NIGHTS_SHOWN = 90

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Data:
    part: Split
    learnt: Journeys
    so_far: Snapshots
    judged: Snapshots


@shared_task(name="attribution.accuracy.sweep")
def sweep() -> int:
    """Start the night of each workspace that has a conversion; a night that was measured is left alone."""
    with scoping.across_workspaces("workspace.list"):
        any_of = Conversion.objects.filter(workspace_id=OuterRef("pk"))
        rows = list(Workspace.objects.filter(Exists(any_of)))
    due = [row for row in rows if timezone.now().astimezone(row.zone).hour >= HOUR]
    for row in due:
        measure_night.delay(workspace_id=row.pk)
    return len(due)


@workspace_task(name="attribution.accuracy.measure_night")
def measure_night() -> None:
    """Delivered twice in a night, it measures once. A night in which heavy work waits is not measured."""
    workspace, now = Workspace.objects.get(), timezone.now()
    if jobs.reason_to_wait(now):
        return
    goal = goals.default(workspace)
    night = now.astimezone(workspace.zone).date()
    if not _is_measured(night, goal):
        run_night(goal, workspace=workspace, now=now)


def run_night(goal: Goal, *, workspace: Workspace, now: datetime) -> AccuracyNight:
    """Look for drift, train the probability to convert where it is missing or old, measure every model."""
    past = past_journeys.load(goal.lens, workspace=workspace, crowd=past_journeys.learners())
    drift_watch.check(past, now=now)
    kept = conversion_versions.last_trained(past.lens)
    if kept is None or now - kept.created_at >= LEARN_ANEW_AFTER:
        try:
            conversion_training.train(past, goal=goal, now=now)
        except NotEnoughData as reason:
            log.info("conversion_model.not_trained", detail=reason.detail)
    return measure(past, goal=goal, now=now)


def measure(past: Past, *, goal: Goal, now: datetime) -> AccuracyNight:
    """Predict and judge; keep the figures of the night, or what is missing for them."""
    night = AccuracyNight(
        workspace=past.workspace,
        night=now.astimezone(past.workspace.zone).date(),
        goal_key=goal.key,
        lens=asdict(goal.lens) | {"conversion_types": list(goal.lens.conversion_types)},
        lens_digest=journey_books.digest(past.lens),
    )
    judged: dict[str, Accuracy] = {}
    try:
        data = _data(past, night, now=now)
        judged = _judged(past, data, night.night)
    except NotEnoughData as reason:
        night.missing = reason.detail[:300]
    except ArithmeticError as reason:
        night.missing = f"A model could not be solved: {reason}"[:300]
    return _keep(night, judged)


def newest() -> AccuracyNight | None:
    """The last night, measured or not."""
    return AccuracyNight.objects.order_by("-night", "-id").first()


def nights(*, most: int = NIGHTS_SHOWN) -> list[AccuracyNight]:
    """The last measured nights of the newest one's journeys, oldest first."""
    last = AccuracyNight.objects.filter(missing="").order_by("-night", "-id").first()
    if last is None:
        return []
    of_lens = AccuracyNight.objects.filter(missing="", lens_digest=last.lens_digest)
    return list(reversed(of_lens.order_by("-night")[:most]))


def figures_of(found: list[AccuracyNight]) -> dict[int, list[ModelAccuracy]]:
    """By night, its models, the most skilful first."""
    rows: dict[int, list[ModelAccuracy]] = {night.pk: [] for night in found}
    for row in ModelAccuracy.objects.filter(night__in=list(rows)).order_by("-skill", "model"):
        rows[row.night_id].append(row)
    return rows


def _is_measured(night: date, goal: Goal) -> bool:
    return AccuracyNight.objects.filter(
        night=night, lens_digest=journey_books.digest(past_journeys.seen_through(goal.lens))
    ).exists()


def _data(past: Past, night: AccuracyNight, *, now: datetime) -> _Data:
    """Writes on the night what it rests on. Raises NotEnoughData."""
    part = past_journeys.split(past, now=now)
    learnt = past.learners_known_at(part.cut_us).journeys.touched
    found = snapshots.sample(past.history, lookback_days=past.lens.lookback_days, is_delayed=False)
    out = past_journeys.held_out(found.person)
    so_far = found.select(~out & found.settled(part.cut_us))
    judged = found.select(out & (found.at_us >= part.cut_us) & (found.at_us < part.until_us))
    night.cut_at, night.until = past_journeys.moment(part.cut_us), past_journeys.moment(part.until_us)
    night.learnt_journeys, night.learnt_conversions = learnt.n_journeys, int(learnt.conversions.sum())
    night.journeys, night.conversions = len(judged), int(judged.outcome.sum())
    least, least_won = past_journeys.LEAST_JOURNEYS, past_journeys.LEAST_CONVERSIONS
    past_journeys.enough(
        "to learn from",
        min(night.learnt_journeys, len(so_far)),
        min(night.learnt_conversions, int(so_far.outcome.sum())),
        least=least,
        least_conversions=least_won,
    )
    past_journeys.enough(
        "to judge by",
        night.journeys,
        night.conversions,
        least=past_journeys.LEAST_JUDGED,
        least_conversions=past_journeys.LEAST_JUDGED_CONVERSIONS,
    )
    return _Data(part=part, learnt=learnt, so_far=so_far, judged=judged)


def _judged(past: Past, data: _Data, night: date) -> dict[str, Accuracy]:
    channels, outcome = past.channels, data.judged.outcome
    paths = data.judged.paths(channels)
    tellers = model_predictions.predictors(data.learnt, data.so_far.paths(channels))
    told: dict[str, Floats] = {name: tell(paths) for name, tell in tellers.items()}
    row = conversion_versions.newest(past.lens)
    if row is not None:
        design = conversion_versions.describe(past, data.judged)
        told[PROBABILITY] = conversion_versions.loaded(row).fitted.predict(design)
    base_rate = float(told[model_predictions.BASE][0])
    return {
        name: accuracy.judge(
            one, outcome, base_rate=base_rate, rng=np.random.default_rng([night.toordinal(), number])
        )
        for number, (name, one) in enumerate(told.items())
    }


def _keep(night: AccuracyNight, judged: dict[str, Accuracy]) -> AccuracyNight:
    """Another delivery of the same night may have got here first: its row is answered then."""
    try:
        with transaction.atomic():
            night.save(force_insert=True)
            ModelAccuracy.objects.bulk_create(
                ModelAccuracy(workspace_id=night.workspace_id, night=night, model=name, **_columns(one))
                for name, one in judged.items()
            )
    except IntegrityError:
        kept: AccuracyNight = AccuracyNight.objects.get(night=night.night, lens_digest=night.lens_digest)
        return kept
    return night


def _columns(found: Accuracy) -> dict[str, object]:
    columns: dict[str, object] = {
        "by_chance": found.by_chance,
        "bins": [[one.predicted, one.observed, one.journeys] for one in found.bins],
    }
    for name in ("auc", "log_loss", "skill", "slope", "intercept", "calibration_error"):
        figure = getattr(found, name)
        if figure is not None:
            columns |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return columns
