"""A stored run read back: rows in any grouping, which all add up to the same totals."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from apps.accounts.models import Workspace
from apps.attribution.maths.models import NONE
from apps.attribution.models import Credit, ModelRun, Source
from apps.attribution.questions import Query

NONE_LABEL = "No known touchpoint"
ZERO = Decimal(0)

Key = tuple[str, str, str, str]
_NOTHING: Key = ("", "", "", "")


@dataclass(frozen=True, kw_only=True)
class Totals:
    """journeys: those that converted and those that did not. cost: of all that is known."""

    journeys: int
    conversions: int
    revenue: Decimal
    cost: Decimal


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one model gives to one group. Names that the grouping does not use are empty.

    is_none: the group of conversions without a known touchpoint. share: of the conversions; revenue_share: of
    the revenue, 0 where there is none. cost: None when none is known; roas, cpa: None where they would divide
    by nothing.
    """

    model: str
    channel: str = ""
    platform: str = ""
    campaign_id: str = ""
    creative_id: str = ""
    label: str = ""
    position: int | None = None
    is_none: bool = False
    conversions: float = 0.0
    revenue: Decimal = ZERO
    share: float = 0.0
    revenue_share: float = 0.0
    cost: Decimal | None = None

    @property
    def roas(self) -> float | None:
        return float(self.revenue / self.cost) if self.cost else None

    @property
    def cpa(self) -> Decimal | None:
        if not self.cost or self.conversions < 1e-12:
            return None
        return (self.cost / Decimal(self.conversions)).quantize(Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class _Cell:
    """A credit by source, with the source's names. place: of its channel; None for no known touchpoint."""

    model: str
    names: Key
    label: str
    place: int | None
    conversions: float
    revenue: Decimal
    share: float
    cost: Decimal | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The answer to a question."""

    query: Query
    run: ModelRun
    currency: str
    computed_at: datetime
    totals: Totals
    cells: tuple[_Cell, ...]

    @property
    def run_id(self) -> int:
        return self.run.pk

    @property
    def figures(self) -> dict[str, Any]:
        """See run_figures; fetched when first asked for."""
        return self.run.figures

    @property
    def is_empty(self) -> bool:
        return not self.totals.conversions

    @cached_property
    def rows(self) -> list[Row]:
        """By the question's own grouping; per model in display order, the highest revenue first."""
        return self.grouped(self.query.group_by)

    def grouped(self, group_by: str) -> list[Row]:
        """One row a model and group; each model's rows add up to the totals."""
        return self._rows(self.cells, _GROUPINGS[group_by])

    def within(self, *, channel: str, group_by: str) -> list[Row]:
        """The rows inside one channel, adding up to the channel's row. channel: its key, or "none"."""
        inside = (cell for cell in self.cells if _is_of(cell, channel))
        return self._rows(inside, lambda names: (names[0], *_GROUPINGS[group_by](names)[1:]))

    def _rows(self, cells: Iterable[_Cell], group: Callable[[Key], Key]) -> list[Row]:
        groups: dict[tuple[str, bool, Key], list[_Cell]] = defaultdict(list)
        for cell in cells:
            groups[cell.model, cell.place is None, group(cell.names)].append(cell)
        rows = [self._sum(key, inside) for key, inside in groups.items()]
        order = {model: place for place, model in enumerate(self.query.models)}
        return sorted(rows, key=lambda r: (order[r.model], -r.revenue, -r.conversions, r.is_none, r.label))

    def _sum(self, key: tuple[str, bool, Key], cells: list[_Cell]) -> Row:
        model, is_none, (channel, platform, campaign_id, creative_id) = key
        revenue = sum((cell.revenue for cell in cells), ZERO)
        costs = [cell.cost for cell in cells if cell.cost is not None]
        return Row(
            model=model,
            channel=NONE if is_none else channel,
            platform=platform,
            campaign_id=campaign_id,
            creative_id=creative_id,
            label=NONE_LABEL if is_none else _label(cells[0], platform, campaign_id, creative_id),
            position=cells[0].place if channel else None,
            is_none=is_none,
            conversions=sum(cell.conversions for cell in cells),
            revenue=revenue,
            share=sum(cell.share for cell in cells),
            revenue_share=float(revenue / self.totals.revenue) if self.totals.revenue else 0.0,
            cost=sum(costs, ZERO) if costs else None,
        )


def read(run: ModelRun, query: Query, *, workspace: Workspace) -> Result:
    """Read a run's credits for the models that the question names."""
    cells = tuple(_cells(run, query))
    costs = (cell.cost for cell in cells if cell.cost is not None and cell.model == query.models[0])
    return Result(
        query=query,
        run=run,
        currency=workspace.currency,
        computed_at=run.finished_at or run.created_at,
        totals=Totals(
            journeys=run.journeys or 0,
            conversions=run.conversions or 0,
            revenue=run.revenue or ZERO,
            cost=sum(costs, ZERO),
        ),
        cells=cells,
    )


def _cells(run: ModelRun, query: Query) -> Iterable[_Cell]:
    names, places = _sources()
    credits = Credit.objects.filter(run=run, model__in=query.models).order_by("id")
    for model, key, *earned in credits.values_list(
        "model", "group_key", "conversions", "revenue", "share", "cost"
    ):
        label, place = places.get(key, (NONE_LABEL, None))
        yield _Cell(model, names.get(key, _NOTHING), label, place, *earned)


def _sources() -> tuple[dict[str, Key], dict[str, tuple[str, int]]]:
    """By the key of a credit: the names of its source, and the label and position of its channel."""
    found = Source.objects.values_list(
        "id",
        "channel__key",
        "platform",
        "campaign_id",
        "creative_id",
        "channel__label",
        "channel__position",
    )
    names, places = {}, {}
    for id_, channel, platform, campaign_id, creative_id, label, place in found:
        names[str(id_)] = (channel, platform, campaign_id, creative_id)
        places[str(id_)] = (label, place)
    return names, places


def _is_of(cell: _Cell, channel: str) -> bool:
    return cell.place is None if channel == NONE else cell.place is not None and cell.names[0] == channel


def _label(cell: _Cell, platform: str, campaign_id: str, creative_id: str) -> str:
    """The finest name of the group; a touch without a campaign says so by its platform."""
    return creative_id or campaign_id or platform or cell.label


_GROUPINGS: dict[str, Callable[[Key], Key]] = {
    "channel": lambda names: (names[0], "", "", ""),
    "platform": lambda names: ("", names[1], "", ""),
    "campaign": lambda names: ("", names[1], names[2], ""),
    "creative": lambda names: ("", *names[1:]),
}
