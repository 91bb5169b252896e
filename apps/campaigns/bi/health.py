"""Whether marketing works: delivery, AI content, attribution, viral growth, integrations."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Q

from apps.attribution import health as attribution
from apps.attribution.maths.experiments.proportions import clopper_pearson
from apps.campaigns.bi import figures
from apps.campaigns.models import Campaign, Recipient
from apps.integrations import metrics
from apps.integrations.models import Connection

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = "healthy", "degraded", "unhealthy", "unknown"
DAY = timedelta(days=1)
# Of messages that left, the share that was taken.
DELIVERY_BOUNDS = (0.97, 0.90)
# Success of AI content and the accuracy of attribution: as the alert rules have them.
AI_BOUNDS, ACCURACY_BOUNDS = (0.95, 0.90), (0.90, 0.85)
VIRAL_TARGET = 1.2
STOPPED = ("disconnected",)


@dataclass(frozen=True, kw_only=True)
class Part:
    """value: None where there is nothing to measure; because says why, or what is wrong."""

    status: str
    value: float | bool | None = None
    n: int = 0
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Health:
    status: str
    delivery: Part
    ai: Part
    attribution: Part
    viral: Part
    integrations: Part
    as_of: datetime
    reasons: list[str] = field(default_factory=list)


def look(*, now: datetime) -> Health:
    """The state of marketing in the workspace. What nobody uses is unknown and makes nothing ill."""
    parts = {
        "delivery": _delivery(now),
        "ai": _ai(now),
        "attribution": _attribution(now),
        "viral": _viral(now),
        "integrations": _integrations(),
    }
    found = [part.status for part in parts.values()]
    ill = [part.because for part in parts.values() if part.status in (DEGRADED, UNHEALTHY)]
    status = UNHEALTHY if UNHEALTHY in found else DEGRADED if DEGRADED in found else HEALTHY
    return Health(status=status, as_of=now, reasons=ill, **parts)


def _judged_share(good: int, n: int, bounds: tuple[float, float], *, words: str) -> Part:
    """A share is unhealthy where even the upper end of its exact 95 % interval is: one failure of one
    proves little.
    """
    _, high = clopper_pearson(good, n)
    return _judged(good / n, bounds, at_best=high, n=n, words=words)


def _judged(
    value: float, bounds: tuple[float, float], *, at_best: float | None = None, n: int, words: str
) -> Part:
    good, bad = bounds
    is_bad = (value if at_best is None else at_best) < bad
    status = HEALTHY if value >= good else UNHEALTHY if is_bad else DEGRADED
    return Part(status=status, value=value, n=n, because="" if status == HEALTHY else words)


def _delivery(now: datetime) -> Part:
    recent = Campaign.objects.filter(
        Q(state__in=[Campaign.State.RUNNING, Campaign.State.PAUSED]) | Q(finished_at__gt=now - DAY)
    )
    states = Recipient.State
    counts = Recipient.objects.filter(campaign__in=recent, settled_at__gt=now - DAY).aggregate(
        sent=Count("pk", filter=Q(state=states.SENT)),
        lost=Count("pk", filter=Q(state__in=[states.REFUSED, states.UNCERTAIN])),
    )
    n = counts["sent"] + counts["lost"]
    if not n:
        return Part(status=UNKNOWN, because="Nothing was sent within the last day.")
    words = f"{counts['lost']:,} of {n:,} messages of the last day were refused, or nobody knows their fate."
    return _judged_share(counts["sent"], n, DELIVERY_BOUNDS, words=words)


def _ai(now: datetime) -> Part:
    seen, _ = metrics.window("ai.success", seconds=int(DAY.total_seconds()), now=now)
    if seen.mean is None:
        return Part(status=UNKNOWN, because="No text was asked of a language model within the last day.")
    words = f"{1 - seen.mean:.0%} of {seen.count:,} requests for texts failed within the last day."
    return _judged_share(round(seen.mean * seen.count), seen.count, AI_BOUNDS, words=words)


def _attribution(now: datetime) -> Part:
    state = attribution.look(now=now)
    seen, last = metrics.window("attribution.accuracy", seconds=90_000, now=now)
    if state.reasons:
        return Part(status=DEGRADED, value=last, n=seen.count, because=" ".join(state.reasons))
    if last is None:
        return Part(status=UNKNOWN, because="Attribution was not measured against held-out journeys lately.")
    return _judged(last, ACCURACY_BOUNDS, n=seen.count, words=f"Attribution's accuracy is {last:.2f}.")


def _viral(now: datetime) -> Part:
    figure = figures.of("viral_coefficient", now)
    if figure.value is None:
        return Part(status=UNKNOWN, because=figure.because)
    value = float(figure.value)
    is_low = value < VIRAL_TARGET
    words = f"The viral coefficient is {value:.2f}; its target is {VIRAL_TARGET}."
    return Part(
        status=DEGRADED if is_low else HEALTHY,
        value=value,
        n=figure.n,
        because=words if is_low else "",
    )


def _integrations() -> Part:
    known = Connection.objects.exclude(state__in=STOPPED)
    ill = [one.label for one in known.exclude(state=Connection.State.CONNECTED).order_by("pk")[:5]]
    if not known.exists():
        return Part(status=UNKNOWN, because="Nothing is connected.")
    words = f"{', '.join(ill)}: a person is needed."
    return Part(
        status=DEGRADED if ill else HEALTHY, value=not ill, n=known.count(), because=words if ill else ""
    )


def as_json(found: Health) -> dict[str, object]:
    """As GET /health/marketing answers."""
    names = {
        "campaignDelivery": ("rate", found.delivery),
        "aiContent": ("successRate", found.ai),
        "attribution": ("accuracy", found.attribution),
        "viralCoefficient": ("value", found.viral),
        "integrations": ("all", found.integrations),
    }
    return {
        "status": found.status,
        "asOf": found.as_of,
        "metrics": {
            name: {"status": part.status, field: part.value, "n": part.n, "because": part.because}
            for name, (field, part) in names.items()
        },
    }
