"""Standard errors of credit, by channel and by finer group, under every model.

Journeys come as a compound Poisson process, so the variance of a sum over journeys is the sum of the squares
(SourceCredit.squares). A model of all journeys together is no such sum, but to the first order its credit
moves by a known amount with each journey more (sensitivity.py, shapley_rate.game_moves): the sum of the
squares of these moves is its variance, which the Poisson bootstrap over paths approaches with many resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .counts import JourneyCounts, SourceCredit
from .journeys import Floats, Ints, NoConversions, sums_by
from .models import RATES, Model, chain_order, resolve, touch_weights
from .sensitivity import moves, solve
from .shapley_rate import RateGame, game_moves, rate_game
from .transitions import count_transitions

LEAST_A_CHANNEL = 30


@dataclass(frozen=True, eq=False, kw_only=True)
class Errors:
    """Standard errors at the place of each group's representative source, and at the end of what no
    touchpoint explains: (n_sources + 1,) each. value in minor units; shares of all conversions and of all
    value.
    """

    conversions: Floats
    value: Floats
    shares: Floats
    value_shares: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Spread:
    """Covariance of what channels earn: (n_channels + 1,) squared, conversions without a touch last."""

    conversions: Floats
    value: Floats
    earned: Floats
    earned_value: Floats


def is_enough(counts: JourneyCounts, model: str) -> bool:
    """Do intervals cover on so little? The game of rates divides journeys among many coalitions: with fewer
    conversions for each channel touched its intervals would not, and none are to be shown.
    """
    return model != RATES or counts.conversions >= LEAST_A_CHANNEL * len(np.unique(counts.paths.codes))


def errors_of_all(
    counts: JourneyCounts, models: Sequence[str], *, groups: Mapping[str, Ints], channel_of: Ints
) -> dict[str, dict[str, Errors]]:
    """By model and grouping: as errors, but a chain whose order is chosen is solved once."""
    found: dict[str, dict[str, Errors]] = {}
    for model in models:
        chosen = resolve(model)
        order = chain_order(counts.paths, chosen) if _is_chain(counts, chosen) else 0
        name = f"markov_{order}" if order else chosen.name
        same = found.get(name)
        found[chosen.name] = same or errors(counts, name, groups=groups, channel_of=channel_of)
    return found


def _is_chain(counts: JourneyCounts, model: Model) -> bool:
    return model.is_of_all and model.name != RATES and counts.paths.converting.n_journeys > 0


def errors(
    counts: JourneyCounts, model: str, *, groups: Mapping[str, Ints], channel_of: Ints
) -> dict[str, Errors]:
    """By grouping. channel_of: (n_sources,) the channel of each source.

    Raises ValueError for an unknown model, or a chain too large; NoConversions where there is nothing to
    credit.
    """
    if not counts.conversions:
        raise NoConversions("there are no conversions to credit")
    given = counts.credit.get(resolve(model).name)
    if given is not None:
        beside = _beside(counts, resolve(model), given, channel_of)
        return {level: _of_weights(counts, given, level, group, beside) for level, group in groups.items()}
    spread = spread_of(counts, model)
    return {level: _of_spread(counts, spread, level, group, channel_of) for level, group in groups.items()}


def spread_of(counts: JourneyCounts, model: str) -> Spread:
    """Covariance over channels of a model of all journeys together."""
    chosen = resolve(model)
    told = len(counts.paths.channels)
    if not (counts.paths.converting.n_journeys):
        earned = earned_value = np.zeros(told)
        covariance = np.zeros((2, told, told))
    elif chosen.name == RATES:
        earned, earned_value, covariance = _of_game(counts)
    else:
        earned, earned_value, covariance = _of_chain(counts, order=chain_order(counts.paths, chosen))
    into = np.zeros((told, len(counts.channels) + 1))
    into[np.arange(told), counts.channel_of] = 1.0
    spread = [into.T @ one @ into for one in covariance]
    untouched = counts.paths.lengths == 0
    lost = counts.paths.conversions[untouched].sum(), counts.value_squares[untouched].sum()
    ends = earned @ into, earned_value @ into
    ends[0][-1], ends[1][-1] = lost[0], counts.paths.value[untouched].sum()
    for one, square in zip(spread, lost, strict=True):
        one[-1, -1] = square
    return Spread(conversions=spread[0], value=spread[1], earned=ends[0], earned_value=ends[1])


def _of_weights(
    counts: JourneyCounts, given: SourceCredit, level: str, group: Ints, beside: Floats
) -> Errors:
    untouched = counts.paths.lengths == 0
    lost = counts.paths.conversions[untouched].sum(), counts.paths.value[untouched].sum()
    lost_square = counts.value_squares[untouched].sum()
    earned = np.append(_by_group(given.conversions, group), lost[0])
    worth = np.append(_by_group(given.value, group), lost[1])
    squares = np.append(given.squares[level], lost[0])
    value_squares = np.append(given.value_squares[level], lost_square)
    total, value, whole = float(counts.conversions), float(counts.minor), float(counts.value_squares.sum())
    return Errors(
        conversions=np.sqrt(squares),
        value=np.sqrt(value_squares),
        shares=_share_errors(earned, squares, earned, total=total, whole=total),
        value_shares=_share_errors(
            worth,
            value_squares,
            np.append(np.maximum(_by_group(beside, group), value_squares[:-1]), lost_square),
            total=value,
            whole=whole,
        ),
    )


def _beside(counts: JourneyCounts, model: Model, given: SourceCredit, channel_of: Ints) -> Floats:
    """(n_sources,) covariance of a source's value with all value: credit * value summed over journeys.

    Exact for channels, from paths; a source is given its part by the value that it earned. time_decay, which
    paths do not tell, is taken to meet large orders as linear does.
    """
    told = counts.channel_paths
    weights = touch_weights(told, "linear" if model.needs_times else model.name)
    size = len(counts.channels)
    exact = sums_by(told.codes, weights * np.repeat(counts.value_squares, told.lengths), groups=size)
    earned = sums_by(channel_of, given.value, groups=size)
    if model.needs_times:
        exact *= _ratio(
            earned, sums_by(told.codes, weights * np.repeat(told.value, told.lengths), groups=size)
        )
    return given.value * _ratio(exact, earned)[channel_of]


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(len(below)), where=below > 0)


def _share_errors(earned: Floats, squares: Floats, beside: Floats, *, total: float, whole: float) -> Floats:
    """Of earned / total, by the delta method."""
    if not total > 0:
        return np.zeros(len(earned))
    share = earned / total
    found: Floats = np.sqrt(np.maximum(squares - 2 * share * beside + share**2 * whole, 0.0)) / total
    return found


def _by_group(per_source: Floats, group: Ints) -> Floats:
    return sums_by(group, per_source, groups=len(group))


def _of_spread(counts: JourneyCounts, spread: Spread, level: str, group: Ints, channel_of: Ints) -> Errors:
    """A group holds a part of each of its channels' credit: uncertain are the credit, and the parts."""
    linear = counts.credit["linear"]
    sides = (
        (linear.conversions, linear.squares, spread.earned, spread.conversions),
        (linear.value, linear.value_squares, spread.earned_value, spread.value),
    )
    found = []
    for basis, squares, earned, covariance in sides:
        parts, uncertain = _parts(basis, squares, earned, level, group, channel_of)
        variance = _quadratic(parts, covariance) + uncertain
        beside = parts @ covariance.sum(axis=1)
        found.append((variance, parts @ earned, beside, covariance.sum(), earned.sum()))
    (variance, earned, beside, whole, total), (square, worth, value_beside, value_whole, value) = found
    return Errors(
        conversions=np.sqrt(variance),
        value=np.sqrt(square),
        shares=_share_errors(earned, variance, beside, total=total, whole=whole),
        value_shares=_share_errors(worth, square, value_beside, total=value, whole=value_whole),
    )


def _parts(
    basis: Floats, squares: Mapping[str, Floats], earned: Floats, level: str, group: Ints, channel_of: Ints
) -> tuple[Floats, Floats]:
    """(n_sources + 1, n_channels + 1) what part of each channel a group holds, at its representative; and
    (n_sources + 1,) the variance of its credit because parts are uncertain.

    A part is linear credit of the group over that of the channel, as the ledger divides rows. Journeys that
    hold two groups of a channel make its variance a little less than is said here.
    """
    of_channel = np.maximum(sums_by(channel_of, np.maximum(basis, 0.0), groups=len(earned)), 0.0)
    shares = np.divide(
        np.maximum(basis, 0.0),
        of_channel[channel_of],
        out=np.zeros(len(basis)),
        where=of_channel[channel_of] > 0,
    )
    parts = np.zeros((len(basis) + 1, len(earned)))
    np.add.at(parts, (group, channel_of), shares)
    parts[-1, -1] = 1.0
    uncertain = np.zeros(len(parts))
    if level == "channel":
        return _whole_channels(group, channel_of, len(earned)), uncertain
    first = np.zeros(len(earned))
    np.maximum.at(first, channel_of, squares["channel"])
    place, channel = np.nonzero(parts[:-1])
    part = parts[place, channel]
    inside = part * of_channel[channel] / np.bincount(place, weights=part * of_channel[channel])[place]
    spread = squares[level][place] * inside * (1 - 2 * part) + part**2 * first[channel]
    variance = np.maximum(spread, 0.0) * (earned[channel] / of_channel[channel]) ** 2
    uncertain[:-1] = sums_by(place, variance, groups=len(basis))
    return parts, uncertain


def _whole_channels(group: Ints, channel_of: Ints, size: int) -> Floats:
    parts = np.zeros((len(group) + 1, size))
    parts[group, channel_of] = 1.0
    parts[-1, -1] = 1.0
    return parts


def _quadratic(parts: Floats, covariance: Floats) -> Floats:
    found: Floats = np.maximum(np.einsum("ij,jk,ik->i", parts, covariance, parts), 0.0)
    return found


@dataclass(frozen=True, eq=False, kw_only=True)
class _Run:
    """A run of paths: how each channel's credit moves with a journey that misses, with one that converts, and
    with each unit of value. (n, n_channels) each.
    """

    missed: Floats
    converted: Floats
    per_value: Floats


# Some paths, as places in the counts, and how their journeys move the credit in conversions and in value.
_Both = tuple[Ints, _Run, _Run]


def _covariances(counts: JourneyCounts, runs: Iterator[_Both], size: int) -> Floats:
    """(2, size, size) sum over journeys of the products of what they move."""
    found = np.zeros((2, size, size))
    for rows, *both in runs:
        for covariance, run in zip(found, both, strict=True):
            covariance += _products(counts, rows, run)
    return found


def _products(counts: JourneyCounts, rows: Ints, run: _Run) -> Floats:
    """Most paths never converted: those that did are looked at by themselves."""
    paths, missed = counts.paths, run.missed
    won = np.flatnonzero(paths.conversions[rows] > 0)
    converted, per_value, rows_won = run.converted[won], run.per_value[won], rows[won]
    times, value = paths.conversions[rows_won, None], paths.value[rows_won, None]
    mixed = (value * converted).T @ per_value
    found: Floats = (paths.nulls[rows, None] * missed).T @ missed + (times * converted).T @ converted
    return found + mixed + mixed.T + (counts.value_squares[rows_won, None] * per_value).T @ per_value


def _of_chain(counts: JourneyCounts, *, order: int) -> tuple[Floats, Floats, Floats]:
    wanted = counts.paths.lengths > 0
    touched = np.flatnonzero(wanted & (counts.paths.conversions + counts.paths.nulls > 0))
    seen = counts.paths.select(np.isin(np.arange(counts.paths.n_journeys), touched))
    transitions = count_transitions(seen, order=order)
    solved = solve(transitions)
    lost = solved.kept[:, :1] - solved.kept[:, 1:]
    total = float(transitions.conversions.sum()), float(transitions.value.sum())
    has_value = solved.kept[1, 0] > 0
    side = 1 if has_value else 0
    shares = np.maximum(lost, 0.0)
    shares = shares / np.where(shares.sum(axis=1, keepdims=True) > 0, shares.sum(axis=1, keepdims=True), 1.0)

    def of_share(side: int, moved: Floats) -> Floats:
        """From how yields move to how shares do."""
        fell = moved[:, :1] - moved[:, 1:]
        divided: Floats = (fell - shares[side] * fell.sum(axis=1, keepdims=True)) / lost[side].sum()
        return divided

    def runs() -> Iterator[_Both]:
        for run in moves(seen, transitions, solved):
            missed, ends = total[0] * of_share(0, run.missed[0]), total[0] * of_share(0, run.at_end)
            conversions = _Run(
                missed=missed, converted=missed + ends + shares[0], per_value=np.zeros_like(missed)
            )
            missed, ends = total[1] * of_share(side, run.missed[side]), total[1] * of_share(side, run.at_end)
            value = _Run(
                missed=missed,
                converted=missed if has_value else missed + ends,
                per_value=(ends if has_value else 0.0) + np.broadcast_to(shares[side], missed.shape),
            )
            yield touched[run.paths], conversions, value

    covariance = _covariances(counts, runs(), len(counts.paths.channels))
    return total[0] * shares[0], total[1] * shares[side], covariance


def _of_game(counts: JourneyCounts) -> tuple[Floats, Floats, Floats]:
    game, found = rate_game(counts.paths), game_moves(counts.paths)
    touched = np.flatnonzero(found.set_of_path >= 0)
    size = len(counts.paths.channels)
    width = max(1, 2_000_000 // max(1, size))

    def conversions(sets: Ints) -> _Run:
        missed = game.conversions * _share_moves(game.values, game.shares, -found.level[sets])
        more = game.conversions * _share_moves(game.values, game.shares, found.outcome[sets]) + game.shares
        return _Run(missed=missed, converted=missed + more, per_value=np.zeros_like(missed))

    def value(sets: Ints) -> _Run:
        if game.follows_conversions:
            missed = game.value * _share_moves(game.values, game.shares, -found.level[sets])
            more = game.value * _share_moves(game.values, game.shares, found.outcome[sets])
            per_value = np.broadcast_to(game.shares, missed.shape)
            return _Run(missed=missed, converted=missed + more, per_value=per_value)
        missed = game.value * _share_moves(game.value_values, game.value_shares, -found.value_level[sets])
        more = game.value * _share_moves(game.value_values, game.value_shares, found.outcome[sets])
        return _Run(missed=missed, converted=missed, per_value=more + game.value_shares)

    def runs() -> Iterator[_Both]:
        for start in range(0, len(touched), width):
            rows = touched[start : start + width]
            yield rows, conversions(found.set_of_path[rows]), value(found.set_of_path[rows])

    covariance = _covariances(counts, runs(), size) + _sampling(game)
    return game.credited_conversions, game.credited_value, covariance


def _share_moves(values: Floats, shares: Floats, moved: Floats) -> Floats:
    """A channel that is floored at nothing leaves the others' scale alone, and is told by its own move."""
    counted = values > 0
    whole = values[counted].sum()
    found: Floats = (moved - shares * (moved * counted).sum(axis=1, keepdims=True)) / whole
    return found


def _sampling(game: RateGame) -> Floats:
    """(2, n, n) what sampling adds."""
    scale = game.conversions / game.rate, game.value / game.value_rate if game.value_rate else 0.0
    return np.stack(
        [np.diag((one * errors_) ** 2) for one, errors_ in zip(scale, game.sampling_errors, strict=True)]
    )
