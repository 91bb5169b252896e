"""The two steps at which a call meets the state that all processes share: before it is made, and after it.

Each is one question, because the way to Redis and back is what a call through the policy costs.
"""

from dataclasses import dataclass

from apps.integrations.resilience import breaker
from apps.integrations.resilience.breaker import Permit

FULL, PAUSED, OPEN, USED_UP = "full", "paused", "open", "used up"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a call takes of one limit."""

    key: str
    cost: int
    limit: int
    window_ms: int
    reserve: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a call asks for: a place among those under way, no pause, leave of the breaker, and tokens.

    token: names the place; whoever holds it already keeps it. pauses: keys that must not be paused.
    """

    circuit_key: str
    token: str
    size: int
    lease_ms: int
    pauses: tuple[str, ...]
    is_critical: bool
    settings: breaker.Settings
    tokens: tuple[Tokens, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """why: the first thing that stood in the way. The place is kept unless that was it."""

    why: str
    wait_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Success:
    """What is told of a call that ended well: to the breaker, to the retry budget, and that its place is
    free. is_good: whether it was quick enough to count as well.
    """

    circuit_key: str
    token: str
    permit: Permit
    is_good: bool
    settings: breaker.Settings
    budget_key: str
    gain: float
    capacity: float
