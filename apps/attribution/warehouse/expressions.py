"""What a journey is and how its paths are counted, written once; ibis compiles it to the SQL of each engine.

The same definition as maths.assembly, on the tables TOUCHES and CONVERSIONS: a conversion owns its person's
touches in (conversion - look-back, conversion]; the touches in nobody's window are journeys that did not
convert, cut where the pause between two of them is longer than the look-back. A journey keeps its last
MOST_TOUCHES, and a conversion beyond the MOST_CONVERSIONS of its person within the look-back owns none.

Each function answers with an unbound expression over the two tables; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.expr.types import Table, Value

from apps.attribution.lenses import Lens
from apps.attribution.maths.assembly import MOST_CONVERSIONS, MOST_TOUCHES, US_PER_DAY

# at_us: microseconds since 1970. position: orders equal times, 0 where nothing does; what is left is ordered
# by channel, so that every engine finds the same path. person: as the engine has it, text or number.
TOUCHES = ibis.table(
    {"person": "int64", "at_us": "int64", "position": "int64", "channel": "string"}, name="touches"
)
# minor: value in whole minor units.
CONVERSIONS = ibis.table(
    {
        "person": "int64",
        "at_us": "int64",
        "position": "int64",
        "conversion_type": "string",
        "minor": "int64",
    },
    name="conversions",
)
CODES = 1 << 16  # channels at most; a touch is packed as place * CODES + code
_NUMBER = "int64"


def channels_seen() -> Table:
    """One row for each channel: how many touches, and how many of them lack a person or a time."""
    lacking = TOUCHES.person.isnull() | TOUCHES.at_us.isnull()
    return TOUCHES.group_by(TOUCHES.channel).agg(touches=TOUCHES.count(), lacking=_count(lacking))


def conversions_counted(lens: Lens) -> Table:
    """One row: the conversions that count, their value, and how many lack a person, a time or a value."""
    lacking = CONVERSIONS.person.isnull() | CONVERSIONS.at_us.isnull() | CONVERSIONS.minor.isnull()
    counted = _counted(lens)
    unusable = CONVERSIONS.agg(lacking=_count(lacking))
    totals = counted.agg(conversions=counted.count(), minor=_sum(counted.minor))
    return totals.cross_join(unusable)


def path_counts(lens: Lens, channels: Sequence[str]) -> Table:
    """One row for each distinct path of at least one touch.

    path: codes of channels, positions in `channels`, oldest first. conversions, minor: of the journeys that
    took it and converted; nulls: how many took it and did not.
    """
    journeys = _journeys(_in_order(lens, channels), lens)
    return journeys.group_by(journeys.path).agg(
        conversions=journeys.number.count(),
        minor=_sum(journeys.minor),
        nulls=_count(journeys.number.isnull()),
    )


def decayed(lens: Lens, channels: Sequence[str], *, half_life_days: float) -> Table:
    """One row for each channel (its code) that converting journeys touched: its credit under time decay.

    conversions, minor: floating point. The formula of maths.rules.time_decay, the youngest touch's age taken
    off each age, so that a long journey's weights do not all become 0.
    """
    owned = _owned(lens, channels, how="inner")
    in_time = ibis.window(
        group_by=[owned.person, owned.number], order_by=[owned.at_us, owned.position, owned.code]
    )
    owned = owned.mutate(later=owned.at_us.lead(MOST_TOUCHES).over(in_time))
    owned = owned.filter(owned.later.isnull())
    journey = ibis.window(group_by=[owned.person, owned.number])
    age_days = (owned.sold_us - owned.at_us) / float(US_PER_DAY)
    weighed = owned.mutate(younger=(age_days.min().over(journey) - age_days) / half_life_days)
    weighed = weighed.mutate(weight=ibis.literal(2.0) ** weighed.younger)
    journey = ibis.window(group_by=[weighed.person, weighed.number])
    shared = weighed.mutate(share=weighed.weight / weighed.weight.sum().over(journey))
    return shared.group_by(shared.code).agg(
        conversions=shared.share.sum(), minor=(shared.share * shared.minor).sum()
    )


def _counted(lens: Lens) -> Table:
    """The conversions that count, numbered from 1 within their person in the order of time."""
    found = CONVERSIONS
    if lens.conversion_types:
        found = found.filter(found.conversion_type.isin(lens.conversion_types))
    within = ibis.window(group_by=found.person, order_by=[found.at_us, found.position, found.minor])
    found = found.mutate(number=ibis.row_number().over(within) + 1)
    return found.filter(found.number == 1) if lens.counting == "once" else found


def _owned(lens: Lens, channels: Sequence[str], *, how: str) -> Table:
    """Each touch once for every conversion that owns it; how: "left" keeps the touches that none owns."""
    codes = [(name, code) for code, name in enumerate(channels)] or [("", 0)]
    code = TOUCHES.channel.cases(*codes, else_=-1)
    touches = TOUCHES.select("person", "at_us", "position", code=code.cast(_NUMBER))
    counted = _counted(lens)
    of_person = ibis.window(group_by=counted.person, order_by=counted.number)
    counted = counted.mutate(crowd_us=counted.at_us.lag(MOST_CONVERSIONS).over(of_person))
    is_crowded = (counted.crowd_us > counted.at_us - _window_us(lens)).fill_null(False)
    counted = counted.filter(~is_crowded)
    counted = counted.select("number", "minor", owner=counted.person, sold_us=counted.at_us)
    window = [
        touches.person == counted.owner,
        touches.at_us <= counted.sold_us,
        touches.at_us > counted.sold_us - _window_us(lens),
    ]
    joined = touches.join(counted, window, how=how)
    return joined.select("person", "at_us", "position", "code", "number", "minor", "sold_us")


def _in_order(lens: Lens, channels: Sequence[str]) -> Table:
    """The touches of each journey with their place in it, and the run that a pause longer than the look-back
    ends.

    The touches of one conversion never lie further apart than that, so one cut serves both kinds of journey.
    """
    owned = _owned(lens, channels, how="left")
    journey = [owned.person, owned.number]
    in_time = ibis.window(group_by=journey, order_by=[owned.at_us, owned.position, owned.code])
    placed = owned.mutate(
        place=ibis.row_number().over(in_time), pause_us=owned.at_us - owned.at_us.lag().over(in_time)
    )
    until_here = ibis.window(
        group_by=[placed.person, placed.number],
        order_by=[placed.at_us, placed.place],
        rows=(None, 0),
    )
    is_cut = (placed.pause_us > _window_us(lens)).ifelse(1, 0)
    placed = placed.mutate(run=is_cut.sum().over(until_here))
    onwards = ibis.window(group_by=[placed.person, placed.number], order_by=[placed.at_us, placed.place])
    placed = placed.mutate(later=placed.run.lead(MOST_TOUCHES).over(onwards))
    return placed.filter((placed.later != placed.run).fill_null(True))


def _journeys(touches: Table, lens: Lens) -> Table:
    """One row for each journey: its path, and of a conversion its number and value."""
    packed = (touches.place * CODES + touches.code).collect()
    journeys = touches.group_by(["person", "number", "run"]).agg(packed=packed, minor=touches.minor.max())
    return journeys.mutate(path=journeys.packed.sort().map(lambda touch: touch % CODES))


def _window_us(lens: Lens) -> int:
    return round(lens.lookback_days * US_PER_DAY)


def _count(condition: Value) -> Value:
    return _sum(condition.ifelse(1, 0))


def _sum(numbers: Value) -> Value:
    """0 for no rows. A float, exact up to 2 ** 53: engines widen whole numbers to types of their own."""
    return ibis.coalesce(numbers.sum(), 0).cast("float64")
