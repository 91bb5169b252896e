"""What a variant may come to, foretold from the workspace's own past and held against what came true."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Sum

from apps.campaigns.maths import content_features, content_rates, reliability
from apps.campaigns.maths.content_rates import CLICKED, OPENED, Past, Prior
from apps.campaigns.models import Campaign, Content, Engagement, EngagementCount, Recipient

# Clicks come for days; what was sent later is not read yet.
SETTLES_AFTER = timedelta(days=3)
# Of the newest campaigns that are over; a variant that few got says little.
MOST_CAMPAIGNS = 40
LEAST_PEOPLE = 50
SENT_KEPT_SECONDS = 24 * 3600
Kind = Engagement.Kind


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A rate that is foretold: of all people that were sent the message, who did it."""

    key: str
    kind: str
    prior: Prior
    features: Any
    is_trustworthy: bool


# Privacy proxies open what nobody has seen, and others see what nobody counts.
MEASURES = (
    Measure(
        key="open", kind=Kind.OPENED, prior=OPENED, features=content_features.of_subject, is_trustworthy=False
    ),
    Measure(
        key="click", kind=Kind.CLICKED, prior=CLICKED, features=content_features.of_all, is_trustworthy=True
    ),
)


@dataclass(frozen=True)
class Result:
    """What became of a variant: people it was sent to, and how many did each kind of thing."""

    content: Content
    people: int
    hits: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A rate that was foretold, and the one that came."""

    content: Content
    measure: str
    low: float
    middle: float
    high: float
    came: float
    people: int
    is_prior_only: bool

    @property
    def is_held(self) -> bool:
        return self.low <= self.came <= self.high


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Of one measure: how many intervals of 80 % held what came, with the 95 % interval of that share.

    error: the mean distance between what was foretold and what came, in shares. high, low: how many came
    above and below their interval.
    """

    measure: str
    is_trustworthy: bool
    count: int
    held: int
    share: float | None
    share_low: float
    share_high: float
    error: float | None
    above: int
    below: int
    prior_only: int
    rows: Sequence[Scored]


def foretell(campaign: Campaign, contents: Sequence[Content], *, now: datetime) -> list[dict[str, Any]]:
    """For each content: rates with their 10, 50 and 90 % quantiles, and from how many campaigns."""
    if not contents:
        return []
    known = [one for one in results(now=now) if one.content.campaign_id != campaign.pk]
    people = _people_each(campaign, len(contents))
    found = {one.key: _predicted(one, contents, known, people) for one in MEASURES}
    return [
        {
            "at": now.isoformat(),
            "people": people,
            "campaigns": found["click"].campaigns,
            "is_prior_only": found["click"].is_prior_only,
            **{one.key: _quantiles(found[one.key], place, one) for one in MEASURES},
        }
        for place in range(len(contents))
    ]


def _quantiles(found: content_rates.Predicted, place: int, measure: Measure) -> dict[str, Any]:
    return {
        "low": round(float(found.low[place]), 6),
        "middle": round(float(found.middle[place]), 6),
        "high": round(float(found.high[place]), 6),
        "is_trustworthy": measure.is_trustworthy,
    }


def _predicted(
    measure: Measure, contents: Sequence[Content], known: Sequence[Result], people: float | None
) -> content_rates.Predicted:
    past = Past(
        [one.hits[measure.key] for one in known],
        [one.people for one in known],
        [one.content.campaign_id for one in known],
        _features(measure, [one.content for one in known]),
    )
    return content_rates.predict(_features(measure, contents), past, measure.prior, people=people)


def _features(measure: Measure, contents: Sequence[Content]) -> Any:
    rows = [measure.features(_text(one)) for one in contents]
    width = len(content_features.OF_SUBJECT)
    return np.array(rows) if rows else np.empty((0, width))


def _text(content: Content) -> content_features.Text:
    return content_features.Text(
        subject=content.subject,
        preheader=content.preheader,
        body=content.body,
        has_button=bool(content.cta_label and content.cta_url),
    )


def _people_each(campaign: Campaign, contents: int) -> float | None:
    """How many will get each, as the audience was counted last; None where nobody has counted."""
    whole = campaign.recipients or (campaign.audience.people if campaign.audience else None)
    return max(1.0, whole * (1 - campaign.hold_out_share) / contents) if whole else None


def results(*, now: datetime) -> list[Result]:
    """Variants of the newest campaigns that are over, with what became of each; machines are not counted."""
    over = Campaign.objects.filter(state=Campaign.State.DONE, finished_at__lt=now - SETTLES_AFTER)
    campaigns = list(over.order_by("-pk")[:MOST_CAMPAIGNS])
    sent = {content: people for one in campaigns for content, people in _sent(one).items()}
    hits = _hits(campaigns)
    contents = Content.objects.filter(campaign__in=campaigns).select_related("campaign").order_by("-pk")
    return [
        Result(one, people, {key: min(people, count) for key, count in _of(hits, one.pk).items()})
        for one in contents
        if (people := sent.get(one.pk, 0)) >= LEAST_PEOPLE
    ]


def _of(hits: dict[tuple[int, str], int], content_id: int) -> dict[str, int]:
    return {one.key: hits.get((content_id, one.kind), 0) for one in MEASURES}


def _sent(campaign: Campaign) -> dict[int, int]:
    """People by content. What is over does not change, and counting a million rows takes its time."""
    over_at = campaign.finished_at.timestamp() if campaign.finished_at else 0.0
    key = f"content.sent:{campaign.workspace_id}:{campaign.pk}:{over_at}"
    known: dict[int, int] | None = cache.get(key)
    if known is None:
        rows = Recipient.objects.filter(campaign=campaign, state=Recipient.State.SENT, content__isnull=False)
        known = dict(rows.order_by().values_list("content_id").annotate(count=Count("pk")))
        cache.set(key, known, SENT_KEPT_SECONDS)
    return known


def _hits(campaigns: Sequence[Campaign]) -> dict[tuple[int, str], int]:
    """People by content and kind, each once; EngagementCount.people leaves machines out."""
    rows = EngagementCount.objects.filter(campaign__in=campaigns, kind__in=[one.kind for one in MEASURES])
    counted = rows.order_by().values_list("content_id", "kind").annotate(total=Sum("people"))
    return {(content, kind): total for content, kind, total in counted}


def calibration(*, now: datetime) -> list[Calibration]:
    """What was foretold at the approval, against what came, for each measure."""
    known = [one for one in results(now=now) if one.content.prediction]
    return [_calibrated(measure, known) for measure in MEASURES]


def _calibrated(measure: Measure, known: Sequence[Result]) -> Calibration:
    rows = [_scored(measure, one) for one in known if measure.key in one.content.prediction]
    held = sum(one.is_held for one in rows)
    low, high = reliability.rate_interval(held, len(rows))
    return Calibration(
        measure=measure.key,
        is_trustworthy=measure.is_trustworthy,
        count=len(rows),
        held=held,
        share=held / len(rows) if rows else None,
        share_low=low,
        share_high=high,
        error=sum(abs(one.middle - one.came) for one in rows) / len(rows) if rows else None,
        above=sum(one.came > one.high for one in rows),
        below=sum(one.came < one.low for one in rows),
        prior_only=sum(one.is_prior_only for one in rows),
        rows=rows,
    )


def _scored(measure: Measure, one: Result) -> Scored:
    told = one.content.prediction
    return Scored(
        content=one.content,
        measure=measure.key,
        low=told[measure.key]["low"],
        middle=told[measure.key]["middle"],
        high=told[measure.key]["high"],
        came=one.hits[measure.key] / one.people,
        people=one.people,
        is_prior_only=told["is_prior_only"],
    )
