"""What can become of a call: a closed list, and what follows from each entry.

Every status and every exception ends in one of these (classify.py); nothing else decides whether a call is
tried again, whether the service counts as ill, and what its row in the outbox does next.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The first nine are the service's word, the rest ours: the call was not even made."""

    OK = "ok"
    PARTIAL = "partial"
    RETRYABLE = "retryable"
    UNKNOWN = "unknown"
    THROTTLED = "throttled"
    QUOTA_EXHAUSTED = "quota_exhausted"
    AUTH_EXPIRED = "auth_expired"
    PERMANENT_CONFIG = "permanent_config"
    PERMANENT_DATA = "permanent_data"
    CIRCUIT_OPEN = "circuit_open"
    BULKHEAD_FULL = "bulkhead_full"
    RATE_LIMITED = "rate_limited"
    DEADLINE = "deadline"
    BUDGET_EMPTY = "budget_empty"
    REFUSED_HERE = "refused_here"


class Again(StrEnum):
    """When the same call may be made again within its deadline."""

    NEVER = "never"
    IF_HARMLESS = "if it is idempotent, or was not sent"
    IF_SOON = "if the service asks for a short wait only"
    AFTER_REFRESH = "once, with fresh credentials"


class Health(StrEnum):
    """What the breaker learns. A throttle is no outage, and a refusal shows a service that works."""

    WELL = "well"
    ILL = "ill"
    NOTHING = "nothing"


class Then(StrEnum):
    """What the call's row in the outbox does next."""

    SETTLE = "settle"
    RESCHEDULE = "reschedule"
    LOOK_UP = "look up what became of it before it is sent again"
    PAUSE = "pause the account or the application until the service has room"
    PARK = "park until the quota is renewed"
    ASK_FOR_SIGN_IN = "wait for a person to connect the account again"
    SWITCH_OFF = "switch the connection off and tell a person"
    BURY = "dead letter"


@dataclass(frozen=True)
class Handling:
    again: Again
    health: Health
    then: Then


HANDLING: dict[Kind, Handling] = {
    Kind.OK: Handling(Again.NEVER, Health.WELL, Then.SETTLE),
    Kind.PARTIAL: Handling(Again.NEVER, Health.WELL, Then.SETTLE),
    Kind.RETRYABLE: Handling(Again.IF_HARMLESS, Health.ILL, Then.RESCHEDULE),
    Kind.UNKNOWN: Handling(Again.IF_HARMLESS, Health.ILL, Then.LOOK_UP),
    Kind.THROTTLED: Handling(Again.IF_SOON, Health.NOTHING, Then.PAUSE),
    Kind.QUOTA_EXHAUSTED: Handling(Again.NEVER, Health.NOTHING, Then.PARK),
    Kind.AUTH_EXPIRED: Handling(Again.AFTER_REFRESH, Health.NOTHING, Then.ASK_FOR_SIGN_IN),
    Kind.PERMANENT_CONFIG: Handling(Again.NEVER, Health.NOTHING, Then.SWITCH_OFF),
    Kind.PERMANENT_DATA: Handling(Again.NEVER, Health.WELL, Then.BURY),
    Kind.CIRCUIT_OPEN: Handling(Again.NEVER, Health.NOTHING, Then.RESCHEDULE),
    Kind.BULKHEAD_FULL: Handling(Again.NEVER, Health.NOTHING, Then.RESCHEDULE),
    Kind.RATE_LIMITED: Handling(Again.IF_SOON, Health.NOTHING, Then.RESCHEDULE),
    Kind.DEADLINE: Handling(Again.NEVER, Health.NOTHING, Then.RESCHEDULE),
    Kind.BUDGET_EMPTY: Handling(Again.NEVER, Health.NOTHING, Then.RESCHEDULE),
    Kind.REFUSED_HERE: Handling(Again.NEVER, Health.NOTHING, Then.BURY),
}


class Scope(StrEnum):
    """Whom a throttle or a quota holds back."""

    CALL = "call"
    ACCOUNT = "account"
    APPLICATION = "application"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one attempt, or of the whole call.

    reason: for a person and the log, without personal data. retry_after_seconds: the service's own word on
    when. was_sent: whether the service may have seen the request. reference: the service's own id of what it
    did. items: per item of a batch, what became of it.
    """

    kind: Kind
    reason: str = ""
    status: int | None = None
    code: str = ""
    retry_after_seconds: float | None = None
    scope: Scope = Scope.CALL
    was_sent: bool = True
    trace: str = ""
    reference: str = ""
    items: tuple[Any, ...] = field(default=())

    @property
    def handling(self) -> Handling:
        return HANDLING[self.kind]

    @property
    def is_good(self) -> bool:
        return self.kind in {Kind.OK, Kind.PARTIAL}


OK = Outcome(kind=Kind.OK)
