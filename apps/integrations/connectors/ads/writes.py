"""Campaigns made and changed by way of the outbox: each once, also when an answer is lost.

A campaign carries a tag of ours in its name. Where it is not known whether one was made, it is looked for by
that tag before it is made again. Where it is not known whether a change was made, the platform is asked what
it has now: no change is sent a second time unless it is seen not to have been made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.integrations import errors, services, settling
from apps.integrations.client import Client
from apps.integrations.connectors.ads import change_forms, memory, platforms
from apps.integrations.connectors.ads.platform import (
    AdPlatform,
    BudgetKind,
    Campaign,
    CannotSay,
    Change,
    Group,
    Level,
    NewCampaign,
    Segment,
    Status,
    Target,
    refused,
)
from apps.integrations.events import AdChangeSettled
from apps.integrations.models import Call, Connection
from apps.integrations.money import Form, Money, NotExact, to_wire
from apps.integrations.outbox import Due, Handler, handles
from apps.integrations.rehearsal import Planned, Rehearsal
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


def payload_of_change(target: Target, change: Change, *, before: Change | None = None) -> dict[str, Any]:
    """What an outbox call of CHANGE carries.

    before: what the target must be like, or nothing is sent: somebody changed it since. Raises ValueError for
    a change that this kind of target cannot have.
    """
    _check(target, change)
    told = {"level": target.level.value, "id": target.id, "change": change_forms.to_json(change)}
    return told | ({"before": change_forms.to_json(before)} if before else {})


@dataclass(frozen=True, kw_only=True)
class State:
    """What a platform has now. is_excluded: of the segment that was asked about."""

    status: Status
    budget: Money | None = None
    budget_kind: BudgetKind | None = None
    bid: Money | None = None
    is_excluded: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a change would send, in order. verdict: whether it would be taken, as far as can be known;
    is_checked: the platform itself was asked, without changing anything.
    """

    requests: tuple[Planned, ...]
    verdict: Outcome
    is_checked: bool


def preview(connection: Connection, target: Target, change: Change) -> Preview:
    """The requests of a change, none of which is sent, and the platform's own check where it has one.

    Raises errors.ServiceError where what has to be known first cannot be read.
    """
    _check(target, change)
    if told := _of_another_currency(connection, change):
        return Preview(requests=(), verdict=told, is_checked=False)
    rehearsal = Rehearsal(connection)
    platform = platforms.of(rehearsal)
    answer = _ask(platform, target, change)
    if not (answer.outcome.is_good and platform.can_validate and rehearsal.planned):
        return Preview(requests=rehearsal.planned, verdict=answer.outcome, is_checked=False)
    checked = _ask(platforms.of(Client(connection)), target, change, only_validate=True)
    return Preview(requests=rehearsal.planned, verdict=checked.outcome, is_checked=True)


def state_of(connection: Connection, target: Target, *, segment: Segment | None = None) -> State | None:
    """What the platform has now; None where it has no such thing.

    Raises errors.ServiceError, and CannotSay for what the platform's connector never reads.
    """
    return _state(platforms.of(Client(connection)), target, segment)


def is_met(state: State, change: Change) -> bool:
    """Whether it is as the change wants it."""
    wanted = [
        (change.status, state.status),
        (change.budget, state.budget),
        (change.budget_kind, state.budget_kind),
        (change.bid, state.bid),
        (change.exclude and True, state.is_excluded),
        (change.include and False, state.is_excluded),
    ]
    return all(one is None or one == now for one, now in wanted)


def _check(target: Target, change: Change) -> None:
    amounts = [change.status, change.budget, change.bid]
    segments = [one for one in (change.exclude, change.include) if one]
    if segments and (len(segments) > 1 or any(amounts) or target.level != Level.CAMPAIGN):
        raise ValueError("a segment is left out of a campaign by a change of its own")
    if target.level == Level.CREATIVE and (change.status is None or change.budget or change.bid):
        raise ValueError("an ad has a status, and neither budget nor bid")
    if not segments and not any(amounts):
        raise ValueError("the change changes nothing")


def _state(platform: AdPlatform, target: Target, segment: Segment | None) -> State | None:
    if target.level == Level.CREATIVE:
        ad = platform.read_creative(target.id)
        return None if ad is None else State(status=ad.status)
    read = platform.read_group if target.level == Level.GROUP else platform.read
    found: Campaign | Group | None = read(target.id)
    if found is None:
        return None
    return State(
        status=found.status,
        budget=found.budget,
        budget_kind=found.budget_kind,
        bid=found.bid,
        is_excluded=platform.is_excluded(target.id, segment) if segment else None,
    )


def _ask(
    platform: AdPlatform, target: Target, change: Change, *, only_validate: bool = False
) -> "Answer[None]":
    """An amount that the platform cannot be told exactly is refused before anything is sent."""
    try:
        if target.level == Level.CREATIVE and change.status is not None:
            return platform.change_creative(target.id, change.status, only_validate=only_validate)
        if target.level == Level.GROUP:
            return platform.change_group(target.id, change, only_validate=only_validate)
        return platform.change(target.id, change, only_validate=only_validate)
    except NotExact as error:
        return refused(error.detail)


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


def perform_change(client: Client, dues: Sequence[Due]) -> Answer:
    """Make a change, unless it is so already, or what was to be changed is not what it was."""
    told = dues[0].payload
    target, change = Target(Level(told["level"]), told["id"]), change_forms.from_json(told["change"])
    if wrong := _of_another_currency(client.connection, change):
        return Answer(outcome=wrong)
    platform = platforms.of(client)
    try:
        if "before" in told and (
            known := _guarded(platform, target, change, change_forms.from_json(told["before"]))
        ):
            return Answer(outcome=known)
        answer = _ask(platform, target, change)
    except errors.ServiceError as error:
        return Answer(outcome=_unread(error.outcome))
    except CannotSay as why:
        return refused(f"It cannot be seen whether it was changed since: {why}")
    if answer.outcome.is_good:
        memory.remember(client.connection, target, change)
    return answer


def _of_another_currency(connection: Connection, change: Change) -> Outcome | None:
    """Most platforms take a number and mean the account's currency by it."""
    known = memory.currency_of(connection)
    given = [money.currency for money in (change.budget, change.bid) if money is not None]
    if not known or all(one == known for one in given):
        return None
    reason = f"The account is in {known}, and the change in {given[0]}."
    return Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False)


def _unread(outcome: Outcome) -> Outcome:
    """What is read before anything is written could not be: the change is as good as not begun."""
    if outcome.kind != Kind.UNKNOWN:
        return outcome
    return replace(outcome, kind=Kind.RETRYABLE, was_sent=False)


def _guarded(platform: AdPlatform, target: Target, change: Change, before: Change) -> Outcome | None:
    """What becomes of the change without its being sent; None where the target is as it was left."""
    state = _state(platform, target, _segment_in(change) or _segment_in(before))
    if state is None or not (is_met(state, change) or is_met(state, before)):
        why = "It is not there any more." if state is None else f"It was changed since: {_words(state)}."
        return Outcome(kind=Kind.REFUSED_HERE, reason=why, was_sent=False)
    return OK if is_met(state, change) else None


def _segment_in(change: Change) -> Segment | None:
    return change.exclude or change.include


def _words(state: State) -> str:
    amounts = [
        f"{name} {to_wire(money, Form.DECIMAL)} {money.currency}"
        for name, money in (("budget", state.budget), ("bid", state.bid))
        if money is not None
    ]
    return ", ".join([state.status.value, *amounts])


def look_up_change(client: Client, due: Due) -> Outcome:
    """Done where it is as the change wants it, else not done. Whoever changed it, it is not changed twice."""
    told = due.payload
    target, change = Target(Level(told["level"]), told["id"]), change_forms.from_json(told["change"])
    try:
        state = _state(platforms.of(client), target, _segment_in(change))
    except errors.ServiceError as error:
        return settling.not_told(error.outcome)
    except CannotSay as why:
        return Outcome(kind=Kind.REFUSED_HERE, reason=str(why))
    if state is None:
        return Outcome(kind=Kind.REFUSED_HERE, reason="It is not there any more.")
    if not is_met(state, change):
        return Outcome(kind=Kind.PERMANENT_DATA, reason="It was not done.")
    memory.remember(client.connection, target, change)
    return OK


def news_of_change(call: Call) -> AdChangeSettled:
    """A call that was given up, or cancelled then, while an attempt's fate was open is of unknown fate."""
    words = {Call.State.DONE: "done", Call.State.DEAD: "refused", Call.State.CANCELLED: "cancelled"}
    is_open = call.state != Call.State.DONE and call.sent_at is not None
    return AdChangeSettled(
        workspace_id=call.workspace_id,
        call_id=call.pk,
        connection_id=call.connection_id,
        state="unknown" if is_open else words[Call.State(call.state)],
        reason=call.last_reason,
    )


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
    handles(
        _service.key, CHANGE, Handler(perform=perform_change, look_up=look_up_change, news=news_of_change)
    )
