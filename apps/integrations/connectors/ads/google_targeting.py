"""Whom a campaign at Google reaches: devices by a bid of nothing, regions by a negative location, networks by
a switch of the campaign.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.integrations.connectors.ads.platform import CannotSay, Dimension, Segment

Row = Mapping[str, Any]

CRITERIA = (
    "SELECT campaign_criterion.resource_name, campaign_criterion.type, campaign_criterion.negative,"
    " campaign_criterion.bid_modifier, campaign_criterion.device.type,"
    " campaign_criterion.location.geo_target_constant FROM campaign_criterion"
    " WHERE campaign.id = {campaign} AND campaign_criterion.type IN ('DEVICE', 'LOCATION')"
)
NETWORKS = (
    "SELECT campaign.network_settings.target_search_network,"
    " campaign.network_settings.target_content_network FROM campaign WHERE campaign.id = {campaign}"
)
_SWITCHES = {"SEARCH_PARTNERS": "targetSearchNetwork", "CONTENT": "targetContentNetwork"}
_DEVICES = {"MOBILE", "DESKTOP", "TABLET", "CONNECTED_TV"}
WHY_NOT = {
    Dimension.HOUR: "Google runs by a schedule of the hours that are wanted: leave out hour {value} there.",
    Dimension.AGE: "Google leaves out ages group by group: leave out {value} there.",
    Dimension.REGION: "Google has no number for {value}: leave it out there.",
    Dimension.DEVICE: "Google has no bid of its own for {value}.",
    Dimension.PLACEMENT: "Only search partners and the display network can be switched off at Google, not"
    " {value}.",
}


class CannotTarget(CannotSay):
    """Why this segment cannot be left out, or reached again, from here."""


def query(segment: Segment, campaign_id: str) -> str:
    """What has to be known first. Raises CannotTarget where the segment cannot be targeted from here."""
    fits = {
        Dimension.DEVICE: segment.value in _DEVICES,
        Dimension.PLACEMENT: segment.value in _SWITCHES,
        Dimension.REGION: segment.value.startswith("geoTargetConstants/"),
    }
    if not fits.get(segment.dimension):
        raise CannotTarget(WHY_NOT[segment.dimension].format(value=segment.value))
    asked = NETWORKS if segment.dimension == Dimension.PLACEMENT else CRITERIA
    return asked.format(campaign=int(campaign_id))


def is_excluded(segment: Segment, rows: Sequence[Row]) -> bool:
    """By the rows of `query`."""
    if segment.dimension == Dimension.PLACEMENT:
        settings = rows[0]["campaign"].get("networkSettings", {}) if rows else {}
        return not settings.get(_SWITCHES[segment.value])
    if segment.dimension == Dimension.DEVICE:
        return any("bidModifier" in one and not one["bidModifier"] for one in _devices(segment, rows))
    return bool(_negative(segment, rows))


def operation(segment: Segment, rows: Sequence[Row], campaign: str, *, excludes: bool) -> dict[str, Any]:
    """The one operation that makes it so. campaign: the resource's name."""
    if segment.dimension == Dimension.PLACEMENT:
        switch = _SWITCHES[segment.value]
        update = {"resourceName": campaign, "networkSettings": {switch: not excludes}}
        return {"campaignOperation": {"update": update, "updateMask": f"networkSettings.{switch}"}}
    if segment.dimension == Dimension.DEVICE:
        return {"campaignCriterionOperation": _bid_of_device(segment, rows, campaign, excludes)}
    if excludes:
        location = {"geoTargetConstant": segment.value}
        new = {"campaign": campaign, "negative": True, "location": location}
        return {"campaignCriterionOperation": {"create": new}}
    return {"campaignCriterionOperation": {"remove": _negative(segment, rows)[0]["resourceName"]}}


def _bid_of_device(segment: Segment, rows: Sequence[Row], campaign: str, excludes: bool) -> dict[str, Any]:
    """A device that has no bid of its own yet is given one."""
    bid = {"bidModifier": 0.0 if excludes else 1.0}
    known = _devices(segment, rows)
    if known:
        return {"update": {"resourceName": known[0]["resourceName"], **bid}, "updateMask": "bidModifier"}
    return {"create": {"campaign": campaign, "device": {"type": segment.value}, **bid}}


def _devices(segment: Segment, rows: Sequence[Row]) -> list[Row]:
    criteria = [row["campaignCriterion"] for row in rows]
    return [one for one in criteria if one.get("device", {}).get("type") == segment.value]


def _negative(segment: Segment, rows: Sequence[Row]) -> list[Row]:
    criteria = [row["campaignCriterion"] for row in rows]
    return [
        one
        for one in criteria
        if one.get("negative") and one.get("location", {}).get("geoTargetConstant") == segment.value
    ]
