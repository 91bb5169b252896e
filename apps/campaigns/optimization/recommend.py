"""Proposals become rows for people to decide on: one open per campaign, kind and target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.campaigns.models import Kind, Recommendation, Run
from apps.integrations.models import AdCampaign

State = Recommendation.State
STANDS_FOR = timedelta(days=7)
# What a person decided on, or what is under way, is not replaced by a newer opinion.
KEPT = (State.APPROVED, *Recommendation.IN_FLIGHT)
# A rejected change is not proposed again while its reasons are much the same.
SILENT_AFTER_NO = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A change that would pay. before, after, currency: the account's; amount and gain: the workspace's.

    confidence: probability that it pays, 0 to 1. is_doable: false where only a person can, in the platform's
    own app.
    """

    kind: Kind
    campaign: AdCampaign
    title: str
    before: str
    after: str
    confidence: float
    reasons: Sequence[str]
    doubts: Sequence[str]
    evidence: dict[str, Any]
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    amount: Decimal = Decimal(0)
    target: str = ""
    target_name: str = ""
    is_doable: bool = True

    @property
    def place(self) -> tuple[int, str, str]:
        return self.campaign.pk, str(self.kind), self.target


@dataclass
class Kept:
    """What became of a run's proposals."""

    made: list[Recommendation] = field(default_factory=list)
    held_back: int = 0


@transaction.atomic
def keep(run: Run, proposals: Iterable[Proposal], *, now: datetime) -> Kept:
    """Write them down in place of what earlier runs proposed and nobody decided on."""
    wanted = {one.place: one for one in proposals}
    kept = Kept()
    open_rows = Recommendation.objects.select_for_update().filter(state__in=Recommendation.OPEN)
    busy = {_place(row) for row in open_rows if row.state in KEPT}
    refused = {
        _place(row)
        for row in Recommendation.objects.filter(state=State.REJECTED, decided_at__gt=now - SILENT_AFTER_NO)
    }
    for row in open_rows:
        if row.state == State.PROPOSED:
            words = "A newer run looked at it anew." if _place(row) in wanted else "It no longer pays."
            _let_go(row, words, now=now)
    for place, proposal in wanted.items():
        if place in busy or place in refused:
            kept.held_back += 1
        else:
            kept.made.append(_row(run, proposal, now=now))
    return kept


def _let_go(row: Recommendation, words: str, *, now: datetime) -> None:
    row.state, row.state_reason, row.changed_at, row.decided_at = State.EXPIRED, words, now, now
    row.save(update_fields=["state", "state_reason", "changed_at", "decided_at"])


def _place(row: Recommendation) -> tuple[int, str, str]:
    return row.campaign_id, row.kind, row.target


def _row(run: Run, one: Proposal, *, now: datetime) -> Recommendation:
    made: Recommendation = Recommendation.objects.create(
        workspace_id=run.workspace_id,
        run=run,
        kind=one.kind,
        campaign=one.campaign,
        target=one.target,
        target_name=one.target_name[:400],
        title=one.title[:300],
        before=one.before,
        after=one.after,
        currency=one.campaign.currency,
        amount=one.amount,
        gain=one.gain,
        gain_low=one.gain_low,
        gain_high=one.gain_high,
        confidence=min(1.0, max(0.0, one.confidence)),
        reasons=[words[:400] for words in one.reasons],
        doubts=[words[:400] for words in one.doubts],
        evidence=one.evidence,
        is_doable=one.is_doable,
        expires_at=now + STANDS_FOR,
        changed_at=now,
        created_at=now,
    )
    return made
