"""Posts for social networks: written by one, approved by a person who may, and what is said of each account.

Nothing leaves without an approval, whatever wrote it. A change takes the approval away again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor, require
from apps.integrations import outbox, services, social_publishing, social_spend
from apps.integrations.connectors.social import networks
from apps.integrations.connectors.social.network import Post, Rules, fingerprint
from apps.integrations.models import Connection, SocialAccount, SocialPost

State = SocialPost.State
MOST_ACCOUNTS = 20
LONGEST_URL = 2_000
HIGHEST_LIMIT = Decimal(1_000)


class NotPossibleNow(DomainError):
    code = "not_possible_now"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What somebody wrote. scheduled_at: None as soon as it is approved."""

    post: Post
    scheduled_at: datetime | None = None


def get(public_id: UUID | str) -> SocialPost:
    """A post of this workspace. Raises NotHere."""
    found: SocialPost | None = (
        SocialPost.objects.select_related("connection", "call", "created_by", "approved_by")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotHere("There is no such post.")
    return found


def connection_of(public_id: UUID | str) -> Connection:
    """A social account of this workspace. Raises NotHere."""
    found = usable().filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such account.")
    return found


def usable() -> Any:
    """Accounts at networks that are not disconnected; one that needs a person is among them."""
    found = Connection.objects.filter(service__in=networks.KEYS)
    return found.exclude(state=Connection.State.DISCONNECTED).order_by("label", "pk")


def faults(draft: Draft, connections: Sequence[Connection]) -> dict[str, list[str]]:
    """What stands against the draft, by field."""
    post, found = draft.post, {}
    if post.link and not _is_address(post.link):
        found["link"] = ["A whole address that begins with https:// or http://."]
    if any(not _is_address(one.url) for one in post.images):
        found["images"] = ["Each a whole address that begins with https:// or http://, on a line of its own."]
    if not connections:
        found["accounts"] = ["Choose at least one account."]
    said = [
        f"{services.get(one.service).name}: {words}"
        for one in connections
        for words in networks.rules_of(one.service).faults(post)
    ]
    if said:
        found["text"] = said
    return found


@transaction.atomic
def write(
    actor: Actor, draft: Draft, connections: Sequence[Connection], *, now: datetime
) -> list[SocialPost]:
    """A draft for each account. Raises Invalid."""
    require(actor, "social:write")
    if problems := faults(draft, connections[:MOST_ACCOUNTS]):
        raise Invalid(problems)
    posts = []
    for connection in connections[:MOST_ACCOUNTS]:
        post = SocialPost(
            workspace_id=actor.workspace_id,
            connection=connection,
            created_by_id=actor.id if actor.kind == AuditEntry.ActorKind.USER else None,
        )
        _fill(post, draft, now=now)
        audit.record(actor, "social_post.written", post, now=now, after={"account": connection.label})
        posts.append(post)
    return posts


@transaction.atomic
def change(actor: Actor, public_id: UUID | str, draft: Draft, *, now: datetime) -> SocialPost:
    """Write it anew; an approval is gone with the words that it was given to. Raises Invalid,
    NotPossibleNow.
    """
    require(actor, "social:write")
    post = _open(public_id)
    if problems := faults(draft, [post.connection]):
        raise Invalid(problems)
    _fill(post, draft, now=now)
    audit.record(actor, "social_post.changed", post, now=now)
    return post


def approve(actor: Actor, public_id: UUID | str, *, now: datetime) -> SocialPost:
    """Let it leave, at its time. A person answers for that. Raises NotPossibleNow, SpendLimitReached."""
    require(actor, "social:approve")
    if actor.kind != AuditEntry.ActorKind.USER:
        raise PermissionDenied("A person must approve what is published.")
    try:
        post = _approve(actor, public_id, now=now)
    except social_spend.SpendLimitReached as refusal:
        audit.record(actor, "social_post.refused_by_limit", get(public_id), now=now, reason=refusal.detail)
        raise
    social_publishing.advance(post.connection, now=now)
    return get(public_id)


@transaction.atomic
def _approve(actor: Actor, public_id: UUID | str, *, now: datetime) -> SocialPost:
    post = _open(public_id)
    if post.state == State.APPROVED:
        raise NotPossibleNow("It is approved already.")
    if not post.connection.is_usable:
        raise NotPossibleNow("Its account is not connected. Connect it again first.")
    account = social_spend.account_of(post.connection)
    if post.price > account.daily_limit:
        raise social_spend.SpendLimitReached(
            f"It costs {post.price} {account.currency}, and {post.connection.label} may spend "
            f"{account.daily_limit} in a day. Raise the limit, or leave the link out."
        )
    post.state, post.reason, post.changed_at = State.APPROVED, "", now
    post.approved_by_id, post.approved_at = actor.id, now
    post.call, post.prepared = None, ""
    post.save()
    audit.record(actor, "social_post.approved", post, now=now, after={"price": str(post.price)})
    return post


@transaction.atomic
def withdraw(actor: Actor, public_id: UUID | str, *, now: datetime) -> SocialPost:
    """Take the approval back, while it has not left."""
    require(actor, "social:write")
    post = _open(public_id)
    post.state, post.approved_at, post.approved_by, post.changed_at = State.DRAFT, None, None, now
    post.save()
    audit.record(actor, "social_post.withdrawn", post, now=now)
    return post


@transaction.atomic
def discard(actor: Actor, public_id: UUID | str, *, now: datetime) -> None:
    """Throw away what is not out."""
    require(actor, "social:write")
    post = _open(public_id)
    audit.record(actor, "social_post.discarded", post, now=now)
    post.delete()


@transaction.atomic
def take_down(actor: Actor, public_id: UUID | str, *, now: datetime) -> SocialPost:
    """Have the network delete it, once however often it is asked for. Raises NotPossibleNow,
    SpendLimitReached.
    """
    require(actor, "social:approve")
    post = _locked(public_id)
    if not post.is_out:
        raise NotPossibleNow("It is not out.")
    if not rules_of(post).can_delete:
        name = services.get(post.connection.service).name
        raise NotPossibleNow(f"{name} deletes posts in its own app only.")
    if social_publishing.is_being_taken_down(post):
        return post
    prices = social_spend.prices_of(post.connection)
    if prices is not None:
        social_spend.reserve(post.connection, social_spend.Deed.DELETE, prices.delete, post=post, now=now)
    key = {"post": str(post.public_id)}
    outbox.enqueue(
        post.connection,
        social_publishing.DELETE,
        key,
        dedup_key=f"{post.public_id}:{now.timestamp()}",
        now=now,
    )
    audit.record(actor, "social_post.taken_down", post, now=now)
    return post


@transaction.atomic
def pause(actor: Actor, connection: Connection, *, now: datetime) -> SocialAccount:
    """Stop everything of the account that has not reached the network. What is being sent goes on."""
    require(actor, "social:write")
    account = social_spend.locked(connection)
    if not account.is_paused:
        account.is_paused, account.paused_at = True, now
        account.save(update_fields=["is_paused", "paused_at"])
        audit.record(actor, "social_account.paused", connection, now=now)
    return account


@transaction.atomic
def resume(actor: Actor, connection: Connection, *, now: datetime) -> SocialAccount:
    require(actor, "social:approve")
    account = social_spend.locked(connection)
    if account.is_paused:
        account.is_paused, account.paused_at = False, None
        account.save(update_fields=["is_paused", "paused_at"])
        audit.record(actor, "social_account.resumed", connection, now=now)
    return account


@transaction.atomic
def set_limit(
    actor: Actor, connection: Connection, *, daily_limit: Decimal, reads_are_on: bool, now: datetime
) -> SocialAccount:
    """How much may be spent in a day, and whether figures and mentions are read for it. Raises Invalid."""
    require(actor, "social:approve")
    if (
        not daily_limit.is_finite()
        or not 0 <= daily_limit <= HIGHEST_LIMIT
        or daily_limit != round(daily_limit, 3)
    ):
        raise Invalid(
            {"daily_limit": [f"An amount from 0 to {HIGHEST_LIMIT:,} with at most three decimals."]}
        )
    account = social_spend.locked(connection)
    before = {"daily_limit": str(account.daily_limit), "reads_are_on": account.reads_are_on}
    account.daily_limit, account.reads_are_on = daily_limit, reads_are_on
    account.save(update_fields=["daily_limit", "reads_are_on"])
    after = {"daily_limit": str(daily_limit), "reads_are_on": reads_are_on}
    audit.record(actor, "social_account.limit_changed", connection, now=now, before=before, after=after)
    return account


def rules_of(post: SocialPost) -> Rules:
    return networks.rules_of(post.connection.service)


def _fill(post: SocialPost, draft: Draft, *, now: datetime) -> None:
    told, rules = draft.post, rules_of(post)
    post.text, post.link, post.is_made_with_ai = told.text, told.link, told.is_made_with_ai
    post.images = [one.url for one in told.images]
    post.alts = [one.alt for one in told.images]
    post.scheduled_at, post.changed_at = draft.scheduled_at, now
    post.body_hash, post.price = fingerprint(rules.body(told)), rules.price(told)
    post.state, post.reason, post.approved_by, post.approved_at = State.DRAFT, "", None, None
    post.save()


def _locked(public_id: UUID | str) -> SocialPost:
    found = SocialPost.objects.select_for_update(of=("self",)).select_related("connection")
    post = found.filter(public_id=public_id).first()
    if post is None:
        raise NotHere("There is no such post.")
    return post


def _open(public_id: UUID | str) -> SocialPost:
    post = _locked(public_id)
    if not post.is_open:
        raise NotPossibleNow("It is on its way or out, and cannot be changed any more.")
    return post


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"https", "http"} and bool(parts.hostname) and len(text) <= LONGEST_URL
