"""Many messages through Mailgun: one request each, since a batch of its own gives all of them one Message-ID,
and then no news says whose message bounced.

It drops nothing that it took before: one whose answer was lost may have gone. What it took stands in its
events, by Message-ID, a little later.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apps.integrations import http
from apps.integrations.client import Client
from apps.integrations.connectors.bulk_email.letters import (
    Envelope,
    Fate,
    Letter,
    Parting,
    Verdict,
    message_id_of,
)
from apps.integrations.connectors.bulk_email.wire import head, message
from apps.integrations.connectors.email.mailgun import (
    MAILGUN,
    SETTLES,
    Mailgun,
    classify,
    without_events,
)
from apps.integrations.connectors.email.provider import RECIPIENT
from apps.integrations.http import Request
from apps.integrations.resilience.classify import of_exception
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Operation

BATCH_SECONDS = 60.0
ONE_SECONDS = 15.0


class BulkMailgun:
    """Door at Mailgun."""

    repeats = False
    recalls_after = SETTLES

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(
        self, envelope: Envelope, letters: Sequence[Letter], *, key: str, parting: Parting
    ) -> "Answer[list[Verdict]]":
        connection = self.client.connection
        if not connection.is_usable:
            reason = f"{connection.label} is {connection.get_state_display()}."
            return Answer(outcome=Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason, was_sent=False))
        operation = Operation(
            service=MAILGUN.key,
            name="messages.send_many",
            kind="write",
            account=str(connection.public_id),
            lane=self.client.lane,
            is_idempotent=False,
            timeout_seconds=BATCH_SECONDS,
            deadline_seconds=BATCH_SECONDS,
            limits=MAILGUN.limits,
        )
        common = head(envelope, at=self.client.clock())
        requests = [(one, self._request(common, envelope, one)) for one in letters]
        verdicts: list[Verdict] = []
        answer: Answer[list[Verdict]] = self.client.policy.call(
            operation, lambda seconds: (self._attempt(envelope, requests, verdicts, seconds), None)
        )
        rest = [Verdict(Fate.UNSENT, answer.outcome.reason)] * (len(letters) - len(verdicts))
        return replace(answer, value=[*verdicts, *rest] if verdicts else None)

    def look_up(
        self, message_ids: Sequence[str], *, asked_at: datetime, now: datetime
    ) -> "Answer[list[Verdict]]":
        """Ask for one after another, until it does not answer, or is too slow."""
        door, ends_at = Mailgun(self.client), time.monotonic() + BATCH_SECONDS
        outcome, verdicts = OK, list[Verdict]()
        for message_id in message_ids:
            if time.monotonic() >= ends_at:
                outcome = Outcome(kind=Kind.DEADLINE, reason="Mailgun is too slow.", was_sent=False)
                break
            answer = door.events(message_id)
            if not answer.outcome.is_good:
                outcome = answer.outcome
                break
            verdicts.append(_recalled(message_id, answer.value or [], without_events(asked_at, now)))
        rest = [Verdict(Fate.UNKNOWN, outcome.reason)] * (len(message_ids) - len(verdicts))
        return Answer(outcome=outcome, value=[*verdicts, *rest])

    def _attempt(
        self,
        envelope: Envelope,
        requests: Sequence[tuple[Letter, Request]],
        verdicts: list[Verdict],
        seconds: float,
    ) -> Outcome:
        """Go on after those who have a verdict: another try must not reach anybody twice.

        Within the seconds, since whoever journalled the batch has it under a lease.
        """
        ends_at = time.monotonic() + seconds
        for letter, request in requests[len(verdicts) :]:
            if time.monotonic() >= ends_at:
                return Outcome(kind=Kind.DEADLINE, reason="Mailgun is too slow for a batch.", was_sent=False)
            outcome = self._one(request)
            if (verdict := _of(outcome, message_id_of(envelope, letter))) is None:
                return outcome
            verdicts.append(verdict)
            if verdict.fate == Fate.UNKNOWN:  # what is wrong with one is likely wrong with the next
                return outcome
        return OK

    def _one(self, request: Request) -> Outcome:
        try:
            response = http.send(MAILGUN.sign(request, self.client.credentials), timeout_seconds=ONE_SECONDS)
        except http.Failed as error:
            return of_exception(error)
        return classify(response, False, self.client.clock())

    def _request(self, common: bytes, envelope: Envelope, letter: Letter) -> Request:
        door = Mailgun(self.client)
        fields = {"to": letter.to, "o:tracking": "no", "v:message": letter.token}
        whole = message(common, envelope, letter)
        return Request(
            method="POST",
            url=door.url(f"/{door.domain}/messages.mime"),
            headers={"Content-Type": f"multipart/form-data; boundary={letter.token}"},
            files=[
                *((name, (None, value)) for name, value in fields.items()),
                ("message", ("message.eml", whole, "application/octet-stream")),
            ],
        )


def _of(outcome: Outcome, message_id: str) -> Verdict | None:
    """What an answer means for the letter, or None where it says nothing of this one."""
    if outcome.is_good:
        return Verdict(Fate.ACCEPTED, provider_id=message_id)
    if outcome.code == RECIPIENT:
        return Verdict(Fate.REFUSED, outcome.reason, is_bad_address=True)
    if outcome.kind == Kind.UNKNOWN:
        return Verdict(Fate.UNKNOWN, outcome.reason)
    return Verdict(Fate.REFUSED, outcome.reason) if outcome.kind == Kind.PERMANENT_DATA else None


def _recalled(message_id: str, events: Sequence[object], without: Outcome) -> Verdict:
    if events:
        return Verdict(Fate.ACCEPTED, provider_id=message_id)
    fate = Fate.UNKNOWN if without.kind == Kind.UNKNOWN else Fate.UNSENT
    return Verdict(fate, without.reason)
