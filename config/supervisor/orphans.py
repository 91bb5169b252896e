"""Grandchildren whose parent was killed: here they become ours, so that they do not stay as zombies.

Elsewhere they go to process 1, which in many containers waits for nobody.
"""

import ctypes
import os
import sys
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def bury() -> None:
    """Wait for all that have ended. Only once nobody else waits for a child of this process."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue
