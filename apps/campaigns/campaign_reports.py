"""What became of a campaign: read in a few milliseconds from sums, however many people it went to.

Never judged by opens: mail clients and scanners open everything. Clicks are of people; what machines clicked
is counted beside them, and in nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from apps.attribution.maths.experiments import proportions
from apps.attribution.maths.experiments.readings import ArmReading, Reading
from apps.campaigns import arm_figures, delivery, splitting
from apps.campaigns.content import blocks
from apps.campaigns.delivery.timing import CONTROL_SHARE
from apps.campaigns.maths import arm_sums
from apps.campaigns.maths.arm_sums import Brought, Sums
from apps.campaigns.models import ArmFigures, Campaign, Content, Engagement, EngagementCount

Kind, BROADCAST = Engagement.Kind, Campaign.Kind.BROADCAST
HOURS = 2_000


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was heard of messages: people, but for machine_clicks, which are events."""

    delivered: int = 0
    clicked: int = 0
    machine_clicks: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    replied: int = 0


@dataclass(frozen=True, kw_only=True)
class VariantReport:
    """One variant. sent, converted, revenue: as of the report's read_at. click_rate: of those sent, with its
    95 % interval. judged: its odds by what the campaign is judged by; None before there is anything.
    """

    content: Content
    sent: int
    to_come: int
    heard: Heard
    converted: int
    conversions: int
    revenue: Decimal
    click_rate: float | None
    click_low: float | None
    click_high: float | None
    judged: ArmReading | None
    is_winner: bool

    @property
    def prediction(self) -> dict[str, Any]:
        return dict(self.content.prediction or {})


@dataclass(frozen=True, kw_only=True)
class Report:
    """recipients: everybody of the snapshot, those held out among them. read_at: when conversions and the
    like were summed up; None before the first time. brought_*: what the message brought on top of nothing;
    None where nobody was held out. own_hours: how many more clicked, or reached the goal, for having got it
    at their own hour; None where nobody's hour is chosen. blocks: the same for texts that some readers alone
    get; None where there are none. closes_at: the end of the last window; settles_at:
    until when what comes in late is taken in; both None while it is sent. is_closed, is_settled: read_at is
    later.
    """

    campaign: Campaign
    recipients: int
    to_send: int
    waiting: int
    held_out: int
    sent: int
    refused: int
    uncertain: int
    skipped: dict[str, int]
    heard: Heard
    converted: int
    conversions: int
    revenue: Decimal
    variants: list[VariantReport]
    reading: Reading | None
    brought_conversions: Brought | None
    brought_revenue: Brought | None
    own_hours: Brought | None
    blocks: Brought | None
    read_at: datetime | None
    closes_at: datetime | None
    settles_at: datetime | None
    is_closed: bool
    is_settled: bool
    hours: list["Hour"] = field(default_factory=list)

    @property
    def was_skipped(self) -> int:
        return sum(self.skipped.values())

    @property
    def leader(self) -> VariantReport | None:
        """Whose odds of being the best are highest; None while nobody's are known."""
        known = [(one.judged.p_best, one) for one in self.variants if one.judged and one.judged.p_best]
        return max(known, key=lambda pair: pair[0])[1] if known else None


@dataclass(frozen=True, kw_only=True)
class Count:
    """Engagement of a kind with a content, over all hours."""

    content_id: int
    kind: str
    people: int
    machine: int


@dataclass(frozen=True, kw_only=True)
class Hour:
    """People who clicked for the first time in an hour, by the variant's key."""

    hour: datetime
    clicked: dict[str, int]


def read(campaign: Campaign, *, now: datetime) -> Report:
    """Everything that the page and the API tell of one campaign."""
    contents, figures = splitting.contents_of(campaign), arm_figures.of(campaign)
    counts = _counts(campaign)
    progress, reading = delivery.progress(campaign), _reading(campaign, contents, figures, counts)
    variants = _variants(campaign, contents, figures, counts, reading)
    closes, settles = arm_figures.closes_at(campaign), arm_figures.settles_at(campaign)
    read_at = max((one.read_at for one in figures), default=None)
    is_final = _is_final(closes, read_at, now=now)
    return Report(
        campaign=campaign,
        recipients=_recipients(campaign, progress),
        to_send=progress.to_send,
        waiting=progress.waiting,
        held_out=progress.held_out,
        sent=progress.sent,
        refused=progress.refused,
        uncertain=progress.uncertain,
        skipped=dict(progress.skipped),
        heard=_heard(counts),
        converted=sum(one.converted for one in variants),
        conversions=sum(one.conversions for one in variants),
        revenue=sum((one.revenue for one in variants), Decimal(0)),
        variants=variants,
        reading=reading,
        brought_conversions=_brought(campaign, figures, "conversions", is_final=is_final),
        brought_revenue=_brought(campaign, figures, "revenue", is_final=is_final),
        own_hours=_own_hours(campaign, figures, closes, is_final=is_final),
        blocks=_blocks(campaign, contents, figures, closes, is_final=is_final),
        read_at=read_at,
        closes_at=closes,
        settles_at=settles,
        is_closed=is_final,
        is_settled=is_final and settles is not None and read_at is not None and read_at > settles,
        hours=_hours(campaign, contents),
    )


def brought_revenue(campaigns: Sequence[Campaign], *, now: datetime) -> dict[int, Brought]:
    """What each of them brought on top of nothing, by campaign; without those where nobody was held out."""
    figures: dict[int, list[ArmFigures]] = {one.pk: [] for one in campaigns}
    for row in ArmFigures.objects.filter(campaign__in=list(figures)):
        figures[row.campaign_id].append(row)
    found = {}
    for one in campaigns:
        read_at = max((row.read_at for row in figures[one.pk]), default=None)
        is_final = _is_final(arm_figures.closes_at(one), read_at, now=now)
        found[one.pk] = _brought(one, figures[one.pk], "revenue", is_final=is_final)
    return {campaign: brought for campaign, brought in found.items() if brought is not None}


def _is_final(closes: datetime | None, read_at: datetime | None, *, now: datetime) -> bool:
    """Figures from before the last window was over are no last word, however late it is."""
    return closes is not None and read_at is not None and min(now, read_at) > closes


def _recipients(campaign: Campaign, progress: delivery.Progress) -> int:
    """Of a triggered campaign there is no snapshot: whoever was led to it until now."""
    if campaign.kind == BROADCAST:
        return campaign.recipients
    left = progress.to_send + progress.waiting + progress.held_out
    return left + progress.sent + progress.refused + progress.uncertain + sum(progress.skipped.values())


def _variants(
    campaign: Campaign,
    contents: Iterable[Content],
    figures: Iterable[ArmFigures],
    counts: Sequence[Count],
    reading: Reading | None,
) -> list[VariantReport]:
    rows = {one.content_id: one for one in figures if one.kind == ArmFigures.Kind.VARIANT}
    judged = {arm.name: arm for arm in reading.arms} if reading is not None else {}
    return [
        _variant(
            campaign,
            one,
            rows.get(one.pk, ArmFigures()),
            _heard(count for count in counts if count.content_id == one.pk),
            judged.get(one.key),
        )
        for one in contents
    ]


def _variant(
    campaign: Campaign, one: Content, row: ArmFigures, heard: Heard, judged: ArmReading | None
) -> VariantReport:
    clicked = min(heard.clicked, row.people)  # clicks are counted at once, who was sent it a little later
    low, high = proportions.wilson(clicked, row.people) if row.people else (None, None)
    return VariantReport(
        content=one,
        sent=row.people,
        to_come=row.to_come,
        heard=heard,
        converted=row.converted,
        conversions=row.conversions,
        revenue=Decimal(row.revenue),
        click_rate=clicked / row.people if row.people else None,
        click_low=low,
        click_high=high,
        judged=judged,
        is_winner=bool(campaign.winner) and campaign.winner == one.key,
    )


def _reading(
    campaign: Campaign,
    contents: list[Content],
    figures: Iterable[ArmFigures],
    counts: Iterable[Count],
) -> Reading | None:
    rows = {one.content_id: one for one in figures if one.kind == ArmFigures.Kind.VARIANT}
    clickers: dict[int, int] = {}
    for one in counts:
        if one.kind == Kind.CLICKED:
            clickers[one.content_id] = clickers.get(one.content_id, 0) + one.people
    return arm_sums.read_variants(splitting.sums(campaign, contents, rows, clickers))


def _heard(counts: Iterable[Count]) -> Heard:
    people, machine = dict.fromkeys(Kind.values, 0), 0
    for one in counts:
        people[one.kind] += one.people
        machine += one.machine if one.kind == Kind.CLICKED else 0
    return Heard(
        delivered=people[Kind.DELIVERED],
        clicked=people[Kind.CLICKED],
        machine_clicks=machine,
        bounced=people[Kind.BOUNCED],
        complained=people[Kind.COMPLAINED],
        unsubscribed=people[Kind.UNSUBSCRIBED],
        replied=people[Kind.REPLIED],
    )


def _brought(
    campaign: Campaign, figures: Iterable[ArmFigures], what: str, *, is_final: bool
) -> Brought | None:
    """Of both arms of the lift, as they were drawn; once a message has left, for before that nothing can have
    been brought.
    """
    rows = {one.kind: one for one in figures}
    message, nothing = rows.get(ArmFigures.Kind.MESSAGE), rows.get(ArmFigures.Kind.HELD_OUT)
    share = campaign.hold_out_share
    if message is None or nothing is None:
        return None if campaign.lift_id is None else _not_summed_up(share)
    told, held_out = _sums(message, what, 1 - share), _sums(nothing, what, share)
    has_left = any(one.people for one in figures if one.kind == ArmFigures.Kind.VARIANT)
    if not is_final and not has_left:
        return arm_sums.not_yet(told, held_out, "No message has left.")
    return arm_sums.brought(told, held_out, is_final=is_final)


def _not_summed_up(share: float) -> Brought:
    told = Sums(name="The group written to", people=0, total=0, share=1 - share)
    nothing = Sums(name="The group held out", people=0, total=0, share=share)
    return arm_sums.not_yet(told, nothing, "It is summed up a minute or two after it left.")


def _own_hours(
    campaign: Campaign, figures: Iterable[ArmFigures], closes: datetime | None, *, is_final: bool
) -> Brought | None:
    """Of those who drew an hour, by what the campaign is judged by. Read once, when everybody's window is
    over: before that those who got it later had less time.
    """
    if not campaign.is_time_optimised or campaign.launched_at is None or campaign.kind != BROADCAST:
        return None
    rows = {one.kind: one for one in figures}
    own, together = rows.get(ArmFigures.Kind.OWN_HOUR), rows.get(ArmFigures.Kind.TOGETHER)
    what = _judged_by(campaign)
    drew = _of_hour(own, what, "Own hours", 1 - CONTROL_SHARE)
    common = _of_hour(together, what, "The common hour", CONTROL_SHARE)
    if because := _not_yet_of_hours(campaign, drew, common, closes, is_final=is_final):
        return arm_sums.not_yet(drew, common, because)
    return arm_sums.brought(drew, common, is_final=True)


def _judged_by(campaign: Campaign) -> str:
    return "clicked" if splitting.judged_by(campaign) == splitting.CLICK else "converted"


def _blocks(
    campaign: Campaign,
    contents: Iterable[Content],
    figures: Iterable[ArmFigures],
    closes: datetime | None,
    *,
    is_final: bool,
) -> Brought | None:
    """Of those who were sent texts for some: a triggered campaign is read as its windows end, by the interval
    that holds however often one looks.
    """
    if campaign.launched_at is None or not any(one.has_blocks for one in contents):
        return None
    rows, what = {one.kind: one for one in figures}, _judged_by(campaign)
    own = _of_hour(rows.get(ArmFigures.Kind.BLOCKS), what, "Texts for some", 1 - blocks.CONTROL_SHARE)
    plain = _of_hour(rows.get(ArmFigures.Kind.PLAIN), what, "What is for everybody", blocks.CONTROL_SHARE)
    is_over = is_final or campaign.kind == Campaign.Kind.TRIGGERED
    if because := _not_yet_of_blocks(campaign, own, plain, closes, is_over=is_over):
        return arm_sums.not_yet(own, plain, because)
    return arm_sums.brought(own, plain, is_final=is_final)


def _not_yet_of_blocks(
    campaign: Campaign, own: Sums, plain: Sums, closes: datetime | None, *, is_over: bool
) -> str:
    if not is_over:
        return _until(campaign, closes)
    return "Too few were sent one of the two." if min(own.people, plain.people) < 2 else ""


def _until(campaign: Campaign, closes: datetime | None) -> str:
    after = f"{campaign.goal_days:g} days after the last"
    until = after if closes is None else f"on {closes:%-d %b %Y}"
    return f"It is read once, when the last window is over: {until}."


def _not_yet_of_hours(
    campaign: Campaign, drew: Sums, common: Sums, closes: datetime | None, *, is_final: bool
) -> str:
    """Why hours are not compared; empty where they are."""
    if not is_final:
        return _until(campaign, closes)
    if not drew.people and not common.people:
        return "No hours were drawn by lot, or it left before it was written down who drew one."
    return "Too few drew one of the two hours." if min(drew.people, common.people) < 2 else ""


def _of_hour(row: ArmFigures | None, what: str, name: str, share: float) -> Sums:
    if row is None:
        return Sums(name=name, people=0, total=0, is_rate=True, share=share)
    return Sums(name=name, people=row.people, total=getattr(row, what), is_rate=True, share=share)


def _sums(row: ArmFigures, what: str, share: float) -> Sums:
    return Sums(
        name="The group held out" if row.kind == ArmFigures.Kind.HELD_OUT else "The group written to",
        people=row.people,
        total=float(getattr(row, what)),
        squared=getattr(row, f"{what}_squared"),
        share=share,
    )


def _counts(campaign: Campaign) -> list[Count]:
    rows = EngagementCount.objects.filter(campaign=campaign).values_list("content_id", "kind")
    found = rows.annotate(people=Sum("people"), machine=Sum("machine"))
    return [Count(content_id=one[0], kind=one[1], people=one[2], machine=one[3]) for one in found]


def _hours(campaign: Campaign, contents: Iterable[Content]) -> list[Hour]:
    """Of the first HOURS in which anybody clicked."""
    keys = {one.pk: one.key for one in contents}
    rows = EngagementCount.objects.filter(campaign=campaign, kind=Kind.CLICKED, content_id__in=list(keys))
    found: dict[datetime, dict[str, int]] = {}
    for hour, content_id, people in rows.order_by("hour").values_list("hour", "content_id", "people")[:HOURS]:
        found.setdefault(hour, {})[keys[content_id]] = people
    return [Hour(hour=hour, clicked=clicked) for hour, clicked in found.items()]


# The list


@dataclass(frozen=True, kw_only=True)
class Line:
    """A campaign in the list. done: settled recipients of all that are to be settled."""

    campaign: Campaign
    progress: delivery.Progress | None
    done: int
    total: int
    clicked: int


def lines(campaigns: list[Campaign]) -> list[Line]:
    """With how far each has come; drafts have nothing to tell."""
    ids = [one.pk for one in campaigns if one.launched_at is not None]
    clicks = dict(
        EngagementCount.objects.filter(campaign__in=ids, kind=Kind.CLICKED)
        .values_list("campaign_id")
        .annotate(people=Sum("people"))
    )
    return [_line(one, clicks.get(one.pk, 0)) for one in campaigns]


def _line(campaign: Campaign, clicked: int) -> Line:
    if campaign.launched_at is None:
        return Line(campaign=campaign, progress=None, done=0, total=campaign.recipients, clicked=0)
    progress = delivery.progress(campaign)
    done = progress.sent + progress.refused + progress.uncertain + sum(progress.skipped.values())
    total = done + progress.to_send + progress.waiting
    return Line(campaign=campaign, progress=progress, done=done, total=total, clicked=clicked)
