"""Train Markov chains in a worker, keep each as a numbered version, and bring it back after a restart."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts import jobs
from apps.accounts.errors import DomainError, Invalid
from apps.accounts.figures import count
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import fingerprints, journeys, runs
from apps.attribution.fingerprints import Census
from apps.attribution.journeys import JourneySet
from apps.attribution.lenses import WHOLE, Lens
from apps.attribution.markov_rows import arrows, counts_of
from apps.attribution.maths.journeys import NoConversions
from apps.attribution.maths.markov import MarkovModel
from apps.attribution.models import MarkovTransition, ModelRun
from apps.attribution.money import exponent
from apps.attribution.questions import Query

KIND = "attribution.markov_training"
ORDERS = (1, 2, 3, 4)
STEPS = 3
BATCH = 5_000


class CannotTrain(DomainError):
    code = "cannot_train"
    status = 409


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """A stored version. model: its channels are channel keys, its values in whole units of the currency."""

    run: ModelRun
    model: MarkovModel


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known of one order. run: None if it was never trained. is_current: its data has not changed
    since.
    """

    order: int
    run: ModelRun | None
    is_current: bool | None
    training: Job | None


def start(
    actor: Actor,
    order: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    lens: Lens = WHOLE,
) -> Job:
    """Train in a worker; a job that is already on the same question is answered again."""
    query = question(order, start=start, end=end, **vars(lens))
    return _under_way(order, query.digest) or jobs.begin(
        actor,
        KIND,
        title=f"Train the Markov chain of order {order}",
        params={"query": query.as_params(), "digest": query.digest, "order": order},
        total=STEPS,
    )


def question(order: int, **chosen: Any) -> Query:
    """The journeys that a chain of an order learns from. Raises Invalid for another order than 1 to 4."""
    if order not in ORDERS:
        raise Invalid({"order": ["Choose an order from 1 to 4."]})
    return Query(models=(f"markov_{order}",), **chosen)


@jobs.work(KIND, is_heavy=True)
def train_in_job(job: Job) -> dict[str, Any]:
    """Train, unless the newest version has learnt the same from the same data."""
    query, order = Query.of_params(job.params["query"]), int(job.params["order"])
    workspace = Workspace.objects.get()
    census = fingerprints.take(query, zone=workspace.zone)
    last = newest(order)
    if last is not None and (last.params_digest, last.data_fingerprint) == (query.digest, census.digest):
        return _outcome(last, is_new=False)
    run = train(query, order, census, workspace=workspace, job=job, now=timezone.now())
    return _outcome(run, is_new=True)


def train(
    query: Query, order: int, census: Census, *, workspace: Workspace, job: Job | None, now: datetime
) -> ModelRun:
    """Fit the chain and store it as the next version of its order. Raises CannotTrain."""
    _tell(job, 0, "loading touchpoints")
    gathered = gather(query, workspace=workspace, expected=census.touches)
    _tell(job, 1, "counting and solving")
    model = fit(gathered, order)
    _tell(job, 2, "storing")
    with transaction.atomic():
        run = _keep(query, order, model, gathered, workspace=workspace, census=census, job=job, now=now)
        rows = (
            MarkovTransition(
                workspace=workspace, run=run, from_state=source, to_state=target, count=count, value=value
            )
            for source, target, count, value in arrows(model.transitions, model.channels)
        )
        MarkovTransition.objects.bulk_create(rows, batch_size=BATCH)
    return run


def gather(query: Query, *, workspace: Workspace, expected: int) -> JourneySet:
    """The question's journeys with channel keys for names and values in whole units of the currency."""
    decimals = exponent(workspace.currency)
    gathered = journeys.of(query, decimals=decimals, expected=expected)
    plain = replace(
        gathered.journeys,
        channels=gathered.table.channels,
        value=gathered.journeys.value / 10**decimals,
    )
    return replace(gathered, journeys=plain)


def fit(gathered: JourneySet, order: int) -> MarkovModel:
    """Raises CannotTrain where there is nothing to learn from, or too much to hold."""
    try:
        return MarkovModel.fit(gathered.journeys, order=order)
    except NoConversions:
        raise CannotTrain(
            "No conversion in this period has a known touchpoint: there is nothing to learn from. "
            "Choose a longer period, or track conversions first."
        ) from None
    except (ValueError, ArithmeticError) as error:
        raise CannotTrain(f"This chain cannot be solved: {error}") from error


def newest(order: int) -> ModelRun | None:
    """The highest version of an order."""
    done = ModelRun.objects.filter(kind=ModelRun.Kind.MARKOV, state=ModelRun.State.DONE, params__order=order)
    return done.order_by("-version", "-id").first()


def latest(order: int) -> Trained | None:
    """The newest version with its model, rebuilt from its rows once per process."""
    run = newest(order)
    return None if run is None else Trained(run=run, model=_rebuilt(run.workspace_id, run.pk))


def status() -> list[Status]:
    """Every order: its newest version, whether its data has changed since, and the job that trains it."""
    workspace = Workspace.objects.get()
    return [_status(order, workspace) for order in ORDERS]


def forget_loaded() -> None:
    """Drop the models that this process holds, as a restart does."""
    _rebuilt.cache_clear()


@lru_cache(maxsize=32)
def _rebuilt(workspace_id: int, run_id: int) -> MarkovModel:
    """A version never changes, so a process may keep it. workspace_id: part of the key, so that no scope is
    skipped.
    """
    run = ModelRun.objects.get(pk=run_id, workspace_id=workspace_id)
    rows = MarkovTransition.objects.filter(run=run).order_by("id")
    return MarkovModel.from_transitions(
        counts_of(
            rows.values_list("from_state", "to_state", "count", "value"),
            channels=run.figures["channels"],
            order=run.params["order"],
        )
    )


def _keep(
    query: Query,
    order: int,
    model: MarkovModel,
    gathered: JourneySet,
    *,
    workspace: Workspace,
    census: Census,
    job: Job | None,
    now: datetime,
) -> ModelRun:
    counts = model.transitions
    made: ModelRun = ModelRun.objects.create(
        workspace=workspace,
        kind=ModelRun.Kind.MARKOV,
        state=ModelRun.State.DONE,
        version=runs.next_version(ModelRun.Kind.MARKOV, order=order),
        params=query.as_params() | {"order": order},
        params_digest=query.digest,
        data_fingerprint=census.digest,
        journeys=int(counts.starts.sum()),
        conversions=int(counts.conversions.sum()),
        revenue=round(float(counts.value.sum()), 4),
        figures=_figures(model, gathered),
        job=job,
        finished_at=now,
    )
    return made


def _figures(model: MarkovModel, gathered: JourneySet) -> dict[str, Any]:
    by_value = model.value_removal_effects
    names = model.channels
    return {
        "channels": list(names),
        "states": model.transitions.n_states,
        "touches": gathered.touches_read,
        "p_conversion": model.p_conversion,
        "removal_effects": dict(zip(names, model.removal_effects.tolist(), strict=True)),
        "value_removal_effects": by_value
        if by_value is None
        else dict(zip(names, by_value.tolist(), strict=True)),
    }


def _status(order: int, workspace: Workspace) -> Status:
    run = newest(order)
    is_current = None
    if run is not None:
        census = fingerprints.take(Query.of_params(_chosen(run)), zone=workspace.zone)
        is_current = census.digest == run.data_fingerprint
    return Status(order=order, run=run, is_current=is_current, training=_under_way(order))


def _outcome(run: ModelRun, *, is_new: bool) -> dict[str, Any]:
    learnt = f"Version {run.version} of order {run.params['order']} has learnt from"
    summary = f"{learnt} {count(run.journeys or 0, 'journey')}."
    if not is_new:
        summary = f"Nothing has changed since. {summary}"
    return {"run_id": run.pk, "version": run.version, "is_new": is_new, "summary": summary}


def _chosen(run: ModelRun) -> dict[str, Any]:
    return {name: value for name, value in run.params.items() if name != "order"}


def _under_way(order: int, digest: str | None = None) -> Job | None:
    unfinished = [Job.State.QUEUED, Job.State.RUNNING]
    waiting = Job.objects.filter(kind=KIND, state__in=unfinished, params__order=order)
    return (waiting if digest is None else waiting.filter(params__digest=digest)).order_by("-id").first()


def _tell(job: Job | None, done: int, step: str) -> None:
    if job is not None:
        jobs.advance(job, done=done, total=STEPS, message=step)
