"""Which column of a file is which field of an event: guessed by the names that such files use, or chosen."""

from collections.abc import Iterable
from pathlib import Path

from apps.accounts.errors import Invalid
from apps.attribution.row_files import columns

FIELDS = {
    "user_id": ("user_id", "customer_id", "external_id", "userid"),
    "anonymous_id": ("anonymous_id", "visitor_id", "device_id", "client_id", "cookie_id"),
    "kind": ("kind", "type", "record_type"),
    "event_type": ("event_type", "event", "action"),
    "platform": ("platform", "network"),
    "channel": ("channel",),
    "campaign_id": ("campaign_id", "campaign"),
    "creative_id": ("creative_id", "creative", "ad_id"),
    "occurred_at": ("occurred_at", "timestamp", "time", "date", "event_time"),
    "event_id": ("event_id", "id", "message_id"),
    "url": ("url", "page_url", "landing_page"),
    "referrer": ("referrer", "referer"),
    "utm_source": ("utm_source",),
    "utm_medium": ("utm_medium",),
    "utm_campaign": ("utm_campaign",),
    "utm_term": ("utm_term",),
    "utm_content": ("utm_content",),
    "cost": ("cost", "spend"),
    "conversion_type": ("conversion_type", "goal"),
    "revenue": ("revenue", "value", "amount", "conversion_value"),
    "currency": ("currency",),
    "order_id": ("order_id", "order", "transaction_id"),
    "replaces": ("replaces",),
    "properties": ("properties",),
}


def guess_mapping(names: Iterable[str]) -> dict[str, str]:
    """Which column is which field, by the names that such files use."""
    by_name = {name.strip().lower(): name for name in names}
    return {
        own: by_name[alias]
        for own, aliases in FIELDS.items()
        for alias in reversed(aliases)
        if alias in by_name
    }


def check_mapping(path: Path, given: dict[str, str], *, is_guessing: bool = True) -> dict[str, str]:
    """The guess for this file with the caller's choices over it, or those alone.

    Raises Invalid for unknown fields and columns.
    """
    names = columns(path)
    unknown_fields = sorted(set(given) - set(FIELDS))
    unknown_columns = sorted(set(given.values()) - set(names))
    errors = {}
    if unknown_fields:
        errors["mapping"] = [
            f"Unknown field {', '.join(unknown_fields)}. The fields are {', '.join(FIELDS)}."
        ]
    if unknown_columns:
        errors["columns"] = [
            f"The file has no column {', '.join(unknown_columns)}; it has {', '.join(names)}."
        ]
    if errors:
        raise Invalid(errors)
    mapping = {**guess_mapping(names), **given} if is_guessing else dict(given)
    if not {"user_id", "anonymous_id"} & set(mapping):
        raise Invalid(
            {"mapping": [f"Which column is user_id or anonymous_id? There are {', '.join(names)}."]}
        )
    return mapping
