"""Who fits an audience: as one SELECT for others to build on, as a number, and as a sample."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from uuid import UUID

from django.db import OperationalError, connection, transaction

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.campaigns.audiences import tree
from apps.campaigns.audiences.belonging import ListCondition
from apps.campaigns.audiences.conditions import Condition, Names
from apps.campaigns.audiences.deeds import EngagementCondition
from apps.campaigns.audiences.question import Predicate, Question
from apps.campaigns.audiences.tree import Node
from apps.campaigns.models import Audience, Campaign

SAMPLE = 10
# What somebody who edits rules waits for; a count for the record may take longer.
PREVIEW_SECONDS, COUNT_SECONDS = 8, 120
QUERY_CANCELED = "57014"
# For the rest of a transaction, which may be the caller's: taken back after.
ENTER = "SELECT set_config('statement_timeout', %s, true), set_config('enable_nestloop', 'off', true)"
LEAVE = "SET LOCAL statement_timeout TO DEFAULT; SET LOCAL enable_nestloop TO DEFAULT"
# Hash joins hold whatever the statistics say of a workspace that is newer than they are.
ASK = """
    WITH fit AS MATERIALIZED ({people})
    SELECT (SELECT count(*) FROM fit), ARRAY(
        SELECT o.public_id FROM (SELECT id FROM fit ORDER BY id DESC LIMIT %s) AS latest
        JOIN accounts_person AS o ON o.workspace_id = (SELECT %s::bigint) AND o.id = latest.id
        ORDER BY latest.id DESC
    )
"""


class TooSlow(DomainError):
    code = "too_slow"
    status = 503


@dataclass(frozen=True)
class Found:
    """people: how many fit. sample: public ids of those who were made last."""

    people: int
    sample: list[UUID] = field(default_factory=list)
    seconds: float = 0.0


def people_sql(audience: Audience, *, now: datetime) -> Predicate:
    """A SELECT of `id`: each person of the current workspace once who is in the audience, survivors of merges
    and nobody who was erased; with its parameters. Raises Invalid for rules that can no longer be asked.
    """
    return _people(node_of(audience), now=now)


def node_of(audience: Audience) -> Node:
    """What the audience asks for: its rules, or that somebody is on the list."""
    if audience.kind == Audience.Kind.LIST:
        return ListCondition(audience.public_id, is_member=True)
    return tree.read(audience.rules)


def find(node: Node, *, now: datetime, seconds: int = COUNT_SECONDS) -> Found:
    """How many fit now, and some of them. Raises TooSlow after so many seconds."""
    sql, params = _people(node, now=now)
    started = perf_counter()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ENTER, [f"{seconds}s"])
            cursor.execute(ASK.format(people=sql), [*params, SAMPLE, scoping.current_id()])
            people, sample = cursor.fetchone()
            cursor.execute(LEAVE)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != QUERY_CANCELED:
            raise
        raise TooSlow(
            f"Counting takes longer than {seconds} seconds. Save the audience: it can be used uncounted."
        ) from error
    return Found(people, list(sample), perf_counter() - started)


def sentence(node: Node) -> str:
    return tree.sentence(node, names_in([node]))


def sentences(nodes: Iterable[Node]) -> list[str]:
    """The same for many, with two queries for all."""
    known = list(nodes)
    names = names_in(known)
    return [tree.sentence(node, names) for node in known]


def names_in(nodes: Iterable[Node]) -> Names:
    """What the lists and campaigns in them are called."""
    asked: list[Condition] = [one for node in nodes for one in tree.conditions(node)]
    lists = {one.audience for one in asked if isinstance(one, ListCondition)}
    campaigns = {one.campaign for one in asked if isinstance(one, EngagementCondition)}
    found = Audience.objects.filter(public_id__in=lists).values_list("public_id", "name") if lists else []
    written = Campaign.objects.filter(public_id__in=campaigns - {None})
    return Names(
        lists=dict(found),
        campaigns=dict(written.values_list("public_id", "name")) if campaigns - {None} else {},
        currency=Workspace.objects.values_list("currency", flat=True).get(),
    )


def _people(node: Node, *, now: datetime) -> Predicate:
    return tree.people(node, Question(now=now))
