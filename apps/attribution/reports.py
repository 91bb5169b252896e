"""What the pages of attribution show: one question answered, with its rows, disagreements and pictures."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import (
    analysis,
    channel_colours,
    conversion_kinds,
    credit_intervals,
    lift_tests,
    results,
)
from apps.attribution.analysis import Answer
from apps.attribution.channel_colours import ChannelName, Names
from apps.attribution.journey_lists import journeys_behind, person_timeline
from apps.attribution.lift_test_comparisons import Calibration
from apps.attribution.maths.models import AUTO, MODELS, RATES
from apps.attribution.models import Conversion, Touchpoint
from apps.attribution.money import from_minor
from apps.attribution.overview_parts import (
    Bin,
    Day,
    Link,
    PathRow,
    Spread,
    StepRow,
    days_of,
    links_of,
    path_of,
    spread_of,
    steps_of,
)
from apps.attribution.questions import Query, model_names
from apps.attribution.results import Result, Row, Totals
from apps.attribution.spreadsheets import csv_lines, safe_cell

__all__ = [
    "MODEL_LABELS",
    "Bin",
    "Calibrated",
    "ChannelName",
    "ChannelRow",
    "Comparison",
    "Day",
    "Link",
    "ModelName",
    "Overview",
    "PathRow",
    "Spread",
    "StepRow",
    "Surely",
    "breakdown",
    "channels",
    "conversion_types",
    "credit_table",
    "csv_lines",
    "journeys_behind",
    "overview",
    "person_timeline",
    "safe_cell",
]

PATHS_SHOWN = 20
STEPS_SHOWN = 10
ENDS = ("low", "high")
ZERO = Decimal(0)
MODEL_LABELS = {
    "first_touch": "First touch",
    "last_touch": "Last touch",
    "last_non_direct": "Last non-direct",
    "linear": "Linear",
    "time_decay": "Time decay",
    "position_based": "Position based",
    "shapley": "Shapley",
    "shapley_ordered": "Shapley, ordered",
    "shapley_rate": "Shapley of rates",
    "markov_1": "Markov 1",
    "markov_2": "Markov 2",
    "markov_3": "Markov 3",
    "markov_4": "Markov 4",
    "markov_auto": "Markov, order chosen",
}


@dataclass(frozen=True, kw_only=True)
class ModelName:
    name: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Surely:
    """95 % intervals under one model: (low, high). share: of the overview's measure."""

    conversions: tuple[float, float]
    revenue: tuple[Decimal, Decimal]
    share: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A channel's credit times what lift tests measured for each unit. measure: conversions or revenue."""

    amount: float
    low: float
    high: float
    tests: int
    as_of: datetime
    measure: str


@dataclass(frozen=True, kw_only=True)
class ChannelRow:
    """A channel under the chosen model. share, low, high, by_model: of the overview's measure; low to high
    over all models. surely: the 95 % intervals under the chosen model, None where there is not enough data;
    surely_by_model: of the share. calibrated: what lift tests make of it, None without one.
    """

    key: str
    label: str
    token: str
    is_none: bool
    conversions: float
    revenue: Decimal
    share: float
    low: float
    high: float
    cost: Decimal | None
    roas: float | None
    cpa: Decimal | None
    by_model: dict[str, float]
    revenue_by_model: dict[str, Decimal]
    surely: "Surely | None" = None
    surely_by_model: dict[str, tuple[float, float]] = field(default_factory=dict)
    calibrated: "Calibrated | None" = None

    @property
    def roas_ends(self) -> tuple[float, float] | None:
        """The 95 % interval of the return; what was spent is known."""
        if self.surely is None or not self.cost:
            return None
        low, high = self.surely.revenue
        return float(low / self.cost), float(high / self.cost)

    @property
    def cpa_ends(self) -> tuple[Decimal, Decimal] | None:
        """The 95 % interval of the cost of one; None where there may have been no conversion at all."""
        if self.surely is None or not self.cost or self.surely.conversions[0] <= 0:
            return None
        low, high = self.surely.conversions
        return self.cost / Decimal(high), self.cost / Decimal(low)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The equally long period before. Changes are ratios (0.12 for 12 % more), None where there was nothing
    before.
    """

    revenue: Decimal
    conversions: int
    cost: Decimal
    revenue_change: float | None
    conversions_change: float | None
    cost_change: float | None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """state: ready; computing (nothing to show yet, see answer.job); no_data (nothing was ever tracked);
    no_conversions.

    measure: what shares are of, "revenue", or "conversions" where there is no revenue. notes: what models
    decided by themselves, by model; see credit_intervals.
    """

    state: str
    answer: Answer
    query: Query
    model: ModelName
    models: list[ModelName]
    currency: str
    measure: str = "revenue"
    totals: Totals | None = None
    computed_at: datetime | None = None
    rows: list[ChannelRow] = field(default_factory=list)
    previous: Comparison | None = None
    touches: Spread | None = None
    days: Spread | None = None
    links: list[Link] = field(default_factory=list)
    paths: list[PathRow] = field(default_factory=list)
    steps: list[StepRow] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    crowded: int = 0
    daily: list[Day] = field(default_factory=list)

    @property
    def leader(self) -> ChannelRow | None:
        """The channel that earned most."""
        return next((row for row in self.rows if not row.is_none), None)

    @property
    def disagreement(self) -> ChannelRow | None:
        """The channel about which the models differ most."""
        return max(self.rows, key=lambda row: row.high - row.low, default=None)

    @property
    def models_agree_on_leader(self) -> bool:
        return len({self._order(model.name)[:1] for model in self.models}) <= 1

    @property
    def models_agree_on_order(self) -> bool:
        return len({self._order(model.name) for model in self.models}) <= 1

    @property
    def is_sure(self) -> bool:
        """Is there enough data to say how sure the chosen model is?"""
        return any(row.surely is not None for row in self.rows)

    @property
    def calibrated_rows(self) -> list[ChannelRow]:
        """The channels that a lift test speaks of."""
        return [row for row in self.rows if row.calibrated is not None]

    @property
    def roas(self) -> float | None:
        """Of all revenue on all known cost."""
        return float(self.totals.revenue / self.totals.cost) if self.totals and self.totals.cost else None

    def _order(self, model: str) -> tuple[str, ...]:
        named = [row for row in self.rows if not row.is_none]
        return tuple(row.key for row in sorted(named, key=lambda r: (-round(r.by_model[model], 9), r.key)))


def overview(actor: Actor, query: Query, *, model: str, now: datetime) -> Overview:
    """Who earned the conversions of a period under one model, beside all the others. Raises Invalid for an
    unknown model.
    """
    return filled(glimpse(actor, query, model=model, now=now))


def glimpse(actor: Actor, query: Query, *, model: str, now: datetime) -> Overview:
    """The overview as far as it needs no credits: whether there is an answer, and of when. Raises Invalid."""
    (chosen,) = model_names((model,))
    query = replace(query, models=tuple(MODELS), group_by="channel")
    answer = analysis.ask(actor, query, now=now)
    result = answer.result
    return Overview(
        state="computing" if result is None else _state(result),
        answer=answer,
        query=query,
        model=ModelName(name=chosen, label=MODEL_LABELS[chosen]),
        models=[ModelName(name=name, label=MODEL_LABELS[name]) for name in MODELS],
        currency=Workspace.objects.get().currency if result is None else result.currency,
        computed_at=None if result is None else result.computed_at,
    )


def decided_by(seen: Overview) -> tuple[object, ...]:
    """All that decides what `filled` makes of a glimpse that has an answer."""
    assert seen.answer.result is not None  # noqa: S101 - an answer
    lifts = lift_tests.calibrations(seen.query, model=seen.model.name)
    return (*results.decided_by(seen.answer.result), seen.model.name, sorted(lifts.items()))


def breakdown(
    actor: Actor, query: Query, *, model: str, channel: str, group_by: str, now: datetime
) -> list[Row] | None:
    """The platforms, campaigns or creatives inside one channel, adding up to its row; None while it is
    computed.
    """
    (chosen,) = model_names((model,))
    query = replace(query, models=tuple(MODELS), group_by=group_by)
    result = analysis.ask(actor, query, now=now).result
    if result is None:
        return None
    return [row for row in result.within(channel=channel, group_by=group_by) if row.model == chosen]


def channels() -> list[ChannelName]:
    return list(channel_colours.names().values())


def conversion_types() -> list[str]:
    """The types seen, the most frequent first."""
    return conversion_kinds.seen()


def credit_table(shown: Overview) -> list[list[Any]]:
    """The overview's rows as a table, its header first: for a file."""
    header = ["channel", "label", "conversions", "revenue", "share", "lowest share", "highest share"]
    header += ["cost", "roas", "cpa", *(f"revenue {model.name}" for model in shown.models)]
    header += [f"{figure} {end} of 95 %" for figure in ("conversions", "revenue", "share") for end in ENDS]
    header += ["calibrated", "calibrated low", "calibrated high", "lift tests"]
    return [header, *(_cells(row, shown) for row in shown.rows)]


def _cells(row: ChannelRow, shown: Overview) -> list[Any]:
    by_model = [row.revenue_by_model[model.name] for model in shown.models]
    figures = [row.conversions, row.revenue, row.share, row.low, row.high, row.cost, row.roas, row.cpa]
    sure, measured = row.surely, row.calibrated
    ends: list[Any] = [*sure.conversions, *sure.revenue, *sure.share] if sure else [None] * 6
    lift: list[Any] = [None] * 4
    if measured:
        lift = [measured.amount, measured.low, measured.high, measured.tests]
    return [row.key, row.label, *figures, *by_model, *ends, *lift]


def filled(seen: Overview) -> Overview:
    """With all that there is to show of its answer, if there is one."""
    result = seen.answer.result
    if result is None:
        return seen
    workspace: Workspace = Workspace.objects.get()
    names, figures = channel_colours.names(), result.figures
    shown = replace(
        seen,
        measure="revenue" if result.totals.revenue > 0 else "conversions",
        totals=result.totals,
        previous=_previous(result, workspace),
    )
    if shown.state != "ready":
        return replace(shown, rows=_channel_rows(shown, result, names))
    lost = result.notes(credit_intervals.STEPS_OF)
    return replace(
        shown,
        rows=_channel_rows(shown, result, names),
        touches=spread_of(figures["touches_to_convert"], whole=True),
        days=spread_of(figures["days_to_convert"], whole=False),
        links=links_of(figures["flow"], names),
        paths=_paths(figures["paths"][:PATHS_SHOWN], lost, names, result.currency),
        steps=steps_of(lost.get("steps", [])[:STEPS_SHOWN], names),
        notes={model: result.notes(model) for model in (RATES, AUTO)},
        crowded=figures.get("crowded", 0),
        daily=days_of(figures["daily"], seen.query, workspace),
    )


def _paths(rows: list[list[Any]], lost: dict[str, Any], names: Names, currency: str) -> list[PathRow]:
    """With what the chain loses without each, where that was worked out."""
    effects = {tuple(keys): figures for keys, *figures in lost.get("ways", [])}
    return [path_of(row, names, currency, lost=effects.get(tuple(row[0]))) for row in rows]


def _state(result: Result) -> str:
    if not result.is_empty:
        return "ready"
    is_known = result.run.journeys or Touchpoint.objects.exists() or Conversion.objects.exists()
    return "no_conversions" if is_known else "no_data"


def _channel_rows(shown: Overview, result: Result, names: Names) -> list[ChannelRow]:
    """In the chosen model's order; a channel that it gives nothing is still there if another one does."""
    rows: dict[tuple[str, bool], dict[str, Row]] = {}
    for row in result.rows:
        rows.setdefault((row.channel, row.is_none), {})[row.model] = row
    lifts = lift_tests.calibrations(shown.query, model=shown.model.name)
    made = [_channel_row(key, is_none, found, shown, lifts) for (key, is_none), found in rows.items()]
    return sorted(made, key=lambda row: (-row.share, -row.revenue, row.is_none, row.label))


def _channel_row(
    key: str, is_none: bool, found: dict[str, Row], shown: Overview, lifts: dict[str, Calibration]
) -> ChannelRow:
    example = next(iter(found.values()))
    full = {name: found.get(name) or Row(model=name, cost=example.cost) for name in MODELS}
    share = "revenue_share" if shown.measure == "revenue" else "share"
    by_model = {name: getattr(row, share) for name, row in full.items()}
    chosen = full[shown.model.name]
    return ChannelRow(
        key=key,
        label=example.label,
        token=channel_colours.token(example.position),
        is_none=is_none,
        conversions=chosen.conversions,
        revenue=chosen.revenue,
        share=by_model[shown.model.name],
        low=min(by_model.values()),
        high=max(by_model.values()),
        cost=chosen.cost,
        roas=chosen.roas,
        cpa=chosen.cpa,
        by_model=by_model,
        revenue_by_model={name: row.revenue for name, row in full.items()},
        surely=_surely(chosen, share),
        surely_by_model={
            name: sure.share for name, row in full.items() if (sure := _surely(row, share)) is not None
        },
        calibrated=None if is_none else _calibrated(chosen, lifts.get(key)),
    )


def _surely(row: Row, share: str) -> Surely | None:
    if row.conversions_low is None:
        return None
    conversions, revenue, shares = (
        (getattr(row, f"{name}_low"), getattr(row, f"{name}_high"))
        for name in ("conversions", "revenue", share)
    )
    return Surely(conversions=conversions, revenue=revenue, share=shares)


def _calibrated(row: Row, lift: Calibration | None) -> Calibrated | None:
    if lift is None:
        return None
    credited = float(row.revenue) if lift.measure == "revenue" else row.conversions
    return Calibrated(
        amount=credited * lift.ratio,
        low=credited * lift.low,
        high=credited * lift.high,
        tests=lift.tests,
        as_of=lift.as_of,
        measure=lift.measure,
    )


def _previous(result: Result, workspace: Workspace) -> Comparison | None:
    told = result.figures["before"]
    if told is None:
        return None
    totals, conversions = result.totals, told["conversions"]
    revenue, cost = from_minor(told["minor"], workspace.currency), Decimal(told["cost"])
    return Comparison(
        revenue=revenue,
        conversions=conversions,
        cost=cost,
        revenue_change=_change(totals.revenue, revenue),
        conversions_change=_change(totals.conversions, conversions),
        cost_change=_change(totals.cost, cost),
    )


def _change(now: Decimal | int, before: Decimal | int) -> float | None:
    return float(now / before) - 1 if before > 0 else None
