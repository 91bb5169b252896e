"""Many messages through an SMTP server, on sessions that stay open between batches.

It has no memory for what it took before: a batch whose answers were lost may have gone.
"""

import smtplib
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from apps.integrations import addresses
from apps.integrations.client import Client
from apps.integrations.connectors.bulk_email.letters import Envelope, Fate, Letter, Parting, Verdict
from apps.integrations.connectors.bulk_email.smtp_session import Broken, Post, SenderRefused, Session
from apps.integrations.connectors.bulk_email.wire import head, message
from apps.integrations.connectors.email.smtp import SMTP, come_in, outcome_of, server_of
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Operation

# Servers close a silent session after minutes, some after less.
KEPT_SECONDS = 20.0
MOST_KEPT = 8
BATCH_SECONDS = 60.0


class _Sessions:
    """Open sessions that nobody uses, of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[int, datetime], Session] = OrderedDict()

    def take(self, key: tuple[int, datetime]) -> Session | None:
        with self._lock:
            session = self._kept.pop(key, None)
        if session is not None and time.monotonic() - session.used_at > KEPT_SECONDS:
            session.close()
            return None
        return session

    def keep(self, key: tuple[int, datetime], session: Session) -> None:
        with self._lock:
            former = [self._kept.pop(key, None)]
            self._kept[key] = session
            while len(self._kept) > MOST_KEPT:
                former.append(self._kept.popitem(last=False)[1])
        for one in former:
            if one is not None:
                one.say_goodbye()

    def close(self) -> None:
        with self._lock:
            kept, self._kept = list(self._kept.values()), OrderedDict()
        for one in kept:
            one.say_goodbye()


sessions = _Sessions()


class BulkSmtp:
    """Door at an SMTP server."""

    repeats = False

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(
        self, envelope: Envelope, letters: Sequence[Letter], *, key: str, parting: Parting
    ) -> "Answer[list[Verdict]]":
        connection = self.client.connection
        if not connection.is_usable:
            reason = f"{connection.label} is {connection.get_state_display()}."
            return Answer(outcome=Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason, was_sent=False))
        common = head(envelope, at=self.client.clock())
        posts = [Post(one.to, message(common, envelope, one)) for one in letters]
        operation = Operation(
            service=SMTP.key,
            name="messages.send_many",
            kind="write",
            account=str(connection.public_id),
            lane=self.client.lane,
            is_idempotent=False,
            timeout_seconds=BATCH_SECONDS,
            deadline_seconds=BATCH_SECONDS,
            limits=SMTP.limits,
        )
        return self.client.policy.call(
            operation, lambda seconds: self._attempt(envelope.sender, posts, seconds)
        )

    def _attempt(
        self, sender: str, posts: list[Post], seconds: float
    ) -> tuple[Outcome, list[Verdict] | None]:
        ends_at = time.monotonic() + seconds
        key = (self.client.connection.pk, self.client.connection.state_changed_at)
        kept = sessions.take(key)
        try:
            session = kept or self._session(seconds)
            try:
                verdicts = session.send(sender, posts, seconds=ends_at - time.monotonic())
            except Broken:
                session.close()
                if kept is None:
                    raise
                session = self._session(_left(ends_at))  # it was closed while nobody looked
                verdicts = session.send(sender, posts, seconds=ends_at - time.monotonic())
        except SenderRefused as error:
            session.close()
            return _of_sender(error), None
        except Broken as error:
            reason = f"The SMTP session broke before a message was sent: {error}"[:300]
            return Outcome(kind=Kind.RETRYABLE, reason=reason, was_sent=False), None
        except (smtplib.SMTPException, OSError, ValueError, addresses.NotPublic) as error:
            return outcome_of(error, is_at_risk=False), None
        if verdicts[-1].fate in {Fate.UNKNOWN, Fate.UNSENT}:
            return Outcome(kind=Kind.UNKNOWN, reason=verdicts[-1].reason), verdicts
        sessions.keep(key, session)
        return OK, verdicts

    def _session(self, seconds: float) -> Session:
        server, host, port, security = server_of(self.client.credentials, min(seconds, 20.0))
        try:
            server.connect(host, port)
            come_in(server, self.client.credentials, security)
            server.ehlo_or_helo_if_needed()
        except (smtplib.SMTPException, OSError, ValueError):
            server.close()
            raise
        return Session(server)


def _left(ends_at: float) -> float:
    if (seconds := ends_at - time.monotonic()) <= 0:
        raise Broken("The deadline has passed.")
    return seconds


def _of_sender(error: SenderRefused) -> Outcome:
    kind = Kind.RETRYABLE if error.status < 500 else Kind.PERMANENT_CONFIG
    reason = f"SMTP {error.status} to the sender: {error}"[:300]
    return Outcome(kind=kind, status=error.status, reason=reason, was_sent=False)
