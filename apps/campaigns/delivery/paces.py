"""How many may leave now: of a campaign in an hour, of a sender in an hour and while it is new, and to a
receiving domain.

What is taken of an allowance is taken in the transaction that journals the batch; what was not sent after all
is given back in the one that ends the chunk. So a crash leaves counted what may have left, and nothing else.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from apps.accounts import scoping
from apps.accounts.one_trip import Statement
from apps.campaigns.delivery.limits import Settings
from apps.campaigns.maths import pace
from apps.campaigns.models import Campaign, Pace

# How far ahead of its rate something may be: a batch is not sent one by one.
BURST_SECONDS = 60.0
FIRST_DAY, GROWTH = 50, 1.5
# From then on a sender counts as known.
WARM_AFTER_DAYS = 30
# Locked in the order of their keys, as whoever takes does. Said again because the answer was lost, it gives
# nothing: what was given already would be let through twice, what was not is paid for in time.
GIVE_BACK = """
    WITH told AS (
        SELECT * FROM unnest(%(keys)s::text[], %(seconds)s::float8[], %(used)s::int[])
            AS told (key, seconds, used)
    ), held AS (
        SELECT p.id, told.seconds, told.used FROM campaigns_pace AS p JOIN told ON told.key = p.key
        WHERE p.workspace_id = (SELECT %(workspace)s::bigint) AND NOT %(is_again)s
        ORDER BY p.key FOR UPDATE OF p
    )
    UPDATE campaigns_pace AS p
    SET full_at = p.full_at - held.seconds * interval '1 second',
        used = CASE WHEN p.day = %(day)s::date THEN greatest(p.used - held.used, 0) ELSE p.used END
    FROM held WHERE p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = held.id
    RETURNING p.id
"""


@dataclass(frozen=True)
class Granted:
    """How many may leave now, and when more may."""

    number: int
    more_at: datetime | None = None


class Limit(Protocol):
    """room: how many of the wanted (>= 1) may leave. take: count so many, unsaved. seconds: what one of them
    moves full_at.
    """

    @property
    def key(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    def room(self, row: Pace, wanted: int, *, now: datetime) -> Granted: ...
    def take(self, row: Pace, number: int, *, now: datetime) -> None: ...


@dataclass(frozen=True)
class Rate:
    """So many an hour; full_at of its row is when all that left is paid for."""

    key: str
    per_hour: int

    @property
    def seconds(self) -> float:
        return 3600.0 / self.per_hour

    def room(self, row: Pace, wanted: int, *, now: datetime) -> Granted:
        number, _, more_at = self._grant(row, wanted, now)
        return Granted(number, more_at)

    def take(self, row: Pace, number: int, *, now: datetime) -> None:
        _, row.full_at, _ = self._grant(row, number, now)

    def _grant(self, row: Pace, wanted: int, now: datetime) -> tuple[int, datetime, datetime | None]:
        return pace.grant(
            row.full_at, now=now, wanted=wanted, per_hour=self.per_hour, burst_seconds=BURST_SECONDS
        )


@dataclass(frozen=True)
class WarmUp:
    """More each day; full_at of its row is when the sender first sent, used counts today's."""

    key: str
    today: date
    seconds: float = 0.0

    def room(self, row: Pace, wanted: int, *, now: datetime) -> Granted:
        age = max((now - (row.full_at or now)) // timedelta(days=1), 0)
        used = row.used if row.day == self.today else 0
        most = (
            wanted + used
            if age >= WARM_AFTER_DAYS
            else pace.warm_up_limit(age, first=FIRST_DAY, growth=GROWTH)
        )
        number = min(wanted, max(most - used, 0))
        return Granted(number, None if number == wanted else now + timedelta(hours=1))

    def take(self, row: Pace, number: int, *, now: datetime) -> None:
        row.full_at = row.full_at or now
        row.used = number + (row.used if row.day == self.today else 0)
        row.day = self.today


def of_run(campaign: Campaign, sender_id: int, settings: Settings) -> list[Limit]:
    """What holds whoever is written to."""
    rates = {
        f"campaign:{campaign.pk}": campaign.rate_per_hour,
        f"sender:{sender_id}": settings.sender_per_hour,
    }
    found: list[Limit] = [Rate(key, per_hour) for key, per_hour in rates.items() if per_hour]
    return [*found, WarmUp(f"warm-up:{sender_id}", settings.zone_day)] if settings.warms_up else found


def of_domain(name: str, settings: Settings) -> Rate | None:
    """What the server that receives for them is spared."""
    per_hour = (settings.domains_per_hour or {}).get(name)
    return None if per_hour is None else Rate(f"domain:{name}", per_hour)


def room(limits: Sequence[Limit], wanted: int, *, now: datetime) -> Granted:
    """How many of the wanted all of them let through, of which nothing is taken; wanted: >= 1."""
    rows = {row.key: row for row in Pace.objects.filter(key__in=[one.key for one in limits])}
    found = [one.room(rows.get(one.key) or Pace(key=one.key), wanted, now=now) for one in limits]
    number = min((one.number for one in found), default=wanted)
    held_until = [one.more_at for one in found if one.number == number and one.more_at is not None]
    return Granted(number, max(held_until, default=None))


def take(wanted: Mapping[Limit, int], *, now: datetime) -> bool:
    """Count them, in the open transaction, unless somebody else has taken of it meanwhile."""
    rows = _locked(sorted(one.key for one in wanted))
    for one, number in wanted.items():
        if one.room(rows[one.key], number, now=now).number < number:
            return False
        one.take(rows[one.key], number, now=now)
    Pace.objects.bulk_update(rows.values(), ["full_at", "day", "used"])
    return True


def give_back(taken: Mapping[Limit, int], today: date) -> Statement:
    """What was not sent after all."""
    return GIVE_BACK, {
        "workspace": scoping.current_id(),
        "is_again": False,
        "keys": [one.key for one in taken],
        "seconds": [one.seconds * number for one, number in taken.items()],
        "used": list(taken.values()),
        "day": today,
    }


def of_people(limits: Sequence[Limit], domains: Sequence[str], settings: Settings) -> dict[Limit, int]:
    """What people with addresses there take of each limit."""
    found: dict[Limit, int] = dict.fromkeys(limits, len(domains)) if domains else {}
    for name, number in Counter(domains).items():
        if (limit := of_domain(name, settings)) is not None:
            found[limit] = number
    return found


def _locked(keys: Sequence[str]) -> dict[str, Pace]:
    missing = [Pace(workspace_id=scoping.current_id(), key=key) for key in keys]
    known = Pace.objects.filter(key__in=keys).order_by("key").select_for_update()
    if len(rows := list(known)) < len(keys):
        Pace.objects.bulk_create(missing, ignore_conflicts=True)
        rows = list(known.all())
    return {row.key: row for row in rows}
