"""What goes wrong with the embedded services, in words for the person at the terminal."""

from pathlib import Path


class EmbeddedError(RuntimeError):
    """An embedded service cannot be had; the message says why and what to do."""


def with_tail(message: str, log: Path, lines: int = 15) -> EmbeddedError:
    """The error together with the end of the service's log."""
    tail = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return EmbeddedError("\n".join([f"{message} The end of {log}:", *(f"    {line}" for line in tail)]))
