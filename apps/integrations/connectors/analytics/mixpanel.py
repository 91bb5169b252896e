"""Mixpanel: events by /import in strict mode, which says of each what is wrong with it.

A 400 that names records has stored the others. An event is known by its name, time, person and insert id
together: all four are functions of the event, so a repeat is dropped. Without `ip` the address of this server
would be looked up as the person's, so it is always sent as 0.
"""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.analytics import product
from apps.integrations.connectors.conversions.destination import KINDS, Destination, Options
from apps.integrations.connectors.conversions.sending import check_by_nothing, tells
from apps.integrations.conversion_events import ANALYTICS, ConversionEvent
from apps.integrations.http import Request, Response
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Classify, Credentials, Family, Field, Reach, Service

NAME = "Mixpanel"
HOSTS = {"us": "api.mixpanel.com", "eu": "api-eu.mixpanel.com", "in": "api-in.mixpanel.com"}
PRIVACY_HOSTS = {"us": "mixpanel.com", "eu": "eu.mixpanel.com", "in": "in.mixpanel.com"}
BATCH = 2_000
# The documents say 10 MB in one place and 2 MB in another.
LARGEST_BODY, LARGEST_EVENT = 2_000_000, 1_000_000
LONGEST_TEXT = 255


def sign(request: Request, credentials: Credentials) -> Request:
    """The service account's name and secret; deletions come with a token of their own."""
    if "Authorization" in request.headers:
        return request
    return replace(request, auth=(str(credentials.get("user", "")), str(credentials.get("secret", ""))))


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The status; a good one with an error in its body is what the body says."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    body = response.json_object()
    words = body.get("error") or ""
    if by_status.is_good and (words or body.get("status") == 0):
        inner = of_status(int(body.get("code") or 400), {}, is_idempotent=is_idempotent, now=now)
        by_status = inner if not inner.is_good else replace(inner, kind=Kind.PERMANENT_DATA)
    if by_status.is_good:
        return reading.with_body(by_status, response, NAME)
    return reading.told(by_status, code=body.get("code", response.status), words=words, name=NAME)


def judges(events: Sequence[ConversionEvent], options: Options) -> Classify:
    """classify for these events: where the answer lists records, the rest was stored."""

    def judge(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
        outcome = classify(response, is_idempotent, now)
        failed = response.json_object().get("failed_records")
        if outcome.kind != Kind.PERMANENT_DATA or not isinstance(failed, list):
            return outcome
        places = {product.insert_id(one): place for place, one in enumerate(events)}
        refused = {_place(one, places): _of_record(one) for one in failed}
        each = tuple(refused.get(place, OK) for place in range(len(events)))
        return replace(outcome, kind=Kind.PARTIAL, items=each) if failed else outcome

    return judge


def _place(record: Mapping[str, Any], places: Mapping[str, int]) -> int | None:
    """By its insert id, which goes by two names in the documents, or else by its index."""
    known = str(record.get("$insert_id") or record.get("insert_id") or "")
    return places.get(known, record.get("index"))


def _of_record(record: Mapping[str, Any]) -> Outcome:
    words = f"{record.get('field', '')}: {record.get('message', '')}"
    return Outcome(kind=Kind.PERMANENT_DATA, status=400, reason=f"{NAME} refused it: {words}"[:300])


MIXPANEL = services.register(
    Service(
        key="mixpanel",
        name=NAME,
        family=Family.ANALYTICS,
        base_url="https://api.mixpanel.com",
        fields=(
            Field(key="account", label="Project id", help="Settings, Overview."),
            Field(
                key="residency",
                label="Data residency",
                choices=(("us", "United States"), ("eu", "European Union"), ("in", "India")),
            ),
            Field(key="user", label="Service account", help="With the role Owner or Admin."),
            Field(key="secret", label="Its secret", is_secret=True),
            Field(
                key="token",
                label="Project token",
                help="Needed with the next one to hand erasures on.",
                is_secret=True,
                is_required=False,
            ),
            Field(key="gdpr_token", label="Token for deletions", is_secret=True, is_required=False),
            product.WHO,
            product.STEPS_FIELD,
            KINDS,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells Mixpanel of conversions, changes of their value and, where you want it, visits and "
        "clicks, for people who allowed analytics_storage. Hands erasures on where it has a token for that.",
        limits=Limits(at_once=10),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.analytics.mixpanel.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    content = gzip.compress(_body(events, options), mtime=0)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    params = {"strict": "1", "project_id": str(options["account"])}
    url = _url(HOSTS, options, "/import")
    return Request(method="POST", url=url, params=params, headers=headers, content=content)


def event_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    known = {
        "time": product.millis(event),
        "distinct_id": product.id_of(event, options),
        "$insert_id": product.insert_id(event),
        "ip": 0,
    }
    return {"event": product.name_of(event), "properties": {**known, **product.properties_of(event)}}


def refusal(event: ConversionEvent, options: Options) -> str:
    if reason := product.refusal(event, options):
        return reason
    if len(product.id_of(event, options).encode()) > LONGEST_TEXT:
        return f"The person's id has more than {LONGEST_TEXT} bytes."
    return "" if len(_body([event], options)) < LARGEST_EVENT else "It is too large."


def is_too_large(events: Sequence[ConversionEvent], options: Options) -> bool:
    return len(_body(events, options)) > LARGEST_BODY


def _body(events: Sequence[ConversionEvent], options: Options) -> bytes:
    return json.dumps([event_of(one, options) for one in events], separators=(",", ":")).encode()


def _url(hosts: Mapping[str, str], options: Options, path: str) -> str:
    return MIXPANEL.placed(f"https://{hosts[str(options.get('residency') or 'us')]}{path}")


class Mixpanel:
    """ProductAnalytics at Mixpanel."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def account(self) -> str:
        return check_by_nothing(self.client, build([], self.client.credentials))

    def forget(self, ids: Sequence[str]) -> Answer[Any]:
        known = self.client.credentials
        token, allowed_by = known.get("token"), known.get("gdpr_token")
        if not token or not allowed_by:
            return product.no_key_for_deletions(NAME, ids, known)
        request = Request(
            method="POST",
            url=_url(PRIVACY_HOSTS, known, "/api/app/data-deletions/v3.0/"),
            params={"token": token},
            headers={"Authorization": f"Bearer {allowed_by}"},
            json={"distinct_ids": list(ids), "compliance_type": "GDPR"},
        )
        return self.client.ask(product.FORGET, request, kind="write", is_idempotent=True)


def check(client: Client) -> str:
    return Mixpanel(client).account()


DESTINATION = tells(
    Destination(
        service="mixpanel",
        build=build,
        # It takes any age; what is so old says more of a mistake than of a person.
        oldest=timedelta(days=365),
        purpose=ANALYTICS,
        batch=BATCH,
        refusal=refusal,
        judges=judges,
        is_too_large=is_too_large,
        repeats_for=timedelta(days=5),
        retraction=product.takes_back,
    )
)
_of: Callable[[Client], product.ProductAnalytics] = Mixpanel
product.forgets("mixpanel", _of)
