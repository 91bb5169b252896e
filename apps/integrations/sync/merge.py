"""Three-way merge, field by field: what both sides last agreed on, what stands here, what stands there.

Only one side changed: its value is taken. Both changed to the same: taken. Both changed otherwise: the
field's policy decides, and where it cannot, a person. Pure: nothing here reads a clock or a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from apps.integrations.sync.fields import Kind, Policy


class Missing:
    """The value of a base that was never agreed on."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


class How(StrEnum):
    """How a field's value came about."""

    SAME = "same"
    THEIRS = "theirs"
    OURS = "ours"
    THEIRS_BY_POLICY = "theirs_by_policy"
    OURS_BY_POLICY = "ours_by_policy"
    BOTH = "both"
    WITHDRAWN = "withdrawn"
    CONFLICT = "conflict"


DECIDED = {How.THEIRS_BY_POLICY, How.OURS_BY_POLICY, How.BOTH, How.WITHDRAWN, How.CONFLICT}


@dataclass(frozen=True)
class Side:
    """A value, when it was set (None: not known), and its unit: a currency or a zone (None: not known)."""

    value: Any
    at: datetime | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Decision:
    """value: what is to stand here. base: what both sides count as agreed on from now; MISSING: as before."""

    value: Any
    how: How
    base: Any
    policy: Policy


def merged(
    base: Mapping[str, Any],
    ours: Mapping[str, Side],
    theirs: Mapping[str, Side],
    *,
    kinds: Mapping[str, Kind],
    policies: Mapping[str, Policy],
) -> dict[str, Decision]:
    """A decision for each field that they speak of."""
    return {
        name: decided(
            base.get(name, MISSING),
            ours.get(name, Side(None)),
            side,
            kind=kinds[name],
            policy=policies[name],
        )
        for name, side in theirs.items()
    }


def decided(base: Any, ours: Side, theirs: Side, *, kind: Kind, policy: Policy) -> Decision:
    """One field. A base that is not known yet counts as one that was empty on both sides."""
    if ours.value == theirs.value:
        return Decision(ours.value, How.SAME, theirs.value, policy)
    known = None if base is MISSING else base
    if kind == Kind.CONSENT:
        return _consent(known, ours, theirs, policy)
    if _is_same(theirs.value, known, kind):
        return Decision(ours.value, How.OURS, theirs.value, policy)
    if _is_same(ours.value, known, kind):
        return Decision(theirs.value, How.THEIRS, theirs.value, policy)
    return _by_policy(known, ours, theirs, kind, policy)


def _by_policy(base: Any, ours: Side, theirs: Side, kind: Kind, policy: Policy) -> Decision:
    if policy == Policy.UNION and kind == Kind.TAGS:
        return Decision(union(base, ours.value, theirs.value), How.BOTH, theirs.value, policy)
    winner = {Policy.REMOTE_WINS: theirs, Policy.LOCAL_WINS: ours}.get(policy)
    if policy == Policy.NEWEST:
        winner = newest(ours, theirs, kind)
    if winner is None:
        return Decision(ours.value, How.CONFLICT, MISSING, policy)
    how = How.THEIRS_BY_POLICY if winner is theirs else How.OURS_BY_POLICY
    return Decision(winner.value, how, theirs.value, policy)


def newest(ours: Side, theirs: Side, kind: Kind) -> Side | None:
    """The side that was set later; theirs where both were at one instant. None where it cannot be said.

    Amounts and days are compared only where both are known to be in one currency, or of one zone.
    """
    if ours.at is None or theirs.at is None:
        return None
    if kind in {Kind.MONEY, Kind.DAY} and (ours.unit is None or ours.unit != theirs.unit):
        return None
    return ours if ours.at > theirs.at else theirs


def union(base: Any, ours: Any, theirs: Any) -> list[str]:
    """All that stands on either side, without what either took away."""
    before, here, there = set(base or ()), set(ours or ()), set(theirs or ())
    return sorted((here | there) - (before - here) - (before - there))


def _consent(known: Any, ours: Side, theirs: Side, policy: Policy) -> Decision:
    """A withdrawal on either side, however old the other's word, counts. Their true over our false waits for
    a person, who must say where it was given; over nothing it is what they say, and no grant.
    """
    if known is not False and False in {ours.value, theirs.value}:
        return Decision(False, How.WITHDRAWN, theirs.value, policy)
    if ours.value is False and theirs.value is True:
        return Decision(False, How.CONFLICT, MISSING, policy)
    if ours.value is False or theirs.value == known:
        return Decision(ours.value, How.OURS, theirs.value, policy)
    return Decision(theirs.value, How.THEIRS, theirs.value, policy)


def _is_same(value: Any, known: Any, kind: Kind) -> bool:
    return (value or None) == (known or None) if kind in {Kind.TAGS, Kind.TEXT} else value == known


def unit_of(kind: Kind, value: Any, currency: str | None) -> str | None:
    """What an amount or a day is counted in: its currency; of a plain day that it is one, else its offset."""
    if kind == Kind.MONEY:
        return currency or None
    if kind != Kind.DAY or value is None:
        return None
    return "day" if len(value) == 10 else _offset(value)


def _offset(text: str) -> str | None:
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except ValueError:
        return None
    return None if offset is None else str(offset)
