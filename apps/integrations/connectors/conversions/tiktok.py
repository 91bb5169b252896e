"""TikTok Events API 2.0. An event is known by its id and name; ids are text, the answer's `code` says all."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from apps.integrations import identity_hashes as hashes
from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import tiktok as tiktok_ads
from apps.integrations.connectors.conversions.destination import (
    KINDS,
    REGION,
    Destination,
    Options,
    filled,
    word,
)
from apps.integrations.connectors.conversions.sending import check_by_nothing, tells
from apps.integrations.conversion_events import AD_PERSONALIZATION, ConversionEvent
from apps.integrations.http import Request
from apps.integrations.resilience.policy import Limits
from apps.integrations.services import Family, Field, Reach, Service

NAMES = {
    "purchase": "CompletePayment",
    "order": "CompletePayment",
    "sale": "CompletePayment",
    "lead": "SubmitForm",
    "enquiry": "SubmitForm",
    "sign_up": "CompleteRegistration",
    "signup": "CompleteRegistration",
    "subscription": "Subscribe",
    "contact": "Contact",
}
STRONG = ("email", "phone", "external_id", "ttclid", "ttp")
PLACE = re.compile(r"\b[Bb]atch\.(\d+)\.")

TIKTOK_CONVERSIONS = services.register(
    Service(
        key="tiktok_conversions",
        name="TikTok Events API",
        family=Family.CONVERSIONS,
        base_url="https://business-api.tiktok.com/open_api/{version}",
        version="v1.3",
        fields=(
            Field(key="account", label="Pixel code"),
            Field(key="access_token", label="Access token", is_secret=True),
            Field(key="test_event_code", label="Test code", is_required=False),
            KINDS,
            REGION,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells TikTok of conversions up to seven days old. What was told cannot be taken back.",
        limits=Limits(at_once=4),
        sign=tiktok_ads.sign,
        classify=tiktok_ads.classify,
        check="apps.integrations.connectors.conversions.tiktok.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    head = filled(
        event_source="web",
        event_source_id=str(options["account"]),
        test_event_code=options.get("test_event_code") or "",
    )
    data = [event_of(one, options) for one in events]
    return Request(method="POST", url="/event/track/", json={**head, "data": data})


def event_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    told = filled(
        event=NAMES.get(word(event.kind), event.kind[:50]),
        event_time=int(event.at.timestamp()),
        event_id=event.event_id,
        user=user_of(event, options),
        page=filled(url=event.browser.get("url", "")),
        properties=filled(currency=event.currency.upper(), value=float(event.value), order_id=event.order_id),
    )
    return told if AD_PERSONALIZATION in event.allows else {**told, "limited_data_use": True}


def user_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    region = str(options.get("region") or "")
    return filled(
        email=hashes.hashed(event.email, hashes.email),
        phone=hashes.hashed(event.phone, hashes.phone(region)),
        external_id=hashes.hashed(event.external_id, hashes.plain),
        ttclid=event.click("ttclid"),
        ttp=event.browser.get("ttp", ""),
        ip=event.browser.get("client_ip_address", ""),
        user_agent=event.browser.get("client_user_agent", ""),
    )


def refusal(event: ConversionEvent, options: Options) -> str:
    found = user_of(event, options)
    return "" if any(name in found for name in STRONG) else "Nothing in it says who it was."


def named(words: str) -> set[int]:
    return {int(number) for number in PLACE.findall(words)}


def check(client: Client) -> str:
    return check_by_nothing(client, build([], client.credentials))


DESTINATION = tells(
    Destination(
        service="tiktok_conversions",
        build=build,
        oldest=timedelta(days=7),
        refusal=refusal,
        classify=tiktok_ads.classify,
        named=named,
    )
)
