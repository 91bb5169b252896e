"""How sure credit is: standard errors kept beside a run, and read back as intervals.

What is kept is one row a model and grouping, with the errors of all its groups. Runs of before have none, and
show none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.attribution.loading import SourceTable
from apps.attribution.maths.counts import JourneyCounts
from apps.attribution.maths.credit_errors import Errors, errors_of_all, is_enough
from apps.attribution.maths.intervals import LEAST_CONVERSIONS, amount_interval, share_interval
from apps.attribution.maths.models import AUTO, NONE, RATES
from apps.attribution.maths.order_choice import choose_order
from apps.attribution.maths.sequences import removals
from apps.attribution.maths.shapes import top_paths
from apps.attribution.maths.shapley_rate import rate_game
from apps.attribution.models import CreditErrors, ModelRun
from apps.attribution.money import exponent
from apps.attribution.questions import Query

Floats = NDArray[np.float64]

# The row that carries what is lost without a step or a way.
STEPS_OF = "markov_1"
STEPS_KEPT = 20
WAYS_KEPT = 20

# conversions, revenue, share, revenue share: standard errors of one group.
Group = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What little is known of is measured in: the mean order weighed by its size, in the currency, and how
    many equal orders the revenue is worth.
    """

    order: float
    orders: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One model in one grouping, as it is kept; see CreditErrors."""

    model: str
    group_by: str
    errors: dict[str, Any]
    notes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The errors of one model in one grouping. of: by smallest source id, or "none"."""

    of: Mapping[str, Group]
    scale: Scale


@dataclass(frozen=True, kw_only=True)
class Kept:
    """known: None where there is not enough data. notes: what the model decided by itself, if anything."""

    known: Known | None
    notes: dict[str, Any]


def measured(counts: JourneyCounts, query: Query, table: SourceTable, *, currency: str) -> list[Measured]:
    """How sure each of the question's models is of what it gives; nothing where there is nothing to credit.

    counts: of the question's journeys, over the sources of the table.
    """
    if not counts.conversions:
        return []
    groups, channel_of = table.groups(), table.channel_codes.astype(np.int64)
    names = [*(str(row.id) for row in table.rows), NONE]
    scale = 10.0 ** exponent(currency)
    return [
        Measured(
            model=model,
            group_by=level,
            errors=_packed(one, groups[level], names, counts, scale) if is_enough(counts, model) else {},
            notes=_notes(counts, model, table) if level == "channel" else {},
        )
        for model, by_level in errors_of_all(
            counts, query.models, groups=groups, channel_of=channel_of
        ).items()
        for level, one in by_level.items()
    ]


def keep(run: ModelRun, found: Iterable[Measured]) -> None:
    """Keep it beside the run, in the transaction that made the run."""
    CreditErrors.objects.bulk_create(
        CreditErrors(
            workspace_id=run.workspace_id,
            run=run,
            model=one.model,
            group_by=one.group_by,
            errors=one.errors,
            notes=one.notes,
        )
        for one in found
    )


def kept(run: ModelRun, models: Iterable[str], group_by: str) -> dict[str, Kept]:
    """By model; a run of before intervals has none."""
    is_enough = (run.conversions or 0) >= LEAST_CONVERSIONS
    rows = CreditErrors.objects.filter(run=run, model__in=list(models), group_by=group_by)
    return {
        model: Kept(known=_known(found) if is_enough and found else None, notes=notes)
        for model, found, notes in rows.values_list("model", "errors", "notes")
    }


def _known(found: dict[str, Any]) -> Known:
    return Known(of=found["of"], scale=Scale(order=found["order"], orders=found["orders"]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Amounts:
    """What is to be surrounded, (n,) each: in the same order as errors."""

    conversions: Floats
    revenue: Floats
    shares: Floats
    revenue_shares: Floats


def around(amounts: Amounts, errors_: Floats, *, scale: Scale, conversions: int) -> Floats:
    """(n, 8) low and high of conversions, revenue, share and revenue share. errors_: (n, 4)."""
    pairs = [
        *amount_interval(amounts.conversions, errors_[:, 0], unit=1.0),
        *amount_interval(amounts.revenue, errors_[:, 1], unit=scale.order or 1.0),
        *share_interval(amounts.shares, errors_[:, 2], events=float(conversions)),
        *share_interval(amounts.revenue_shares, errors_[:, 3], events=scale.orders or float(conversions)),
    ]
    return np.stack(pairs, axis=1)


def _packed(
    found: Errors, group: NDArray[np.int64], names: list[str], counts: JourneyCounts, scale: float
) -> dict[str, Any]:
    """As JSON: groups that earned nothing and are sure of it are left out."""
    columns = np.stack([found.conversions, found.value / scale, found.shares, found.value_shares], axis=1)
    wanted = [*np.unique(group).tolist(), len(group)]
    squares, value = float(counts.value_squares.sum()), float(counts.minor)
    return {
        "of": {
            names[place]: [float(f"{one:.6g}") for one in columns[place].tolist()]
            for place in wanted
            if columns[place].any()
        },
        "order": squares / value / scale if value > 0 else 0.0,
        "orders": value**2 / squares if squares > 0 else 0.0,
    }


def _notes(counts: JourneyCounts, model: str, table: SourceTable) -> dict[str, Any]:
    """What there is to say of a model beside its figures. Channels by key."""
    if not counts.paths.converting.n_journeys:
        return {}
    if model == AUTO:
        return _order_chosen(counts)
    if model == RATES:
        return _game_played(counts, table.channels)
    return _steps(counts, table.channels) if model == STEPS_OF else {}


def _order_chosen(counts: JourneyCounts) -> dict[str, Any]:
    found = choose_order(counts.paths, merged=counts.paths)
    return {
        "order": found.order,
        "best": found.best,
        "journeys": found.journeys,
        "likelihoods": found.likelihoods.tolist(),
        "behind": found.behind.tolist(),
        "behind_errors": found.behind_errors.tolist(),
    }


def _game_played(counts: JourneyCounts, keys: Sequence[str]) -> dict[str, Any]:
    game = rate_game(counts.paths)
    return {
        "floored": sorted({keys[code] for code in counts.channel_of[game.floored | game.value_floored]}),
        "permutations": game.permutations,
        "sampling_error": float((game.sampling_errors[0] / game.rate).max(initial=0.0)),
    }


def _steps(counts: JourneyCounts, keys: Sequence[str]) -> dict[str, Any]:
    """[[from, to], effect, low, high] of the steps that carry most; the same of the ways that earned most."""
    told = counts.channel_paths
    best = top_paths(told, most=WAYS_KEPT)
    found = removals(told, most=STEPS_KEPT, ways=best.codes)
    steps = zip(
        found.pairs.tolist(), found.effects.tolist(), found.low.tolist(), found.high.tolist(), strict=True
    )
    ways = zip(
        best.codes,
        found.path_effects.tolist(),
        found.path_low.tolist(),
        found.path_high.tolist(),
        strict=True,
    )
    return {
        "steps": [[[keys[code] for code in codes], *figures] for codes, *figures in steps],
        "ways": [[[keys[code] for code in codes], *figures] for codes, *figures in ways],
    }
