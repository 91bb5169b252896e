"""What a tracked record says, whichever door it came through; all that is wrong with it, at once.

One table per kind names the fields and how each is cleaned. A record is walked once: a known field is
cleaned, an empty one counts as absent, an unknown one is left out and reported. No database is asked.
"""

import os
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from apps.accounts.errors import Invalid
from apps.attribution import addresses, moulds
from apps.attribution.cleaning import (
    Cleaner,
    Problem,
    amount,
    consents,
    cost,
    count,
    currency,
    flag,
    lower,
    moment,
    properties,
    text,
)
from apps.attribution.records import ConversionIn, IdentityIn, SpendIn, Touch

MAX_ID = 200
MAX_URL = 4_096
PAGES_REMEMBERED = 2_048
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
FUTURE_ALLOWED = timedelta(hours=24)
# A difference below this is the way through the network. One beyond it is no clock that is being read now
# (a file of old requests, sent again), and moving its events to today would be wrong.
SKEW_FROM, SKEW_TO = timedelta(seconds=2), timedelta(hours=24)

Errors = dict[str, list[str]]

__all__ = ["ConversionIn", "IdentityIn", "SpendIn", "Touch", "conversion", "identity", "spend", "touch"]


def touch(record: Any, *, received_at: datetime) -> Touch:
    """Raises Invalid with every field that cannot be used."""
    if type(record) is not dict:
        return _cleaned_touch(record, received_at)
    rest = dict(record)
    user_id, anonymous_id = rest.pop("user_id", None), rest.pop("anonymous_id", None)
    event_id = rest.pop("event_id", None)
    if event_id is None or event_id == "":
        event_id = new_event_id(received_at)
    occurred_at = _time_of(rest, received_at)
    alike = moulds.likeness(rest)
    if alike is None or occurred_at is None:
        return _cleaned_touch(record, received_at)
    poured = moulds.pour(alike, user_id, anonymous_id, event_id, occurred_at=occurred_at, now=received_at)
    if poured is not None:
        return poured
    cleaned = _cleaned_touch(record, received_at)
    moulds.keep(alike, cleaned)
    return cleaned


def _time_of(rest: dict[str, Any], received_at: datetime) -> datetime | None:
    """When a touch happened, its own time taken out of it; None where that cannot be used."""
    if "occurred_at" not in rest and "sent_at" not in rest:
        return received_at
    errors: Errors = {}
    own = {name: rest.pop(name) for name in ("occurred_at", "sent_at") if name in rest}
    try:
        found = {name: moment(value) for name, value in own.items() if value is not None and value != ""}
    except Problem:
        return None
    occurred_at = _corrected(found, errors, received_at)
    return None if errors else occurred_at


def _cleaned_touch(record: Any, received_at: datetime) -> Touch:
    """Each field by itself."""
    found, errors, ignored = _walk(record, TOUCH_FIELDS)
    for name in ("event_type", "platform"):
        if name not in found and name not in errors:
            errors[name] = ["This is required."]
    _check_who(found, errors)
    occurred_at = _corrected(found, errors, received_at)
    if errors:
        raise Invalid(errors)
    return _touch(found, occurred_at=occurred_at, received_at=received_at, ignored=ignored)


def conversion(record: Any, *, received_at: datetime) -> ConversionIn:
    """Raises Invalid with every field that cannot be used. A refund or replacement must name its order."""
    found, errors, ignored = _walk(record, CONVERSION_FIELDS)
    for name in ("conversion_type", "revenue"):
        if name not in found and name not in errors:
            errors[name] = ["This is required."]
    _check_who(found, errors)
    _check_order(found, errors)
    has_own_time = "occurred_at" in found
    occurred_at = _corrected(found, errors, received_at)
    if errors:
        raise Invalid(errors)
    return ConversionIn(
        **found, occurred_at=occurred_at, received_at=received_at, has_own_time=has_own_time, ignored=ignored
    )


def identity(record: Any, *, received_at: datetime) -> IdentityIn:
    """Raises Invalid with every field that cannot be used."""
    found, errors, ignored = _walk(record, IDENTITY_FIELDS)
    if "user_id" not in found and "user_id" not in errors:
        errors["user_id"] = ["This is required: the id your own system knows the person by."]
    is_dated = "occurred_at" in found
    said_at = min(_corrected(found, errors, received_at), received_at)
    if errors:
        raise Invalid(errors)
    return IdentityIn(**found, said_at=said_at, is_dated=is_dated, ignored=ignored)


def spend(record: Any, *, received_at: datetime) -> SpendIn:
    """Raises Invalid with every field that cannot be used."""
    found, errors, ignored = _walk(record, SPEND_FIELDS)
    for name in ("platform", "day", "amount"):
        if name not in found and name not in errors:
            errors[name] = ["This is required."]
    day = found.get("day")
    if day is not None and not EARLIEST.date() <= day <= (received_at + FUTURE_ALLOWED).date():
        errors["day"] = ["Give a day from 2000-01-01 to tomorrow."]
    if errors:
        raise Invalid(errors)
    return SpendIn(**found, ignored=ignored)


def new_event_id(at: datetime) -> str:
    """A random id that sorts by time, as RFC 9562 lays out version 7."""
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    bits = milliseconds << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF000 << 64) | 0x7000 << 64
    return str(uuid.UUID(int=bits & ~(0xC000 << 48) | 0x8000 << 48))


def _walk(record: Any, table: Mapping[str, Cleaner]) -> tuple[dict[str, Any], Errors, tuple[str, ...]]:
    """Clean what is known: the values found, the errors by field, the names that were left out."""
    if not isinstance(record, Mapping):
        raise Invalid({"non_field_errors": ["Give an object of names and values."]})
    found: dict[str, Any] = {}
    errors: Errors = {}
    ignored: list[str] = []
    for name, value in record.items():
        clean = table.get(name)
        if clean is None:
            ignored.append(str(name)[:100].encode("utf-8", "backslashreplace").decode())
        elif value is not None and value != "":
            try:
                cleaned = clean(value)
            except Problem as problem:
                errors[name] = [str(problem)]
            else:
                if cleaned != "":
                    found[name] = cleaned
    return found, errors, tuple(ignored[:50])


def _check_who(found: Mapping[str, Any], errors: Errors) -> None:
    if WHO.isdisjoint(found) and WHO.isdisjoint(errors):
        errors["user_id"] = ["Give user_id or anonymous_id: without one nobody can be credited."]


def _check_order(found: Mapping[str, Any], errors: Errors) -> None:
    revenue, replaces = found.get("revenue", Decimal(0)), found.get("replaces", False)
    if replaces and revenue < 0:
        errors["replaces"] = ["A replacement says what the order is worth now. For a refund leave this out."]
    elif "order_id" not in found and "order_id" not in errors and (replaces or revenue < 0):
        what = "replacement" if replaces else "refund"
        errors["order_id"] = [f"A {what} needs the order_id of its order."]


def _corrected(found: dict[str, Any], errors: Errors, received_at: datetime) -> datetime:
    """When it happened by our clock, within bounds; sent_at is used up."""
    occurred_at: datetime | None = found.pop("occurred_at", None)
    sent_at: datetime | None = found.pop("sent_at", None)
    if occurred_at is None:
        return received_at
    if sent_at is not None:
        skew = received_at - sent_at
        if SKEW_FROM <= abs(skew) <= SKEW_TO:
            occurred_at = min(max(occurred_at, _FIRST), _LAST) + skew
    if occurred_at < EARLIEST:
        errors["occurred_at"] = [f"{occurred_at:%Y-%m-%d} is before 2000-01-01. Check the sender's clock."]
    elif occurred_at > received_at + FUTURE_ALLOWED:
        errors["occurred_at"] = [
            f"{occurred_at:%Y-%m-%d %H:%M} UTC is more than 24 hours in the future. Check the sender's clock."
        ]
    return occurred_at


def _touch(
    found: dict[str, Any], *, occurred_at: datetime, received_at: datetime, ignored: tuple[str, ...]
) -> Touch:
    url, page_host, told = _page(found.pop("url", ""))
    referrer, referrer_host, _ = _page(found.pop("referrer", ""))
    if not addresses.HINTS.isdisjoint(found):
        told = _told_beside(found, told.hints)
    if "event_id" not in found:
        found["event_id"] = new_event_id(received_at)
    if "campaign_id" not in found:
        found["campaign_id"] = told.utm_campaign[:MAX_ID]
    if "creative_id" not in found and "utm_content" in told.hints:
        found["creative_id"] = told.hints["utm_content"][:MAX_ID]
    return Touch(
        **found,
        occurred_at=occurred_at,
        received_at=received_at,
        url=url,
        referrer=referrer,
        page_host=page_host,
        referrer_host=referrer_host,
        utm_source=told.utm_source,
        utm_medium=told.utm_medium,
        utm_campaign=told.utm_campaign,
        click_ids=told.click_ids,
        ignored=ignored,
    )


class _Told(NamedTuple):
    """What an address and the fields beside it say of a campaign."""

    hints: Mapping[str, str]
    utm_source: str
    utm_medium: str
    utm_campaign: str
    click_ids: tuple[str, ...]


def _told(hints: Mapping[str, str]) -> _Told:
    return _Told(
        hints,
        hints.get("utm_source", ""),
        hints.get("utm_medium", ""),
        hints.get("utm_campaign", ""),
        tuple(sorted(addresses.CLICK_IDS.intersection(hints))),
    )


@lru_cache(maxsize=PAGES_REMEMBERED)
def _page(url: str) -> tuple[str, str, _Told]:
    """What may be kept of an address, its host, and what it tells: few addresses bring most touches."""
    read = addresses.read(url)
    return read.text, read.host, _told(read.hints)


def _told_beside(found: dict[str, Any], hints: Mapping[str, str]) -> _Told:
    """With the fields that name labels and click ids themselves; they are used up."""
    extra = {name: found.pop(name) for name in FIELDS_OF_ADDRESS if name in found}
    unsaid = {name: value for name, value in extra.items() if hints.get(name) != value}
    if unsaid:
        # No column holds these: what the address does not say is kept, for a later change of rules.
        found["properties"] = {**unsaid, **found.get("properties", {})}
    return _told({**hints, **extra})


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    return moment(value).date()


_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_ID: Callable[[Any], str] = text(MAX_ID)
WHO = frozenset({"user_id", "anonymous_id"})
FIELDS_OF_ADDRESS = sorted(addresses.HINTS)
_PERSON_AND_TIME: dict[str, Cleaner] = {
    "user_id": _ID,
    "anonymous_id": _ID,
    "event_id": _ID,
    "occurred_at": moment,
    "sent_at": moment,
    "properties": properties,
}
TOUCH_FIELDS: dict[str, Cleaner] = {
    **_PERSON_AND_TIME,
    **dict.fromkeys(FIELDS_OF_ADDRESS, text(500)),
    "event_type": lower(40),
    "platform": lower(60),
    "campaign_id": _ID,
    "creative_id": _ID,
    "channel": text(60),
    "url": text(MAX_URL),
    "referrer": text(MAX_URL),
    "cost": cost,
}
CONVERSION_FIELDS: dict[str, Cleaner] = {
    **_PERSON_AND_TIME,
    "conversion_type": lower(60),
    "revenue": amount,
    "currency": currency,
    "order_id": _ID,
    "replaces": flag,
}
IDENTITY_FIELDS: dict[str, Cleaner] = {
    "user_id": _ID,
    "anonymous_id": _ID,
    "traits": properties,
    "consent": consents,
    "occurred_at": moment,
    "sent_at": moment,
}
SPEND_FIELDS: dict[str, Cleaner] = {
    "platform": lower(60),
    "campaign_id": _ID,
    "creative_id": _ID,
    "channel": text(60),
    "currency": currency,
    "day": _day,
    "amount": cost,
    "impressions": count,
    "clicks": count,
}
