"""What attribution promises to tell the floors above. Ids only; one event for a batch."""

from dataclasses import dataclass

from apps.accounts.events import Event


@dataclass(frozen=True, kw_only=True)
class TouchpointsStored(Event):
    """New touches; their keys lie between first_id and last_id, where others may lie as well."""

    name = "attribution.touchpoints.stored"
    first_id: int
    last_id: int
    count: int


@dataclass(frozen=True, kw_only=True)
class ConversionsRecorded(Event):
    """Orders, leads or sign-ups that were not known before."""

    name = "attribution.conversions.recorded"
    conversion_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class ConversionsChanged(Event):
    """Known ones that a refund, a correction or a late purchase changed."""

    name = "attribution.conversions.changed"
    conversion_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class ExperimentStarted(Event):
    name = "attribution.experiment.started"
    experiment_id: int


@dataclass(frozen=True, kw_only=True)
class ExperimentStopped(Event):
    """Nobody new is let in; what came of those who are in may still be read."""

    name = "attribution.experiment.stopped"
    experiment_id: int


@dataclass(frozen=True, kw_only=True)
class ExperimentLookTaken(Event):
    """A planned look was taken. is_conclusive: it crossed its bound; a person decides what follows."""

    name = "attribution.experiment.look_taken"
    experiment_id: int
    look: int
    is_conclusive: bool


@dataclass(frozen=True, kw_only=True)
class ExperimentReallocated(Event):
    """From this phase on, variants get other shares."""

    name = "attribution.experiment.reallocated"
    experiment_id: int
    phase: int


@dataclass(frozen=True, kw_only=True)
class ExperimentDecided(Event):
    """winner: the variant's key, empty where none was named. by_itself: the sweep decided, not a person."""

    name = "attribution.experiment.decided"
    experiment_id: int
    winner: str
    by_itself: bool


@dataclass(frozen=True, kw_only=True)
class CalibrationChanged(Event):
    """A lift test was entered or retired, or compared anew with what models say of its channel."""

    name = "attribution.calibration.changed"
    channel_key: str
    lift_test_id: int


@dataclass(frozen=True, kw_only=True)
class Drifted(Event):
    """The world is no longer the one that a model has learnt from; recalibration follows by itself.

    alarms: the charts (worse, higher, lower) and the shifts of the mix ("mix: last_channel") that say so.
    """

    name = "attribution.drifted"
    conversion_model_id: int
    drift_check_id: int
    alarms: list[str]
