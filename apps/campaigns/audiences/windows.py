"""When something happened, and how often."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from apps.accounts import figures
from apps.campaigns.audiences.question import Predicate, Question, opposite
from apps.campaigns.audiences.reading import MOST_DAYS, MOST_TIMES, Given

AT_LEAST, AT_MOST, EXACTLY, DID_NOT = "at_least", "at_most", "exactly", "did_not"
OPS = (AT_LEAST, AT_MOST, EXACTLY, DID_NOT)


@dataclass(frozen=True)
class Window:
    """The last days until now, from a day to a day on the workspace's clock (both in it), or ever."""

    days: int | None = None
    since: date | None = None
    until: date | None = None

    @classmethod
    def read(cls, given: Given) -> "Window":
        inner = given.inner("window")
        if inner is None:
            return cls()
        if "last_days" in inner.raw:
            found = cls(days=inner.whole("last_days", least=1, most=MOST_DAYS))
        else:
            found = cls(since=inner.day("from"), until=inner.day("until"))
            if found.since is None and found.until is None and not inner.faults:
                inner.fault("", "Give last_days, or from and until.")
            if found.since and found.until and found.until < found.since:
                inner.fault("until", "This is before from.")
        inner.end()
        return found

    def holds(self, column: str, question: Question) -> Predicate:
        """Conditions that begin with AND; none for ever."""
        bounds: list[tuple[str, Any]] = []
        if self.days is not None:
            bounds = [(">", question.days_ago(self.days)), ("<=", question.now)]
        if self.since is not None:
            bounds.append((">=", question.start_of(self.since)))
        if self.until is not None:
            bounds.append(("<", question.end_of(self.until)))
        told = "".join(f" AND {column} {sign} %s::timestamptz" for sign, _ in bounds)
        return told, [moment for _, moment in bounds]

    def words(self) -> str:
        if self.days is not None:
            return " in the last day" if self.days == 1 else f" in the last {self.days:,} days"
        if self.since and self.until:
            return f" from {day_words(self.since)} to {day_words(self.until)}"
        if self.since:
            return f" since {day_words(self.since)}"
        return f" until {day_words(self.until)}" if self.until else ""


@dataclass(frozen=True)
class Times:
    """How often: at least, at most or exactly so often, or not at all."""

    op: str
    count: int

    @classmethod
    def read(cls, given: Given, *, also: tuple[str, ...] = ()) -> "Times":
        op = given.choice("op", (*OPS, *also), default=AT_LEAST)
        if op not in OPS or op == DID_NOT:
            return cls(op, 0)
        return cls(op, given.whole("count", least=int(op == AT_LEAST), most=MOST_TIMES, default=1))

    def holds(self, question: Question, who: str, rows: Predicate) -> Predicate:
        """rows: FROM and WHERE. who: the person of a row."""
        told, params = rows
        if (self.op, self.count) in {(AT_LEAST, 1), (DID_NOT, 0), (EXACTLY, 0), (AT_MOST, 0)}:
            found = question.among(f"SELECT DISTINCT {who} AS id {told}", params)
            return found if self.op == AT_LEAST else opposite(found)
        sign = {AT_LEAST: ">=", AT_MOST: ">", EXACTLY: "="}[self.op]
        groups = f"SELECT {who} AS id {told} GROUP BY 1 HAVING count(*) {sign} %s::bigint"
        found = question.among(groups, [*params, self.count])
        return opposite(found) if self.op == AT_MOST else found

    @property
    def is_none(self) -> bool:
        return self.op == DID_NOT or (self.count == 0 and self.op != AT_LEAST)

    def words(self, one: str, many: str) -> tuple[str, str]:
        """So many of them, and the opposite: ("at least 3 touches", "fewer than 3 touches")."""
        if self.is_none:
            return f"no {one}", f"a {one}"
        if (self.op, self.count) == (AT_LEAST, 1):
            return f"a {one}", f"no {one}"
        amount = figures.count(self.count, one, many)
        sides = {
            AT_LEAST: ("at least", "fewer than"),
            AT_MOST: ("at most", "more than"),
            EXACTLY: ("exactly", "not exactly"),
        }
        return f"{sides[self.op][0]} {amount}", f"{sides[self.op][1]} {amount}"


def day_words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
