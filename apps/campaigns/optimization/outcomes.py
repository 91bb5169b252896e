"""What was carried out, measured after 7, 14 and 28 days beside what it claimed."""

from datetime import date, datetime, timedelta

import numpy as np
from django.db import transaction

from apps.campaigns.maths.realised import Realised, realised
from apps.campaigns.models import Change, Kind, Outcome, Policy, Recommendation
from apps.campaigns.optimization import decisions, figures, policies
from apps.campaigns.optimization.figures import Figures
from apps.integrations.models import AdCampaign, AdDay

SPANS = (7, 14, 28)
DAYS_BEFORE = 28
# Conversions of the last days still come in, so a span is closed once its last day is that old.
SETTLES_AFTER = timedelta(days=1)
Verdict, State = Outcome.Verdict, Recommendation.State


def measure_due(*, now: datetime) -> int:
    """Measure what has been in force long enough. Returns how many outcomes were written."""
    return sum(_measure(found, span, now=now) for found, span in _due(now))


def _due(now: datetime) -> list[tuple[Recommendation, int]]:
    rows = Recommendation.objects.filter(
        state__in=Recommendation.IN_FORCE, done_at__lte=now - timedelta(days=SPANS[0])
    )
    known = set(
        Outcome.objects.filter(recommendation__in=rows).values_list("recommendation_id", "after_days")
    )
    recent = rows.filter(done_at__gte=now - timedelta(days=2 * SPANS[-1])).exclude(kind=Kind.BUDGET_TEST)
    return [
        (found, span)
        for found in recent.select_related("campaign").order_by("pk")
        for span in SPANS
        if (found.pk, span) not in known
        and found.done_at is not None
        and found.done_at + timedelta(days=span) + SETTLES_AFTER <= now
    ]


@transaction.atomic
def _measure(found: Recommendation, span: int, *, now: datetime) -> int:
    """One outcome; where the days are not read yet it is asked again later."""
    if found.done_at is None:
        return 0
    done_on = found.done_at.date()
    last = done_on + timedelta(days=span)
    if not _is_read(found, last):
        return 0
    known = figures.load(until=last, days=span + 1 + DAYS_BEFORE)
    measured, note = _realised(found, known, span, policies.get())
    outcome = Outcome(
        workspace_id=found.workspace_id,
        recommendation=found,
        after_days=span,
        measured_at=now,
        confidence=found.confidence,
        claimed=found.gain,
        verdict=_verdict(measured),
        note=note,
    )
    if measured is not None:
        outcome.realised, outcome.realised_low = measured.gain, measured.low
        outcome.realised_high = measured.high
    made = Outcome.objects.bulk_create([outcome], ignore_conflicts=True)
    now_is = decisions.locked(found.public_id)
    if now_is.state == State.DONE:
        decisions.step(now_is, State.MEASURED, now=now)
    return len(made)


def _is_read(found: Recommendation, last: date) -> bool:
    """Whether the account has figures up to the last day of the span: asked every half minute."""
    mine = AdCampaign.objects.filter(connection=found.campaign.connection_id)
    return bool(AdDay.objects.filter(campaign__in=mine, on__gte=last).exists())


def _realised(
    found: Recommendation, known: Figures, span: int, policy: Policy
) -> tuple[Realised | None, str]:
    rows = [row for row, one in enumerate(known.campaigns) if one.pk == found.campaign_id]
    if not rows:
        return None, "The campaign's figures are not known any more."
    changed = _changed_in(known, found)
    others = [row for row, one in enumerate(known.campaigns) if one.pk not in changed]
    before, after = slice(0, DAYS_BEFORE), slice(DAYS_BEFORE + 1, DAYS_BEFORE + 1 + span)
    revenue, spend = known.conversion_value[rows[0]], known.spend[rows[0]]
    if not (np.isfinite(revenue[before]).all() and np.isfinite(revenue[after]).all()):
        return None, "Not enough data: some of its days are missing."
    beside = np.nan_to_num(known.conversion_value[others])
    measured = realised(
        revenue[before],
        revenue[after],
        beside[:, before].sum(axis=0),
        beside[:, after].sum(axis=0),
        extra_spend=float(spend[after].mean() - spend[before].mean())
        * float(found.evidence.get("price_of_money", 1)),
        margin=float(policy.margin),
    )
    held = f"held against {len(others)} campaigns that were not changed" if others else "held against itself"
    return measured, f"{span} days after against {DAYS_BEFORE} before, {held}."


def _changed_in(known: Figures, found: Recommendation) -> set[int]:
    """Campaigns that were changed during the days that are compared: no measure of what would have been."""
    first = found.done_at and found.done_at - timedelta(days=DAYS_BEFORE)
    rows = Change.objects.filter(state=Change.State.DONE, created_at__gte=first)
    return {found.campaign_id, *rows.values_list("campaign_id", flat=True)}


def _verdict(measured: Realised | None) -> str:
    if measured is None or measured.low <= 0 <= measured.high:
        return Verdict.CANNOT_TELL
    return Verdict.CAME_TRUE if measured.gain > 0 else Verdict.DID_NOT


def latest() -> list[Outcome]:
    """The longest span of each recommendation that was measured, newest first."""
    rows = Outcome.objects.select_related("recommendation__campaign").order_by("after_days")
    longest = {one.recommendation_id: one for one in rows}
    return sorted(longest.values(), key=lambda one: one.measured_at, reverse=True)
