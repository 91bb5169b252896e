"""From a status or an exception to an outcome; total, so that no answer of a service falls through.

A service's module says more about its own error bodies and leaves the rest to these.
"""

from collections.abc import Mapping
from datetime import datetime

from apps.integrations.http import Failed, NotSent, Refused, TooLate
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.retry_after import seconds_of

UNPROCESSED = 503
# Conflict, locked, too early, misdirected: the service asks for the same request again.
AGAIN = {408, 421, 423, 425}
# Answers that come from something in front of the service once the request was on its way.
UNCERTAIN = {500, 502, 504}


def of_status(status: int, headers: Mapping[str, str], *, is_idempotent: bool, now: datetime) -> Outcome:
    """What a status alone says. Raises nothing: an unheard-of status is judged by its hundred."""
    wait = seconds_of(headers, now=now)
    if 200 <= status < 300:
        return OK
    if status == 429:
        return Outcome(
            kind=Kind.THROTTLED,
            status=status,
            reason="The service asks to slow down.",
            retry_after_seconds=wait,
            scope=Scope.ACCOUNT,
        )
    return Outcome(
        kind=_kind(status, is_idempotent), status=status, reason=f"HTTP {status}", retry_after_seconds=wait
    )


def _kind(status: int, is_idempotent: bool) -> Kind:
    if status in UNCERTAIN or status >= 600 or status < 200:
        return Kind.RETRYABLE if is_idempotent else Kind.UNKNOWN
    if status >= 500 or status in AGAIN:
        return Kind.RETRYABLE
    if 300 <= status < 400 or status in {402, 403, 404, 405, 407, 410, 426, 451}:
        return Kind.PERMANENT_CONFIG
    return Kind.AUTH_EXPIRED if status == 401 else Kind.PERMANENT_DATA


def of_exception(error: Exception) -> Outcome:
    """What an exception of http.py says. Any other is a fault of ours after the request may have left."""
    reason = f"{_what(error)}: {error}"[:300].rstrip(".") + "."
    if isinstance(error, Refused):
        return Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason, was_sent=False)
    if isinstance(error, NotSent):
        return Outcome(kind=Kind.RETRYABLE, reason=reason, was_sent=False)
    if isinstance(error, TooLate):
        return Outcome(kind=Kind.UNKNOWN, code="timeout", reason=reason)
    if isinstance(error, Failed):
        return Outcome(kind=Kind.UNKNOWN, reason=reason)
    return Outcome(kind=Kind.UNKNOWN, code="unreadable", reason=reason)


def _what(error: Exception) -> str:
    """For whoever reads it on a page; a fault of ours by its own name."""
    told: dict[type[Exception], str] = {
        Refused: "It was not sent",
        NotSent: "The service could not be reached",
        TooLate: "The service did not answer in time",
        Failed: "The answer did not come whole",
    }
    return told.get(type(error), type(error).__name__)
