"""python -m config.supervisor.stop: end what `make run` started in this checkout, from any terminal.

The supervisor is asked to stop, which ends its children and the services; what a killed one left behind is
stopped here. Answers 0 when nothing is left running.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from config import embedded
from config.supervisor import console
from config.supervisor.claim import holder

ROOT = Path(__file__).resolve().parent.parent.parent
# Its children have their grace, then the services theirs.
PATIENCE_SECONDS, KILL_SECONDS = 60.0, 10.0


def main(root: Path = ROOT, *, patience: float = PATIENCE_SECONDS) -> int:
    told = []
    if running := holder(root):
        if not _ends(root, running.pid, patience):
            console.show(f"Bellwether at {running.words} does not stop.")
            return 1
        told.append(f"Bellwether at {running.words}")
    if left := embedded.stop(root):
        told.append(f"{' and '.join(left)}, left behind by a run that was killed")
    console.show(f"Stopped {'; '.join(told)}. Nothing is left running." if told else "Nothing was running.")
    return 0


def _ends(root: Path, pid: int, patience: float) -> bool:
    """Ask the supervisor to stop, and insist where it does not listen."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, KILL_SECONDS)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if _within(seconds, lambda: holder(root) is None):
            return True
    return False


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    sys.exit(main())
