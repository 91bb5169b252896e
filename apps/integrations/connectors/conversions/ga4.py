"""GA4 Measurement Protocol. It says 204 to everything, so all is checked here before.

Nothing drops a duplicate but the transaction id of a purchase: anything else whose fate is unknown is not
sent again.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.conversions.destination import KINDS, Destination, Options, filled, word
from apps.integrations.connectors.conversions.sending import tells
from apps.integrations.conversion_events import AD_PERSONALIZATION, AD_USER_DATA, ANALYTICS, ConversionEvent
from apps.integrations.conversion_events import from_json as event_from
from apps.integrations.http import Request
from apps.integrations.outbox import Due
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Limits
from apps.integrations.services import Credentials, Family, Field, Reach, Service

NAMES = {
    "purchase": "purchase",
    "order": "purchase",
    "sale": "purchase",
    "lead": "generate_lead",
    "enquiry": "generate_lead",
    "signup": "sign_up",
}
RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
RESERVED = {
    "ad_click",
    "ad_exposure",
    "ad_impression",
    "ad_query",
    "app_clear_data",
    "app_exception",
    "app_remove",
    "app_update",
    "error",
    "first_open",
    "first_visit",
    "in_app_purchase",
    "notification_dismiss",
    "notification_open",
    "os_update",
    "screen_view",
    "session_start",
    "user_engagement",
}
LONGEST_NAME, LONGEST_VALUE, LARGEST_BODY = 40, 100, 130_000
CLIENT_ID = re.compile(r"[\w.-]{1,100}")


def sign(request: Request, credentials: Credentials) -> Request:
    params = {"measurement_id": credentials["account"], "api_secret": credentials.get("api_secret", "")}
    return replace(request, params=params)


GA4 = services.register(
    Service(
        key="ga4",
        name="Google Analytics 4",
        family=Family.CONVERSIONS,
        base_url="https://www.google-analytics.com",
        fields=(
            Field(key="account", label="Measurement id", help="G- and some letters: Admin, Data streams."),
            Field(key="api_secret", label="API secret", is_secret=True),
            KINDS,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells Analytics of conversions up to three days old, and of refunds of orders. It never says "
        "whether it took them.",
        limits=Limits(at_once=8),
        sign=sign,
        check="apps.integrations.connectors.conversions.ga4.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    """One event: those of one request are all of one client."""
    [event] = events
    return Request(method="POST", url="/mp/collect", json=body_of(event))


def body_of(event: ConversionEvent) -> dict[str, Any]:
    return {
        "client_id": client_id_of(event),
        "timestamp_micros": str(int((event.changed_at or event.at).timestamp() * 1_000_000)),
        "consent": {
            "ad_user_data": _said(AD_USER_DATA, event),
            "ad_personalization": _said(AD_PERSONALIZATION, event),
        },
        "events": [{"name": name_of(event), "params": _params(event)}],
    }


def name_of(event: ConversionEvent) -> str:
    kind = word(event.kind)
    return "refund" if event.taken_back is not None else NAMES.get(kind, kind)


def client_id_of(event: ConversionEvent) -> str:
    """The browser's own, or one made of our key of the person: two numbers, as Analytics writes them."""
    if known := event.browser.get("ga_client_id"):
        return known
    digest = hashlib.sha256(event.person_key.encode()).digest()
    first, second = (int.from_bytes(part) for part in (digest[:4], digest[4:8]))
    return f"{first}.{second}"


def _params(event: ConversionEvent) -> dict[str, Any]:
    value = event.value if event.taken_back is None else event.taken_back
    return filled(
        currency=event.currency.upper(),
        value=float(value),
        transaction_id=event.order_id,
        session_id=event.browser.get("ga_session_id", ""),
        engagement_time_msec=1,
    )


def _said(purpose: str, event: ConversionEvent) -> str:
    return "GRANTED" if purpose in event.allows else "DENIED"


def refusal(event: ConversionEvent, options: Options) -> str:
    """What the service would drop without a word."""
    name = name_of(event)
    if not re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}", name):
        return (
            f"{name[:60]!r} is no name that Analytics takes: letters, digits and _, at most {LONGEST_NAME}."
        )
    if name in RESERVED or name.startswith(RESERVED_PREFIXES):
        return f"Analytics keeps the name {name} for itself."
    params = _params(event)
    if long := [one for one, value in params.items() if len(str(value)) > LONGEST_VALUE]:
        return f"{long[0]} has more than {LONGEST_VALUE} characters."
    if not CLIENT_ID.fullmatch(client_id_of(event)):
        return "Its client id is none."
    return "" if len(json.dumps(body_of(event))) < LARGEST_BODY else "It is too large."


def retraction(event: ConversionEvent, options: Options) -> str:
    if not event.order_id:
        return "Analytics takes back orders alone, and this has no order id."
    if event.taken_back is not None and event.taken_back <= 0:
        return "Analytics does not take a higher value for an order that it knows."
    return ""


def is_repeatable(event: ConversionEvent) -> bool:
    return bool(event.order_id) and name_of(event) == "purchase"


def look_up(client: Client, due: Due) -> Outcome:
    """It cannot be asked: a purchase may go again, the rest may not."""
    if due.payload is not None and is_repeatable(event_from(due.payload)):
        return Outcome(kind=Kind.PERMANENT_DATA, reason="Its transaction id makes a second one harmless.")
    reason = "Whether it arrived is unknown, and a second one would count twice."
    return Outcome(kind=Kind.REFUSED_HERE, reason=reason)


def check(client: Client) -> str:
    """A sample at the validation door, which says what is wrong with it. Raises ServiceError.

    It does not check the secret: nothing at Analytics does.
    """
    sample = {
        "client_id": "1.1",
        "events": [{"name": "generate_lead", "params": {"currency": "USD", "value": 1}}],
    }
    found = client.require("debug", Request(method="POST", url="/debug/mp/collect", json=sample))
    said = found.get("validationMessages") or []
    if said:
        return f"It found fault with our sample: {said[0].get('description', '')}"
    return "It reads what we send. Whether the secret is right it never says: look at Realtime in Analytics."


DESTINATION = tells(
    Destination(
        service="ga4",
        build=build,
        oldest=timedelta(hours=72),
        purpose=ANALYTICS,
        batch=1,
        refusal=refusal,
        repeats_for=timedelta(),
        is_repeatable=is_repeatable,
        retraction=retraction,
    ),
    look_up=look_up,
)
