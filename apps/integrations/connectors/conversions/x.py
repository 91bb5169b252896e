"""X conversions: signed as its advertisements are; `conversion_id` drops what the pixel has told already."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from apps.integrations import identity_hashes as hashes
from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import oauth1
from apps.integrations.connectors.ads import x as x_ads
from apps.integrations.connectors.conversions.destination import KINDS, REGION, Destination, Options, filled
from apps.integrations.connectors.conversions.sending import check_by_nothing, tells
from apps.integrations.conversion_events import ConversionEvent
from apps.integrations.http import Request
from apps.integrations.money import Form, Money, to_wire
from apps.integrations.resilience.policy import Limits, Rate
from apps.integrations.services import Family, Field, Reach, Service

X_CONVERSIONS = services.register(
    Service(
        key="x_conversions",
        name="X conversions",
        family=Family.CONVERSIONS,
        base_url="https://ads-api.x.com/{version}",
        version="12",
        fields=(
            Field(key="account", label="Event id", help="Such as tw-o1234-ol288, from Events Manager."),
            Field(key="pixel", label="Pixel id"),
            *oauth1.FIELDS,
            KINDS,
            REGION,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells X of conversions up to seven days old. What was told cannot be taken back.",
        limits=Limits(at_once=4, rates=(Rate(limit=60_000, window_seconds=900),)),
        sign=oauth1.sign,
        classify=x_ads.classify,
        check="apps.integrations.connectors.conversions.x.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    body = {"conversions": [conversion_of(one, options) for one in events]}
    return Request(method="POST", url=f"/measurement/conversions/{options['pixel']}", json=body)


def conversion_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    worth = Money(event.value, event.currency.upper())
    at = event.at.astimezone(UTC)
    return {
        "conversion_time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "event_id": str(options["account"]),
        "identifiers": identifiers(event, options),
        "value": to_wire(worth, Form.DECIMAL),
        "price_currency": worth.currency,
        "conversion_id": event.event_id,
    }


def identifiers(event: ConversionEvent, options: Options) -> list[dict[str, Any]]:
    """One by which somebody is known at least; the address of a machine only beside one."""
    region = str(options.get("region") or "")
    strong = filled(
        twclid=event.click("twclid"),
        hashed_email=hashes.hashed(event.email, hashes.email),
        hashed_phone_number=hashes.hashed(event.phone, hashes.phone(region)),
    )
    weak = filled(
        ip_address=event.browser.get("client_ip_address", ""),
        user_agent=event.browser.get("client_user_agent", ""),
    )
    found: list[dict[str, Any]] = [{name: value} for name, value in strong.items()]
    return [*found, weak] if found and weak else found


def refusal(event: ConversionEvent, options: Options) -> str:
    return "" if identifiers(event, options) else "Nothing in it says who it was."


def check(client: Client) -> str:
    return check_by_nothing(client, build([], client.credentials))


DESTINATION = tells(
    Destination(
        service="x_conversions",
        build=build,
        oldest=timedelta(days=7),
        refusal=refusal,
        classify=x_ads.classify,
    )
)
