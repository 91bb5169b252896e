"""A workspace full of people of the market whose chances are known (tests/attribution/maths/market.py)."""

from datetime import timedelta
from decimal import Decimal

import numpy as np

from apps.accounts.models import Person
from apps.attribution.models import Conversion, Touchpoint
from tests.attribution.maths.market import CHANNELS, market
from tests.factories import NOW, ChannelFactory, SourceFactory

HOUR = timedelta(hours=1)


def fill(workspace, *, people, rng, days=150, until=NOW, chance=None):
    """One journey each, touches twelve hours apart, begun on any day; an order an hour after the last touch.

    chance: (n_journeys,) that an order that would come does; all by default.
    """
    journeys = market(people, rng)
    sources = [
        SourceFactory(
            workspace=workspace,
            channel=ChannelFactory(workspace=workspace, key=f"channel-{name}"),
            platform=f"platform-{name}",
        ).pk
        for name in CHANNELS
    ]
    made = Person.objects.bulk_create(
        [Person(workspace=workspace, first_seen_at=until) for _ in range(people)], batch_size=5_000
    )
    begins = rng.uniform(0, days, people)
    place = np.arange(journeys.n_touches) - np.repeat(journeys.offsets[:-1], journeys.lengths)
    at_days = begins[journeys.journey_of_touch] + place / 2 - days
    keep = at_days < 0
    Touchpoint.objects.bulk_create(
        [
            Touchpoint(
                workspace=workspace,
                person_id=made[person].pk,
                source_id=sources[code],
                event_id=f"{made[person].pk}-{number}",
                event_type="click",
                occurred_at=until + timedelta(days=float(at)),
            )
            for number, (person, code, at, kept) in enumerate(
                zip(journeys.journey_of_touch, journeys.codes, at_days, keep, strict=True)
            )
            if kept
        ],
        batch_size=5_000,
    )
    won = (journeys.conversions > 0) & (rng.random(people) < (1.0 if chance is None else chance(begins)))
    ends = at_days[journeys.offsets[1:] - 1] + 1 / 24
    won &= ends < 0
    Conversion.objects.bulk_create(
        [
            Conversion(
                workspace=workspace,
                person_id=made[person].pk,
                conversion_type="purchase",
                occurred_at=until + timedelta(days=float(ends[person])),
                value=Decimal(10),
                updated_at=until,
            )
            for person in np.flatnonzero(won)
        ],
        batch_size=5_000,
    )
    return made
