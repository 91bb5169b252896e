"""Everything that people did, as what predictions learn from: loaded once, looked at in several ways.

Predictions see journeys as they happened: of a lens they take the conversion types, the look-back and the
counting, and neither its transform nor whether it drops direct visits.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.attribution import journeys, loading
from apps.attribution.journeys import JourneySet
from apps.attribution.lenses import Lens
from apps.attribution.loading import EVERYBODY, ConversionRows, Crowd, SourceTable, TouchRows
from apps.attribution.maths.snapshots import US_PER_DAY, History, Snapshots, groups
from apps.attribution.models import Touchpoint
from apps.attribution.money import exponent

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Of the people: learnt from, calibrated on, and the rest held out for ever.
LEARNT, CALIBRATED = 0.5, 0.2
# The newest settled days are predicted: this many, or a quarter of what there is.
PREDICTED_DAYS = 28
PREDICTED_SHARE = 0.25
LEAST_JOURNEYS, LEAST_CONVERSIONS = 500, 50
LEAST_JUDGED, LEAST_JUDGED_CONVERSIONS = 200, 20
US_PER_HOUR = US_PER_DAY // 24
# What is learnt from at most, so that a night fits a worker's memory: a million touches take about 700 MB.
MOST_TOUCHES = 2_000_000


class NotEnoughData(DomainError):
    code = "not_enough_data"
    status = 409


@dataclass(frozen=True, eq=False, kw_only=True)
class Past:
    """channels: names by code, as maths take them; keys, platforms: by code."""

    lens: Lens
    touches: TouchRows
    conversions: ConversionRows
    table: SourceTable
    history: History
    keys: tuple[str, ...]
    platforms: tuple[str, ...]
    workspace: Workspace

    @property
    def channels(self) -> tuple[str, ...]:
        return journeys.channel_names(self.table)

    def learners_known_at(self, cut_us: int) -> JourneySet:
        """Journeys that had ended a look-back before then, as known then, of people who are not held out."""
        learns = (self.touches.at_us < cut_us) & ~held_out(self.touches.person)
        bought = (self.conversions.at_us < cut_us) & ~held_out(self.conversions.person)
        touches = TouchRows(**{name: column[learns] for name, column in vars(self.touches).items()})
        conversions = ConversionRows(
            **{name: column[bought] for name, column in vars(self.conversions).items()}
        )
        found = journeys.through(self.lens, touches, conversions, self.table)
        return found.select(found.ends_us < cut_us - lookback_us(self.lens))

    def offsets_us(self, found: Snapshots) -> Ints:
        """(n,) what to add to UTC for the workspace's clock at the last touch of each."""
        return clock_offsets(self.history.at_us[found.last - 1], self.workspace)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Moments: what is learnt from is settled by `cut_us`; what is predicted, from there to `until_us`."""

    since_us: int
    cut_us: int
    until_us: int


def load(lens: Lens, *, workspace: Workspace, crowd: Crowd = EVERYBODY) -> Past:
    """Everybody's touches and conversions, or some people's."""
    plain = seen_through(lens)
    everybody = crowd == EVERYBODY
    touches = loading.touches(start=None, end=None) if everybody else loading.touches_of(crowd)
    table = loading.sources()
    conversions = loading.conversions(
        start=None,
        end=None,
        conversion_types=lens.conversion_types,
        decimals=exponent(workspace.currency),
        crowd=crowd,
    )
    platforms = tuple(sorted({row.platform for row in table.rows}))
    of_source = np.array([platforms.index(row.platform) for row in table.rows], dtype=np.int64)
    place = table.places(touches.source)
    history = History.of(
        person=touches.person,
        at_us=touches.at_us,
        channel=table.channel_codes[place],
        platform=of_source[place],
        won_person=conversions.person,
        won_at_us=conversions.at_us,
        is_once=lens.counting == "once",
    )
    return Past(
        lens=plain,
        touches=touches,
        conversions=conversions,
        table=table,
        history=history,
        keys=table.channels,
        platforms=platforms,
        workspace=workspace,
    )


def learners() -> Crowd:
    """Whom predictions learn from and are judged by: everybody, or of a large workspace as many as have
    MOST_TOUCHES, always the same people.
    """
    touches = Touchpoint.objects.count()
    return loading.some(MOST_TOUCHES / touches) if touches > MOST_TOUCHES else EVERYBODY


def seen_through(lens: Lens) -> Lens:
    """The part of a lens that predictions look through."""
    return replace(lens, transform="unique", trim_touches=0, direct="kept")


def split(past: Past, *, now: datetime) -> Split:
    """Raises NotEnoughData where not even one look-back has passed since the first touch."""
    window = lookback_us(past.lens)
    until = loading.microseconds(now) - window
    first = int(past.history.at_us.min()) if len(past.history.at_us) else until
    settled = until - first
    if settled <= 0:
        days = -(-(window + first - loading.microseconds(now)) // US_PER_DAY) if settled < 0 else 1
        raise NotEnoughData(
            "Not enough data yet: no journey's window has passed. "
            f"Wait {max(days, 1)} more day{'s' if days > 1 else ''}."
        )
    predicted = min(PREDICTED_DAYS * US_PER_DAY, round(settled * PREDICTED_SHARE))
    return Split(since_us=first, cut_us=until - predicted, until_us=until)


def enough(what: str, journeys_: int, conversions: int, *, least: int, least_conversions: int) -> None:
    """Raises NotEnoughData saying how much is missing."""
    if journeys_ < least or conversions < least_conversions or conversions >= journeys_:
        raise NotEnoughData(
            f"Not enough data yet {what}: it needs {least:,} journeys whose window has passed and "
            f"{least_conversions:,} that converted, and has {journeys_:,} and {conversions:,}."
        )


def held_out(person: Ints) -> Flags:
    """Never learnt from, nor calibrated on."""
    out: Flags = groups(person) >= LEARNT + CALIBRATED
    return out


def lookback_us(lens: Lens) -> int:
    return round(lens.lookback_days * US_PER_DAY)


def moment(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at_us))


def clock_offsets(at_us: Ints, workspace: Workspace) -> Ints:
    """(n,) microseconds that the workspace's clock is ahead of UTC."""
    zone = workspace.zone
    hours, place = np.unique(at_us // US_PER_HOUR, return_inverse=True)
    ahead = [moment(hour * US_PER_HOUR).astimezone(zone).utcoffset() for hour in hours.tolist()]
    offsets = np.array([(one or timedelta()) // timedelta(microseconds=1) for one in ahead], dtype=np.int64)
    found: Ints = offsets[place] if len(offsets) else np.zeros(0, dtype=np.int64)
    return found
