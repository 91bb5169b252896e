"""A workspace full of people of the market whose chances are known (tests/attribution/maths/market.py)."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from apps.accounts.models import Person
from apps.attribution.models import Conversion, Touchpoint
from tests.attribution import many_rows
from tests.attribution.maths.market import CHANNELS, market
from tests.factories import NOW, ChannelFactory, SourceFactory

HOUR = timedelta(hours=1)
FIRST_KEY = 1_000_000


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
    # Who learns and who judges goes by a person's key: the same in each run, whatever ran before.
    first = FIRST_KEY + Person.objects.count()
    keys = list(range(first, first + people))
    made = many_rows.insert(Person, id=keys, workspace_id=workspace.pk, first_seen_at=[until] * people)
    begins = rng.uniform(0, days, people)
    place = np.arange(journeys.n_touches) - np.repeat(journeys.offsets[:-1], journeys.lengths)
    at_days = begins[journeys.journey_of_touch] + place / 2 - days
    kept = np.flatnonzero(at_days < 0)
    persons = np.array(made)[journeys.journey_of_touch[kept]]
    many_rows.insert(
        Touchpoint,
        workspace_id=workspace.pk,
        person_id=persons,
        source_id=np.array(sources)[journeys.codes[kept]],
        event_id=[f"{person}-{number}" for person, number in zip(persons, kept, strict=True)],
        event_type="click",
        occurred_at=_moments(at_days[kept], until),
    )
    won = (journeys.conversions > 0) & (rng.random(people) < (1.0 if chance is None else chance(begins)))
    ends = at_days[journeys.offsets[1:] - 1] + 1 / 24
    buyers = np.flatnonzero(won & (ends < 0))
    many_rows.insert(
        Conversion,
        workspace_id=workspace.pk,
        person_id=np.array(made)[buyers],
        conversion_type="purchase",
        occurred_at=_moments(ends[buyers], until),
        value=Decimal(10),
        updated_at=until,
    )


def _moments(days: np.ndarray, until: datetime) -> list[datetime]:
    return [until + timedelta(days=day) for day in days.tolist()]
