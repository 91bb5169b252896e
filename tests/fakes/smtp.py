"""An SMTP server on a port of its own that keeps what it took and can be told to refuse, hang up or drip."""

import socket
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


# aiosmtpd asks its own port whether it is up, so it must be told one.
def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


USER, PASSWORD = "studio", "p4ssword"


class Smtp:
    """answers: what the next commands are answered with instead, by command. hangs_up: after the content."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.answers: dict[str, list[str]] = {}
        self.hangs_up = 0
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=_free_port(),
            authenticator=self._sign_in,
            auth_require_tls=False,
        )

    def __enter__(self) -> "Smtp":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._controller.port}"

    def _sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=is_good, handled=False)

    def _answer(self, command: str) -> str | None:
        return self.answers[command].pop(0) if self.answers.get(command) else None

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if answer := self._answer("MAIL"):
            return answer
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if answer := self._answer("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if answer := self._answer("DATA"):
            return answer
        self.taken.append(envelope)
        if self.hangs_up:
            self.hangs_up -= 1
            server.transport.abort()
        return "250 OK"
