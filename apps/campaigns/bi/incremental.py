"""What campaigns brought on top of sending nothing, over a period: from the groups that they held out."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from math import sqrt

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value

from apps.accounts.models import Workspace
from apps.attribution import questions
from apps.attribution.money import quantise
from apps.campaigns import arm_figures, campaign_reports
from apps.campaigns.bi.figures import MONEY, Figure
from apps.campaigns.maths.arm_sums import Brought
from apps.campaigns.models import Campaign

NONE = "No campaign with a group held out came to its end in this period."
CLOSES = ExpressionWrapper(
    F("finished_at") + ExpressionWrapper(F("goal_days") * Value(timedelta(days=1)), DurationField()),
    DateTimeField(),
)


def revenue(workspace: Workspace, start: date, end: date, *, now: datetime) -> Figure:
    """The sum over campaigns whose last window ended on these days: each counts once, in the period in which
    it could first be said. Each drew its own lot, so their errors add as squares.
    """
    since, until = questions.period(workspace, start, end)
    by = now if until is None else min(until, now)
    sent = Campaign.objects.filter(kind=Campaign.Kind.BROADCAST, lift__isnull=False).annotate(closes=CLOSES)
    ended = list(sent.filter(closes__gte=since, closes__lt=by))
    later = Q(finished_at=None) | Q(closes__gte=by)
    open_ = sent.filter(later, launched_at__lt=by).count()
    read = campaign_reports.brought_revenue(ended, now=now)
    known = [one for one in read.values() if one.is_final and one.total is not None]
    short = len(ended) - len(known)
    if not known:
        return Figure(unit=MONEY, because=_because(short, open_))
    total = sum(one.total or 0.0 for one in known)
    half = sqrt(sum(_half(one) ** 2 for one in known))
    return Figure(
        unit=MONEY,
        value=quantise(Decimal(repr(total)), workspace.currency),
        low=total - half,
        high=total + half,
        n=len(known),
        what="campaign with a group held out" if len(known) == 1 else "campaigns with a group held out",
        as_of=min(arm_figures.read_at(ended).values()),
        doubt=" ".join(["Of campaigns with a group held out, and of no others.", *_left_out(short, open_)]),
    )


def _half(one: Brought) -> float:
    return 0.0 if one.high is None or one.low is None else (one.high - one.low) / 2


def _because(short: int, open_: int) -> str:
    return " ".join(_left_out(short, open_, more="")) or NONE


def _left_out(short: int, open_: int, *, more: str = " more") -> list[str]:
    told = []
    if short:
        told.append(f"Of {short}{more} too few were held out, or too few bought, to say it.")
    if open_:
        is_are = "has its" if open_ == 1 else "have their"
        told.append(f"{open_}{more} {is_are} windows still open.")
    return told
