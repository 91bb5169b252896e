"""What pages and the API show of social accounts and posts: rows out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet

from apps.integrations import answers, services, social, social_spend
from apps.integrations.connectors.social import networks
from apps.integrations.connectors.social.network import Post, Prices, Rules
from apps.integrations.models import Connection, SocialAccount, SocialDay, SocialMention, SocialPost
from apps.integrations.services import Service

State = SocialPost.State
# Followers are compared with those of so long ago.
FOLLOWERS_DAYS = 28


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an account does. gained: followers since the oldest figure of the last four weeks."""

    connection: Connection
    service: Service
    account: SocialAccount
    rules: Rules
    prices: Prices | None
    spent: Decimal
    waiting: int
    followers: int | None
    gained: int | None
    answered_at: datetime | None

    @property
    def is_unknown(self) -> bool:
        """Whether nothing stands against it, and nothing speaks for it."""
        return not self.trouble and self.answered_at is None and self.followers is None

    @property
    def is_charged(self) -> bool:
        return self.prices is not None

    @property
    def trouble(self) -> str:
        """What a person should know, in words, or empty."""
        if not self.connection.is_usable:
            return self.connection.state_reason or f"It {self.connection.get_state_display()}."
        return self.account.read_failed


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A draft as one network will get it."""

    connection: Connection
    service: Service
    body: str
    post: Post
    length: int
    longest: int
    price: Decimal
    currency: str
    faults: list[str]
    warnings: list[str]


def standings(*, now: datetime) -> list[Standing]:
    """Every account at a network that is not disconnected."""
    return [standing_of(one, now=now) for one in social.usable()]


def standing_of(connection: Connection, *, now: datetime) -> Standing:
    days = list(
        SocialDay.objects.filter(connection=connection, on__gte=now.date() - timedelta(days=FOLLOWERS_DAYS))
        .exclude(followers=None)
        .order_by("on")
        .values_list("followers", flat=True)
    )
    account = str(connection.public_id)
    waiting = Q(state=State.APPROVED) | Q(state__in=SocialPost.IN_FLIGHT)
    counts = SocialPost.objects.filter(connection=connection).aggregate(waiting=Count("pk", filter=waiting))
    return Standing(
        connection=connection,
        service=services.get(connection.service),
        account=social_spend.account_of(connection),
        rules=networks.rules_of(connection.service),
        prices=social_spend.prices_of(connection),
        spent=social_spend.spent_on(connection, now.astimezone(UTC).date()),
        waiting=counts["waiting"],
        followers=days[-1] if days else None,
        gained=days[-1] - days[0] if len(days) > 1 else None,
        answered_at=connection.checked_at or answers.last([account]).get(account),
    )


def posts() -> QuerySet[SocialPost]:
    return SocialPost.objects.select_related("connection", "approved_by", "created_by")


def mentions() -> QuerySet[SocialMention]:
    return SocialMention.objects.select_related("connection")


def counts() -> dict[str, int]:
    """How many posts wait for a person, are on their way, are out, and failed."""
    found: dict[str, Any] = SocialPost.objects.aggregate(
        drafts=Count("pk", filter=Q(state=State.DRAFT)),
        on_the_way=Count("pk", filter=Q(state=State.APPROVED) | Q(state__in=SocialPost.IN_FLIGHT)),
        out=Count("pk", filter=Q(state=State.PUBLISHED, deleted_at=None)),
        failed=Count("pk", filter=Q(state=State.FAILED)),
        unknown=Count("pk", filter=Q(state=State.UNKNOWN)),
    )
    return found


def previews(post: Post, connections: Sequence[Connection]) -> list[Preview]:
    """The post as each account's network will get it, and what to know before."""
    return [_preview(post, one) for one in connections]


def _preview(post: Post, connection: Connection) -> Preview:
    rules, prices = networks.rules_of(connection.service), social_spend.prices_of(connection)
    body = rules.body(post)
    return Preview(
        connection=connection,
        service=services.get(connection.service),
        body=body,
        post=post,
        length=rules.length(body),
        longest=rules.longest,
        price=rules.price(post),
        currency=prices.currency if prices else "",
        faults=rules.faults(post),
        warnings=rules.warnings(post),
    )
