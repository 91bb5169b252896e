"""A connection, ready to be asked: signs requests, asks under the policy, and renews credentials when they
expire.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from apps.integrations import calling, errors, http, modes, sealed_json, services, tokens
from apps.integrations.http import Request, Response
from apps.integrations.models import Connection
from apps.integrations.modes import Active
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Operation, Policy
from apps.integrations.services import Classify, Service

T = TypeVar("T")


def as_json(response: Response) -> Any:
    return response.json()


class Client:
    """One account at one service. clock: the time now, for signatures and dates."""

    def __init__(
        self,
        connection: Connection,
        *,
        lane: Lane = Lane.MARKETING,
        policy: Policy | None = None,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.connection, self.lane, self.clock = connection, lane, clock
        self.service: Service = services.get(connection.service)
        self.policy = policy or calling.policy()
        self._credentials: dict[str, Any] | None = None

    @property
    def credentials(self) -> dict[str, Any]:
        """The opened secrets and the options that go with them."""
        if self._credentials is None:
            opened = sealed_json.get(self.connection, "credentials_sealed") or {}
            self._credentials = {**self.connection.options, "account": self.connection.account, **opened}
        return self._credentials

    def ask(
        self,
        name: str,
        request: Request,
        *,
        read: Callable[[Response], T] = as_json,
        kind: str = "read",
        is_idempotent: bool | None = None,
        classify: Classify | None = None,
        **options: Any,
    ) -> "Answer[T]":
        """Make the call and say what became of it; never raises for what the service does.

        request.url: below the service's own address when it begins with a slash. is_idempotent: reads are,
        unless said otherwise. options: further fields of policy.Operation.
        """
        if not self.connection.is_usable:
            return Answer(outcome=_not_connected(self.connection))
        if self.lane == Lane.BACKFILL and (mode := modes.active(self.clock())):
            return Answer(outcome=_waits_for(mode, self.clock()))
        is_harmless = kind == "read" if is_idempotent is None else is_idempotent
        operation = Operation(
            service=self.service.key,
            name=name,
            kind=kind,
            account=str(self.connection.public_id),
            is_idempotent=is_harmless,
            **{"lane": self.lane, "limits": self.service.limits, **options},
        )
        whole = self.whole(request)
        judge = classify or self.service.classify

        def attempt(seconds: float) -> tuple[Outcome, T | None]:
            response = http.send(self.service.sign(whole, self.credentials), timeout_seconds=seconds)
            outcome = judge(response, is_harmless, self.clock())
            return outcome, read(response) if outcome.is_good else None

        return self.policy.call(operation, attempt, refresh=self._refresh)

    def whole(self, request: Request) -> Request:
        """With the service's own address, where it has only a path."""
        return (
            replace(request, url=self.service.url + request.url) if request.url.startswith("/") else request
        )

    def require(self, name: str, request: Request, **options: Any) -> Any:
        """Make the call and return what it read. Raises errors.Refused or errors.Unavailable."""
        answer = self.ask(name, request, **options)
        if not answer.outcome.is_good:
            raise errors.of(self.service.name, answer.outcome)
        return answer.value

    def _refresh(self) -> bool:
        used = self.credentials.get("access_token")
        self.connection = tokens.refresh(self.connection.pk, used=used, now=self.clock())
        self._credentials = None
        return self.connection.is_usable and self.credentials.get("access_token") != used


def _not_connected(connection: Connection) -> Outcome:
    is_signed_out = connection.state == Connection.State.NEEDS_SIGN_IN
    return Outcome(
        kind=Kind.AUTH_EXPIRED if is_signed_out else Kind.PERMANENT_CONFIG,
        reason=f"{connection.label} is {connection.get_state_display()}.",
        was_sent=False,
    )


def _waits_for(mode: Active, now: datetime) -> Outcome:
    return Outcome(
        kind=Kind.RATE_LIMITED,
        reason=f"Backfill waits until {mode.until:%Y-%m-%d %H:%M} UTC ({mode.name}).",
        retry_after_seconds=(mode.until - now).total_seconds(),
        was_sent=False,
    )
