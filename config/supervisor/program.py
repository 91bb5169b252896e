"""One child: its process group, its output, its end."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.supervisor import console

LINE_BYTES = 1_000_000
OUTPUT_SECONDS = 2  # somebody outside the group may hold the pipe open


@dataclass
class Program:
    """A command that runs in a group of its own and ends with the supervisor."""

    name: str
    command: list[str]
    cwd: Path
    environ: Mapping[str, str] = field(repr=False)
    process: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Run it to its end, showing its output. Nothing of its group is left then, nor when cancelled."""
        source, target = os.pipe()
        try:
            self.process = await self._start(target)
        finally:
            os.close(target)
        output = asyncio.create_task(self._show(source))
        try:
            return await self.process.wait()
        finally:
            self.kill()
            self.process = None
            await asyncio.wait({output}, timeout=OUTPUT_SECONDS)
            output.cancel()

    def terminate(self) -> None:
        """Ask it to end. Only the process itself: it knows best how to end those that it started."""
        if self.process and self.process.returncode is None:
            self.process.terminate()

    def kill(self) -> None:
        """End its whole group at once."""
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _start(self, target: int) -> asyncio.subprocess.Process:
        leash = [sys.executable, "-m", "config.supervisor.leash", str(os.getpid())]
        return await asyncio.create_subprocess_exec(
            *leash,
            *self.command,
            stdin=asyncio.subprocess.DEVNULL,
            # A pipe of our own: asyncio's would make wait() wait for every process that inherited it.
            stdout=target,
            stderr=target,
            cwd=self.cwd,
            env={**self.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    async def _show(self, source: int) -> None:
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        pipe = os.fdopen(source, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while line := await self._line(reader):
                console.say(self.name, line.decode(errors="replace").rstrip())
        finally:
            transport.close()

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readline()
        except ValueError:
            return b"(a line of more than a megabyte was dropped)"


def how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
