"""What campaigns did, as arrays: one row a campaign, one column a day of the accounts' calendars."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.attribution import exchange
from apps.attribution.exchange import Purse
from apps.integrations.models import AdCampaign, AdCreativeDay, AdDay, AdSegmentDay

Floats = NDArray[np.float64]
DAYS = 90
METRICS = ("spend", "impressions", "clicks", "conversions", "conversion_value")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Shape (campaigns, days) each; money in the workspace's currency; nan where a day is not known.

    A day without spend between known days is a day on which the campaign rested: zeros.
    """

    campaigns: Sequence[AdCampaign]
    first_day: date
    spend: Floats
    impressions: Floats
    clicks: Floats
    conversions: Floats
    conversion_value: Floats
    # Why a campaign is left out, by its key.
    left_out: dict[int, str]
    purse: Purse

    @property
    def days(self) -> int:
        return int(self.spend.shape[1])

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    @property
    def known_from(self) -> date:
        """The first day of which anything is known; the first of all where nothing is."""
        known = self._known
        return self.first_day + timedelta(days=int(known[0]) if known.size else 0)

    @property
    def known_until(self) -> date:
        """The last day of which anything is known; the last of all where nothing is."""
        known = self._known
        return self.first_day + timedelta(days=int(known[-1]) if known.size else self.days - 1)

    @property
    def _known(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.isfinite(self.spend).any(axis=0))


@dataclass(frozen=True, kw_only=True)
class Part:
    """A segment or an ad of a campaign with its days: arrays of shape (days,), as Figures has them."""

    campaign_id: int
    key: str
    name: str
    first_day: date
    spend: Floats
    impressions: Floats
    clicks: Floats
    conversions: Floats
    conversion_value: Floats
    # How often one person saw it that day, on average; nan where the platform does not say.
    frequency: Floats


def load(*, until: date, days: int = DAYS) -> Figures:
    """The days up to and with `until`, of every campaign that has not ended."""
    since = until - timedelta(days=days - 1)
    purse = exchange.purse()
    running = AdCampaign.objects.exclude(status=AdCampaign.Status.ENDED).select_related("connection")
    campaigns = list(running.order_by("pk"))
    left_out = {
        one.pk: purse.what_is_missing(one.currency)
        for one in campaigns
        if one.currency and purse.rate(one.currency) is None
    }
    kept = [one for one in campaigns if one.pk not in left_out]
    rows = AdDay.objects.filter(on__gte=since, on__lte=until, campaign__in=[one.pk for one in kept])
    places = {(one.pk,): row for row, one in enumerate(kept)}
    arrays = _filled(rows, places, ("campaign_id",), since=since, days=days, purse=purse)
    return Figures(campaigns=kept, first_day=since, left_out=left_out, purse=purse, **arrays)


def segments(campaigns: Sequence[AdCampaign], *, until: date, days: int = DAYS) -> list[Part]:
    """Each segment of each campaign; key: dimension and value, with a colon between."""
    since = until - timedelta(days=days - 1)
    rows = AdSegmentDay.objects.filter(
        on__gte=since, on__lte=until, campaign__in=[one.pk for one in campaigns]
    )
    fields = ("campaign_id", "dimension", "value")
    names = {key[:3]: key[3] for key in rows.order_by("pk").values_list(*fields, "label")}
    places = {key: row for row, key in enumerate(sorted(names))}
    arrays = _filled(rows, places, fields, since=since, days=days, purse=exchange.purse())
    return [
        _part(key[0], f"{key[1]}:{key[2]}", names[key] or key[2], since, arrays, row)
        for key, row in places.items()
    ]


def creatives(campaigns: Sequence[AdCampaign], *, until: date, days: int = DAYS) -> list[Part]:
    """Each active ad of each campaign; key: the platform's id of it."""
    since = until - timedelta(days=days - 1)
    rows = AdCreativeDay.objects.filter(
        on__gte=since,
        on__lte=until,
        creative__campaign__in=[one.pk for one in campaigns],
        creative__status=AdCampaign.Status.ACTIVE,
    )
    fields = ("creative__campaign_id", "creative__external_id")
    names = {key[:2]: key[2] for key in rows.order_by("pk").values_list(*fields, "creative__name")}
    places = {key: row for row, key in enumerate(sorted(names))}
    arrays = _filled(rows, places, fields, since=since, days=days, purse=exchange.purse())
    arrays["frequency"] = np.full((len(places), days), np.nan)
    for *key, on, frequency in rows.filter(frequency__gt=0).values_list(*fields, "on", "frequency"):
        arrays["frequency"][places[tuple(key)], (on - since).days] = float(frequency)
    return [_part(key[0], key[1], names[key], since, arrays, row) for key, row in places.items()]


def _part(campaign_id: int, key: str, name: str, since: date, arrays: dict[str, Floats], row: int) -> Part:
    mine = {metric: values[row] for metric, values in arrays.items()}
    mine.setdefault("frequency", np.full_like(mine["spend"], np.nan))
    return Part(campaign_id=campaign_id, key=key, name=name, first_day=since, **mine)


def _filled(
    rows: Any, places: dict[Any, int], fields: tuple[str, ...], *, since: date, days: int, purse: Purse
) -> dict[str, Floats]:
    """Arrays by metric, of shape (places, days). Zeros between a row's first and last known day."""
    arrays = {metric: np.full((len(places), days), np.nan) for metric in METRICS}
    for *key, on, currency, spend, impressions, clicks, conversions, value in rows.values_list(
        *fields, "on", "currency", *METRICS
    ):
        rate = float(purse.rate(currency) or 0)
        row, column = places[tuple(key)], (on - since).days
        figures = (float(spend) * rate, impressions, clicks, conversions, float(value or 0) * rate)
        for metric, figure in zip(METRICS, figures, strict=True):
            arrays[metric][row, column] = float(figure or 0)
    known = ~np.isnan(arrays["spend"])
    inside = (np.cumsum(known, axis=1) > 0) & (np.cumsum(known[:, ::-1], axis=1)[:, ::-1] > 0)
    for values in arrays.values():
        values[inside & np.isnan(values)] = 0.0
    return arrays
