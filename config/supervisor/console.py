"""Lines for the person at the terminal, each with the name of who said it."""

import sys
from contextlib import suppress

WIDTH = 10


def say(name: str, text: str) -> None:
    """Print the lines of the text. A terminal that is gone must not keep us from stopping the children."""
    with suppress(OSError):
        for line in text.splitlines() or [""]:
            sys.stdout.write(f"{name:<{WIDTH}} | {line}\n")
        sys.stdout.flush()


def show(text: str) -> None:
    """Print a text as it is."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
