"""A fast SMTP server that keeps what it takes, understands pipelining, and can be told to refuse or to break
off. One thread a connection.

stored: (recipient, Message-ID) of each message, in the order in which it was taken.
"""

import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.server import Fault

MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Spoilt(Fault):
    """What happens to one message. at: MAIL, RCPT or DATA, or TAKEN once it was kept. answer: what is said
    there instead; without one it breaks off, and is_silent says nothing more until the client has had enough.
    """

    at: str
    answer: str = ""
    is_silent: bool = False


def as_always() -> Spoilt | None:
    return None


class Gate:
    """Lets so many through and then holds everybody, so that a test can do its worst in that moment."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._open = threading.Event()
        self._open.set()
        self.held = threading.Event()

    def close_after(self, more: int) -> None:
        self.held.clear()
        self._open.clear()
        self._left = more

    def open(self) -> None:
        self._left = None
        self._open.set()

    def passes(self, number: int = 1) -> None:
        """Wait here while it is closed."""
        if self._left is None:
            return
        self._left -= number
        if self._left <= 0:
            self.held.set()
            self._open.wait()


class Sink:
    """answers: what an address is answered with instead. breaks_after: so many messages of a connection are
    taken, and then it breaks off without an answer. keeps: also whole messages. greets_after: how many
    seconds it takes over each of the two answers before the first message.
    """

    def __init__(self, *, port: int = 0, pipelining: bool = True, keeps: bool = True) -> None:
        self.stored: list[tuple[str, str]] = []
        self.messages: list[bytes] = []
        self.answers: dict[str, str] = {}
        self.sender_answer = ""
        # Asked once a message, at its sender.
        self.spoils: Callable[[], Spoilt | None] = as_always
        self.breaks_after: int | None = None
        self.greets_after = 0.0
        self.gate = Gate()
        self.connections = 0
        self.pipelining, self.keeps = pipelining, keeps
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Connection)
        self._server.sink = self

    def __enter__(self) -> "Sink":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    def take(self, recipient: str, message: bytes) -> None:
        found = MESSAGE_ID.search(message)
        with self.lock:
            self.stored.append((recipient, found.group(1).decode() if found else ""))
            if self.keeps:
                self.messages.append(message)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    sink: Sink

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is none of the sink's business."""


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 1 << 17
    server: _Server

    def handle(self) -> None:
        sink = self.server.sink
        sink.connections += 1
        time.sleep(sink.greets_after)
        self._out = b"220 sink ESMTP\r\n"
        self.recipient, self.taken = "", 0
        self.refused, self.spoilt = False, as_always()
        while True:
            if self._out and not self._is_more():
                self.connection.sendall(self._out)
                self._out = b""
            line = self.rfile.readline(4_096)
            if not line or not self._command(line.rstrip(b"\r\n"), sink):
                return

    def _is_more(self) -> bool:
        """Whether another command has come already, so that its answer can go with this one."""
        self.connection.setblocking(False)
        try:
            return bool(self.rfile.peek(1))
        except (BlockingIOError, ValueError):
            return False
        finally:
            self.connection.setblocking(True)

    def _command(self, line: bytes, sink: Sink) -> bool:
        verb = line[:4].upper()
        if verb == b"MAIL":
            self.spoilt = sink.spoils()
        if (spoilt := self.spoilt) and spoilt.at == verb.decode("latin-1"):
            return self._spoil(spoilt)
        if verb == b"EHLO":
            time.sleep(sink.greets_after)
            self._out += (
                b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n" if sink.pipelining else b"250 sink\r\n"
            )
        elif verb == b"MAIL":
            self._out += (sink.sender_answer or "250 ok").encode() + b"\r\n"
            self.refused = bool(sink.sender_answer)
        elif verb == b"RCPT":
            self.recipient = line.partition(b"<")[2].partition(b">")[0].decode()
            answer = "503 no sender" if self.refused else sink.answers.get(self.recipient, "250 ok")
            self.refused = self.refused or not answer.startswith("2")
            self._out += answer.encode() + b"\r\n"
        elif verb == b"DATA":
            return self._data(sink)
        elif verb == b"QUIT":
            self.connection.sendall(self._out + b"221 bye\r\n")
            return False
        else:
            self._out += b"250 ok\r\n"
        return True

    def _spoil(self, spoilt: Spoilt) -> bool:
        """Whether the connection lives on."""
        if spoilt.answer:
            self.refused = True
            self._out += f"{spoilt.answer}\r\n".encode()
            return True
        while spoilt.is_silent and self.rfile.read1(65_536):
            pass
        self.connection.shutdown(socket.SHUT_RDWR)
        return False

    def _data(self, sink: Sink) -> bool:
        if self.refused:
            self._out += b"554 no valid recipients\r\n"
            return True
        self.connection.sendall(self._out + b"354 go on\r\n")
        self._out = b""
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b".") else line)
        sink.take(self.recipient, b"".join(lines))
        sink.gate.passes()
        self.taken += 1
        if self.spoilt and self.spoilt.at == "TAKEN":
            return self._spoil(self.spoilt)
        if sink.breaks_after is not None and self.taken >= sink.breaks_after:
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        self._out += b"250 taken\r\n"
        return True
