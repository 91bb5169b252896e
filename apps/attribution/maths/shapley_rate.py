"""The Shapley game of conversion rates: what each channel adds to the rate of the journeys that meet it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np

from .aggregation import channel_sets
from .coalition import sum_subsets
from .journeys import Codes, Flags, Floats, Ints, Journeys, NoConversions, sums_by

MOST_EXACT = 20  # 2 ** 20 coalitions: 8 MB an array, .3 s
MOST_PERMUTATIONS = 2_000
FEWEST_PERMUTATIONS = 200
MOST_WORK = 100_000_000  # touches of distinct sets looked at by the sampling
SEED = 20_260_601
_SLICE = 2_000_000  # numbers held at once while the moves of sampled games are added up


@dataclass(frozen=True, eq=False, kw_only=True)
class RateGame:
    """values, value_values: (n_channels,) Shapley values of the conversion rate and of the value per journey.

    They sum to rate and value_rate, those of all journeys with a touch. sampling_errors, (2, n_channels):
    standard errors of both by sampling; 0 where the game is exact. permutations: how many were sampled, 0
    where exact.
    """

    channels: tuple[str, ...]
    values: Floats
    value_values: Floats
    rate: float
    value_rate: float
    conversions: float
    value: float
    sampling_errors: Floats
    permutations: int

    @cached_property
    def floored(self) -> Flags:
        """(n_channels,) channels that lower the rate: they earn nothing, and the others are scaled."""
        return self.values < -1e-12 * self.rate

    @cached_property
    def value_floored(self) -> Flags:
        """(n_channels,) the same of the value per journey; none where value follows conversions."""
        if self.follows_conversions:
            return np.zeros(len(self.channels), dtype=np.bool_)
        return self.value_values < -1e-12 * self.value_rate

    @property
    def follows_conversions(self) -> bool:
        """Is value divided as conversions are, because there is no value above nothing to divide?"""
        return not self.value_rate > 0

    @cached_property
    def shares(self) -> Floats:
        return _floored_shares(self.values)

    @cached_property
    def value_shares(self) -> Floats:
        return self.shares if self.follows_conversions else _floored_shares(self.value_values)

    @property
    def credited_conversions(self) -> Floats:
        credited: Floats = self.conversions * self.shares
        return credited

    @property
    def credited_value(self) -> Floats:
        credited: Floats = self.value * self.value_shares
        return credited


@dataclass(frozen=True, eq=False, kw_only=True)
class GameMoves:
    """How Shapley values move with one more journey of each distinct channel set.

    set_of_path: (n_paths,) -1 for the empty path. outcome, level, value_level: (n_sets, n_channels); the
    value of a channel moves by outcome - level with a journey that converts and by -level with one that does
    not; the value game by outcome * (worth of the journey) - value_level.
    """

    set_of_path: Ints
    outcome: Floats
    level: Floats
    value_level: Floats


def rate_game(journeys: Journeys, *, permutations: int | None = None) -> RateGame:
    """Play v(S) = conversions / journeys, over the journeys with a touch whose channels all lie in S.

    v(nothing) = 0, as of any S that holds no journey. Credit = phi / sum(phi) * observed conversions; a
    negative phi (the channel lowers the rate) counts as 0 before that, and `floored` tells so. Value by the
    same game on value per journey. Exact up to 20 channels that were touched; above, averaged over random
    orders of joining and their reverses, with the standard error of that. permutations: how many orders then.
    Raises NoConversions where no journey with a touch converted.

    Of each coalition the sums over its subsets are Yates' 1937 transform. With p_s = (s - 1)! (k - s)! / k!
    and q_s = s! (k - s - 1)! / k!, phi_c = P(c) + Q(c) - Q(nothing), where P(T) and Q(T) sum p_|S| v(S) and
    q_|S| v(S) over the supersets S of T: one more transform instead of one a channel.
    Source: Shapley 1953; sampling by orders: Castro, Gomez, Tejada 2009.
    """
    sets = _sets(journeys)
    played = _exact(sets) if sets.is_exact else _sampled(sets, permutations or sets.affordable)
    return RateGame(
        channels=journeys.channels,
        values=_spread(played[0], sets),
        value_values=_spread(played[1], sets),
        rate=sets.converted.sum() / sets.happened.sum(),
        value_rate=sets.worth.sum() / sets.happened.sum(),
        conversions=float(sets.converted.sum()),
        value=float(sets.worth.sum()),
        sampling_errors=np.stack([_spread(played[2], sets), _spread(played[3], sets)]),
        permutations=0 if sets.is_exact else permutations or sets.affordable,
    )


def game_moves(journeys: Journeys) -> GameMoves:
    """The derivative of the game's values by the number of journeys of each path; see GameMoves.

    Adding a journey of set T moves v(S) of every S that holds T by (outcome - v(S)) / journeys(S).
    """
    sets = _sets(journeys)
    found = _exact_moves(sets) if sets.is_exact else _sampled_moves(sets)
    shape = (len(found[0]), len(journeys.channels))
    wide = [np.zeros(shape) for _ in found]
    for whole, part in zip(wide, found, strict=True):
        whole[:, sets.present] = part
    return GameMoves(set_of_path=sets.set_of_path, outcome=wide[0], level=wide[1], value_level=wide[2])


@dataclass(frozen=True, eq=False, kw_only=True)
class _Sets:
    """Distinct channel sets. present: codes of the k channels that some journey touched; codes: places among
    them. set_of_path: (n_paths,) -1 for the empty path.
    """

    present: Ints
    codes: Codes
    offsets: Ints
    happened: Floats
    converted: Floats
    worth: Floats
    channels: int
    set_of_path: Ints

    @property
    def players(self) -> int:
        return len(self.present)

    @property
    def is_exact(self) -> bool:
        return self.players <= MOST_EXACT

    @property
    def affordable(self) -> int:
        """Orders to sample, in pairs."""
        wanted = MOST_WORK // max(1, len(self.codes))
        return int(min(MOST_PERMUTATIONS, max(FEWEST_PERMUTATIONS, wanted))) // 2 * 2

    @cached_property
    def masks(self) -> Ints:
        return np.bitwise_or.reduceat(np.int64(1) << self.codes.astype(np.int64), self.offsets[:-1])


def _sets(journeys: Journeys) -> _Sets:
    touched = journeys.lengths > 0
    if not journeys.conversions[touched].sum() > 0:
        raise NoConversions("no journey with a touch converted: a game of rates has nothing to divide")
    merged = channel_sets(journeys.select(touched))
    found = merged.journeys
    present, codes = np.unique(found.codes, return_inverse=True)
    set_of_path = np.full(journeys.n_journeys, -1, dtype=np.int64)
    set_of_path[touched] = merged.path_of_journey
    return _Sets(
        present=present.astype(np.int64),
        codes=codes.astype(np.int32),
        offsets=found.offsets,
        happened=found.conversions + found.nulls,
        converted=found.conversions,
        worth=found.value,
        channels=len(journeys.channels),
        set_of_path=set_of_path,
    )


def _spread(of_present: Floats, sets: _Sets) -> Floats:
    whole = np.zeros(sets.channels)
    whole[sets.present] = of_present
    return whole


def _floored_shares(values: Floats) -> Floats:
    floored = np.maximum(values, 0.0)
    shares: Floats = floored / floored.sum()
    return shares


def _exact(sets: _Sets) -> tuple[Floats, Floats, Floats, Floats]:
    inverse = _one_over_journeys(sets)
    nothing = np.zeros(sets.players)
    values = [
        _of_supersets(sum_subsets(sums_by(sets.masks, amounts, groups=len(inverse))) * inverse, sets)
        for amounts in (sets.converted, sets.worth)
    ]
    return values[0], values[1], nothing, nothing


def _one_over_journeys(sets: _Sets) -> Floats:
    """(2 ** k,) of the journeys whose channels lie in each coalition; 0 where there is none."""
    size = 1 << sets.players
    happened = sum_subsets(sums_by(sets.masks, sets.happened, groups=size))
    return np.divide(1.0, happened, out=np.zeros(size), where=happened > 0)


def _of_supersets(rates: Floats, sets: _Sets) -> Floats:
    """(k,) Shapley values of the game."""
    with_it, without = _weighed(rates, sets.players)
    one = 1 << np.arange(sets.players)
    values: Floats = with_it[one] + without[one] - without[0]
    return values


def _weighed(rates: Floats, players: int) -> tuple[Floats, Floats]:
    """P and Q of rate_game: sums over supersets of p_|S| and q_|S| times rates."""
    size = np.bitwise_count(np.arange(len(rates))).astype(np.int64)
    whole = factorial(players)
    p = [0.0] + [factorial(s - 1) * factorial(players - s) / whole for s in range(1, players + 1)]
    q = [factorial(s) * factorial(players - s - 1) / whole for s in range(players)] + [0.0]
    return _sum_supersets(np.array(p)[size] * rates), _sum_supersets(np.array(q)[size] * rates)


def _sum_supersets(amounts: Floats) -> Floats:
    """In place: (2 ** k,) sum over all supersets of each coalition."""
    for player in range((len(amounts) - 1).bit_length()):
        halves = amounts.reshape(-1, 2, 1 << player)
        halves[:, 0] += halves[:, 1]
    return amounts


def _exact_moves(sets: _Sets) -> tuple[Floats, Floats, Floats]:
    inverse = _one_over_journeys(sets)
    found = [_moves_of(inverse, sets)]
    for amounts in (sets.converted, sets.worth):
        rates = sum_subsets(sums_by(sets.masks, amounts, groups=len(inverse))) * inverse
        found.append(_moves_of(rates * inverse, sets))
    return found[0], found[1], found[2]


def _moves_of(per_coalition: Floats, sets: _Sets) -> Floats:
    """(n_sets, k) sum over the supersets S of each set of W_c(S) per_coalition(S), where W_c(S) is the weight
    of v(S) in phi_c.
    """
    with_it, without = _weighed(per_coalition, sets.players)
    masks = sets.masks[:, None]
    joined = masks | (np.int64(1) << np.arange(sets.players))
    moves: Floats = with_it[joined] + np.where(joined == masks, 0.0, without[joined] - without[masks])
    return moves


def _sampled(sets: _Sets, permutations: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Averages over random orders, each with its reverse; errors from the spread of the pairs' means."""
    rng = np.random.default_rng(SEED)
    pairs = max(2, permutations // 2)
    sums, squares = np.zeros((2, sets.players)), np.zeros((2, sets.players))
    for _ in range(pairs):
        order = rng.permutation(sets.players)
        mean = (_joining(sets, order) + _joining(sets, order[::-1])) / 2
        sums += mean
        squares += mean**2
    means = sums / pairs
    errors = np.sqrt(np.maximum(squares / pairs - means**2, 0.0) / (pairs - 1))
    return means[0], means[1], errors[0], errors[1]


def _joining(sets: _Sets, order: Ints) -> Floats:
    """(2, k) what each channel adds to rate and value per journey when they join in this order."""
    last = _last_to_join(sets, order)
    happened = np.cumsum(sums_by(last, sets.happened, groups=sets.players))
    added = np.zeros((2, sets.players))
    for row, amounts in zip(added, (sets.converted, sets.worth), strict=True):
        earned = np.cumsum(sums_by(last, amounts, groups=sets.players))
        rates = np.divide(earned, happened, out=np.zeros(sets.players), where=happened > 0)
        row[order] = np.diff(rates, prepend=0.0)
    return added


def _last_to_join(sets: _Sets, order: Ints) -> Ints:
    """(n_sets,) the place in the order at which each set is complete."""
    place = np.empty(sets.players, dtype=np.int64)
    place[order] = np.arange(sets.players)
    return np.maximum.reduceat(place[sets.codes], sets.offsets[:-1])


def _sampled_moves(sets: _Sets) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(SEED + 1)
    shape = (len(sets.happened), sets.players)
    found = [np.zeros(shape) for _ in range(3)]
    orders = max(20, min(FEWEST_PERMUTATIONS, MOST_WORK // (shape[0] * shape[1])))
    for _ in range(orders):
        order = rng.permutation(sets.players)
        last = _last_to_join(sets, order)
        for moves, per_place in zip(found, _per_place(sets, last), strict=True):
            _add_moves(moves, last, per_place, order)
    return found[0] / orders, found[1] / orders, found[2] / orders


def _per_place(sets: _Sets, last: Ints) -> tuple[Floats, Floats, Floats]:
    """(k,) each: 1 / n, rate / n and value per journey / n of those who have joined by each place."""
    happened = np.cumsum(sums_by(last, sets.happened, groups=sets.players))
    inverse = np.divide(1.0, happened, out=np.zeros(sets.players), where=happened > 0)
    converted = np.cumsum(sums_by(last, sets.converted, groups=sets.players))
    worth = np.cumsum(sums_by(last, sets.worth, groups=sets.players))
    return inverse, converted * inverse**2, worth * inverse**2


def _add_moves(moves: Floats, last: Ints, per_place: Floats, order: Ints) -> None:
    """A set moves what is added where it becomes complete, and the differences after."""
    steps = np.diff(per_place, prepend=0.0)
    width = max(1, _SLICE // len(order))
    for start in range(0, len(last), width):
        rows = slice(start, start + width)
        complete = last[rows, None]
        places = np.arange(len(order))
        moves[rows, order] += np.where(places > complete, steps, np.where(places == complete, per_place, 0.0))
