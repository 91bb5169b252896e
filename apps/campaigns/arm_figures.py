"""What became of a campaign's people, summed up by arm: read by pages, and by whoever names the winner.

Summing up a million recipients takes a second or two, so it is done by beat, often while a campaign is
young and seldom later; clicks are counted as they come in (EngagementCount). Once all windows are over, what
comes in late (a refund, an order that a shop sends days after) is taken in each day for LATE_NEWS, and then
they stand.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Coalesce

from apps.accounts import scoping
from apps.attribution.models import Experiment, Exposure
from apps.campaigns import splitting
from apps.campaigns.content import blocks
from apps.campaigns.models import ArmFigures, Campaign, Content, Engagement, EngagementCount, Recipient

# How long figures may be old: while it is sent and on its first day, in its first days, after that, and once
# its windows are over.
FRESH, YOUNG, SETTLED = timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)
LATE = timedelta(days=1)
LATE_NEWS = timedelta(days=30)
# After the last message, when the figures of none change any more: the longest window and the late news.
LONGEST = timedelta(days=90) + LATE_NEWS + timedelta(days=2)
LOGGED_AT_ONCE = 200_000
SUMS = """
    , sums AS (
        SELECT t.arm, t.person_id, count(*) AS n, sum(c.value) AS v
        FROM told AS t JOIN attribution_conversion AS c
          ON c.workspace_id = (SELECT %(workspace)s::bigint) AND c.person_id = t.person_id
         AND c.occurred_at >= t.since AND c.occurred_at < t.until
        WHERE c.is_counted AND (%(goal)s = '' OR c.conversion_type = %(goal)s)
        GROUP BY t.arm, t.person_id)
    SELECT t.arm, count(*), count(s.n), coalesce(sum(s.n), 0), coalesce(sum(s.n * s.n), 0)::float8,
           coalesce(sum(s.v), 0), coalesce(sum(s.v * s.v), 0)::float8
    FROM told AS t LEFT JOIN sums AS s ON s.arm = t.arm AND s.person_id = t.person_id
    GROUP BY t.arm
"""
# Two who turned out to be one were drawn twice: they count for their first, as in every experiment.
# Conversions are the survivor's, and recipients stay who they were.
SENT = """
    WITH told AS (
        SELECT DISTINCT ON (coalesce(p.merged_into_id, r.person_id)) r.content_id AS arm,
               coalesce(p.merged_into_id, r.person_id) AS person_id, r.settled_at AS since,
               r.settled_at + %(window)s::interval AS until
        FROM campaigns_recipient AS r
        LEFT JOIN accounts_person AS p
          ON p.workspace_id = r.workspace_id AND p.id = r.person_id AND p.merged_into_id IS NOT NULL
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id = %(campaign)s
          AND r.state = 'sent' AND r.content_id IS NOT NULL
        ORDER BY coalesce(p.merged_into_id, r.person_id), r.settled_at, r.id)
"""
# As they drew, whatever became of the message: who had none has no window.
DREW_HOURS = """
    WITH told AS (
        SELECT DISTINCT ON (coalesce(p.merged_into_id, r.person_id))
               CASE WHEN r.is_timed THEN 'own_hour' ELSE 'together' END AS arm,
               coalesce(p.merged_into_id, r.person_id) AS person_id, r.settled_at AS since,
               r.settled_at + %(window)s::interval AS until, r.id, r.state
        FROM campaigns_recipient AS r
        LEFT JOIN accounts_person AS p
          ON p.workspace_id = r.workspace_id AND p.id = r.person_id AND p.merged_into_id IS NOT NULL
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id = %(campaign)s
          AND r.is_timed IS NOT NULL
        ORDER BY coalesce(p.merged_into_id, r.person_id), r.id)
"""
# Whom the lot gave what: it is drawn for all alike, and keeps nobody from being sent the message. Of a
# triggered campaign, which has no end, those whose window is over.
DREW_BLOCKS = f"""
    WITH told AS (
        SELECT DISTINCT ON (coalesce(p.merged_into_id, r.person_id))
               CASE WHEN {blocks.PLAIN} THEN 'plain' ELSE 'blocks' END AS arm,
               coalesce(p.merged_into_id, r.person_id) AS person_id, r.settled_at AS since,
               r.settled_at + %(window)s::interval AS until, r.id, r.state
        FROM campaigns_recipient AS r
        JOIN campaigns_content AS c
          ON c.workspace_id = r.workspace_id AND c.id = r.content_id AND c.has_blocks
        LEFT JOIN accounts_person AS p
          ON p.workspace_id = r.workspace_id AND p.id = r.person_id AND p.merged_into_id IS NOT NULL
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id = %(campaign)s
          AND r.state = 'sent' AND r.settled_at + %(window)s::interval <= %(now)s::timestamptz
        ORDER BY coalesce(p.merged_into_id, r.person_id), r.settled_at, r.id)
"""  # noqa: S608 - a fragment of ours
CLICKED = """
    SELECT t.arm, count(*) FILTER (WHERE t.state = 'sent' AND EXISTS (
               SELECT 1 FROM campaigns_engagement AS e
               WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.recipient_id = t.id
                 AND e.kind = 'clicked' AND NOT e.is_machine
                 AND e.occurred_at < t.since + %(window)s::interval)),
           count(*) FILTER (WHERE t.state = 'to_send'), max(t.since) FILTER (WHERE t.state = 'sent')
    FROM told AS t GROUP BY t.arm
"""
# Who was drawn, into which group, and when first: of both kinds of campaign.
DRAWN = """
        SELECT DISTINCT ON (e.person_id) v.key AS arm, e.person_id, e.first_exposed_at AS since
        FROM attribution_exposure AS e
        JOIN attribution_variant AS v ON v.workspace_id = e.workspace_id AND v.id = e.variant_id
        WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.experiment_id = %(experiment)s
          AND e.person_id IS NOT NULL
        ORDER BY e.person_id, e.first_exposed_at, e.id
"""
# Of a broadcast both groups are counted from the lot to the end of the last window: messages leave for hours
# or weeks (a rate, a ramp, a pause), and who got theirs late had no less time than who got none.
MEANT = """
    WITH led AS ({drawn}), told AS (
        SELECT arm, person_id, since, %(until)s::timestamptz AS until FROM led)
"""
# Of a triggered campaign each is counted from when they were led to it: for as long as messages of that day
# took at most to leave (quiet hours, a rate, a pause), and then the window. Who got none has no less time.
LED_TO = """
    WITH led AS ({drawn}), first AS (
        SELECT DISTINCT ON (r.person_id) r.person_id, r.state, r.settled_at
        FROM campaigns_recipient AS r
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id = %(campaign)s
        ORDER BY r.person_id, r.id
    ), waited AS (
        SELECT date_trunc('day', led.since, 'UTC') AS day,
               max(greatest(first.settled_at - led.since, interval '0')) AS longest
        FROM led JOIN first ON first.person_id = led.person_id AND first.state = 'sent'
        GROUP BY 1
    ), told AS (
        SELECT led.arm, led.person_id, led.since,
               least(led.since + coalesce(waited.longest, interval '0') + %(window)s::interval,
                     coalesce(%(until)s::timestamptz, 'infinity')) AS until
        FROM led LEFT JOIN waited ON waited.day = date_trunc('day', led.since, 'UTC'))
"""
MEANT, LED_TO = MEANT.format(drawn=DRAWN), LED_TO.format(drawn=DRAWN)
COLUMNS = ("people", "converted", "conversions", "conversions_squared", "revenue", "revenue_squared")
OF_HOURS = ("clicked", "to_come", "last_sent_at")
NOBODY = (0,) * len(COLUMNS)
KINDS = {
    splitting.MESSAGE: ArmFigures.Kind.MESSAGE,
    splitting.NOTHING: ArmFigures.Kind.HELD_OUT,
}


def refresh(campaign: Campaign, *, now: datetime) -> None:
    """Sum up anew. Delivered twice, it says the same twice."""
    _log_those_who_were_sent(campaign, now=now)
    rows = [*_variants(campaign, now=now), *_lift(campaign, now=now)]
    rows += [*_hours(campaign, now=now), *_blocks(campaign, now=now)]
    with transaction.atomic():
        ArmFigures.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["workspace", "campaign", "kind", "content_id"],
            update_fields=[*COLUMNS, "clicked", "to_come", "last_sent_at", "read_at"],
        )


def is_due(campaign: Campaign, *, read_at: datetime | None, now: datetime) -> bool:
    """Whether its figures are older than they may be."""
    due = due_at(campaign, read_at=read_at, now=now)
    return due is not None and due <= now


def due_at(campaign: Campaign, *, read_at: datetime | None, now: datetime) -> datetime | None:
    """When its figures are to be summed up next; None where they stand. Where the windows end, and where the
    late news does, at once.
    """
    if read_at is None or campaign.launched_at is None:
        return campaign.launched_at
    ends = [end for end in (closes_at(campaign), settles_at(campaign)) if end is not None]
    if ends and read_at > ends[-1]:
        return None
    return min([read_at + _age(campaign, read_at=read_at, now=now), *(end for end in ends if end >= read_at)])


def _age(campaign: Campaign, *, read_at: datetime, now: datetime) -> timedelta:
    over_at, last = closes_at(campaign), now - (campaign.finished_at or now)
    if over_at is not None and read_at > over_at:
        return LATE
    return FRESH if last < timedelta(days=1) else YOUNG if last < timedelta(days=3) else SETTLED


def closes_at(campaign: Campaign) -> datetime | None:
    """When the last window is over; None while it still is sent."""
    if campaign.finished_at is None:
        return None
    return campaign.finished_at + timedelta(days=campaign.goal_days)


def settles_at(campaign: Campaign) -> datetime | None:
    """When what comes in late is no longer taken in; None while it still is sent."""
    closes = closes_at(campaign)
    return None if closes is None else closes + LATE_NEWS


def read_at(campaigns: Iterable[Campaign]) -> dict[int, datetime]:
    """When the figures of each were last summed up."""
    found = ArmFigures.objects.filter(campaign__in=list(campaigns)).values_list("campaign_id")
    return dict(found.annotate(at=Max("read_at")))


def of(campaign: Campaign) -> list[ArmFigures]:
    return list(ArmFigures.objects.filter(campaign=campaign).order_by("kind", "content_id"))


def clickers(campaign: Campaign) -> dict[int, int]:
    """People who clicked, by content; machines are not among them."""
    found = EngagementCount.objects.filter(campaign=campaign, kind=Engagement.Kind.CLICKED)
    return dict(found.values_list("content_id").annotate(people=Sum("people")))


def _variants(campaign: Campaign, *, now: datetime) -> list[ArmFigures]:
    """Of each content, also where nobody was sent it yet."""
    told = {row[0]: row[1:] for row in _asked(SENT, campaign, campaign=campaign.pk)}
    standing = _standing(campaign)
    return [
        _row(
            campaign,
            ArmFigures.Kind.VARIANT,
            told.get(one.pk, NOBODY),
            now=now,
            content_id=one.pk,
            to_come=standing.get(one.pk, (0, None))[0],
            last_sent_at=standing.get(one.pk, (0, None))[1],
        )
        for one in splitting.contents_of(campaign)
    ]


def _standing(campaign: Campaign) -> dict[int, tuple[int, datetime | None]]:
    """Of each content, how many are still to get it, and when it last left."""
    state = Recipient.State
    rows = Recipient.objects.filter(campaign=campaign, content__isnull=False).values_list("content_id")
    found = rows.annotate(
        to_come=Count("pk", filter=Q(state=state.TO_SEND)),
        last=Max("settled_at", filter=Q(state=state.SENT)),
    )
    return {content: (to_come, last) for content, to_come, last in found}


def _lift(campaign: Campaign, *, now: datetime) -> list[ArmFigures]:
    """Both arms from the experiment's log: whatever became of the message, they are compared as drawn."""
    if campaign.lift_id is None:
        return []
    closes = closes_at(campaign)
    if campaign.kind == Campaign.Kind.BROADCAST:
        told = _asked(MEANT, campaign, experiment=campaign.lift_id, until=closes or now)
    else:
        told = _asked(LED_TO, campaign, campaign=campaign.pk, experiment=campaign.lift_id, until=closes)
    return [_row(campaign, KINDS[key], row, now=now) for key, *row in told]


def _hours(campaign: Campaign, *, now: datetime) -> list[ArmFigures]:
    """Those who drew their own hour, and those who drew the common one; nothing before all windows are over,
    because they are compared once, then.
    """
    closes = closes_at(campaign)
    if not campaign.is_time_optimised or closes is None or now <= closes:
        return []
    return _of_two(DREW_HOURS, campaign, now=now)


def _blocks(campaign: Campaign, *, now: datetime) -> list[ArmFigures]:
    """Those who got texts for some, and those who by lot got what is for everybody: like hours, once all
    windows are over; of a triggered campaign as they end.
    """
    closes = closes_at(campaign)
    is_over = closes is not None and now > closes
    if not (is_over or campaign.kind == Campaign.Kind.TRIGGERED) or not has_blocks(campaign):
        return []
    return _of_two(DREW_BLOCKS, campaign, now=now)


def has_blocks(campaign: Campaign) -> bool:
    """Whether it left with texts for some readers alone, and with the lot that measures them."""
    return Content.objects.filter(campaign=campaign, has_blocks=True).exists()


def _of_two(told: str, campaign: Campaign, *, now: datetime) -> list[ArmFigures]:
    """Both arms of a lot, with their clicks."""
    clicks = {
        row[0]: row[1:] for row in _asked(told, campaign, ending=CLICKED, campaign=campaign.pk, now=now)
    }
    return [
        _row(campaign, kind, row, now=now, **dict(zip(OF_HOURS, clicks[kind], strict=True)))
        for kind, *row in _asked(told, campaign, campaign=campaign.pk, now=now)
        if kind in clicks
    ]


def _row(campaign: Campaign, kind: str, figures: Sequence[Any], *, now: datetime, **more: Any) -> ArmFigures:
    named = dict(zip(COLUMNS, figures, strict=True))
    return ArmFigures(
        workspace_id=campaign.workspace_id, campaign=campaign, kind=kind, read_at=now, **named, **more
    )


def _asked(told: str, of: Campaign, /, *, ending: str = SUMS, **more: Any) -> list[tuple[Any, ...]]:
    given = {
        "workspace": scoping.current_id(),
        "window": timedelta(days=of.goal_days),
        "goal": of.goal,
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(told + ending, given)
        return list(cursor.fetchall())


def _log_those_who_were_sent(campaign: Campaign, *, now: datetime) -> None:
    """The test's log: who was sent a variant since it was last written, up to LOGGED_AT_ONCE of them."""
    test = campaign.experiment
    if test is None or test.state != Experiment.State.RUNNING or campaign.kind != Campaign.Kind.BROADCAST:
        return
    last = Exposure.objects.filter(experiment=test).aggregate(last=Max("first_exposed_at"))["last"]
    sent = Recipient.objects.filter(campaign=campaign, state=Recipient.State.SENT, content__isnull=False)
    if last is not None:
        sent = sent.filter(settled_at__gte=last)
    survivor = Coalesce("person__merged_into_id", "person_id")
    columns = sent.order_by("settled_at").values_list(survivor, "content_id", "settled_at")
    rows = list(columns[:LOGGED_AT_ONCE])
    people, contents = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 1))
    splitting.log_sent(campaign, people, contents, [at for _, _, at in rows], now=now)
