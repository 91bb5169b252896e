"""Results as plain JSON values. Money is a number: exact to the cent, as the shortest decimal that stands for
it.
"""

from decimal import Decimal
from typing import Any

from django.urls import reverse

from apps.accounts.models import Job
from apps.attribution import drawings, lift_tests, results
from apps.attribution.health import Health
from apps.attribution.journey_credit import JourneyCredit
from apps.attribution.lift_test_comparisons import Calibration
from apps.attribution.markov_training import Status
from apps.attribution.maths.models import AUTO, RATES
from apps.attribution.models import ModelRun
from apps.attribution.results import Result, Row

# Models that decide something by themselves, and say what.
CHOOSING = (RATES, AUTO)


def journey(credit: JourneyCredit) -> dict[str, Any]:
    conversion, run = credit.conversion, credit.model_run
    return {
        "person_id": str(credit.person.public_id),
        "model": credit.model,
        "conversion": {
            "id": credit.conversion_event_id,
            "conversion_type": conversion.conversion_type,
            "order_id": conversion.order_id,
            "occurred_at": conversion.occurred_at,
            "revenue": float(credit.value),
            "currency": credit.currency,
        },
        "lookback_days": credit.lookback_days,
        "touchpoints": [{**vars(touch), "revenue": float(touch.revenue)} for touch in credit.touchpoints],
        "channels": [{**vars(row), "revenue": float(row.revenue)} for row in credit.channels],
        "basis": str(credit.basis),
        "note": credit.note,
        "model_version": run and {"run_id": run.pk, "version": run.version, "computed_at": run.finished_at},
    }


def batch(result: Result) -> dict[str, Any]:
    lifts = lift_tests.calibrations_by_model(result.query)
    decided_by = (
        *results.decided_by(result),
        sorted((name, sorted(of.items())) for name, of in lifts.items()),
    )
    return drawings.kept(decided_by, lambda: _batch(result, lifts))


def _batch(result: Result, lifts: dict[str, dict[str, Calibration]]) -> dict[str, Any]:
    query = result.query
    return {
        "models": list(query.models),
        "from": query.start,
        "to": query.end,
        "group_by": query.group_by,
        "conversion_type": query.conversion_type,
        **vars(query.lens),
        "conversion_types": list(query.conversion_types),
        "half_life_days": query.half_life_days,
        "currency": result.currency,
        "computed_at": result.computed_at,
        "rows": [_row(row, lifts.get(row.model, {}).get(row.channel)) for row in result.rows],
        "notes": {
            model: notes for model in CHOOSING if model in query.models and (notes := result.notes(model))
        }
        | ({"ids_cut": result.figures["crowded"]} if result.figures.get("crowded") else {}),
        "totals": {
            **vars(result.totals),
            "revenue": float(result.totals.revenue),
            "cost": float(result.totals.cost),
        },
    }


def started(job: Job, *, result_url: str) -> dict[str, Any]:
    return {
        "job_id": str(job.public_id),
        "state": job.state,
        "status_url": reverse("accounts-api:job", args=[job.public_id]),
        "result_url": result_url,
    }


def markov(status: Status) -> dict[str, Any]:
    run = status.run
    return {
        "model": f"markov_{status.order}",
        "order": status.order,
        "state": "not_trained" if run is None else ("current" if status.is_current else "stale"),
        "training_job_id": status.training and str(status.training.public_id),
        **_version(run),
    }


def health(found: Health) -> dict[str, Any]:
    jobs = {name: getattr(found, name) for name in ("queued", "running", "failed_last_day")}
    plain = {name: value for name, value in vars(found).items() if name not in jobs and name != "versions"}
    return {**plain, "models": found.versions, "jobs": jobs}


def _version(run: ModelRun | None) -> dict[str, Any]:
    params, figures = (run.params, run.figures) if run else ({}, {})
    return {
        "version": run and run.version,
        "trained_at": run and run.finished_at,
        "from": params.get("start"),
        "to": params.get("end"),
        "conversion_type": _one(params.get("conversion_types", [])) or params.get("conversion_type"),
        "lookback_days": params.get("lookback_days"),
        "journeys": run and run.journeys,
        "conversions": run and run.conversions,
        "fingerprint": run and run.data_fingerprint,
        "p_conversion": figures.get("p_conversion"),
        "removal_effects": figures.get("removal_effects", {}),
    }


def _intervals(row: Row) -> dict[str, list[float]] | None:
    """[low, high] of 95 %; None where there is not enough data."""
    if row.conversions_low is None or row.revenue_low is None or row.revenue_high is None:
        return None
    return {
        "conversions": [row.conversions_low, row.conversions_high or 0.0],
        "revenue": [float(row.revenue_low), float(row.revenue_high)],
        "share": [row.share_low or 0.0, row.share_high or 0.0],
    }


def _calibrated(row: Row, lift: Calibration) -> dict[str, Any]:
    """The row's credit times what lift tests of its channel measured."""
    credited = float(row.revenue) if lift.measure == "revenue" else row.conversions
    return {
        "measure": lift.measure,
        "amount": credited * lift.ratio,
        "interval": [credited * lift.low, credited * lift.high],
        "lift_tests": lift.tests,
        "as_of": lift.as_of,
    }


def _row(row: Row, lift: Calibration | None) -> dict[str, Any]:
    return {
        "model": row.model,
        "channel": row.channel,
        "platform": row.platform,
        "campaign_id": row.campaign_id,
        "creative_id": row.creative_id,
        "name": row.label,
        "conversions": row.conversions,
        "revenue": float(row.revenue),
        "share": row.share,
        "intervals": _intervals(row),
        "calibrated": None if lift is None else _calibrated(row, lift),
        "cost": _number(row.cost),
        "roas": row.roas,
        "cpa": _number(row.cpa),
    }


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _one(types: list[str]) -> str | None:
    return types[0] if len(types) == 1 else None
