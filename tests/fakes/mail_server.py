"""A mail server beside the town: what it took can be read over HTTP, and it fails as it is told to."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, ClassVar

from tests.fakes.mail_sink import Sink, Spoilt
from tests.fakes.server import SANDBOX, Fake, Fault, Reply, Seen, json_reply, route, text_reply

FAULTS: dict[str, Fault] = {
    "busy": Spoilt("MAIL", "451 4.3.2 Come back later"),
    "sender_refused": Spoilt("MAIL", "550 5.7.1 Not from you"),
    "refused": Spoilt("RCPT", "550 5.1.1 Nobody of that name lives here"),
    "content_refused": Spoilt("DATA", "554 5.7.1 Not that"),
    "timeout": Spoilt("MAIL", is_silent=True),
    "timeout_after": Spoilt("TAKEN", is_silent=True),
    "reset": Spoilt("MAIL"),
    "reset_after": Spoilt("TAKEN"),
}


class MailServer(Fake):
    """Speaks SMTP on `smtp_port`; the rest is for people who look around."""

    name = "smtp"
    faults: ClassVar[dict[str, Fault]] = FAULTS

    def __init__(self, *, smtp_port: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.sink = Sink(port=smtp_port)
        self.sink.spoils = self._spoilt
        self.hint = "any server, no user name; what arrives: /smtp/messages"

    def start(self) -> None:
        self.sink.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self.sink.stop()

    @route("GET", r"/messages")
    def listed(self, request: Seen) -> Reply:
        """The last hundred, each with its number, and how many there are of how many addresses."""
        with self.sink.lock:
            messages, total = list(enumerate(self.sink.messages))[-100:], len(self.sink.messages)
            addresses = len({to for to, _ in self.sink.stored})
        told = [{"number": number, **_told(_read(raw))} for number, raw in messages]
        return json_reply({"total": total, "addresses": addresses, "messages": told})

    @route("GET", r"/messages/(?P<number>\d+)")
    def raw(self, request: Seen) -> Reply:
        found = self._message(request)
        return json_reply({"error": "not found"}, status=404) if found is None else text_reply(found.decode())

    @route("GET", r"/messages/(?P<number>\d+)/html")
    def html(self, request: Seen) -> Reply:
        """As its recipient sees it."""
        found = self._message(request)
        body = None if found is None else _read(found).get_body(preferencelist=("html", "plain"))
        if body is None:
            return json_reply({"error": "not found"}, status=404)
        kind = {"Content-Type": f"{body.get_content_type()}; charset=utf-8"} | SANDBOX
        return text_reply(body.get_content(), headers=kind)

    def _message(self, request: Seen) -> bytes | None:
        number = int(request.args["number"])
        return self.sink.messages[number] if number < len(self.sink.messages) else None

    def _fault_for(self, request: Seen) -> Fault | None:
        """Who looks around is answered; what goes wrong goes wrong with messages."""
        return None

    def _spoilt(self) -> Spoilt | None:
        with self._lock:
            found = super()._fault_for(Seen("SMTP", "/", {}, b"", b"")) if self._planned else None
        return found if isinstance(found, Spoilt) else None


def _read(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=default)  # type: ignore[return-value]


def _told(message: EmailMessage) -> dict[str, str]:
    return {
        name.lower().replace("-", "_"): str(message[name]).strip() for name in ("To", "Subject", "Message-ID")
    }
