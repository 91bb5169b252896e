"""How well models predict, whether the world has drifted, and what the probability to convert rests on."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts import jobs
from apps.accounts.doors import chart_page, page
from apps.accounts.figures import interval, number
from apps.accounts.models import Job
from apps.accounts.permissions import require
from apps.attribution import (
    accuracy,
    accuracy_charts,
    conversion_probability,
    conversion_training,
    conversion_versions,
    drift_watch,
)
from apps.attribution.maths import drift
from apps.attribution.models import ConversionModel, DriftCheck, ModelAccuracy
from apps.attribution.reports import MODEL_LABELS

OTHERS = {accuracy.PROBABILITY: "Probability to convert", "base_rate": "Base rate"}
CHARTS = (
    ("worse", "Predicts worse"),
    ("higher", "More convert than told"),
    ("lower", "Fewer convert than told"),
)


@chart_page
@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def figures(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        require(request.actor, "attribution:write")
        _act(request)
        return redirect("attribution:accuracy")
    newest, nights = accuracy.newest(), accuracy.nights()
    rows = accuracy.figures_of(nights)
    shown = rows[nights[-1].pk] if nights else []
    best = next((row for row in shown if row.model != "base_rate"), None)
    check = drift_watch.newest()
    context = {
        "newest": newest,
        "night": nights[-1] if nights else None,
        "rows": [{"row": row, "label": label_of(row.model)} for row in shown],
        "best": best,
        "best_label": best and label_of(best.model),
        "knows_more": best is not None and best.skill_low > 0,
        "check": check,
        "charts": _charts(check),
        "threshold": drift.THRESHOLD,
        "between_false_alarms": drift.STEPS_BETWEEN_FALSE_ALARMS,
        "recalibrations": drift_watch.recalibrations(),
        "card": conversion_versions.newest(),
        "not_for": conversion_probability.NOT_FOR,
        "job": Job.objects.filter(kind=conversion_training.KIND).order_by("-pk").first(),
        **_drawn(nights, rows, best),
    }
    card = context["card"]
    context["card_figures"] = _card_figures(card)
    context["doubt"] = conversion_versions.doubt_of(card.figures) if card else ""
    return render(request, "attribution/accuracy.html", context)


def label_of(model: str) -> str:
    return OTHERS.get(model) or MODEL_LABELS[model]


def _act(request: HttpRequest) -> None:
    if request.POST.get("do") == "train":
        waiting = Job.objects.filter(kind=conversion_training.KIND, state__in=jobs.UNFINISHED).exists()
        conversion_training.start(request.actor)
        messages.success(request, "It is being trained already." if waiting else "It is being trained.")
        return
    reason = request.POST.get("reason", "")[:500]
    drift_watch.recalibrate(request.actor, now=timezone.now(), reason=reason)
    messages.success(request, "Models learn anew from the newest journeys.")


def _charts(check: DriftCheck | None) -> list[dict[str, Any]]:
    if check is None:
        return []
    return [
        {"label": label, "value": check.charts[name], "is_alarm": check.charts[name] > drift.THRESHOLD}
        for name, label in CHARTS
    ]


def _drawn(
    nights: list[Any], rows: dict[int, list[ModelAccuracy]], best: ModelAccuracy | None
) -> dict[str, Any]:
    """The two figures, with the numbers behind them."""
    if best is None:
        return {}
    names = [row.model for row in rows[nights[-1].pk] if row.model != "base_rate"]
    trend = [(one.night, {row.model: row for row in rows[one.pk]}) for one in nights]
    shown = names[: accuracy_charts.MOST_LINES]
    return {
        "trend": accuracy_charts.plain(accuracy_charts.trend(trend, [(one, label_of(one)) for one in shown])),
        "trend_columns": ["Night", *(label_of(one) for one in shown)],
        "trend_rows": [
            [f"{night.day} {night:%b %Y}", *(_skill(by_name.get(one)) for one in shown)]
            for night, by_name in reversed(trend)
        ],
        "reliability": accuracy_charts.plain(accuracy_charts.reliability(best)),
        "reliability_rows": [
            [number(100 * told, 1), number(100 * seen, 1), number(size)] for told, seen, size in best.bins
        ],
        "reliability_columns": ["Told, %", "Converted, %", "Journeys"],
    }


def _skill(row: ModelAccuracy | None) -> str:
    if row is None:
        return number(None)
    return f"{number(100 * row.skill, 2)} ({interval(100 * row.skill_low, 100 * row.skill_high, 2)})"


def _card_figures(card: ConversionModel | None) -> list[tuple[str, str, str]]:
    if card is None:
        return []
    told = (
        ("auc", "AUC", 1, 3),
        ("skill", "Skill, %", 100, 2),
        ("log_loss", "Log-loss", 1, 4),
        ("slope", "Calibration slope", 1, 2),
        ("calibration_error", "Calibration error, points", 100, 2),
    )
    return [
        (
            label,
            number(found["value"] * scale, places),
            interval(found["low"] * scale, found["high"] * scale, places),
        )
        for name, label, scale, places in told
        if (found := card.figures.get(name))
    ]
