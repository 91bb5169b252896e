"""Twilio: SMS, and a phone call in which "1" takes the incident.

Form-encoded, Basic auth. There is no idempotency key: what may have been sent is looked up by the tag in the
text, or by the number that was called. Code 20429 was never processed. A sender of SMS in the United States
must be registered (A2P 10DLC) or its messages are blocked.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from apps.integrations import inbound, services
from apps.integrations.client import Client
from apps.integrations.connectors.alerts.alert import (
    THRESHOLDS,
    TIMEOUT_SECONDS,
    Alert,
    nothing_to_say,
    told_by,
)
from apps.integrations.http import Request, Response
from apps.integrations.models import Call, Connection
from apps.integrations.outbox import Due
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, Reach, Service

SMS, CALL = "twilio_sms", "twilio_call"
API = "/2010-04-01/Accounts"
LONGEST_BODY = 1_600
# An SMS that could not be delivered within this wakes somebody for nothing.
VALID_SECONDS = 3_600
RINGS_SECONDS = 45
# Code → what follows. The rest is judged by the status.
CODES: dict[int, Kind] = {
    20_003: Kind.AUTH_EXPIRED,  # the SID or token is wrong
    20_005: Kind.PERMANENT_CONFIG,  # the account is suspended
    20_404: Kind.PERMANENT_CONFIG,
    20_429: Kind.THROTTLED,  # never processed
    21_211: Kind.PERMANENT_CONFIG,  # To is no number
    21_212: Kind.PERMANENT_CONFIG,  # From is no number
    21_214: Kind.PERMANENT_CONFIG,  # To is no mobile
    21_215: Kind.PERMANENT_CONFIG,  # calls to that country are not allowed
    21_408: Kind.PERMANENT_CONFIG,  # messages to that country are not allowed
    21_606: Kind.PERMANENT_CONFIG,  # From is not ours
    21_610: Kind.PERMANENT_CONFIG,  # the recipient said STOP: never again
    21_612: Kind.PERMANENT_CONFIG,  # the two numbers cannot reach each other
    21_614: Kind.PERMANENT_CONFIG,  # To is no mobile
    21_617: Kind.PERMANENT_DATA,  # the text is too long
    30_003: Kind.RETRYABLE,  # the telephone is off
    30_005: Kind.PERMANENT_CONFIG,
    30_006: Kind.PERMANENT_CONFIG,
    30_007: Kind.PERMANENT_DATA,  # the carrier filtered it
}


def sign(request: Request, credentials: Credentials) -> Request:
    """Basic: an API key where there is one, else the account's own token."""
    if credentials.get("api_key") and credentials.get("api_secret"):
        return replace(request, auth=(str(credentials["api_key"]), str(credentials["api_secret"])))
    return replace(request, auth=(str(credentials["account"]), str(credentials["auth_token"])))


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = response.json_object()
    if by_status.is_good:
        if not document:
            reason = "Twilio answered with something else than JSON."
            return replace(by_status, kind=Kind.UNKNOWN, status=response.status, reason=reason)
        return Outcome(kind=Kind.OK, status=response.status, reference=str(document.get("sid") or ""))
    code = document.get("code")
    kind = CODES.get(code, by_status.kind) if isinstance(code, int) else by_status.kind
    words = str(document.get("message") or "")
    return replace(
        by_status,
        kind=kind,
        code=str(code or ""),
        reason=f"Twilio {code or response.status}: {words}"[:300],
        scope=Scope.ACCOUNT if kind == Kind.THROTTLED else Scope.CALL,
    )


def tell_by_sms(client: Client, alert: Alert, call: Call | None) -> Answer:
    if alert.is_test:
        return _account(client)
    if alert.deed == "acknowledge":
        return nothing_to_say()
    known = client.credentials
    form = {
        "To": known["to_number"],
        "Body": f"{alert.words[: LONGEST_BODY - 120]} {alert.url} [{alert.tag}]",
    }
    sender = known.get("messaging_service_sid")
    form |= {"MessagingServiceSid": sender} if sender else {"From": known.get("from_number", "")}
    form |= {"ValidityPeriod": VALID_SECONDS, "StatusCallback": hook_url(client.connection, alert)}
    return _write(client, "messages.send", "Messages.json", form)


def tell_by_call(client: Client, alert: Alert, call: Call | None) -> Answer:
    if alert.is_test:
        return _account(client)
    if alert.deed != "trigger":
        return nothing_to_say()
    known = client.credentials
    form = {
        "To": known["to_number"],
        "From": known["from_number"],
        "Twiml": spoken(client.connection, alert),
        "Timeout": RINGS_SECONDS,
    }
    return _write(client, "calls.make", "Calls.json", form)


def spoken(connection: Connection, alert: Alert) -> str:
    """What the telephone says, and where it sends the key that is pressed."""
    words = escape(alert.words[:600])
    action = quoteattr(hook_url(connection, alert))
    return (
        f'<Response><Gather numDigits="1" timeout="10" action={action}><Say>Bellwether alert. {words} '
        f'Press 1 to acknowledge.</Say><Pause length="2"/><Say>{words} Press 1 to acknowledge.</Say>'
        f"</Gather><Say>Nobody took it. The next circle will be told.</Say></Response>"
    )


def hook_url(connection: Connection, alert: Alert) -> str:
    return f"{inbound.url_of(connection)}?key={quote(alert.key, safe='')}"


def look_up_sms(client: Client, due: Due) -> Outcome:
    """Whether a message with our tag is among those to the number since the day of the call."""
    tag = Alert.of(due.payload).tag
    return _looked_up(
        client, due, "Messages.json", "DateSent>", "messages", lambda one: tag in one.get("body", "")
    )


def look_up_call(client: Client, due: Due) -> Outcome:
    """A call has no text: one to the number that began after ours was asked for is taken as ours."""
    since = (due.call.sent_at or due.call.created_at) - timedelta(seconds=5)

    def is_ours(one: dict[str, Any]) -> bool:
        began = _moment(one.get("date_created") or one.get("start_time"))
        return began is not None and began >= since

    return _looked_up(client, due, "Calls.json", "StartTime>", "calls", is_ours)


def _looked_up(
    client: Client, due: Due, resource: str, since_name: str, listed: str, is_ours: Any
) -> Outcome:
    day = (due.call.sent_at or due.call.created_at).astimezone(UTC).date().isoformat()
    asked = {"To": client.credentials["to_number"], since_name: day, "PageSize": 200}
    path = f"{API}/{client.credentials['account']}/{resource}"
    answer: Answer[Any] = client.ask("fate.find", Request(method="GET", url=path, params=asked))
    if not answer.outcome.is_good:
        return answer.outcome if answer.outcome.kind != Kind.PERMANENT_DATA else _cannot_say(answer.outcome)
    found = next((one for one in (answer.value or {}).get(listed, []) if is_ours(one)), None)
    if found is None:
        return Outcome(kind=Kind.PERMANENT_DATA, reason="Twilio knows of no such message.")
    return replace(OK, reference=str(found.get("sid", "")))


def _cannot_say(outcome: Outcome) -> Outcome:
    return replace(outcome, kind=Kind.UNKNOWN)


def _write(client: Client, name: str, resource: str, form: dict[str, Any]) -> Answer:
    return client.ask(
        name,
        Request(method="POST", url=f"{API}/{client.credentials['account']}/{resource}", form=form),
        kind="write",
        is_idempotent=False,
        read=lambda response: None,
        timeout_seconds=TIMEOUT_SECONDS,
    )


def _account(client: Client) -> Answer:
    """The self-test of what costs money and wakes people: ask whether the account is there and active."""
    path = f"{API}/{client.credentials['account']}.json"
    answer: Answer[Any] = client.ask("account.read", Request(method="GET", url=path))
    status = (answer.value or {}).get("status", "")
    if answer.outcome.is_good and status != "active":
        outcome = Outcome(
            kind=Kind.PERMANENT_CONFIG, reason=f"The account at Twilio is {status or 'unknown'}."
        )
        return Answer(outcome=outcome)
    return answer


def check(client: Client) -> str:
    path = f"{API}/{client.credentials['account']}.json"
    found = client.require("account.read", Request(method="GET", url=path))
    return f"{found.get('friendly_name', '')}, {found.get('status', 'unknown')}. Nobody was called."


def _moment(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


_ACCOUNT = (
    Field(key="account", label="Account SID", help="AC…"),
    Field(key="auth_token", label="Auth token", is_secret=True),
    Field(
        key="api_key", label="API key", help="SK… Used instead of the token where given.", is_required=False
    ),
    Field(key="api_secret", label="Secret of the API key", is_secret=True, is_required=False),
    Field(key="to_number", label="Number to reach", help="With its country: +447700900123"),
)
_LIMITS = Limits(at_once=2, rates=(Rate(limit=30, window_seconds=60),))
_CHECK = "apps.integrations.connectors.alerts.twilio.check"

services.register(
    Service(
        key=SMS,
        name="SMS (Twilio)",
        family=Family.ALERTS,
        base_url="https://api.twilio.com",
        fields=(
            *_ACCOUNT,
            Field(key="from_number", label="Our number", is_required=False),
            Field(
                key="messaging_service_sid",
                label="Messaging service",
                help="MG… Instead of a number.",
                is_required=False,
            ),
            *THRESHOLDS,
        ),
        reach=Reach.TWO_WAY,
        honest="Sends an SMS for what is critical, and tells other channels when it was not delivered.",
        limits=_LIMITS,
        sign=sign,
        classify=classify,
        check=_CHECK,
    )
)
services.register(
    Service(
        key=CALL,
        name="Phone call (Twilio)",
        family=Family.ALERTS,
        base_url="https://api.twilio.com",
        fields=(*_ACCOUNT, Field(key="from_number", label="Our number"), *THRESHOLDS),
        reach=Reach.TWO_WAY,
        honest="Calls when nobody has acknowledged something critical; pressing 1 acknowledges it.",
        limits=_LIMITS,
        sign=sign,
        classify=classify,
        check=_CHECK,
    )
)
told_by(SMS, tell_by_sms, look_up=look_up_sms)
told_by(CALL, tell_by_call, look_up=look_up_call)
