"""Campaigns made and changed by way of the outbox: each once, also when an answer is lost.

A campaign carries a tag of ours in its name. Where it is not known whether one was made, it is looked for by
that tag before it is made again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import BudgetKind, Change, NewCampaign, Status
from apps.integrations.money import Money
from apps.integrations.outbox import Due, Handler, handles
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family

CREATE, CHANGE = "campaigns.create", "campaigns.change"


def payload_of_new(wanted: NewCampaign) -> dict[str, Any]:
    """What an outbox call of CREATE carries."""
    times = {"starts_at": wanted.starts_at, "ends_at": wanted.ends_at}
    return {
        "name": wanted.name,
        "objective": wanted.objective,
        "budget": str(wanted.budget.amount),
        "currency": wanted.budget.currency,
        "budget_kind": wanted.budget_kind.value,
        "tag": wanted.tag,
        "status": wanted.status.value,
        "native": wanted.native,
        **{name: at.isoformat() for name, at in times.items() if at is not None},
    }


def payload_of_change(campaign_id: str, change: Change) -> dict[str, Any]:
    """What an outbox call of CHANGE carries."""
    return {
        "campaign_id": campaign_id,
        "status": change.status,
        "budget": None if change.budget is None else str(change.budget.amount),
        "currency": None if change.budget is None else change.budget.currency,
        "budget_kind": change.budget_kind,
    }


def _create(client: Client, dues: Sequence[Due]) -> Answer:
    wanted = _wanted(dues[0].payload)
    if dues[0].call.attempts and (found := _look_up(client, dues[0])).is_good:
        return Answer(outcome=found)
    answer = platforms.of(client).create(wanted)
    if answer.outcome.is_good and answer.value:
        return Answer(outcome=Outcome(kind=Kind.OK, reference=answer.value))
    return answer


def _look_up(client: Client, due: Due) -> Outcome:
    try:
        found = platforms.of(client).find(due.payload["tag"])
    except errors.ServiceError as error:
        return error.outcome if error.outcome.kind != Kind.PERMANENT_DATA else Outcome(kind=Kind.UNKNOWN)
    if found is None:
        return Outcome(kind=Kind.PERMANENT_DATA, reason="No campaign carries its tag.")
    return Outcome(kind=Kind.OK, reference=found.id)


def _change(client: Client, dues: Sequence[Due]) -> Answer:
    told = dues[0].payload
    budget = None if told["budget"] is None else Money(Decimal(told["budget"]), told["currency"])
    change = Change(
        status=told["status"] and Status(told["status"]),
        budget=budget,
        budget_kind=told["budget_kind"] and BudgetKind(told["budget_kind"]),
    )
    answer = platforms.of(client).change(told["campaign_id"], change)
    return answer if answer.outcome.kind != Kind.PARTIAL else Answer(outcome=OK)


def _wanted(told: dict[str, Any]) -> NewCampaign:
    return NewCampaign(
        name=told["name"],
        objective=told["objective"],
        budget=Money(Decimal(told["budget"]), told["currency"]),
        budget_kind=BudgetKind(told["budget_kind"]),
        tag=told["tag"],
        status=Status(told["status"]),
        native=told["native"],
        starts_at=_moment(told.get("starts_at")),
        ends_at=_moment(told.get("ends_at")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


for _service in services.of_family(Family.ADS):
    handles(_service.key, CREATE, Handler(perform=_create, look_up=_look_up))
    # A change says what is to be: done again, it is so already.
    handles(_service.key, CHANGE, Handler(perform=_change, repeats_for=timedelta(days=1)))
