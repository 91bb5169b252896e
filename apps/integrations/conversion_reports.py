"""What pages and the API show of conversions that were told to others: rows out, each of a stated period."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Sum

from apps.integrations import services
from apps.integrations.connectors.conversions import sending
from apps.integrations.models import Call, Connection, ForwardedConversion
from apps.integrations.services import Service

PERIODS = (7, 28, 90)
# With fewer, a share says more of chance than of the connection.
ENOUGH = 30
REASONS = 5
Stage, Verdict = ForwardedConversion.Stage, ForwardedConversion.Verdict
WAITING = (Call.State.WAITING, Call.State.SENDING, Call.State.UNKNOWN, Call.State.HELD)


@dataclass(frozen=True, kw_only=True)
class Reason:
    words: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How one destination does with the conversions that came in the period.

    sent: handed over, whatever became of it. confirmed: by the service's later word, where it has one.
    steps: visits and clicks that were told beside them, counted nowhere else. repeated: events that came
    again and were not sent again. by_…: shares of what was sent; None while there is too little to say.
    """

    connection: Connection
    service: Service
    known: int
    sent: int
    accepted: int
    rejected: int
    confirmed: int
    waiting: int
    kept_back: int
    changes: int
    steps: int
    repeated: int
    by_email: float | None
    by_phone: float | None
    by_click_id: float | None
    oldest_waiting_at: datetime | None
    reasons: tuple[Reason, ...]

    @property
    def is_enough(self) -> bool:
        return self.by_email is not None


def tellings(*, days: int, now: datetime) -> list[Telling]:
    """Every destination that is connected, over the last `days`."""
    connections = Connection.objects.filter(service__in=sending.every())
    found = connections.exclude(state=Connection.State.DISCONNECTED).order_by("label", "pk")
    return [_telling(one, since=now - timedelta(days=days)) for one in found]


def _telling(connection: Connection, *, since: datetime) -> Telling:
    every = ForwardedConversion.objects.filter(connection=connection, created_at__gte=since)
    rows = every.exclude(stage=Stage.STEP)
    told = rows.filter(call__isnull=False)
    counts = rows.aggregate(**_COUNTS)
    sent = counts["sent"]
    by_key = {
        name: counts[name] / sent if sent >= ENOUGH else None
        for name in ("by_email", "by_phone", "by_click_id")
    }
    waits = told.filter(call__state__in=WAITING).aggregate(oldest=Min("call__created_at"))
    return Telling(
        connection=connection,
        service=services.known(connection.service),
        oldest_waiting_at=waits["oldest"],
        reasons=_reasons(rows),
        steps=every.filter(stage=Stage.STEP, call__isnull=False).count(),
        **{**counts, **by_key, "repeated": counts["repeated"] or 0},
    )


_SENT = Q(stage=Stage.CONVERSION, call__isnull=False) & (
    Q(call__state=Call.State.DONE) | Q(call__state=Call.State.DEAD, call__sent_at__isnull=False)
)
_REJECTED = Q(call__state=Call.State.DEAD) | Q(call__state=Call.State.DONE, verdict=Verdict.REJECTED)
_COUNTS: dict[str, Any] = {
    "known": Count("pk", filter=Q(stage=Stage.CONVERSION)),
    "sent": Count("pk", filter=_SENT),
    "accepted": Count("pk", filter=_SENT & Q(call__state=Call.State.DONE) & ~Q(verdict=Verdict.REJECTED)),
    "rejected": Count("pk", filter=Q(stage=Stage.CONVERSION) & _REJECTED),
    "confirmed": Count("pk", filter=_SENT & Q(verdict=Verdict.CONFIRMED)),
    "waiting": Count("pk", filter=Q(stage=Stage.CONVERSION, call__state__in=WAITING)),
    "kept_back": Count("pk", filter=Q(stage=Stage.CONVERSION) & ~Q(kept_back="")),
    "changes": Count("pk", filter=Q(stage=Stage.CHANGE, call__isnull=False)),
    "repeated": Sum("repeats"),
    "by_email": Count("pk", filter=_SENT & Q(has_email=True)),
    "by_phone": Count("pk", filter=_SENT & Q(has_phone=True)),
    "by_click_id": Count("pk", filter=_SENT & Q(has_click_id=True)),
}


def _reasons(rows: QuerySet[ForwardedConversion]) -> tuple[Reason, ...]:
    """Why conversions were kept back or rejected, the most frequent first."""
    found = [
        *_counted(rows.exclude(kept_back=""), "kept_back"),
        *_counted(rows.filter(call__state=Call.State.DEAD), "call__last_reason"),
        *_counted(rows.filter(verdict__in=[Verdict.REJECTED, Verdict.PARTLY]), "verdict_reason"),
    ]
    most = sorted(found, key=lambda one: (-one.count, one.words))
    return tuple(most[:REASONS])


def _counted(rows: QuerySet[ForwardedConversion], column: str) -> list[Reason]:
    counts = rows.values(column).annotate(count=Count("pk")).order_by("-count")[:REASONS]
    return [Reason(words=row[column] or "without a reason", count=row["count"]) for row in counts]
