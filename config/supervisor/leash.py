"""python -m config.supervisor.leash PID COMMAND...: become COMMAND, and end when process PID ends.

The kernel sends the signal however the supervisor died. It is asked for here, in the child, and not between
fork and exec, where Python code may hang on the lock of a thread that was not copied.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(supervisor: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        sys.exit(1)  # it died before the kernel was asked
    os.execvp(command[0], command)  # noqa: S606 -- the supervisor's own words


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
