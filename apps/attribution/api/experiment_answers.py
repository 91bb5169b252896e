"""Experiments and lift tests as plain JSON values."""

from dataclasses import asdict
from typing import Any

from apps.attribution import lift_tests
from apps.attribution.api.serializers.experiments import ExperimentSerializer
from apps.attribution.experiments import Assigned, Shown
from apps.attribution.models import Allocation, Experiment, LiftTest, Variant

OWN = (
    "state",
    "holdout_share",
    "created_at",
    "started_at",
    "stopped_at",
    "due_at",
    "decided_at",
    "decided_by",
)
SHOWN = (
    "exposed", "counted", "waiting", "mixed", "off_lot", "left_out", "fault", "variance_reduction", "read_at",
    "reading", "watched",
)  # fmt: skip
LIFT = (
    "kind", "name", "measure", "goal", "first_day", "last_day", "incremental", "standard_error",
    "covered_share", "there_were", "is_beyond", "source", "notes", "entered_by", "created_at", "retired_at",
)  # fmt: skip


def experiment(one: Experiment) -> dict[str, Any]:
    variants = list(Variant.objects.filter(experiment=one).order_by("position"))
    newest = list(Allocation.objects.filter(experiment=one).order_by("phase"))
    shares = {row.variant_id: row.share for row in newest}
    chosen: list[str] = [str(name) for name in ExperimentSerializer().fields if str(name) != "variants"]
    return {
        **{name: getattr(one, name) for name in (*chosen, *OWN)},
        "variants": [
            {"key": row.key, "name": row.name, "share": shares[row.pk], "is_control": row.is_control}
            for row in variants
        ],
        "shares": {row.key: shares[row.pk] for row in variants},
        "phase": newest[-1].phase if newest else 0,
        "decision": one.decision,
        "is_overridden": one.is_overridden,
        "winner": next((row.key for row in variants if row.pk == one.winner_id), None),
    }


def assignments(one: Experiment, found: list[Assigned]) -> dict[str, Any]:
    return {
        "experiment": one.key,
        "assignments": [{"variant": unit.variant, "why": str(unit.why)} for unit in found],
    }


def reading(one: Experiment, shown: Shown) -> dict[str, Any]:
    ratio = shown.sample_ratio
    return {
        "experiment": one.key,
        **{name: getattr(shown, name) for name in SHOWN},
        "look": shown.look and shown.look.number,
        "looked_at": shown.look and shown.look.taken_at,
        "sample_ratio": ratio and asdict(ratio),
    }


def lift_test(one: LiftTest) -> dict[str, Any]:
    return {
        "id": one.pk,
        "channel": one.channel.key,
        "experiment": one.experiment and one.experiment.key,
        **{name: getattr(one, name) for name in LIFT},
        "ratios": [_ratio(row) for row in lift_tests.ratios(one)],
    }


def _ratio(row: dict[str, Any]) -> dict[str, Any]:
    found = row["multiplier"]
    bounds = {name: found and getattr(found, name) for name in ("ratio", "low", "high")}
    return {
        "model": row["model"],
        "attributed": row["attributed"],
        "computed_at": row["computed_at"],
        **bounds,
    }
