"""Rules over metrics: looked at each minute by beat; an incident while one holds, resolved when it no longer
does.

Rules are rows: the ones every workspace begins with stand below, and staff change bounds, silence or switch
them off. A metric that nobody has registered, or that has no values in the window, is no reason for an alarm:
the rule says so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from apps.accounts import audit, scoping
from apps.accounts.errors import NotHere
from apps.accounts.permissions import Actor
from apps.integrations import metrics, modes
from apps.integrations.maths.sketch import Sketch
from apps.integrations.models import AlertRule
from apps.integrations.modes import Active
from apps.integrations.monitoring import incidents

log = structlog.get_logger(__name__)

Severity, Figure, Comparison = AlertRule.Severity, AlertRule.Figure, AlertRule.Comparison

# Without a value for so long beyond its window a rule's incident is over.
QUIET_SECONDS = 3_600


@dataclass(frozen=True, kw_only=True)
class Default:
    """A rule that every workspace begins with."""

    key: str
    title: str
    metric: str
    figure: str
    comparison: str
    bound: float
    severity: str
    window_seconds: int = 300
    for_seconds: int = 0
    least_count: int = 1
    action: str = ""


DEFAULTS: list[Default] = [
    Default(
        key="viral_coefficient_low",
        title="The viral coefficient is low",
        metric="viral.coefficient",
        figure=Figure.LAST,
        comparison=Comparison.BELOW,
        bound=1.2,
        severity=Severity.WARNING,
        window_seconds=3_600,
        for_seconds=3_600,
    ),
    Default(
        key="conversion_rate_drop",
        title="The conversion rate has dropped",
        metric="campaigns.conversion_rate",
        figure=Figure.LAST,
        comparison=Comparison.BELOW,
        bound=0.35,
        severity=Severity.CRITICAL,
        window_seconds=3_600,
        for_seconds=900,
    ),
    Default(
        key="ai_generation_failure",
        title="AI content fails",
        metric="ai.success",
        figure=Figure.MEAN,
        comparison=Comparison.BELOW,
        bound=0.9,
        severity=Severity.CRITICAL,
        window_seconds=900,
        least_count=10,
        action="ai.fall_back",
    ),
    Default(
        key="attribution_drift",
        title="Attribution has drifted",
        metric="attribution.accuracy",
        figure=Figure.LAST,
        comparison=Comparison.BELOW,
        bound=0.85,
        severity=Severity.WARNING,
        window_seconds=90_000,
        action="attribution.recalibrate",
    ),
    Default(
        key="calls_failing",
        title="Calls to services fail",
        metric="calls.success",
        figure=Figure.MEAN,
        comparison=Comparison.BELOW,
        bound=0.9,
        severity=Severity.ERROR,
        window_seconds=600,
        least_count=20,
    ),
    Default(
        key="calls_given_up",
        title="Calls to services were given up",
        metric="calls.dead",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
    Default(
        key="calls_late",
        title="Calls to services wait too long",
        metric="calls.oldest_wait_seconds",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=900,
        severity=Severity.ERROR,
        window_seconds=300,
        for_seconds=300,
    ),
    Default(
        key="connections_stopped",
        title="A connection needs a person",
        metric="connections.stopped",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
    Default(
        key="mail_bounces",
        title="Too many messages bounce",
        metric="mail.bounce_share",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0.02,
        severity=Severity.CRITICAL,
        window_seconds=300,
        action="mail.pause_sender",
    ),
    Default(
        key="mail_complaints",
        title="Too many messages draw complaints",
        metric="mail.complaint_share",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0.001,
        severity=Severity.CRITICAL,
        window_seconds=300,
        action="mail.pause_sender",
    ),
    Default(
        key="versions_ending",
        title="The version of a service's interface ends soon",
        metric="connections.least_days_to_sunset",
        figure=Figure.LAST,
        comparison=Comparison.BELOW,
        bound=60,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
    Default(
        key="error_budget_burning",
        title="A service uses up its error budget",
        metric="calls.budget_burn",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=1,
        severity=Severity.ERROR,
        window_seconds=300,
    ),
    Default(
        key="sign_ins_ending",
        title="A sign-in ends soon and does not renew itself",
        metric="connections.least_days_to_expiry",
        figure=Figure.LAST,
        comparison=Comparison.BELOW,
        bound=7,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
    Default(
        key="sync_late",
        title="A customer system has not been read for an hour",
        metric="sync.oldest_reading_seconds",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=3_600,
        severity=Severity.ERROR,
        window_seconds=300,
        for_seconds=600,
    ),
    Default(
        key="sync_failing",
        title="Reading a customer system fails",
        metric="sync.failing",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0,
        severity=Severity.ERROR,
        window_seconds=300,
        for_seconds=1_800,
    ),
    Default(
        key="sync_conflicts",
        title="Differences from customer systems wait to be decided",
        metric="sync.conflicts",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=25,
        severity=Severity.WARNING,
        window_seconds=300,
        for_seconds=900,
    ),
    Default(
        key="optimization_fate_unknown",
        title="It is not known whether an ad platform made a change",
        metric="optimization.unknown_changes",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0,
        severity=Severity.ERROR,
        window_seconds=300,
        for_seconds=1_800,
    ),
    Default(
        key="optimization_late",
        title="The optimisation engine has not run for more than a day",
        metric="optimization.hours_since_run",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=30,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
    Default(
        key="optimization_unusual",
        title="Campaigns had a day unlike those before",
        metric="optimization.unusual_campaigns",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0,
        severity=Severity.INFO,
        window_seconds=300,
    ),
    Default(
        key="optimization_demoted",
        title="Changes of a kind are no longer carried out by themselves: their claims were too bold",
        metric="optimization.demoted_kinds",
        figure=Figure.LAST,
        comparison=Comparison.ABOVE,
        bound=0,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
    Default(
        key="ai_tokens_ending",
        title="Today's tokens of language models are nearly used",
        metric="llm.tokens_share",
        figure=Figure.MOST,
        comparison=Comparison.ABOVE,
        bound=0.9,
        severity=Severity.WARNING,
        window_seconds=300,
    ),
]


def listed() -> list[AlertRule]:
    """The workspace's rules; made from the defaults where one is missing."""
    known = {rule.key for rule in AlertRule.objects.all()}
    missing = [one for one in DEFAULTS if one.key not in known]
    AlertRule.objects.bulk_create(
        [AlertRule(workspace_id=scoping.current_id(), **vars(one)) for one in missing], ignore_conflicts=True
    )
    return list(AlertRule.objects.order_by("key"))


@transaction.atomic
def change(actor: Actor, key: str, *, now: datetime, reason: str = "", **fields: Any) -> AlertRule:
    """Change a rule's bound, times, severity, or whether it is on. Audited. Raises NotHere.

    One that is switched off holds no longer: nobody would ever resolve its incident.
    """
    rule: AlertRule | None = AlertRule.objects.select_for_update().filter(key=key).first()
    if rule is None:
        raise NotHere("There is no such rule.")
    before = {name: str(getattr(rule, name)) for name in fields}
    for name, value in fields.items():
        setattr(rule, name, value)
    rule.save(update_fields=list(fields))
    after = {name: str(value) for name, value in fields.items()}
    audit.record(actor, "alert_rule.changed", rule, now=now, before=before, after=after, reason=reason)
    if not rule.is_on:
        rule.holds_since = None
        rule.save(update_fields=["holds_since"])
        incidents.resolve(key_of(rule), why="Its rule was switched off.", now=now)
    return rule


def silence(actor: Actor, key: str, *, hours: float, now: datetime) -> AlertRule:
    """Have a rule open nothing for so long; 0 ends the silence. Audited."""
    return change(actor, key, now=now, silenced_until=silent_until(hours, now=now))


def silent_until(hours: float, *, now: datetime) -> datetime | None:
    return now + timedelta(hours=hours) if hours else None


def find(key: str) -> AlertRule:
    """Raises NotHere."""
    found: AlertRule | None = AlertRule.objects.filter(key=key).first()
    if found is None:
        raise NotHere("There is no such rule.")
    return found


def look(*, now: datetime) -> int:
    """Hold every rule against its metric. Returns how many hold. One that fails leaves the others alone."""
    mode = modes.active(now)
    return sum(_looked_at(rule, mode, now=now) for rule in listed() if rule.is_on)


def _looked_at(rule: AlertRule, mode: Active | None, *, now: datetime) -> bool:
    try:
        return _look_at(rule, mode, now=now)
    except Exception:
        log.exception("alert_rule.failed", rule=rule.key)
        return False


@transaction.atomic
def _look_at(rule: AlertRule, mode: Active | None, *, now: datetime) -> bool:
    whole, last = metrics.window(rule.metric, labels=rule.labels, seconds=rule.window_seconds, now=now)
    value = _figure(rule.figure, whole, last) if whole.count >= modes.needed_count(rule, mode) else None
    is_true = value is not None and _is_beyond(rule, value)
    rule.looked_at, rule.last_value = now, value
    rule.holds_since = (rule.holds_since or now) if is_true else None
    rule.save(update_fields=["looked_at", "last_value", "holds_since"])
    needed = timedelta(seconds=modes.needed_seconds(rule, mode))
    is_ripe = rule.holds_since is not None and now - rule.holds_since >= needed
    if value is not None and is_ripe and not is_silent(rule, now):
        incidents.open_(
            key=key_of(rule),
            title=rule.title,
            detail=_detail(rule, value),
            severity=modes.severity_of(rule, mode),
            action=rule.action,
            now=now,
        )
    elif value is not None and not is_true:
        incidents.resolve(key_of(rule), why="The figure is back within its bound.", now=now)
    elif value is None and incidents.is_going_on(key_of(rule)):
        _resolve_if_quiet(rule, now=now)
    return bool(is_true)


def _resolve_if_quiet(rule: AlertRule, *, now: datetime) -> None:
    """Too few values say that it lasts: what it was about may be gone, as a sign-in that was renewed is."""
    seconds = rule.window_seconds + QUIET_SECONDS
    whole, last = metrics.window(rule.metric, labels=rule.labels, seconds=seconds, now=now)
    value = _figure(rule.figure, whole, last) if whole.count else None
    if value is None:
        incidents.resolve(key_of(rule), why="No figure has come for an hour.", now=now)
    elif not _is_beyond(rule, value):
        incidents.resolve(key_of(rule), why="The few figures that come are within the bound.", now=now)


def key_of(rule: AlertRule) -> str:
    return f"rule:{rule.key}"


def _detail(rule: AlertRule, value: float) -> str:
    figure = rule.get_figure_display()
    return f"{figure} of {rule.metric} is {value:.4g}, {rule.comparison} {rule.bound:g}."


def is_silent(rule: AlertRule, now: datetime) -> bool:
    """Whether it opens nothing for now."""
    return rule.silenced_until is not None and now < rule.silenced_until


def _is_beyond(rule: AlertRule, value: float) -> bool:
    return value < rule.bound if rule.comparison == Comparison.BELOW else value > rule.bound


def _figure(figure: str, whole: Sketch, last: float | None) -> float | None:
    if figure == Figure.LAST:
        return last
    if figure in {Figure.P95, Figure.P99}:
        return whole.quantile(0.95 if figure == Figure.P95 else 0.99)
    known = {
        Figure.MEAN: whole.mean,
        Figure.MOST: whole.most,
        Figure.LEAST: whole.least,
        Figure.SUM: whole.total,
        Figure.COUNT: float(whole.count),
    }
    return known[Figure(figure)]
