"""One supervisor a checkout."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from config.supervisor.plan import Plan


class Refusal(Exception):
    """It cannot go on; the message is for the person at the terminal."""


@dataclass(frozen=True)
class Holder:
    """A supervisor that runs. words: where it is and which process, for a person."""

    words: str
    pid: int


class Claim:
    """A lock that dies with its holder, with the address in it for whoever comes second."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.path = lock_of(plan.root)

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


def lock_of(root: Path) -> Path:
    return root / ".bellwether" / "supervisor.lock"


def holder(root: Path) -> Holder | None:
    """Who holds the claim of a checkout; None when nobody does."""
    try:
        file = lock_of(root).open("r+")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = file.read()
            return Holder(words, int(words.rpartition(" ")[2] or 0))
    return None
