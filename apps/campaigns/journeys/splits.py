"""Splits are experiments: the lot is drawn by the hash that all experiments share, and what came of each way
is read where all experiments are read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.accounts.permissions import Actor, system
from apps.attribution import experiments
from apps.attribution.experiments import Arm
from apps.attribution.models import Experiment
from apps.campaigns.models import Journey


def begin(
    actor: Actor,
    journey: Journey,
    key: str,
    step: Mapping[str, Any],
    before: Mapping[str, Any],
    *,
    now: datetime,
) -> str:
    """The key of the step's experiment, which goes on where the step is as it was in the version before."""
    if before.get("kind") == "split" and _lots(before) == _lots(step):
        return str(before["experiment"])
    name = f"journey-{journey.pk}-{journey.live + 1}-{key}"[:60]
    arms = [Arm(key=arm["key"], share=float(arm["share"])) for arm in step["arms"]]
    made = experiments.create(
        system(actor.workspace_id, label=actor.label),
        key=name,
        name=f"{journey.name}: {key}"[:120],
        variants=experiments.with_control_first(arms),
        reading=Experiment.Reading.ALWAYS_VALID,
        goal=step.get("goal", ""),
        now=now,
    )
    experiments.start(system(actor.workspace_id, label=actor.label), made, now=now)
    return name


def _lots(step: Mapping[str, Any]) -> tuple[Any, ...]:
    """What decides who goes where, and what is measured."""
    return (step.get("goal", ""), *((arm["key"], float(arm["share"])) for arm in step["arms"]))


def draw(step: Mapping[str, Any], person_ids: Sequence[int], *, now: datetime) -> dict[int, str]:
    """Person → arm. Those in no arm (held out for good, or the experiment is over) go as the first has it."""
    experiment = experiments.find(step["experiment"])
    lots = experiments.assign_many(experiment, [str(person) for person in person_ids], now=now)
    seen = [
        experiments.of_person(person, at=now, variant=lot.variant)
        for person, lot in zip(person_ids, lots, strict=True)
        if lot.is_in
    ]
    if seen:
        experiments.expose(experiment, seen, now=now)
    first = step["arms"][0]["key"]
    return {person: lot.variant or first for person, lot in zip(person_ids, lots, strict=True)}
