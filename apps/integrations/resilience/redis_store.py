"""The shared state of the policy, of all processes: each question is one script, run by Redis in one step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from apps.accounts.redis_link import RedisLink
from apps.integrations.resilience import breaker
from apps.integrations.resilience.breaker import Circuit, Permit
from apps.integrations.resilience.gate import Entry, Refusal, Success

PREFIX = "bellwether:resilience:"
HERE = Path(__file__).parent


def _redis_time() -> int:
    """Redis reads its own clock, so that the processes need not agree on one."""
    return -1


class RedisStore:
    """Raises RedisLost (apps.accounts.redis_link) when Redis does not answer. now_ms: a clock, for tests."""

    is_shared = True

    def __init__(self, link: RedisLink, now_ms: Callable[[], int] = _redis_time) -> None:
        self._link, self._now_ms = link, now_ms
        self._breaker = link.client.register_script((HERE / "breaker.lua").read_text())
        self._counters = link.client.register_script((HERE / "shared.lua").read_text())
        self._gate = link.client.register_script(_gate())

    def begin(self, entry: Entry) -> Permit | Refusal:
        """All that a call needs to be made, or the first thing that stands in its way."""
        keys = [_key("bulkhead", entry.circuit_key), f"{PREFIX}breaker:{entry.circuit_key}"]
        keys += [_key("pause", one) for one in entry.pauses]
        asked = [entry.token, entry.size, entry.lease_ms, int(entry.is_critical), len(entry.pauses)]
        for one in entry.tokens:
            keys += [_key("limit", one.key), f"{_key('limit', one.key)}:serial"]
            asked += [one.cost, one.limit, one.window_ms, one.reserve]
        why, first, is_probe, is_early = self._ask_gate("begin", keys, entry.settings, asked)
        if _text(why):
            return Refusal(_text(why), int(first))
        return Permit(int(first), is_probe=bool(int(is_probe)), is_early=bool(int(is_early)))

    def end(self, success: Success) -> None:
        """All that is told of a call that ended well."""
        permit, key = success.permit, success.circuit_key
        keys = [_key("bulkhead", key), f"{PREFIX}breaker:{key}", _key("budget", success.budget_key)]
        told = [success.token, permit.generation, int(permit.is_probe), int(success.is_good)]
        self._ask_gate("end", keys, success.settings, [*told, success.gain, success.capacity])

    def record(self, key: str, permit: Permit, *, is_good: bool, settings: breaker.Settings) -> breaker.State:
        said = self._ask_breaker("record", key, settings=settings, permit=permit, is_good=is_good)
        return breaker.State(_text(said))

    def release(self, key: str, permit: Permit) -> None:
        if permit.is_probe:  # of the others nothing is held
            self._ask_breaker("release", key, settings=breaker.Settings(), permit=permit)

    def look(self, key: str) -> Circuit:
        state, opened_at, open_ms, probe_until, in_row = self._ask_breaker(
            "look", key, settings=breaker.Settings()
        )
        return Circuit(
            state=breaker.State(_text(state)),
            opened_at=int(opened_at),
            open_ms=int(open_ms),
            probe_until=int(probe_until),
            in_row=int(in_row),
        )

    def leave(self, key: str, token: str) -> None:
        self._ask("leave", f"bulkhead:{key}", token)

    def spend(self, key: str, *, cost: float, capacity: float) -> bool:
        return bool(self._ask("spend", f"budget:{key}", cost, capacity))

    def pause(self, key: str, *, wait_ms: int) -> None:
        self._ask("pause", f"pause:{key}", wait_ms)

    def _ask_gate(self, deed: str, keys: list[str], settings: breaker.Settings, asked: list[Any]) -> Any:
        with self._link.asking() as redis:
            return self._run(self._gate, redis, keys, [deed, self._now_ms(), *_numbers(settings), *asked])

    def _ask(self, deed: str, key: str, *arguments: Any) -> Any:
        keys = [f"{PREFIX}{{{key}}}", f"{PREFIX}{{{key}}}:serial"]  # as _key() writes them
        with self._link.asking() as redis:
            return self._run(self._counters, redis, keys, [deed, self._now_ms(), *arguments])

    def _ask_breaker(
        self,
        deed: str,
        key: str,
        *,
        settings: breaker.Settings,
        permit: Permit | None = None,
        is_good: bool = False,
    ) -> Any:
        arguments = [
            deed,
            self._now_ms(),
            int(permit.is_early) if permit else 0,  # who asks for leave is critical or not: see gate.lua
            permit.generation if permit else 0,
            int(permit.is_probe) if permit else 0,
            int(is_good),
            *_numbers(settings),
        ]
        with self._link.asking() as redis:
            return self._run(self._breaker, redis, [f"{PREFIX}breaker:{key}"], arguments)

    @staticmethod
    def _run(script: Any, redis: Redis, keys: list[str], arguments: list[Any]) -> Any:
        return script(keys=keys, args=arguments, client=redis)


def _key(kind: str, key: str) -> str:
    return f"{PREFIX}{{{kind}:{key}}}"


def _numbers(settings: breaker.Settings) -> list[float]:
    """In the order of breaker.lua."""
    return [
        settings.bucket_ms,
        settings.buckets,
        settings.least_calls,
        settings.failure_share,
        settings.failures_in_row,
        settings.open_ms,
        settings.longest_open_ms,
        settings.probe_lease_ms,
        settings.good_probes,
        settings.early_probe_every_ms,
    ]


def _gate() -> str:
    """gate.lua behind the two others, each as a function."""
    parts = [
        f"local function {name}(KEYS, ARGV)\n{(HERE / file).read_text()}\nend\n"
        for name, file in (("counters", "shared.lua"), ("breaker", "breaker.lua"))
    ]
    return "".join(parts) + (HERE / "gate.lua").read_text()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
