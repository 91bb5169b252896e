"""Google Data Manager: conversions into Google Ads. One bad event fails its whole request; what was taken is
worked through later, and what came of it is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.integrations import conversion_verdicts, outbox, services
from apps.integrations import identity_hashes as hashes
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.conversions.destination import (
    KINDS,
    REGION,
    Destination,
    Options,
    filled,
    never_back,
)
from apps.integrations.connectors.conversions.sending import tells
from apps.integrations.conversion_events import AD_PERSONALIZATION, AD_USER_DATA, ConversionEvent
from apps.integrations.conversion_verdicts import Verdict
from apps.integrations.http import Request, Response
from apps.integrations.outbox import Due, Handler, handles
from apps.integrations.resilience import retry_after
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

NAME = "Google"
KEY = "google_conversions"
STATUS = "conversions.status"
# Nothing in the events would mend these.
OF_THE_ACCOUNT = {
    "INVALID_CONVERSION_ACTION_ID",
    "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
    "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED",
    "DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    "OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
    "INVALID_DESTINATION",
}
CLICKS = ("gclid", "gbraid", "wbraid")
ASK_AFTER = timedelta(minutes=15)
ASK_UNTIL = timedelta(days=2)
VERDICTS = {
    "SUCCESS": Verdict.CONFIRMED,
    "FAILED": Verdict.REJECTED,
    "FAILURE": Verdict.REJECTED,
    "PARTIAL_SUCCESS": Verdict.PARTLY,
}


def sign(request: Request, credentials: Credentials) -> Request:
    headers = {**request.headers, "Authorization": f"Bearer {credentials.get('access_token', '')}"}
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """google.rpc.Status: the reason in its details counts more than the status."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    if by_status.is_good:
        return reading.with_body(by_status, response, NAME)
    error = response.json_object().get("error") or {}
    details = [one for one in error.get("details", []) if isinstance(one, dict)]
    reason = next((str(one["reason"]) for one in details if one.get("reason")), str(error.get("status", "")))
    kind = Kind.PERMANENT_CONFIG if reason in OF_THE_ACCOUNT else by_status.kind
    found = reading.told(
        replace(by_status, kind=kind), code=reason, words=error.get("message", ""), name=NAME
    )
    if kind != Kind.THROTTLED:
        return found
    delay = next((str(one["retryDelay"]) for one in details if one.get("retryDelay")), "")
    wait = by_status.retry_after_seconds or retry_after.parse(delay, now=now)
    return replace(found, scope=Scope.APPLICATION, retry_after_seconds=wait)


GOOGLE_CONVERSIONS = services.register(
    Service(
        key=KEY,
        name="Google Ads conversions",
        family=Family.CONVERSIONS,
        base_url="https://datamanager.googleapis.com/{version}",
        version="v1",
        fields=(
            Field(key="account", label="Conversion action", help="Its number in Google Ads."),
            Field(
                key="customer", label="Customer id", help="Of the account that owns the conversion action."
            ),
            Field(key="login_customer_id", label="Manager account", is_required=False),
            Field(
                key="restates",
                label="Refunds",
                help="Whether your conversion action takes a new value for an order that it knows.",
                is_required=False,
                choices=(("no", "leave what was told"), ("yes", "tell the new value")),
            ),
            KINDS,
            REGION,
        ),
        oauth=OAuth(
            authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
            token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
            revoke_url="https://oauth2.googleapis.com/revoke",
            extra={"access_type": "offline", "prompt": "consent"},
        ),
        scopes=("https://www.googleapis.com/auth/datamanager",),
        reach=Reach.ONE_WAY_OUT,
        honest="Tells Google Ads of conversions of the last 90 days, and asks later what came of them.",
        limits=Limits(
            at_once=8,
            rates=(
                Rate(limit=300, window_seconds=60, scope=Scope.APPLICATION),
                Rate(limit=100_000, window_seconds=86_400, scope=Scope.APPLICATION),
            ),
        ),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.conversions.google.check",
    )
)


def build(events: Sequence[ConversionEvent], options: Options) -> Request:
    return Request(method="POST", url="/events:ingest", json=body_of(events, options))


def body_of(
    events: Sequence[ConversionEvent], options: Options, *, only_validate: bool = False
) -> dict[str, Any]:
    return {
        "destinations": [_destination(options)],
        "encoding": "HEX",
        "validateOnly": only_validate,
        "events": [event_of(one, options) for one in events],
    }


def event_of(event: ConversionEvent, options: Options) -> dict[str, Any]:
    """Consent stands with each event: those of a batch are of different people."""
    return filled(
        destinationReferences=["d1"],
        transactionId=event.order_id or event.event_id,
        eventTimestamp=_moment(event.at),
        lastUpdatedTimestamp=_moment(event.changed_at) if event.changed_at else "",
        currency=event.currency.upper(),
        conversionValue=float(event.value),
        eventSource="WEB",
        consent={
            "adUserData": _said(AD_USER_DATA, event),
            "adPersonalization": _said(AD_PERSONALIZATION, event),
        },
        adIdentifiers={name: event.click(name) for name in CLICKS if event.click(name)},
        userData=filled(userIdentifiers=identifiers(event, options)),
    )


def identifiers(event: ConversionEvent, options: Options) -> list[dict[str, Any]]:
    region = str(options.get("region") or "")
    email = hashes.hashed(event.email, hashes.google_email)
    phone = hashes.hashed(event.phone, hashes.phone(region))
    given, family = (hashes.hashed(one, _lower) for one in (event.first_name, event.last_name))
    address = filled(
        givenName=given or "",
        familyName=family or "",
        regionCode=(hashes.country(event.country) or "").upper(),
        postalCode=event.postal_code.strip(),
    )
    found: list[dict[str, Any]] = [{"emailAddress": email}] if email else []
    found += [{"phoneNumber": phone}] if phone else []
    return found + ([{"address": address}] if len(address) == 4 else [])


def refusal(event: ConversionEvent, options: Options) -> str:
    is_known = any(event.click(name) for name in CLICKS) or identifiers(event, options)
    return "" if is_known else "Nothing in it says who it was."


def retraction(event: ConversionEvent, options: Options) -> str:
    return "" if options.get("restates") == "yes" else never_back(event, options)


def follow_up(client: Client, request_id: str, now: datetime) -> None:
    """Have the outbox ask later what came of a request."""
    if not request_id:
        return
    outbox.enqueue(
        client.connection,
        STATUS,
        {"request_id": request_id},
        dedup_key=request_id[:200],
        now=now,
        due_at=now + ASK_AFTER,
        expires_at=now + ASK_UNTIL,
    )


def ask_status(client: Client, dues: Sequence[Due]) -> Answer:
    """What came of a request: kept with its conversions; while it is being worked on, asked for again."""
    request_id = dues[0].payload["request_id"]
    request = Request(method="GET", url="/requestStatus:retrieve", params={"requestId": request_id})
    answer: Answer[Any] = client.ask(STATUS, request)
    if not answer.outcome.is_good:
        return answer
    rows = (answer.value or {}).get("requestStatusPerDestination") or [{}]
    status = str(rows[0].get("requestStatus") or rows[0].get("status") or "")
    if status not in VERDICTS:
        return Answer(
            outcome=Outcome(kind=Kind.THROTTLED, reason="It is still worked on.", retry_after_seconds=900)
        )
    conversion_verdicts.keep(client.connection, request_id, VERDICTS[status], reason=_why(rows[0]))
    return Answer(outcome=OK)


def _why(row: Mapping[str, Any]) -> str:
    told = [
        f"{one.get('reason', '')} ({one.get('recordCount', '?')})"
        for name in ("errorInfo", "warningInfo")
        for counts in (row.get(name) or {}).values()
        for one in counts
    ]
    return ", ".join(told)


def check(client: Client) -> str:
    """A sample that is only validated. Raises ServiceError."""
    sample = ConversionEvent(
        event_id="check",
        kind="lead",
        at=client.clock(),
        value=Decimal(0),
        currency="USD",
        email="a@example.com",
    )
    body = body_of([sample], client.credentials, only_validate=True)
    client.require("events.check", Request(method="POST", url="/events:ingest", json=body))
    return f"Conversion action {client.credentials['account']} takes what we send."


def _destination(options: Options) -> dict[str, Any]:
    login = _digits(options.get("login_customer_id") or "")
    return filled(
        operatingAccount={"accountType": "GOOGLE_ADS", "accountId": _digits(options["customer"])},
        loginAccount={"accountType": "GOOGLE_ADS", "accountId": login} if login else {},
        productDestinationId=str(options["account"]),
        reference="d1",
    )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _said(purpose: str, event: ConversionEvent) -> str:
    return "CONSENT_GRANTED" if purpose in event.allows else "CONSENT_DENIED"


def _lower(text: str) -> str | None:
    return text.strip().lower() or None


def _digits(text: object) -> str:
    return "".join(one for one in str(text) if one.isdigit())


def _request_id(document: Any) -> str:
    return str(document.get("requestId") or "") if isinstance(document, dict) else ""


DESTINATION = tells(
    Destination(
        service=KEY,
        build=build,
        oldest=timedelta(days=90),
        refusal=refusal,
        classify=classify,
        repeats_for=timedelta(days=7),
        retraction=retraction,
        reference=_request_id,
        after=follow_up,
    )
)
handles(KEY, STATUS, Handler(perform=ask_status, repeats_for=ASK_UNTIL))
