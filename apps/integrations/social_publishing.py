"""How a post reaches its network: one at a time for each account, once, and looked for before it is sent
again.

The step that makes it public is written down before it is made. What became of it is asked of the account's
last posts whenever that is not known, and only a post that is not among them is sent again.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from celery import shared_task
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import audit, events, scoping
from apps.accounts.permissions import system
from apps.accounts.tasks_base import workspace_task
from apps.integrations import errors, outbox, settling, social_spend
from apps.integrations.client import Client
from apps.integrations.connectors.social import networks
from apps.integrations.connectors.social.network import (
    DUPLICATE,
    RECENT,
    Network,
    Post,
    Seen,
    images_of,
    matching,
)
from apps.integrations.events import SocialPostFailed, SocialPostPublished
from apps.integrations.models import Call, Connection, SocialPost
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.social_spend import Deed

PUBLISH, DELETE = "post.publish", "post.delete"
# So many are looked at for one that can be paid for.
DUE_AT_ONCE = 50
PAUSED_SECONDS, FULL_SECONDS = 300.0, 3_600.0
FINAL = {Kind.PERMANENT_DATA, Kind.REFUSED_HERE}
State = SocialPost.State


@transaction.atomic
def advance(connection: Connection, *, now: datetime) -> SocialPost | None:
    """Start the account's next post that is approved, due and within the limit, unless one is on its way.
    Locks the account.
    """
    account = social_spend.locked(connection)
    posts = SocialPost.objects.filter(connection=connection)
    if account.is_paused or not connection.is_usable or posts.filter(state__in=SocialPost.IN_FLIGHT).exists():
        return None
    due = posts.filter(Q(scheduled_at=None) | Q(scheduled_at__lte=now), state=State.APPROVED)
    waiting = due.order_by("approved_at", "pk").select_for_update()[:DUE_AT_ONCE]
    post = next((one for one in waiting if _is_paid(one, now=now)), None)
    if post is None:
        return None
    key = f"{post.public_id}:{post.approved_at:%Y%m%d%H%M%S%f}"
    post.call = outbox.enqueue(connection, PUBLISH, {"post": str(post.public_id)}, dedup_key=key, now=now)
    post.state, post.reason, post.changed_at = State.QUEUED, "", now
    post.save()
    return post


def _is_paid(post: SocialPost, *, now: datetime) -> bool:
    try:
        social_spend.reserve(post.connection, Deed.PUBLISH, post.price, post=post, now=now)
    except social_spend.SpendLimitReached as refusal:
        _hold_back(post, refusal.detail, now=now)
        return False
    return True


def _hold_back(post: SocialPost, reason: str, *, now: datetime) -> None:
    """It waits for the next day or a higher limit; said once."""
    if not post.reason:
        post.reason, post.changed_at = reason[:300], now
        post.save(update_fields=["reason", "changed_at"])
        actor = system(post.workspace_id)
        audit.record(actor, "social_post.refused_by_limit", post, now=now, reason=reason)


@shared_task(name="integrations.social.sweep")
def sweep() -> int:
    """Start a move in each workspace that has a post due or on its way."""
    now = timezone.now()
    with scoping.across_workspaces("social_posts.sweep"):
        due = Q(scheduled_at=None) | Q(scheduled_at__lte=now)
        wanted = SocialPost.objects.filter(
            Q(state__in=SocialPost.IN_FLIGHT) | (Q(state=State.APPROVED) & due)
        )
        found = list(wanted.order_by().values_list("workspace_id", flat=True).distinct())
    for workspace_id in found:
        move.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="integrations.social.move")
def move() -> int:
    """Give up posts whose call was given up, and start those that are due. Returns how many were started."""
    now = timezone.now()
    over = SocialPost.objects.filter(
        state__in=SocialPost.IN_FLIGHT, call__state__in=[Call.State.DEAD, Call.State.CANCELLED]
    )
    for post in over.select_related("connection"):
        _give_up(post, now=now)
    waiting = SocialPost.objects.filter(state=State.APPROVED).values("connection")
    found = Connection.objects.filter(pk__in=waiting)
    return sum(advance(one, now=now) is not None for one in found)


@transaction.atomic
def _give_up(post: SocialPost, *, now: datetime) -> None:
    """Where its fate stayed unknown the money counts as spent, for it may have been."""
    call = Call.objects.get(pk=post.call_id)
    if call.state == Call.State.CANCELLED or post.state != State.UNKNOWN:
        social_spend.give_back(post, Deed.PUBLISH)
    _fail(post, call.last_reason or "It was cancelled.", now=now)


def perform(client: Client, dues: Sequence[Due]) -> Answer[Any]:
    """Bring the images there, and make the post public."""
    [due] = dues
    post = _post_of(due)
    if post is None or not post.is_in_flight:
        return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason="The post is gone.", was_sent=False))
    network = networks.of(client)
    try:
        waits = _waits(post, network) or _prepared(post, network)
        outcome = waits or _published(post, network, due)
    except errors.ServiceError as error:  # of a read before it: nothing was published
        outcome = _before(error.outcome)
    _note(post, outcome, now=client.clock())
    return Answer(outcome=outcome)


def _waits(post: SocialPost, network: Network) -> Outcome | None:
    """Why not now: somebody paused the account, or the network has no room today. Raises ServiceError."""
    if social_spend.account_of(post.connection).is_paused:
        return Outcome(
            kind=Kind.RATE_LIMITED,
            reason="The account is paused.",
            retry_after_seconds=PAUSED_SECONDS,
            was_sent=False,
        )
    room = network.room()
    if room is not None and room.is_full:
        return Outcome(
            kind=Kind.QUOTA_EXHAUSTED,
            reason=f"The network takes {room.most} posts in a while, and has taken {room.used}.",
            retry_after_seconds=FULL_SECONDS,
            was_sent=False,
        )
    return None


def _prepared(post: SocialPost, network: Network) -> Outcome | None:
    """None once the images are there. What was prepared before is used again. Raises ServiceError."""
    if not post.images:
        return None
    if not post.prepared:
        _step(post, State.MEDIA_UPLOADING)
        answer = network.prepare(content_of(post))
        if not answer.value:
            return _before(answer.outcome)
        post.prepared = answer.value
        post.save(update_fields=["prepared"])
    ready = network.is_ready(post.prepared)
    if ready.value:
        _step(post, State.CONTAINER_READY)
        return None
    if ready.outcome.code == "container":  # it is spoiled
        post.prepared = ""
        post.save(update_fields=["prepared"])
    return _before(ready.outcome)


def _published(post: SocialPost, network: Network, due: Due) -> Outcome:
    _step(post, State.PUBLISHING)
    answer = network.publish(content_of(post), post.prepared)
    outcome = answer.outcome
    if outcome.code == DUPLICATE:
        return _as_duplicate(post, network, due, outcome)
    if not outcome.is_good:
        return outcome
    if not answer.value:
        return Outcome(kind=Kind.UNKNOWN, status=outcome.status, reason="The network did not say its id.")
    _keep_published(post, answer.value, network.url_of(answer.value), now=timezone.now())
    return replace(outcome, reference=answer.value)


def _as_duplicate(post: SocialPost, network: Network, due: Due, outcome: Outcome) -> Outcome:
    """It has the same text already: ours of a moment ago, or an older one. Raises ServiceError."""
    found = _found(post, network, due)
    if found is None:
        return outcome
    _keep_published(post, found.id, found.url or network.url_of(found.id), now=timezone.now())
    return Outcome(kind=Kind.OK, reference=found.id)


def look_up(client: Client, due: Due) -> Outcome:
    """Whether the post is among the account's last ones."""
    post = _post_of(due)
    if post is None:
        return Outcome(kind=Kind.REFUSED_HERE, reason="The post is gone.")
    if post.state == State.PUBLISHED:
        return Outcome(kind=Kind.OK, reference=post.external_id)
    _step(post, State.UNKNOWN)
    network = networks.of(client)
    try:
        found = _found(post, network, due)
    except errors.ServiceError as error:
        return settling.not_told(error.outcome)
    if found is not None:
        _keep_published(post, found.id, found.url or network.url_of(found.id), now=client.clock())
        return Outcome(kind=Kind.OK, reference=found.id)
    _step(post, State.QUEUED)
    return Outcome(kind=Kind.PERMANENT_DATA, reason="It is not among the account's posts.")


def _found(post: SocialPost, network: Network, due: Due) -> Seen | None:
    """The post at the network, if it is there and no other of ours. Raises ServiceError."""
    prices = social_spend.prices_of(post.connection)
    each = prices.read if prices else Decimal(0)
    spend = social_spend.reserve(
        post.connection, Deed.LOOK_UP, each * RECENT, post=post, now=timezone.now(), is_owed=True
    )
    seen = network.recent()
    social_spend.correct(spend, each * len(seen))
    ids = [one.id for one in seen]
    others = SocialPost.objects.filter(connection=post.connection, external_id__in=ids).exclude(pk=post.pk)
    known = set(others.values_list("external_id", flat=True))
    since = due.call.sent_at or due.call.created_at
    return matching([one for one in seen if one.id not in known], post.body_hash, since=since)


def _before(outcome: Outcome) -> Outcome:
    """The outcome of a step before the post is public: repeating it publishes nothing twice."""
    if outcome.kind == Kind.UNKNOWN:
        return replace(outcome, kind=Kind.RETRYABLE, was_sent=False)
    return outcome


def _note(post: SocialPost, outcome: Outcome, *, now: datetime) -> None:
    """What the outcome means to the post; one that is out was noted already."""
    if outcome.is_good:
        return
    if outcome.kind == Kind.UNKNOWN:
        _step(post, State.UNKNOWN, outcome.reason)
    elif outcome.kind in FINAL:
        with transaction.atomic():
            social_spend.give_back(post, Deed.PUBLISH)
            _fail(post, outcome.reason, now=now)
    else:
        _step(post, State.QUEUED, outcome.reason)


def _step(post: SocialPost, state: str, reason: str = "") -> None:
    post.state, post.reason, post.changed_at = state, reason[:300], timezone.now()
    post.save(update_fields=["state", "reason", "changed_at"])


@transaction.atomic
def _keep_published(post: SocialPost, external_id: str, url: str, *, now: datetime) -> None:
    post.state, post.reason, post.changed_at = State.PUBLISHED, "", now
    post.external_id, post.url, post.published_at = external_id, url, now
    post.save()
    events.publish(
        SocialPostPublished(
            workspace_id=post.workspace_id, post_id=str(post.public_id), service=post.connection.service
        )
    )


def _fail(post: SocialPost, reason: str, *, now: datetime) -> None:
    post.state, post.reason, post.changed_at = State.FAILED, reason[:300], now
    post.save(update_fields=["state", "reason", "changed_at"])
    events.publish(
        SocialPostFailed(
            workspace_id=post.workspace_id, post_id=str(post.public_id), service=post.connection.service
        )
    )


def delete(client: Client, dues: Sequence[Due]) -> Answer[Any]:
    """Take it down; a post that is not there any more is down."""
    [due] = dues
    post = _post_of(due)
    if post is None or not post.is_out:
        return Answer(outcome=Outcome(kind=Kind.OK, was_sent=False))
    try:
        answer = networks.of(client).delete(post.external_id)
    except errors.ServiceError as error:
        return Answer(outcome=error.outcome)
    if answer.outcome.is_good:
        _keep_down(post, now=client.clock())
    elif answer.outcome.kind in FINAL:
        social_spend.give_back(post, Deed.DELETE)
    return answer


def is_being_taken_down(post: SocialPost) -> bool:
    asked = Call.objects.filter(
        connection=post.connection_id, operation=DELETE, dedup_key__startswith=f"{post.public_id}:"
    )
    return bool(asked.exclude(state__in=Call.TERMINAL).exists())


def look_up_deletion(client: Client, due: Due) -> Outcome:
    """Whether the post is still there: then it is to be taken down again."""
    post = _post_of(due)
    if post is None or not post.is_out:
        return OK
    now, prices = client.clock(), social_spend.prices_of(post.connection)
    if prices is not None:
        social_spend.reserve(post.connection, Deed.LOOK_UP, prices.read, post=post, now=now, is_owed=True)
    try:
        is_there = networks.of(client).is_there(post.external_id)
    except errors.ServiceError as error:
        return settling.not_told(error.outcome)
    if is_there:
        return Outcome(kind=Kind.PERMANENT_DATA, reason="It is still there.")
    _keep_down(post, now=now)
    return OK


def _keep_down(post: SocialPost, *, now: datetime) -> None:
    SocialPost.objects.filter(pk=post.pk, deleted_at=None).update(deleted_at=now)


def content_of(post: SocialPost) -> Post:
    """The post as networks are told of it."""
    return Post(
        text=post.text,
        link=post.link,
        images=images_of(post.images, post.alts),
        is_made_with_ai=post.is_made_with_ai,
    )


def _post_of(due: Due) -> SocialPost | None:
    found = SocialPost.objects.select_related("connection")
    post: SocialPost | None = found.filter(public_id=(due.payload or {}).get("post")).first()
    return post


for _service in networks.KEYS:
    outbox.handles(_service, PUBLISH, Handler(perform=perform, look_up=look_up))
    outbox.handles(_service, DELETE, Handler(perform=delete, look_up=look_up_deletion))
