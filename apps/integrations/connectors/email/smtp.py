"""Any SMTP server, the last resort: it takes the message or not, and tells nothing afterwards.

The one service that is not spoken to by HTTP, so it opens its own socket: to an address that was checked and
pinned, under one deadline, and through the policy like every other call.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.integrations import addresses, errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import RECIPIENT, Message, News, unknown
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Operation
from apps.integrations.services import Family, Field, Service
from apps.integrations.signatures import Forged

# The address itself is what is wrong (RFC 5321 section 4.2.3; 554 says so of a recipient only in its answer
# to RCPT).
NO_SUCH_ADDRESS = {550, 551, 553, 554, 556}
PORTS = {"starttls": 587, "tls": 465}
PLACED = {"smtp": "none", "smtps": "tls"}

SMTP = services.register(
    Service(
        key="smtp",
        name="SMTP server",
        family=Family.EMAIL,
        base_url="smtp://localhost",
        fields=(
            Field(key="account", label="Server", help="Its name, such as smtp.example.com."),
            Field(key="port", label="Port", is_required=False, help="Empty: 587, or 465 for TLS at once."),
            Field(
                key="security",
                label="Encryption",
                choices=(("starttls", "STARTTLS"), ("tls", "TLS at once")),
            ),
            Field(key="username", label="User name", is_required=False),
            Field(key="password", label="Password", is_secret=True, is_required=False),
        ),
        honest="Sends messages. Nothing is heard of deliveries and bounces.",
        check="apps.integrations.connectors.email.smtp.check",
    )
)


class Server(smtplib.SMTP):
    """Connects to the address that was checked, whatever the name gives a moment later, and can be cut off.

    is_at_risk: the content was on its way, so that without an answer its fate is unknown.
    """

    is_elsewhere = True
    is_at_risk = False
    wire: socket.socket | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        address = addresses.pinned(host, port) if self.is_elsewhere else host
        connection = socket.create_connection((address, port), timeout)
        self.wire = connection.dup()  # TLS takes the first one over while it shakes hands
        return connection

    def data(self, msg: Any) -> Any:
        self.is_at_risk = True
        return super().data(msg)

    def cut(self) -> None:
        if self.wire is not None:
            with suppress(OSError):
                self.wire.shutdown(socket.SHUT_RDWR)


class TlsServer(smtplib.SMTP_SSL, Server):
    """TLS from the first byte; its own _get_socket asks the next class for the connection."""


def check(client: Client) -> str:
    """Says hello and signs in."""
    answer = Smtp(client).ask("hello", lambda server: str(server.noop()[0]), kind="read")
    if not answer.outcome.is_good:
        raise errors.of(SMTP.name, answer.outcome)
    return "It answers, and the sign-in works."


class Smtp:
    """Provider at an SMTP server."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(self, message: Message) -> "Answer[str]":
        mime = mime_of(message, at=self.client.clock())

        def deliver(server: Server) -> str:
            server.send_message(mime, to_addrs=[message.to])
            return message.message_id

        return self.ask("messages.send", deliver, kind="write")

    def look_up(self, message: Message, *, asked_at: datetime, now: datetime) -> Outcome:
        return unknown("An SMTP server cannot be asked what became of a message.")

    def confirmed(self, news: News) -> list[News] | None:
        return None

    @staticmethod
    def verified_id(credentials: Any, headers: Any, body: bytes, *, now: datetime) -> str:
        raise Forged("An SMTP server tells nothing.")

    @staticmethod
    def news(document: Any) -> News | None:
        return None

    def ask(self, name: str, deed: Callable[[Server], str], *, kind: str) -> "Answer[str]":
        """Do it on a connection of its own, under the policy. Nothing is repeated once content was sent."""
        if not self.client.connection.is_usable:
            return Answer(outcome=_refusal(Kind.PERMANENT_CONFIG, "It is not connected."))
        operation = Operation(
            service=SMTP.key,
            name=name,
            kind=kind,
            account=str(self.client.connection.public_id),
            lane=self.client.lane,
            is_idempotent=kind == "read",
            timeout_seconds=20.0,
        )
        return self.client.policy.call(operation, lambda seconds: self._attempt(deed, seconds))

    def _attempt(self, deed: Callable[[Server], str], seconds: float) -> tuple[Outcome, str | None]:
        server, host, port, security = server_of(self.client.credentials, seconds)
        try:
            with _until(seconds, server):
                server.connect(host, port)
                come_in(server, self.client.credentials, security)
                return OK, deed(server)
        except (smtplib.SMTPException, OSError, ValueError, addresses.NotPublic) as error:
            return outcome_of(error, is_at_risk=server.is_at_risk), None


def mime_of(message: Message, *, at: datetime) -> EmailMessage:
    mime = EmailMessage(policy=WIRE)
    mime["From"], mime["To"], mime["Subject"] = message.sender, message.to, message.subject
    mime["Message-ID"], mime["Date"] = message.message_id, format_datetime(at)
    if message.reply_to:
        mime["Reply-To"] = message.reply_to
    for name, value in message.headers.items():
        mime[name] = value
    mime.set_content(message.text)
    if message.html:
        mime.add_alternative(message.html, subtype="html")
    return mime


def outcome_of(error: Exception, *, is_at_risk: bool) -> Outcome:
    """What a failure means. An answer of the server is definite; silence after the content is not."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        status = int(next(iter(error.recipients.values()))[0])
        code = RECIPIENT if status in NO_SUCH_ADDRESS else ""
        return _refusal(_kind(status, Kind.PERMANENT_DATA), f"SMTP {status} to the address", status, code)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _refusal(_kind(error.smtp_code, Kind.AUTH_EXPIRED), "SMTP sign-in refused", error.smtp_code)
    if isinstance(error, smtplib.SMTPDataError):
        return _refusal(_kind(error.smtp_code, Kind.PERMANENT_DATA), "SMTP content refused", error.smtp_code)
    if isinstance(error, smtplib.SMTPResponseException):  # the sender, the greeting
        return _refusal(_kind(error.smtp_code, Kind.PERMANENT_CONFIG), "SMTP refused", error.smtp_code)
    if isinstance(error, (smtplib.SMTPNotSupportedError, addresses.NotPublic, ssl.SSLCertVerificationError)):
        return _refusal(Kind.PERMANENT_CONFIG, f"{type(error).__name__}: {error}"[:300])
    if is_at_risk:
        return unknown(f"{type(error).__name__} after the content")
    return _refusal(Kind.RETRYABLE, f"{type(error).__name__}: {error}"[:300])


def _kind(status: int, permanent: Kind) -> Kind:
    return Kind.RETRYABLE if status < 500 else permanent


def _refusal(kind: Kind, reason: str, status: int | None = None, code: str = "") -> Outcome:
    return Outcome(kind=kind, reason=reason, status=status, code=code, was_sent=False)


def server_of(known: Any, seconds: float) -> tuple[Server, str, int, str]:
    """The server, not connected yet, and where to. What settings put in its place is not checked."""
    security = str(known.get("security") or "starttls")
    host, port = str(known["account"]), int(known.get("port") or PORTS[security])
    is_elsewhere = not (placed := _placed())
    if placed:
        parts = urlsplit(placed)
        host, port, security = str(parts.hostname), int(parts.port or 25), PLACED[parts.scheme]
    tls = ssl.create_default_context()
    server = TlsServer(context=tls, timeout=seconds) if security == "tls" else Server(timeout=seconds)
    server.is_elsewhere = is_elsewhere
    server._host = host  # type: ignore[attr-defined] # the name in the certificate; connect() does not set it
    return server, host, port, security


def _placed() -> str:
    """Where settings put it. The fake of it is not behind the fakes' port: it listens at the next one."""
    given: str = settings.INTEGRATION_URLS.get(SMTP.key, "")
    if given or not settings.FAKES_URL:
        return given
    fakes = urlsplit(settings.FAKES_URL)
    return f"smtp://{fakes.hostname}:{(fakes.port or 80) + 1}"


def come_in(server: Server, known: Any, security: str) -> None:
    if security == "starttls":
        server.starttls(context=ssl.create_default_context())
    if known.get("username"):
        server.login(str(known["username"]), str(known.get("password") or ""))


@contextmanager
def _until(seconds: float, server: Server) -> Iterator[None]:
    """Cut the connection when the time is up, however slowly it drips."""
    alarm = Timer(seconds, server.cut)
    alarm.start()
    try:
        yield
        with suppress(smtplib.SMTPException, OSError):
            server.quit()  # what was taken is taken, however it says goodbye
    finally:
        alarm.cancel()
        server.close()
        if server.wire is not None:
            server.wire.close()
