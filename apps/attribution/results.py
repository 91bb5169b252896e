"""A stored run read back: rows in any grouping, which all add up to the same totals."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.attribution import credit_intervals
from apps.attribution.maths.models import NONE
from apps.attribution.models import Credit, ModelRun, Source
from apps.attribution.questions import Query

NONE_LABEL = "No known touchpoint"
ZERO = Decimal(0)
NOT_KNOWN = (0.0, 0.0, 0.0, 0.0)
_CENT = Decimal("0.01")
_NAMES = """
    SELECT count(*), sum(hashtextextended(
        concat_ws(chr(31), key, label, position, platform, campaign_id, creative_id), s.id))
    FROM attribution_source s JOIN attribution_channel c ON c.id = s.channel_id
    WHERE s.workspace_id = (SELECT %s::bigint) AND c.workspace_id = (SELECT %s::bigint)
"""

Key = tuple[str, str, str, str]
_NOTHING: Key = ("", "", "", "")


class AnswerReplaced(DomainError):
    code = "answer_replaced"
    status = 503


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
    by nothing. low, high: 95 % intervals; None where there is not enough data to say.
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
    conversions_low: float | None = None
    conversions_high: float | None = None
    revenue_low: Decimal | None = None
    revenue_high: Decimal | None = None
    share_low: float | None = None
    share_high: float | None = None
    revenue_share_low: float | None = None
    revenue_share_high: float | None = None

    @property
    def roas(self) -> float | None:
        return float(self.revenue / self.cost) if self.cost else None

    @property
    def cpa(self) -> Decimal | None:
        if not self.cost or self.conversions < 1e-12:
            return None
        return (self.cost / Decimal(self.conversions)).quantize(Decimal("0.0001"))


class _Cell(NamedTuple):
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
    """The answer to a question. Credits and sources are read when first asked for."""

    query: Query
    run: ModelRun
    currency: str
    _kept_by: dict[str, dict[str, credit_intervals.Kept]] = field(default_factory=dict)
    _examples_by: dict[str, dict[Key, str]] = field(default_factory=dict)
    _earned_by: dict[str, dict[tuple[str, Key], float]] = field(default_factory=dict)

    @property
    def run_id(self) -> int:
        return self.run.pk

    @property
    def figures(self) -> dict[str, Any]:
        """See run_figures; fetched when first asked for."""
        return self.run.figures

    @property
    def computed_at(self) -> datetime:
        return self.run.finished_at or self.run.created_at

    @property
    def is_empty(self) -> bool:
        return not self.run.conversions

    @cached_property
    def totals(self) -> Totals:
        first = self.query.models[0]
        costs = (cell.cost for cell in self.cells if cell.cost is not None and cell.model == first)
        return Totals(
            journeys=self.run.journeys or 0,
            conversions=self.run.conversions or 0,
            revenue=self.run.revenue or ZERO,
            cost=sum(costs, ZERO),
        )

    @cached_property
    def cells(self) -> tuple[_Cell, ...]:
        """Raises AnswerReplaced where the run went while it was read."""
        found = tuple(_cells(self.run, self.query, self.sources))
        if not found and not self.is_empty:
            raise AnswerReplaced("This answer was just replaced by a newer one. Ask again.")
        return found

    @cached_property
    def sources(self) -> dict[str, "_Source"]:
        """By the key of a credit."""
        return _sources()

    @cached_property
    def rows(self) -> list[Row]:
        """By the question's own grouping; per model in display order, the highest revenue first."""
        return self.grouped(self.query.group_by)

    def grouped(self, group_by: str) -> list[Row]:
        """One row a model and group; each model's rows add up to the totals."""
        return self._rows(self.cells, _GROUPINGS[group_by], group_by)

    def within(self, *, channel: str, group_by: str) -> list[Row]:
        """The rows inside one channel, adding up to the channel's row. channel: its key, or "none"."""
        inside = (cell for cell in self.cells if _is_of(cell, channel))
        return self._rows(inside, lambda names: (names[0], *_GROUPINGS[group_by](names)[1:]), group_by)

    def notes(self, model: str) -> dict[str, Any]:
        """What the model decided by itself; see credit_intervals."""
        kept = self._kept("channel").get(model)
        return kept.notes if kept else {}

    def _rows(self, cells: Iterable[_Cell], group: Callable[[Key], Key], group_by: str) -> list[Row]:
        groups: dict[tuple[str, bool, Key], list[_Cell]] = defaultdict(list)
        for cell in cells:
            groups[cell.model, cell.place is None, group(cell.names)].append(cell)
        rows = self._surrounded([self._sum(key, inside) for key, inside in groups.items()], group_by)
        order = {model: place for place, model in enumerate(self.query.models)}
        return sorted(rows, key=lambda r: (order[r.model], -r.revenue, -r.conversions, r.is_none, r.label))

    def _surrounded(self, rows: list[Row], group_by: str) -> list[Row]:
        """The rows with their intervals, where they are known."""
        kept = self._kept(group_by)
        surrounded: list[Row] = []
        by_scale: dict[credit_intervals.Scale, list[tuple[Row, Sequence[float]]]] = defaultdict(list)
        for row in rows:
            known = kept[row.model].known if row.model in kept else None
            if known is None:
                surrounded.append(row)
            else:
                by_scale[known.scale].append((row, self._errors(row, known.of, group_by)))
        for scale, inside in by_scale.items():
            errors = np.array([found for _, found in inside])
            surrounded += _between([row for row, _ in inside], errors, scale, self.totals)
        return surrounded

    def _kept(self, group_by: str) -> dict[str, credit_intervals.Kept]:
        if group_by not in self._kept_by:
            self._kept_by[group_by] = credit_intervals.kept(self.run, self.query.models, group_by)
        return self._kept_by[group_by]

    def _errors(self, row: Row, errors: Mapping[str, Sequence[float]], group_by: str) -> Sequence[float]:
        """Of one row; one that is a part of its group, inside a channel, has that part of the variance."""
        if row.is_none:
            return errors.get(NONE, NOT_KNOWN)
        names = _GROUPINGS[group_by]((row.channel, row.platform, row.campaign_id, row.creative_id))
        found = errors.get(self._examples(group_by)[names], NOT_KNOWN)
        if not row.channel or group_by == "channel":
            return found
        earned = self._earned(group_by)[row.model, names]
        part = row.conversions / earned if 0 < row.conversions < earned else 1.0
        return [one * part**0.5 for one in found]

    def _examples(self, group_by: str) -> dict[Key, str]:
        """By group: the smallest id of its sources, by which its errors are kept."""
        if group_by not in self._examples_by:
            group, found = _GROUPINGS[group_by], self._examples_by.setdefault(group_by, {})
            for id_, source in sorted(self.sources.items(), key=lambda one: int(one[0])):
                found.setdefault(group(source.names), id_)
        return self._examples_by[group_by]

    def _earned(self, group_by: str) -> dict[tuple[str, Key], float]:
        """By model and group: the conversions of the whole group."""
        if group_by not in self._earned_by:
            group, found = _GROUPINGS[group_by], self._earned_by.setdefault(group_by, defaultdict(float))
            for cell in self.cells:
                if cell.place is not None:
                    found[cell.model, group(cell.names)] += cell.conversions
        return self._earned_by[group_by]

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
    """A run's credits for the models that the question names."""
    return Result(query=query, run=run, currency=workspace.currency)


def decided_by(result: Result) -> tuple[object, ...]:
    """All that decides what a result says: its run, which never changes, the question, and what sources are
    called now.
    """
    run = result.run
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, [scoping.current_id()] * 2)
        names = cursor.fetchone()
    return (run.pk, run.data_fingerprint, run.finished_at, result.query, result.currency, names)


class _Source(NamedTuple):
    """label, place: of its channel."""

    names: Key
    label: str
    place: int | None


_UNKNOWN = _Source(_NOTHING, NONE_LABEL, None)


def _cells(run: ModelRun, query: Query, sources: dict[str, _Source]) -> Iterable[_Cell]:
    credits = Credit.objects.filter(run=run, model__in=query.models).order_by("id")
    for model, key, *earned in credits.values_list(
        "model", "group_key", "conversions", "revenue", "share", "cost"
    ):
        yield _Cell(model, *sources.get(key, _UNKNOWN), *earned)


def _sources() -> dict[str, _Source]:
    found = Source.objects.values_list(
        "id",
        "channel__key",
        "platform",
        "campaign_id",
        "creative_id",
        "channel__label",
        "channel__position",
    )
    return {str(id_): _Source(tuple(names), label, place) for id_, *names, label, place in found}


def _between(
    rows: list[Row], errors: NDArray[np.float64], scale: credit_intervals.Scale, totals: Totals
) -> list[Row]:
    amounts = credit_intervals.Amounts(
        conversions=np.array([row.conversions for row in rows]),
        revenue=np.array([float(row.revenue) for row in rows]),
        shares=np.array([row.share for row in rows]),
        revenue_shares=np.array([row.revenue_share for row in rows]),
    )
    found = credit_intervals.around(amounts, errors, scale=scale, conversions=totals.conversions)
    return [
        replace(
            row,
            conversions_low=ends[0],
            conversions_high=ends[1],
            revenue_low=_money(ends[2]),
            revenue_high=_money(ends[3]),
            share_low=ends[4],
            share_high=ends[5],
            revenue_share_low=ends[6],
            revenue_share_high=ends[7],
        )
        for row, ends in zip(rows, found.tolist(), strict=True)
    ]


def _money(amount: float) -> Decimal:
    return Decimal(amount).quantize(_CENT)


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
