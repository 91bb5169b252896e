"""What campaigns brought on top of sending nothing, over a period: from the groups that they held out."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from math import sqrt

from apps.accounts.models import Workspace
from apps.attribution import questions
from apps.attribution.money import quantise
from apps.campaigns import arm_figures, campaign_reports
from apps.campaigns.bi.figures import MONEY, Figure
from apps.campaigns.maths.arm_sums import Brought
from apps.campaigns.models import Campaign

NONE = "No campaign with a group held out has been sent in this period."


def revenue(workspace: Workspace, start: date, end: date, *, now: datetime) -> Figure:
    """The sum over campaigns whose last message left on these days and whose windows are over. Each drew its
    own lot, so their errors add as squares.
    """
    since, until = questions.period(workspace, start, end)
    sent = Campaign.objects.filter(kind=Campaign.Kind.BROADCAST, lift__isnull=False)
    campaigns = list(sent.filter(finished_at__gte=since, finished_at__lt=until))
    if not campaigns:
        return Figure(unit=MONEY, because=NONE)
    read = campaign_reports.brought_revenue(campaigns, now=now)
    closed = [one for one in read.values() if one.is_final]
    known = [one for one in closed if one.total is not None]
    open_, short = len(campaigns) - len(closed), len(closed) - len(known)
    if not known:
        return Figure(unit=MONEY, because=_because(campaigns, open_=open_, short=short, now=now))
    total = sum(one.total or 0.0 for one in known)
    half = sqrt(sum(_half(one) ** 2 for one in known))
    return Figure(
        unit=MONEY,
        value=quantise(Decimal(repr(total)), workspace.currency),
        low=total - half,
        high=total + half,
        n=len(known),
        what="campaign with a group held out" if len(known) == 1 else "campaigns with a group held out",
        as_of=min(at for at in arm_figures.read_at(campaigns).values()),
        doubt=" ".join(["Of campaigns with a group held out, and of no others.", *_left_out(open_, short)]),
    )


def _half(one: Brought) -> float:
    return 0.0 if one.high is None or one.low is None else (one.high - one.low) / 2


def _because(campaigns: Iterable[Campaign], *, open_: int, short: int, now: datetime) -> str:
    if not open_:
        return "Too few were held out, or too few bought, to say what the campaigns brought."
    ends = [end for one in campaigns if (end := arm_figures.closes_at(one)) is not None and end > now]
    on = f" from {min(ends):%-d %b %Y} on" if ends else " in a few minutes"
    return f"It can be said{on}, when people have had their time to buy."


def _left_out(open_: int, short: int) -> list[str]:
    told = []
    if open_:
        told.append(f"{open_} more {_have(open_)} windows open.")
    if short:
        told.append(f"{short} more {_have(short)} too few held out, or too few who bought.")
    return told


def _have(many: int) -> str:
    return "has" if many == 1 else "have"
