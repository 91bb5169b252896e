"""Kinds of messages that people may want or not. The key of a topic is the purpose of their consent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from apps.accounts import audit, consent, scoping
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor, require
from apps.campaigns import names
from apps.campaigns.models import Campaign, Content, Topic

Basis = Topic.Basis
# What each workspace begins with.
DEFAULTS = (
    {
        "key": "news",
        "name": "News",
        "description": "What is new with us, about once a month.",
        "basis": Basis.CONSENT,
        "is_double_opt_in": True,
    },
    {
        "key": "offers",
        "name": "Offers",
        "description": "Dates that came free, and prices for a limited time.",
        "basis": Basis.CONSENT,
        "is_double_opt_in": True,
    },
    {
        "key": "service",
        "name": "Service messages",
        "description": "What belongs to something you asked for, such as a confirmation.",
        "basis": Basis.SERVICE,
        "is_double_opt_in": False,
    },
)
ON_THEIR_WAY = (Campaign.State.SCHEDULED, Campaign.State.RUNNING, Campaign.State.PAUSED)
CHANGEABLE = ("name", "description", "basis", "is_double_opt_in")
# The latest word of each person on each topic. Who can be written to and said nothing is the rest.
COUNTS = """
    WITH latest AS (
        SELECT DISTINCT ON (c.purpose, c.person_id) c.purpose, c.person_id, c.is_granted
        FROM accounts_consentrecord AS c
        JOIN campaigns_topic AS t ON t.workspace_id = c.workspace_id AND t.key = c.purpose
        WHERE c.workspace_id = (SELECT %(workspace)s::bigint)
        ORDER BY c.purpose, c.person_id, c.occurred_at DESC, c.is_granted, c.id DESC
    )
    SELECT latest.purpose, count(*) FILTER (WHERE is_granted), count(*) FILTER (WHERE NOT is_granted)
    FROM latest JOIN accounts_person AS p
        ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = latest.person_id
    WHERE p.erased_at IS NULL AND p.merged_into_id IS NULL AND p.email_index IS NOT NULL
    GROUP BY latest.purpose
"""
REACHABLE = """
    SELECT count(*) FROM accounts_person
    WHERE workspace_id = (SELECT %s::bigint) AND email_index IS NOT NULL
        AND erased_at IS NULL AND merged_into_id IS NULL
"""


class TopicTaken(DomainError):
    code = "topic_taken"
    status = 409


class TopicInUse(DomainError):
    code = "topic_in_use"
    status = 409


@dataclass(frozen=True)
class Counted:
    """A topic and how many of the people with an e-mail address allow it, do not, or never said."""

    topic: Topic
    granted: int
    withdrawn: int
    unknown: int


def listed(*, now: datetime) -> list[Topic]:
    """All of the workspace, which gets the first ones when it is first asked."""
    found = list(Topic.objects.order_by("pk"))
    return found or _begin(now)


def counted(*, now: datetime) -> list[Counted]:
    topics = listed(now=now)
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"workspace": scoping.current_id()})
        said = {key: (granted, withdrawn) for key, granted, withdrawn in cursor.fetchall()}
        cursor.execute(REACHABLE, [scoping.current_id()])
        (reachable,) = cursor.fetchone()
    return [
        Counted(one, granted, withdrawn, reachable - granted - withdrawn)
        for one in topics
        for granted, withdrawn in [said.get(one.key, (0, 0))]
    ]


def get(key: str) -> Topic:
    """Raises NotHere."""
    topic: Topic | None = Topic.objects.filter(key=key).first()
    if topic is None:
        raise NotHere("There is no such topic in this workspace.")
    return topic


@transaction.atomic
def create(actor: Actor, *, key: str, name: str, now: datetime, **more: Any) -> Topic:
    """Make a topic. Needs campaigns:write. Raises Invalid, TopicTaken. Audited."""
    require(actor, "campaigns:write")
    _check(name)
    try:
        with transaction.atomic():
            topic = Topic.objects.create(
                workspace_id=actor.workspace_id, key=key, name=name.strip(), **_of_basis(more)
            )
    except IntegrityError as error:
        raise TopicTaken(f"There is a topic with the key {key!r} already. Choose another key.") from error
    audit.record(actor, "topic.created", topic, now=now, after=_told(topic))
    return topic


@transaction.atomic
def change(actor: Actor, topic: Topic, *, now: datetime, **changes: Any) -> Topic:
    """Change what a topic is called, or what lets us write. Needs campaigns:write, and campaigns:send for
    what lets us write to more people. Raises Invalid, TopicInUse. Audited.

    Its key stays: consent is recorded under it.
    """
    require(actor, "campaigns:write")
    locked: Topic = Topic.objects.select_for_update().get(pk=topic.pk)
    before = _told(locked)
    for name, value in _of_basis(changes, locked.basis).items():
        if name not in CHANGEABLE:
            raise ValueError(f"{name} of a topic cannot be changed")
        setattr(locked, name, value)
    _check(locked.name)
    if locked.basis != before["basis"] or locked.is_double_opt_in < before["is_double_opt_in"]:
        require(actor, "campaigns:send")
    if locked.basis == Basis.SERVICE != before["basis"]:
        _check_unused(locked)
        # Who waits for a message gets all of it: what is on its way is measured no more.
        Content.objects.filter(campaign__topic=locked, campaign__finished_at=None).update(has_blocks=False)
    if (after := _told(locked)) != before:
        locked.save(update_fields=list(CHANGEABLE))
        audit.record(actor, "topic.changed", locked, now=now, before=before, after=after)
    return locked


@consent.also_confirms
def double_opt_in(keys: Collection[str]) -> Collection[str]:
    """Those of the purposes that are topics with double opt-in."""
    return Topic.objects.filter(key__in=keys, is_double_opt_in=True).values_list("key", flat=True)


@consent.also_keeps_a_no
def keys_in(purposes: Collection[str]) -> Collection[str]:
    """Those of the purposes that are topics: who left one comes back by their own form, or a confirmation."""
    return Topic.objects.filter(key__in=purposes).values_list("key", flat=True)


def _begin(now: datetime) -> list[Topic]:
    made = [Topic(workspace_id=scoping.current_id(), created_at=now, **one) for one in DEFAULTS]
    Topic.objects.bulk_create(made, ignore_conflicts=True)
    return list(Topic.objects.order_by("pk"))


def _check(name: str) -> None:
    if not names.is_name(name):
        raise Invalid({"name": [names.FAULT]})


def _check_unused(topic: Topic) -> None:
    """What is on its way to an audience was checked with a topic that people agree to."""
    on_its_way = Campaign.objects.filter(topic=topic, kind=Campaign.Kind.BROADCAST, state__in=ON_THEIR_WAY)
    if (found := on_its_way.first()) is not None:
        raise TopicInUse(
            f"“{found.name}” goes to an audience under this topic. End it first, or use another topic."
        )


def _of_basis(changes: dict[str, Any], basis: str = Basis.CONSENT) -> dict[str, Any]:
    """Where no consent is asked for, there is none to confirm."""
    if changes.get("basis", basis) != Basis.CONSENT:
        return changes | {"is_double_opt_in": False}
    return changes


def _told(topic: Topic) -> dict[str, Any]:
    return {name: getattr(topic, name) for name in CHANGEABLE}
