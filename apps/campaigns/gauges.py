"""Figures of the engine that alert rules look at, read once a minute."""

from collections.abc import Iterable

from django.utils import timezone

from apps.campaigns.bi import figures, summary
from apps.campaigns.models import AutoRule, Change, PlanLine, Policy, Run
from apps.integrations import metrics
from apps.integrations.metrics import Reading


@metrics.gauge("optimization.unknown_changes")
def unknown_changes() -> Iterable[Reading]:
    """Changes of which nobody knows whether the platform made them."""
    yield Reading(Change.objects.filter(state=Change.State.UNKNOWN).count())


@metrics.gauge("optimization.hours_since_run")
def hours_since_run() -> Iterable[Reading]:
    """Nothing where the schedule is off, or has made no run yet."""
    last = Run.objects.order_by("-pk").first()
    if last is not None and Policy.objects.filter(is_on=True).exists():
        yield Reading((timezone.now() - last.finished_at).total_seconds() / 3_600)


@metrics.gauge("optimization.unusual_campaigns")
def unusual_campaigns() -> Iterable[Reading]:
    """Campaigns whose last days were unlike those before, by the last run."""
    last = Run.objects.order_by("-pk").first()
    if last is not None:
        yield Reading(PlanLine.objects.filter(run=last).exclude(anomaly="").count())


@metrics.gauge("optimization.demoted_kinds")
def demoted_kinds() -> Iterable[Reading]:
    """Kinds of change that lost the right to be carried out without a person."""
    yield Reading(AutoRule.objects.filter(demoted_at__isnull=False, is_on=False).count())


@metrics.gauge("campaigns.conversion_rate")
def conversion_rate() -> Iterable[Reading]:
    """Of those who clicked a message in the last 30 days; nothing while they are too few to say."""
    figure = summary.recent_conversion_rate(days=30, now=timezone.now())
    if figure.value is not None:
        yield Reading(float(figure.value) / 100)


@metrics.gauge("viral.coefficient")
def viral_coefficient() -> Iterable[Reading]:
    """Nothing until something counts invitations."""
    figure = figures.of("viral_coefficient", timezone.now())
    if figure.value is not None:
        yield Reading(float(figure.value))
