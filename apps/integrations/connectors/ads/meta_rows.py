"""What Meta's rows say: campaigns, ad sets, ads and insights, in the house's vocabulary."""

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

STATUSES = {"ACTIVE": Status.ACTIVE, "PAUSED": Status.PAUSED}
CAMPAIGN = "id,name,status,effective_status,objective,daily_budget,lifetime_budget"
GROUP = "id,name,campaign_id,status,bid_amount,bid_strategy,daily_budget,lifetime_budget"
CREATIVE = "id,name,campaign_id,adset_id,status"
_SUMS = "date_start,spend,impressions,clicks,actions,action_values,account_currency"
FIGURES = f"campaign_id,{_SUMS}"
CREATIVE_FIGURES = f"ad_id,reach,frequency,{_SUMS}"
BREAKDOWNS = {
    Dimension.DEVICE: "device_platform",
    Dimension.REGION: "region",
    Dimension.HOUR: "hourly_stats_aggregated_by_advertiser_time_zone",
    Dimension.AGE: "age",
    Dimension.PLACEMENT: "publisher_platform",
}
# The sums over all places where it happened; the finer types that Meta lists beside them are part of these.
CONVERSIONS = {"purchase", "lead"}


def campaign(row: Row, currency: str) -> Campaign:
    budget, kind = _budget(row, currency)
    return Campaign(
        id=row["id"],
        name=row["name"],
        status=STATUSES.get(row["status"], Status.ENDED),
        native_status=row.get("effective_status") or row["status"],
        objective=row.get("objective", ""),
        budget=budget,
        budget_kind=kind,
    )


def group(row: Row, currency: str) -> Group:
    budget, kind = _budget(row, currency)
    bid = row.get("bid_amount")
    return Group(
        id=row["id"],
        campaign_id=row["campaign_id"],
        name=row["name"],
        status=STATUSES.get(row["status"], Status.ENDED),
        bid=from_wire(bid, currency, Form.META_MINOR) if bid else None,
        bid_strategy=row.get("bid_strategy", ""),
        budget=budget,
        budget_kind=kind,
    )


def _budget(row: Row, currency: str) -> tuple[Money | None, BudgetKind | None]:
    kind = next((one for one in BudgetKind if int(row.get(f"{one}_budget") or 0)), None)
    return (from_wire(row[f"{kind}_budget"], currency, Form.META_MINOR) if kind else None), kind


def creative(row: Row) -> Creative:
    return Creative(
        id=row["id"],
        campaign_id=row["campaign_id"],
        group_id=row.get("adset_id", ""),
        name=row["name"],
        status=STATUSES.get(row["status"], Status.ENDED),
    )


def day(row: Row) -> DayFigures:
    return DayFigures(campaign_id=row["campaign_id"], **_sums(row))


def creative_day(row: Row) -> CreativeDay:
    frequency = row.get("frequency")
    return CreativeDay(
        creative_id=row["ad_id"],
        reach=_count(row, "reach"),
        frequency=None if frequency is None else Decimal(frequency),
        **_sums(row),
    )


def segment_day(row: Row, dimension: Dimension) -> SegmentDay:
    told = str(row.get(BREAKDOWNS[dimension]) or "unknown")
    segment = Segment(dimension, _VALUES.get(dimension, str)(told))
    return SegmentDay(campaign_id=row["campaign_id"], segment=segment, **_sums(row))


def _device(told: str) -> str:
    """As targeting has it, which does not tell an application on a phone from a page there."""
    return "mobile" if told.startswith("mobile") else told


def _hour(told: str) -> str:
    """Of "07:00:00 - 07:59:59"."""
    return str(int(told[:2])) if told[:2].isdigit() else told


_VALUES = {Dimension.DEVICE: _device, Dimension.HOUR: _hour}


def _sums(row: Row) -> dict[str, Any]:
    return {
        "on": date.fromisoformat(row["date_start"]),
        "spend": Money(Decimal(row.get("spend", "0")), row["account_currency"]),
        "impressions": _count(row, "impressions"),
        "clicks": _count(row, "clicks"),
        "conversions": _sum_of(row.get("actions")),
        "conversion_value": _sum_of(row.get("action_values")),
    }


def _count(row: Row, name: str) -> int | None:
    return int(row[name]) if name in row else None


def _sum_of(actions: list[Row] | None) -> Decimal | None:
    if actions is None:
        return None
    return sum((Decimal(one["value"]) for one in actions if one["action_type"] in CONVERSIONS), Decimal(0))
