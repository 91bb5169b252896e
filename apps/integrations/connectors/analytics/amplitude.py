"""Amplitude: events by HTTP V2 or by the door for batches.

A request with one bad event, or with one person who sends too much, is not taken at all. What its answer
lists is given up, or set aside for as long as it says, and the rest is sent again at once. An insert id
that came before within seven days is dropped.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.analytics import product
from apps.integrations.connectors.conversions.destination import KINDS, Destination, Options, filled
from apps.integrations.connectors.conversions.sending import check_by_nothing, tells
from apps.integrations.conversion_events import ANALYTICS, ConversionEvent
from apps.integrations.http import Request, Response
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Classify, Credentials, Family, Field, Reach, Service

NAME = "Amplitude"
HOSTS = {"us": "api2.amplitude.com", "eu": "api.eu.amplitude.com"}
PRIVACY_HOSTS = {"us": "amplitude.com", "eu": "analytics.eu.amplitude.com"}
SINGLE, BATCHES = "httpapi", "batch"
PATHS = {SINGLE: "/2/httpapi", BATCHES: "/batch"}
LARGEST_BODY = {SINGLE: 1_000_000, BATCHES: 20_000_000}
ASIDE_SECONDS = {SINGLE: 30.0, BATCHES: 15.0}
BATCH = 2_000
LONGEST_TEXT = 1_024
LISTS = ("events_with_missing_fields", "events_with_invalid_fields", "events_with_invalid_id_lengths")
Items = tuple[Outcome | None, ...]


def sign(request: Request, credentials: Credentials) -> Request:
    """The key travels in the body."""
    return request


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The status, but for the key: a wrong one is a 400 like any other fault."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    body = response.json_object()
    if by_status.is_good and int(body.get("code") or 200) != 200:
        by_status = of_status(int(body["code"]), {}, is_idempotent=is_idempotent, now=now)
    if by_status.is_good:
        return reading.with_body(by_status, response, NAME)
    if response.status == 413:
        by_status = replace(by_status, kind=Kind.PERMANENT_DATA)
    words = str(body.get("error") or "")
    is_of_key = body.get("missing_field") == "api_key" or "api key" in words.lower()
    found = replace(by_status, kind=Kind.PERMANENT_CONFIG) if is_of_key else by_status
    return reading.told(found, code=body.get("code", response.status), words=words, name=NAME)


def judges(events: Sequence[ConversionEvent], options: Options) -> Classify:
    """classify for these events: what the answer lists, and what may go again at once."""

    def judge(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
        outcome = classify(response, is_idempotent, now)
        body = response.json_object()
        if outcome.kind not in {Kind.PERMANENT_DATA, Kind.THROTTLED} or not body:
            return outcome
        items = _items(events, options, body, now)
        return replace(outcome, kind=Kind.PARTIAL, items=items) if any(items) else outcome

    return judge


def _items(
    events: Sequence[ConversionEvent], options: Options, body: Mapping[str, Any], now: datetime
) -> Items:
    """Of each event what the answer says; None where it says nothing."""
    each: list[Outcome | None] = [None] * len(events)
    aside = Outcome(
        kind=Kind.THROTTLED,
        reason=f"{NAME} hears too much of this person at once.",
        retry_after_seconds=ASIDE_SECONDS[_door(options)],
    )
    for place in _places(body.get("throttled_events"), events):
        each[place] = aside
    for place, words in _faults(body, events):
        each[place] = Outcome(
            kind=Kind.PERMANENT_DATA, status=400, reason=f"{NAME} refused it: {words}"[:300]
        )
    spent = {**_mapping(body, "exceeded_daily_quota_users"), **_mapping(body, "exceeded_daily_quota_devices")}
    for place, event in enumerate(events):
        if product.id_of(event, options) in spent:
            each[place] = Outcome(
                kind=Kind.QUOTA_EXHAUSTED, reason=f"{NAME} hears no more of this person today."
            )
    return tuple(each)


def _faults(body: Mapping[str, Any], events: Sequence[ConversionEvent]) -> Iterator[tuple[int, str]]:
    for name in LISTS:
        for field, places in _mapping(body, name).items():
            for place in _places(places, events):
                yield place, f"{name.rsplit('with_', 1)[-1].replace('_', ' ')}, {field}"
    for place in _places(body.get("silenced_events"), events):
        yield place, "this person is silenced there"


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _places(listed: object, events: Sequence[ConversionEvent]) -> list[int]:
    numbers = listed if isinstance(listed, list) else []
    return [one for one in numbers if isinstance(one, int) and 0 <= one < len(events)]


AMPLITUDE = services.register(
    Service(
        key="amplitude",
        name=NAME,
        family=Family.ANALYTICS,
        base_url="https://api2.amplitude.com",
        fields=(
            Field(key="account", label="Project id", help="Only to tell your projects apart here."),
            Field(
                key="residency",
                label="Data residency",
                choices=(("us", "United States"), ("eu", "European Union")),
            ),
            Field(key="api_key", label="API key", is_secret=True),
            Field(
                key="secret_key",
                label="Secret key",
                help="Needed to hand erasures on.",
                is_secret=True,
                is_required=False,
            ),
            Field(
                key="door",
                label="Interface",
                help="The one for batches lets more through for each person.",
                is_required=False,
                choices=((SINGLE, "HTTP V2"), (BATCHES, "Batch")),
            ),
            product.WHO,
            product.STEPS_FIELD,
            KINDS,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells Amplitude of conversions, changes of their value and, where you want it, visits and "
        "clicks, for people who allowed analytics_storage. Hands erasures on where it has the secret key.",
        limits=Limits(at_once=8),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.analytics.amplitude.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    url = _url(HOSTS, options, PATHS[_door(options)])
    content = gzip.compress(_body(events, options), mtime=0)
    return Request(method="POST", url=url, headers=headers, content=content)


def event_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    told = {
        "user_id": product.id_of(event, options),
        "event_type": product.name_of(event),
        "time": product.millis(event),
        "insert_id": product.insert_id(event),
        "event_properties": product.properties_of(event),
    }
    return told | _revenue(event)


def _revenue(event: ConversionEvent) -> dict[str, Any]:
    """A change is told by the difference, so that sums come out right."""
    value = event.value if event.taken_back is None else -event.taken_back
    return (
        filled(revenue=float(value), currency=event.currency.upper()) if value and not event.is_step else {}
    )


def refusal(event: ConversionEvent, options: Options) -> str:
    if reason := product.refusal(event, options):
        return reason
    texts = (product.id_of(event, options), event.order_id, event.event_id)
    if any(len(one) > LONGEST_TEXT for one in texts):
        return f"A text of it has more than {LONGEST_TEXT} characters."
    return "It is too large." if is_too_large([event], options) else ""


def is_too_large(events: Sequence[ConversionEvent], options: Options) -> bool:
    return len(_body(events, options)) >= LARGEST_BODY[_door(options)]


def _body(events: Sequence[ConversionEvent], options: Options) -> bytes:
    told = {
        "api_key": str(options.get("api_key", "")),
        "events": [event_of(one, options) for one in events],
        "options": {"min_id_length": 1},
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _door(options: Options) -> str:
    return str(options.get("door") or SINGLE)


def _url(hosts: Mapping[str, str], options: Options, path: str) -> str:
    return AMPLITUDE.placed(f"https://{hosts[str(options.get('residency') or 'us')]}{path}")


class Amplitude:
    """ProductAnalytics at Amplitude."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def account(self) -> str:
        return check_by_nothing(self.client, build([], self.client.credentials))

    def forget(self, ids: Sequence[str]) -> Answer[Any]:
        known = self.client.credentials
        if not known.get("secret_key"):
            return product.no_key_for_deletions(NAME, ids, known)
        request = Request(
            method="POST",
            url=_url(PRIVACY_HOSTS, known, "/api/2/deletions/users"),
            auth=(str(known["api_key"]), str(known["secret_key"])),
            json={"user_ids": list(ids), "requester": "Bellwether", "ignore_invalid_id": "True"},
        )
        return self.client.ask(product.FORGET, request, kind="write", is_idempotent=True)


def check(client: Client) -> str:
    return Amplitude(client).account()


DESTINATION = tells(
    Destination(
        service="amplitude",
        build=build,
        oldest=timedelta(days=365),
        purpose=ANALYTICS,
        batch=BATCH,
        refusal=refusal,
        judges=judges,
        is_too_large=is_too_large,
        repeats_for=timedelta(days=7),
        retraction=product.takes_back,
    )
)
_of: Callable[[Client], product.ProductAnalytics] = Amplitude
product.forgets("amplitude", _of)
