"""What the API says of accuracy and of the probability to convert."""

from typing import Any

from apps.attribution.conversion_probability import NOT_FOR, Prediction
from apps.attribution.conversion_versions import doubt_of
from apps.attribution.maths import drift
from apps.attribution.models import (
    AccuracyNight,
    ConversionModel,
    ConversionWeight,
    DriftCheck,
    ModelAccuracy,
    Recalibration,
)

FIGURES = ("auc", "log_loss", "skill", "slope", "intercept", "calibration_error")


def prediction(found: Prediction) -> dict[str, Any]:
    plain = vars(found) | {"person_id": found.person_public_id, "parts": [vars(one) for one in found.parts]}
    del plain["person_public_id"]
    return plain


def night(found: AccuracyNight, rows: list[ModelAccuracy]) -> dict[str, Any]:
    names = ("night", "cut_at", "until", "learnt_journeys", "learnt_conversions", "journeys", "conversions")
    plain = {name: getattr(found, name) for name in (*names, "missing")}
    return plain | {"goal": found.goal_key, "models": [_judged(row) for row in rows]}


def check(found: DriftCheck) -> dict[str, Any]:
    names = ("number", "until", "journeys", "conversions", "predicted", "alarms")
    charts = {name: found.charts[name] for name in ("worse", "higher", "lower")}
    plain = {name: getattr(found, name) for name in names}
    return plain | charts | {"version": found.conversion_model.version, "threshold": drift.THRESHOLD}


def recalibration(found: Recalibration) -> dict[str, Any]:
    names = ("id", "reason", "alarms", "by_itself", "outcome", "created_at", "finished_at")
    return {name: getattr(found, name) for name in names} | {
        "version_before": found.before and found.before.version,
        "version_after": found.after and found.after.version,
        "before": found.figures.get("before"),
        "after": found.figures.get("after"),
    }


def card(row: ConversionModel) -> dict[str, Any]:
    names = ("version", "since", "cut_at", "until", "is_of_later_days", "sizes", "penalty")
    weights = ConversionWeight.objects.filter(conversion_model=row).order_by("position")
    return (
        {name: getattr(row, name) for name in names}
        | row.figures
        | {
            "goal": row.goal_key,
            "lookback_days": row.lens["lookback_days"],
            "trained_at": row.created_at,
            "is_calibrated": not doubt_of(row.figures),
            "doubt": doubt_of(row.figures),
            "weights": list(weights.values("kind", "key", "mean", "scale", "weight")),
            "not_for": list(NOT_FOR),
        }
    )


def _judged(row: ModelAccuracy) -> dict[str, Any]:
    bins = [{"predicted": p, "observed": o, "journeys": n} for p, o, n in row.bins]
    figures = {name: _figure(row, name) for name in FIGURES}
    return {"model": row.model, "by_chance": row.by_chance, "bins": bins} | figures


def _figure(row: ModelAccuracy, name: str) -> dict[str, float] | None:
    value = getattr(row, name)
    if value is None:
        return None
    return {"value": value, "low": getattr(row, f"{name}_low"), "high": getattr(row, f"{name}_high")}
