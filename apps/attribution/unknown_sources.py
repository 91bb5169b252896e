"""What arrived lately and fitted no rule, so that a rule can be made for it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from apps.attribution import addresses
from apps.attribution.channel_rules import OTHER
from apps.attribution.models import Touchpoint

SAMPLE = 5_000
SHOWN = 20


class Signal(NamedTuple):
    """What a touch says of its origin, as far as it is kept."""

    platform: str
    utm_source: str
    utm_medium: str
    referrer_host: str


@dataclass(frozen=True, kw_only=True)
class UnknownSource:
    signal: Signal
    touches: int
    last_seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class Seen:
    """sample: touches looked at; touches: those that fitted no rule; sources: the most frequent of them."""

    sample: int
    touches: int
    sources: list[UnknownSource]

    @property
    def share(self) -> float | None:
        return self.touches / self.sample if self.sample else None


def seen_lately() -> Seen:
    """Count the latest touches that fitted no rule, by what they say of their origin."""
    latest = Touchpoint.objects.order_by("-id").values_list(
        "source__channel__key", "source__platform", "url", "referrer", "occurred_at"
    )[:SAMPLE]
    found: dict[Signal, list[datetime]] = defaultdict(list)
    sample = 0
    for key, platform, url, referrer, occurred_at in latest:
        sample += 1
        if key == OTHER:
            found[signal_of(platform, url, referrer)].append(occurred_at)
    sources = [
        UnknownSource(signal=signal, touches=len(moments), last_seen_at=max(moments))
        for signal, moments in found.items()
    ]
    sources.sort(key=lambda source: (-source.touches, source.signal))
    return Seen(sample=sample, touches=sum(map(len, found.values())), sources=sources[:SHOWN])


def signal_of(platform: str, url: str, referrer: str) -> Signal:
    """What a stored touch says."""
    hints = addresses.read(url).hints
    return Signal(
        platform=platform,
        utm_source=hints.get("utm_source", "").lower(),
        utm_medium=hints.get("utm_medium", "").lower(),
        referrer_host=addresses.host_of(referrer),
    )
