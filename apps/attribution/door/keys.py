"""Who an API key is, remembered for seconds: a look-up costs more than storing an event in a group."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from apps.accounts import api_keys
from apps.accounts.permissions import Actor

# A key that was revoked, has expired or lost a scope is obeyed for no longer than this.
KNOWN_SECONDS = 5.0
# One request in this time before the end asks anew, while the others go on with what is known.
RENEWED_SECONDS = 1.0
# A key that was tried before it was made is refused for no longer than this.
REFUSED_SECONDS = 1.0
KEYS_KEPT = 10_000

Clock = Callable[[], float]


@dataclass(slots=True)
class _Known:
    actor: Actor
    until: float
    renew_at: float


class KeyRing:
    """The keys that this process has seen. Holds digests, never secrets."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._refused: dict[bytes, float] = {}

    def recall(self, secret: str) -> Actor | None:
        """The actor behind a key that was looked up a moment ago; None when it must be looked up."""
        known, now = self._known.get(api_keys.digest(secret)), self._clock()
        if known is None or now >= known.until:
            return None
        if now >= known.renew_at:
            known.renew_at = known.until
            return None
        return known.actor

    def is_refused(self, secret: str) -> bool:
        """Whether the key was refused a moment ago."""
        return self._clock() < self._refused.get(api_keys.digest(secret), 0.0)

    def look_up(self, secret: str) -> Actor | None:
        """Ask the database, which notes the use of the key. None for one that it refuses."""
        asked_at, key = self._clock(), api_keys.digest(secret)
        try:
            actor = api_keys.authenticate(secret, now=timezone.now())
        except api_keys.KeyRefused:
            self._known.pop(key, None)
            _keep(self._refused, key, asked_at + REFUSED_SECONDS)
            return None
        until = asked_at + KNOWN_SECONDS
        _keep(self._known, key, _Known(actor, until, until - RENEWED_SECONDS))
        return actor


def _keep(kept: dict[bytes, Any], key: bytes, value: Any) -> None:
    if len(kept) >= KEYS_KEPT:
        kept.clear()
    kept[key] = value
