"""The one query that a rule tree becomes.

Conditions on people themselves are expressions over `p`. Those on what people did are sets of people, each
joined once by hash and asked whether somebody is in it: so a "did not" or an "or" costs no more than an
"and", however many people there are.
"""

from datetime import date, datetime, time, timedelta
from typing import Any

from apps.accounts import scoping
from apps.accounts.models import Workspace

Predicate = tuple[str, list[Any]]

# A workspace in a subquery, for the reason told in scoping.InScope.
WORKSPACE = "(SELECT %s::bigint)"
SURVIVORS = f"p.workspace_id = {WORKSPACE} AND p.merged_into_id IS NULL AND p.erased_at IS NULL"


class Question:
    """What is asked of the people of the current workspace, at a moment and on the workspace's clock."""

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self.workspace_id = scoping.current_id()
        self._zone = Workspace.objects.get(pk=self.workspace_id).zone
        self._joins: list[str] = []
        self._params: list[Any] = []

    def among(self, ids: str, params: list[Any]) -> Predicate:
        """Whether somebody is among the people whom the SELECT answers, each once, as `id`."""
        name = f"c{len(self._joins) + 1}"
        self._joins.append(f"LEFT JOIN ({ids}) AS {name} ON {name}.id = p.id")
        self._params += params
        return f"{name}.id IS NOT NULL", []

    def value(self, pairs: str, params: list[Any]) -> str:
        """The value that the SELECT of `id` and `value` has for somebody, each once; null where none."""
        name = f"c{len(self._joins) + 1}"
        self._joins.append(f"LEFT JOIN ({pairs}) AS {name} ON {name}.id = p.id")
        self._params += params
        return f"{name}.value"

    def people(self, holds: Predicate) -> Predicate:
        """The SELECT of those for whom it holds. Never null, so that "not" is the opposite."""
        told, params = holds
        joins = " ".join(["", *self._joins])
        sql = f"SELECT p.id FROM accounts_person AS p{joins} WHERE {SURVIVORS} AND ({told})"  # noqa: S608
        return sql, [*self._params, self.workspace_id, *params]

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self._zone)

    def end_of(self, day: date) -> datetime:
        """The first moment after the day."""
        return self.start_of(day + timedelta(days=1))

    def days_ago(self, days: int) -> datetime:
        return self.now - timedelta(days=days)


def opposite(holds: Predicate) -> Predicate:
    return f"NOT ({holds[0]})", holds[1]
