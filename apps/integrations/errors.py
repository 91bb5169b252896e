"""What a connector tells its callers when a call did not succeed."""

from apps.accounts.errors import DomainError
from apps.integrations.resilience.outcomes import HANDLING, Kind, Outcome, Then

PASSING = {Then.RESCHEDULE, Then.PAUSE, Then.PARK, Then.LOOK_UP}


class ServiceError(DomainError):
    """outcome: what became of the call."""

    def __init__(self, service: str, outcome: Outcome) -> None:
        self.outcome = outcome
        wait = outcome.retry_after_seconds
        super().__init__(
            f"{service}: {outcome.reason or outcome.kind.value}",
            retry_after_seconds=None if wait is None else max(1, round(wait)),
        )


class Refused(ServiceError):
    """The service (or we) will say no again: somebody must change something."""

    code = "service_refused"
    status = 409


class Unavailable(ServiceError):
    """Not now; the same call may succeed later."""

    code = "service_unavailable"
    status = 503


def of(service: str, outcome: Outcome) -> ServiceError:
    is_passing = HANDLING[outcome.kind].then in PASSING or outcome.kind == Kind.UNKNOWN
    return Unavailable(service, outcome) if is_passing else Refused(service, outcome)
