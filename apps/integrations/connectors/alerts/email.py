"""Alerts by e-mail, through the mail server of the installation: the one channel that opens no socket of
http.py, and goes through the policy all the same.

Never the only channel: when mail is what fails, nobody hears of it.
"""

from datetime import timedelta
from functools import partial
from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from django.core.mail import EmailMessage, get_connection

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.alerts.alert import THRESHOLDS, TIMEOUT_SECONDS, Alert, told_by, trial
from apps.integrations.models import Call
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Operation, Rate
from apps.integrations.services import Family, Field, Reach, Service

KEY = "alert_email"
LIMITS = Limits(at_once=2, rates=(Rate(limit=60, window_seconds=60),))


def tell(client: Client, alert: Alert, call: Call | None) -> Answer:
    if not client.connection.is_usable:
        reason = f"{client.connection.label} is {client.connection.get_state_display()}."
        return Answer(outcome=Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason, was_sent=False))
    operation = Operation(
        service=KEY,
        name="mail.send",
        kind="write",
        account=str(client.connection.public_id),
        lane=client.lane,
        is_idempotent=False,
        timeout_seconds=TIMEOUT_SECONDS,
        limits=LIMITS,
    )
    return client.policy.call(operation, lambda seconds: (_send(client, alert, seconds), None))


def _send(client: Client, alert: Alert, seconds: float) -> Outcome:
    mail = EmailMessage(
        subject=alert.line[:200].replace("\n", " "),
        body=f"{alert.words}\n\n{alert.url}\n\nSince {alert.opened_at}. {alert.key}\n",
        to=[client.credentials["address"]],
        headers={"X-Entity-Ref-ID": alert.key, "Auto-Submitted": "auto-generated"},
        connection=get_connection(timeout=seconds),
    )
    try:
        mail.send()
    except (SMTPException, OSError) as error:
        return of_failure(error)
    return OK


def of_failure(error: Exception) -> Outcome:
    """What a mail server said, or that it said nothing."""
    reason = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, SMTPAuthenticationError):
        return Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason)
    if isinstance(error, SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        is_final = bool(codes) and min(codes) >= 500
        return Outcome(kind=Kind.PERMANENT_DATA if is_final else Kind.RETRYABLE, reason=reason)
    if isinstance(error, SMTPConnectError | ConnectionRefusedError):
        return Outcome(kind=Kind.RETRYABLE, reason=reason, was_sent=False)
    if isinstance(error, SMTPResponseException):
        is_final = error.smtp_code >= 500
        return Outcome(kind=Kind.PERMANENT_DATA if is_final else Kind.RETRYABLE, reason=reason)
    if isinstance(error, SMTPServerDisconnected | OSError):
        return Outcome(kind=Kind.UNKNOWN, reason=reason)
    return Outcome(kind=Kind.PERMANENT_DATA, reason=reason)


services.register(
    Service(
        key=KEY,
        name="E-mail",
        family=Family.ALERTS,
        base_url="smtp://localhost",
        fields=(Field(key="address", label="Address to write to"), *THRESHOLDS),
        reach=Reach.ONE_WAY_OUT,
        honest="Writes a mail through this installation's mail server. Not alone: mail itself may fail.",
        limits=LIMITS,
        check="apps.integrations.connectors.alerts.email.check",
    )
)
check = partial(trial, tell)
told_by(KEY, tell, repeats_for=timedelta(hours=1))
