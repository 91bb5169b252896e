"""Sentences about campaigns: what one has come to, and what the list says at first."""

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.accounts.figures import count, money, number, percent
from apps.campaigns import splitting
from apps.campaigns.arm_figures import LATE_NEWS
from apps.campaigns.campaign_checks import REASONS, WHEN
from apps.campaigns.campaign_reports import Line as ListLine
from apps.campaigns.campaign_reports import Report
from apps.campaigns.content import preview
from apps.campaigns.content.sandbox import BadTemplate
from apps.campaigns.delivery import timing
from apps.campaigns.maths.arm_sums import Brought
from apps.campaigns.models import Campaign
from apps.campaigns.wording import Line

State = Campaign.State
SKIPPED = {
    **REASONS,
    "cancelled": "were left when it was cancelled",
    "capped": "had as many messages as the cap allows",
    "held_out": "are held out",
    "left_journey": "left the journey before it went",
    "no_content": "drew no variant",
    "merged": "turned out to be somebody who gets it",
}
OF_ONE = {"are": "is", "have": "has", "were": "was"}
# Below this chance of being the best nobody is said to be ahead.
AHEAD = 0.6


def headline(report: Report, currency: str) -> Line:
    """The answer to: what did it do?"""
    campaign = report.campaign
    if campaign.state == State.DRAFT:
        return Line(f"{campaign.name} is", "a draft", "and has gone to nobody.")
    if campaign.state == State.SCHEDULED:
        return Line(f"{campaign.name} goes to", f"about {number(campaign.recipients)} people", "at its time.")
    if not report.recipients and campaign.kind == Campaign.Kind.TRIGGERED:
        return Line("Ready, and has gone to", "nobody", "yet: no journey has led anybody to it.")
    if not report.recipients:
        return Line(f"{campaign.name} is", "being prepared:", "its people are being written down.")
    settled = report.recipients - report.held_out
    sent = f"Sent to {number(report.sent)} of {number(settled)};"
    brought = _brought(report.brought_revenue, currency) or _of_conversions(report.brought_conversions)
    if brought is not None:
        return Line(f"{sent} {_variants(report)}the campaign brought".strip(), *brought)
    if report.leader is not None and _is_ahead(report):
        key = report.leader.content.key
        return Line(f"{sent} variant", key, f"is {'the winner' if campaign.winner == key else 'ahead'}.")
    clicked = count(report.heard.clicked, "person", "people")
    return Line(sent, clicked, "clicked so far." if campaign.state != State.DONE else "clicked.")


def brought_words(found: Brought | None, currency: str, *, is_money: bool) -> str:
    """What the message brought, or why that is not known, in one sentence."""
    if found is None:
        return "Nobody was held out, so nobody knows what would have happened without it."
    if found.total is None:
        more = f" About {number(found.more_people)} more people would be enough." if found.more_people else ""
        return f"Not enough data yet: {found.because}{more}"
    tell = (lambda value: money(value, currency)) if is_money else number
    figure, ends, more = _told(found, tell, "less" if is_money else "fewer")
    among = f"{number(found.people)} written to against {number(found.held_out)} held out"
    when = "all windows are over" if found.is_final else "so far; holds however often it is looked at"
    chance = ", which may be chance" if _may_be_chance(found) else ""
    return (
        f"{figure} {more} than sending nothing ({ends}, {percent(found.level, 0)}){chance}; {among}; {when}."
    )


def _told(found: Brought, tell: Callable[[float], str], less: str) -> tuple[str, str, str]:
    """The figure, its interval, and whether that is more or less: both on the side of the figure."""
    total, low, high = found.total or 0.0, found.low or 0.0, found.high or 0.0
    if total < 0:
        return tell(-total), f"{tell(-high)} to {tell(-low)}", less
    return tell(total), f"{tell(low)} to {tell(high)}", "more"


def _may_be_chance(found: Brought) -> bool:
    return (found.low or 0) <= 0 <= (found.high or 0)


def own_hours_words(found: Brought | None, judged_by: str) -> str:
    """What each one's own hour brought against the common one; empty where none was chosen."""
    return _lot_words(found, judged_by, "than at the common hour", "at their own hour", "at the common one")


def blocks_words(found: Brought | None, judged_by: str) -> str:
    """What texts for some readers brought against what is for everybody; empty where there are none."""
    plain = "with what is for everybody"
    return _lot_words(found, judged_by, f"than {plain}", "with texts for some", plain)


def _lot_words(found: Brought | None, judged_by: str, more: str, drew: str, others: str) -> str:
    """A fifth by lot against the rest."""
    if found is None:
        return ""
    if found.total is None:
        return f"Not yet: {found.because}"
    did = "clicked" if judged_by == splitting.CLICK else "reached the goal"
    figure, ends, side = _told(found, number, "fewer")
    ends = f"{ends}, {percent(found.level, 0)}"
    chance = ", which may be chance" if _may_be_chance(found) else ""
    among = f"{number(found.people)} {drew} against {number(found.held_out)} by lot {others}"
    until = "all windows are over" if found.is_final else "of those whose window is over"
    return f"{figure} {side} people {did} {more} ({ends}){chance}; {among}; {until}."


def settled_words(report: Report) -> str:
    """How much of a last word the figures are."""
    if report.closes_at is None:
        return ""
    closes = f"{timezone.localtime(report.closes_at):%-d %b %Y}"
    settles = f"{timezone.localtime(report.closes_at + LATE_NEWS):%-d %b %Y}"
    if not report.is_closed:
        return f"Windows are open until {closes}."
    if not report.is_settled:
        return f"Windows closed on {closes}; refunds and late orders are taken in each day until {settles}."
    return f"Final: all that came in until {settles} is in it, and nothing later."


def subject_words(subject: str) -> str:
    """A subject for a heading: as somebody of whom everything is known reads it, made up; as it was written
    where that says nothing.
    """
    try:
        return preview.example_of(subject) or subject
    except BadTemplate:
        return subject


def skipped_words(skipped: dict[str, int]) -> list[tuple[str, int]]:
    """Why people got nothing, the commonest first."""
    named = [
        (why_words(reason) if many == 1 else _reason_words(reason), many) for reason, many in skipped.items()
    ]
    return sorted(named, key=lambda pair: -pair[1])


def why_words(reason: str) -> str:
    """The same of one person alone."""
    verb, _, rest = _reason_words(reason).partition(" ")
    return f"{OF_ONE.get(verb, verb)} {rest}".strip()


def _reason_words(reason: str) -> str:
    return SKIPPED.get(reason, reason.replace("_", " "))


def hours_words(report: Report, zone: ZoneInfo, *, now: datetime) -> str:
    """Until when messages wait for its hours, by the workspace's clock, or each for their own; else empty."""
    if report.campaign.state != State.RUNNING or not report.to_send:
        return ""
    if report.campaign.is_time_optimised:
        return "The others get it at the hour at which they click, the last within a day."
    opens = timing.may_leave_at(report.campaign, "", zone, now=now)
    if opens <= now:
        return ""
    return (
        f"Outside its hours: the others wait until {opens.astimezone(zone):{WHEN}}, where the clock is ours."
    )


def list_line(lines: Sequence[ListLine]) -> Line:
    at_work = [one for one in lines if one.campaign.state == State.RUNNING]
    running = [one for one in at_work if one.campaign.kind == Campaign.Kind.BROADCAST]
    paused = [one for one in lines if one.campaign.state == State.PAUSED]
    if running:
        left = sum(one.total - one.done for one in running)
        verb = "is" if len(running) == 1 else "are"
        return Line("", count(len(running), "campaign"), f"{verb} being sent; {number(left)} messages to go.")
    if paused:
        return Line("", count(len(paused), "campaign"), "is paused." if len(paused) == 1 else "are paused.")
    if at_work:
        verb = "goes" if len(at_work) == 1 else "go"
        return Line("", count(len(at_work), "campaign"), f"{verb} to whoever a journey leads there.")
    drafts = sum(one.campaign.state == State.DRAFT for one in lines)
    if drafts:
        return Line("Nothing is being sent;", count(drafts, "draft"), "to finish.")
    return Line("", "Nothing", "is being sent.")


def _brought(found: Brought | None, currency: str) -> tuple[str, str] | None:
    if found is None or found.total is None:
        return None
    figure, ends, more = _told(found, lambda value: money(value, currency), "less")
    return figure, _than_nothing(found, ends, more)


def _of_conversions(found: Brought | None) -> tuple[str, str] | None:
    if found is None or found.total is None:
        return None
    figure, ends, more = _told(found, number, "fewer")
    return f"{figure} conversions", _than_nothing(found, ends, more)


def _than_nothing(found: Brought, ends: str, more: str) -> str:
    if _may_be_chance(found):
        return f"{more} than sending nothing ({ends}), which may be chance."
    return f"({ends}) {more} than sending nothing."


def _variants(report: Report) -> str:
    leader = report.leader
    if report.campaign.winner:
        return f"variant {report.campaign.winner} won; "
    return f"variant {leader.content.key} is ahead; " if leader is not None and _is_ahead(report) else ""


def _is_ahead(report: Report) -> bool:
    judged = report.leader.judged if report.leader is not None else None
    return judged is not None and (judged.p_best or 0.0) >= AHEAD
