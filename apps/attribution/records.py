"""What is tracked, once it is parsed: the same for every door."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec


class Touch(msgspec.Struct, kw_only=True, gc=False):
    """One contact. channel: as the sender named it, "" to derive it. click_ids: the names present.

    mould: a number that only touches share that are equal but for ids and times (moulds.py); 0 says nothing.
    """

    event_id: str
    event_type: str
    platform: str
    occurred_at: datetime
    received_at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    campaign_id: str = ""
    creative_id: str = ""
    channel: str = ""
    cost: Decimal | None = None
    url: str = ""
    referrer: str = ""
    page_host: str = ""
    referrer_host: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    click_ids: tuple[str, ...] = ()
    properties: dict[str, Any] | None = None
    ignored: tuple[str, ...] = ()
    mould: int = 0


class ConversionIn(msgspec.Struct, kw_only=True):
    """A purchase, correction or refund.

    currency: "" is the workspace's. event_id: "" to have one made. has_own_time: false when occurred_at is
    only the moment of its arrival.
    """

    conversion_type: str
    revenue: Decimal
    occurred_at: datetime
    received_at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    currency: str = ""
    order_id: str = ""
    event_id: str = ""
    has_own_time: bool = True
    replaces: bool = False
    properties: dict[str, Any] | None = None
    ignored: tuple[str, ...] = ()


class IdentityIn(msgspec.Struct, kw_only=True):
    """An anonymous id that turned out to be a user, what is known of them, and what they allow.

    said_at: when they said so, never in the future; is_dated: that was named, and is not when it arrived.
    """

    user_id: str
    said_at: datetime
    is_dated: bool
    anonymous_id: str | None = None
    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    ignored: tuple[str, ...] = ()


class SpendIn(msgspec.Struct, kw_only=True):
    """What a source cost on a day."""

    platform: str
    day: date
    amount: Decimal
    campaign_id: str = ""
    creative_id: str = ""
    channel: str = ""
    currency: str = ""
    impressions: int | None = None
    clicks: int | None = None
    ignored: tuple[str, ...] = ()
