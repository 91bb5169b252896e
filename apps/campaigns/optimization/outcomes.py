"""What was carried out, measured after 7, 14 and 28 days beside what it claimed."""

from datetime import date, datetime, timedelta

import numpy as np
from django.db import transaction

from apps.accounts.figures import count
from apps.accounts.models import Workspace
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
    done_on = found.done_at.astimezone(Workspace.objects.get().zone).date()
    last = done_on + timedelta(days=span)
    if not _is_read(found, last):
        return 0
    known = figures.load(until=last, days=span + 1 + DAYS_BEFORE)
    measured, extra_spend, note = _realised(found, known, done_on, policies.get())
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
        outcome.realised_high, outcome.extra_spend = measured.high, extra_spend
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
    found: Recommendation, known: Figures, done_on: date, policy: Policy
) -> tuple[Realised | None, float, str]:
    """The days after `done_on`, to the last that is known, against whole weeks before it; and what was spent
    on top.
    """
    rows = [row for row, one in enumerate(known.campaigns) if one.pk == found.campaign_id]
    if not rows:
        return None, 0.0, "The campaign's figures are not known any more."
    weeks, why = _quiet_weeks_before(found, done_on, known.last_day)
    if why:
        return None, 0.0, why
    place = (done_on - known.first_day).days
    before, after = slice(place - 7 * weeks, place), slice(place + 1, known.days)
    runs = [_runs_in(known, row, before, after) for row in range(len(known.campaigns))]
    if not runs[rows[0]]:
        return None, 0.0, "Not enough data: it did not run on each of these days, or some are missing."
    changed = _changed_in(known.first_day + timedelta(days=before.start), known.last_day)
    others = [
        row
        for row, one in enumerate(known.campaigns)
        if runs[row] and one.pk not in {*changed, found.campaign_id}
    ]
    factor = float(found.evidence.get("revenue_factor", 1))
    revenue, spend = known.conversion_value[rows[0]] * factor, known.spend[rows[0]]
    extra_spend = float(spend[after].mean() - spend[before].mean())
    measured = realised(
        revenue[before],
        revenue[after],
        known.conversion_value[others, before].sum(axis=0),
        known.conversion_value[others, after].sum(axis=0),
        extra_spend=extra_spend * price_of_money(found),
        margin=float(policy.margin),
    )
    beside = count(len(others), "campaign that was", "campaigns that were")
    held = f"held against {beside} not changed" if others else "held against itself alone"
    return measured, extra_spend, f"{known.days - place - 1} days after against {7 * weeks} before, {held}."


def price_of_money(found: Recommendation) -> float:
    """What a unit of the money that it moves brings on the other side of the plan; 1 where it has none."""
    return float(found.evidence.get("price_of_money", 1))


def _quiet_weeks_before(found: Recommendation, done_on: date, last: date) -> tuple[int, str]:
    """Whole weeks in which nothing else of the campaign was changed; or why it cannot be measured alone."""
    rows = Change.objects.filter(campaign=found.campaign_id, state=Change.State.DONE).exclude(
        recommendation=found, deed=Change.Deed.DO
    )
    again = rows.filter(day__gte=done_on, day__lte=last).order_by("day").first()
    if again is not None:
        return 0, f"It was changed again on {again.day:%-d %B}, so this change alone cannot be measured."
    earlier = (
        rows.filter(day__lt=done_on, day__gte=done_on - timedelta(days=DAYS_BEFORE)).order_by("day").last()
    )
    if earlier is None:
        return DAYS_BEFORE // 7, ""
    weeks = (done_on - earlier.day - timedelta(days=1)).days // 7
    if weeks:
        return weeks, ""
    return 0, f"It had been changed on {earlier.day:%-d %B}, too shortly before to compare with."


def _runs_in(known: Figures, row: int, *spans: slice) -> bool:
    """Whether a campaign ran on each of these days: one that was paused is no measure of anything."""
    return all(
        bool((known.spend[row, span] > 0).all() and np.isfinite(known.conversion_value[row, span]).all())
        for span in spans
    )


def _changed_in(first: date, last: date) -> set[int]:
    """Campaigns that were changed during the days that are compared: no measure of what would have been."""
    rows = Change.objects.filter(state=Change.State.DONE, day__gte=first, day__lte=last)
    return set(rows.values_list("campaign_id", flat=True))


def _verdict(measured: Realised | None) -> str:
    if measured is None or measured.low <= 0 <= measured.high:
        return Verdict.CANNOT_TELL
    return Verdict.CAME_TRUE if measured.gain > 0 else Verdict.DID_NOT


def latest() -> list[Outcome]:
    """Of each recommendation the longest span that could be measured, newest first; else the longest."""
    rows = list(Outcome.objects.select_related("recommendation__campaign").order_by("after_days"))
    rows.sort(key=lambda one: one.realised is not None)
    longest = {one.recommendation_id: one for one in rows}
    return sorted(longest.values(), key=lambda one: one.measured_at, reverse=True)
