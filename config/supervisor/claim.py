"""One supervisor a checkout."""

import fcntl
import os

from config.supervisor.plan import Plan


class Refusal(Exception):
    """It cannot go on; the message is for the person at the terminal."""


class Claim:
    """A lock that dies with its holder, with the address in it for whoever comes second."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.path = plan.root / ".bellwether" / "supervisor.lock"

    def __enter__(self) -> None:
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = self.file.read()
            raise Refusal(
                f"Bellwether already runs here: {other}. Stop it with Ctrl-C there first."
            ) from None
        self.file.truncate()
        self.file.write(f"{self.plan.address}, process {os.getpid()}")
        self.file.flush()

    def __exit__(self, *_: object) -> None:
        self.file.truncate(0)
        self.file.close()
