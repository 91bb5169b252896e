"""Which stored touches would stand in another channel under other rules, and which spend goes with them.

A channel that a sender named is never overridden. Of touches from before that was kept, only those move whose
channel some known version of the rules explains: another one can only have been named. What erased people's
touches said is gone: they stay as well.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apps.accounts.models import Person
from apps.attribution import channels, stored_origins
from apps.attribution.channel_rules import Origin, RuleSet
from apps.attribution.loading import SourceRow, SourceTable
from apps.attribution.models import RuleVersion, Spend
from apps.attribution.stored_origins import StoredTouch

Rules = Sequence[dict[str, Any]]
Campaign = tuple[str, str]


class Move(NamedTuple):
    """A touch that is in a channel and belongs in another. source: where it is."""

    touch: StoredTouch
    source: SourceRow
    to: str
    origin: Origin


@dataclass
class Flows:
    """Of the touches of each campaign in each channel, how many belong where."""

    _of: dict[tuple[str, Campaign], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, source: SourceRow, to: str) -> None:
        self._of[source.channel, (source.platform, source.campaign_id)][to] += 1

    def where(self, source: SourceRow) -> str | None:
        """Where most of the campaign's touches of that channel go, or stay. None: there are none."""
        found = self._of.get((source.channel, (source.platform, source.campaign_id)), Counter())
        return max(found, key=lambda to: (found[to], to == source.channel, to), default=None)


@dataclass
class Sorter:
    """Sorts touches by rules. erased: people of whose touches nobody knows any more what they said.

    looked_at, named, unclear: touches so far; of them those whose sender named the channel, and those left
    alone because it is not known what they said or whether the channel was named.
    """

    rules: RuleSet
    table: SourceTable
    explanations: list[RuleSet]
    erased: frozenset[int] = frozenset()
    looked_at: int = 0
    named: int = 0
    unclear: int = 0
    flows: Flows = field(default_factory=Flows)

    def __post_init__(self) -> None:
        self._sources = {row.id: row for row in self.table.rows}

    def moves(self, touches: Iterable[StoredTouch]) -> list[Move]:
        """Those of the touches that belong elsewhere."""
        found = []
        for touch in touches:
            source = self._sources.get(touch.source)
            if source is None:  # arrived after the sources were read, under the rules in force
                continue
            move = self._sorted(touch, source)
            self.flows.add(source, move.to if move else source.channel)
            if move is not None:
                found.append(move)
        return found

    def spend_of(self, source: SourceRow) -> str:
        """The channel to which spend of a source belongs: its touches', else what the rules derive."""
        gone = self.flows.where(source)
        if gone is not None and source.campaign_id:
            return gone
        origin = Origin(source.platform, campaign_id=source.campaign_id)
        to = self.rules.channel_of(origin)
        return to if self._explains(origin, source.channel) else source.channel

    def _sorted(self, touch: StoredTouch, source: SourceRow) -> Move | None:
        self.looked_at += 1
        if touch.is_named:
            self.named += 1
            return None
        if touch.person in self.erased:
            self.unclear += 1
            return None
        origin = stored_origins.origin_of(touch, source)
        to = self.rules.channel_of(origin)
        if to == source.channel:
            return None
        if touch.is_named is None and not self._explains(origin, source.channel):
            self.unclear += 1
            return None
        return Move(touch, source, to, origin)

    def _explains(self, origin: Origin, channel: str) -> bool:
        return any(rules.channel_of(origin) == channel for rules in self.explanations)


def sorter(rules: Rules, table: SourceTable) -> Sorter:
    """Sorts by these rules; every version that is known explains where touches are now."""
    kept = RuleVersion.objects.order_by("-number").values_list("rules", flat=True)
    distinct = {channels.version_of(one): one for one in kept}
    explanations = [channels.book().rules, *(channels.compiled(one) for one in distinct.values())]
    erased = Person.objects.exclude(erased_at=None).values_list("pk", flat=True)
    return Sorter(channels.compiled(rules), table, explanations, frozenset(erased))


def spend_moves(found: Sorter) -> dict[int, str]:
    """Sources with spend whose channel nobody named, and the channel to which it belongs."""
    unnamed = Spend.objects.exclude(is_channel_named=True)
    with_spend = set(unnamed.values_list("source_id", flat=True).distinct())
    rows = [row for row in found.table.rows if row.id in with_spend]
    return {row.id: to for row in rows if (to := found.spend_of(row)) != row.channel}
