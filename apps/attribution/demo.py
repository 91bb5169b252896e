"""Fill a workspace with the simulated company, through the doors that real data takes.

The simulator (maths/simulator) knows what caused each sign-up. That truth is kept in the workspace's settings
under "demo", so that anybody can hold it against what the models say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from django.db import transaction

from apps.accounts import people, workspaces
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import ingest, orders, parsing, spend
from apps.attribution.maths import simulator
from apps.attribution.maths.simulator import Company

BATCH = 20_000
Row = TypeVar("Row")
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Filled:
    """What a run of the demo stored."""

    touchpoints: int
    duplicates: int
    conversions: int
    identified: int


def fill(
    actor: Actor, *, people_count: int, days: int, seed: int, now: datetime, progress: Progress
) -> Filled:
    """Simulate `people_count` people over the `days` before `now` and store all that they did.

    The same arguments on the same day bring the same events again, which are then duplicates. progress:
    called with a step's name and how many rows it has done since the last call.
    """
    rng = np.random.default_rng(seed)
    end = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    totals, truth, spent = Filled(0, 0, 0, 0), None, None
    for company in simulator.simulate_in_chunks(people_count, days=days, end=end, rng=rng):
        totals = _add(totals, _store(actor, company, now=now, progress=progress))
        truth = company.truth if truth is None else truth + company.truth
        spent = company.spend_minor if spent is None else spent + company.spend_minor
        last = company
    _store_spend(actor, last, spent, now=now)
    _keep_truth(actor, truth, people_count=people_count, days=days, seed=seed, now=now)
    return totals


def _store(actor: Actor, company: Company, *, now: datetime, progress: Progress) -> Filled:
    """Touches and orders as they arrived, then who turned out to be whom.

    Stitching happens after the fact.
    """
    stored = duplicates = conversions = 0
    for batch in _batches(_touches(company)):
        answer = ingest.store_touchpoints(actor, batch, now=now)
        stored, duplicates = stored + answer.stored, duplicates + answer.duplicates
        progress("touchpoints", len(batch))
    for orders_batch in _batches(_conversions(company)):
        conversions += orders.store_conversions(actor, orders_batch, now=now).stored
        progress("conversions", len(orders_batch))
    identified = _identify(actor, company, now=now, progress=progress)
    return Filled(stored, duplicates, conversions, identified)


def _touches(company: Company) -> Iterator[parsing.Touch]:
    touches, devices, post = company.touches, company.devices, company.touch_deliveries
    event_ids, anonymous, external = (
        touches.event_ids(),
        devices.anonymous_ids(),
        company.people.external_ids(),
    )
    for arrival, event in enumerate(post.event.tolist()):
        campaign = company.market.campaigns[touches.campaign[event]]
        device = int(touches.device[event])
        is_known = device == simulator.NO_DEVICE
        kind = simulator.EVENT_TYPES[touches.event_type[event]]
        received_at = _moment(post.received_at[arrival])
        record = {
            "event_id": event_ids[event],
            "event_type": kind,
            "platform": campaign.platform,
            "campaign_id": campaign.key,
            "creative_id": campaign.creatives[touches.creative[event]],
            "user_id": external[touches.person[event]] if is_known else None,
            "anonymous_id": None if is_known else anonymous[device],
            "occurred_at": _moment(post.reported_at[arrival]),
            "sent_at": _moment(post.sent_at[arrival]),
            "cost": Decimal(int(touches.cost_minor[event])) / 100 or None,
            "url": campaign.landing_url(event_ids[event])
            if kind in {"click", "visit", "email_click"}
            else None,
            "referrer": campaign.referrer or None,
        }
        yield parsing.touch(record, received_at=received_at)


def _conversions(company: Company) -> Iterator[parsing.ConversionIn]:
    rows, post = company.conversions, company.conversion_deliveries
    event_ids, order_ids, external = rows.event_ids(), rows.order_ids(), company.people.external_ids()
    for arrival, event in enumerate(post.event.tolist()):
        received_at = _moment(post.received_at[arrival])
        record = {
            "event_id": event_ids[event],
            "order_id": order_ids[event],
            "user_id": external[rows.person[event]],
            "conversion_type": simulator.CONVERSION_TYPES[rows.conversion_type[event]],
            "revenue": Decimal(int(rows.value_minor[event])) / 100,
            "replaces": simulator.RECORD_KINDS[rows.record_kind[event]] == "replacement",
            "occurred_at": _moment(post.reported_at[arrival]),
        }
        yield parsing.conversion(record, received_at=received_at)


def _identify(actor: Actor, company: Company, *, now: datetime, progress: Progress) -> int:
    """Tie devices to their people, and tell who signed up by name and address."""
    devices, crowd = company.devices, company.people
    known = np.flatnonzero(np.isfinite(devices.identified_at))
    known = known[np.argsort(devices.identified_at[known], kind="stable")]
    anonymous, external = devices.anonymous_ids(), crowd.external_ids()
    pairs = [(external[devices.person[row]], anonymous[row]) for row in known.tolist()]
    seen_at = [_moment(at) for at in devices.identified_at[known]]
    for first in range(0, len(pairs), BATCH):
        with transaction.atomic():
            people.resolve_many(
                pairs[first : first + BATCH],
                workspace_id=actor.workspace_id,
                seen_at=seen_at[first : first + BATCH],
            )
        progress("devices", len(pairs[first : first + BATCH]))
    names, emails = crowd.names(), crowd.emails()
    signed_up = np.flatnonzero(np.isfinite(crowd.signed_up_at)).tolist()
    for row in signed_up:
        country, region = simulator.REGIONS[crowd.region[row]]
        traits = {
            "name": names[row],
            "email": emails[row],
            "category": simulator.CATEGORIES[crowd.category[row]],
            "country": country,
            "region": region,
        }
        people.identify(actor, user_id=external[row], traits=traits, now=_moment(crowd.signed_up_at[row]))
        progress("people", 1)
    return len(pairs)


def _store_spend(actor: Actor, company: Company, spent_minor: Any, *, now: datetime) -> None:
    campaigns, days = np.nonzero(spent_minor)
    rows = []
    for row, day in zip(campaigns.tolist(), days.tolist(), strict=True):
        campaign = company.market.campaigns[row]
        record = {
            "platform": campaign.platform,
            "campaign_id": campaign.key,
            "day": company.first_day + timedelta(days=day),
            "amount": Decimal(int(spent_minor[row, day])) / 100,
        }
        rows.append(parsing.spend(record, received_at=now))
    for first in range(0, len(rows), BATCH):
        spend.store(actor, rows[first : first + BATCH], now=now)


def _keep_truth(actor: Actor, truth: Any, *, people_count: int, days: int, seed: int, now: datetime) -> None:
    """The truth as plain numbers: incremental subscriptions and revenue per channel, by re-simulation."""
    settings = dict(Workspace.objects.get(pk=actor.workspace_id).settings)
    settings["demo"] = {
        "people": people_count,
        "days": days,
        "seed": seed,
        "made_at": now.isoformat(),
        "drifts_at": _moment(truth.drifts_at).isoformat(),
        "incremental_subscriptions": dict(
            zip(truth.channels, truth.incremental_subscriptions.sum(axis=1).tolist(), strict=True)
        ),
        "incremental_revenue_minor": dict(
            zip(truth.channels, truth.incremental_revenue_minor.sum(axis=1).tolist(), strict=True)
        ),
    }
    workspaces.change(actor, now=now, reason="demo data", settings=settings)


def _moment(epoch_seconds: float) -> datetime:
    return datetime.fromtimestamp(float(epoch_seconds), UTC)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _add(one: Filled, other: Filled) -> Filled:
    return Filled(
        one.touchpoints + other.touchpoints,
        one.duplicates + other.duplicates,
        one.conversions + other.conversions,
        one.identified + other.identified,
    )
