"""Many messages through Resend: up to a hundred in one request, under one key that it keeps for 24 hours.

A batch with an address that it does not take is refused as a whole, so it is halved until that address
stands alone; the parts have keys of their own, the same whenever it is done again.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from apps.integrations.client import Client
from apps.integrations.connectors.bulk_email.letters import Envelope, Fate, Letter, Verdict, message_id_of
from apps.integrations.connectors.email.provider import RECIPIENT
from apps.integrations.connectors.email.resend import classify
from apps.integrations.http import Request, Response
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

# What names a letter or its content as wrong; the batch of it is halved.
OF_A_LETTER = {400, 422}
# It was had before, with other words: so it was sent.
ANOTHER_PAYLOAD = "invalid_idempotent_request"


class BulkResend:
    """Door at Resend."""

    repeats = True

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(self, envelope: Envelope, letters: Sequence[Letter], *, key: str) -> "Answer[list[Verdict]]":
        answer = self._ask(envelope, letters, key)
        outcome = answer.outcome
        if outcome.is_good and answer.value is not None:
            if len(answer.value) != len(letters):
                return _all(answer, letters, Verdict(Fate.UNKNOWN, "Resend answered for other letters."))
            return _with(answer, [Verdict(Fate.ACCEPTED, provider_id=one) for one in answer.value])
        if outcome.code == ANOTHER_PAYLOAD:
            return _all(answer, letters, Verdict(Fate.UNKNOWN, ANOTHER_PAYLOAD))
        if answer.is_fate_open or outcome.kind == Kind.UNKNOWN:
            return _all(answer, letters, Verdict(Fate.UNKNOWN, outcome.reason))
        if outcome.kind == Kind.PERMANENT_DATA and outcome.status in OF_A_LETTER:
            return self._of_parts(envelope, letters, key, outcome)
        return _with(answer, None)

    def _of_parts(
        self, envelope: Envelope, letters: Sequence[Letter], key: str, outcome: Outcome
    ) -> "Answer[list[Verdict]]":
        if len(letters) == 1:
            is_bad = outcome.code == RECIPIENT
            verdict = Verdict(Fate.REFUSED, outcome.reason, is_bad_address=is_bad)
            return Answer(outcome=Outcome(kind=Kind.OK), value=[verdict])
        middle = len(letters) // 2
        first = self.send(envelope, letters[:middle], key=f"{key}.0")
        second = self.send(envelope, letters[middle:], key=f"{key}.1")
        unsent = Verdict(Fate.UNSENT, "The other part of its batch had trouble.")
        if first.value is None and second.value is None:
            return first
        found = first.value or [unsent] * middle, second.value or [unsent] * (len(letters) - middle)
        worst = next((one for one in (first, second) if not one.outcome.is_good), second)
        return Answer(outcome=worst.outcome, value=[*found[0], *found[1]])

    def _ask(self, envelope: Envelope, letters: Sequence[Letter], key: str) -> "Answer[list[str]]":
        request = Request(
            method="POST",
            url="/emails/batch",
            headers={"Idempotency-Key": key},
            json=[_document(envelope, one) for one in letters],
        )
        return self.client.ask(
            "emails.batch",
            request,
            kind="write",
            is_idempotent=True,
            read=_ids,
            classify=_classify,
            timeout_seconds=20.0,
            deadline_seconds=45.0,
        )


def _classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """A key that was used with other words stays so, however often it is asked."""
    found = classify(response, is_idempotent, now)
    return replace(found, kind=Kind.PERMANENT_DATA) if found.code == ANOTHER_PAYLOAD else found


def _document(envelope: Envelope, letter: Letter) -> dict[str, Any]:
    made: dict[str, Any] = {
        "from": envelope.shown,
        "to": [letter.to],
        "subject": letter.body.subject,
        "html": letter.body.html.decode(),
        "text": letter.body.text.decode(),
        "headers": {
            "Message-ID": message_id_of(envelope, letter),
            **dict(envelope.headers),
            **dict(letter.headers),
        },
        "tags": [{"name": "message", "value": letter.token}],
    }
    if envelope.reply_to:
        made["reply_to"] = envelope.reply_to
    return made


def _all(answer: "Answer[list[str]]", letters: Sequence[Letter], verdict: Verdict) -> "Answer[list[Verdict]]":
    return _with(answer, [verdict] * len(letters))


def _with(answer: "Answer[list[str]]", verdicts: list[Verdict] | None) -> "Answer[list[Verdict]]":
    return Answer(
        outcome=answer.outcome,
        value=verdicts,
        tries=answer.tries,
        seconds=answer.seconds,
        is_early=answer.is_early,
        kinds=answer.kinds,
    )


def _ids(response: Response) -> list[str]:
    return [str(one["id"]) for one in response.json()["data"]]
