"""Meta Conversions API. One bad event fails its whole batch; the same event within two days counts once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from apps.integrations import identity_hashes as hashes
from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import meta as meta_ads
from apps.integrations.connectors.conversions.destination import (
    KINDS,
    REGION,
    Destination,
    Options,
    filled,
    word,
)
from apps.integrations.connectors.conversions.sending import tells
from apps.integrations.conversion_events import AD_PERSONALIZATION, ConversionEvent
from apps.integrations.http import Request, Response
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Limits
from apps.integrations.services import Family, Field, Reach, Service

NAMES = {
    "purchase": "Purchase",
    "order": "Purchase",
    "sale": "Purchase",
    "lead": "Lead",
    "enquiry": "Lead",
    "booking": "Schedule",
    "consultation": "Schedule",
    "sign_up": "CompleteRegistration",
    "signup": "CompleteRegistration",
    "trial": "StartTrial",
    "subscription": "Subscribe",
    "contact": "Contact",
}
# Any one of these is enough to recognise somebody by.
STRONG = ("em", "ph", "external_id", "fbc", "fbp")
WRONG_DATASET = "100.33"


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """As for advertisements, but that a dataset which is not there is no fault of the events."""
    outcome = meta_ads.classify(response, is_idempotent, now)
    return replace(outcome, kind=Kind.PERMANENT_CONFIG) if outcome.code == WRONG_DATASET else outcome


META_CONVERSIONS = services.register(
    Service(
        key="meta_conversions",
        name="Meta Conversions API",
        family=Family.CONVERSIONS,
        base_url="https://graph.facebook.com/{version}",
        version="v26.0",
        fields=(
            Field(key="account", label="Dataset", help="The number of the dataset or pixel."),
            Field(key="access_token", label="Access token of the dataset", is_secret=True),
            Field(
                key="test_event_code",
                label="Test code",
                help="Shows events under Test events. Empty once you are done testing.",
                is_required=False,
            ),
            KINDS,
            REGION,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells Meta of conversions up to seven days old. What was told cannot be taken back.",
        limits=Limits(at_once=4),
        sign=meta_ads.sign,
        classify=classify,
        check="apps.integrations.connectors.conversions.meta.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    body = {"data": [event_of(one, options) for one in events]}
    if code := options.get("test_event_code"):
        body["test_event_code"] = code
    return Request(method="POST", url=f"/{options['account']}/events", json=body)


def event_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    url, agent = event.browser.get("url", ""), event.browser.get("client_user_agent", "")
    is_of_website = bool(url and agent)
    told = filled(
        event_name=name_of(event.kind),
        event_time=int(event.at.timestamp()),
        action_source="website" if is_of_website else "system_generated",
        event_source_url=url if is_of_website else "",
        event_id=event.event_id,
        user_data=user_data(event, options),
        custom_data=filled(
            value=float(event.value), currency=event.currency.upper(), order_id=event.order_id
        ),
    )
    return told if AD_PERSONALIZATION in event.allows else {**told, "opt_out": True}


def user_data(event: ConversionEvent, options: Options) -> dict[str, Any]:
    region = str(options.get("region") or "")
    each = {
        "em": hashes.hashed(event.email, hashes.email),
        "ph": hashes.hashed(event.phone, hashes.bare_phone(region)),
        "fn": hashes.hashed(event.first_name, hashes.name),
        "ln": hashes.hashed(event.last_name, hashes.name),
        "ct": hashes.hashed(event.city, hashes.city),
        "zp": hashes.hashed(event.postal_code, hashes.postal_code),
        "country": hashes.hashed(event.country, hashes.country),
        "external_id": hashes.hashed(event.external_id, hashes.plain),
    }
    lists = {name: [value] for name, value in each.items() if value}
    in_clear = {
        name: event.browser.get(name, "") for name in ("client_ip_address", "client_user_agent", "fbp")
    }
    return lists | filled(**in_clear, fbc=_fbc(event))


def name_of(kind: str) -> str:
    return NAMES.get(word(kind), kind[:50])


def refusal(event: ConversionEvent, options: Options) -> str:
    found = user_data(event, options)
    return "" if any(name in found for name in STRONG) else "Nothing in it says who it was."


def _fbc(event: ConversionEvent) -> str:
    if known := event.browser.get("fbc"):
        return known
    click = event.clicks.get("fbclid")
    return f"fb.1.{int(click.at.timestamp() * 1000)}.{click.value}" if click else ""


def check(client: Client) -> str:
    """The dataset's name. Raises ServiceError."""
    asked = Request(method="GET", url=f"/{client.credentials['account']}", params={"fields": "name"})
    found: Mapping[str, Any] = client.require("dataset.read", asked)
    return f"Dataset {found.get('name') or client.credentials['account']}"


DESTINATION = tells(
    Destination(
        service="meta_conversions",
        build=build,
        oldest=timedelta(days=7),
        batch=50,
        refusal=refusal,
        classify=classify,
    )
)
