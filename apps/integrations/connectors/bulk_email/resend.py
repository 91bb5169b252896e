"""Many messages through Resend: up to a hundred in one request, under one key that it keeps for 24 hours.

A batch with an address that it does not take is refused as a whole, so it is parted until that address
stands alone; the parts have keys of their own, the same whenever it is done again, and what was parted once
is never asked for as a whole again. Who is in which part says the letter's own token, so that a letter that
is left out by then moves no other.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from apps.integrations.client import Client
from apps.integrations.connectors.bulk_email.letters import (
    Envelope,
    Fate,
    Letter,
    Parting,
    Verdict,
    message_id_of,
)
from apps.integrations.connectors.email.provider import RECIPIENT
from apps.integrations.connectors.email.resend import classify
from apps.integrations.http import Request, Response
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

# What names a letter or its content as wrong; the batch of it is halved.
OF_A_LETTER = {400, 422}
# It was had before, with other words: so it was sent.
ANOTHER_PAYLOAD = "invalid_idempotent_request"
# Of a batch with all its parts: well within the lease of whoever sends it.
BATCH_SECONDS, LEAST_SECONDS = 75.0, 2.0
TAKEN = "Somebody else has its batch by now."
# Fifty letters stand alone long before.
DEEPEST = 64


@dataclass(frozen=True)
class _Sending:
    """What all parts of a batch share. ends_at: by the monotonic clock."""

    envelope: Envelope
    parting: Parting
    ends_at: float


class BulkResend:
    """Door at Resend."""

    repeats = True

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(
        self, envelope: Envelope, letters: Sequence[Letter], *, key: str, parting: Parting
    ) -> "Answer[list[Verdict]]":
        return self._send(_Sending(envelope, parting, time.monotonic() + BATCH_SECONDS), letters, key)

    def _send(
        self, sending: "_Sending", letters: Sequence[Letter], key: str, depth: int = 0
    ) -> "Answer[list[Verdict]]":
        if key in sending.parting.keys:
            return self._of_parts(sending, letters, key, depth)
        answer = self._ask(sending, letters, key)
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
            return self._refused(sending, answer, letters, key, depth)
        return _with(answer, None)

    def _refused(
        self,
        sending: "_Sending",
        answer: "Answer[list[str]]",
        letters: Sequence[Letter],
        key: str,
        depth: int,
    ) -> "Answer[list[Verdict]]":
        outcome = answer.outcome
        if len(letters) == 1 or depth == DEEPEST:
            verdict = Verdict(Fate.REFUSED, outcome.reason, is_bad_address=outcome.code == RECIPIENT)
            return Answer(outcome=Outcome(kind=Kind.OK), value=[verdict] * len(letters))
        if not sending.parting.note(key):
            return _all(answer, letters, Verdict(Fate.UNKNOWN, TAKEN))
        return self._of_parts(sending, letters, key, depth)

    def _of_parts(
        self, sending: "_Sending", letters: Sequence[Letter], key: str, depth: int
    ) -> "Answer[list[Verdict]]":
        """While whoever journalled the batch has it under a lease; who is left then is unsent."""
        sides = [side(one.token, depth) for one in letters]
        verdicts = [Verdict(Fate.UNSENT, "The other part of its batch had trouble.")] * len(letters)
        answers = []
        for part_of in sorted(set(sides)):
            places = [place for place, one in enumerate(sides) if one == part_of]
            part = [letters[place] for place in places]
            answer = self._send(sending, part, f"{key}.{part_of}", depth + 1)
            answers.append(answer)
            for place, verdict in zip(places, answer.value or [], strict=False):
                verdicts[place] = verdict
        if all(one.value is None for one in answers):
            return answers[0]
        worst = next((one for one in answers if not one.outcome.is_good), answers[-1])
        return Answer(outcome=worst.outcome, value=verdicts)

    def _ask(self, sending: "_Sending", letters: Sequence[Letter], key: str) -> "Answer[list[str]]":
        seconds = sending.ends_at - time.monotonic()
        if seconds < LEAST_SECONDS:
            late = Outcome(kind=Kind.DEADLINE, reason="Resend is too slow for a batch.", was_sent=False)
            return Answer(outcome=late)
        request = Request(
            method="POST",
            url="/emails/batch",
            headers={"Idempotency-Key": key},
            json=[_document(sending.envelope, one) for one in letters],
        )
        return self.client.ask(
            "emails.batch",
            request,
            kind="write",
            is_idempotent=True,
            read=_ids,
            classify=_classify,
            timeout_seconds=min(20.0, seconds),
            deadline_seconds=min(45.0, seconds),
        )


def side(token: str, depth: int) -> int:
    """The part to which a letter of that token belongs, of two."""
    return int.from_bytes(sha256(token.encode()).digest()[:8], "big") >> depth & 1


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
