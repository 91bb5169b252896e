"""What an experiment can be judged by. Floors above add theirs: `experiments.register_metric(...)`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.errors import Invalid

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BETWEEN = """
    SELECT e.place, count(*), sum(c.value)
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[]) WITH ORDINALITY AS e(person, since, until, place)
    JOIN attribution_conversion AS c
      ON c.workspace_id = (SELECT %s::bigint) AND c.person_id = e.person
     AND c.occurred_at >= to_timestamp(e.since + %s) AND c.occurred_at < to_timestamp(e.until)
    WHERE c.is_counted AND (%s = '' OR c.conversion_type = %s)
    GROUP BY e.place
"""
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """Whose outcomes are wanted, one row each.

    units: shape (n,), what was assigned. people: shape (n,), keys of people, 0 where the unit itself is
    measured. since: shape (n,), first exposures in epoch seconds. from_day, to_day: the window counted from
    there, from inclusive, to exclusive; both are at most 0 where the time before is asked for. until: shape
    (n,), when each row's window closes: to_day after `since`, or before that when the same person's next row
    begins, so that nothing is counted twice. goal: the conversion type that counts, empty for all.
    """

    units: NDArray[np.object_]
    people: Integers
    since: Floats
    until: Floats
    from_day: float
    to_day: float
    goal: str = ""


Read = Callable[[Asked], Floats]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """read: answers one figure a row, shape (n,), 0 where nothing happened.

    is_rate: each figure is 0 or 1, and a variant's is the share of ones. is_money: in the workspace's
    currency. of_people: every row must have a person. is_offered: on the form; one that reads something only
    where its floor made the experiment is not.
    """

    name: str
    label: str
    read: Read
    is_rate: bool = False
    is_money: bool = False
    of_people: bool = False
    is_offered: bool = True


_metrics: dict[str, Metric] = {}


def register_metric(
    name: str,
    *,
    label: str,
    read: Read,
    is_rate: bool = False,
    is_money: bool = False,
    of_people: bool = False,
    is_offered: bool = True,
) -> None:
    """Let experiments be judged by this as well. Called again under a name, the last one counts."""
    _metrics[name] = Metric(
        name=name,
        label=label,
        read=read,
        is_rate=is_rate,
        is_money=is_money,
        of_people=of_people,
        is_offered=is_offered,
    )


def metric(name: str) -> Metric:
    """Raises Invalid, naming those there are."""
    if name not in _metrics:
        raise Invalid({"metric": [f"Choose from {', '.join(one.name for one in metrics())}."]})
    return _metrics[name]


def known(name: str) -> Metric | None:
    """None for a metric that nobody registers any more."""
    return _metrics.get(name)


def metrics() -> list[Metric]:
    """Those that anybody may choose."""
    return [_metrics[name] for name in sorted(_metrics) if _metrics[name].is_offered]


def _converted(asked: Asked) -> Floats:
    """1 for whoever converted in their window."""
    found, _, _ = _conversions(asked)
    answer = np.zeros(len(asked.since))
    answer[found] = 1.0
    return answer


def _conversion_count(asked: Asked) -> Floats:
    found, counts, _ = _conversions(asked)
    answer = np.zeros(len(asked.since))
    answer[found] = counts
    return answer


def _revenue(asked: Asked) -> Floats:
    """What their orders are worth now, refunds taken off."""
    found, _, values = _conversions(asked)
    answer = np.zeros(len(asked.since))
    answer[found] = values
    return answer


def _conversions(asked: Asked) -> tuple[Integers, Floats, Floats]:
    """Rows that have any in their window, how many, and what they are worth."""
    rows = [asked.people.tolist(), asked.since.tolist(), asked.until.tolist()]
    begins = asked.from_day * DAY_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(BETWEEN, [*rows, scoping.current_id(), begins, asked.goal, asked.goal])
        rows = cursor.fetchall()
    table = np.array([(place - 1, count, float(value)) for place, count, value in rows]).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]


register_metric("conversion", label="Conversion", read=_converted, is_rate=True, of_people=True)
register_metric("conversions", label="Conversions a head", read=_conversion_count, of_people=True)
register_metric("revenue", label="Revenue a head", read=_revenue, is_money=True, of_people=True)
