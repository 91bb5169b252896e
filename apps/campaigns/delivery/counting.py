"""How many recipients of a campaign are in which state, kept in the transactions that change it."""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Sum

from apps.accounts import scoping
from apps.campaigns.models import SendCount

ADD = """
    INSERT INTO campaigns_sendcount AS kept (workspace_id, campaign_id, state, reason, people)
    SELECT (SELECT %s::bigint), %s, told.state, %s, told.people
    FROM unnest(%s::text[], %s::bigint[]) AS told (state, people) WHERE told.people <> 0 ORDER BY told.state
    ON CONFLICT (workspace_id, campaign_id, state, reason)
    DO UPDATE SET people = kept.people + excluded.people
"""


def add(campaign_id: int, people: Mapping[str, int], *, reason: str = "") -> None:
    """So many more in each state, in the open transaction."""
    params: list[Any] = [scoping.current_id(), campaign_id, reason, list(people), list(people.values())]
    with connection.cursor() as cursor:
        cursor.execute(ADD, params)


def total(campaign_id: int) -> int:
    found = SendCount.objects.filter(campaign_id=campaign_id).aggregate(people=Sum("people"))
    return found["people"] or 0
