"""Experiments, for this floor and those above: ask a question, hand variants out by lot, read the answer.

made = experiments.create(actor, key="subject-line", name=..., variants=[Arm(key="a"), Arm(key="b")], now=now)
experiments.start(actor, made, now=now)
experiments.assign_many(made, [str(pk) for pk in people], now=now)
experiments.expose(made, [experiments.of_person(pk, at=sent_at) for pk in people], now=now)
experiments.read(made, now=now)
experiments.decide(actor, made, winner="b", now=now)
"""

from apps.attribution.experiment_assignment import Assigned, Why, assign, assign_many, is_held_out
from apps.attribution.experiment_crowds import (
    Drawn,
    draw_crowd,
    held_out_crowd,
    log_crowd,
    lot_of_crowd,
)
from apps.attribution.experiment_decisions import NotProven, SampleRatioBroken, decide, settle
from apps.attribution.experiment_exposures import Logged, NotRunning, Sighting, expose, of_person
from apps.attribution.experiment_metrics import Asked, Metric, metrics, register_metric
from apps.attribution.experiment_plans import (
    Arm,
    KeyTaken,
    LayerFull,
    NotNow,
    create,
    current_shares,
    find,
    reweigh,
    start,
    stop,
    with_control_first,
)
from apps.attribution.experiment_readings import Shown, read
from apps.attribution.experiment_sweep import sweep, take_turn, turn

__all__ = [
    "Arm",
    "Asked",
    "Assigned",
    "Drawn",
    "KeyTaken",
    "LayerFull",
    "Logged",
    "Metric",
    "NotNow",
    "NotProven",
    "NotRunning",
    "SampleRatioBroken",
    "Shown",
    "Sighting",
    "Why",
    "assign",
    "assign_many",
    "create",
    "current_shares",
    "decide",
    "draw_crowd",
    "expose",
    "find",
    "held_out_crowd",
    "is_held_out",
    "log_crowd",
    "lot_of_crowd",
    "metrics",
    "of_person",
    "read",
    "register_metric",
    "reweigh",
    "settle",
    "start",
    "stop",
    "sweep",
    "take_turn",
    "turn",
    "with_control_first",
]
