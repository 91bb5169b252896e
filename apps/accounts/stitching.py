"""Which ids are one person: decided as a plan over a batch, then carried out in whole statements under
locks.

Three things can follow when a known user appears with an anonymous id that somebody else holds. The holder
is anonymous and the user is new: the anonymous person becomes the user. The holder is anonymous and the
user is not new: the holder is absorbed. The holder is another known person: the device is shared, and from
now on it is the user's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection
from psycopg import sql

from apps.accounts import events, held, news, personal_fields, scoping
from apps.accounts.models import Person, PersonMerge

MOVE = """
    WITH moved AS (
        UPDATE {table} AS t SET {column} = m.survivor
        FROM unnest(%s::bigint[], %s::bigint[]) AS m(absorbed, survivor)
        WHERE t.workspace_id = (SELECT %s::bigint) AND t.{column} = m.absorbed RETURNING m.absorbed
    )
    SELECT absorbed, count(*) FROM moved GROUP BY absorbed
"""
POINT_TO_SURVIVOR = """
    UPDATE accounts_person AS p SET merged_into_id = m.survivor
    FROM unnest(%s::bigint[], %s::bigint[]) AS m(absorbed, survivor)
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.{column} = m.absorbed
"""
WIDEN_SURVIVORS = """
    UPDATE accounts_person AS p
    SET first_seen_at = LEAST(p.first_seen_at, a.first), last_seen_at = GREATEST(p.last_seen_at, a.last)
    FROM (
        SELECT m.survivor, min(first_seen_at) AS first, max(last_seen_at) AS last
        FROM unnest(%s::bigint[], %s::bigint[]) AS m(absorbed, survivor)
        JOIN accounts_person ON workspace_id = (SELECT %s::bigint) AND id = m.absorbed GROUP BY m.survivor
    ) AS a
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = a.survivor
"""
# The number of people that one event may name.
PEOPLE_PER_EVENT = 5_000
HAND_OVER = """
    UPDATE accounts_alias SET person_id = %s
    WHERE workspace_id = (SELECT %s::bigint) AND anonymous_id = %s
"""


@dataclass(frozen=True)
class Meeting:
    """A known user seen with an anonymous id that somebody else may hold."""

    user_person: int
    anonymous_id: str
    holder: int


@dataclass
class Plan:
    """What the meetings of a batch lead to. People who are still to be made have numbers below 0.

    promoted: user who is still to be made → the anonymous person who becomes them instead.
    born: number below 0 → the person made for it, once they are.
    absorbed: anonymous person → the known person they turn out to be.
    absorbed_by: absorbed person → the anonymous id that told.
    handed_over: (anonymous id, former holder, new holder), in order.
    """

    promoted: dict[int, int] = field(default_factory=dict)
    born: dict[int, int] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    absorbed_by: dict[int, str] = field(default_factory=dict)
    handed_over: list[tuple[str, int, int]] = field(default_factory=list)

    def root(self, person: int) -> int:
        """Who the person is once the plan is carried out."""
        person = self.promoted.get(person, person)
        person = self.born.get(person, person)
        return self.absorbed.get(person, person)

    @property
    def moved(self) -> set[int]:
        """Who is somebody else once the plan is carried out."""
        return {*self.born, *self.promoted, *self.absorbed}

    @property
    def touched(self) -> set[int]:
        new_holders = {self.root(new) for _, _, new in self.handed_over}
        return {*self.promoted.values(), *self.absorbed.values(), *new_holders}


def plan(meetings: Iterable[Meeting], *, known: set[int], new: set[int]) -> Plan:
    """Decide over meetings in order of time. known: people with an external id. new: those of them who
    are still to be made.
    """
    made, holders, known = Plan(), dict[str, int](), set(known)
    for one in meetings:
        person = made.root(one.user_person)
        holder = made.root(holders.get(one.anonymous_id, one.holder))
        holders[one.anonymous_id] = person
        if holder == person:
            continue
        if holder in known:
            made.handed_over.append((one.anonymous_id, holder, person))
        elif person in new:
            made.promoted[person] = holder
            known.add(holder)
            holders[one.anonymous_id] = holder
        else:
            made.absorbed[holder] = person
            made.absorbed_by[holder] = one.anonymous_id
    return made


def carry_out(made: Plan) -> None:
    """Change the database as planned. Everyone concerned is locked. Publishes PeopleMerged and
    PeopleIdentified.
    """
    if made.absorbed:
        absorb(made.absorbed, kind=PersonMerge.Kind.IDENTIFIED, told_by=made.absorbed_by)
    _hand_over(made)
    touched = sorted(made.touched)
    for start in range(0, len(touched), PEOPLE_PER_EVENT):
        part = touched[start : start + PEOPLE_PER_EVENT]
        events.publish(news.PeopleIdentified(workspace_id=scoping.current_id(), person_ids=part))


def absorb(moves: dict[int, int], *, kind: str, told_by: dict[int, str] | None = None) -> None:
    """Move all that is held on each absorbed person to their survivor, and keep it as history. All are
    locked.

    moves: absorbed → survivor; no survivor is absorbed too. Publishes PeopleMerged.
    """
    workspace_id, absorbed, survivors = scoping.current_id(), list(moves), list(moves.values())
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        for holding in held.holdings():
            if holding.moves:
                cursor.execute(_move(holding), [absorbed, survivors, workspace_id])
                for person_id, count in cursor.fetchall():
                    counts[person_id][holding.label] = count
        cursor.execute(WIDEN_SURVIVORS, [absorbed, survivors, workspace_id, workspace_id])
        for column in ("merged_into_id", "id"):
            cursor.execute(POINT_TO_SURVIVOR.format(column=column), [absorbed, survivors, workspace_id])
    _carry_knowledge(moves)
    for merger in held.mergers():
        merger(moves)
    PersonMerge.objects.bulk_create(
        (
            PersonMerge(
                workspace_id=workspace_id,
                kind=kind,
                survivor_id=survivor,
                absorbed_id=one,
                anonymous_id=(told_by or {}).get(one, ""),
                moved=dict(counts[one]),
            )
            for one, survivor in moves.items()
        ),
        batch_size=5_000,
    )
    for start in range(0, len(moves), PEOPLE_PER_EVENT):
        part = slice(start, start + PEOPLE_PER_EVENT)
        events.publish(
            news.PeopleMerged(
                workspace_id=workspace_id, survivor_ids=survivors[part], absorbed_ids=absorbed[part]
            )
        )


def _move(holding: held.Holding) -> sql.Composed:
    column = getattr(holding.model._meta.get_field(holding.person), "column")  # noqa: B009
    return sql.SQL(MOVE).format(
        table=sql.Identifier(holding.model._meta.db_table), column=sql.Identifier(str(column))
    )


def _carry_knowledge(moves: dict[int, int]) -> None:
    """Fill what the survivor does not know from the absorbed: traits, and sealed fields under the
    survivor's key.
    """
    told = Person.objects.filter(pk__in=moves).exclude(traits={}, data_key__isnull=True).order_by("pk")
    for absorbed in told:
        survivor = Person.objects.get(pk=moves[absorbed.pk])
        survivor.traits = {**absorbed.traits, **survivor.traits}
        personal_fields.carry_over(absorbed, survivor)
        survivor.save(update_fields=["traits", *personal_fields.COLUMNS])


def _hand_over(made: Plan) -> None:
    if not made.handed_over:
        return
    workspace_id = scoping.current_id()
    changes = [(alias, made.root(former), made.root(new)) for alias, former, new in made.handed_over]
    with connection.cursor() as cursor:
        cursor.executemany(HAND_OVER, [(new, workspace_id, alias) for alias, _, new in changes])
    PersonMerge.objects.bulk_create(
        PersonMerge(
            workspace_id=workspace_id,
            kind=PersonMerge.Kind.DEVICE_HANDED_OVER,
            survivor_id=new,
            absorbed_id=former,
            anonymous_id=alias,
        )
        for alias, former, new in changes
    )
