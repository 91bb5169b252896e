"""CPU seconds, peak memory and wall time of a step, here and in the database server.

CPU seconds are what is compared: unlike wall time they hardly change when the machine has other work.
"""

import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """client, server: CPU seconds; server is 0 where it cannot be seen. peak_mb: of this process."""

    wall: float
    client: float
    server: float
    peak_mb: float

    @property
    def cpu(self) -> float:
        return self.client + self.server


@dataclass
class Steps:
    """Steps measured so far. server: CPU seconds that the database has spent on us until now."""

    server: Callable[[], float] = lambda: 0.0
    done: dict[str, Spent] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        _forget_peak()
        wall, client, server = time.perf_counter(), time.process_time(), self.server()
        yield
        self.done[name] = spent = Spent(
            time.perf_counter() - wall, time.process_time() - client, self.server() - server, peak_mb()
        )
        print(
            f"  {name:<46}{spent.client:8.2f} s CPU here {spent.server:8.2f} s in the server"
            f" {spent.wall:8.2f} s wall {spent.peak_mb:7.0f} MB peak",
            flush=True,
        )

    def keep(self, name: str, **facts: Any) -> None:
        """Write the figures beside the benchmarks, with where and when they were measured."""
        keep(name, steps={step: vars(spent) for step, spent in self.done.items()}, **facts)


def keep(name: str, **facts: Any) -> None:
    RESULTS.mkdir(exist_ok=True)
    about = {"measured_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine(), **facts}
    (RESULTS / f"{name}.json").write_text(json.dumps(about, indent=1, default=round) + "\n")


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} x {model or platform.machine()}, Python {platform.python_version()}"


def elsewhere(deed: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do it in a process of its own, so that what it leaves in memory is not counted as a later step's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(deed, *arguments, **named).result()


def cpu_of(process_id: int) -> float:
    """CPU seconds of another process so far; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def exact_cpu_of(process_id: int) -> float:
    """CPU seconds of the threads that another process has now, to the microsecond: the hundredths of cpu_of
    are too coarse for a step of seconds. 0 where the system does not tell.
    """
    threads = Path(f"/proc/{process_id}/task").glob("*/schedstat")
    return sum(int(_text(thread).partition(" ")[0] or 0) for thread in threads) / 1e9


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def peak_of(process_id: int) -> float:
    """The most megabytes that another process has held; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def peak_mb() -> float:
    """The most megabytes that this process has held since _forget_peak."""
    return peak_of(os.getpid()) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _forget_peak() -> None:
    """Linux starts counting the peak anew when 5 is written here (proc(5))."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")
