"""P(a journey converts within the look-back | the journey so far): trained, kept as rows, explained."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from apps.accounts import jobs
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Job, Person, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import conversion_wording, goals, journey_books, loading, past_journeys
from apps.attribution.conversion_wording import Part
from apps.attribution.lenses import Lens
from apps.attribution.maths import accuracy, drift, prediction, snapshots
from apps.attribution.maths.accuracy import Accuracy
from apps.attribution.maths.drift import Sums
from apps.attribution.maths.prediction import ConversionModel as Fitted
from apps.attribution.maths.prediction import Design
from apps.attribution.maths.snapshots import US_PER_DAY, History, Snapshots
from apps.attribution.models import ConversionModel, ConversionWeight, Goal, Recalibration
from apps.attribution.past_journeys import CALIBRATED, LEARNT, Past, Split

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KIND = "attribution.conversion_training"
STEPS = 3
SIZES = ("learnt", "calibrated", "judged")
# How far back learning looks when the world has changed.
RECENT_DAYS = 120
MOST_PEOPLE = 1_000
MOST_TOUCHES = 1_000
NOT_FOR = (
    "It does not say what would change the outcome: who is likely to convert is not who is worth an ad.",
    "It decides nothing about a person alone: no price, credit, job or cover may hang on it.",
    "It knows nothing of people without a touch in the look-back.",
)
LENGTHS = ("1", "2", "3-4", "5 or more")


class NotTrained(past_journeys.NotEnoughData):
    code = "conversion_model_not_trained"


class NoOpenJourney(NotHere):
    code = "no_open_journey"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """A stored version, and what it computes."""

    row: ConversionModel
    fitted: Fitted
    lens: Lens


@dataclass(frozen=True, kw_only=True)
class TouchSoFar:
    """A touch that the caller tells of; at: at or before the moment asked about."""

    channel: str
    platform: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """probability: that a conversion comes within lookback_days of `asked_at`.

    log_odds = base + sum of the parts' log_odds, and probability = 1 / (1 + exp(-log_odds)). observed,
    observed_of: of the journeys that the version was judged on, the part that converted among those of about
    this probability, and how many those were. is_calibrated: whether that version was shown to tell
    probabilities as they come; doubt: else why not.
    """

    person_public_id: UUID | None
    probability: float
    log_odds: float
    base: float
    parts: tuple[Part, ...]
    touches: int
    last_touch_at: datetime
    lookback_days: float
    asked_at: datetime
    version: int
    observed: float
    observed_of: int
    is_calibrated: bool
    doubt: str


@dataclass(frozen=True, kw_only=True)
class OpenJourneys:
    """All people with a touch in the look-back: the likeliest first, cut to some. expected: the sum of the
    probabilities of all."""

    predictions: list[Prediction]
    journeys: int
    expected: float


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
    if doubt_of(asdict(judged)) and not is_recent:
        again = _calibrated_anew(past, fitted, lots)
        judged_again = _judge(past, again, lots.judged, part, base_rate)
        if not doubt_of(asdict(judged_again)):
            fitted, judged = again, judged_again
            lots = replace(lots, calibrated=lots.newest)
    told = fitted.predict(describe(past, lots.judged))
    reference = {"sums": asdict(Sums.of(told, lots.judged.outcome)), "mix": mix_of(past, lots.judged)}
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


def newest(lens: Lens | None = None) -> ConversionModel | None:
    """The version in force; of a lens, if one is named."""
    return _versions(lens).filter(is_held_back=False).first()


def last_trained(lens: Lens) -> ConversionModel | None:
    """The last version, in force or held back."""
    return _versions(lens).first()


def doubt_of(figures: dict[str, Any]) -> str:
    """Why a version with these figures is not shown to be calibrated; empty where it is."""
    slope, skill = figures["slope"], figures["skill"]
    if skill["low"] <= 0:
        return (
            "Not enough evidence yet: on people it has not seen, it is not shown to predict better than the "
            f"base rate (skill {skill['value']:.3f}, {skill['low']:.3f} to {skill['high']:.3f})."
        )
    if slope is None or not slope["low"] <= 1 <= slope["high"]:
        said = "none" if slope is None else f"{slope['value']:.2f}, {slope['low']:.2f} to {slope['high']:.2f}"
        return f"Its probabilities are too far apart or too close together (slope {said}, where 1 is right)."
    return ""


def loaded(row: ConversionModel) -> Trained:
    """A version never changes, so that a process may keep it."""
    return _rebuilt(row.workspace_id, row.pk)


def in_force() -> Trained:
    """Raises NotTrained saying what to do."""
    row = newest()
    if row is None:
        raise NotTrained(
            "Not enough data yet, or nobody has trained it: there is no model of the probability to convert. "
            "It is trained each night once there is enough; train it by hand to learn what is missing."
        )
    return loaded(row)


def predict(people: Sequence[Person], *, now: datetime) -> list[Prediction]:
    """Of each of these people that has an open journey, in the order given; the others are left out.

    Raises NotTrained.
    """
    trained = in_force()
    by_id = {person.pk: person for person in people}
    past = _past_of(trained, loading.these(np.array(sorted(by_id), dtype=np.int64)))
    ids = np.array([person.pk for person in people], dtype=np.int64)
    return _predicted(trained, past, ids, now=now)


def predict_one(person: Person, *, now: datetime) -> Prediction:
    """Raises NotTrained, NoOpenJourney."""
    found = predict([person], now=now)
    if not found:
        raise NoOpenJourney(
            "This person has no open journey: no touch within the look-back, or converted and counts once."
        )
    return found[0]


def predict_path(touches: Sequence[TouchSoFar], *, now: datetime) -> Prediction:
    """Of a journey that the caller tells of, stored nowhere. Raises NotTrained, Invalid."""
    trained = in_force()
    moments = [loading.microseconds(touch.at or now) for touch in touches]
    now_us, window = loading.microseconds(now), past_journeys.lookback_us(trained.lens)
    if not touches or any(not now_us - window < at <= now_us for at in moments):
        days = trained.lens.lookback_days
        raise Invalid({"touches": [f"Tell at least one touch, each within the last {days:g} days."]})
    channels = tuple(sorted({touch.channel for touch in touches}))
    platforms = tuple(sorted({touch.platform for touch in touches}))
    nothing = np.zeros(0, dtype=np.int64)
    history = History.of(
        person=np.zeros(len(touches), dtype=np.int64),
        at_us=np.array(moments, dtype=np.int64),
        channel=np.array([channels.index(touch.channel) for touch in touches]),
        platform=np.array([platforms.index(touch.platform) for touch in touches]),
        won_person=nothing,
        won_at_us=nothing,
    )
    found = snapshots.at_moments(
        history, np.zeros(1, dtype=np.int64), np.array([now_us]), lookback_days=trained.lens.lookback_days
    )
    offsets = past_journeys.clock_offsets(history.at_us[found.last - 1], Workspace.objects.get())
    design = prediction.describe(found, channels=channels, platforms=platforms, offsets_us=offsets)
    return _told(trained, design, found, [None], now=now)[0]


def open_journeys(*, now: datetime, most: int = MOST_PEOPLE) -> OpenJourneys:
    """Everybody with a touch in the look-back. Raises NotTrained."""
    trained = in_force()
    past = _past_of(trained, loading.EVERYBODY)
    since = loading.microseconds(now) - past_journeys.lookback_us(trained.lens)
    ids = np.unique(past.history.person[past.history.at_us > since])
    found = _open(trained, past, ids, now=now)
    told = trained.fitted.predict(describe(past, found))
    best = np.argsort(-told, kind="stable")[:most]
    chosen = _predicted(trained, past, found.person[best], now=now)
    return OpenJourneys(predictions=chosen, journeys=len(found), expected=float(told.sum()))


def describe(past: Past, found: Snapshots) -> Design:
    return prediction.describe(
        found, channels=past.keys, platforms=past.platforms, offsets_us=past.offsets_us(found)
    )


def mix_of(past: Past, found: Snapshots) -> dict[str, dict[str, int]]:
    """By property, how many of these journeys are of each kind."""
    keys, history = np.array([*past.keys, ""]), past.history
    length = np.searchsorted([2, 3, 5], found.lengths, side="right")
    return {
        "first_channel": drift.counted(keys[history.channel[found.first]].tolist()),
        "last_channel": drift.counted(keys[history.channel[found.last - 1]].tolist()),
        "touches": drift.counted([LENGTHS[one] for one in length.tolist()]),
    }


def judged_on(past: Past, *, since_us: int, until_us: int) -> Snapshots:
    """Settled journeys of people who were held out, looked at between these moments."""
    found = snapshots.sample(past.history, lookback_days=past.lens.lookback_days, is_delayed=True)
    wanted = past_journeys.held_out(found.person) & (found.at_us >= since_us) & (found.at_us < until_us)
    return found.select(wanted)


def _versions(lens: Lens | None) -> QuerySet[ConversionModel]:
    found = ConversionModel.objects.order_by("-version")
    if lens is None:
        return found
    return found.filter(lens_digest=journey_books.digest(past_journeys.seen_through(lens)))


def _judge(past: Past, fitted: Fitted, lot: Snapshots, part: Split, base_rate: float) -> Accuracy:
    rng = np.random.default_rng(int(part.until_us))
    return accuracy.judge(fitted.predict(describe(past, lot)), lot.outcome, base_rate=base_rate, rng=rng)


def _is_held_back(past: Past, lot: Snapshots, judged: Accuracy, base_rate: float) -> bool:
    before = newest(past.lens) if doubt_of(asdict(judged)) else None
    if before is None:
        return False
    told = loaded(before).fitted.predict(describe(past, lot))
    same = accuracy.judge(told, lot.outcome, base_rate=base_rate, rng=np.random.default_rng(0))
    return same.log_loss.value <= judged.log_loss.value


def _lots(past: Past, part: Split, *, now: datetime, is_recent: bool) -> _Lots:
    found = snapshots.sample(
        past.history, lookback_days=past.lens.lookback_days, is_delayed=True, is_spaced=False
    )
    group = snapshots.groups(found.person)
    newest_ = (found.at_us >= part.cut_us) & (found.at_us < part.until_us)
    if is_recent:
        learns = (found.at_us < part.until_us) & (found.at_us >= part.until_us - RECENT_DAYS * US_PER_DAY)
        calibrates = newest_
    else:
        learns = calibrates = found.settled(part.cut_us)
    lots = _Lots(
        learnt=found.select(learns & (group < LEARNT)),
        calibrated=found.select(calibrates & (group >= LEARNT) & (group < LEARNT + CALIBRATED)),
        judged=judged_on(past, since_us=part.cut_us, until_us=part.until_us),
        newest=found.select(newest_ & (group >= LEARNT) & (group < LEARNT + CALIBRATED)),
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
    fitted = prediction.train(describe(past, lots.learnt), lots.learnt.outcome, fold=fold)
    return _calibrated(past, fitted, lots.calibrated)


def _calibrated(past: Past, fitted: Fitted, lot: Snapshots) -> Fitted:
    slope, shift = prediction.calibration(fitted.raw(describe(past, lot)), lot.outcome)
    return replace(fitted, slope=slope, shift=shift)


def _calibrated_anew(past: Past, fitted: Fitted, lots: _Lots) -> Fitted:
    """By the newest days, where enough of those who calibrate converted in them; else as it was."""
    people, won = np.unique(lots.newest.person), np.unique(lots.newest.person[lots.newest.has_converted])
    if len(people) < past_journeys.LEAST_JUDGED or len(won) < past_journeys.LEAST_JUDGED_CONVERSIONS:
        return fitted
    return _calibrated(past, fitted, lots.newest)


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


@lru_cache(maxsize=64)
def _rebuilt(workspace_id: int, model_id: int) -> Trained:
    """workspace_id: part of the key, so that no scope is skipped."""
    row = ConversionModel.objects.get(pk=model_id, workspace_id=workspace_id)
    rows = list(ConversionWeight.objects.filter(conversion_model=row).order_by("position"))
    fitted = Fitted(
        features=tuple((one.kind, one.key) for one in rows),
        means=np.array([one.mean for one in rows]),
        scales=np.array([one.scale for one in rows]),
        weights=np.array([one.weight for one in rows]),
        intercept=row.intercept,
        penalty=row.penalty,
        slope=row.slope,
        shift=row.shift,
    )
    lens = Lens(**(row.lens | {"conversion_types": tuple(row.lens["conversion_types"])}))
    return Trained(row=row, fitted=fitted, lens=lens)


def _past_of(trained: Trained, crowd: loading.Crowd) -> Past:
    return past_journeys.load(trained.lens, workspace=Workspace.objects.get(), crowd=crowd)


def _open(trained: Trained, past: Past, ids: Ints, *, now: datetime) -> Snapshots:
    """The open journeys of these people now."""
    history, now_us = past.history, loading.microseconds(now)
    moments = np.full(len(ids), now_us, dtype=np.int64)
    found = snapshots.at_moments(history, ids, moments, lookback_days=trained.lens.lookback_days)
    wanted = found.lengths > 0
    if history.is_once:
        wanted &= ~np.isin(ids, history.won_person[history.won_at_us < now_us])
    return found.select(wanted)


def _predicted(trained: Trained, past: Past, ids: Ints, *, now: datetime) -> list[Prediction]:
    found = _open(trained, past, ids, now=now)
    if not len(found):
        return []
    public = dict(Person.objects.filter(pk__in=found.person.tolist()).values_list("pk", "public_id"))
    whose = [public.get(one) for one in found.person.tolist()]
    return _told(trained, describe(past, found), found, whose, now=now)


def _told(
    trained: Trained, design: Design, found: Snapshots, whose: Sequence[UUID | None], *, now: datetime
) -> list[Prediction]:
    fitted = trained.fitted
    told, parts = fitted.predict(design), fitted.parts(design)
    last_at = found.history.at_us[found.last - 1]
    values = design.only(fitted.features)
    return [
        Prediction(
            person_public_id=public_id,
            probability=float(told[row]),
            log_odds=float(fitted.base + parts[row].sum()),
            base=fitted.base,
            parts=conversion_wording.parts(fitted.features, parts[row], values[row]),
            touches=int(found.lengths[row]),
            last_touch_at=past_journeys.moment(int(last_at[row])),
            lookback_days=trained.lens.lookback_days,
            asked_at=now,
            version=trained.row.version,
            **_seen_before(trained.row, float(told[row])),
        )
        for row, public_id in enumerate(whose)
    ]


def _seen_before(row: ConversionModel, told: float) -> dict[str, Any]:
    nearest = min(row.figures["bins"], key=lambda one: abs(one["predicted"] - told))
    doubt = doubt_of(row.figures)
    return {
        "observed": nearest["observed"],
        "observed_of": nearest["journeys"],
        "is_calibrated": not doubt,
        "doubt": doubt,
    }


def _compare(past: Past, made: ConversionModel, recalibration_id: int, *, now: datetime) -> None:
    """Write down how the version before predicts the journeys that the new one was judged on."""
    row = Recalibration.objects.get(pk=recalibration_id)
    lot = judged_on(
        past, since_us=loading.microseconds(made.cut_at), until_us=loading.microseconds(made.until)
    )
    figures = {"after": made.figures}
    if row.before is not None:
        figures["before"] = asdict(_judged_by(past, row.before, lot, made))
    Recalibration.objects.filter(pk=row.pk).update(
        after=made, figures=figures, finished_at=now, outcome=_said(made)[:300]
    )


def _said(made: ConversionModel) -> str:
    doubt = doubt_of(made.figures)
    state = "is held back, the one before stays in force" if made.is_held_back else "is in force"
    return f"Version {made.version} {state}. {doubt}".strip()


def _judged_by(past: Past, row: ConversionModel, lot: Snapshots, made: ConversionModel) -> Accuracy:
    told = loaded(row).fitted.predict(describe(past, lot))
    rng = np.random.default_rng(made.version)
    return accuracy.judge(told, lot.outcome, base_rate=made.figures["base_rate"], rng=rng)


def _tell(job: Job | None, done: int, step: str) -> None:
    if job is not None:
        jobs.advance(job, done=done, total=STEPS, message=step)
