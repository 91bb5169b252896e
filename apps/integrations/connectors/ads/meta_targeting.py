"""Whom an ad set of Meta reaches: its targeting with a segment left out, or reached again.

An ad set's targeting is replaced whole, so what is there is read first. Without a list of devices or
placements it is shown on all of them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from apps.integrations.connectors.ads.platform import CannotSay, Dimension, Segment

Targeting = Mapping[str, Any]

LISTS = {
    Dimension.DEVICE: ("device_platforms", ("mobile", "desktop")),
    Dimension.PLACEMENT: (
        "publisher_platforms",
        ("facebook", "instagram", "messenger", "audience_network"),
    ),
}
YOUNGEST, OLDEST = 18, 65
HOURS = "Meta runs ads by the hour only under a lifetime budget and a schedule: set it in Ads Manager."


class CannotTarget(CannotSay):
    """Why this segment cannot be left out, or reached again, from here."""


def leaves_out(targeting: Targeting, segment: Segment) -> bool:
    """Raises CannotSay for a dimension that is not targeted from here."""
    if segment.dimension in LISTS:
        key, every = LISTS[segment.dimension]
        return segment.value not in (targeting.get(key) or every)
    if segment.dimension == Dimension.AGE:
        youngest, oldest = _ages(segment.value)
        least, most = _span(targeting)
        return oldest < least or youngest > most
    if segment.dimension == Dimension.REGION:
        return any(one.get("name") == segment.value for one in _regions(targeting))
    raise CannotTarget(HOURS)


def changed(
    targeting: Targeting, segment: Segment, *, excludes: bool, region_key: str = ""
) -> dict[str, Any]:
    """The whole targeting as it is to be. region_key: Meta's own number of the region, where one is left out.
    Raises CannotTarget.
    """
    if leaves_out(targeting, segment) == excludes:
        return dict(targeting)
    if segment.dimension in LISTS:
        return _listed(targeting, segment, excludes)
    if segment.dimension == Dimension.AGE:
        return _aged(targeting, segment, excludes)
    return _regional(targeting, segment, excludes, region_key)


def written(targeting: Targeting) -> str:
    return json.dumps(targeting, separators=(",", ":"))


def _listed(targeting: Targeting, segment: Segment, excludes: bool) -> dict[str, Any]:
    key, every = LISTS[segment.dimension]
    now = list(targeting.get(key) or every)
    others = [one for one in now if one != segment.value]
    if excludes and not others:
        raise CannotTarget(f"{segment.value} is all that this ad set reaches: pause it instead.")
    wanted = others if excludes else [*others, segment.value]
    kept = {name: told for name, told in targeting.items() if name not in _of_placement(segment, excludes)}
    if set(wanted) == set(every):
        return {name: told for name, told in kept.items() if name != key}
    return {**kept, key: wanted}


def _of_placement(segment: Segment, excludes: bool) -> set[str]:
    """Places within a placement that is left out go with it."""
    return {f"{segment.value}_positions"} if excludes and segment.dimension == Dimension.PLACEMENT else set()


def _aged(targeting: Targeting, segment: Segment, excludes: bool) -> dict[str, Any]:
    """One span of ages is reached, so only an end of it can be cut off or put on."""
    youngest, oldest = _ages(segment.value)
    least, most = _span(targeting)
    if excludes:
        is_first, is_last = youngest <= least < oldest < most, least < youngest <= most <= oldest
        new = (oldest + 1, most) if is_first else (least, youngest - 1)
    else:
        is_first, is_last = oldest + 1 == least, youngest == most + 1
        new = (youngest, most) if is_first else (least, oldest)
    if not (is_first or is_last):
        raise CannotTarget(
            f"Meta reaches one span of ages, here {least} to {most}: {segment.value} is no end."
        )
    return {**targeting, "age_min": new[0], "age_max": new[1]}


def _regional(targeting: Targeting, segment: Segment, excludes: bool, key: str) -> dict[str, Any]:
    """Regions are left out by number; their names stand beside it, as Meta tells them."""
    others = [one for one in _regions(targeting) if one.get("name") != segment.value]
    regions = [*others, {"key": key, "name": segment.value}] if excludes else others
    places = {**targeting.get("excluded_geo_locations", {}), "regions": regions}
    places = {name: told for name, told in places.items() if told}
    kept = {name: told for name, told in targeting.items() if name != "excluded_geo_locations"}
    return {**kept, "excluded_geo_locations": places} if places else kept


def _regions(targeting: Targeting) -> list[Mapping[str, Any]]:
    return list(targeting.get("excluded_geo_locations", {}).get("regions", []))


def _span(targeting: Targeting) -> tuple[int, int]:
    return int(targeting.get("age_min") or YOUNGEST), int(targeting.get("age_max") or OLDEST)


def _ages(value: str) -> tuple[int, int]:
    """Of "25-34"; "65+" ends where Meta's ages end."""
    numbers = [int(one) for one in re.findall(r"\d+", value)]
    if not numbers:
        raise CannotTarget(f"{value} is no span of ages.")
    return numbers[0], numbers[1] if len(numbers) > 1 else OLDEST
