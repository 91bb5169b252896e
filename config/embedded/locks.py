"""flock, which the kernel releases with the last process that holds the descriptor: safe under kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def shared(path: Path) -> int:
    """A descriptor that holds the lock together with others. Waits for a holder of the exclusive one."""
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def upgrade(descriptor: int) -> bool:
    """Make a shared lock exclusive if nobody else holds it; otherwise it is given up."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False
    return True


def claim(path: Path) -> int | None:
    """A descriptor that holds the lock alone, or None where somebody holds it."""
    descriptor = _open(path)
    if upgrade(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_free(path: Path) -> bool:
    descriptor = claim(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock alone, waiting for it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
