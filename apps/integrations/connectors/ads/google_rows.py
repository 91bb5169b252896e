"""What Google is asked in its query language, and what its rows say. Fields that are zero are left out."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from apps.integrations.connectors.ads.platform import (
    BudgetKind,
    Campaign,
    Creative,
    CreativeDay,
    DayFigures,
    Dimension,
    Group,
    Segment,
    SegmentDay,
    Status,
)
from apps.integrations.money import Form, Money, from_wire

Row = Mapping[str, Any]

STATUSES = {"ENABLED": Status.ACTIVE, "PAUSED": Status.PAUSED, "REMOVED": Status.ENDED}
_CAMPAIGN = (
    "SELECT campaign.id, campaign.name, campaign.status, campaign.advertising_channel_type,"
    " campaign_budget.amount_micros, campaign_budget.total_amount_micros, campaign_budget.period,"
    " customer.currency_code FROM campaign"
)
CAMPAIGNS = f"{_CAMPAIGN} WHERE campaign.status != 'REMOVED' ORDER BY campaign.id"
ONE_CAMPAIGN = _CAMPAIGN + " WHERE campaign.id = {campaign}"
BUDGET = (
    "SELECT campaign.id, campaign_budget.resource_name, campaign_budget.explicitly_shared FROM campaign"
    " WHERE campaign.id = {campaign}"
)
_GROUP = (
    "SELECT ad_group.id, ad_group.name, ad_group.status, ad_group.cpc_bid_micros,"
    " ad_group.target_cpa_micros, campaign.id, campaign.bidding_strategy_type, customer.currency_code"
    " FROM ad_group"
)
GROUPS = f"{_GROUP} WHERE ad_group.status != 'REMOVED' ORDER BY ad_group.id"
ONE_GROUP = _GROUP + " WHERE ad_group.id = {group}"
_CREATIVE = (
    "SELECT ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group_ad.ad.type, ad_group_ad.status, ad_group.id,"
    " campaign.id FROM ad_group_ad"
)
CREATIVES = f"{_CREATIVE} WHERE ad_group_ad.status != 'REMOVED' ORDER BY ad_group_ad.ad.id"
ONE_CREATIVE = _CREATIVE + " WHERE ad_group.id = {group} AND ad_group_ad.ad.id = {ad}"
_METRICS = (
    "segments.date, metrics.cost_micros, metrics.impressions, metrics.clicks, metrics.conversions,"
    " metrics.conversions_value, customer.currency_code"
)
_PERIOD = "WHERE segments.date BETWEEN '{since}' AND '{until}'"
FIGURES = " ".join(("SELECT campaign.id,", _METRICS, "FROM campaign", _PERIOD))
CREATIVE_FIGURES = " ".join(("SELECT ad_group.id, ad_group_ad.ad.id,", _METRICS, "FROM ad_group_ad", _PERIOD))
_BY = " ".join(("SELECT campaign.id, {field},", _METRICS, "FROM {view}", _PERIOD))
# Where each dimension stands: the field, the view, and the way to it in a row.
_DIMENSIONS = {
    Dimension.DEVICE: ("segments.device", "campaign", ("segments", "device")),
    Dimension.HOUR: ("segments.hour", "campaign", ("segments", "hour")),
    Dimension.PLACEMENT: ("segments.ad_network_type", "campaign", ("segments", "adNetworkType")),
    Dimension.REGION: ("segments.geo_target_region", "geographic_view", ("segments", "geoTargetRegion")),
    Dimension.AGE: (
        "ad_group_criterion.age_range.type",
        "age_range_view",
        ("adGroupCriterion", "ageRange", "type"),
    ),
}
REGIONS = (
    "SELECT geo_target_constant.resource_name, geo_target_constant.canonical_name FROM geo_target_constant"
    " WHERE geo_target_constant.resource_name IN ({names})"
)
# By which of its two bids a group buys; with other strategies it has none to set.
BIDS = {
    "MANUAL_CPC": "cpcBidMicros",
    "TARGET_CPA": "targetCpaMicros",
    "MAXIMIZE_CONVERSIONS": "targetCpaMicros",
}


def segment_query(dimension: Dimension, since: date, until: date) -> str:
    field, view, _ = _DIMENSIONS[dimension]
    return _BY.format(field=field, view=view, since=since, until=until)


def campaign(row: Row) -> Campaign:
    one, budget = row["campaign"], row.get("campaignBudget", {})
    is_total = budget.get("period") == "CUSTOM_PERIOD"
    micros = budget.get("totalAmountMicros" if is_total else "amountMicros")
    kind = BudgetKind.LIFETIME if is_total else BudgetKind.DAILY
    return Campaign(
        id=str(one["id"]),
        name=one["name"],
        status=STATUSES.get(one["status"], Status.ENDED),
        native_status=one["status"],
        objective=one.get("advertisingChannelType", ""),
        budget=_money(micros, row),
        budget_kind=kind if micros else None,
    )


def group(row: Row) -> Group:
    one, strategy = row["adGroup"], row["campaign"].get("biddingStrategyType", "")
    return Group(
        id=str(one["id"]),
        campaign_id=str(row["campaign"]["id"]),
        name=one["name"],
        status=STATUSES.get(one["status"], Status.ENDED),
        bid=_money(one.get(BIDS.get(strategy, "")), row),
        bid_strategy=strategy,
    )


def creative(row: Row) -> Creative:
    """Its id is that of its group and its own, as Google names it where it is changed."""
    ad, group_id = row["adGroupAd"]["ad"], str(row["adGroup"]["id"])
    kind = str(ad.get("type", "ad")).replace("_", " ").lower()
    return Creative(
        id=f"{group_id}~{ad['id']}",
        campaign_id=str(row["campaign"]["id"]),
        group_id=group_id,
        name=ad.get("name") or f"{kind} {ad['id']}",
        status=STATUSES.get(row["adGroupAd"]["status"], Status.ENDED),
    )


def day(row: Row) -> DayFigures:
    return DayFigures(campaign_id=str(row["campaign"]["id"]), **_sums(row))


def creative_day(row: Row) -> CreativeDay:
    """Google does not say how many people it reached with an ad."""
    return CreativeDay(creative_id=f"{row['adGroup']['id']}~{row['adGroupAd']['ad']['id']}", **_sums(row))


def segment_day(row: Row, dimension: Dimension) -> SegmentDay:
    told: Any = row
    for step in _DIMENSIONS[dimension][2]:
        told = told.get(step, {})
    unsaid = "0" if dimension == Dimension.HOUR else "UNKNOWN"
    segment = Segment(dimension, unsaid if told == {} else str(told))
    return SegmentDay(campaign_id=str(row["campaign"]["id"]), segment=segment, **_sums(row))


def _sums(row: Row) -> dict[str, Any]:
    figures = row.get("metrics", {})
    return {
        "on": date.fromisoformat(row["segments"]["date"]),
        "spend": from_wire(figures.get("costMicros", 0), row["customer"]["currencyCode"], Form.MICROS),
        "impressions": int(figures.get("impressions", 0)),
        "clicks": int(figures.get("clicks", 0)),
        "conversions": Decimal(str(figures.get("conversions", 0))),
        "conversion_value": Decimal(str(figures.get("conversionsValue", 0))),
    }


def _money(micros: object, row: Row) -> Money | None:
    return from_wire(micros, row["customer"]["currencyCode"], Form.MICROS) if micros else None
