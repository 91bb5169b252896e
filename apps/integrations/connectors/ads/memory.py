"""What a platform was told is seen here at once, and not only when the account is read again."""

from typing import Any

from django.utils import timezone

from apps.integrations.connectors.ads.platform import Change, Level, Target
from apps.integrations.models import AdCampaign, AdCreative, AdDay, AdGroup, Connection

_LEVELS: dict[Level, Any] = {
    Level.CAMPAIGN: AdCampaign,
    Level.GROUP: AdGroup,
    Level.CREATIVE: AdCreative,
}


def remember(connection: Connection, target: Target, change: Change) -> None:
    """Have a change that the platform made in the rows that were read. A campaign counts as read anew: a
    reading of it that began before knows less (ad_rows.py).
    """
    amounts = {"budget": change.budget, "bid": change.bid}
    new: dict[str, Any] = {name: money.amount for name, money in amounts.items() if money is not None}
    words = {"status": change.status, "budget_kind": change.budget_kind}
    new |= {name: word for name, word in words.items() if word is not None}
    model = _LEVELS[target.level]
    columns = {field.name for field in model._meta.concrete_fields}
    if known := {name: value for name, value in new.items() if name in columns}:
        if target.level == Level.CAMPAIGN:
            known["read_at"] = timezone.now()
        of = "connection" if target.level == Level.CAMPAIGN else "campaign__connection"
        model.objects.filter(**{of: connection}, external_id=target.id).update(**known)


def currency_of(connection: Connection) -> str:
    """Of the account, by what was read of it; empty where nothing was."""
    campaigns = AdCampaign.objects.filter(connection=connection).exclude(currency="")
    days = AdDay.objects.filter(campaign__connection=connection)
    known = [*campaigns.values_list("currency", flat=True)[:1], *days.values_list("currency", flat=True)[:1]]
    return known[0] if known else ""
