"""The life of an experiment: planned, started, stopped, decided; and what was decided on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from apps.accounts import audit, events
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require
from apps.attribution import experiment_assignment, experiment_metrics
from apps.attribution.events import (
    ExperimentReallocated,
    ExperimentStarted,
    ExperimentStopped,
)
from apps.attribution.maths.experiments import power
from apps.attribution.maths.experiments.assignment import free_slice
from apps.attribution.models import Allocation, Experiment, Variant

# Names the advisory lock under which a layer's slices are handed out.
LOCK_SPACE = 0x1A7E
MOST_VARIANTS = 10
MOST_UNITS = 10**12
TOO_MANY = "To find so small an effect on so rare an outcome takes more units than there are people."
# Pages stand at these addresses.
RESERVED = {"new"}
Reading = Experiment.Reading
State = Experiment.State
LIMITS: dict[str, tuple[float, float]] = {
    "outcome_window_days": (0.01, 365),
    "covariate_days": (0, 365),
    "traffic_share": (0.001, 1),
    "duration_days": (0.01, 730),
    "planned_looks": (1, 50),
    "alpha": (0.001, 0.2),
    "power": (0.5, 0.99),
    "minimum_effect": (0.001, 10),
    "reallocate_hours": (1, 720),
}


class NotNow(DomainError):
    """The experiment is in another state than the deed needs."""

    code = "experiment_not_in_that_state"
    status = 409


class LayerFull(DomainError):
    code = "layer_full"
    status = 409


class KeyTaken(DomainError):
    code = "experiment_key_taken"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A variant to be. share: of the experiment's traffic, on any scale."""

    key: str
    name: str = ""
    share: float = 1.0
    is_control: bool = False


@transaction.atomic
def create(
    actor: Actor, *, key: str, name: str, variants: Sequence[Arm], now: datetime, **chosen: Any
) -> Experiment:
    """Write down a question as a draft. Needs experiments:write. Raises Invalid, KeyTaken. Audited.

    chosen: columns of Experiment. A lift is proved on a stated number of units: planned_units, or a baseline
    from which it follows (the share of the control that converts).
    """
    require(actor, "experiments:write")
    made = Experiment(workspace_id=actor.workspace_id, key=key, name=name, **chosen)
    errors = _faults(made, variants)
    if errors:
        raise Invalid(errors)
    if made.reading == Reading.PROVE_LIFT and made.planned_units is None:
        made.planned_units = _planned_units(made, variants)
    _save_new(made)
    _save_variants(made, variants, now)
    after = {"key": key, "reading": made.reading, "variants": [one.key for one in variants]}
    audit.record(actor, "experiment.created", made, now=now, after=after)
    return made


@transaction.atomic
def start(actor: Actor, experiment: Experiment, *, now: datetime) -> Experiment:
    """Let units in from now on. Takes a slice of the layer. Raises NotNow, LayerFull. Audited; publishes
    ExperimentStarted.
    """
    require(actor, "experiments:write")
    held = lock(experiment)
    _expect(held, State.DRAFT)
    held.slice_start = _slice_of(held, now=now)
    held.holdout_share = experiment_assignment.holdout_share(Workspace.objects.get())
    held.state, held.started_at = State.RUNNING, now
    held.due_at = first_due(held)
    held.save()
    Allocation.objects.filter(experiment=held).update(starts_at=now)
    after = {"slice_start": held.slice_start, "holdout_share": held.holdout_share}
    audit.record(actor, "experiment.started", held, now=now, after=after)
    events.publish(ExperimentStarted(workspace_id=held.workspace_id, experiment_id=held.pk))
    return held


@transaction.atomic
def stop(actor: Actor, experiment: Experiment, *, now: datetime, reason: str = "") -> Experiment:
    """Let nobody in any more. What comes of those who are in is read until their windows have passed.

    Raises NotNow. Audited; publishes ExperimentStopped.
    """
    require(actor, "experiments:write")
    held = lock(experiment)
    _expect(held, State.RUNNING)
    held.state, held.stopped_at = State.STOPPED, now
    held.due_at = (
        now + timedelta(days=held.outcome_window_days) if held.reading == Reading.PROVE_LIFT else None
    )
    held.save()
    audit.record(actor, "experiment.stopped", held, now=now, reason=reason)
    events.publish(ExperimentStopped(workspace_id=held.workspace_id, experiment_id=held.pk))
    return held


@transaction.atomic
def reweigh(
    actor: Actor, experiment: Experiment, shares: dict[str, float], *, now: datetime, reason: str
) -> int:
    """Open a new phase with other shares; answers its number. Whoever has seen a variant keeps it.

    shares: variant → share on any scale. Raises Invalid, NotNow. Audited; publishes ExperimentReallocated.
    """
    require(actor, "experiments:write")
    held = lock(experiment)
    _expect(held, State.RUNNING)
    return open_phase(actor, held, shares, now=now, reason=reason)


def open_phase(
    actor: Actor, held: Experiment, shares: dict[str, float], *, now: datetime, reason: str
) -> int:
    """For a locked experiment: the shares from now on."""
    variants = list(Variant.objects.filter(experiment=held))
    if set(shares) != {one.key for one in variants} or not _are_shares(list(shares.values())):
        names = ", ".join(sorted(one.key for one in variants))
        raise Invalid({"shares": [f"Give each of {names} a share above 0, however small."]})
    before = current_shares(held)
    rows = Allocation.objects.filter(experiment=held).order_by("-phase")
    number = rows.values_list("phase", flat=True)[0] + 1
    total = sum(shares.values())
    Allocation.objects.bulk_create(
        Allocation(
            workspace_id=held.workspace_id,
            experiment=held,
            variant=one,
            phase=number,
            share=shares[one.key] / total,
            starts_at=now,
            reason=reason[:200],
        )
        for one in variants
    )
    after = {"phase": number, "shares": {key: share / total for key, share in shares.items()}}
    audit.record(
        actor, "experiment.reallocated", held, now=now, before={"shares": before}, after=after, reason=reason
    )
    events.publish(ExperimentReallocated(workspace_id=held.workspace_id, experiment_id=held.pk, phase=number))
    return number


def current_shares(experiment: Experiment) -> dict[str, float]:
    """Variant → its share in the newest phase."""
    rows = Allocation.objects.filter(experiment=experiment).order_by("phase", "variant__position")
    return {row.variant.key: row.share for row in rows.select_related("variant")}


def control_of(experiment: Experiment) -> str:
    """The key of the control."""
    return Variant.objects.get(experiment=experiment, is_control=True).key


def find(key: str) -> Experiment:
    """Raises NotHere."""
    found: Experiment | None = Experiment.objects.filter(key=key).select_related("winner").first()
    if found is None:
        raise NotHere("There is no such experiment in this workspace.")
    return found


def lock(experiment: Experiment) -> Experiment:
    held: Experiment = Experiment.objects.select_for_update().get(pk=experiment.pk)
    return held


def first_due(held: Experiment) -> datetime | None:
    """When the sweep first has something to do for an experiment that starts."""
    if held.started_at is None or held.reading == Reading.ALWAYS_VALID:
        return None
    opens = held.started_at + timedelta(days=held.outcome_window_days)
    return opens + (look_step(held) if held.reading == Reading.PROVE_LIFT else timedelta(0))


def look_step(experiment: Experiment) -> timedelta:
    """The time between planned looks."""
    return timedelta(days=experiment.duration_days / experiment.planned_looks)


def _expect(held: Experiment, *states: str) -> None:
    if held.state not in states:
        wanted = " or ".join(states)
        raise NotNow(f"This experiment is {held.state}; only one that is {wanted} can do that.")


def _slice_of(held: Experiment, *, now: datetime) -> float:
    """Where the experiment's slice of its layer begins. Locks the layer.

    One that was stopped keeps its slice until the outcome windows of its people are over: what another
    experiment does to them would count as its outcome.
    """
    if not held.layer:
        return 0.0
    with connection.cursor() as cursor:
        name = f"{held.workspace_id}/{held.layer}"
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK_SPACE, name])
    of_layer = Experiment.objects.filter(layer=held.layer, unit=held.unit)
    holding = [one for one in of_layer.filter(state__in=[State.RUNNING, State.STOPPED]) if _holds(one, now)]
    taken = [(one.slice_start, min(one.slice_start + one.traffic_share, 1.0)) for one in holding]
    found = free_slice(sorted(taken), held.traffic_share)
    if found is None:
        free = max(0.0, 1.0 - sum(end - start for start, end in taken))
        raise LayerFull(
            f"Layer {held.layer} has {free:.0%} of its traffic left, and not in one piece of "
            f"{held.traffic_share:.0%}. Stop another experiment there and let its outcome windows pass, or "
            "take less."
        )
    return float(found[0])


def _holds(one: Experiment, now: datetime) -> bool:
    """Whether its people's outcomes may still be changed by what happens to them."""
    return one.stopped_at is None or now < one.stopped_at + timedelta(days=one.outcome_window_days)


def _planned_units(made: Experiment, variants: Sequence[Arm]) -> int:
    """Raises Invalid where it does not follow from what was given."""
    if made.baseline is None or not experiment_metrics.metric(made.metric).is_rate:
        fault = (
            "Say how many units are planned over all variants; or, for a rate, the control's expected rate."
        )
        raise Invalid({"planned_units": [fault]})
    try:
        planned = power.planned_units(
            made.baseline,
            made.minimum_effect,
            variants=len(variants) - 1,
            looks=made.planned_looks,
            alpha=made.alpha,
            power=made.power,
        )
    except ValueError as error:
        raise Invalid({"baseline": [str(error)]}) from error
    except ArithmeticError as error:
        raise Invalid({"baseline": [TOO_MANY]}) from error
    if planned > MOST_UNITS:
        raise Invalid({"baseline": [TOO_MANY]})
    return planned


def _save_new(made: Experiment) -> None:
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        if "experiment_key_once" not in str(error):
            raise
        raise KeyTaken(f"There is an experiment {made.key} already. Choose another key.") from error


def _save_variants(made: Experiment, variants: Sequence[Arm], now: datetime) -> None:
    total = sum(one.share for one in variants)
    for position, one in enumerate(variants):
        row = Variant.objects.create(
            workspace_id=made.workspace_id,
            experiment=made,
            key=one.key,
            name=one.name or one.key,
            position=position,
            is_control=one.is_control,
        )
        Allocation.objects.create(
            workspace_id=made.workspace_id,
            experiment=made,
            variant=row,
            phase=1,
            share=one.share / total,
            starts_at=now,
        )


def _faults(made: Experiment, variants: Sequence[Arm]) -> dict[str, list[str]]:
    errors = {
        name: [f"Give a number from {low:g} to {high:g}."]
        for name, (low, high) in LIMITS.items()
        if not low <= getattr(made, name) <= high
    }
    if made.baseline is not None and not 0 < made.baseline < 1:
        errors["baseline"] = ["Give the control's expected rate, above 0 and below 1."]
    if made.planned_units is not None and not 2 <= made.planned_units <= MOST_UNITS:
        errors["planned_units"] = ["Give a whole number of units, 2 or more."]
    if made.key in RESERVED:
        errors["key"] = ["This is the name of a page. Choose another key."]
    if faults := _variant_faults(variants):
        errors["variants"] = faults
    experiment_metrics.metric(made.metric)
    return errors


def _variant_faults(variants: Sequence[Arm]) -> list[str]:
    keys = [one.key for one in variants]
    if not 2 <= len(keys) <= MOST_VARIANTS:
        return [f"Give 2 to {MOST_VARIANTS} variants."]
    if len(set(keys)) < len(keys):
        return ["Two variants have the same key."]
    if sum(one.is_control for one in variants) != 1:
        return ["Exactly one variant is the control."]
    if not _are_shares([one.share for one in variants]):
        return ["Each variant needs a share above 0."]
    return []


def _are_shares(shares: list[float]) -> bool:
    return all(0 < share < 1e9 for share in shares)


def with_control_first(variants: Sequence[Arm]) -> list[Arm]:
    """The same variants; the first is the control where none was said to be."""
    if variants and not any(one.is_control for one in variants):
        return [replace(variants[0], is_control=True), *variants[1:]]
    return list(variants)
