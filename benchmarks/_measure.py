"""Time and peak memory of a step."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Steps:
    """Steps measured so far: name → (wall seconds, CPU seconds, peak megabytes of this process)."""

    done: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        _forget_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.done[name] = (time.perf_counter() - wall, time.process_time() - cpu, _peak_mb())
        spent, worked, peak = self.done[name]
        print(f"  {name:<44}{spent:8.2f} s wall {worked:8.2f} s CPU {peak:7.0f} MB peak")

    def wall(self, name: str) -> float:
        return self.done[name][0]


def _forget_peak() -> None:
    """Linux starts counting the peak anew when 5 is written here (proc(5))."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def _peak_mb() -> float:
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
