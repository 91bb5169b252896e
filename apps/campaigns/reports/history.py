"""What was done, step by step: of one recommendation, and of all, also as rows for a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import AuditEntry
from apps.campaigns import wording
from apps.campaigns.models import Approval, Change, Outcome, Recommendation

State = Recommendation.State
# What the list can be narrowed to, by the states of its changes.
GROUPS: dict[str, tuple[str, ...]] = {
    "on_the_way": Change.OPEN,
    "done": (Change.State.DONE,),
    "not_done": (Change.State.FAILED, Change.State.CANCELLED),
}
COLUMNS = (
    "at_utc", "step", "recommendation", "kind", "account", "campaign", "what", "before", "after", "currency",
    "by", "state", "reason",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that happened to a recommendation. css: of its pill."""

    at: datetime
    name: str
    css: str
    by: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A change in the log."""

    change: Change
    before: str
    after: str


def changes(*, group: str = "", kind: str = "") -> QuerySet[Change]:
    rows = Change.objects.select_related("campaign__connection", "recommendation")
    if group:
        rows = rows.filter(state__in=GROUPS[group])
    return rows.filter(recommendation__kind=kind) if kind else rows


def rows(found: list[Change]) -> list[Row]:
    return [
        Row(
            change=one,
            before=wording.value_of(one.recommendation, one.before),
            after=wording.value_of(one.recommendation, one.after),
        )
        for one in found
    ]


def steps(found: Recommendation, *, with_audit: bool) -> list[Step]:
    """Every step of a recommendation, oldest first. with_audit: also what the audit log has of it."""
    told = [Step(at=found.created_at, name="proposed", css="", by="Bellwether", words=found.title)]
    told += [
        Step(at=yes.at, name="approved", css="brand", by=yes.actor_label, words="")
        for yes in Approval.objects.filter(recommendation=found).order_by("pk")
    ]
    for change in Change.objects.filter(recommendation=found).order_by("pk"):
        told += _steps_of(found, change)
    if found.state in {State.REJECTED, State.EXPIRED} and found.decided_at:
        told.append(Step(at=found.decided_at, name=found.state, css="warn", by="", words=found.state_reason))
    for outcome in Outcome.objects.filter(recommendation=found).order_by("after_days"):
        words = f"After {outcome.after_days} days: {outcome.get_verdict_display()}."
        told.append(Step(at=outcome.measured_at, name="measured", css="good", by="Bellwether", words=words))
    if with_audit:
        told += _audited(found)
    return sorted(told, key=lambda step: step.at)


def lines() -> Iterator[tuple[Any, ...]]:
    """The whole history, oldest first, under its heading: every step of every recommendation."""
    yield COLUMNS
    told: list[tuple[Any, ...]] = []
    for one in Recommendation.objects.select_related("campaign__connection"):
        told += _lines_of_recommendation(one)
    told += [
        _line(yes.recommendation, yes.at, "approved", by=yes.actor_label)
        for yes in Approval.objects.select_related("recommendation__campaign__connection")
    ]
    for change in Change.objects.select_related("recommendation__campaign__connection"):
        told += _lines_of_change(change)
    for outcome in Outcome.objects.select_related("recommendation__campaign__connection"):
        step = f"measured after {outcome.after_days} days"
        at, verdict = outcome.measured_at, str(outcome.verdict)
        told.append(_line(outcome.recommendation, at, step, state=verdict, reason=outcome.note))
    yield from sorted(told, key=lambda line: str(line[0]))


def _lines_of_recommendation(one: Recommendation) -> list[tuple[Any, ...]]:
    first = str(one.reasons[0]) if one.reasons else ""
    told = [_line(one, one.created_at, "proposed", by="Bellwether", reason=first)]
    if one.state in {State.REJECTED, State.EXPIRED} and one.decided_at:
        told.append(_line(one, one.decided_at, str(one.state), reason=one.state_reason))
    return told


def _steps_of(found: Recommendation, change: Change) -> list[Step]:
    what = f"{wording.value_of(found, change.before)} to {wording.value_of(found, change.after)}"
    deed = "ordered" if change.deed == Change.Deed.DO else "roll-back ordered"
    told = [Step(at=change.created_at, name=deed, css="brand", by=change.ordered_by, words=what)]
    if change.settled_at:
        css = "good" if change.state == Change.State.DONE else "bad"
        name = change.get_deed_display() if change.state == Change.State.DONE else change.state
        told.append(Step(at=change.settled_at, name=name, css=css, by="", words=change.reason))
    return told


def _audited(found: Recommendation) -> list[Step]:
    """What no other row holds: why the policy said yes."""
    mine = AuditEntry.objects.filter(target_kind="recommendation", target_id=str(found.pk))
    entries = mine.filter(deed="recommendation.approved").exclude(reason="").order_by("pk")
    return [
        Step(at=one.occurred_at, name="approved", css="brand", by=one.actor_label, words=one.reason)
        for one in entries
    ]


def _lines_of_change(change: Change) -> list[tuple[Any, ...]]:
    one = change.recommendation
    deed = "ordered" if change.deed == Change.Deed.DO else "roll-back ordered"
    ends = {"before": change.before, "after": change.after}
    told = [_line(one, change.created_at, deed, by=change.ordered_by, state=change.state, **ends)]
    if change.settled_at:
        told.append(
            _line(one, change.settled_at, "settled", state=change.state, reason=change.reason, **ends)
        )
    return told


def _line(
    one: Recommendation,
    at: datetime,
    step: str,
    *,
    by: str = "",
    state: str = "",
    reason: str = "",
    before: str | None = None,
    after: str | None = None,
) -> tuple[Any, ...]:
    return (
        at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        step,
        str(one.public_id),
        one.kind,
        one.campaign.connection.label,
        one.campaign.name,
        one.title,
        one.before if before is None else before,
        one.after if after is None else after,
        one.currency,
        by,
        state,
        reason,
    )
