"""What connectors of several families read alike in an answer."""

from dataclasses import replace

from apps.integrations.http import Response
from apps.integrations.resilience.outcomes import Kind, Outcome


def is_json(response: Response) -> bool:
    """Whether the body is JSON of whatever kind; an answer without one says nothing wrong either."""
    return not response.body or response.json_object() != {} or response.body.strip()[:1] in {b"{", b"["}


def with_body(outcome: Outcome, response: Response, name: str) -> Outcome:
    """The outcome, but of a good status with something else than JSON: whoever answered was not the
    service.
    """
    if not outcome.is_good or is_json(response):
        return outcome
    return Outcome(
        kind=Kind.UNKNOWN, status=response.status, reason=f"{name} answered with something else than JSON."
    )


def broken_as(by_status: Outcome, kind: Kind) -> Kind:
    """The kind that a body's error means, unless the status says that the service itself is broken."""
    return by_status.kind if by_status.kind in {Kind.RETRYABLE, Kind.UNKNOWN} else kind


def told(outcome: Outcome, *, code: object, words: object, name: str, trace: object = "") -> Outcome:
    """The outcome with the service's own code and words."""
    reason = f"{name} {code}: {words}"[:300]
    return replace(outcome, code=str(code)[:60], reason=reason, trace=str(trace or "")[:200])
