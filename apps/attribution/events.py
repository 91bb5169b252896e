"""What attribution promises to tell the floors above. Ids only; one event for a batch."""

from dataclasses import dataclass

from apps.accounts.events import Event


@dataclass(frozen=True, kw_only=True)
class TouchpointsStored(Event):
    """New touches; their keys lie between first_id and last_id, where others may lie as well."""

    name = "attribution.touchpoints.stored"
    first_id: int
    last_id: int
    count: int


@dataclass(frozen=True, kw_only=True)
class ConversionsRecorded(Event):
    """Orders, leads or sign-ups that were not known before."""

    name = "attribution.conversions.recorded"
    conversion_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class ConversionsChanged(Event):
    """Known ones that a refund, a correction or a late purchase changed."""

    name = "attribution.conversions.changed"
    conversion_ids: list[int]
