"""What deeds at a network cost, and the limit of a day that holds them back.

Money is counted before it is spent, under the account's lock, so that two workers cannot both spend the rest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from apps.accounts.errors import DomainError
from apps.integrations.connectors.social import networks
from apps.integrations.connectors.social.network import Prices
from apps.integrations.errors import ServiceError
from apps.integrations.models import Connection, SocialAccount, SocialPost, SocialSpend

Deed = SocialSpend.Deed


class SpendLimitReached(DomainError):
    code = "spend_limit_reached"
    status = 409


def prices_of(connection: Connection) -> Prices | None:
    """What the network charges, or None where it is free."""
    of = networks.rules_of(connection.service).prices
    return None if of is None else of()


def account_of(connection: Connection) -> SocialAccount:
    """How the account is used; as settings have it until somebody says otherwise. Nothing is read for money
    unasked.
    """
    prices = prices_of(connection)
    found, _ = SocialAccount.objects.get_or_create(
        workspace_id=connection.workspace_id,
        connection=connection,
        defaults={
            "daily_limit": Decimal(settings.SOCIAL_DAILY_LIMIT),
            "currency": prices.currency if prices else "USD",
            "reads_are_on": prices is None,
        },
    )
    return found


def locked(connection: Connection) -> SocialAccount:
    """The same, locked until the transaction ends."""
    account: SocialAccount = SocialAccount.objects.select_for_update(no_key=True).get(
        pk=account_of(connection).pk
    )
    return account


def spent_on(connection: Connection, on: date) -> Decimal:
    rows = SocialSpend.objects.filter(connection=connection, on=on)
    return rows.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


@transaction.atomic
def reserve(
    connection: Connection,
    deed: str,
    amount: Decimal,
    *,
    now: datetime,
    post: SocialPost | None = None,
    is_owed: bool = False,
) -> SocialSpend | None:
    """Count the money. Locks the account. Raises SpendLimitReached; returns None for what is free.

    is_owed: without it a post might be published and paid twice, so the limit does not hold it back.
    """
    if not amount:
        return None
    account = locked(connection)
    spent = spent_on(connection, _day(now))
    if spent + amount > account.daily_limit and not is_owed:
        raise SpendLimitReached(
            f"{connection.label} may spend {account.daily_limit} {account.currency} in a day (UTC). "
            f"{spent} are spent, and this costs {amount}. Raise the limit, or wait until tomorrow."
        )
    made: SocialSpend = SocialSpend.objects.create(
        workspace_id=connection.workspace_id,
        connection=connection,
        post=post,
        deed=deed,
        on=_day(now),
        amount=amount,
        at=now,
    )
    return made


def correct(spend: SocialSpend | None, amount: Decimal) -> None:
    """What it came to in the end."""
    if spend is not None and spend.amount != amount:
        spend.amount = amount
        spend.save(update_fields=["amount"])


@contextmanager
def counted(
    connection: Connection, deed: str, amount: Decimal, *, now: datetime, post: SocialPost | None = None
) -> Iterator[SocialSpend | None]:
    """Count the money of what the block reads. What the network refused it did not charge; where its answer
    was lost it may have.
    """
    spend = reserve(connection, deed, amount, post=post, now=now)
    try:
        yield spend
    except ServiceError as error:
        if error.outcome.status is not None or not error.outcome.was_sent:
            correct(spend, Decimal(0))
        raise


def give_back(post: SocialPost, deed: str) -> None:
    """It was not done this time, so it was not charged. An attempt before may have been."""
    newest = SocialSpend.objects.filter(post=post, deed=deed).order_by("-pk").values("pk")[:1]
    SocialSpend.objects.filter(pk__in=newest).update(amount=0)


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
