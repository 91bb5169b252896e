"""LinkedIn Conversions API. Each element has a status of its own; a refusal names those that it is for."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from apps.integrations import identity_hashes as hashes
from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import linkedin as linkedin_ads
from apps.integrations.connectors.conversions.destination import KINDS, Destination, Options, filled
from apps.integrations.connectors.conversions.sending import tells
from apps.integrations.conversion_events import ConversionEvent
from apps.integrations.http import Request, Response
from apps.integrations.money import Form, Money, to_wire
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Outcome
from apps.integrations.resilience.policy import Limits
from apps.integrations.services import Family, Field, OAuth, Reach, Service

NAME = "LinkedIn"
# "Index: 0, ERROR :: …" and "…, indices [0]"
PLACE = re.compile(r"Index: (\d+)")
PLACES = re.compile(r"indices \[([\d, ]+)\]")


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """A status for each element; 422 is plain text that names those which it refuses."""
    outcome = linkedin_ads.classify(response, is_idempotent, now)
    if response.status == 422:
        return replace(outcome, reason=f"{NAME}: {' '.join(response.text.split())}"[:300])
    elements = response.json_object().get("elements") if outcome.is_good else None
    if not isinstance(elements, list):
        return outcome
    return replace(outcome, items=tuple(_of_element(one, is_idempotent, now) for one in elements))


def _of_element(element: dict[str, Any], is_idempotent: bool, now: datetime) -> Outcome:
    status = int(element.get("status") or 201)
    found = of_status(status, {}, is_idempotent=is_idempotent, now=now)
    words = (element.get("error") or {}).get("message") or element.get("message") or ""
    return found if found.is_good else replace(found, reason=f"{NAME} {status}: {words}"[:300])


LINKEDIN_CONVERSIONS = services.register(
    Service(
        key="linkedin_conversions",
        name="LinkedIn Conversions API",
        family=Family.CONVERSIONS,
        base_url="https://api.linkedin.com/rest",
        version=linkedin_ads.LINKEDIN.version,
        sunset_on=date(2027, 9, 1),
        fields=(
            Field(
                key="account",
                label="Conversion rule",
                help="The number of a rule of the Conversions API; one connection for each rule.",
            ),
            KINDS,
        ),
        oauth=OAuth(
            authorize_url="https://www.linkedin.com/oauth/v2/authorization",
            token_url="https://www.linkedin.com/oauth/v2/accessToken",  # noqa: S106 - an address
            uses_pkce=False,
        ),
        scopes=("rw_conversions",),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells LinkedIn of conversions up to 90 days old. What was told cannot be taken back.",
        limits=Limits(at_once=4),
        sign=linkedin_ads.sign,
        classify=classify,
        check="apps.integrations.connectors.conversions.linkedin.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    return Request(
        method="POST",
        url="/conversionEvents",
        headers={"X-RestLi-Method": "BATCH_CREATE"},
        json={"elements": [element_of(one, options) for one in events]},
    )


def element_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    worth = Money(event.value, event.currency.upper())
    return {
        "conversion": f"urn:lla:llaPartnerConversion:{options['account']}",
        "conversionHappenedAt": int(event.at.timestamp() * 1000),
        "conversionValue": {"currencyCode": worth.currency, "amount": to_wire(worth, Form.DECIMAL)},
        "eventId": event.event_id,
        "user": user_of(event),
    }


def user_of(event: ConversionEvent) -> dict[str, Any]:
    email, click = hashes.hashed(event.email, hashes.email), event.click("li_fat_id")
    ids = [{"idType": "SHA256_EMAIL", "idValue": email}] if email else []
    ids += [{"idType": "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID", "idValue": click}] if click else []
    country = (hashes.country(event.country) or "").upper()
    info = filled(firstName=event.first_name, lastName=event.last_name, countryCode=country)
    has_name = event.first_name and event.last_name
    return {"userIds": ids, **({"userInfo": info} if has_name else {})}


def refusal(event: ConversionEvent, options: Options) -> str:
    found = user_of(event)
    return "" if found["userIds"] or "userInfo" in found else "Nothing in it says who it was."


def named(words: str) -> set[int]:
    listed = {int(number) for many in PLACES.findall(words) for number in re.findall(r"\d+", many)}
    return listed | {int(number) for number in PLACE.findall(words)}


def check(client: Client) -> str:
    """The rule's name. Raises ServiceError."""
    rule = client.credentials["account"]
    found = client.require("rule.read", Request(method="GET", url=f"/conversions/{rule}"))
    return f"Conversion rule {found.get('name') or rule}"


DESTINATION = tells(
    Destination(
        service="linkedin_conversions",
        build=build,
        oldest=timedelta(days=90),
        refusal=refusal,
        classify=classify,
        named=named,
        repeats_for=timedelta(days=7),
    )
)
