"""A circuit breaker whose state all processes share, and whose half-open state lets exactly one probe
through.

Failures are counted in buckets of time; the breaker opens on a share of failures or on failures in a row,
stays open twice as long each time that its probe fails, and closes after good probes. A probe is a lease with
a generation: a process that dies with it frees it by time, and what an older generation reports changes
nothing. A critical call may take that one lease early.

The rules stand here once, on a plain state and a given clock. memory_store.py calls them, breaker.lua says
the same to Redis; a state machine test holds the two together.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Times in milliseconds. At a few calls a minute, larger numbers of calls never open anything."""

    bucket_ms: int = 10_000
    buckets: int = 6
    least_calls: int = 10
    failure_share: float = 0.5
    failures_in_row: int = 5
    open_ms: int = 15_000
    longest_open_ms: int = 300_000
    probe_lease_ms: int = 10_000
    good_probes: int = 2
    early_probe_every_ms: int = 5_000
    slow_ms: int = 20_000


@dataclass(frozen=True)
class Permit:
    """Leave to call, and what a report of it must carry. is_early: a critical call that did not wait."""

    generation: int
    is_probe: bool = False
    is_early: bool = False


@dataclass(frozen=True)
class Denied:
    """The breaker is open. retry_after_ms: when it will let a probe through, at the earliest."""

    retry_after_ms: int
    opened_at_ms: int


@dataclass
class Circuit:
    """All that is known of one breaker. Buckets: number of the bucket → (good, bad)."""

    state: State = State.CLOSED
    generation: int = 0
    opened_at: int = 0
    open_ms: int = 0
    in_row: int = 0
    good: int = 0
    probe_until: int = 0
    last_early: int = 0
    buckets: dict[int, tuple[int, int]] = field(default_factory=dict)


def acquire(circuit: Circuit, *, now_ms: int, is_critical: bool, settings: Settings) -> Permit | Denied:
    """Ask leave for one call; changes the circuit. Only one probe has leave at a time."""
    if circuit.state == State.CLOSED:
        return Permit(circuit.generation)
    is_ripe = circuit.state == State.HALF_OPEN or now_ms >= circuit.opened_at + circuit.open_ms
    is_early = not is_ripe and is_critical and now_ms >= circuit.last_early + settings.early_probe_every_ms
    if circuit.probe_until > now_ms or not (is_ripe or is_early):
        ripe_at = circuit.opened_at + circuit.open_ms if circuit.state == State.OPEN else now_ms
        return Denied(max(ripe_at, circuit.probe_until) - now_ms, circuit.opened_at)
    if circuit.state == State.OPEN:
        circuit.state, circuit.good = State.HALF_OPEN, 0
    circuit.generation += 1
    circuit.probe_until = now_ms + settings.probe_lease_ms
    if is_early:
        circuit.last_early = now_ms
    return Permit(circuit.generation, is_probe=True, is_early=is_early)


def record(circuit: Circuit, permit: Permit, *, now_ms: int, is_good: bool, settings: Settings) -> State:
    """Report what became of a call; changes the circuit. An old generation's report is ignored."""
    if permit.generation == circuit.generation:
        if permit.is_probe and circuit.state == State.HALF_OPEN:
            _record_probe(circuit, now_ms=now_ms, is_good=is_good, settings=settings)
        elif not permit.is_probe and circuit.state == State.CLOSED:
            _record_call(circuit, now_ms=now_ms, is_good=is_good, settings=settings)
    return circuit.state


def release(circuit: Circuit, permit: Permit) -> None:
    """Give leave back unused, or used with an outcome that says nothing of the service's health: all is as
    it was before it was given.
    """
    if permit.is_probe and permit.generation == circuit.generation:
        circuit.probe_until = 0
        if not circuit.good:
            circuit.state = State.OPEN
        if permit.is_early:
            circuit.last_early = 0


def _record_probe(circuit: Circuit, *, now_ms: int, is_good: bool, settings: Settings) -> None:
    circuit.probe_until = 0
    if not is_good:
        _open(circuit, now_ms, min(circuit.open_ms * 2, settings.longest_open_ms))
        return
    circuit.good += 1
    if circuit.good >= settings.good_probes:
        fresh = Circuit(generation=circuit.generation + 1, last_early=circuit.last_early)
        circuit.__dict__.update(fresh.__dict__)


def _record_call(circuit: Circuit, *, now_ms: int, is_good: bool, settings: Settings) -> None:
    current = now_ms // settings.bucket_ms
    circuit.buckets = {n: counts for n, counts in circuit.buckets.items() if n > current - settings.buckets}
    good, bad = circuit.buckets.get(current, (0, 0))
    circuit.buckets[current] = (good + is_good, bad + (not is_good))
    circuit.in_row = 0 if is_good else circuit.in_row + 1
    bad = sum(counts[1] for counts in circuit.buckets.values())
    total = bad + sum(counts[0] for counts in circuit.buckets.values())
    is_often = total >= settings.least_calls and bad >= total * settings.failure_share
    if not is_good and (is_often or circuit.in_row >= settings.failures_in_row):
        _open(circuit, now_ms, settings.open_ms)


def _open(circuit: Circuit, now_ms: int, open_ms: int) -> None:
    circuit.state, circuit.opened_at, circuit.open_ms = State.OPEN, now_ms, open_ms
    circuit.generation += 1
    circuit.in_row, circuit.good, circuit.probe_until, circuit.buckets = 0, 0, 0, {}
