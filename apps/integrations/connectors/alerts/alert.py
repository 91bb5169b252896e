"""What all alert channels have in common: the words of an alert, when a channel is used, and what happens if
it fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.integrations import errors, outbox
from apps.integrations.client import Client
from apps.integrations.ids import uuid7
from apps.integrations.models import AlertRule, Call
from apps.integrations.monitoring import alert_channels
from apps.integrations.outbox import Due, Handler, LookUp
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Field

# The service is busy, not broken: the alert comes through by itself in a moment.
PATIENT = {Kind.OK, Kind.THROTTLED, Kind.RATE_LIMITED, Kind.BULKHEAD_FULL}
SEVERITIES = (("", "as usual"), *AlertRule.Severity.choices)
TIERS = (("", "as usual"), ("1", "at once"), ("2", "when nobody acknowledged it"), ("3", "as a last resort"))
THRESHOLDS = (
    Field(key="from_severity", label="From which severity on", is_required=False, choices=SEVERITIES),
    Field(key="from_tier", label="How early", is_required=False, choices=TIERS),
)
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Alert:
    """deed: trigger, acknowledge or resolve. key: the same for all that is said of one incident."""

    deed: str
    key: str
    title: str
    severity: str
    detail: str = ""
    tier: int = 1
    opened_at: str = ""
    is_test: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Alert":
        return cls(**payload)

    @property
    def line(self) -> str:
        """One line, for a subject and a short message."""
        if self.deed != "trigger":
            return f"{'Resolved' if self.deed == 'resolve' else 'Acknowledged'}: {self.title}"
        return f"{self.severity.capitalize()}: {self.title}"

    @property
    def words(self) -> str:
        return f"{self.line}. {self.detail}".rstrip(". ") + "."

    @property
    def url(self) -> str:
        """Where a person takes it."""
        place = "" if self.is_test else f"{self.key.removeprefix('mg:')}/"
        return f"{settings.SITE_URL}/integrations/incidents/{place}"

    @property
    def tag(self) -> str:
        """Short enough for an SMS, and by it the message is found again."""
        return f"mg:{self.key[-12:]}/{self.deed[0]}{self.tier}"


Tell = Callable[[Client, Alert, Call | None], Answer]


def told_by(
    service: str, tell: Tell, *, look_up: LookUp | None = None, repeats_for: timedelta = timedelta()
) -> None:
    """Register how a channel is told."""
    perform = partial(_perform, tell)
    handler = Handler(perform=perform, look_up=look_up, repeats_for=repeats_for)
    outbox.handles(service, alert_channels.OPERATION, handler)


def trial(tell: Tell, client: Client) -> str:
    """Send a test alert and take it back. Raises ServiceError."""
    key = f"mg:test-{uuid7()}"
    for deed in ("trigger", "resolve"):
        outcome = tell(client, test_alert(deed, key=key, now=timezone.now()), None).outcome
        if not outcome.is_good:
            raise errors.of(client.service.name, outcome)
    return "A test alert was sent and taken back."


def test_alert(deed: str, *, key: str, now: datetime) -> Alert:
    return Alert.of(alert_channels.test_payload(deed, key=key, now=now))


def nothing_to_say() -> Answer:
    """The channel has no words for this deed."""
    return Answer(outcome=Outcome(kind=Kind.OK, reason="There is nothing to say here.", was_sent=False))


def _perform(tell: Tell, client: Client, dues: Sequence[Due]) -> Answer:
    """Tell it, unless it is over; a channel that cannot be reached has the next ones told."""
    call, alert = dues[0].call, Alert.of(dues[0].payload)
    if alert.deed == "trigger" and alert_channels.is_over(alert.key):
        over = "It was over before it could be told."
        return Answer(outcome=Outcome(kind=Kind.OK, reason=over, was_sent=False))
    answer = tell(client, alert, call)
    if alert.deed == "trigger" and answer.outcome.kind not in PATIENT:
        alert_channels.fall_over(call.connection, alert.key, now=timezone.now())
    return answer
