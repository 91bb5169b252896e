"""The kinds of event that a device may bring; floors above add theirs with `register`.

A kind gets its events of one batch at once, in the order in which they happened, inside one transaction, and
says what became of each. It may be given an event that came before others which were taken long ago: what it
does must not depend on the order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.permissions import Actor
from apps.campaigns.offline.events import OfflineEvent

ACCEPTED, MERGED, CONFLICT, REJECTED = "accepted", "merged", "conflict", "rejected"
# What is done first: what people want and did with our messages, then the rest.
MARKETING, REST = 0, 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """accepted: it is done. merged: it came too late, or said nothing new. conflict: a person decides.
    rejected: it cannot be used.
    """

    verdict: str
    reason: str = ""
    detail: str = ""


def rejected(reason: str, detail: str) -> Verdict:
    return Verdict(verdict=REJECTED, reason=reason, detail=detail)


Take = Callable[[Actor, Sequence[OfflineEvent], datetime], list[Verdict]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """right: what the device's key must be allowed."""

    name: str
    right: str
    order: int
    take: Take


_kinds: dict[str, Kind] = {}


def register(name: str, *, right: str, order: int = REST) -> Callable[[Take], Take]:
    """Say what is done with a kind of event."""

    def decorate(take: Take) -> Take:
        _kinds[name] = Kind(name=name, right=right, order=order, take=take)
        return take

    return decorate


def find(name: str) -> Kind | None:
    return _kinds.get(name)


def names() -> list[str]:
    return sorted(_kinds)
