"""What the pages of attribution show: one question answered, with its rows, disagreements and pictures."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count

from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import analysis, channel_colours, costs, loading, run_figures
from apps.attribution.analysis import Answer
from apps.attribution.channel_colours import ChannelName, Names
from apps.attribution.journey_lists import journeys_behind, person_timeline
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Conversion, Touchpoint
from apps.attribution.money import exponent, from_minor
from apps.attribution.overview_parts import (
    Bin,
    Day,
    Link,
    PathRow,
    Spread,
    days_of,
    links_of,
    path_of,
    spread_of,
)
from apps.attribution.questions import Query, model_names
from apps.attribution.results import Result, Row, Totals
from apps.attribution.spreadsheets import csv_lines, safe_cell

__all__ = [
    "MODEL_LABELS",
    "Bin",
    "ChannelName",
    "ChannelRow",
    "Comparison",
    "Day",
    "Link",
    "ModelName",
    "Overview",
    "PathRow",
    "Spread",
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
    "markov_1": "Markov 1",
    "markov_2": "Markov 2",
    "markov_3": "Markov 3",
    "markov_4": "Markov 4",
}


@dataclass(frozen=True, kw_only=True)
class ModelName:
    name: str
    label: str


@dataclass(frozen=True, kw_only=True)
class ChannelRow:
    """A channel under the chosen model. share, low, high, by_model: of the overview's measure; low to high
    over all models.
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

    measure: what shares are of, "revenue", or "conversions" where there is no revenue.
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
    (chosen,) = model_names((model,))
    query = replace(query, models=tuple(MODELS), group_by="channel")
    workspace: Workspace = Workspace.objects.get()
    answer = analysis.ask(actor, query, now=now)
    empty = Overview(
        state="computing",
        answer=answer,
        query=query,
        model=ModelName(name=chosen, label=MODEL_LABELS[chosen]),
        models=[ModelName(name=name, label=MODEL_LABELS[name]) for name in MODELS],
        currency=workspace.currency,
    )
    return empty if answer.result is None else _filled(empty, answer.result, workspace)


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
    found = Conversion.objects.values("conversion_type").annotate(count=Count("id"))
    return list(found.order_by("-count", "conversion_type").values_list("conversion_type", flat=True))


def credit_table(shown: Overview) -> list[list[Any]]:
    """The overview's rows as a table, its header first: for a file."""
    header = ["channel", "label", "conversions", "revenue", "share", "lowest share", "highest share"]
    header += ["cost", "roas", "cpa", *(f"revenue {model.name}" for model in shown.models)]
    return [header, *(_cells(row, shown) for row in shown.rows)]


def _cells(row: ChannelRow, shown: Overview) -> list[Any]:
    by_model = [row.revenue_by_model[model.name] for model in shown.models]
    figures = [row.conversions, row.revenue, row.share, row.low, row.high, row.cost, row.roas, row.cpa]
    return [row.key, row.label, *figures, *by_model]


def _filled(empty: Overview, result: Result, workspace: Workspace) -> Overview:
    names, figures = channel_colours.names(), result.figures
    shown = replace(
        empty,
        state=_state(result),
        measure="revenue" if result.totals.revenue > 0 else "conversions",
        totals=result.totals,
        computed_at=result.computed_at,
        previous=_previous(empty.query, result.totals, workspace),
    )
    if shown.state != "ready":
        return replace(shown, rows=_channel_rows(shown, result, names))
    return replace(
        shown,
        rows=_channel_rows(shown, result, names),
        touches=spread_of(figures["touches_to_convert"], whole=True),
        days=spread_of(figures["days_to_convert"], whole=False),
        links=links_of(figures["flow"], names),
        paths=[path_of(row, names, result.currency) for row in figures["paths"][:PATHS_SHOWN]],
        daily=days_of(figures["daily"], empty.query, workspace),
    )


def _state(result: Result) -> str:
    if not result.is_empty:
        return "ready"
    is_known = result.totals.journeys or Touchpoint.objects.exists() or Conversion.objects.exists()
    return "no_conversions" if is_known else "no_data"


def _channel_rows(shown: Overview, result: Result, names: Names) -> list[ChannelRow]:
    """In the chosen model's order; a channel that it gives nothing is still there if another one does."""
    rows: dict[tuple[str, bool], dict[str, Row]] = {}
    for row in result.rows:
        rows.setdefault((row.channel, row.is_none), {})[row.model] = row
    made = [_channel_row(key, is_none, found, shown, names) for (key, is_none), found in rows.items()]
    return sorted(made, key=lambda row: (-row.share, -row.revenue, row.is_none, row.label))


def _channel_row(key: str, is_none: bool, found: dict[str, Row], shown: Overview, names: Names) -> ChannelRow:
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
    )


def _previous(query: Query, totals: Totals, workspace: Workspace) -> Comparison | None:
    if (before := query.before()) is None:
        return None
    days = run_figures.daily(before, workspace, decimals=exponent(workspace.currency))
    revenue = from_minor(sum(minor for _, _, minor in days), workspace.currency)
    conversions = sum(count for _, count, _ in days)
    spent = costs.by_source(workspace, loading.sources(), start=before.start, end=before.end)
    cost = sum(spent.values(), ZERO)
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
