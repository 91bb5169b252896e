"""Mentions and figures, read from each connected account by beat: hourly where that is free, daily where it
costs money, and then only within the account's limit and where somebody wants it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.errors import DomainError
from apps.accounts.tasks_base import workspace_task
from apps.integrations import social_spend
from apps.integrations.client import Client
from apps.integrations.connectors.social import networks
from apps.integrations.connectors.social.network import RECENT, Mention, Network, Prices
from apps.integrations.events import SocialMentionsRead
from apps.integrations.models import Connection, SocialAccount, SocialDay, SocialMention, SocialPost
from apps.integrations.resilience.lanes import Lane
from apps.integrations.social_spend import Deed

EVERY, EVERY_FOR_MONEY = timedelta(hours=1), timedelta(days=1)
# Figures of older posts hardly change any more.
FIGURES_FOR = timedelta(days=28)
FIGURES_AT_ONCE = 25
MENTIONS_KEPT = timedelta(days=90)
DAY_COLUMNS = ["followers", "views", "engagements", "read_at"]


@shared_task(name="integrations.social_pull.sweep")
def sweep() -> int:
    """Start a pull of every account that is connected."""
    with scoping.across_workspaces("connections.sweep"):
        usable = Connection.objects.filter(service__in=networks.KEYS, state=Connection.State.CONNECTED)
        found = list(usable.values_list("workspace_id", "pk"))
    for workspace_id, connection_id in found:
        pull.delay(workspace_id=workspace_id, connection_id=connection_id)
    return len(found)


@workspace_task(name="integrations.social_pull.pull")
def pull(*, connection_id: int) -> bool:
    """Read one account if it is its time. What fails is said on its page. Returns whether it was read."""
    connection = Connection.objects.get(pk=connection_id)
    account, now = social_spend.account_of(connection), timezone.now()
    prices = social_spend.prices_of(connection)
    _forget(connection, now=now)
    if not account.reads_are_on or not _is_time(account, prices, now=now):
        return False
    network = networks.of(Client(connection, lane=Lane.MARKETING))
    try:
        _read_account(connection, network, prices, now=now)
        _read_mentions(connection, account, network, prices, now=now)
        _read_posts(connection, network, prices, now=now)
    except DomainError as error:  # the service or the limit said no: the next pull tries again
        account.read_failed = error.detail[:300]
    else:
        account.read_failed = ""
    account.read_at = now
    account.save(update_fields=["read_at", "read_failed", "mentions_after"])
    return True


def _is_time(account: SocialAccount, prices: Prices | None, *, now: datetime) -> bool:
    every = EVERY if prices is None else EVERY_FOR_MONEY
    return account.read_at is None or now - account.read_at >= every - timedelta(minutes=5)


def _read_account(connection: Connection, network: Network, prices: Prices | None, *, now: datetime) -> None:
    price = prices.read_person if prices else Decimal(0)
    with social_spend.counted(connection, Deed.FIGURES, price, now=now):
        found = network.account_figures()
    row = SocialDay(
        workspace_id=connection.workspace_id,
        connection=connection,
        on=now.astimezone(UTC).date(),
        followers=found.followers,
        views=found.views,
        engagements=found.engagements,
        read_at=now,
    )
    SocialDay.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["workspace", "connection", "on"],
        update_fields=DAY_COLUMNS,
    )


def _read_mentions(
    connection: Connection, account: SocialAccount, network: Network, prices: Prices | None, *, now: datetime
) -> None:
    """The newest ones; each is charged together with its author."""
    if not network.rules.can_read_mentions:
        return
    each = prices.read + prices.read_person if prices else Decimal(0)
    with social_spend.counted(connection, Deed.MENTIONS, each * RECENT, now=now) as spend:
        found = network.mentions(account.mentions_after, RECENT)
        social_spend.correct(spend, each * len(found))
    if found:
        account.mentions_after = max(found, key=lambda one: one.at).id[:120]
        _keep(connection, found, now=now)


@transaction.atomic
def _keep(connection: Connection, found: Sequence[Mention], *, now: datetime) -> None:
    known = set(
        SocialMention.objects.filter(
            connection=connection, external_id__in=[one.id for one in found]
        ).values_list("external_id", flat=True)
    )
    rows = [
        SocialMention(
            workspace_id=connection.workspace_id,
            connection=connection,
            external_id=one.id[:200],
            author=one.author[:200],
            text=one.text,
            url=one.url[:2_000],
            at=one.at,
            read_at=now,
        )
        for one in sorted(found, key=lambda one: one.at)
        if one.id not in known
    ]
    SocialMention.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        events.publish(
            SocialMentionsRead(
                workspace_id=connection.workspace_id, connection_id=connection.pk, count=len(rows)
            )
        )


def _read_posts(connection: Connection, network: Network, prices: Prices | None, *, now: datetime) -> None:
    out = SocialPost.objects.filter(
        connection=connection,
        state=SocialPost.State.PUBLISHED,
        deleted_at=None,
        published_at__gte=now - FIGURES_FOR,
    )
    for post in out.order_by("-published_at")[:FIGURES_AT_ONCE]:
        price = prices.read if prices else Decimal(0)
        with social_spend.counted(connection, Deed.FIGURES, price, post=post, now=now):
            found = network.post_figures(post.external_id)
        post.views, post.reactions, post.comments = found.views, found.reactions, found.comments
        post.shares, post.clicks = found.shares, found.clicks
        post.url, post.figures_read_at = found.url or post.url, now
        post.save(
            update_fields=["views", "reactions", "comments", "shares", "clicks", "url", "figures_read_at"]
        )


def _forget(connection: Connection, *, now: datetime) -> None:
    SocialMention.objects.filter(connection=connection, at__lt=now - MENTIONS_KEPT).delete()
