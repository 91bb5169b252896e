"""What is written down of people that may stand against a message, read for many at once.

Each table is walked once, by the keys of all of them, and what it says comes as it is: rows of people, of
addresses, of words. It is put together here, where that takes no join of one list with another; the plan is
the same for one and for five hundred.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from apps.accounts import one_trip, scoping

Columns = tuple[Any, ...]
# Of an address alone, with what the workspace and the operator know of it: is it marked, is it listed. Who
# else has it, and what they said: a no of theirs counts for whoever shares it. Only who wishes for fewer
# messages is looked up among what was sent: by the campaigns of that time, each by its own index.
READ = """
    WITH person AS MATERIALIZED (
        SELECT p.id, p.email_index, CASE
            WHEN p.erased_at IS NOT NULL OR p.merged_into_id IS NOT NULL THEN 'gone'
            WHEN p.email_index IS NULL THEN 'no_address' END AS word{columns}
        FROM accounts_person AS p
        WHERE p.workspace_id = (SELECT %(workspace)s::bigint)
          AND p.id = ANY((SELECT %(people)s::bigint[])::bigint[])
    ), address AS MATERIALIZED (
        SELECT ARRAY(SELECT email_index FROM person WHERE word IS NULL ORDER BY email_index) AS indexes
    ), mark AS MATERIALIZED (
        SELECT m.address_index, m.everywhere_index FROM campaigns_addressmark AS m
        WHERE EXISTS (SELECT FROM campaigns_everywheresuppression)
          AND m.workspace_id = (SELECT %(workspace)s::bigint)
          AND m.address_index = ANY((SELECT indexes FROM address)::bytea[])
    ), shared AS MATERIALIZED (
        SELECT o.email_index FROM accounts_person AS o
        WHERE %(is_bulk)s AND o.workspace_id = (SELECT %(workspace)s::bigint)
          AND o.email_index = ANY((SELECT indexes FROM address)::bytea[])
        GROUP BY o.email_index HAVING count(*) > 1
    ), household AS MATERIALIZED (
        SELECT o.id, o.email_index FROM accounts_person AS o
        WHERE o.workspace_id = (SELECT %(workspace)s::bigint)
          AND o.email_index = ANY(ARRAY(SELECT email_index FROM shared))
    ), wish AS MATERIALIZED (
        SELECT DISTINCT ON (w.person_id) w.person_id, w.paused_until,
            %(now)s::timestamptz - CASE w.frequency
                WHEN 'weekly' THEN interval '7 days' WHEN 'monthly' THEN interval '30 days' END AS since
        FROM campaigns_frequencywish AS w
        WHERE %(is_bulk)s AND w.workspace_id = (SELECT %(workspace)s::bigint)
          AND w.person_id = ANY((SELECT %(people)s::bigint[])::bigint[])
        ORDER BY w.person_id, w.occurred_at DESC, w.id DESC
    ), lately AS MATERIALIZED (
        SELECT c.id FROM campaigns_campaign AS c
        LEFT JOIN campaigns_topic AS t ON t.workspace_id = c.workspace_id AND t.id = c.topic_id
        WHERE EXISTS (SELECT FROM wish WHERE since IS NOT NULL)
          AND c.workspace_id = (SELECT %(workspace)s::bigint) AND c.launched_at IS NOT NULL
          AND (c.finished_at IS NULL OR c.finished_at > (SELECT min(since) FROM wish))
          AND t.basis IS DISTINCT FROM 'service'
    )
    SELECT NULL::text, id, email_index, word, NULL::timestamptz{names} FROM person
    UNION ALL (
        SELECT DISTINCT ON (s.address_index) 'listed', NULL, s.address_index, s.reason, NULL{nulls}
        FROM integrations_suppression AS s
        WHERE s.workspace_id = (SELECT %(workspace)s::bigint)
          AND s.address_index = ANY((SELECT indexes FROM address)::bytea[])
          AND (%(is_bulk)s OR s.reason <> 'unsubscribed')
        ORDER BY s.address_index, s.since)
    UNION ALL
    SELECT 'everywhere', NULL, m.address_index, NULL, NULL{nulls} FROM (
        SELECT address_index, everywhere_index IN (
            SELECT e.address_index FROM campaigns_everywheresuppression AS e
            WHERE e.address_index = ANY(ARRAY(SELECT everywhere_index FROM mark))) AS is_listed
        FROM mark OFFSET 0) AS m
    WHERE m.is_listed
    UNION ALL
    SELECT 'unmarked', NULL, NULL, NULL, NULL{nulls}
    WHERE EXISTS (SELECT FROM campaigns_everywheresuppression)
      AND (SELECT count(DISTINCT email_index) FROM person WHERE word IS NULL) > (SELECT count(*) FROM mark)
    UNION ALL
    SELECT 'shares', id, email_index, NULL, NULL{nulls} FROM household
    UNION ALL
    SELECT CASE WHEN said.is_granted THEN 'yes' ELSE 'no' END, said.person_id, NULL, NULL, NULL{nulls} FROM (
        SELECT DISTINCT ON (c.person_id) c.person_id, c.is_granted FROM accounts_consentrecord AS c
        WHERE %(is_bulk)s AND c.workspace_id = (SELECT %(workspace)s::bigint)
          AND c.person_id = ANY((SELECT %(people)s::bigint[])::bigint[]) AND c.purpose = %(purpose)s
        ORDER BY c.person_id, c.occurred_at DESC, c.is_granted, c.id DESC) AS said
    WHERE %(is_asked)s OR NOT said.is_granted
    UNION ALL (
        SELECT 'told', c.person_id, NULL,
            CASE WHEN c.is_confirmed THEN 'confirmed' WHEN c.is_granted THEN 'yes' ELSE 'no' END,
            c.occurred_at{nulls}
        FROM accounts_consentrecord AS c
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint)
          AND c.person_id = ANY(ARRAY(SELECT id FROM household)) AND c.purpose = %(purpose)s
        ORDER BY c.person_id, c.occurred_at DESC, c.is_granted, c.id DESC)
    UNION ALL
    SELECT 'wish', w.person_id, NULL,
        CASE WHEN w.paused_until > %(now)s THEN 'paused' ELSE 'less_often' END, NULL{nulls}
    FROM wish AS w
    WHERE w.paused_until > %(now)s OR w.since IS NOT NULL AND EXISTS (
        SELECT FROM campaigns_recipient AS r
        JOIN campaigns_campaign AS c ON c.workspace_id = r.workspace_id AND c.id = r.campaign_id
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint)
          AND r.campaign_id = ANY(ARRAY(SELECT id FROM lately)) AND r.person_id = w.person_id
          AND r.state IN ('sent', 'uncertain') AND r.settled_at > w.since
          AND (c.finished_at IS NULL OR c.finished_at > w.since))
"""


class Person(NamedTuple):
    """word: why they can be reached in no way at all; None when they can. columns: what else was asked."""

    id: int
    address: bytes | None
    word: str | None
    columns: Columns


class Words(NamedTuple):
    """What somebody who shares an address said of the topic: when it was a no last, and when they confirmed a
    yes last.
    """

    no_at: datetime | None
    confirmed_at: datetime | None


SILENCE = Words(None, None)


@dataclass(frozen=True)
class Standing:
    """people: by Person.pk, who is there. listed: by address. yes: whose last word that was, where it is
    asked for; no: whose it was. shares: who has an address, where several do; told: what they said. wishes:
    paused or less_often. is_unmarked: an address is met for the first time since there is an operator's list.
    """

    people: dict[int, Person]
    listed: dict[bytes, str]
    yes: set[int]
    no: set[int]
    shares: dict[bytes, list[int]]
    told: dict[int, Words]
    wishes: dict[int, str]
    is_unmarked: bool

    def is_refused(self, person: Person) -> bool:
        """By themselves, or by somebody with the same address since they confirmed last."""
        if person.id in self.no:
            return True
        if person.address is None or person.address not in self.shares:
            return False
        sure = self.told.get(person.id, SILENCE).confirmed_at
        others = (self.told.get(one, SILENCE).no_at for one in self.shares[person.address])
        return any(at is not None and (sure is None or at >= sure) for at in others)


def of(
    person_ids: Sequence[int],
    *,
    purpose: str,
    is_bulk: bool,
    is_asked: bool,
    columns: Sequence[str] = (),
    now: datetime,
) -> Standing:
    """is_bulk: consent and wishes count. is_asked: a yes is asked for, else a no alone is of interest.
    columns: more of accounts_person, as SQL over `p`; no JSON but as text.
    """
    params = {
        "people": one_trip.array(person_ids),
        "workspace": scoping.current_id(),
        "is_bulk": is_bulk,
        "is_asked": is_asked,
        "purpose": purpose,
        "now": now,
    }
    [rows] = one_trip.fetch_all([(_with(columns), params)], is_prepared=True, is_binary=True)
    return _put_together(rows)


def _with(columns: Sequence[str]) -> str:
    names = [f"column_{number}" for number in range(len(columns))]
    return READ.format(
        columns="".join(f", {one} AS {name}" for one, name in zip(columns, names, strict=True)),
        names="".join(f", {name}" for name in names),
        nulls=", NULL" * len(names),
    )


def _put_together(rows: Iterable[tuple[Any, ...]]) -> Standing:
    """Of each kind what it says; what the workspace knows of an address comes before the operator's word."""
    found = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    shares = defaultdict(list)
    for _, person, address, *_ in found["shares"]:
        shares[address].append(person)
    everywhere = {row[2]: "everywhere" for row in found["everywhere"]}
    return Standing(
        people={row[1]: Person(row[1], row[2], row[3], row[5:]) for row in found[None]},
        listed=everywhere | {row[2]: row[3] for row in found["listed"]},
        yes={row[1] for row in found["yes"]},
        no={row[1] for row in found["no"]},
        shares=dict(shares),
        told={key: _words(list(group)) for key, group in groupby(found["told"], key=itemgetter(1))},
        wishes={row[1]: row[3] for row in found["wish"]},
        is_unmarked=bool(found["unmarked"]),
    )


def _words(rows: list[tuple[Any, ...]]) -> Words:
    """The last first."""
    _, _, _, word, at, *_ = rows[0]
    sure = (row[4] for row in rows if row[3] == "confirmed")
    return Words(at if word == "no" else None, next(sure, None))
