"""Channel rules tried on history before they apply: what would move where, and what it earned."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from apps.accounts import jobs
from apps.accounts.figures import count
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import channel_moves, goals, loading, stored_origins, touch_worth
from apps.attribution.channel_input import clean
from apps.attribution.channel_moves import Move, Rules, Sorter
from apps.attribution.lenses import Lens
from apps.attribution.models import Spend
from apps.attribution.money import exponent, from_minor
from apps.attribution.stored_origins import Place
from apps.attribution.touch_worth import Worth

KIND = "attribution.channel_rules_preview"
DAYS = 90
EXAMPLES = 20
# Reading what a touch says (10 µs) costs so many times what an analysis needs of it.
COST = 3
# So long, an answer of a job is shown again to the same question.
REMEMBERED = timedelta(minutes=10)
Pair = tuple[str, str]
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What would go from one channel to another. touches, spend: of the period. linear, last: revenue of the
    period's conversions that goes with their touches, by linear credit and by the last touch.
    """

    origin: str
    to: str
    touches: int
    linear: Decimal
    last: Decimal
    spend: Decimal


@dataclass(frozen=True, kw_only=True)
class Example:
    """Touches alike in all that rules look at, that would move."""

    origin: str
    to: str
    touches: int
    platform: str
    event_type: str
    campaign: str
    utm_source: str
    utm_medium: str
    referrer_host: str
    click_id: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    """looked_at: touches of the period, all of them. moved, named (left to their senders), unclear (left
    alone, see channel_moves): parts of them. goal, lookback_days: through which revenue was credited.
    days: None for all of history.
    """

    days: int | None
    looked_at: int
    moved: int
    named: int
    unclear: int
    shifts: list[Shift]
    examples: list[Example]
    currency: str
    goal: str
    lookback_days: float
    computed_at: datetime

    def as_plain(self) -> dict[str, Any]:
        """As JSON takes it; money as text."""
        return json.loads(json.dumps(asdict(self), default=_text))

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> "Preview":
        shifts = [
            Shift(**{**one, **{name: Decimal(one[name]) for name in ("linear", "last", "spend")}})
            for one in plain["shifts"]
        ]
        examples = [Example(**one) for one in plain["examples"]]
        computed_at = datetime.fromisoformat(plain["computed_at"])
        return cls(**{**plain, "shifts": shifts, "examples": examples, "computed_at": computed_at})


@dataclass
class _Tally:
    """What moves so far, by pair. ids: also of touches before the period, which may have earned conversions
    in it; what they earned is looked up at the end.
    """

    ids: dict[Pair, list[int]] = field(default_factory=lambda: defaultdict(list))
    touches: Counter[Pair] = field(default_factory=Counter)
    examples: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, moves: list[Move]) -> None:
        self.add_early(moves)
        for move in moves:
            self.touches[move.source.channel, move.to] += 1
            self.examples[_alike(move)] += 1

    def add_early(self, moves: list[Move]) -> None:
        for move in moves:
            self.ids[move.source.channel, move.to].append(move.touch.id)


def ask(actor: Actor, rules: Rules, *, days: int | None = DAYS, now: datetime) -> Preview | Job:
    """What the rules would move in the last days, or in all of history; a job where that is much to look at.

    Raises Invalid for rules that cannot be used.
    """
    cleaned = clean(rules)
    touches = stored_origins.count(_start(days, now))
    if COST * touches <= settings.ATTRIBUTION_INLINE_TOUCHES:
        return preview(cleaned, days=days, now=now)
    params = {"rules": cleaned, "days": days}
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
    same = Job.objects.filter(kind=KIND, params__digest=digest, created_at__gt=now - REMEMBERED)
    known = same.filter(state__in=[*jobs.UNFINISHED, Job.State.DONE]).order_by("-id").first()
    return known or jobs.begin(
        actor,
        KIND,
        title=f"Try channel rules on {touches:,} touchpoints",
        params=params | {"digest": digest},
        total=touches,
    )


def of_job(job: Job) -> Preview | None:
    """What a job found; None while it is under way, and where it failed."""
    plain = (job.result or {}).get("preview")
    return Preview.of_plain(plain) if plain else None


@jobs.work(KIND)
def preview_in_job(job: Job) -> dict[str, Any]:
    found = preview(
        job.params["rules"],
        days=job.params["days"],
        now=timezone.now(),
        progress=lambda done: jobs.advance(job, done=done),
    )
    summary = f"{count(found.moved, 'touch', 'touches')} of {found.looked_at:,} would move."
    return {"preview": found.as_plain(), "summary": summary}


def preview(
    rules: Rules, *, days: int | None, now: datetime, progress: Progress = lambda done: None
) -> Preview:
    """Look at every touch of the period, and at those before it that its conversions look back to. rules:
    cleaned.
    """
    workspace: Workspace = Workspace.objects.get()
    start, goal = _start(days, now), goals.default(workspace)
    table = loading.sources()
    sorter, early = channel_moves.sorter(rules, table), channel_moves.sorter(rules, table)
    tally = _Tally()
    for touches in stored_origins.slices(Place(_opens(start, goal.lens))):
        before = [] if start is None else [touch for touch in touches if touch.occurred_at < start]
        tally.add_early(early.moves(before))
        tally.add(sorter.moves(touches[len(before) :]))
        progress(sorter.looked_at)
    worth = _worth(goal.lens, start, workspace, tally)
    return Preview(
        days=days,
        looked_at=sorter.looked_at,
        moved=tally.touches.total(),
        named=sorter.named,
        unclear=sorter.unclear,
        shifts=_shifts(tally, worth, _spend(sorter, start, workspace), workspace),
        examples=[
            Example(touches=touches, **dict(zip(_ALIKE, what, strict=True)))
            for what, touches in tally.examples.most_common(EXAMPLES)
        ],
        currency=workspace.currency,
        goal=goal.label,
        lookback_days=goal.lookback_days,
        computed_at=now,
    )


_ALIKE = (
    "origin",
    "to",
    "platform",
    "event_type",
    "campaign",
    "utm_source",
    "utm_medium",
    "referrer_host",
    "click_id",
)


def _alike(move: Move) -> tuple[str, ...]:
    said = move.origin
    campaign = said.utm_campaign or said.campaign_id
    return (
        move.source.channel,
        move.to,
        said.platform,
        said.event_type,
        campaign,
        said.utm_source,
        said.utm_medium,
        said.referrer_host,
        ", ".join(said.click_ids),
    )


def _start(days: int | None, now: datetime) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def _opens(start: datetime | None, lens: Lens) -> datetime:
    """From when on touches matter."""
    return stored_origins.START if start is None else start - timedelta(days=lens.lookback_days)


def _worth(lens: Lens, start: datetime | None, workspace: Workspace, tally: _Tally) -> Worth | None:
    if not tally.ids:
        return None
    return touch_worth.of_touches(lens, start=start, decimals=exponent(workspace.currency))


def _shifts(
    tally: _Tally, worth: Worth | None, spend: dict[Pair, Decimal], workspace: Workspace
) -> list[Shift]:
    found = []
    for pair in {**tally.ids, **spend}:
        ids = np.array(sorted(tally.ids.get(pair, [])), dtype=np.int64)
        linear, last = worth.of(ids) if worth else (np.zeros(0), np.zeros(0))
        found.append(
            Shift(
                origin=pair[0],
                to=pair[1],
                touches=tally.touches[pair],
                linear=from_minor(round(float(linear.sum())), workspace.currency),
                last=from_minor(round(float(last.sum())), workspace.currency),
                spend=spend.get(pair, Decimal(0)),
            )
        )
    return sorted(found, key=lambda shift: (-shift.touches, shift.origin, shift.to))


def _spend(sorter: Sorter, start: datetime | None, workspace: Workspace) -> dict[Pair, Decimal]:
    """What would be spent in another channel, by pair."""
    moves, rows = channel_moves.spend_moves(sorter), {row.id: row for row in sorter.table.rows}
    unnamed = Spend.objects.exclude(is_channel_named=True).filter(source_id__in=list(moves))
    if start is not None:
        unnamed = unnamed.filter(day__gte=start.astimezone(workspace.zone).date())
    totals: dict[Pair, Decimal] = defaultdict(Decimal)
    for source, amount in unnamed.values_list("source_id").annotate(Sum("amount")):
        totals[rows[source].channel, moves[source]] += amount
    return dict(totals)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
