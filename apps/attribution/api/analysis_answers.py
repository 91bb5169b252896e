"""Results as plain JSON values. Money is a number: exact to the cent, as the shortest decimal that stands for
it.
"""

from decimal import Decimal
from typing import Any

from django.urls import reverse

from apps.accounts.models import Job
from apps.attribution.health import Health
from apps.attribution.journey_credit import JourneyCredit
from apps.attribution.markov_training import Status
from apps.attribution.models import ModelRun
from apps.attribution.results import Result, Row


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
    query = result.query
    return {
        "models": list(query.models),
        "from": query.start,
        "to": query.end,
        "group_by": query.group_by,
        "conversion_type": query.conversion_type,
        "lookback_days": query.lookback_days,
        "half_life_days": query.half_life_days,
        "currency": result.currency,
        "computed_at": result.computed_at,
        "rows": [_row(row) for row in result.rows],
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
        "conversion_type": params.get("conversion_type"),
        "lookback_days": params.get("lookback_days"),
        "journeys": run and run.journeys,
        "conversions": run and run.conversions,
        "fingerprint": run and run.data_fingerprint,
        "p_conversion": figures.get("p_conversion"),
        "removal_effects": figures.get("removal_effects", {}),
    }


def _row(row: Row) -> dict[str, Any]:
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
        "cost": _number(row.cost),
        "roas": row.roas,
        "cpa": _number(row.cpa),
    }


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
